import sys

import numpy as np
import pandas as pd
import pysam
import pytest
from tests.conftest import write_vcf

from hexamer.effects.peers import MISSING, add_scores, describe_scores
from hexamer.errors import REASONS, InputError

KEYS = [
    ("chr20", 100, "A", "C"),
    ("20", 100, "A", "T"),
    ("20", 150, "G", "GA"),
    ("20", 9000, "C", "T"),
    ("21", 5, "T", "C"),
    ("X", 5, "T", "C"),
    ("20", 101, "AC", "AG"),
]
CADD = """## CADD GRCh37-v1.6
#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED
20\t100\tA\tC\t0.5\t12.5
20\t100\tA\tG\t0.1\t1.5
20\t100\tA\tT\t-0.5\t3
20\t150\tG\tA\t0.25\t7
20\t150\tg\tga\t0.25\t8.5
20\t9000\tC\tT\t.\tNA
21\t4\tT\tC\t1\t1
"""


@pytest.fixture
def table():
    return pd.DataFrame(KEYS, columns=["chrom", "pos", "ref", "alt"])


def index(path, text):
    path.with_suffix("").write_text(text)
    pysam.tabix_index(str(path.with_suffix("")), seq_col=0, start_col=1, end_col=1, meta_char="#", force=True)
    return path


def check(found, values, reasons, name="x"):
    np.testing.assert_allclose(found[name], values)
    assert found[f"reason:{name}"].tolist() == reasons
    assert set(reasons) <= {"", *MISSING, *REASONS}


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_table_as_cadd_publishes_it(table, tmp_path, is_indexed):
    path = tmp_path / "cadd.tsv.gz"
    index(path, CADD)
    if not is_indexed:
        (tmp_path / "cadd.tsv.gz.tbi").unlink()
    found = add_scores(table, path, "PHRED", name="x")
    nothing = ["not_found", "contig_missing", "not_found"]
    nan = float("nan")
    check(found, [12.5, 3, 8.5, nan, nan, nan, nan], ["", "", "", "no_value", *nothing])
    raw = add_scores(table, path, "RawScore", name="raw")
    check(raw, [0.5, -0.5, 0.25, nan, nan, nan, nan], found["reason:x"].tolist(), "raw")
    assert "x" not in table, "a new table"
    said = describe_scores(path, "PHRED")
    assert ("index_sha256" in said, "sha256" in said, said["column"]) == (is_indexed, not is_indexed, "PHRED")


def test_neighbours_are_read_together_and_give_what_each_gives_alone(tmp_path):
    rng = np.random.default_rng(0)
    places = np.unique(rng.integers(1, 60_000, 3000))
    lines = [f"20\t{pos}\tA\tC\t{value:.4f}" for pos, value in zip(places, rng.normal(size=len(places)), strict=True)]
    path = index(tmp_path / "s.tsv.gz", "#chrom\tpos\tref\talt\ts\n" + "\n".join(lines) + "\n")
    wanted = rng.permutation(np.unique(np.concatenate([places[::7], rng.integers(1, 70_000, 200)])))
    table = pd.DataFrame({"chrom": "chr20", "pos": wanted, "ref": "A", "alt": "C"})
    found = add_scores(table, path, "s", name="s")
    expected = dict(zip(places.tolist(), (float(line.split("\t")[-1]) for line in lines), strict=True))
    assert found["s"].fillna(99).tolist() == [expected.get(pos, 99) for pos in wanted.tolist()]


def test_a_table_without_alleles_counts_for_snvs(table, tmp_path):
    path = index(tmp_path / "gerp.tsv.gz", "#chr\tposition\tRS\n20\t100\t4.5\n20\t150\t2\n")
    found = add_scores(table, path, "RS", name="x")
    nan, lost = float("nan"), "not_found"
    reasons = ["", "", "not_snv", lost, "contig_missing", "contig_missing", lost]
    check(found, [4.5, 4.5, nan, nan, nan, nan, nan], reasons)


