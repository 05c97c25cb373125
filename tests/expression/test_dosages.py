import numpy as np
from tests.conftest import PEOPLE, write_people

from hexamer.expression.dosages import Dosages, common, read_dosages
from hexamer.genome import Cohort, Variant


def test_copies_of_each_allele(tmp_path):
    records = [
        "20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t1|2\t0/1\t.|1",
        "20\t7\t.\tG\tC\t.\t.\t.\tGT\t1\t0|0\t1/1",
        "20\t12\t.\tT\tC\t.\t.\t.\tGT\t0|1\t0|0\t0|0",
    ]
    path, genome = write_people(tmp_path, records)
    with Cohort(path, genome, cache=tmp_path) as cohort:
        found = read_dosages(cohort, "chr20", 2, 11)
        assert [str(each) for each in found.variants] == ["20:3:G:A", "20:3:G:GTT", "20:7:G:C"]
        np.testing.assert_array_equal(found.values, [[1, 1, 2], [1, 0, 0], [np.nan, np.nan, 2]])
        assert read_dosages(cohort, "21", 0, 20).values.shape == (3, 0)
    with Cohort(path, genome, samples=("cat", "ann"), cache=tmp_path) as cohort:
        np.testing.assert_array_equal(read_dosages(cohort, "20", -5, 11).values[:, 2], [2, 2])
    assert PEOPLE == ("ann", "bob", "cat")


def test_frequencies_and_means_are_of_those_who_are_learnt_from():
    values = np.array(
        [[0, 2, 0, np.nan, 1], [1, 2, 0, 1, np.nan], [np.nan, 2, 0, 2, np.nan], [2, 0, 2, 0, 1]], dtype=float
    )
    dosages = Dosages([Variant("20", i, "A", "C") for i in range(1, 6)], values, list("abcde"))
    found = common(dosages, np.array([True, True, True, False]), frequency=0.1)
    assert [each.pos for each in found.variants] == [1, 4]
    np.testing.assert_allclose(found.values, [[0, 1.5], [1, 1], [0.5, 2], [2, 0]])
    other = common(dosages._replace(values=np.vstack([values[:3], [0, 1, 1, 2, 2]])), np.arange(3), frequency=0.1)
    assert [each.pos for each in other.variants] == [1, 4]
