from tests.conftest import PEOPLE, REFERENCE, write_people

from hexamer.genome import Cohort, Interval, reverse_complement
from hexamer.genome.people import haplotypes

RECORDS = ["20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t1|2\t0|1\t.|0", "20\t7\t.\tGTA\tG\t.\t.\t.\tGT\t0|0\t1|1\t0|1"]


def test_every_haplotype_of_every_interval_in_order(tmp_path):
    path, genome = write_people(tmp_path, RECORDS)
    intervals = [Interval("20", 0, 12), Interval("chr20", 1, 5, "-", "promoter"), Interval("21", 0, 4)]
    with Cohort(path, genome, cache=tmp_path) as cohort:
        found = list(haplotypes(cohort, intervals))
        assert [(each.sample, each.number) for each in found] == [(name, n) for name in PEOPLE for n in (1, 2)] * 3
        for each in found:
            alone = cohort.haplotype(each.sample, each.number).fetch_interval(each.interval)
            assert each.sequence == alone
    assert found[0].name == "ann|1|20:1-12(+)"
    assert found[6].name == "ann|1|chr20:2-5(-)|promoter"
    assert found[0].sequence == "ACATACGTACGT"
    assert found[1].sequence == "ACGTTTACGTACGT"
    assert found[3].sequence == "ACATACGCGT"
    assert found[6].sequence == reverse_complement("CATA")
    assert {each.sequence for each in found[12:]} == {REFERENCE[:4]}
    assert found[0].counts["applied"] == 1
    assert found[4].counts["missing_call"] == 1
