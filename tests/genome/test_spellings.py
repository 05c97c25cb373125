import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import VariantError
from hexamer.genome import Genome, Variant, VariantTable, parse_variant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20:1000226:A:T", "20:1000226:A:T"),
        ("20-1000226-A-T", "20:1000226:A:T"),
        (" chr20_1000226_A_T_b38\n", "chr20:1000226:A:T"),
        ("chr20_1000226_A_T_b37", "chr20:1000226:A:T"),
        ("20_1000226_A_T", "20:1000226:A:T"),
        ("X_5_GA_G_hg19", "X:5:GA:G"),
        ("chr1_KI270706v1_random_100_A_T_b38", "chr1_KI270706v1_random:100:A:T"),
        ("chr1_KI270706v1_random_100_A_T", "chr1_KI270706v1_random:100:A:T"),
        ("chr1_KI270706v1_random:100:A:T", "chr1_KI270706v1_random:100:A:T"),
        ("chr20_7_A_*", "chr20:7:A:*"),
        ("chr20_7_A_<INS_ME>_b38", "chr20:7:A:<INS_ME>"),
        ("HLA-A*01:01:01:01:100:A:T", "HLA-A*01:01:01:01:100:A:T"),
        ("rs1:7:A:T", "rs1:7:A:T"),
        ("20:7:A:<DEL>", "20:7:A:<DEL>"),
        ("20:7:A:A]17:198982]", "20:7:A:A]17:198982]"),
        ("20:7:A:.", "20:7:A:."),
        # SPDI counts from 0 ...
        ("NC_000020.11:1000225:A:T", "NC_000020.11:1000226:A:T"),
        ("NW_012345.1:0:AC:G", "NW_012345.1:1:AC:G"),
        # ... and only SPDI: the same name in another form does not.
        ("NC_000020.11-1000226-A-T", "NC_000020.11:1000226:A:T"),
        ("NC_000020.11_1000226_A_T_b38", "NC_000020.11:1000226:A:T"),
        ("NC_000020:1000226:A:T", "NC_000020:1000226:A:T"),
        ("NC_000020.11v:1000226:A:T", "NC_000020.11v:1000226:A:T"),
    ],
)
def test_spellings_that_need_no_genome(text: str, expected: str):
    assert str(parse_variant(text)) == expected


@pytest.mark.parametrize(
    ("text", "pos", "ref", "alt"),
    [
        ("20:2::TT", 2, "C", "CTT"),
        ("20:2:0:TT", 2, "C", "CTT"),
        ("20:2:G:", 2, "CG", "C"),
        ("20:2:2:", 2, "CGT", "C"),
        ("20:2:02:", 2, "CGT", "C"),
        ("20:2:2:A", 3, "GT", "A"),
        ("20:0::TT", 1, "A", "TTA"),
        ("20:0:AC:", 1, "ACG", "G"),
        ("20:0:2:", 1, "ACG", "G"),
        ("20:0:2:T", 1, "AC", "T"),
        ("20:6::G", 6, "A", "AG"),
        ("20:5:1:", 5, "TA", "T"),
        ("chr20:2::T", 2, "C", "CT"),
    ],
)
def test_spdi_reads_what_it_leaves_out(tiny: Genome, text: str, pos: int, ref: str, alt: str):
    variant = parse_variant(text, tiny)
    assert (variant.pos, variant.ref, variant.alt) == (pos, ref, alt)
    with pytest.raises(VariantError, match=r"leave out bases, which are read from a genome; give one"):
        parse_variant(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("77:5::T", "77:5:N:NT"),
        ("77:5:3:", "77:5:NNNN:N"),
        ("20:7::T", "20:7:N:NT"),  # past the end
        ("20:4:3:", "20:4:TNNN:T"),
        ("20:0:6:", "20:1:ACGTTAN:N"),  # nothing is left of the contig to stand beside it
    ],
)
def test_bases_that_the_genome_lacks_are_n(tiny: Genome, text: str, expected: str):
    variant = parse_variant(text, tiny)
    assert str(variant) == expected
    assert variant.chrom not in tiny or variant.end > tiny.length("20")


