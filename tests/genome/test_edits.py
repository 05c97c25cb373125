import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import VariantError
from hexamer.genome import Variant
from hexamer.genome.edits import Edit, apply_edits, check_ref, edit_of
from hexamer.genome.variants import Record


def twin(reference: str, start: int, end: int, alleles: list[tuple[int, str, str]]) -> str:
    """The obvious twin: letters of a list, one after the other, by the rules that bcftools was seen to follow."""
    letters = list(reference)
    settled, after_insertion = 0, False
    for place, ref, alt in alleles:
        if not start <= place < end:
            continue
        shared = len(ref) != len(alt) and ref[0] == alt[0]
        rest = sorted((ref[1:], alt[1:]), key=len)
        is_indel = shared and any(
            rest[1].startswith(rest[0][:i]) and rest[1].endswith(rest[0][i:]) for i in range(len(rest[0]) + 1)
        )
        onto_last = place == settled - 1 and is_indel and not after_insertion
        if place < settled and not onto_last:
            continue
        here = ref[: end - place]
        come = alt[: len(here)] if len(here) < len(ref) else alt
        if onto_last:
            letters[place] += come[1:]
        else:
            letters[place] = come
        letters[place + 1 : place + len(here)] = [""] * (len(here) - 1)
        settled, after_insertion = place + len(here), len(come) > len(here)
    return "".join(letters[start:end])


@st.composite
def stretches(draw) -> tuple[str, list[tuple[int, str, str]]]:
    """A short reference and many alleles on it, most of them near others."""
    reference = draw(st.text("ACGT", min_size=1, max_size=40))
    alleles = []
    bases = st.text("ACGT", max_size=4)
    for place in sorted(draw(st.lists(st.integers(0, len(reference) - 1), max_size=25))):
        ref = reference[place : place + draw(st.sampled_from([1, 1, 1, 2, 3, 6]))]
        spellings = [draw(bases), ref[0] + draw(bases), ref + draw(bases), ref[0] + draw(bases) + ref[1:]]
        alt = draw(st.sampled_from(spellings)) or "A"
        alleles.append((place, ref, alt))
    return reference, alleles


@settings(max_examples=200, deadline=None)
@given(stretch=stretches(), data=st.data())
def test_edits_are_written_as_the_obvious_twin_writes_them(stretch, data):
    reference, alleles = stretch
    start = data.draw(st.integers(0, len(reference)))
    end = data.draw(st.integers(start, len(reference)))
    edits = [Edit.of(ref, alt, place) for place, ref, alt in alleles if start <= place < end]
    found = apply_edits(reference[start:end], start, edits)
    assert found.sequence == twin(reference, start, end, alleles)
    assert found.counts["applied"] + found.counts.get("overlap", 0) == len(edits)


@settings(max_examples=100, deadline=None)
@given(stretch=stretches(), start=st.integers(0, 1000))
def test_the_map_goes_both_ways(stretch, start):
    reference, alleles = stretch
    edits = [Edit.of(ref, alt, start + place) for place, ref, alt in alleles]
    sequence, blocks, _ = apply_edits(reference, start, edits)
    places = np.arange(start, start + len(reference))
    there = blocks.to_haplotype(places)
    mapped = there >= 0
    assert (np.diff(there[mapped]) > 0).all()
    assert (blocks.to_reference(there[mapped]) == places[mapped]).all()
    back = blocks.to_reference(np.arange(len(sequence)))
    assert (back >= 0).sum() == mapped.sum() == blocks.lengths.sum()
    # Stretches do not touch on both sides: then they would be one.
    assert all(
        blocks.reference[i] + blocks.lengths[i] < blocks.reference[i + 1]
        or blocks.haplotype[i] + blocks.lengths[i] < blocks.haplotype[i + 1]
        for i in range(len(blocks.lengths) - 1)
    )
    touched = {place for edit in edits for place in range(edit.start, edit.end)}
    for place in set(places.tolist()) - touched:
        assert sequence[there[place - start]] == reference[place - start]
    assert (blocks.to_haplotype([start - 1, start + len(reference)]) == -1).all()


R = "ACGTACGTACGTACGTACGT"


@pytest.mark.parametrize(
    ("alleles", "expected"),
    [
        ([(2, "GTA", "G"), (3, "T", "C")], "ACGCGTACGTACGTACGT"),  # an SNV in a deletion is skipped
        ([(2, "GTA", "G"), (5, "C", "T")], "ACGTGTACGTACGTACGT"),  # after it, it is not
        ([(2, "GTA", "G"), (4, "A", "ATT")], "ACGTTCGTACGTACGTACGT"),  # insertion anchored on the last deleted base
        ([(2, "G", "A"), (2, "G", "GTT")], "ACATTTACGTACGTACGTACGT"),  # SNV and insertion at one position: both
        ([(2, "G", "GTT"), (2, "G", "A")], "ACGTTTACGTACGTACGTACGT"),  # the other way round: the first
        ([(2, "G", "A"), (2, "GTA", "G")], "ACACGTACGTACGTACGT"),
        ([(2, "G", "GTT"), (2, "G", "GCC")], "ACGTTTACGTACGTACGTACGT"),
        ([(2, "G", "GCC"), (3, "TAC", "T")], "ACGCCTGTACGTACGTACGT"),
        ([(2, "G", "A"), (3, "T", "C")], "ACACACGTACGTACGTACGT"),  # neighbours are no overlap
        ([(2, "G", "C"), (2, "GT", "GC")], "ACCTACGTACGTACGTACGT"),  # a shared first base alone is not enough
        ([(2, "G", "C"), (2, "GTA", "GC")], "ACCTACGTACGTACGTACGT"),
        ([(2, "GTA", "TC"), (4, "A", "AGG")], "ACTCGGCGTACGTACGTACGT"),
        ([(0, "AC", "A")], "AGTACGTACGTACGTACGT"),
        ([(2, "G", "r")], "ACNTACGTACGTACGTACGT"),
    ],
)
def test_overlaps(alleles, expected: str):
    edits = [Edit.of(ref, alt, place) for place, ref, alt in alleles]
    assert apply_edits(R, 0, edits).sequence == expected


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [
        ("CGT", "C", R[4:14]),
        ("C", "CGG", R[4:14] + "GG"),
        ("CG", "TT", R[4:13] + "T"),
        ("CGT", "A", R[4:13] + "A"),
        ("CGTA", "TTGGGGG", R[4:13] + "T"),
    ],
)
def test_an_edit_over_the_window_s_end_is_cut(ref: str, alt: str, expected: str):
    assert apply_edits(R[4:14], 4, [Edit.of(ref, alt, 13)]).sequence == expected


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ("20:8:A:<DEL>", "symbolic"),
        ("20:8:A:*", "star"),
        ("20:8:A:A[20:9[", "breakend"),
        ("20:8:A:.", "missing"),
        ("20:0:N:A", "past_end"),
        ("20:8:A:J7", "symbolic"),
    ],
)
def test_alleles_without_an_edit(spelling: str, reason: str):
    assert edit_of(Variant.parse(spelling)) == reason


def test_a_wrong_ref_is_told_in_one_line():
    record = Record(0, "", "20", 8, ".", "Ar", ("C",))
    check_ref(record, "AN", file="x.vcf.gz", genome="x.fa")
    with pytest.raises(VariantError, match=r"x.vcf.gz: record 20:8 has REF 'Ar', but x.fa has 'AT' there; give"):
        check_ref(record, "AT", file="x.vcf.gz", genome="x.fa")
