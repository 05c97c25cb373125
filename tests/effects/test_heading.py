import pysam
import pytest

from hexamer.effects.heading import Declared, Heading, earlier_fields, header_line
from hexamer.errors import VariantError
from hexamer.genome import Record

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
HEADER = [
    "##fileformat=VCFv4.3",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="with, ID=x in it">',
    '##INFO=<Number=0,ID=DB,Type=Flag,Description="ID is not first">',
    '##FILTER=<ID=q10,Description="q">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">',
    "##contig=<ID=20,length=9000>",
    '##INFO=<ID=HX_OTHER,Number=1,Type=String,Description="somebody else\'s">',
    COLUMNS,
]


def record(*, chrom="20", filters="PASS", info=".", form=None):
    text = f"{chrom}\t7\t.\tA\tC\t.\t{filters}\t{info}" + (f"\t{form}\t0|1" if form else "")
    return Record(9, text, chrom, 7, ".", "A", ("C",))


def test_what_is_not_a_plain_word_is_quoted():
    line = header_line("hexamer", ID="x", Model='a "b" \\ c', Weights="1,2", Window="300", Layer="-1")
    assert line == '##hexamer=<ID=x,Model="a \\"b\\" \\\\ c",Weights="1,2",Window=300,Layer=-1>'
    assert header_line("h", A="two\nlines") == '##h=<A="two lines">'


def test_htslib_reads_our_lines(tmp_path):
    facts = [header_line("hexamer", ID="x", Model='a "b", c')]
    lines = Heading(HEADER, {"llr": 'a "definition", in nats'}, facts).vcf_lines()
    (tmp_path / "x.vcf").write_text("\n".join(lines) + "\n20\t7\t.\tA\tC\t.\t.\tHX_LLR=1\n")
    with pysam.VariantFile(str(tmp_path / "x.vcf")) as file:
        assert file.header.info["HX_LLR"].number == "A"
        assert facts[0] in str(file.header)
        assert next(file).info["HX_LLR"] == (1.0,)


def test_lines_of_an_earlier_run_make_place():
    first = Heading(HEADER, {"llr": "a", "l2": "b"}, ["##hexamer=<ID=x>", "##hexamer_shard=<ID=1,Of=2>"]).vcf_lines()
    assert first[:7] == HEADER[:7]
    assert first[-1] == COLUMNS
    again = Heading(first, {"llr": "a"}, ["##hexamer=<ID=x>"]).vcf_lines()
    # In a header of ours all fields with our prefix are ours.
    assert again == Heading(HEADER[:6] + HEADER[7:], {"llr": "a"}, ["##hexamer=<ID=x>"]).vcf_lines()


def test_fields_of_others_are_left_alone():
    assert "HX_OTHER" not in earlier_fields(HEADER)
    assert {"HX_LLR", "HX_REASON"} <= earlier_fields(HEADER)
    assert "HX_OTHER" in earlier_fields(["##hexamer=<ID=x>", *HEADER])


def test_contigs_that_are_not_declared_are_added(genome):
    declared = Declared(HEADER, genome)
    for chrom in ("20", "chr20", "GL1", "GL1", "short"):
        declared.check(record(chrom=chrom, filters="q10", info="AF=1;DB;HX_LLR=2;", form="GT"))
    lines = ["##contig=<ID=chr20,length=9000>", "##contig=<ID=GL1>", "##contig=<ID=short,length=40>"]
    assert declared.contig_lines == lines
    assert Heading(HEADER, {}, [], declared).vcf_lines()[-4:] == [*lines, COLUMNS]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"filters": "PASS;s50"}, "FILTER 's50'"),
        ({"info": "AF=1;XX=2"}, "INFO 'XX'"),
        ({"form": "GT:DP"}, "FORMAT 'DP'"),
    ],
)
def test_anything_else_that_is_not_declared_is_named(genome, options, part):
    with pytest.raises(VariantError, match=f"20:7: {part} is not declared in the header, which BCF needs"):
        Declared(HEADER, genome).check(record(**options))
