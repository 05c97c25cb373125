import gzip
import io
import sys
from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import VariantError
from hexamer.genome import Genome, Variant, VariantFile, open_variants, read_variants

COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
HEADER = b'##fileformat=VCFv4.2\n##contig=<ID=20>\n##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n'
RECORDS = [
    b"20\t1000226\trs1\tA\tT\t29.50\tPASS\tAF=0.10\tGT\t0|1",
    b"20\t0\t.\tN\t<DEL>\t.\t.\tAF=1e-05\tGT\t.",
    b"20\t7\t.\tGA\tG,*,GAA\t.\t.\t.\tGT\t0/3",
]
VCF = HEADER + COLUMNS + b"\tFORMAT\tann\n" + b"".join(record + b"\n" for record in RECORDS)


class Stdin:
    def __init__(self, content: bytes):
        self.buffer = io.BufferedReader(io.BytesIO(content))


def bgzip(content: bytes, folder: Path) -> bytes:
    with pysam.BGZFile(str(folder / "made.gz"), "wb", None) as out:
        out.write(content)
    return (folder / "made.gz").read_bytes()


def bcf(folder: Path) -> bytes:
    text = VCF.replace(b"##contig=<ID=20>", b'##contig=<ID=20>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">')
    # pysam adds END to the header of its own accord, after the header was written, unless it is there.
    text = text.replace(b"##INFO", b'##INFO=<ID=END,Number=1,Type=Integer,Description="e">\n##INFO')
    (folder / "made.vcf").write_bytes(text)
    with (
        pysam.VariantFile(str(folder / "made.vcf")) as source,
        pysam.VariantFile(str(folder / "made.bcf"), "wb", header=source.header) as out,
    ):
        for record in source:
            out.write(record)
    return (folder / "made.bcf").read_bytes()


# One allele


@pytest.mark.parametrize(
    ("ref", "alt", "kind"),
    [
        ("A", "T", "snv"),
        ("CAT", "CGT", "snv"),
        ("a", "g", "snv"),
        ("AC", "GT", "mnv"),
        ("G", "GAT", "insertion"),
        ("TG", "ATG", "insertion"),
        ("GAT", "G", "deletion"),
        ("CAGAG", "CAG", "deletion"),
        ("GAT", "CC", "delins"),
        ("A", "<DEL>", "symbolic"),
        ("A", "<NON_REF>", "symbolic"),
        ("G", "G]17:198982]", "breakend"),
        ("G", "[<ctg1>:7[G", "breakend"),
        ("G", "G.", "breakend"),
        ("G", ".G", "breakend"),
        ("G", "*", "star"),
        ("G", "R", "iupac"),
        ("N", "A", "iupac"),
        ("G", ".", "missing"),
    ],
)
def test_kinds(ref: str, alt: str, kind: str):
    variant = Variant("20", 10, ref, alt)
    assert variant.kind == kind
    assert (variant.start, variant.end) == (9, 9 + len(ref))
    assert Variant.parse(str(variant)) == variant


@given(
    st.from_regex(r"[A-Za-z0-9_.*]{1,10}", fullmatch=True),
    st.integers(0, 3_000_000_000),
    st.text("ACGTN", min_size=1, max_size=9),
    st.text("ACGTN", min_size=1, max_size=9),
)
def test_spelling_round_trip(chrom: str, pos: int, ref: str, alt: str):
    variant = Variant(chrom, pos, ref, alt)
    assert Variant.parse(str(variant)) == variant
    assert Variant.parse(str(variant).replace(":", "-")) == variant


def test_a_contig_with_colons():
    assert Variant.parse("HLA-A*01:01:01:01:100:A:T") == Variant("HLA-A*01:01:01:01", 100, "A", "T")


@pytest.mark.parametrize("text", ["", "20:5", "20:5:A", "20:x:A:T", "20:5:A:", "20-5:A:T", "20:-5:A:T", "20 5 A T"])
def test_another_spelling_names_the_right_one(text: str):
    with pytest.raises(VariantError, match=r"expected chrom:pos:ref:alt, such as 20:1000226:A:T"):
        Variant.parse(text)


@pytest.mark.parametrize("values", [("", 1, "A", "T"), ("1", 1, "", "T"), ("1", 1, "A", "T C"), ("1", 1, "A", "")])
def test_empty_fields(values):
    with pytest.raises(VariantError, match="a field is empty or holds white space"):
        Variant(*values)


