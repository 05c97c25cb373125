import numpy as np
import pytest

from hexamer.benchmark.targets import as_base_classes, as_targets
from hexamer.errors import InputError


def column(*cells: object) -> np.ndarray:
    array = np.empty((len(cells), 1), dtype=object)
    array[:, 0] = cells
    return array


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("0", "2", " 1 "), [0, 2, 1]),
        ((0, 2, 1), [0, 2, 1]),
        ((0.0, "2.0", np.int64(1)), [0, 2, 1]),
        (("none", "strong", "weak"), [0, 2, 1]),
    ],
)
def test_classes_are_ids_or_names(cells, expected):
    found = as_targets(column(*cells), "classes", ["none", "weak", "strong"], "x")
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


def test_names_win_over_ids():
    np.testing.assert_array_equal(as_targets(column("1", "0"), "classes", ["1", "0"], "x"), [0, 1])


def test_true_is_the_second_of_two_classes():
    np.testing.assert_array_equal(as_targets(column("True", "false", True), "classes", ["no", "yes"], "x"), [1, 0, 1])


@pytest.mark.parametrize("cell", ["3", "-1", "", "nan", None, "weaker", 0.5, "True"])
def test_other_classes_stop_it(cell):
    with pytest.raises(InputError, match=r"x\.csv: 1 label\(s\) are no class .*; 0 \(none\), 1 \(weak\), 2 .* would"):
        as_targets(column("1", cell), "classes", ["none", "weak", "strong"], "x.csv")
    with pytest.raises(InputError, match=r"such as '7'; 0, 1 would work"):
        as_targets(column("7"), "classes", ["0", "1"], "x.csv")


def test_a_row_has_one_class():
    with pytest.raises(InputError, match="x: 2 columns of classes; one would work"):
        as_targets(np.array([["0", "1"]], dtype=object), "classes", ["a", "b"], "x")


def test_labels_come_in_columns_or_lists():
    expected = [[0, 1, 1], [1, 0, np.nan]]
    cells = np.array([["0", "1", True], [1, 0.0, ""]], dtype=object)
    np.testing.assert_array_equal(as_targets(cells, "labels", "abc", "x"), expected)
    for first, second in (("0;1;1", "1, 0, nan"), ("[0 1 1]", "1|0|."), ([0, 1, 1], np.array([1, 0, np.nan]))):
        np.testing.assert_array_equal(as_targets(column(first, second), "labels", "abc", "x"), expected)


def test_values_are_numbers_and_missing_ones_nan():
    found = as_targets(column("1.5", "-2e-3", "NA", None), "values", ["y"], "x")
    np.testing.assert_array_equal(found, [[1.5], [-0.002], [np.nan], [np.nan]])
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("cells", "kind", "names", "message"),
    [
        (column("2"), "labels", "a", r"1 label\(s\) are neither 0 nor 1, such as 2"),
        (column("high"), "values", "a", r"1 target\(s\) are no numbers, such as 'high'"),
        (column("inf"), "values", "a", "are no numbers, such as 'inf'"),
        (column("0;1"), "labels", "abc", r"'0;1' holds 2 target\(s\); 3 would work"),
        (column(1.0), "values", "ab", r"'1.0' holds 1 target\(s\); 2 would work"),
        (np.array([["1", "2"]], dtype=object), "values", "abc", r"2 column\(s\) of targets; 3 would work \(a, b, c\)"),
    ],
)
def test_other_targets_stop_it(cells, kind, names, message):
    with pytest.raises(InputError, match=f"x.csv: .*{message}"):
        as_targets(cells, kind, names, "x.csv")


@pytest.mark.parametrize("kind", ["classes", "labels", "values"])
def test_no_rows_are_no_targets(kind):
    assert len(as_targets(column(), kind, ["a", "b"], "x")) == 0


def test_classes_of_bases_have_a_digit_each():
    found = as_base_classes(column("012", "x0", ""), ["ACG", "TT", ""], "x.tsv")
    assert found.dtype == np.int8
    assert found.tolist() == [[0, 1, 2], [-100, 0, -100], [-100, -100, -100]]
    with pytest.raises(InputError, match=r"x.tsv: row 2 has class 3; 0 to 2 would work"):
        as_base_classes(column("012", "13"), ["ACG", "TT"], "x.tsv", classes=3)
    with pytest.raises(InputError, match="2 columns of bases' classes"):
        as_base_classes(np.array([["0", "1"]], dtype=object), ["A"], "x")
