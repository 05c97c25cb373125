import gzip
import io
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import VariantError
from hexamer.genome import Genome, Variant, VariantFile, VariantTable, open_variants, read_variants
from hexamer.genome.lines import Input
from hexamer.genome.variant_tables import TableRecord

DEMO = Path(__file__).parents[2] / "demo"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
VCF = f"##fileformat=VCFv4.2\n{COLUMNS}\n20\t1000226\trs1\tA\tT\t.\t.\t.\n"


class Stdin:
    def __init__(self, content: bytes):
        self.buffer = io.BufferedReader(io.BytesIO(content))


def read(path: Path | str, content: str | bytes, genome: Genome | None = None) -> list[TableRecord]:
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_variants(path, genome) as records:
        assert isinstance(records, VariantTable)
        return list(records)


def complaint(path: Path, content: str | bytes, genome: Genome | None = None) -> str:
    with pytest.raises(VariantError) as caught:
        read(path, content, genome)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) + 300
    return message.removeprefix(str(path))


def spelled(records: list[TableRecord]) -> list[str]:
    return [str(variant) for record in records for variant in record.variants]


def parquet(path: Path, columns: dict[str, Any]) -> bytes:
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


# Tables with a header


@pytest.mark.parametrize(
    "header",
    [
        "chrom pos ref alt",
        "CHR Position REFERENCE Alternate",
        "#CHROM POS REF ALT",
        "chromosome BP ref_allele alt_allele",
        "contig position Ref alternate_allele",
        "#chr bp ref alt",
    ],
)
@pytest.mark.parametrize("delimiter", ["\t", ",", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\ufeff\n\n"])
def test_names_of_columns(tmp_path: Path, header: str, delimiter: str, end: str, begin: str):
    rows = [header.split(), ["20", "1000226", "A", "T"], ["chrX", "0", "GA", "<DEL>"]]
    content = begin + "".join(delimiter.join(row) + end for row in rows)
    found = read(tmp_path / "x", content)
    assert spelled(found) == ["20:1000226:A:T", "chrX:0:GA:<DEL>"]
    line = begin.count("\n") + 2
    assert [record.line for record in found] == [line, line + 1]
    assert [record.text for record in found] == [
        "20\t1000226\t.\tA\tT\t.\t.\t.",
        "chrX\t0\t.\tGA\t<DEL>\t.\t.\t.",
    ]


def test_a_record_is_a_record_and_keeps_its_row(tmp_path: Path):
    content = "beta\tALT\tid\tref\tpos\tnote\tbeta\tchrom\n0.5\tT\trs1\tA\t7\ta, b\t0.6\t20\n"
    (tmp_path / "x").write_text(content)
    with VariantTable(tmp_path / "x") as table:
        assert table.columns == ("beta", "ALT", "id", "ref", "pos", "note", "beta", "chrom")
        assert (table.name, table.samples) == (str(tmp_path / "x"), ())
        (record,) = table
    assert record == TableRecord(
        2, "20\t7\trs1\tA\tT\t.\t.\t.", "20", 7, "rs1", "A", ("T",), ("0.5", "T", "rs1", "A", "7", "a, b", "0.6", "20")
    )
    assert record.fields == ("20", "7", "rs1", "A", "T", ".", ".", ".")


def test_what_is_read_can_be_written_as_vcf(tmp_path: Path):
    content = 'chrom,pos,id,ref,alt\n20,7,"a name",A,"T,G"\n20,8,,C,\n20,9,.,C,.\n'
    (tmp_path / "x").write_text(content)
    with VariantTable(tmp_path / "x") as table:
        found = list(table)
        (tmp_path / "x.vcf").write_text("\n".join([*table.header, *(record.text for record in found), ""]))
    with open_variants(tmp_path / "x.vcf") as again:
        assert isinstance(again, VariantFile)
        assert again.header == table.header
        assert [(r.text, r.chrom, r.pos, r.id, r.ref, r.alts) for r in again] == [
            (r.text, r.chrom, r.pos, r.id, r.ref, r.alts) for r in found
        ]
    assert [(record.id, record.alts) for record in found] == [("a_name", ("T", "G")), (".", (".",)), (".", (".",))]


@pytest.mark.parametrize("delimiter", ["\t", ",", ", "])
def test_quotes(tmp_path: Path, delimiter: str):
    rows = [
        ['"chrom"', '"pos"', '"ref"', '"alt"', '"note"'],
        ['"20"', "7", '"A"', '"T, G"', '"say ""so"", twice"'],
        ["20", "8", "A", "T", 'a 5" tail'],
    ]
    found = read(tmp_path / "x", "".join(delimiter.join(row) + "\n" for row in rows))
    assert spelled(found) == ["20:7:A:T", "20:7:A:G", "20:8:A:T"]
    assert [record.row[3:] for record in found] == [("T, G", 'say "so", twice'), ("T", 'a 5" tail')]


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("chrom,pos,ref,alt,name,rsid,id", "20,7,A,T,c,b,a", "a"),
        ("chrom,pos,ref,alt,name,rsid,snp", "20,7,A,T,c,b,a", "b"),
        ("chrom,pos,ref,alt,variant_id", "20,7,A,T,20:9:A:T", "20:9:A:T"),
        ("chrom,pos,ref,alt,variant", "20,7,A,T,20:9:A:T", "."),
        ("variant,variantid,rsid", "20:7:A:T,x,b", "b"),
        ("variant_id,name", "20_7_A_T_b38,c", "c"),
        ("SPDI,chrom,pos", "NC_000020.11:6:A:T,20,9", "."),
    ],
)
def test_which_column_is_the_id(tmp_path: Path, header: str, row: str, expected: str):
    (record,) = read(tmp_path / "x", f"{header}\n{row}\n")
    assert (record.id, record.pos) == (expected, 7)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("3,-,TT", "20:3:G:GTT"),
        ("0,-,TT", "20:1:A:TTA"),
        ("6,-,G", "20:6:A:AG"),
        ('3,-,"A,TT"', "20:3:G:GA 20:3:G:GTT"),
        ("3,GT,-", "20:2:CGT:C"),
        ("1,AC,-", "20:1:ACG:G"),
        ('3,GT,"-,A"', "20:2:CGT:C 20:2:CGT:CA"),
        ("3,GT,.", "20:3:GT:."),
        ("3,GT,", "20:3:GT:."),
        ("3,GT,A", "20:3:GT:A"),
        ("9,-,A", "20:9:N:NA"),
    ],
)
def test_annovar_s_empty_alleles(tmp_path: Path, tiny: Genome, row: str, expected: str):
    content = f"chrom,pos,ref,alt\n20,{row}\n"
    found = read(tmp_path / "x", content, tiny)
    assert " ".join(spelled(found)) == expected
    assert found[0].text == "\t".join(
        ["20", str(found[0].pos), ".", found[0].ref, ",".join(found[0].alts), ".", ".", "."]
    )
    if "-" in row:
        assert ":2: the alleles leave out bases" in complaint(tmp_path / "x", content)


