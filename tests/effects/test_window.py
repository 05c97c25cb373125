import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hexamer.effects.window import WindowReader
from hexamer.genome import Change, reverse_complement
from hexamer.tokens import CLS_ID


def written(model, ids):
    """The bases of a window; N one by one."""
    return model.tokenizer.decode(ids)


@st.composite
def changes(draw, length=9000):
    start = draw(st.one_of(st.integers(0, length), st.integers(0, 20), st.integers(length - 20, length)))
    size = draw(st.integers(0, min(20, length - start)))
    return start, size, draw(st.text("ACGT", max_size=20))


@given(changes(), st.sampled_from([1, 2, 3, 6]), st.sampled_from(["grid", "variant"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_windows_say_what_the_two_sequences_say(model, genome, drawn, phases, anchor):
    start, size, alt = drawn
    change = Change("20", start, genome.fetch("20", start, start + size), alt)
    if "N" in change.ref:
        return
    reader = WindowReader(model, genome, 594, anchor)
    whole = genome.fetch("20", 0, 9000)
    altered = whole[:start] + alt + whole[change.end :]
    length = max(size, len(alt), 1)
    for reading in reader.read(change, phases, "both"):
        name, (first, end) = reading.name, reading.span
        assert reading.ref[0] == reading.alt[0] == CLS_ID
        assert name.bases <= 594
        texts = []
        for ids, sequence in ((reading.ref, whole), (reading.alt, altered)):
            strand = reverse_complement(sequence) if name.reverse else sequence
            text = written(model, ids)
            if not name.left:
                there = strand[name.start : name.start + name.bases]
                assert len(text) == len(there) or len(ids) == model.config.max_tokens
                assert all(a in (b, "N") for a, b in zip(text, there, strict=False))
                texts.append(text)
            tokens = [model.tokenizer.vocabulary[i] for i in ids[first:end]]
            assert {len(token) for token in tokens} == {6}
            assert "".join(tokens) in strand
        assert (end - first - 2) * 6 < length <= (end - first) * 6
        if len(texts) == 2:
            before = len(written(model, reading.ref[:first]))
            assert texts[0][:before] == texts[1][:before], "the windows differ before the span"
            if not reading.shifted:
                after = before + (end - first) * 6
                assert texts[0][after:] == texts[1][after:]


def test_the_span_covers_the_longer_allele_in_every_phase(model, genome):
    reader = WindowReader(model, genome, 594)
    for size in (0, 1, 5, 6, 7, 13):
        change = Change("20", 2500, genome.fetch("20", 2500, 2500 + size), "ACGTACG")
        longer = max(size, 7)
        found = reader.read(change, 6)
        assert len(found) == 6
        for phase, reading in enumerate(found):
            first = (2500 - phase) % 6
            assert reading.span[1] - reading.span[0] == -(-(first + longer) // 6)


def test_far_from_the_ends_the_window_is_full_and_the_change_in_its_middle(model, genome):
    for anchor in ("grid", "variant"):
        for reading in WindowReader(model, genome, 594, anchor).read(Change("20", 2500, "A", "C"), 6, "both"):
            assert reading.name.bases == 594
            assert abs(reading.span[0] - 50) <= 1


def test_changes_of_a_token_share_a_window_on_the_grid_and_none_otherwise(model, genome):
    for anchor, shared in (("grid", 1), ("variant", 6)):
        reader = WindowReader(model, genome, 594, anchor)
        found = [reader.read(Change("20", base, "A", "C"))[0] for base in range(2502, 2508)]
        assert len({(reading.name, reading.span) for reading in found}) == shared


def test_windows_of_one_name_are_equal(model, genome):
    """Also where N make them too long."""
    reader, named = WindowReader(model, genome, 594), {}
    for base in [*range(3700, 4400), *range(60), *range(8940, 9000)]:
        ref = genome.fetch("20", base, base + 1)
        for change in (Change("20", base, ref, "C"), Change("20", base, "", "ACGTACGTA"), Change("20", base, ref, "")):
            for reading in reader.read(change, 2, "both"):
                assert len(reading.ref) <= model.config.max_tokens
                assert named.setdefault(reading.name, reading.ref).tolist() == reading.ref.tolist()
    assert any(name.left for name in named)


def test_6mers_stay_on_the_grid_behind_n(model, genome):
    """All six phases differ at a change behind an N, and none has a k-mer that begins elsewhere."""
    found = WindowReader(model, genome, 594).read(Change("20", 4100, genome.fetch("20", 4100, 4101), "C"), 6)
    kmers = {model.tokenizer.vocabulary[reading.ref_span[0]] for reading in found}
    assert len(kmers) == 6
    for reading in found:
        places = np.cumsum(model.tokenizer.token_lengths[reading.ref]) if not reading.name.left else np.array([])
        whole = model.tokenizer.token_lengths[reading.ref] == 6
        assert not ((places - 6)[whole] % 6).any() if places.size else True


def test_another_phase_takes_the_place_of_one_that_n_or_the_end_forbids(model, genome):
    reader = WindowReader(model, genome, 594)
    assert len(reader.read(Change("20", 8999, "A", "C"), 1)) == 1
    assert len(reader.read(Change("20", 8999, "A", "C"), 6, "both")) == 2
    assert len(reader.read(Change("20", 3999, "A", "C"), 6)) == 1
    assert len(reader.read(Change("20", 3995, "A", "C"), 6)) == 5
    assert reader.read(Change("20", 4010, "N", "C"), 6) == []
    assert reader.read(Change("tiny", 1, "C", "A"), 6, "both") == []


@pytest.mark.parametrize("anchor", ["grid", "variant"])
def test_a_strand_is_read_as_the_forward_strand_of_the_reversed_contig(model, genome, tmp_path, anchor):
    from hexamer.genome import Genome

    bases = genome.fetch("20", 0, 9000)
    (tmp_path / "r.fa").write_text(f">20\n{reverse_complement(bases)}\n")
    turned = Genome(tmp_path / "r.fa")
    here, there = WindowReader(model, genome, 594, anchor), WindowReader(model, turned, 594, anchor)
    for start, size, alt in ((2500, 1, "C"), (2500, 0, "ACGTT"), (2500, 7, ""), (30, 2, "G"), (8990, 0, "AC")):
        change = Change("20", start, bases[start : start + size], alt)
        mine = here.read(change, 3, "both")
        others = there.read(change.reverse(9000), 3, "both")
        forward = [(r.ref.tolist(), r.alt.tolist(), r.span) for r in mine if r.name.reverse]
        backward = [(r.ref.tolist(), r.alt.tolist(), r.span) for r in others if not r.name.reverse]
        # Unless the change can move, in which case each strand has its own place for it.
        assert forward == backward or start == 8990
