import numpy as np
import pandas as pd
import pytest

from hexamer.errors import InputError
from hexamer.interpretation.scores import ScoredStretch, read_scores, tabulate_scores
from hexamer.interpretation.stretches import Stretch


@pytest.mark.parametrize(
    ("places", "strand", "pos", "inserted"),
    [
        ([3, 4, -1, -1, 5], "+", [3, 4, 4, 4, 5], [0, 0, 1, 2, 0]),
        ([-1, 7, 9], "+", [6, 7, 9], [1, 0, 0]),
        ([5, -1, 4, -1], "-", [5, 4, 4, 3], [0, 1, 0, 1]),
        ([-1, -1], "+", [-1, -1], [1, 2]),
    ],
)
def test_inserted_bases_have_the_place_before_them_and_a_number(places, strand, pos, inserted):
    stretch = Stretch("a", "a", strand, "A" * len(places), np.array(places))
    table = tabulate_scores(ScoredStretch(stretch, np.zeros(len(places))))
    assert ((table["pos"] - 1).tolist(), table["inserted"].tolist()) == (pos, inserted)


@pytest.mark.parametrize("ending", ["tsv", "tsv.gz", "parquet"])
def test_a_table_of_attributions_is_read_as_it_was_written(tmp_path, ending):
    first = Stretch("NA", "20", "-", "ACGNT", np.array([8, -1, 7, 6, 5]))
    second = Stretch("NA", "chr1", "+", "GG", np.array([1, 2]))
    scored = [ScoredStretch(each, np.arange(len(each.places)) / 4) for each in (first, second)]
    table = pd.concat([tabulate_scores(each) for each in scored])
    assert table["pos"].tolist() == [9, 8, 8, 7, 6, 2, 3]
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t", index=False)
    for told, found in zip(scored, read_scores(path), strict=True):
        assert found.stretch._replace(places=None) == told.stretch._replace(places=None)
        np.testing.assert_array_equal(found.stretch.places, told.stretch.places)
        np.testing.assert_array_equal(found.scores, told.scores)


def test_importance_of_mutagenesis_is_minus_the_mean(tmp_path):
    rows = [("r", "20", 5, "A", alt, llr) for alt, llr in (("C", -1), ("G", -2), ("T", -6))]
    rows += [("r", "20", 7, "G", "C", 0.5), ("r", "20", 4, "TA", "T", -9), ("s", "20", 5, "A", "C", np.nan)]
    pd.DataFrame(rows, columns=["name", "chrom", "pos", "ref", "alt", "llr"]).to_csv(tmp_path / "m.tsv", sep="\t")
    first, second = read_scores(tmp_path / "m.tsv")
    assert (first.stretch.name, first.stretch.sequence, first.stretch.places.tolist()) == ("r", "ANG", [4, 5, 6])
    np.testing.assert_array_equal(first.scores, [3, np.nan, -0.5])
    assert second.stretch.sequence == "A"
    assert np.isnan(second.scores).all()


def test_mutagenesis_of_a_person_keeps_inserted_bases_apart(tmp_path):
    rows = [("r", "20", pos, inserted, ref, "C", -1.0 * i) for i, (pos, inserted, ref) in
            enumerate([(5, 0, "A"), (5, 1, "T"), (5, 2, "G"), (8, 0, "A")])]  # fmt: skip
    pd.DataFrame(rows, columns=["name", "chrom", "pos", "inserted", "ref", "alt", "llr"]).to_csv(
        tmp_path / "m.tsv", sep="\t"
    )
    (found,) = read_scores(tmp_path / "m.tsv")
    assert (found.stretch.sequence, found.stretch.places.tolist()) == ("ATGA", [4, -1, -1, 7])
    assert found.scores.tolist() == [0, 1, 2, 3]


def test_dependency_maps_take_their_bases_from_the_genome(tmp_path, genome):
    rows = [("r", "20", i, j, float(i * j)) for i in (11, 12, 14) for j in (21, 23)]
    pd.DataFrame(rows, columns=["name", "chrom", "pos_changed", "pos_expected", "strength"]).to_csv(
        tmp_path / "d.tsv", sep="\t"
    )
    (found,) = read_scores(tmp_path / "d.tsv", genome)
    assert found.stretch.sequence == genome.fetch("20", 10, 14)
    np.testing.assert_array_equal(found.scores, [11 * 22, 12 * 22, np.nan, 14 * 22])
    with pytest.raises(InputError, match="a dependency map has no bases"):
        read_scores(tmp_path / "d.tsv")


def test_other_tables(tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match=r"x\.tsv: columns a, b; a table of attribute"):
        read_scores(tmp_path / "x.tsv")
    (tmp_path / "y.tsv").write_text("name\tchrom\tpos\tref\talt\tllr\n")
    with pytest.raises(InputError, match=r"y\.tsv: no row"):
        read_scores(tmp_path / "y.tsv")
    for name, text in (("z.tsv.gz", "plain"), ("w.parquet", "plain"), ("e.tsv", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="cannot be read"):
            read_scores(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path / "none.tsv")
