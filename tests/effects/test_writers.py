import gzip
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import write_vcf

from hexamer.effects.heading import Declared, Heading
from hexamer.effects.writers import (
    ParquetWriter,
    check_variants_path,
    is_indexed,
    open_writer,
    write_bcf,
    write_variants,
)
from hexamer.errors import OutputError
from hexamer.genome import Record, VariantFile

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann"
HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="f">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">',
    "##contig=<ID=20>",
    COLUMNS,
]
DEFINITIONS = {"llr": "a ratio", "l2": "a distance"}
FACTS = ["##hexamer=<ID=x,Version=1>"]


def record(text: str) -> Record:
    chrom, pos, name, ref, alt, _ = text.split("\t", 5)
    return Record(0, text, chrom, int(pos), name, ref, tuple(alt.split(",")))


def write(path: Path, records, header=HEADER, genome=None) -> Path:
    """Write records with scores; every third allele has a reason."""
    heading = Heading(header, DEFINITIONS, FACTS, Declared(header, genome) if genome else None)
    with write_variants(path) as temporary, closing(open_writer(temporary, heading)) as writer:
        for place, found in enumerate(records):
            values = np.array([[0.1 + i, np.inf] for i in range(len(found.alts))], dtype=np.float32)
            reasons = ["star" if (place + i) % 3 == 2 else "" for i in range(len(found.alts))]
            values[[bool(reason) for reason in reasons]] = np.nan
            writer.write(place, found, values, reasons)
        writer.finish()
    return path


def body(path: Path) -> list[bytes]:
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rb") as file:
        return [line.removesuffix(b"\n") for line in file if not line.startswith(b"#")]


def test_what_stands_in_info(tmp_path):
    before = ["AF=1", ".", "", "AF=1;", "HX_LLR=3", "X=HX_LLR;HX_LLR=3;HX_REASON=.;AF=1", "HX_L2=.;DB;"]
    rows = [f"20\t{i + 1}\t.\tA\tC\t.\t.\t{info}\tGT\t0|1" for i, info in enumerate(before)]
    found = [line.split(b"\t")[7].decode() for line in body(write(tmp_path / "o.vcf", map(record, rows)))]
    scores, reason = "HX_LLR=0.1;HX_L2=inf", "HX_REASON=star"
    assert found == [
        f"AF=1;{scores}", scores, reason, f"AF=1;{scores}", scores, f"X=HX_LLR;AF=1;{reason}", f"DB;{scores}"
    ]  # fmt: skip
    several = body(write(tmp_path / "p.vcf", [record("20\t1\t.\tA\tC,G,*\t.\t.\t.\tGT\t0|1")]))
    assert several[0].split(b"\t")[7] == b"HX_LLR=0.1,1.1,.;HX_L2=inf,inf,.;HX_REASON=.,.,star"


def is_word(raw: bytes) -> bool:
    text = raw.decode("utf-8", "surrogateescape")
    return len(text.split()) == 1 and text.strip() == text


_CELL = st.binary(max_size=8).map(lambda raw: bytes(x for x in raw if x not in b"\t\n\r"))
_WORD = _CELL.filter(is_word)
_LINE = st.tuples(
    _WORD.filter(lambda raw: not raw.startswith(b"#")),
    st.integers(0, 10**9).map(lambda pos: str(pos).encode()),
    _CELL,
    _WORD,
    st.lists(_WORD.map(lambda raw: raw.replace(b",", b"x")), min_size=1, max_size=3).map(b",".join),
    _CELL,
    _CELL,
    st.one_of(st.sampled_from([b"", b".", b"AF=1;", b";", b"HX_LLR=9;DB", b"AF=1;;DB"]), _CELL),
    _CELL,
    _CELL,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    lines=st.lists(_LINE, max_size=4), end=st.sampled_from([b"\n", b"\r\n"]), kind=st.sampled_from(["vcf", "vcf.gz"])
)
def test_other_columns_come_back_byte_for_byte(tmp_path, lines, end, kind):
    header = "\n".join(HEADER).encode().replace(b"\n", end) + end
    (tmp_path / "in.vcf").write_bytes(header + b"".join(b"\t".join(line) + end for line in lines))
    with VariantFile(tmp_path / "in.vcf") as source:
        found = body(write(tmp_path / f"o.{kind}", source))
    assert len(found) == len(lines)
    for before, after in zip(lines, (line.split(b"\t") for line in found), strict=True):
        assert before[:7] + before[8:] == tuple(after[:7] + after[8:])
        if b"HX_" not in before[7]:
            kept = b"" if before[7] == b"." else before[7]
            assert after[7].startswith(kept)
            assert after[7][len(kept) :].removeprefix(b";").startswith(b"HX_")


ROWS = [f"20\t{i + 1}\trs{i}\tA\tC,G\t.\t.\tAF=1,2\tGT\t0|1" for i in range(5)]


def test_a_table_s_header_says_what_is_in_it(tmp_path):
    tsv = write(tmp_path / "o.tsv", map(record, ROWS)).read_text().splitlines()
    assert tsv[:4] == [
        "## llr: a ratio",
        "## l2: a distance",
        *FACTS,
        "record\tchrom\tpos\tid\tref\talt\tllr\tl2\treason",
    ]
    assert tsv[4] == "0\t20\t1\trs0\tA\tC\t0.1\tinf\t"
    assert tsv[-1] == "4\t20\t5\trs4\tA\tG\t\t\tstar"
    schema = pq.read_schema(write(tmp_path / "o.parquet", map(record, ROWS)))
    assert schema.metadata[b"hexamer"].decode() == FACTS[0]
    assert schema.field("l2").metadata[b"definition"] == b"a distance"