def test_a_column_of_spelled_variants_needs_the_genome_too(tmp_path: Path, tiny: Genome):
    content = "rsid\tvariant\nrs1\t20:2::TT\nrs2\t20-3-G-A\n"
    found = read(tmp_path / "x", content, tiny)
    assert [record.text for record in found] == ["20\t2\trs1\tC\tCTT\t.\t.\t.", "20\t3\trs2\tG\tA\t.\t.\t."]
    assert ":2: variant '20:2::TT': the alleles leave out bases" in complaint(tmp_path / "x", content)


TABLE = "chrom,pos,ref,alt\n20,5,A,T\n"
MALFORMED_TABLES = [
    ("", [": the file is empty"]),
    ("\n\n\r\n", [": the file holds no variants"]),
    ("\ufeff", [": the file holds no variants"]),
    ("   \n", [":1: variant ''", "a table begins with a line of names"]),
    ("chrom,pos,ref\n20,5,A\n", [":1: no column alt in 'chrom, pos, ref'", "a table begins with"]),
    ("chrom,pos,start,ref\n20,5,4,A\n", [":1: no column alt in 'chrom, pos, start, ref'", "a table begins with"]),
    ("\n\nrsid\tref\nrs1\tA\n", [":3: no column chrom, pos, alt in 'rsid, ref'"]),
    ("Chr\tStart\tEnd\tRef\tAlt\n20\t5\t5\tA\tT\n", [":1: no column pos", "name 'start' pos if it counts from 1"]),
    ("chrom;pos;ref;alt\n20;5;A;T\n", [":1: variant 'chrom;pos;ref;alt'", "divided by tabs or commas"]),
    ("chrom pos ref alt\n20 5 A T\n", [":1: variant 'chrom'", "divided by tabs or commas"]),
    ("seqname\tlocus\n20\t5\n", [":1: variant 'seqname'", "divided by tabs or commas"]),
    ("chrom,pos,ref,alt,Chr\n20,5,A,T,21\n", [":1: columns 'chrom' and 'Chr' both say chrom", "rename or remove"]),
    ("chrom,pos,pos,ref,alt\n20,5,6,A,T\n", [":1: columns 'pos' and 'pos' both say pos"]),
    ("variant,spdi\n20:5:A:T,20:6:A:T\n", [":1: columns 'variant' and 'spdi' both say variant"]),
    ("chrom,pos,ref,alt,id,ID\n20,5,A,T,x,y\n", [":1: columns 'id' and 'ID' both say id"]),
    ('chrom,"pos\n20,5\n', [":1: a quoted cell cannot be read", "end each on its own line"]),
    (TABLE + '20,6,A,"T\n', [":3: a quoted cell cannot be read"]),
    (TABLE + "20,6,A,T,G\n", [":3: 5 cells where the line of names has 4", "quote cells"]),
    (TABLE + "1,20,6,A,T\n", [":3: 5 cells", "write no row names"]),
    (TABLE + "\n20,6,A\n", [":4: 3 cells where the line of names has 4"]),
    (TABLE + "20\t6\tA\tT\n", [":3: 1 cells where the line of names has 4"]),
    (TABLE + "20,,A,T\n", [":3: POS is ''; expected a whole number from 0"]),
    (TABLE + "20,nan,A,T\n", [":3: POS is 'nan'"]),
    (TABLE + "20,1000226.0,A,T\n", [":3: POS is '1000226.0'"]),
    (TABLE + "20,1e6,A,T\n", [":3: POS is '1e6'"]),
    (TABLE + "20,-5,A,T\n", [":3: POS is '-5'"]),
    (TABLE + "20,٣,A,T\n", [":3: POS is '٣'"]),
    (TABLE + "20," + "9" * 5000 + ",A,T\n", [":3: POS is '9999"]),
    (TABLE + '20,"1,000",A,T\n', [":3: POS is '1,000'"]),
    (TABLE + ",6,A,T\n", [":3: CHROM '' is empty or holds white space"]),
    (TABLE + "chr 20,6,A,T\n", [":3: CHROM 'chr 20' is empty or holds white space"]),
    (TABLE + "20,6,,T\n", [":3: REF '' is empty"]),
    (TABLE + "20,6,A C,T\n", [":3: REF 'A C' is empty or holds white space"]),
    (TABLE + '20,6,A,"T,,G"\n', [":3: ALT '' is empty", "write '.' for a missing ALT"]),
    (TABLE + "20,6,-,-\n", [":3: REF '-' ALT '-' at 6: '-' needs bases beside it"]),
    (TABLE + "20,6,-,\n", [":3: REF '-' ALT '.' at 6"]),
    (TABLE + '20,6,-,"-,A"\n', [":3: REF '-' ALT '-,A' at 6"]),
    (TABLE + "20,6,-,<INS>\n", [":3: REF '-' ALT '<INS>' at 6"]),
    (TABLE + "20,6,-,A*\n", [":3: REF '-' ALT 'A*' at 6"]),
    (TABLE + "20,0,A,-\n", [":3: REF 'A' ALT '-' at 0"]),
    ("variant\n20:5:A:T\nrs1\n", [":3: variant 'rs1': an rs number"]),
    ("variant,beta\n,0.5\n", [":2: variant '': expected chrom:pos:ref:alt"]),
    ("spdi\nNC_000020.11:g.5A>T\n", [":2: variant 'NC_000020.11:g.5A>T': HGVS is not read"]),
]


