import numpy as np
import pytest
from tests.conftest import write_people

from hexamer.embeddings import embed
from hexamer.errors import GenomeError, SettingsError
from hexamer.expression.features import FeatureReader, FeatureSettings
from hexamer.genome import Cohort, reverse_complement

PEOPLE = [f"p{i}" for i in range(6)]
QUIET = {"unphased": 0, "missing_call": 0, "haploid": 0}
REFERENCE = "".join(np.random.default_rng(3).choice(list("ACGT"), 2000))


def record(pos, alt, calls):
    ref = REFERENCE[pos - 1]
    return f"20\t{pos}\t.\t{ref}\t{ref + alt if len(alt) > 1 else alt}\t.\t.\t.\tGT\t" + "\t".join(calls)


def other(pos):
    return "T" if REFERENCE[pos - 1] != "T" else "A"


@pytest.fixture
def cohort(tmp_path):
    """An SNV that two have, an insertion of seven bases that one has, one that nobody has, and one far away."""
    records = [
        record(901, other(901), ["0|1", "1|1", "0|0", "0|0", "0|0", "0|0"]),
        record(1001, "GATTACA", ["0|0", "0|0", "1|0", "0|0", "0|0", "0|0"]),
        record(1101, other(1101), ["0|0"] * 6),
        record(1901, other(1901), ["1|1"] * 6),
    ]
    path, genome = write_people(tmp_path, records, PEOPLE, REFERENCE)
    with Cohort(path, genome, cache=tmp_path) as cohort:
        yield cohort


def reader(model, cohort, cache=False, **settings):
    return FeatureReader(model, cohort, FeatureSettings(window=600, **settings), cache=cache)


def test_most_people_share_their_haplotypes(model, cohort):
    found = reader(model, cohort, pool="mean").read("chr20", 1000, "+")
    assert found.counts == {"haplotypes": 24, "distinct": 4, "recalled": 0, "embedded": 4} | QUIET
    assert [rows.shape for rows in found.rows] == [(6, 2), (6, 2)]
    assert found.rows[0].tolist() == [[0, 1], [1, 1], [0, 0], [0, 0], [0, 0], [0, 0]]
    assert found.rows[1].tolist() == [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 0]]
    vectors, rows = found.relative(0)
    assert vectors.shape == (3, 2, 16)
    assert not vectors[rows[3]].any()
    assert rows[0, 1] == rows[1, 0] != rows[0, 0]


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("layer", [0, -1])
def test_means_are_those_of_embed(model, cohort, strand, layer):
    found = reader(model, cohort, pool="mean", layers=(layer,)).read("20", 1000, strand)
    for piece, (start, end) in enumerate(((700, 1000), (1000, 1300))):
        for person, number in ((0, 1), (0, 2), (1, 1), (2, 1), (2, 2)):
            letters = cohort.haplotype(PEOPLE[person], number).fetch("20", start, end)
            letters = reverse_complement(letters) if strand == "-" else letters
            told = embed(model, [letters], layer=layer).X[0]
            mine = found.vectors[piece][found.rows[piece][person, number - 1], 0, 0]
            np.testing.assert_allclose(mine, told, atol=2e-6)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_rows_are_the_tokens_that_cover_their_part(model, cohort, strand):
    """The slow way: for each token the places on the reference of its bases, and all rows that have one of them."""
    for pool in ("variants", "bins", "tokens"):
        found = reader(model, cohort, pool=pool, bin=4, layers=(0,)).read("20", 1000, strand)
        sites = iter(found.sites.tolist())
        for piece, (start, end) in enumerate(((700, 1000), (1000, 1300))):
            parts = [next(sites) for _ in range(found.vectors[piece].shape[2])]
            for person, number in ((1, 1), (2, 1), (3, 1)):
                read = cohort.haplotype(PEOPLE[person], number).read("20", start, end)
                places, last = [], start
                for base in range(len(read.sequence)):
                    (at,) = read.blocks.to_reference([base]).tolist()
                    last = last if at < 0 else at
                    places.append(last)
                letters = reverse_complement(read.sequence) if strand == "-" else read.sequence
                places = places[::-1] if strand == "-" else places
                tokens = embed(model, [letters], layer=0, pool="none")
                spans = tokens.obs[["start", "end"]].to_numpy()
                for row, (first, stop) in enumerate(parts):
                    mine = [i for i, (a, b) in enumerate(spans) if any(first <= p < stop for p in places[a:b])]
                    told = found.vectors[piece][found.rows[piece][person, number - 1], 0, row]
                    np.testing.assert_allclose(told, tokens.X[mine].mean(axis=0), atol=2e-6)


