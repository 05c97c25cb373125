"""From what share on something is a fault of a benchmark: the rules, and the words.

A verdict is the level of the worst finding; what no rule is about is only told.

FAIL  1 % of the test rows have a copy in training, on either strand; or 5 % have one, or a near one of the same label
      1 % of the test rows overlap a training row in the genome
      length, or the share of unknown bases, alone tells a class with AUROC 0.8
      one of the tables has a single class, or training lacks a class of test
WARN  any copy, near copy or overlap; 5 % of the test rows overlap or are next to a training row
      1 % of the test rows with near copies of another label; 1 % of the test rows repeat others
      rows with the same bases and different labels
      length, or unknown bases, alone tells a class with AUROC 0.6, or the share of G and C with 0.7
      test lacks a class of training, or a class has a share that differs by 0.1
      rows without a base; 1 % of the letters are not A, C, G, T, N; 5 % of the test rows are too short for near copies

Not here: the numbers (`audit`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hexamer.benchmark.artefacts import Artefact

COPIES_FAIL = 0.01
"""Test rows with a copy: each can give a model its own row at most, and leaderboards part models by a point of
accuracy. Below this their order is not made by memory alone."""
NEAR_FAIL = 0.05
"""Test rows with a copy, or a near one of the same label: half a window says less than a whole one, so that more are
needed. A near copy of another label is no help to a memory."""
OVERLAP_FAIL = 0.01
"""Test rows that overlap a training row: as `COPIES_FAIL`."""
NEARBY_WARN = 0.05
"""Test rows that overlap a training row or are next to one: neighbours share domains and repeats, but not bases."""
OTHER_LABEL_WARN = 0.01
"""Test rows whose near copy has another label: negatives are then made of positives, and how is what a model learns; or
windows that overlap are labelled by where they are cut."""
REPEATS_WARN = 0.01
"""Test rows that stand in test before: they count twice, and intervals become too narrow."""
ARTEFACT_FAIL = {"length": 0.8, "unknown": 0.8}
"""AUROC of a feature alone, lower end of its interval. How a sequence was cut is no property of what it does: with this
a model need not read it."""
ARTEFACT_WARN = {"length": 0.6, "unknown": 0.6, "gc": 0.7}
"""As `ARTEFACT_FAIL`. Promoters and exons are rich in G and C, so that this may be an honest part of the signal, and
never fails; but a model has to be compared with it."""
ARTEFACT_ROWS = 10
"""Test rows that each side of such an AUROC needs: of fewer its interval means little."""
CLASSES_WARN = 0.1
"""Difference of a class's shares: a model learns how frequent classes are, and is asked at other frequencies."""
REPLACED_WARN = 0.01
"""Letters outside A, C, G, T, N, which models read as N."""
SHORT_WARN = 0.05
"""Test rows with too few k-mers to find near copies of them."""