@pytest.mark.parametrize("values", [("1", -1, "A", "T"), ("1", 1, "A", "T,C")])
def test_negative_position_and_two_alleles(values):
    with pytest.raises(VariantError, match="expected a position from 0 and one alternate allele"):
        Variant(*values)


# Files


@pytest.mark.parametrize("kind", ["plain", "crlf", "gzip", "bgzip", "no last line end"])
@pytest.mark.parametrize("place", ["file", "stdin"])
def test_every_byte_is_kept(tmp_path: Path, monkeypatch, kind: str, place: str):
    store = {
        "plain": bytes,
        "crlf": lambda content: content.replace(b"\n", b"\r\n"),
        "gzip": gzip.compress,
        "bgzip": lambda content: bgzip(content, tmp_path),
        "no last line end": lambda content: content[:-1],
    }
    path = tmp_path / "a name without suffix"
    path.write_bytes(store[kind](VCF))
    monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
    with open_variants(path if place == "file" else "-") as records:
        assert "\n".join(records.header).encode() == HEADER + COLUMNS + b"\tFORMAT\tann"
        assert records.samples == ("ann",)
        found = list(records)
    assert [record.text.encode() for record in found] == RECORDS
    assert [record.line for record in found] == [5, 6, 7]
    assert found[0].fields == tuple(RECORDS[0].decode().split("\t"))
    assert (found[0].id, found[1].pos, found[2].alts) == ("rs1", 0, ("G", "*", "GAA"))
    assert [variant.kind for variant in found[2].variants] == ["deletion", "star", "insertion"]


@given(st.lists(st.binary(min_size=0, max_size=30), min_size=1, max_size=8))
def test_text_round_trip_for_any_bytes(tmp_path_factory: pytest.TempPathFactory, infos: list[bytes]):
    infos = [info.translate(None, b"\t\n\r") for info in infos]
    lines = [b"20\t%d\t.\tA\tT\t.\t.\t%s" % (pos, info) for pos, info in enumerate(infos)]
    path = tmp_path_factory.mktemp("vcf") / "x.vcf"
    path.write_bytes(HEADER + COLUMNS + b"\n" + b"\n".join(lines) + b"\n")
    with VariantFile(path) as records:
        found = [record.text.encode("utf-8", "surrogateescape") for record in records]
    assert found == lines


@pytest.mark.parametrize("store", [bytes, gzip.decompress], ids=["bgzip", "uncompressed"])
@pytest.mark.parametrize("place", ["file", "stdin"])
def test_bcf_is_read_as_text(tmp_path: Path, monkeypatch, capfd, store, place: str):
    path = tmp_path / "x"
    path.write_bytes(store(bcf(tmp_path)))
    monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
    capfd.readouterr()
    with VariantFile(path if place == "file" else "-") as records:
        assert records.header[-1].encode() == COLUMNS + b"\tFORMAT\tann"
        found = list(records)
    assert [(record.pos, record.ref, record.alts) for record in found] == [
        (1000226, "A", ("T",)),
        (0, "N", ("<DEL>",)),
        (7, "GA", ("G", "*", "GAA")),
    ]
    assert found[0].line == len(records.header) + 1
    assert found[0].fields[7:] == ("AF=0.1", "GT", "0|1")
    assert capfd.readouterr().err == ""


def test_a_file_left_in_the_middle_is_closed(tmp_path: Path):
    for content in (VCF, bcf(tmp_path)):
        (tmp_path / "x").write_bytes(content)
        with VariantFile(tmp_path / "x") as records:
            next(records)


def test_a_header_alone_holds_no_variants(tmp_path: Path):
    (tmp_path / "x.vcf").write_bytes(HEADER + COLUMNS + b"\n")
    assert read_variants(tmp_path / "x.vcf") == []


def record(line: bytes) -> bytes:
    return HEADER + COLUMNS + b"\n20\t5\t.\tA\tT\t.\t.\t.\n" + line + b"\n"