@pytest.mark.parametrize(("content", "parts"), MALFORMED_TABLES)
def test_malformed_tables_say_where_and_what(tmp_path: Path, tiny: Genome, content: str, parts: list[str]):
    message = complaint(tmp_path / "x", content, tiny)
    assert message.startswith(parts[0]), message
    assert all(part in message for part in parts), message


def test_rows_before_a_bad_one_come_out(tmp_path: Path):
    (tmp_path / "x").write_text(TABLE + "20,x,A,T\n")
    with VariantTable(tmp_path / "x") as table:
        assert next(table).pos == 5
        with pytest.raises(VariantError, match=r"x:3: POS is 'x'"):
            next(table)


@pytest.mark.parametrize("header", ["chrom\tpos\tref\talt", "variant", "id,variant_id"])
def test_a_header_alone_holds_no_variants(tmp_path: Path, header: str):
    assert read(tmp_path / "x", header) == []
    assert read(tmp_path / "x", header + "\r\n\r\n") == []


def test_a_huge_row(tmp_path: Path):
    allele = "ACGT" * 500_000
    found = read(tmp_path / "x", f"chrom\tpos\tref\talt\n20\t5\tA\t{allele}\n20\t6\tA\tT\n")
    assert found[0].alts == (allele,)
    assert found[1].pos == 6
    assert read(tmp_path / "x", f"20:5:A:{allele}\n20:6:A:T\n")[0].alts == (allele,)
    assert ":2: POS is 'ACGT" in complaint(tmp_path / "x", f"chrom\tpos\tref\talt\n20\t{allele}\tA\tT\n")
    assert ":2: variant 'ACGT" in complaint(tmp_path / "x", f"20:5:A:T\n{allele}\n")