@pytest.mark.parametrize("is_indexed", [True, False])
def test_info_of_a_vcf(table, tmp_path, is_indexed):
    rows = ["20\t100\t.\tA\tC,T\t.\t.\tS=1.5,.", "20\t150\t.\tG\tGA\t.\t.\tDB;S=3", "20\t9000\t.\tC\tT\t.\t.\t."]
    plain = write_vcf(tmp_path / "s.vcf", rows)
    header = '##INFO=<ID=S,Number=A,Type=Float,Description="x">\n##INFO=<ID=DB,Number=0,Type=Flag,Description="x">\n'
    plain.write_text(plain.read_text().replace("#CHROM", header + "#CHROM"))
    path = plain
    if is_indexed:
        pysam.tabix_index(str(plain), preset="vcf", force=True)
        path = tmp_path / "s.vcf.gz"
    found = add_scores(table, path, "S", name="x")
    nan = float("nan")
    last = ["no_value", "contig_missing", "contig_missing", "not_found"]
    check(found, [1.5, nan, 3, nan, nan, nan, nan], ["", "no_value", "", *last])
    with pytest.raises(InputError, match="there is no column 'T'"):
        add_scores(table, path, "T", name="x")


def test_a_bigwig(table, tmp_path):
    pybigtools = pytest.importorskip("pybigtools", reason="NOT TESTED: reading bigWig; pip install pybigtools")
    path = tmp_path / "phylop.bw"
    spans = [("chr20", 98, 99, 1.0), ("chr20", 99, 100, -2.5), ("chr20", 149, 160, 4.0), ("chr21", 0, 4, 1.0)]
    pybigtools.open(str(path), "w").write({"chr20": 9500, "chr21": 4}, spans)
    found = add_scores(table, path, name="x")
    nan = float("nan")
    reasons = ["", "", "not_snv", "not_found", "not_found", "contig_missing", "not_snv"]
    check(found, [-2.5, -2.5, nan, nan, nan, nan, nan], reasons)
    with pytest.raises(InputError, match="a bigWig has no columns"):
        add_scores(table, path, "x", name="x")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read as bigWig"):
        add_scores(table, path, name="x")


def test_a_bigwig_without_its_package_names_it(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pybigtools", None)
    (tmp_path / "a.bw").write_bytes(b"\x26\xfc\x8f\x88")
    with pytest.raises(InputError, match=r"a\.bw: bigWig is read by the package pybigtools; pip install pybigtools"):
        add_scores(table, tmp_path / "a.bw", name="x")
    assert describe_scores(tmp_path / "a.bw", None) == {"path": str(tmp_path / "a.bw"), "bytes": 4, "column": None}


MISTAKES = {
    "no such file": ("no.tsv.gz", "PHRED", "no such file"),
    "no column named": ("cadd.tsv.gz", None, "FILE:COLUMN would work"),
    "another column": ("cadd.tsv.gz", "phred", "there is no column 'phred'; the nearest are "),
    "a key": ("cadd.tsv.gz", "Ref", "there is no column 'Ref'"),
    "words": ("words.tsv.gz", "PHRED", "'high' at 20:100:A:C is no number"),
    "two numbers": (
        "twice.tsv.gz",
        "PHRED",
        r"1 variant\(s\) have several numbers in 'PHRED', first 20:100:A:C",
    ),
    "another assembly": ("other.tsv.gz", "PHRED", "has none of the contigs"),
    "a damaged index": ("bad.tsv.gz", "PHRED", "cannot be read by its index"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_file_that_cannot_be_used(table, tmp_path, case):
    index(tmp_path / "cadd.tsv.gz", CADD)
    index(tmp_path / "words.tsv.gz", CADD.replace("12.5", "high"))
    index(
        tmp_path / "twice.tsv.gz",
        CADD.replace("\t0.5\t12.5\n", "\t0.5\t12.5\n20\t100\tA\tC\t0.5\t2\n"),
    )
    index(tmp_path / "other.tsv.gz", CADD.replace("\n20\t", "\nscaffold20\t").replace("\n21\t", "\nscaffold21\t"))
    index(tmp_path / "bad.tsv.gz", CADD)
    (tmp_path / "bad.tsv.gz.tbi").write_bytes(b"x")
    name, column, message = MISTAKES[case]
    with pytest.raises(InputError, match=message) as caught:
        add_scores(table, tmp_path / name, column, name="x")
    assert "\n" not in str(caught.value)


def test_the_same_number_twice_is_one(table, tmp_path):
    path = index(tmp_path / "s.tsv.gz", CADD.replace("20\t100\tA\tC\t0.5\t12.5\n", "20\t100\tA\tC\t1\t12.5\n" * 2))
    assert add_scores(table, path, "PHRED", name="x")["x"][0] == 12.5
    with pytest.raises(InputError, match="there is a column 'ref' already"):
        add_scores(table, path, "PHRED", name="ref")
