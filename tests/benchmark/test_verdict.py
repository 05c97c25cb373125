import copy

import pytest

from hexamer.benchmark.artefacts import Artefact
from hexamer.benchmark.verdict import judge


def facts() -> dict:
    """What `judge` takes, of 1,000 test rows, with nothing wrong."""
    table = {"rows": 1000, "classes": {"0": 500, "1": 500}, "without_bases": 0, "too_short": 0, "replaced_letters": 0.0}
    none = {"test_rows": 0, "of": 1000, "share": 0.0, "same_label": 0, "other_label": 0}
    within = {f"within_{name}": {"rows": 0, "other_label": 0} for name in ("train", "test")}
    kinds = {name: {**none, **copy.deepcopy(within)} for name in ("exact", "reverse_complement")}
    return {
        "tables": {"train": table, "test": copy.deepcopy(table)},
        "duplicates": {**kinds, "near": none},
        "artefacts": [],
        "positions": {"rows": 1000, "overlapping": 0, "nearby": 0, "distance": 1000},
    }


def change(path: str, value) -> dict:
    """The same with one number changed; copies keep their labels unless told otherwise."""
    found = facts()
    *where, last = path.split(".")
    part = found
    for name in where:
        part = part[name]
    part[last] = value
    if last == "test_rows":
        part["same_label"] = value
    return found


def artefact(feature: str, low: float, rows: int = 100) -> dict:
    return {**facts(), "artefacts": [Artefact(feature, "1", low + 0.05, low, low + 0.1, rows)]}


CASES = {
    "nothing": (facts(), []),
    "a copy": (change("duplicates.exact.test_rows", 1), ["WARN exact_duplicates"]),
    "one of a hundred": (change("duplicates.exact.test_rows", 10), ["FAIL exact_duplicates"]),
    "turned": (change("duplicates.reverse_complement.test_rows", 10), ["FAIL reverse_complement_duplicates"]),
    "a near copy": (change("duplicates.near.test_rows", 1), ["WARN near_duplicates"]),
    "one near of twenty": (change("duplicates.near.test_rows", 50), ["FAIL near_duplicates"]),
    "repeats of test": (change("duplicates.exact.within_test.rows", 10), ["WARN exact_duplicates"]),
    "few repeats of test": (change("duplicates.exact.within_test.rows", 9), []),
    "repeats of training": (change("duplicates.exact.within_train.rows", 900), []),
    "labels that differ": (change("duplicates.exact.within_train.other_label", 1), ["WARN exact_duplicates"]),
    "an overlap": (change("positions.overlapping", 9), ["WARN position_leakage"]),
    "overlaps": (change("positions.overlapping", 10), ["FAIL position_leakage"]),
    "neighbours": (change("positions.nearby", 50), ["WARN position_leakage"]),
    "few neighbours": (change("positions.nearby", 49), []),
    "no coordinates": ({**facts(), "positions": None}, []),
    "coordinates of no row": (change("positions.rows", 0), []),
    "length": (artefact("length", 0.6), ["WARN label_artefacts"]),
    "length for sure": (artefact("length", 0.8), ["FAIL label_artefacts"]),
    "length of few": (artefact("length", 0.9, rows=9), []),
    "unknown bases": (artefact("unknown", 0.85), ["FAIL label_artefacts"]),
    "G and C": (artefact("gc", 0.69), []),
    "much G and C": (artefact("gc", 0.95), ["WARN label_artefacts"]),
    "one class": (change("tables.test.classes", {"0": 1000}), ["FAIL test", "WARN test", "WARN test"]),
    "a class that is new": (change("tables.test.classes", {"0": 500, "1": 490, "2": 10}), ["FAIL train"]),
    "a class that lacks": (change("tables.train.classes", {"0": 500, "1": 490, "2": 10}), ["WARN test"]),
    "other shares": (change("tables.test.classes", {"0": 601, "1": 399}), ["WARN test"]),
    "no base": (change("tables.train.without_bases", 1), ["WARN train"]),
    "letters": (change("tables.test.replaced_letters", 0.01), ["WARN test"]),
    "short rows": (change("tables.test.too_short", 50), ["WARN test"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_at_its_bound(case):
    given, wanted = CASES[case]
    found = judge(**given)
    assert [f"{each.level} {each.about}" for each in found] == wanted
    assert all(each.text and "\n" not in each.text for each in found)


def test_near_copies_of_another_label_help_no_memory():
    given = change("duplicates.near.test_rows", 60)
    given["duplicates"]["near"] |= {"same_label": 10, "other_label": 50}
    found = judge(**given)
    assert [each.level for each in found] == ["WARN", "WARN"]
    assert "50 of 60 (83.33 %) near copies have another label" in found[1].text
    given["duplicates"]["exact"] |= {"test_rows": 5, "share": 0.005, "same_label": 5}
    assert [each.level for each in judge(**given)] == ["WARN", "WARN", "WARN"]


def test_the_worst_is_told_first():
    given = change("tables.train.without_bases", 1)
    given["positions"]["overlapping"] = 500
    assert [each.level for each in judge(**given)] == ["FAIL", "WARN"]