# Lists without a header


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("20:5:A:T\n", ["20:5:A:T"]),
        ("\ufeff20:5:A:T\r\n20-6-A-T\r\n\r\nchr20_7_A_T_b38", ["20:5:A:T", "20:6:A:T", "chr20:7:A:T"]),
        ("NC_000020.11:4:A:T\n", ["NC_000020.11:5:A:T"]),
        ("20:5:A:T\tname\tid\n", ["20:5:A:T"]),
        (" 20:5:A:T\tname\tid\n", ["20:5:A:T"]),
        ("20:5:A:T,name,0.5\n", ["20:5:A:T"]),
        ("20:5:A:T, name\n  20:6:A:T  a remark\n", ["20:5:A:T", "20:6:A:T"]),
        ("20:5:A:T\t7\tC\tG\n", ["20:5:A:T"]),
        ("20:5:A:T 7 C G\n", ["20:5:A:T"]),
        ("20\t5\tA\tT\n", ["20:5:A:T"]),
        ("  20   5 A  T \n", ["20:5:A:T"]),
        ("20 5 A T,G\n", ["20:5:A:T", "20:5:A:G"]),
        ("20\t5\tA\tT\tid\tname\n", ["20:5:A:T"]),
        ("20\t5\tA\t\tname\n", ["20:5:A:."]),
        ("20 \t 5\t A\tT \tname\n", ["20:5:A:T"]),
        ("20\t5\tA\t.\n", ["20:5:A:."]),
        ("20 5 A <DEL>\n", ["20:5:A:<DEL>"]),
        ("HLA-A*01:01:01:01 5 A T\n", ["HLA-A*01:01:01:01:5:A:T"]),
        ("20 5 A T\n20:6:A:T\n", ["20:5:A:T", "20:6:A:T"]),
    ],
)
def test_lists(tmp_path: Path, content: str, expected: list[str]):
    found = read(tmp_path / "x", content)
    assert spelled(found) == expected
    lines = content.removeprefix("\ufeff").splitlines()
    assert [(record.row[0],) for record in found] == [(lines[record.line - 1],) for record in found]
    assert all(record.id == "." for record in found)