def test_sites_are_those_at_which_somebody_varies(model, cohort):
    found = reader(model, cohort, pool="variants").read("20", 1000, "-")
    assert found.sites.tolist() == [[900, 901], [1000, 1001]]
    vectors, rows = found.relative(0)
    assert np.abs(vectors[rows].mean(axis=1)).max(axis=2).astype(bool).tolist()[:4] == [
        [True, False],
        [True, False],
        [False, True],
        [False, False],
    ]
    given = np.array([[899, 902], [1100, 1101]])
    again = reader(model, cohort, pool="variants").read("20", 1000, "-", sites=given)
    np.testing.assert_array_equal(again.sites, given)


def test_an_snv_changes_one_token_and_an_insertion_those_behind_it(model, cohort):
    found = reader(model, cohort, pool="tokens", layers=(0,)).read("20", 1000, "+")
    vectors, rows = found.relative(0)
    changed = np.abs(vectors).max(axis=2) > 0
    assert np.flatnonzero(changed[rows[0, 1]]).tolist() == [(900 - 700) // 6]
    assert changed[rows[2, 0], 51:].mean() > 0.9
    assert not changed[rows[2, 0], :50].any()


def test_what_was_embedded_once_is_recalled(model, cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "kept"))
    with reader(model, cohort, cache=True) as first:
        one = first.read("20", 1000, "+")
    with reader(model, cohort, cache=True) as second:
        two = second.read("20", 1000, "+")
        moved = second.read("20", 1006, "+")
    assert (one.counts["embedded"], two.counts["embedded"], two.counts["recalled"]) == (4, 0, 4)
    assert moved.counts["embedded"] > 0
    for a, b in zip(one.vectors, two.vectors, strict=True):
        np.testing.assert_array_equal(a, b)
    with reader(model, cohort, cache=True, layers=(1,)) as third:
        assert third.read("20", 1000, "+").counts["recalled"] == 0


def test_regions_at_the_ends_of_a_contig_and_without_variants(model, cohort):
    found = reader(model, cohort).read("20", 3, "+")
    assert found.sites.shape == (0, 2)
    vectors, rows = found.relative(0)
    assert vectors.shape == (1, 0, 16)
    assert not rows.any()
    assert reader(model, cohort, pool="bins", bin=10).read("20", 1999, "-").sites[-1].tolist() == [1940, 2000]
    with pytest.raises(GenomeError, match="7"):
        reader(model, cohort).read("7", 3, "+")


def test_settings_that_cannot_be(model, cohort):
    with pytest.raises(SettingsError, match="layer 9"):
        reader(model, cohort, layers=(9,))
    with pytest.raises(SettingsError, match="mean, bins, tokens, variants"):
        FeatureSettings(pool="max")
    with pytest.raises(SettingsError, match="bin 0, layers -1: from 12 bases, from 1 token"):
        FeatureSettings(bin=0)


def test_a_man_s_only_haplotype_is_both_of_his(model, tmp_path):
    calls = ["0", "1", "0|1", "1|1", ".", "0|."]
    records = [record(901, other(901), calls), record(1001, other(1001), ["1", "0", "0|0", "0|0", ".", "0|1"])]
    path, genome = write_people(tmp_path, records, PEOPLE, REFERENCE)
    with Cohort(path, genome, cache=tmp_path) as cohort:
        found = reader(model, cohort, pool="mean").read("20", 1000, "+")
    rows = found.rows[0]
    assert rows[1].tolist() == rows[3].tolist() == [rows[2, 1]] * 2
    assert rows[0].tolist() == rows[4].tolist() == [rows[2, 0]] * 2
    assert found.counts["haploid"] == 6
    assert found.counts["missing_call"] == 3
