import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import SequenceError, SettingsError
from hexamer.interpretation.separation import (
    choose_column,
    measure_separation,
    neighbour_purity,
    order_classes,
    silhouette,
    standardise,
)

RNG = np.random.default_rng(1)
POINTS = RNG.normal(size=(30, 4)).astype(np.float32)
CODES = RNG.integers(0, 3, 30)


def distances(points):
    return np.sqrt(((points[:, None].astype(float) - points[None]) ** 2).sum(-1))


def test_silhouette_is_its_definition():
    far = distances(POINTS)
    slow = []
    for i in range(30):
        others = np.arange(30) != i
        means = [far[i][(code == CODES) & others].mean() for code in range(3)]
        own = means.pop(CODES[i])
        slow.append((min(means) - own) / max(own, min(means)))
    np.testing.assert_allclose(silhouette(POINTS, CODES), slow, atol=1e-5)


def test_purity_is_its_definition_and_a_row_is_no_neighbour_of_itself():
    far = distances(POINTS) + np.diag(np.full(30, np.inf))
    slow = [(CODES[np.argsort(row)[:4]] == CODES[i]).mean() for i, row in enumerate(far)]
    np.testing.assert_allclose(neighbour_purity(POINTS, CODES, neighbours=4), slow)
    twins = np.repeat(POINTS[:2], 2, axis=0)
    assert neighbour_purity(twins, np.arange(4), neighbours=1).tolist() == [0, 0, 0, 0]
    assert len(neighbour_purity(POINTS, CODES, neighbours=99)) == 30


def test_classes_that_mean_nothing_have_the_purity_of_chance():
    vectors = RNG.normal(size=(900, 5))
    labels = np.repeat(["a", "b", "c"], [600, 200, 100])
    table = measure_separation(vectors, labels).set_index("class")
    assert list(table.index) == ["all", "a", "b", "c"]
    np.testing.assert_allclose(table["purity"], table["chance"], atol=0.05)
    assert table.loc["b", "chance"] == pytest.approx(199 / 899)
    assert table.loc["all", "chance"] == pytest.approx((600 * 599 + 200 * 199 + 100 * 99) / (900 * 899))
    assert abs(table.loc["all", "silhouette"]) < 0.05


def test_scales_of_components_do_not_matter():
    scaled = POINTS * np.array([1, 1000, 0.01, 5], dtype=np.float32) + 7
    pd.testing.assert_frame_equal(
        measure_separation(POINTS, CODES), measure_separation(scaled, CODES), check_exact=False, atol=1e-4
    )


def test_rows_without_a_vector_or_class_are_left_out():
    vectors = np.vstack([POINTS, np.full((1, 4), np.nan), POINTS[:1] + 50])
    table = measure_separation(vectors, [*CODES.astype(str), "0", None])
    pd.testing.assert_frame_equal(table, measure_separation(POINTS, CODES.astype(str)))


def test_many_rows_are_sampled_with_a_seed():
    one, again, other = (measure_separation(POINTS, CODES, most=20, seed=seed) for seed in (0, 0, 3))
    pd.testing.assert_frame_equal(one, again)
    assert one["rows"].iloc[0] == one["rows"].iloc[1:].sum() == 20
    assert not one.equals(other)


def test_one_class_or_one_each_cannot_be_told_apart():
    table = measure_separation(POINTS, ["a"] * 30)
    assert table[["silhouette", "purity", "chance"]].isna().all(axis=None)
    each = measure_separation(POINTS, range(30)).iloc[0]
    assert np.isnan(each["silhouette"])
    assert np.isnan(each[["purity", "chance"]].to_numpy(float)).all()  # nobody has a neighbour to find


def test_a_component_that_varies_by_rounding_alone_counts_for_nothing():
    wide = np.column_stack([np.arange(6), np.full(6, 1000)]).astype(np.float32)
    wide[2, 1] = np.nextafter(np.float32(1000), np.float32(2000))
    assert (standardise(wide)[:, 1] == 0).all()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_classes_are_ordered_by_size(labels):
    names = order_classes(pd.Series(labels))
    counts = [labels.count(name) for name in names]
    assert counts == sorted(counts, reverse=True)
    assert set(names) == set(labels)


def test_a_categorical_keeps_its_order_and_loses_empty_classes():
    column = pd.Series(pd.Categorical(["b", "c", "c"], categories=["a", "b", "c"]))
    assert order_classes(column) == ["b", "c"]
    blank = pd.DataFrame({"c": pd.Categorical(["", "b", None])})
    assert choose_column(blank, "c").isna().tolist() == [True, False, True]
    numbers = pd.DataFrame({"n": pd.Categorical([2, 1])})
    assert order_classes(choose_column(numbers, "n")) == ["1", "2"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 0, 1], ["1", "0", "1"]),
        ([1.0, np.nan, 0.0], ["1", None, "0"]),
        ([True, False, True], ["True", "False", "True"]),
        (["a", None, " "], ["a", None, None]),
        ([0.5, 1.0, 2.0], [0.5, 1.0, 2.0]),
        (range(11), [float(i) for i in range(11)]),
    ],
)
def test_columns_of_classes_and_of_numbers(values, expected):
    assert choose_column(pd.DataFrame({"c": values}), "c").tolist() == expected


def test_mistakes():
    with pytest.raises(SettingsError, match="no column 'kimd'; the nearest are kind"):
        choose_column(pd.DataFrame({"kind": [1], "n": [2]}), "kimd")
    with pytest.raises(SequenceError, match="29 classes of 30 vectors"):
        measure_separation(POINTS, CODES[:-1])
    with pytest.raises(SequenceError, match="4 rows have a vector and a class"):
        measure_separation(POINTS, ["a"] * 4 + [None] * 26)
    with pytest.raises(SettingsError, match="neighbours 0"):
        neighbour_purity(POINTS, CODES, neighbours=0)
