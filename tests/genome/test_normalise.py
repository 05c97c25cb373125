"""Equivalent spellings become one change; `bcftools norm` says which are equivalent."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.genome import Change, Genome, Variant, left_align, normalise, reverse_complement, right_align

# Repeats, so that indels can move, and unique sequence, so that they stop.
SEQUENCE = (
    "ACGT" * 4 + "A" * 30 + "CAG" * 12 + "TTGACGATCCA" + "GA" * 300 + "CCNNNNTTTTTTTTTT" + "ACGTTGCA" * 3 + "T" * 9
)


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("normalise")
    (folder / "g.fa").write_text(f">chr1\n{SEQUENCE}\n")
    return Genome(folder / "g.fa")


def altered(change):
    return SEQUENCE[: change.start] + change.alt + SEQUENCE[change.end :]


@st.composite
def changes(draw, longest=8):
    start = draw(st.integers(0, len(SEQUENCE)))
    ref = SEQUENCE[start : start + draw(st.integers(0, longest))]
    alt = draw(st.one_of(st.text("ACGT", max_size=longest), st.just(ref * 2), st.just(ref[: len(ref) // 2])))
    if "N" in ref or "N" in alt:
        ref = alt = ""
    return Change("chr1", start, ref, alt)


def spell(change, before, after):
    """Write a change as VCF, with bases of the reference around it; at least one base in each allele."""
    before = min(before, change.start)
    after = min(after, len(SEQUENCE) - change.end)
    if not (change.ref and change.alt) and not before and not after:
        before, after = (1, 0) if change.start else (0, 1)
    start = change.start - before
    left, right = SEQUENCE[start : change.start], SEQUENCE[change.end : change.end + after]
    return Variant("1", start + 1, left + change.ref + right, left + change.alt + right)


@given(changes(), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=400)
def test_padding_does_not_matter(genome, change, a, b, c, d):
    if change.ref == change.alt:
        return
    first, second = spell(change, a, b), spell(change, c, d)
    found = normalise(genome, first)
    if isinstance(found, str):
        assert found in ("iupac", "non_acgt_window")
        return
    assert altered(found) == altered(change)
    other = normalise(genome, second)
    assert other == found or other in ("iupac", "non_acgt_window")


@given(changes(), st.integers(-700, 700), st.integers(0, 5))
@settings(max_examples=400)
def test_where_in_a_repeat_an_indel_is_written_does_not_matter(genome, change, by, pad):
    """Every written change that gives the same sequence becomes the same one."""
    allele = change.ref + change.alt
    if not allele or (change.ref and change.alt):
        return
    moved = Change(
        "chr1",
        change.start + by,
        (change.ref * 2)[by % len(allele) :][: len(allele)] if change.ref else "",
        (change.alt * 2)[by % len(allele) :][: len(allele)] if change.alt else "",
    )
    inside = moved.start >= 0 and moved.end <= len(SEQUENCE)
    if not inside or moved.ref != SEQUENCE[moved.start : moved.end] or altered(moved) != altered(change):
        return
    one, two = normalise(genome, spell(change, pad, 0)), normalise(genome, spell(moved, 0, pad))
    if isinstance(one, Change) and isinstance(two, Change):
        assert one == two
        assert left_align(genome, right_align(genome, one)) == one
        assert altered(right_align(genome, one)) == altered(one)


@given(changes())
def test_the_other_strand_has_the_mirrored_change(genome, change):
    length = len(SEQUENCE)
    mirrored = change.reverse(length)
    whole = reverse_complement(SEQUENCE)
    assert whole[: mirrored.start] + mirrored.alt + whole[mirrored.end :] == reverse_complement(altered(change))
    assert mirrored.reverse(length) == change


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (("A", "C"), "snv"),
        (("", ""), "snv"),
        (("AC", "GT"), "mnv"),
        (("", "A"), "insertion"),
        (("AC", ""), "deletion"),
        (("AC", "G"), "delins"),
    ],
)
def test_kind(change, kind):
    assert Change("1", 3, *change).kind == kind


def test_reasons(genome):
    ref = SEQUENCE[99:102]
    other = "C" if ref[0] != "C" else "G"
    cases = {
        (100, other, ref[0]): "ref_mismatch",
        (100, ref[0], "*"): "star",
        (100, ref[0], "<DEL>"): "symbolic",
        (100, "N", "<DEL>"): "symbolic",
        (100, ref[0], "A[20:5["): "symbolic",
        (100, ref[0], "."): "missing",
        (100, ref[0], "R"): "iupac",
        (len(SEQUENCE) + 1, "A", "C"): "past_end",
        (len(SEQUENCE), "TA", "T"): "past_end",
        (0, "A", "C"): "past_end",
        (SEQUENCE.index("N") + 1, "A", "C"): "non_acgt_window",
    }
    assert {key: normalise(genome, Variant("chr1", *key)) for key in cases} == cases
    assert normalise(genome, Variant("21", 5, "A", "C")) == "contig_missing"
    for lower in (Variant("1", 100, ref[0].lower(), other), Variant("1", 100, ref[0], other.lower())):
        assert normalise(genome, lower) == Change("chr1", 99, ref[0], other)


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcftools_norm_agrees(genome, tmp_path):
    """Random spellings of random changes: what bcftools makes of each, trimmed to the change, is ours."""
    rng = np.random.default_rng(0)
    variants = []
    while len(variants) < 3000:
        start = int(rng.integers(0, len(SEQUENCE)))
        ref = SEQUENCE[start : start + int(rng.integers(0, 9))]
        alt = "".join(rng.choice(list("ACGT"), int(rng.integers(0, 9)))) if rng.random() < 0.5 else ref[: len(ref) // 2]
        if rng.random() < 0.2:
            alt = ref * 2
        variant = spell(Change("chr1", start, ref, alt), *map(int, rng.integers(0, 30, 2)))
        if "N" not in variant.ref + variant.alt and variant.ref != variant.alt:
            variants.append(variant)
    variants.sort(key=lambda variant: variant.pos)
    header = f"##fileformat=VCFv4.2\n##contig=<ID=chr1,length={len(SEQUENCE)}>\n"
    header += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    lines = [f"chr1\t{v.pos}\t{i}\t{v.ref}\t{v.alt}\t.\t.\t.\n" for i, v in enumerate(variants)]
    (tmp_path / "in.vcf").write_text(header + "".join(lines))
    command = ["bcftools", "norm", "-f", str(genome.path), str(tmp_path / "in.vcf")]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t")[:5] for line in out.splitlines() if not line.startswith("#")]
    assert len(rows) == len(variants)
    for chrom, pos, i, ref, alt in rows:
        theirs = Variant(chrom, int(pos), ref, alt)
        ours = normalise(genome, variants[int(i)])
        assert isinstance(ours, Change)
        # VCF has no empty alleles: theirs keeps the base before, or at the contig's start the one behind.
        if ours.ref and ours.alt:
            assert (theirs.start, theirs.ref, theirs.alt) == (ours.start, ours.ref, ours.alt)
        elif ours.start:
            base = SEQUENCE[ours.start - 1]
            assert (theirs.start, theirs.ref, theirs.alt) == (ours.start - 1, base + ours.ref, base + ours.alt)
        else:
            base = SEQUENCE[ours.end]
            assert (theirs.start, theirs.ref, theirs.alt) == (0, ours.ref + base, ours.alt + base)
