import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from hexamer.benchmark.neighbours import compare_positions

PLACES = st.lists(st.tuples(st.sampled_from("12"), st.integers(0, 60), st.integers(1, 12)), min_size=1, max_size=8)


def table(places, prefix: str = "") -> pd.DataFrame:
    rows = [(prefix + chrom, start, start + length) for chrom, start, length in places]
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


@given(PLACES, PLACES, st.integers(0, 9))
def test_by_brute_force(train, test, distance):
    found = compare_positions(table(train), table(test, "chr"), distance)
    gaps = [
        min((max(s - (start + length), start - (s + n)) for c, s, n in train if c == chrom), default=None)
        for chrom, start, length in test
    ]
    assert found["rows"] == len(test)
    assert found["overlapping"] == sum(gap is not None and gap < 0 for gap in gaps)
    assert found["nearby"] == sum(gap is not None and gap < max(distance, 0) for gap in gaps)
    assert found["on_chromosomes_in_both"] == sum(gap is not None for gap in gaps)
    assert found["chromosomes_in_both"] == sorted({c for c, _, _ in train} & {c for c, _, _ in test})
    assert found["share_overlapping"] == found["overlapping"] / len(test)


def test_without_coordinates():
    places = table([("1", 5, 5)])
    assert compare_positions(places, places.drop(columns="end"), 1000) is None
    assert compare_positions(places.drop(columns="chrom"), places, 1000) is None


def test_rows_that_lie_nowhere_are_left_out():
    places = pd.DataFrame({"Chr": [1.0, None, 1.0, 1.0], "start": [5, 5, "x", 9], "stop": [9, 9, 9, 9]})
    found = compare_positions(places, table([("chr1", 8, 4)]), 0)
    assert (found["rows"], found["overlapping"]) == (1, 1)
    found = compare_positions(table([("chr1", 8, 4)]), places, 0)
    assert (found["rows"], found["overlapping"]) == (1, 1)
    assert found["chromosomes_in_both"] == ["1"]