HINT = "put '##fileformat=VCFv4.2' and '#CHROM\\tPOS"
MALFORMED = [
    (b"", ["the file is empty"]),
    (b"20\t5\t.\tA\tT\t.\t.\t.\n", [":1: not VCF: begins with '20\\t5", HINT]),
    (COLUMNS + b"\n", [":1: not VCF", HINT]),
    (HEADER, [":3: the file ends before a #CHROM line", HINT]),
    (HEADER + b"20\t5\t.\tA\tT\t.\t.\t.\n", [":4: a record before the #CHROM line", HINT]),
    (HEADER + COLUMNS.replace(b"\t", b" ") + b"\n", [":4: the #CHROM line", "divide these by tabs"]),
    (HEADER + b"#CHROM\tPOS\tREF\tALT\n", [":4: the #CHROM line has other columns"]),
    (record(b"20\t5\t.\tA\tT"), [":6: 5 columns where the #CHROM line has 8"]),
    (record(b"20\t5\t.\tA\tT\t.\t.\t.\tGT\t0|1"), [":6: 10 columns where the #CHROM line has 8"]),
    (record(b"20 5 . A T . . ."), [":6: spaces between the columns", "tr -s ' ' '\\t'"]),
    (record(b"20\t5.0\t.\tA\tT\t.\t.\t."), [":6: POS is '5.0'; expected a whole number from 0"]),
    (record(b"20\t-1\t.\tA\tT\t.\t.\t."), [":6: POS is '-1'"]),
    (record(b"20\t\t.\tA\tT\t.\t.\t."), [":6: POS is ''"]),
    (record(b"\t5\t.\tA\tT\t.\t.\t."), [":6: CHROM '' is empty"]),
    (record(b"20\t5\t.\t\tT\t.\t.\t."), [":6: REF '' is empty"]),
    (record(b"20\t5\t.\tA\t\t.\t.\t."), [":6: ALT '' is empty", "write '.' for a missing ALT"]),
    (record(b"20\t5\t.\tA\tT,,C\t.\t.\t."), [":6: ALT '' is empty"]),
    (record(b"20\t5\t.\tA \tT\t.\t.\t."), [":6: REF 'A ' is empty or holds white space"]),
    (record(HEADER + COLUMNS), [":6: a second header after the records", "bcftools concat"]),
    (gzip.compress(VCF * 50)[:-30], ["cut short here", "download"]),
]


@pytest.mark.parametrize(("content", "parts"), MALFORMED)
def test_malformed_vcf_says_where_and_what(tmp_path: Path, content: bytes, parts: list[str]):
    (tmp_path / "x.vcf").write_bytes(content)
    with pytest.raises(VariantError) as caught:
        read_variants(tmp_path / "x.vcf")
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in ["x.vcf", *parts]), message


def test_cut_bgzip_and_bcf(tmp_path: Path, monkeypatch):
    for whole in (bgzip(VCF, tmp_path), bcf(tmp_path)):
        for cut in (whole[:-28], whole[:-60]):
            (tmp_path / "x").write_bytes(cut)
            with pytest.raises(VariantError, match="x: the file is cut short"):
                read_variants(tmp_path / "x")
            monkeypatch.setattr(sys, "stdin", Stdin(cut))
            with pytest.raises(VariantError, match=r"<stdin>.*cut short"):
                read_variants("-")


def test_damaged_bcf(tmp_path: Path, capfd):
    whole = bcf(tmp_path)
    (tmp_path / "x").write_bytes(whole[: len(whole) // 2] + b"\0\0\0\0" + whole[len(whole) // 2 + 4 :])
    with pytest.raises(VariantError, match=r"x:[0-9]+: damaged"):
        read_variants(tmp_path / "x")


def test_no_file_and_a_directory(tmp_path: Path):
    with pytest.raises(VariantError, match="no such file"):
        VariantFile(tmp_path / "none.vcf")
    with pytest.raises(VariantError, match="this is a directory"):
        VariantFile(tmp_path)


# Real variants


def test_every_real_record_has_the_base_of_the_genome(real_data: Path, session_cache: Path):
    path = real_data / "variants" / "1000G_b37_chr20_1-4Mb.reference.vcf.gz"
    lines, matches = [], 0
    fasta = real_data / "genomes" / "hs37d5.chr20.fa.gz"
    with Genome(fasta, cache=session_cache) as genome, VariantFile(path) as records:
        assert len(records.samples) == 300
        for record in records:
            lines.append(record.text)
            variant = record.variants[0]
            matches += genome.fetch(variant.chrom, variant.start, variant.end) == variant.ref
    assert (len(lines), matches) == (24_990, 24_990)
    content = "\n".join([*records.header, *lines, ""]).encode()
    assert content == gzip.decompress(path.read_bytes())