MALFORMED_LISTS = [
    ("rs376678365\n", [":1: variant 'rs376678365': an rs number names no alleles"]),
    ("NC_000020.11:g.5A>T\n", [":1: variant 'NC_000020.11:g.5A>T': HGVS is not read", "SPDI would work"]),
    ("20:5:A:T\nNC_000020.11:g.5A>T\n", [":2: variant 'NC_000020.11:g.5A>T': HGVS is not read"]),
    ("20:5:A:T\n20:x:A:T\n", [":2: variant '20:x:A:T': expected chrom:pos:ref:alt"]),
    ("20:5:A:T,G\n", [":1: '20:5:A:T,G': one alternate allele expected", "each on a line of its own"]),
    ("20:5:A:T\n20:5:A:T,G,C\n", [":2: '20:5:A:T,G,C': one alternate allele expected"]),
    ("20\t5\trs1\tA\tT\n", [":1: '20 5 rs1 A T' is not chrom pos ref alt", "a table begins with"]),
    ("20\t5\t.\tA\tT\t.\t.\t.\n", [":1: '20 5 . A T' is not chrom pos ref alt", "a table begins with"]),
    ("chr20\t100\t200\tpeak\n", [":1: 'chr20 100 200 peak' is not chrom pos ref alt"]),
    ("20 5 5 A T\n", [":1: '20 5 5 A T' is not chrom pos ref alt"]),
    ("20 5 - T\n", [":1: '20 5 - T' is not chrom pos ref alt; with other columns or '-', a table begins"]),
    ("20 5 A -\n", [":1: '20 5 A -' is not chrom pos ref alt"]),
    ("20 5 A T,-\n", [":1: '20 5 A T,-' is not chrom pos ref alt"]),
    ("20,5,A,T\n", [":1: variant '20': expected chrom:pos:ref:alt", "a table begins with"]),
    ("20 5.0 A T\n", [":1: variant '20': expected chrom:pos:ref:alt", "a table begins with"]),
    ("20 5 A T\n20 5.0 A T\n", [":2: variant '20': expected chrom:pos:ref:alt"]),
    ("20 5 A\n", [":1: variant '20': expected chrom:pos:ref:alt"]),
    (">20\nACGT\n", [":1: variant '>20'", "a table begins with"]),
    ("20:5::T\n", [":1: variant '20:5::T': the alleles leave out bases"]),
]


@pytest.mark.parametrize(("content", "parts"), MALFORMED_LISTS)
def test_malformed_lists_say_where_and_what(tmp_path: Path, content: str, parts: list[str]):
    message = complaint(tmp_path / "x", content)
    assert message.startswith(parts[0]), message
    assert all(part in message for part in parts), message


# Parquet


@pytest.mark.parametrize(
    "pos",
    [
        pa.array([5, 6], pa.int32()),
        pa.array([5.0, 6.0]),
        pa.array(["5", "6"]),
        pa.array(["5", "6"]).dictionary_encode(),
        pa.array([b"5", b"6"]),
    ],
    ids=lambda array: str(array.type),
)
def test_parquet(tmp_path: Path, pos: pa.Array):
    content = parquet(
        tmp_path / "made",
        {
            "beta": [0.1, 0.2],
            "Alt": ["T,G", None],
            "POS": pos,
            "when": pa.array([1, 2], pa.timestamp("ns")),
            "REF": ["A", "C"],
            "rsid": ["rs1", None],
            "chr": pa.array([20, 21]),
        },
    )
    (tmp_path / "x").write_bytes(content)
    with VariantTable(tmp_path / "x") as table:
        assert table.columns == ("Alt", "POS", "REF", "rsid", "chr")
        found = list(table)
    assert [record.text for record in found] == [
        "20\t5\trs1\tA\tT,G\t.\t.\t.",
        "21\t6\t.\tC\t.\t.\t.\t.",
    ]
    assert [record.line for record in found] == [1, 2]
    assert found[0].row == ("T,G", pos[0].as_py(), "A", "rs1", 20)