_NAMES = {"length": "the length", "unknown": "the share of unknown bases", "gc": "the share of G and C"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    level : str
        "FAIL" or "WARN".
    about : str
        Where its numbers are: a key of `Audit.as_dict`.
    text : str
        What was found.
    """

    level: str
    about: str
    text: str


def judge(
    tables: Mapping[str, Mapping[str, Any]],
    duplicates: Mapping[str, Mapping[str, Any]],
    artefacts: Sequence[Artefact],
    positions: Mapping[str, Any] | None,
    *,
    labelled: bool = True,
) -> tuple[Finding, ...]:
    """Apply the rules.

    Parameters
    ----------
    tables, duplicates, artefacts, positions
        As in `Audit`.
    labelled : bool
        Whether rows have labels to judge.

    Returns
    -------
    tuple of Finding
        The worst first.
    """
    found = [
        *_judge_copies(duplicates),
        *_judge_repeats(duplicates, tables),
        *_judge_positions(positions),
        *_judge_artefacts(artefacts),
        *(_judge_classes(tables) if labelled else ()),
        *_judge_letters(tables),
    ]
    return tuple(sorted(found, key=lambda finding: finding.level))  # FAIL sorts before WARN, and the sort is stable


def share_text(rows: int, of: int) -> str:
    """Write a count with its share.

    Examples
    --------
    >>> share_text(43, 5920)
    '43 of 5,920 (0.73 %)'
    """
    return f"{rows:,} of {of:,} ({100 * rows / max(of, 1):.2f} %)"


def _judge_copies(duplicates: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    exact, turned, near = (duplicates[kind] for kind in ("exact", "reverse_complement", "near"))
    rows, sure = exact["of"], exact["test_rows"] + turned["test_rows"]
    level = "FAIL" if sure >= COPIES_FAIL * rows else "WARN"
    if exact["test_rows"]:
        yield Finding(level, "exact_duplicates", f"{_with_labels(exact)} stand in training too")
    if turned["test_rows"]:
        text = f"{_with_labels(turned)} stand in training on the other strand"
        yield Finding(level, "reverse_complement_duplicates", text)
    if near["test_rows"]:
        level = "FAIL" if sure + near["same_label"] >= NEAR_FAIL * rows else "WARN"
        yield Finding(level, "near_duplicates", f"{_with_labels(near)} have a near copy in training")
    if near["other_label"] >= max(1, OTHER_LABEL_WARN * rows):
        said = share_text(near["other_label"], near["test_rows"])
        text = f"{said} near copies have another label: are negatives made of positives, or windows cut twice?"
        yield Finding("WARN", "near_duplicates", text)


def _with_labels(facts: Mapping[str, Any]) -> str:
    other = f", {facts['other_label']:,} of them with another label," if facts["other_label"] else ""
    return f"{share_text(facts['test_rows'], facts['of'])} test rows{other}"


def _judge_repeats(
    duplicates: Mapping[str, Mapping[str, Any]], tables: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    exact, rows = duplicates["exact"], tables["test"]["rows"]
    if exact["within_test"]["rows"] >= max(1, REPEATS_WARN * rows):
        said = share_text(exact["within_test"]["rows"], rows)
        yield Finding("WARN", "exact_duplicates", f"{said} test rows repeat another test row")
    for table in ("train", "test"):
        if other := exact[f"within_{table}"]["other_label"]:
            said = share_text(other, tables[table]["rows"])
            text = f"{said} rows of {table} have the bases of another row there, but not its label"
            yield Finding("WARN", "exact_duplicates", text)


def _judge_positions(positions: Mapping[str, Any] | None) -> Iterator[Finding]:
    if positions is None or not positions["rows"]:
        return
    rows = positions["rows"]
    if positions["overlapping"]:
        level = "FAIL" if positions["overlapping"] >= OVERLAP_FAIL * rows else "WARN"
        said = share_text(positions["overlapping"], rows)
        yield Finding(level, "position_leakage", f"{said} test rows overlap a training row in the genome")
    if positions["nearby"] >= max(1, NEARBY_WARN * rows):
        said = share_text(positions["nearby"], rows)
        text = f"{said} test rows overlap a training row or are less than {positions['distance']:,} bases away"
        yield Finding("WARN", "position_leakage", text)


def _judge_artefacts(artefacts: Sequence[Artefact]) -> Iterator[Finding]:
    for feature, name in _NAMES.items():
        own = [each for each in artefacts if each.feature == feature and each.rows >= ARTEFACT_ROWS]
        worst = max(own, key=lambda each: each.low, default=None)
        if worst is None or worst.low < ARTEFACT_WARN[feature]:
            continue
        level = "FAIL" if worst.low >= ARTEFACT_FAIL.get(feature, 2) else "WARN"
        reach = f"AUROC {worst.auroc:.2f} ({worst.low:.2f}-{worst.high:.2f})"
        yield Finding(level, "label_artefacts", f"{name} alone tells class {worst.label} in test with {reach}")


def _judge_classes(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, table in tables.items():
        if len(table["classes"]) == 1:
            only = next(iter(table["classes"]))
            yield Finding("FAIL", name, f"all rows of {name} are of one class, {only}: nothing can be told apart")
    train, test = (tables[name]["classes"] for name in ("train", "test"))
    if unseen := [label for label in test if label not in train]:
        yield Finding("FAIL", "train", f"training has no row of {_some(unseen)}, which test has")
    if untested := [label for label in train if label not in test]:
        yield Finding("WARN", "test", f"test has no row of {_some(untested)}, which training has")
    shares = [{label: n / tables[name]["rows"] for label, n in tables[name]["classes"].items()} for name in tables]
    moved = {label: abs(shares[0].get(label, 0) - shares[1].get(label, 0)) for label in {**train, **test}}
    label = max(moved, key=lambda name: moved[name])
    if moved[label] >= CLASSES_WARN:
        said = " and ".join(f"{100 * part.get(label, 0):.0f} %" for part in shares)
        yield Finding("WARN", "test", f"class {label} is {said} of training and test")


def _some(labels: Sequence[str]) -> str:
    return f"{len(labels)} class(es), such as {labels[0]},"


def _judge_letters(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, table in tables.items():
        if table["without_bases"]:
            said = share_text(table["without_bases"], table["rows"])
            yield Finding("WARN", name, f"{said} rows of {name} have no base A, C, G or T")
        if table["replaced_letters"] >= REPLACED_WARN:
            said = f"{100 * table['replaced_letters']:.1f} % of the letters of {name}"
            yield Finding("WARN", name, f"{said} are not A, C, G, T or N, and read as N")
    test = tables["test"]
    if test["too_short"] >= max(1, SHORT_WARN * test["rows"]):
        said = share_text(test["too_short"], test["rows"])
        yield Finding("WARN", "test", f"{said} test rows are too short to look for near copies; a lower k would help")