def test_a_deletion_without_end_takes_no_memory_without_end(tiny: Genome):
    assert len(parse_variant("77:5:999999999999999999:", tiny).ref) == 10_000_001


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("NC_000020.11:g.1000226A>T", ["HGVS is not read", "SPDI would work"]),
        ("NM_000059.3:c.35G>A", ["HGVS is not read"]),
        ("rs376678365", ["an rs number names no alleles", "chrom:pos:ref:alt would work"]),
        ("", ["expected chrom:pos:ref:alt", "chr20_1000226_A_T_b38", "NC_000020.11:1000225:A:T"]),
        ("20:1000226", ["expected chrom:pos:ref:alt"]),
        ("20:1000226_A_T", ["expected chrom:pos:ref:alt"]),
        ("20:1000226.0:A:T", ["expected chrom:pos:ref:alt"]),
        ("20 1000226 A T", ["expected chrom:pos:ref:alt"]),
        ("20:1000226:A:T,G", ["one alternate allele"]),
        ("chr20_x_A_T_b38", ["expected chrom:pos:ref:alt"]),
        ("chr20_7_A_T_b38_rs1", ["expected chrom:pos:ref:alt"]),
        ("20:5::", ["expected SPDI", "with a change"]),
        ("20:5:0:", ["expected SPDI", "with a change"]),
        ("20:5:A:3", ["expected SPDI"]),
        ("NC_000020.11:5:A:.", ["expected SPDI", "from 0"]),
        ("NC_000020.11:5:A:<DEL>", ["expected SPDI"]),
        ("NC_000020.11:5", ["expected SPDI"]),
        ("20:" + "9" * 5000 + ":A:T", ["at most 18 digits"]),
        ("20_" + "9" * 5000 + "_A_T", ["at most 18 digits"]),
        ("20:" + "9" * 5000 + "::T", ["at most 18 digits"]),
    ],
)
def test_other_texts_are_refused(tiny: Genome, text: str, parts: list[str]):
    with pytest.raises(VariantError) as caught:
        parse_variant(text, tiny)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300
    assert all(part in message for part in parts), message


variants = st.builds(
    Variant,
    st.from_regex(r"(chr)?[A-Za-z0-9_.*]{1,10}(_random)?", fullmatch=True),
    st.integers(0, 3_000_000_000),
    st.text("ACGTN", min_size=1, max_size=9),
    st.text("ACGTN", min_size=1, max_size=9),
)


@given(variants, st.sampled_from(["_b37", "_b38", "_hg19", "_GRCh38", ""]))
def test_round_trip_of_each_spelling(variant: Variant, build: str):
    for separator in ":-_":
        text = separator.join((variant.chrom, str(variant.pos), variant.ref, variant.alt))
        assert parse_variant(text + (build if separator == "_" else "")) == variant


@given(variants, st.integers(1, 99))
def test_round_trip_of_spdi(variant: Variant, version: int):
    name = f"NC_0000{version}.{version}"
    text = f"{name}:{variant.pos}:{variant.ref}:{variant.alt}"
    assert parse_variant(text) == Variant(name, variant.pos + 1, variant.ref, variant.alt)


def around(genome: Genome, start: int, end: int, bases: str) -> str:
    """The demo's bases with those from start to end replaced; 0-based, half-open."""
    return genome.fetch("20", 990_000, start) + bases + genome.fetch("20", end, 1_010_000)


@given(st.integers(990_001, 1_009_000), st.integers(0, 6), st.text("ACGT", max_size=6))
def test_spdi_and_annovar_say_the_same(tmp_path_factory: pytest.TempPathFactory, demo: Genome, start, size, inserted):
    deleted = demo.fetch("20", start, start + size)
    if not deleted + inserted:
        return
    by_text, by_number = f"20:{start}:{deleted}:{inserted}", f"20:{start}:{size}:{inserted}"
    # An accession makes the first one SPDI where neither allele is empty.
    found = [parse_variant(f"NC_0000{by_text[:2]}.10{by_text[2:]}", demo), parse_variant(by_number, demo)]
    row = f"20,{start + 1 if deleted else start},{deleted or '-'},{inserted or '-'}"
    path = tmp_path_factory.mktemp("x") / "x"
    path.write_text(f"chrom,pos,ref,alt\n{row}\n")
    with VariantTable(path, demo) as records:
        found += next(records).variants
    assert len({(variant.pos, variant.ref, variant.alt) for variant in found}) == 1
    variant = found[0]
    assert variant.ref == demo.fetch("20", variant.start, variant.end) != ""
    assert around(demo, variant.start, variant.end, variant.alt) == around(demo, start, start + size, inserted)
    assert len(variant.ref) - len(variant.alt) == size - len(inserted)


letters = st.text("chromptalefvin20:_-.,;\"'# \t\r\n\0/<>*ACGTNxé\ufeff\x85", max_size=60)


@given(letters)
def test_any_text_is_a_variant_or_one_line_of_complaint(demo: Genome, text: str):
    message = ""
    try:
        variant = parse_variant(text, demo)
        assert Variant(variant.chrom, variant.pos, variant.ref, variant.alt) == variant
    except VariantError as problem:
        message = str(problem)
    assert "\n" not in message