def test_parquet_of_spelled_variants(tmp_path: Path, tiny: Genome):
    columns = {"variant_id": ["chr20_3_G_A_b38", "20:2::TT"], "x": [[1], [2]]}
    assert spelled(read(tmp_path / "x", parquet(tmp_path / "made", columns), tiny)) == ["chr20:3:G:A", "20:2:C:CTT"]
    columns = {"chrom": ["20"], "pos": [3], "ref": ["-"], "alt": ["A"]}
    assert spelled(read(tmp_path / "x", parquet(tmp_path / "made", columns), tiny)) == ["20:3:G:GA"]


FOUR = {"chrom": ["20", "20"], "pos": [5, 6], "ref": ["A", "A"], "alt": ["T", "T"]}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (FOUR | {"pos": [5, None]}, ":2: POS is ''"),
        (FOUR | {"pos": [5.0, float("nan")]}, ":2: POS is ''"),
        (FOUR | {"pos": [5.0, 6.5]}, ":2: POS is '6.5'"),
        (FOUR | {"pos": [5.0, float("inf")]}, ":2: POS is 'inf'"),
        (FOUR | {"pos": [5.0, 1e300]}, ":2: POS is '1000"),
        (FOUR | {"pos": [5, -6]}, ":2: POS is '-6'"),
        (FOUR | {"pos": ["5", "6.0"]}, ":2: POS is '6.0'"),
        (FOUR | {"pos": [True, False]}, ":1: POS is 'True'"),
        (FOUR | {"ref": ["A", None]}, ":2: REF '' is empty"),
        (FOUR | {"chrom": ["20", None]}, ":2: CHROM '' is empty"),
        (FOUR | {"alt": [["T"], ["G"]]}, ":1: a cell holds \"['T']\" (list); expected text or a number"),
        (FOUR | {"chrom": [{"a": 1}, {"a": 2}]}, ":1: a cell holds \"{'a': 1}\" (dict)"),
        ({"chrom": ["20"], "start": [4], "ref": ["A"]}, ": no column pos, alt in 'chrom, start, ref'; name 'start'"),
        ({"x": [1]}, ": no column chrom, pos, ref, alt in 'x'"),
        (FOUR | {"CHR": ["21", "21"]}, ": columns 'chrom' and 'CHR' both say chrom"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_parquet_says_where_and_what(tmp_path: Path, columns: dict[str, Any], expected: str):
    message = complaint(tmp_path / "x", parquet(tmp_path / "made", columns))
    assert message.startswith(expected), message


def test_parquet_with_two_columns_of_one_name(tmp_path: Path):
    names = [*FOUR, "other", "other"]
    arrays = [pa.array(values) for values in [*FOUR.values(), [1, 2], [3, 4]]]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), tmp_path / "made")
    assert spelled(read(tmp_path / "x", (tmp_path / "made").read_bytes())) == ["20:5:A:T", "20:6:A:T"]
    pq.write_table(pa.Table.from_arrays(arrays, names=[*FOUR, "id", "id"]), tmp_path / "made")
    message = complaint(tmp_path / "x", (tmp_path / "made").read_bytes())
    assert message.startswith(": columns 'id' and 'id' both say id"), message


