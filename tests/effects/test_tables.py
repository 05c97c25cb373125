import gzip

import pandas as pd
import pytest
from tests.conftest import write_vcf

from hexamer.effects.tables import as_numbers, match_rows, read_info, read_table
from hexamer.errors import InputError

ROWS = [("chr20", 7, "A", "T"), ("20", 9, "c", "CAG"), ("X", 4, "G", ".")]
EXPECTED = [("chr20", 7, "A", "T"), ("20", 9, "C", "CAG"), ("X", 4, "G", ".")]


def frame(rows, *columns):
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", *columns])


def keys(table):
    return list(table[["chrom", "pos", "ref", "alt"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".csv", ".csv.gz", ".txt", ".parquet"])
def test_every_kind_of_table_gives_the_same_rows(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    if ending == ".parquet":
        frame(ROWS).rename(columns={"pos": "Position"}).assign(x=[1.5, None, 3]).to_parquet(path)
    else:
        separator = "," if "csv" in ending else "\t"
        lines = ["## made by hand", separator.join(["#Chr", "Position", "REF", "Alt", "x"])]
        lines += [separator.join([*map(str, row), x]) for row, x in zip(ROWS, ["1.5", "", "3"], strict=True)]
        data = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    table = read_table(path)
    assert keys(table) == EXPECTED
    assert table["x"].tolist()[::2] == [1.5, 3]


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\tx\n")
    assert len(read_table(tmp_path / "t.tsv")) == 0


def test_names_of_contigs_stay_text(tmp_path):
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\n1\t7\tA\tT\n2\t7\tA\tT\n")
    assert read_table(tmp_path / "t.tsv")["chrom"].tolist() == ["1", "2"]
    frame([(1, 7, "A", "T"), (2, 7, "A", "T")]).astype({"chrom": float}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["chrom"].tolist() == ["1", "2"]


MISTAKES = {
    "no such file": ("no.tsv", None, "no such file"),
    "an ending": ("t.xlsx", b"x", r"read from \.tsv"),
    "no parquet": ("t.parquet", b"x", "cannot be read as Parquet"),
    "no key": ("t.tsv", b"chrom\tposition\tref\tx\n", "no column alt among 'chrom, position, ref, x'"),
    "comments alone": ("t.tsv", b"## x\n", "no line with the names"),
    "a word for a number": (
        "t.tsv",
        b"chrom\tpos\tref\talt\n20\t7\tA\tT\n20\tx\tA\tT\n",
        r"1 row\(s\) .* first '20, x, A, T'",
    ),
    "half a base": ("t.tsv", b"chrom\tpos\tref\talt\n20\t7.5\tA\tT\n", r"1 row\(s\)"),
    "several alleles": ("t.tsv", b"chrom\tpos\tref\talt\n20\t7\tA\tT,C\n", "a single alt"),
    "no ref": ("t.tsv", b"chrom\tpos\tref\talt\n20\t7\t\tT\n", r"1 row\(s\)"),
    "too many cells": ("t.tsv", b"chrom\tpos\tref\talt\n20\t7\tA\tT\t9\n", "cannot be read as a table"),
    "a cut file": (
        "t.tsv.gz",
        gzip.compress(b"chrom\tpos\tref\talt\n" + b"20\t7\tA\tT\n" * 99)[:-12],
        "cut short|as a table",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_table_that_cannot_be_read(tmp_path, case):
    name, content, message = MISTAKES[case]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_info_keys_are_columns_with_a_value_for_each_allele(tmp_path):
    header = '##INFO=<ID=S,Number=A,Type=Float,Description="x">\n##INFO=<ID=DB,Number=0,Type=Flag,Description="x">\n'
    header += '##INFO=<ID=W,Number=1,Type=String,Description="x">\n'
    rows = ["20\t7\t.\tA\tC,t\t.\t.\tS=1,2;DB;W=a,b", "20\t9\t.\tA\tC\t.\t.\tS=.", "20\t10\t.\tA\tC\t.\t.\tS=1,2"]
    path = write_vcf(tmp_path / "v.vcf", rows)
    path.write_text(path.read_text().replace("#CHROM", header + "#CHROM"))
    table = read_info(path, ["S", "DB", "W"])
    assert keys(table)[:2] == [("20", 7, "A", "C"), ("20", 7, "A", "T")]
    assert table["S"].tolist() == ["1", "2", "", ""]
    assert table["DB"].tolist() == ["1", "1", "0", "0"]
    assert table["W"].tolist() == ["a,b", "a,b", "", ""]
    with pytest.raises(InputError, match=r"no column 'SS'; the nearest are S"):
        read_info(path, ["SS"])


def test_rows_are_matched_under_all_names_of_a_contig():
    one = frame([("chr20", 7, "A", "T"), ("20", 9, "A", "T"), ("NC_000020.11", 9, "A", "C"), ("21", 7, "A", "T")])
    other = frame([("20", 9, "A", "C"), ("20", 5, "A", "T"), ("20", 5, "A", "T"), ("20", 7, "A", "T")])
    assert match_rows(one, other, "x").tolist() == [3, -1, 0, -1], "what stands twice is far from ours"
    assert match_rows(one.iloc[:0], other, "x").tolist() == []
    assert match_rows(one, other.iloc[:0], "x").tolist() == [-1] * 4


def test_what_is_meant_twice_is_an_error():
    one = frame([("20", 7, "A", "T")])
    with pytest.raises(InputError, match=r"x: 1 variant\(s\) more than once, first 20:7:A:T"):
        match_rows(one, frame([("20", 7, "A", "T")] * 3), "x")
    with pytest.raises(InputError, match=r"the labels, beside x: 1 variant"):
        match_rows(frame([("20", 7, "A", "T"), ("chr20", 7, "A", "T")]), one, "x")
    with pytest.raises(InputError, match=r"'20' may be any of chr20, NC_000020\.11"):
        match_rows(one, frame([("chr20", 7, "A", "T"), ("NC_000020.11", 7, "A", "T")]), "x")


def test_words_for_numbers_are_counted():
    column = pd.Series(["1", "", ".", "nan", "2e3"], name="s")
    assert as_numbers("x", column).tolist()[::4] == [1, 2000]
    assert as_numbers("x", column).isna().sum() == 3
    with pytest.raises(InputError, match=r"x: 2 cell\(s\) of 's' are no numbers, such as 'high'"):
        as_numbers("x", pd.Series(["1", "high", "low"], name="s"))
