import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.effects.window import WindowReader, centred_window, changed_base, find_reason, substitute_base
from hexamer.genome import Variant


@given(st.integers(6, 5000), st.data(), st.sampled_from([12, 60, 594, 5994]))
def test_the_variant_lies_in_a_whole_token_of_a_window_inside_the_contig(length, data, window):
    base = data.draw(st.integers(0, length - 1))
    start, end = centred_window(base, length, window, 6)
    assert 0 <= start <= base < end <= length
    assert end - start <= window
    assert (base - start) // 6 * 6 + 6 <= end - start, "the 6-mer of the variant is cut"


def test_far_from_the_ends_the_window_is_full_and_the_variant_in_its_middle_at_offset_0():
    start, end = centred_window(4000, 9000, 594, 6)
    assert (end - start, (4000 - start) % 6) == (594, 0)
    assert abs((4000 - start) - (end - 4000)) <= 6


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [("A", "T", (99, "A", "T")), ("CAT", "CGT", (100, "A", "G")), ("ca", "cA", (99, "C", "C"))],
)
def test_changed_base(ref, alt, expected):
    assert changed_base(Variant("20", 100, ref, alt)) == expected


@pytest.mark.parametrize("anchor", ["grid", "variant"])
def test_a_site_is_the_6mer_that_holds_the_base(model, genome, anchor):
    reader = WindowReader(model, genome, 594, anchor)
    for base in (0, 1, 5, 6, 2500, 5050, 8994, 8997, 8999):
        site = reader.find_site("20", base)
        kmer = model.tokenizer.vocabulary[site.ids[site.token]]
        assert len(kmer) == 6
        assert kmer[site.offset] == genome.fetch("20", base, base + 1)
        for alt in "ACGT":
            changed = substitute_base(model, site, kmer[site.offset], alt)
            expected = kmer[: site.offset] + alt + kmer[site.offset + 1 :]
            assert model.tokenizer.vocabulary[changed] == expected


def test_bases_of_a_token_share_a_window_on_the_grid_and_none_otherwise(model, genome):
    for anchor, shared in (("grid", 1), ("variant", 6)):
        reader = WindowReader(model, genome, 594, anchor)
        sites = [reader.find_site("20", base) for base in range(2502, 2508)]
        assert len({site.key for site in sites}) == shared
        assert [site.offset for site in sites] == (list(range(6)) if anchor == "grid" else [0] * 6)


def test_bases_of_a_token_share_a_window_that_n_made_too_long(model, genome):
    reader = WindowReader(model, genome, 594)
    sites = [reader.find_site("20", base) for base in range(4200, 4212)]
    assert {len(site.ids) for site in sites} == {model.config.max_tokens}
    assert [len({site.key for site in part}) for part in (sites[:6], sites[6:], sites)] == [1, 1, 2]
    named = {}
    for base in range(3700, 4400):
        if site := reader.find_site("20", base):
            assert named.setdefault(site.window, site.ids).tolist() == site.ids.tolist(), "windows of one name differ"


def test_n_within_the_6mer_leaves_no_site_but_n_elsewhere_does(model, genome):
    reader = WindowReader(model, genome, 594, "variant")
    assert reader.find_site("20", 3998) is None
    assert reader.find_site("20", 3990) is not None
    for anchor in ("grid", "variant"):
        site = WindowReader(model, genome, 594, anchor).find_site("20", 4200)
        assert len(site.ids) <= model.config.max_tokens
        assert model.tokenizer.vocabulary[site.ids[site.token]][site.offset] == genome.fetch("20", 4200, 4201)


def test_reasons(genome):
    ref = genome.fetch("20", 99, 102)
    other = "C" if ref[0] != "C" else "G"
    cases = {
        (100, ref[0], other): "",
        (100, ref[0].lower(), other.lower()): "",
        (100, other, ref[0]): "ref_mismatch",
        (100, ref[0], ref[0] + "A"): "unsupported",
        (100, ref, ref[0]): "unsupported",
        (100, ref[0], "*"): "star",
        (100, ref[0], "<DEL>"): "symbolic",
        (100, "N", "<DEL>"): "symbolic",
        (100, ref[0], "A[20:5["): "symbolic",
        (100, ref[0], "."): "missing",
        (100, ref[0], "R"): "iupac",
        (9001, "A", "C"): "past_end",
        (0, "A", "C"): "past_end",
    }
    got = {key: find_reason(genome, Variant("chr20", *key)) for key in cases}
    assert got == cases
    assert find_reason(genome, Variant("21", 5, "A", "C")) == "contig_missing"
    assert find_reason(genome, Variant("20", 4010, "A", "C")) == "non_acgt_window"