def test_damaged_parquet(tmp_path: Path):
    content = parquet(tmp_path / "made", {**FOUR, "alt": ["T" * 5000, "G" * 5000]})
    assert ": damaged or cut Parquet" in complaint(tmp_path / "x", content[: len(content) // 2])
    assert ": damaged or cut Parquet" in complaint(tmp_path / "x", b"PAR1")
    hole = bytearray(content)
    hole[4:200] = bytes(196)
    assert ":1: damaged or cut Parquet" in complaint(tmp_path / "x", bytes(hole))


def test_parquet_without_rows(tmp_path: Path):
    assert read(tmp_path / "x", parquet(tmp_path / "made", {name: pa.array([], pa.string()) for name in FOUR})) == []


def test_parquet_is_never_wholly_in_memory(tmp_path: Path):
    size, draw = 200_000, random.Random(7)
    alts = ["".join(draw.choices("ACGT", k=99)) for _ in range(size)]
    pq.write_table(
        pa.table({"chrom": ["20"] * size, "pos": range(size), "ref": ["A"] * size, "alt": alts}),
        tmp_path / "x",
        row_group_size=size,
        compression="none",
    )
    before, most = pa.total_allocated_bytes(), 0
    with VariantTable(tmp_path / "x") as records:
        for record, alt in zip(records, alts, strict=True):
            assert (record.pos, record.alts) == (record.line - 1, (alt,))
            if record.line % 1000 == 0:
                most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < size * 99 / 2


# Opening


KINDS = [(kind, store) for kind in ("vcf", "table", "list", "parquet") for store in ("plain", "gzip", "bgzip")]
KINDS += [("bcf", "plain"), ("bcf", "bgzip")]  # all that htslib reads


@pytest.mark.parametrize("place", ["file", "stdin"])
@pytest.mark.parametrize(("kind", "store"), KINDS)
def test_every_form_from_every_place(tmp_path: Path, monkeypatch, kind: str, store: str, place: str):
    (tmp_path / "x.vcf").write_text(VCF.replace(COLUMNS, f"##contig=<ID=20>\n{COLUMNS}"))
    if kind == "bcf":
        with (
            pysam.VariantFile(str(tmp_path / "x.vcf")) as source,
            pysam.VariantFile(str(tmp_path / "x.bcf"), "wb", header=source.header) as out,
        ):
            for record in source:
                out.write(record)
    content = {
        "vcf": lambda: VCF.encode(),
        "bcf": lambda: gzip.decompress((tmp_path / "x.bcf").read_bytes()),
        "table": lambda: b"chrom\tpos\tid\tref\talt\n20\t1000226\trs1\tA\tT\n",
        "list": lambda: b"20:1000226:A:T\n",
        "parquet": lambda: parquet(
            tmp_path / "made", {"chrom": [20], "pos": [1000226], "id": ["rs1"], "ref": ["A"], "alt": ["T"]}
        ),
    }[kind]()
    path = tmp_path / "a name without suffix"
    if store == "bgzip":
        with pysam.BGZFile(str(path), "wb", None) as made:
            made.write(content)
    else:
        path.write_bytes(content if store == "plain" else gzip.compress(content))
    monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
    with open_variants(path if place == "file" else "-") as records:
        assert isinstance(records, VariantFile if kind in ("vcf", "bcf") else VariantTable)
        assert records.name == (str(path) if place == "file" else "<stdin>")
        assert records.header[0].startswith("##fileformat=VCFv4.")
        assert records.header[-1] == COLUMNS
        assert records.samples == ()
        (found,) = records
    assert (found.chrom, found.pos, found.ref, found.alts) == ("20", 1000226, "A", ("T",))
    assert found.id == ("." if kind == "list" else "rs1")
    assert found.text == f"20\t1000226\t{found.id}\tA\tT\t.\t.\t."


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (f"{COLUMNS}\n20\t5\t.\tA\tT\t.\t.\t.\n", VariantFile),  # its INFO would be lost in a table
        ("##contig=<ID=20>\n", VariantFile),
        ("\ufeff##fileformat=VCFv4.2\n", VariantFile),
        ("#CHROM\tPOS\tID\tREF\tALT\n20\t5\trs1\tA\tT\n", VariantTable),  # PLINK 2's .pvar
        ("#chrom\tpos\tref\talt\n", VariantTable),
    ],
)
def test_who_reads_what(tmp_path: Path, content: str, kind: type):
    (tmp_path / "x").write_text(content)
    if kind is VariantTable:
        with open_variants(tmp_path / "x") as records:
            assert isinstance(records, VariantTable)
        return
    with pytest.raises(VariantError, match=r"x:1: not VCF: begins with .*; put '##fileformat=VCF"):
        open_variants(tmp_path / "x")
    with pytest.raises(VariantError, match=r"x:1: this is VCF or BCF; open_variants would work"):
        VariantTable(tmp_path / "x")


def test_both_take_an_open_input_and_close_it(tmp_path: Path):
    for kind, content in ((VariantFile, VCF), (VariantTable, TABLE)):
        (tmp_path / "x").write_text(content)
        source = Input(tmp_path / "x", VariantError)
        with kind(source) as records:
            assert len(list(records)) == 1
        with pytest.raises(ValueError, match="closed"):
            next(iter(source))


