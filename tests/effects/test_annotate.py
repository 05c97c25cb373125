import gzip
import json

import numpy as np
import pandas as pd
import pysam
import pytest

from hexamer.effects import ScoreSettings, annotate_variants
from hexamer.errors import OutputError, VariantError

HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="Flag">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "##contig=<ID=20>",
    "##contig=<ID=GL1>",
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tHG1",
]


@pytest.fixture
def rows(genome):
    base = {pos: genome.fetch("20", pos - 1, pos) for pos in (50, 100, 101, 200, 300, 400)}
    other = {pos: "ACGT"[("ACGT".index(b) + 1) % 4] for pos, b in base.items()}
    third = {pos: "ACGT"[("ACGT".index(b) + 2) % 4] for pos, b in base.items()}
    return [
        f"20\t50\trs1\t{base[50]}\t{other[50]}\t100.0\tPASS\tAF=0.50;DB\tGT\t0|1",
        f"20\t100\t.\t{base[100]}\t{other[100]},R,{third[100]}\t.\t.\t.\tGT\t1|2",
        f"20\t101\tx;y\t{other[101]}\t{base[101]}\t1e-3\tq10\tAF=.\tGT\t./.",
        f"20\t200\t.\t{base[200]}\t.\t.\t.\tEND=205\tGT\t0|0",
        f"20\t300\t.\t{base[300]}\t<DEL>\t.\t.\tHX_LLR=9;AF=1\tGT\t0|1",
        f"20\t400\t.\t{base[400].lower()}\t{other[400].lower()}\t.\t.\t\tGT\t0|1",
        "GL1\t5\t.\tA\tC\t.\t.\t.\tGT\t0|1",
    ]


@pytest.fixture
def vcf(tmp_path, rows):
    path = tmp_path / "in.vcf"
    path.write_text("\n".join([*HEADER, *rows]) + "\n")
    return path


def lines_of(path):
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt") as file:
        return [line.rstrip("\n") for line in file]


def test_every_record_comes_back_in_order_with_its_columns(model, genome, vcf, rows, tmp_path):
    out = tmp_path / "out.vcf.gz"
    summary = annotate_variants(model, genome, vcf, out, settings=ScoreSettings(scores=("llr", "l2")))
    got = [line for line in lines_of(out) if not line.startswith("#")]
    assert len(got) == len(rows)
    for before, after in zip((row.split("\t") for row in rows), (line.split("\t") for line in got), strict=True):
        assert before[:7] + before[8:] == after[:7] + after[8:]
        kept = [entry for entry in before[7].split(";") if entry not in ("", ".") and not entry.startswith("HX_")]
        assert after[7].split(";")[: len(kept)] == kept
    info = [dict(entry.partition("=")[::2] for entry in line.split("\t")[7].split(";")) for line in got]
    reasons = [entry.get("HX_REASON") for entry in info]
    assert reasons == [None, ".,iupac,.", "ref_mismatch", "missing", "symbolic", None, "contig_missing"]
    assert [len(entry["HX_L2"].split(",")) for entry in info if "HX_L2" in entry] == [1, 3, 1]
    assert info[1]["HX_LLR"].split(",")[1] == "."
    assert "HX_LLR" not in info[4], "an old score was left beside a reason"
    assert (summary.records, summary.alleles, summary.reasons[""]) == (7, 9, 4)
    manifest = json.loads((tmp_path / "out.vcf.gz.manifest.json").read_text())
    assert sum(manifest["reasons"].values()) == 9
    assert manifest["reasons"]["scored"] == 4


def test_the_header_says_what_scores_were_computed_with(model, genome, vcf, tmp_path):
    settings = ScoreSettings(anchor="variant", window=300)
    annotate_variants(model, genome, vcf, tmp_path / "out.vcf", settings=settings)
    (line,) = (line for line in lines_of(tmp_path / "out.vcf") if line.startswith("##hexamer="))
    assert line.endswith("Window=300,Anchor=variant,Precision=exact>")


def test_htslib_reads_the_output_and_its_index(model, genome, vcf, tmp_path):
    out = tmp_path / "out.vcf.gz"
    annotate_variants(model, genome, vcf, out)
    with pysam.VariantFile(str(out)) as file:
        assert file.header.info["HX_LLR"].number == "A"
        found = [record.pos for record in file.fetch("20", 99, 101)]
        assert found == [100, 101]
    assert [line for line in lines_of(out) if line.startswith("#")][: len(HEADER) - 1] == HEADER[:-1]


