import numpy as np
import pandas as pd
import pytest

from hexamer.errors import SettingsError
from hexamer.interpretation.scores import ScoredStretch
from hexamer.interpretation.seqlets import describe_seqlets, find_seqlets, weigh_bases
from hexamer.interpretation.stretches import Stretch


def noise(seed, size=300):
    return np.random.default_rng(seed).laplace(size=size)


def test_planted_windows_are_found_high_and_low():
    values = noise(0)
    values[40:52] += 3
    values[200:209] -= 4
    values[120] = np.nan
    found = find_seqlets(values)
    assert len(found) == 2
    low, high = found.sort_values("score").itertuples(index=False)
    assert abs(high.start - 40) <= 2
    assert abs(high.end - 52) <= 2
    assert abs(low.start - 200) <= 2
    assert abs(low.end - 209) <= 2
    assert high.score == pytest.approx(values[high.start : high.end].sum())
    assert (found["p"] <= 0.05).all()


def test_noise_has_one_about_as_often_as_the_level_says():
    found = find_seqlets([noise(seed) for seed in range(100)], level=0.1, shuffles=200)
    assert 2 <= found["sequence"].nunique() <= 20  # expected: 10, of 100
    alone = find_seqlets([noise(seed) for seed in range(100)], level=0.1, shuffles=200)
    assert found.equals(alone)


def test_flanks_widen_without_changing_what_is_found():
    values = noise(3, 60)
    values[1:9] += 6
    plain, wide = find_seqlets(values), find_seqlets(values, flank=4)
    assert len(plain) == 1
    assert wide[["score", "p"]].equals(plain[["score", "p"]])
    assert wide["start"].tolist() == [0]
    assert wide["end"].tolist() == (plain["end"] + 4).tolist()


@pytest.mark.parametrize("values", [np.zeros(50), np.full(50, np.nan), np.ones(3), np.zeros(0)])
def test_nothing_in_what_says_nothing(values):
    assert find_seqlets(values).empty


def test_settings_that_cannot_be():
    for options in ({"level": 0}, {"shuffles": 0}, {"flank": -1}, {"widths": ()}, {"widths": (0,)}):
        with pytest.raises(SettingsError, match="would work"):
            find_seqlets(np.zeros(50), **options)


def test_seqlets_have_places_and_letters():
    values = noise(5, 60)
    values[20:30] += 6
    letters = "ACGTTGCATG" * 6
    places = np.arange(100, 160)[::-1].copy()
    places[[22, 23]] = -1
    scored = [ScoredStretch(Stretch("mine", "20", "-", letters, places), values)]
    found = find_seqlets(scored[0].scores)
    (row,) = describe_seqlets(scored, found).itertuples(index=False)
    start, end = found.loc[0, "start"], found.loc[0, "end"]
    assert (row.name, row.chrom, row.strand, row.sequence) == ("mine", "20", "-", letters[start:end])
    assert (row.start, row.end) == (160 - end, 160 - start)
    scored = [ScoredStretch(Stretch("mine", "20", "+", letters, np.full(60, -1)), values)]
    assert describe_seqlets(scored, found)["start"].isna().all()
    assert describe_seqlets(scored, found[:0]).empty


def test_bases_weigh_as_much_as_they_matter():
    stretch = Stretch("mine", "20", "+", "ACGTACGT", np.arange(8))
    scored = [ScoredStretch(stretch, np.array([0, -1, 4, 4, 4, 8, np.nan, 0]))]
    seqlets = pd.DataFrame({"sequence": [0, 0], "start": [1, 6], "end": [7, 8]})
    first, flat = weigh_bases(scored, seqlets)
    np.testing.assert_allclose(first, [0.25, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(flat, [0, 0])
