import gzip
from pathlib import Path

import pandas as pd
import pytest

from hexamer.benchmark.rows import Columns, find_column, read_names, read_rows
from hexamer.errors import HexamerError, InputError
from hexamer.genome import Genome

FASTA = ">chr1:0-4|1\nAC\nGt\n>chr2:10-13|0\nNNA\n"


def regions(rows) -> list[tuple[str, int, int]]:
    return list(rows.regions.itertuples(index=False, name=None))


def test_fasta_has_targets_behind_a_bar(tmp_path: Path):
    (tmp_path / "x.fna").write_text(FASTA)
    with gzip.open(tmp_path / "x.fa.gz", "wt") as file:
        file.write(FASTA)
    for name in ("x.fna", "x.fa.gz"):
        rows = read_rows(tmp_path / name, Columns())
        assert rows.sequences == ["ACGt", "NNA"]
        assert rows.cells.tolist() == [["1"], ["0"]]
        assert regions(rows) == [("chr1", 0, 4), ("chr2", 10, 13)]
        assert rows.note == ""
    assert read_names(tmp_path / "x.fa.gz") == []


def test_fasta_of_several_values(tmp_path: Path):
    (tmp_path / "x.fa").write_text(">a b|c|0.5|-1\nACGT\n")
    assert read_rows(tmp_path / "x.fa", Columns(("dev", "hk"))).cells.tolist() == [["0.5", "-1"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "sequence,label\nACGT,1\nAC,0\n"),
        ("x.csv", '\ufeff"Label","Seq"\r\n1,ACGT\r\n0,AC\r\n'),
        ("x.tsv", "name\tsequence\tclass\na,b\tACGT\t1\n\tAC\t0\n"),
        ("x.txt", "ACGTACGTAC\t1\nACGTACGTACGT\t0\n"),
        ("x.csv", "ACGTACGTAC,1\nACGTACGTACGT,0"),
    ],
)
def test_text_tables_with_and_without_names(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    for path in (tmp_path / name, tmp_path / f"{name}.gz"):
        rows = read_rows(path, Columns())
        assert len(rows.sequences) == 2
        assert set("".join(rows.sequences)) == set("ACGT")
        assert rows.cells.tolist() == [["1"], ["0"]]
        assert rows.regions is None


def test_several_values_in_columns_called_as_they_are(tmp_path: Path):
    (tmp_path / "x.csv").write_text("sequence,HK,dev\nACGT,1,2\n")
    assert read_rows(tmp_path / "x.csv", Columns(("dev", "hk"))).cells.tolist() == [["2", "1"]]
    (tmp_path / "x.txt").write_text("ACGTACGTACGT 1\n".replace(" ", "\t"))
    assert read_rows(tmp_path / "x.txt", Columns(("dev",))).cells.tolist() == [["1"]]


def test_columns_may_be_told(tmp_path: Path):
    (tmp_path / "x.csv").write_text("sequence,dna,label,y\nAAAA,CCCC,0,1\n")
    columns = Columns(sequence="DNA", target=(("z", "y"),))
    rows = read_rows(tmp_path / "x.csv", columns)
    assert (rows.sequences, rows.cells.tolist()) == (["CCCC"], [["1"]])


def test_parquet_has_columns(tmp_path: Path):
    table = pd.DataFrame({"seq": ["ACGT", "AC"], "label": [1, 0], "name": ["chr1:1-4|1", "chr1:9-10|0"]})
    table.to_parquet(tmp_path / "x.parquet")
    rows = read_rows(tmp_path / "x.parquet", Columns())
    assert (rows.sequences, rows.cells.tolist()) == (["ACGT", "AC"], [[1], [0]])
    assert regions(rows) == [("chr1", 0, 4), ("chr1", 8, 10)]  # they count from 1: the lengths tell
    assert read_names(tmp_path / "x.parquet") == ["seq", "label", "name"]
    lists = pd.DataFrame({"sequence": ["ACGT"], "labels": [[0, 1, 1]]})
    lists.to_parquet(tmp_path / "y.parquet")
    assert read_rows(tmp_path / "y.parquet", Columns(("a", "b", "c"))).cells[0, 0].tolist() == [0, 1, 1]


def test_a_folder_has_one_sequence_a_file(tmp_path: Path):
    for name, text in (("10.txt", "TT\n"), ("9.txt", "AC\nGT"), ("0.txt", "A")):
        (tmp_path / name).write_text(text)
    rows = read_rows(tmp_path, Columns(), labelled=True)
    assert rows.sequences == ["A", "ACGT", "TT"]  # in the order of their numbers
    assert rows.cells.shape == (3, 0)


def test_intervals_are_read_from_a_genome(tmp_path: Path, genome: Genome):
    path = tmp_path / "positive.csv"
    path.write_text("id,region,start,end,strand\n0,20,10,30,+\n1,20,10,30,-\n")
    rows = read_rows(path, Columns(), labelled=True, genome=genome)
    forward = genome.fetch("20", 10, 30)
    assert rows.sequences == [forward, forward[::-1].translate(str.maketrans("ACGT", "TGCA"))]
    assert regions(rows) == [("20", 10, 30)] * 2
    with pytest.raises(InputError, match="without sequences; --genome FASTA, which they count in, would work"):
        read_rows(path, Columns(), labelled=True)


def test_places_that_do_not_fit_are_left_out_and_told(tmp_path: Path):
    (tmp_path / "x.csv").write_text("sequence,label,chrom,start,end\nACGT,1,chr1,0,4\nACGT,1,chr1,0,9\n")
    rows = read_rows(tmp_path / "x.csv", Columns())
    assert rows.regions is None
    assert rows.note == "x.csv: places left out, 1 do not fit the length of their sequence"
    (tmp_path / "x.csv").write_text("sequence,label,chrom,start,end\nACGT,1,chr1,0,4\nACGT,1,chr1,,\n")
    assert read_rows(tmp_path / "x.csv", Columns())[2:] == (None, "")


MANY = "dataset,split,label,sequence\na,train,0,AC\na,DEV,1,CC\nb,test,1,ACGT\na,training,1,GG\n"


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_rows_of_one_task_and_split(tmp_path: Path, name: str):
    (tmp_path / "x.csv").write_text(MANY)
    pd.read_csv(tmp_path / "x.csv").to_parquet(tmp_path / "x.parquet")
    assert read_rows(tmp_path / name, Columns(), task="a", split="train").sequences == ["AC", "GG"]
    assert read_rows(tmp_path / name, Columns(), task="a", split="validation").sequences == ["CC"]
    assert read_rows(tmp_path / name, Columns(), task="a", split="test").sequences == []
    assert read_rows(tmp_path / name, Columns(), task="b").sequences == ["ACGT"]
    with pytest.raises(InputError, match=rf"{name}: no row has dataset = 'c'; the nearest there are"):
        read_rows(tmp_path / name, Columns(), task="c")


def test_an_unknown_split_stops_it(tmp_path: Path):
    (tmp_path / "x.csv").write_text(MANY.replace("DEV", "holdout"))
    with pytest.raises(InputError, match=r"1 row\(s\) are of no known split, such as 'holdout'; train, training"):
        read_rows(tmp_path / "x.csv", Columns(), task="a", split="train")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", "x.csv: the file is empty"),
        ("x.csv", "\n\n", "x.csv: the file is empty"),
        ("x.fa", "", "x.fa: the file is empty"),
        ("x.csv", "sequence,label\n", "x.csv: holds no rows"),
        ("x.csv", "bases,label\nACGT,1\n", "no column of sequences in 'bases, label'; sequence or seq would work"),
        ("x.csv", "sequence,y\nACGT,1\n", "no column of targets in 'sequence, y'; label or labels or target"),
        ("x.csv", "sequence,label\nACGT,1\n,0\n", "row 2 has no sequence; remove it"),
        ("x.csv", "sequence,label\nACGT,1,2\n", "cannot be read as a table"),
        ("x.csv", "ACGTACGTACGT,1,2,3\n", "4 columns without names; a first line of names would work"),
        ("x.fa", ">a|1\nACGT\n>b\nAC\n", r"not every header has its target\(s\) behind a bar, as in >name\|1"),
        ("x.fa", ">a|1\n>b|0\nAC\n", "row 1 has no sequence"),
        ("x.fa", "ACGT\n", "not FASTA"),
        ("x.parquet", "PAR1 no more", "cannot be read as Parquet"),
        ("none.csv", None, "no such file"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, name: str, text: str | None, message: str):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(HexamerError, match=message):
        read_rows(tmp_path / name, Columns())


def test_a_damaged_parquet_file_is_told(tmp_path: Path):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"sequence": ["ACGT" * 50] * 50, "label": range(50), "task": "a"}).to_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:120] = bytes(116)
    path.write_bytes(data)
    for task in ("", "a"):
        with pytest.raises(InputError, match=r"x.parquet: cannot be read as Parquet .*copy it again"):
            read_rows(path, Columns(), task=task)