def test_files_that_are_not_there_cut_or_left_in_the_middle(tmp_path: Path, monkeypatch):
    with pytest.raises(VariantError, match="no such file"):
        open_variants(tmp_path / "none")
    content = gzip.compress((TABLE + "20,6,A,T\n" * 50_000).encode())
    message = complaint(tmp_path / "x", content[:-30])
    assert "cut short here" in message
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    with pytest.raises(VariantError, match="<stdin>: the file is empty"):
        open_variants("-")
    assert ": the file holds no variants" in complaint(tmp_path / "x", gzip.compress(b""))
    for content in (TABLE.encode(), b"20:5:A:T\n20:6:A:T\n", parquet(tmp_path / "made", FOUR)):
        (tmp_path / "x").write_bytes(content)
        with VariantTable(tmp_path / "x") as records:
            assert next(records).pos == 5


letters = st.text("chromptalefvin20:_-.,;\"'# \t\r\n\0/<>*ACGTNxé\ufeff\x85", max_size=60)


@given(st.sampled_from(["", "chrom\tpos\tref\talt\n", "variant,id\n", "20:5:A:T\n", "20 5 A T\n"]), letters)
def test_any_file_is_records_or_one_line_of_complaint(
    tmp_path_factory: pytest.TempPathFactory, demo: Genome, begin: str, text: str
):
    path = tmp_path_factory.mktemp("x") / "x"
    path.write_text(begin + text, newline="")
    message = str(path)
    try:
        with open_variants(path, demo) as records:
            for record in records:
                expected = record.chrom, str(record.pos), record.id, record.ref, ",".join(record.alts)
                assert record.fields == (*expected, ".", ".", ".")
                assert len(record.text.split()) == 8
                assert len(record.variants) == len(record.alts)
    except VariantError as problem:
        message = str(problem)
    assert message.startswith(str(path))
    assert "\n" not in message


# The demo's variants in every form

FORMS: dict[str, Callable[[Variant], str]] = {
    "chrom\tpos\tref\talt\n": lambda v: f"{v.chrom}\t{v.pos}\t{v.ref}\t{v.alt}",
    "chr,bp,ref_allele,alt_allele\n": lambda v: f"{v.chrom},{v.pos},{v.ref},{v.alt}",
    "variant\tbeta\n": lambda v: f"{v}\t0.5",
    "variant_id\n": lambda v: f"chr{v.chrom}_{v.pos}_{v.ref}_{v.alt}_b37",
    "": str,
    "\n": lambda v: str(v).replace(":", "-"),
    "\n\n": lambda v: f"{v.chrom} {v.pos} {v.ref} {v.alt}",
    "spdi\n": lambda v: f"NC_000020.10:{v.start}:{v.ref}:{v.alt}",
    "SPDI\n": lambda v: f"{v.chrom}:{v.start + 1}:{len(v.ref) - 1}:{v.alt[1:]}" if len(v.ref + v.alt) > 2 else str(v),
}


@pytest.mark.parametrize("header", FORMS, ids=[repr(header) for header in FORMS])
def test_the_demo_s_variants_come_back(tmp_path: Path, demo: Genome, header: str):
    expected = read_variants(DEMO / "variants.vcf.gz")
    anchored = [
        v for v in expected if len(v.ref + v.alt) > 2 and v.ref[0] == v.alt[0] and 1 in map(len, (v.ref, v.alt))
    ]
    assert len(anchored) > 20
    found = read(tmp_path / "x", header + "".join(FORMS[header](variant) + "\n" for variant in expected), demo)
    assert len(found) == len(expected) > 500
    for record, variant in zip(found, expected, strict=True):
        (again,) = record.variants
        assert (again.pos, again.ref, again.alt) == (variant.pos, variant.ref, variant.alt)
        assert demo.resolve(again.chrom) == "20"


def test_the_demo_s_variants_come_back_from_parquet(tmp_path: Path):
    expected = read_variants(DEMO / "variants.vcf.gz")
    columns = {name: [getattr(variant, name) for variant in expected] for name in ("chrom", "pos", "ref", "alt")}
    found = read(tmp_path / "x", parquet(tmp_path / "made", columns))
    assert [variant for record in found for variant in record.variants] == expected