def test_scoring_twice_replaces_scores(model, genome, vcf, tmp_path):
    first, second = tmp_path / "1.vcf", tmp_path / "2.vcf"
    annotate_variants(model, genome, vcf, first)
    annotate_variants(model, genome, first, second)
    assert lines_of(first) == lines_of(second)


def test_every_kind_of_file_holds_the_same_float32(model, genome, vcf, tmp_path):
    settings = ScoreSettings(scores=("llr", "cosine"), pool="mean")
    for name in ("x.vcf", "x.tsv", "x.parquet"):
        annotate_variants(model, genome, vcf, tmp_path / name, settings=settings)
    exact = pd.read_parquet(tmp_path / "x.parquet")[["llr", "cosine"]].to_numpy("float32")
    tsv = pd.read_csv(tmp_path / "x.tsv", sep="\t", comment="#", dtype={"llr": "float32", "cosine": "float32"})
    np.testing.assert_array_equal(tsv[["llr", "cosine"]].to_numpy(), exact)
    info = [line.split("\t")[7] for line in lines_of(tmp_path / "x.vcf") if not line.startswith("#")]
    cosines = [
        x for entry in info if "HX_COSINE" in entry for x in entry.split("HX_COSINE=")[1].split(";")[0].split(",")
    ]
    np.testing.assert_array_equal(np.float32([x for x in cosines if x != "."]), exact[~np.isnan(exact[:, 1]), 1])


def test_scores_of_an_earlier_run_are_removed_even_under_other_names(model, genome, vcf, tmp_path):
    annotate_variants(model, genome, vcf, tmp_path / "1.vcf", settings=ScoreSettings(scores=("llr", "l2")))
    annotate_variants(model, genome, tmp_path / "1.vcf", tmp_path / "2.vcf")
    assert "HX_L2" not in (tmp_path / "2.vcf").read_text()


def test_the_input_is_never_overwritten(model, genome, vcf):
    before = vcf.read_bytes()
    with pytest.raises(OutputError, match="is the input itself"):
        annotate_variants(model, genome, vcf, vcf)
    assert vcf.read_bytes() == before


def test_tables_have_a_row_per_allele(model, genome, vcf, tmp_path):
    for name in ("x.tsv", "x.tsv.gz", "x.parquet"):
        annotate_variants(model, genome, vcf, tmp_path / name)
    tsv = pd.read_csv(tmp_path / "x.tsv", sep="\t", comment="#", keep_default_na=False, na_values=[""])
    assert lines_of(tmp_path / "x.tsv") == lines_of(tmp_path / "x.tsv.gz")
    parquet = pd.read_parquet(tmp_path / "x.parquet")
    assert list(parquet.columns) == ["chrom", "pos", "id", "ref", "alt", "llr", "reason"]
    assert len(parquet) == len(tsv) == 9
    pd.testing.assert_series_equal(parquet["llr"], tsv["llr"], check_dtype=False, atol=1e-4)
    assert parquet["reason"].tolist() == tsv["reason"].fillna("").tolist()


def test_an_unsorted_file_is_written_without_an_index(model, genome, rows, tmp_path):
    path, out = tmp_path / "in.vcf", tmp_path / "out.vcf.gz"
    path.write_text("\n".join([*HEADER, *rows[::-1]]) + "\n")
    (tmp_path / "out.vcf.gz.tbi").write_text("an old index")
    assert annotate_variants(model, genome, path, out).indexed is False
    assert not (tmp_path / "out.vcf.gz.tbi").exists()
    assert len([line for line in lines_of(out) if not line.startswith("#")]) == 7


def test_a_file_without_records_gives_a_file_without_records(model, genome, tmp_path):
    path = tmp_path / "in.vcf"
    path.write_text("\n".join(HEADER) + "\n")
    for name in ("o.vcf.gz", "o.vcf", "o.tsv", "o.parquet"):
        assert annotate_variants(model, genome, path, tmp_path / name).records == 0
    assert len(pd.read_parquet(tmp_path / "o.parquet")) == 0


def test_a_damaged_input_leaves_nothing_behind(model, genome, vcf, tmp_path):
    with vcf.open("a") as file:
        file.write("20\tfive\t.\tA\tC\t.\t.\t.\tGT\t0|1\n")
    before = {p.name for p in tmp_path.iterdir()}
    with pytest.raises(VariantError, match=r"in\.vcf:15: POS is "):
        annotate_variants(model, genome, vcf, tmp_path / "out.vcf.gz")
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_wrong_ending_is_refused(model, genome, vcf, tmp_path):
    with pytest.raises(OutputError, match=r"out\.txt: scored variants are written as \.vcf, \.vcf\.gz"):
        annotate_variants(model, genome, vcf, tmp_path / "out.txt")
