import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_vcf

from hexamer.errors import InputError
from hexamer.report.scored import read_scored

HEADER = '##INFO=<ID={},Number=A,Type=Float,Description="x">\n'


@pytest.fixture
def scored(tmp_path):
    path = tmp_path / "s.vcf.gz"
    records = [
        "20\t10\trs1\tA\tC,<DEL>\t.\t.\tAF=0.1,0.01;HX_LLR=-2.5,.;HX_REASON=.,symbolic",
        "20\t11\t.\tA\tG\t.\t.\tHX_LLR=0.5",
        "20\t12\t.\tA\tG\t.\t.\tHX_LLR=-7;HX_REASON=.",
    ]
    lines = "".join(HEADER.format(name) for name in ("AF", "HX_LLR", "HX_REASON"))
    plain = write_vcf(tmp_path / "s.vcf", records)
    plain.write_text(plain.read_text().replace("#CHROM", lines + "#CHROM", 1))
    import pysam

    pysam.tabix_compress(str(plain), str(path))
    return path


def test_alleles_of_a_vcf(scored):
    found = read_scored(scored)
    assert found.scores == ["llr"]
    assert found.reasons == {"": 3, "symbolic": 1}
    assert found.total == 4
    assert found.rows["alt"].tolist() == ["C", "<DEL>", "G", "G"]
    assert found.rows["id"].tolist() == ["rs1", "rs1", "", ""]
    np.testing.assert_array_equal(found.values["llr"], np.float32([-2.5, 0.5, -7]))
    np.testing.assert_array_equal(found.frequencies, np.float32([0.1, np.nan, np.nan]))


def test_of_many_the_largest_stay_in_the_order_of_the_file(scored):
    found = read_scored(scored, most=2)
    assert found.rows["pos"].tolist() == [10, 12]
    assert found.rows["llr"].tolist() == [-2.5, -7]
    assert found.total == 4


def test_pieces_make_no_difference(scored, monkeypatch):
    whole = read_scored(scored, most=3)
    monkeypatch.setattr("hexamer.report.scored._PIECE", 1)
    pieces = read_scored(scored, most=3)
    pd.testing.assert_frame_equal(whole.rows, pieces.rows)
    assert whole.reasons == pieces.reasons


def test_a_table_gives_the_same(scored, tmp_path):
    vcf = read_scored(scored)
    vcf.rows.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    vcf.rows.to_parquet(tmp_path / "t.parquet", index=False)
    for name in ("t.tsv", "t.parquet"):
        found = read_scored(tmp_path / name)
        assert found.reasons == vcf.reasons
        assert found.rows["llr"].dropna().tolist() == [-2.5, 0.5, -7]
        assert found.rows["frequency"].dropna().tolist() == [0.1, 0.01]


def test_numbers_of_rows_are_no_scores(tmp_path):
    table = "chrom\tpos\tref\talt\trecord\tllr\tllr_background\treason\n20\t1\tA\tC\t7\t-1\t300\t\n"
    (tmp_path / "n.tsv").write_text(table)
    assert read_scored(tmp_path / "n.tsv").scores == ["llr"]


def test_what_has_no_score_is_said(tmp_path):
    plain = write_vcf(tmp_path / "n.vcf", ["20\t10\t.\tA\tC\t.\t.\t."])
    with pytest.raises(InputError, match=r"n\.vcf: no HX_ scores in its header"):
        read_scored(plain)
    (tmp_path / "n.tsv").write_text("chrom\tpos\tref\talt\treason\n20\t1\tA\tC\t\n")
    with pytest.raises(InputError, match=r"n\.tsv: no column of scores"):
        read_scored(tmp_path / "n.tsv")
