import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import GenomeError, IntervalError, SettingsError
from hexamer.genome import Interval
from hexamer.genome.splits import (
    check_folds,
    hold_out_groups,
    place_region,
    split_by_block,
    split_by_contig,
    split_by_region,
)

PLACES = st.lists(st.tuples(st.sampled_from("123456789X"), st.integers(0, 50_000)), min_size=30, max_size=200)


@given(PLACES, st.integers(2, 5))
def test_no_contig_and_no_block_is_divided_and_no_fold_is_empty(places, folds):
    chroms, starts = zip(*places, strict=True)
    if len(set(chroms)) >= folds:
        found = split_by_contig(chroms, folds)
        assert set(found) == set(range(folds))
        assert len(set(zip(chroms, found.tolist(), strict=True))) == len(set(chroms))
        check_folds(chroms, starts, found)
    blocks = list(zip(chroms, (s // 1000 for s in starts), strict=True))
    if len(set(blocks)) >= folds:
        found = split_by_block(chroms, starts, folds, block=1000)
        assert set(found) == set(range(folds))
        assert len(set(zip(blocks, found.tolist(), strict=True))) == len(set(blocks))
        sizes = np.bincount(found)
        assert sizes.max() - sizes.min() <= max(blocks.count(block) for block in set(blocks))


def test_order_of_the_places_does_not_change_a_contigs_fold():
    chroms = ["2"] * 5 + ["1"] * 5 + ["3"] * 2
    first, second = split_by_contig(chroms, 2), split_by_contig(chroms[::-1], 2)
    assert first.tolist() == second[::-1].tolist()


def test_mistakes():
    with pytest.raises(SettingsError, match=r"5 folds of whole contigs: the variants lie on 2 \(20, X\)"):
        split_by_contig(["20", "X"])
    with pytest.raises(SettingsError, match="there are 1 blocks of 1,000,000"):
        split_by_block(["20"] * 3, [1, 2, 3])
    with pytest.raises(SettingsError, match="20:8 lies in two folds, 0 and 1"):
        check_folds(["20", "X", "20"], [7, 7, 7], [0, 1, 1])


@given(
    st.lists(st.tuples(st.sampled_from("12"), st.integers(0, 40), st.integers(1, 20)), min_size=1),
    st.lists(st.tuples(st.sampled_from("12"), st.integers(0, 40), st.integers(1, 20)), max_size=3),
)
def test_places_outside_inside_and_across_regions(places, regions):
    chroms, starts, lengths = zip(*places, strict=True)
    ends = np.add(starts, lengths)
    known = [Interval(chrom, start, start + length) for chrom, start, length in regions]
    found = split_by_region(chroms, starts, ends, known)
    for chrom, start, end, side in zip(chroms, starts, ends.tolist(), found.tolist(), strict=True):
        bases = set(range(start, end))
        own = [set(range(each.start, each.end)) for each in known if each.chrom == chrom]
        if any(bases <= each for each in own):
            assert side == 1
        else:
            assert side == (-1 if any(bases & each for each in own) else 0)


def test_regions_and_contigs_are_found_in_a_genome(genome):
    assert place_region(genome, "chr20") == Interval("20", 0, 9000)
    assert place_region(genome, "20:8,001-99,999") == Interval("20", 8000, 9000)
    with pytest.raises(GenomeError, match="20 has 9,000 bases only"):
        place_region(genome, "20:9001-9002")
    with pytest.raises(GenomeError, match="7"):
        place_region(genome, "7:1-2")
    with pytest.raises(IntervalError):
        place_region(genome, "20:0-5")


@given(st.lists(st.integers(0, 12), min_size=20, max_size=200), st.floats(0.05, 0.5), st.integers(0, 5))
def test_groups_are_held_out_whole_and_not_far_too_many(groups, share, seed):
    wanted = max(1.0, share * len(groups))
    try:
        held = hold_out_groups(groups, share, seed=seed)
    except SettingsError:
        # Whatever fits is little: the others are too large.
        sizes = np.bincount(groups)
        assert sizes[sizes <= wanted].sum() < 1.5 * wanted
        return
    assert wanted / 2 <= held.sum() <= 2 * wanted
    for group in set(groups):
        assert len(set(held[np.array(groups) == group])) == 1
    np.testing.assert_array_equal(held, hold_out_groups(groups, share, seed=seed))