def test_rows_can_be_brought_back_to_their_records(tmp_path):
    for name, read in (("o.parquet", pd.read_parquet), ("o.tsv", lambda p: pd.read_csv(p, sep="\t", comment="#"))):
        table = read(write(tmp_path / name, map(record, ROWS)))
        assert table["record"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_group_of_rows_never_ends_within_a_record(tmp_path, monkeypatch):
    monkeypatch.setattr(ParquetWriter, "_GROUP", 3)
    file = pq.ParquetFile(write(tmp_path / "o.parquet", map(record, ROWS)))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]


def test_bytes_that_are_no_text_are_spelled_out_in_parquet_only(tmp_path):
    odd = record(b"20\t7\t\xffid\tA\tC\t.\t.\t.\tGT\t0|1".decode("utf-8", "surrogateescape"))
    assert pd.read_parquet(write(tmp_path / "o.parquet", [odd]))["id"].tolist() == ["\\xffid"]
    assert b"\t\xffid\t" in write(tmp_path / "o.tsv", [odd]).read_bytes()


# Indexes


@pytest.mark.parametrize(("last", "suffix"), [(2**29 - 2, ".tbi"), (2**29 + 5, ".csi")])
def test_an_index_fits_the_longest_position(tmp_path, last, suffix):
    (tmp_path / "o.vcf.gz.csi").write_text("an old index")
    rows = [f"20\t{pos}\t.\tA\tC\t.\t.\t.\tGT\t0|1" for pos in (5, last)]
    path = write(tmp_path / "o.vcf.gz", map(record, rows))
    assert {found.name for found in tmp_path.iterdir()} == {"o.vcf.gz", f"o.vcf.gz{suffix}"}
    assert is_indexed(path)
    with pysam.TabixFile(str(path), index=f"{path}{suffix}") as file:
        assert len(list(file.fetch("20", last - 1, last))) == 1


def test_records_out_of_order_have_no_index(tmp_path, genome):
    for suffix in (".tbi", ".csi"):
        (tmp_path / f"o.vcf.gz{suffix}").write_text("an old index")
    for name in ("o.vcf.gz", "o.bcf"):
        assert not is_indexed(write(tmp_path / name, map(record, ROWS[::-1]), genome=genome))
    assert {found.name for found in tmp_path.iterdir()} == {"o.vcf.gz", "o.bcf"}


def test_an_old_index_stays_with_the_old_file_when_writing_fails(tmp_path):
    write(tmp_path / "o.vcf.gz", map(record, ROWS))
    before = {found.name: found.read_bytes() for found in tmp_path.iterdir()}
    with pytest.raises(AttributeError):
        write(tmp_path / "o.vcf.gz", [*map(record, ROWS), None])
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == before


# BCF


def test_bcf_holds_what_vcf_holds(tmp_path, genome):
    header = [line for line in HEADER if "contig" not in line]
    rows = [*map(record, ROWS), record("GL1\t3\t.\tA\tC\t.\t.\t.\tGT\t0|1")]
    path = write(tmp_path / "o.bcf", rows, header, genome)
    assert {found.name for found in tmp_path.iterdir()} == {"o.bcf", "o.bcf.csi"}
    with pysam.VariantFile(str(path)) as file:
        assert file.header.contigs["20"].length == 9000
        assert FACTS[0] in str(file.header)
        found = [
            (line.chrom, line.pos, line.alts, line.info["HX_LLR"], line.samples[0]["GT"]) for line in file.fetch("20")
        ]
    assert found[0] == ("20", 1, ("C", "G"), (np.float32(0.1), np.float32(1.1)), (0, 1))
    assert len(found) == 5
    with VariantFile(path) as back:
        texts = [line.text for line in back]
    assert texts == [line.decode() for line in body(write(tmp_path / "o.vcf", rows, header))]


def test_bcf_is_faithful(tmp_path):
    rows = ["20\t5\t.\tA\t<DEL>\t.\t.\t.", "20\t7\t.\tA\tC\t.\t.\tEND=7", "20\t8\t.\tA\t.\t.\t.\tEND=20"]
    write_bcf(tmp_path / "x.bcf", write_vcf(tmp_path / "x.vcf", rows))
    with VariantFile(tmp_path / "x.bcf") as file:
        assert [line.text for line in file] == rows


def test_what_htslib_does_not_take_is_one_line(tmp_path):
    write_vcf(tmp_path / "x.vcf", ["20\t7\t.\tA\tC\t.\t.\tXX=1"])
    for name in ("x.vcf", "none.vcf"):
        with pytest.raises(OutputError, match=r"cannot be written as BCF \(.+\); \.vcf\.gz would work") as caught:
            write_bcf(tmp_path / "x.bcf", tmp_path / name)
        assert "\n" not in str(caught.value)


# Names


@pytest.mark.parametrize("name", ["o.txt", "o.vcf.bz2", "vcf", "o.gz", "no/o.vcf"])
def test_names_that_cannot_be_written(tmp_path, name):
    with pytest.raises(OutputError, match=r"scored variants are written as|does not exist"):
        check_variants_path(tmp_path / name)


def test_names_that_can_be_written(tmp_path):
    for name in ("o.vcf", "o.vcf.gz", "o.bcf", "o.tsv", "o.tsv.gz", "o.parquet"):
        check_variants_path(tmp_path / name)
    check_variants_path("-")


def test_standard_output_stays_open(capfdbinary):
    with write_variants(Path("-")) as path, closing(open_writer(path, Heading(["#x"], {}, []))) as writer:
        writer.finish()
    print("then", flush=True)
    assert [line[:9] for line in capfdbinary.readouterr().out.splitlines()] == [b"##INFO=<I", b"#x", b"then"]