def test_columns_asked_for_must_be_there(tmp_path: Path):
    (tmp_path / "x.csv").write_text("sequence,label\nACGT,1\n")
    with pytest.raises(InputError, match=r"no column of sequences .*; dna would work"):
        read_rows(tmp_path / "x.csv", Columns(sequence="dna"))
    with pytest.raises(InputError, match=r"no column of targets .*; y or z would work"):
        read_rows(tmp_path / "x.csv", Columns(target=("label", ("y", "z"))))


def test_a_column_is_found_whatever_its_capitals():
    assert find_column(["Label ", "SEQ", "seq"], ("sequence", "seq")) == "SEQ"
    assert find_column(["a"], ("b",)) == ""


@pytest.mark.parametrize("text", ["sequence,label\r" + "ACGTACGTACGT,1\r" * 3, "A" * 140_000 + ",1\n"])
def test_a_first_line_that_csv_cannot_read_is_told_of(tmp_path, text):
    (tmp_path / "a.csv").write_bytes(text.encode())
    with pytest.raises(InputError, match=r"a\.csv: "):
        read_rows(tmp_path / "a.csv", Columns())


def test_places_without_end_are_no_places(tmp_path):
    (tmp_path / "a.tsv").write_text("chrom\tstart\tend\tsequence\tlabel\n1\tinf\t20\tACGTACGTACGT\t1\n")
    assert read_rows(tmp_path / "a.tsv", Columns()).regions is None
