"""What is wrong with a benchmark, found before any model is trained on it: copies, artefacts, neighbours, classes.

Sequences are compared as a model reads them: in upper case, and any letter but A, C, G, T as N.
Not here: how copies are found (`copies`), how artefacts are measured (`artefacts`), what is a fault (`verdict`).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.benchmark.artefacts import Artefact, find_artefacts, measure_features
from hexamer.benchmark.copies import KINDS, Copies, Members, find_copies
from hexamer.benchmark.neighbours import compare_positions
from hexamer.benchmark.rows import SEQUENCES, TARGETS, Columns, find_column, read_names, read_rows
from hexamer.benchmark.sequences import Places, Sequences
from hexamer.benchmark.targets import NOTHING
from hexamer.benchmark.verdict import Finding, judge
from hexamer.errors import SequenceError, SettingsError
from hexamer.genome.lines import excerpt
from hexamer.manifest import package_versions
from hexamer.tokens import LetterReport, bases_to_codes, report_letters

LABELS = (*TARGETS, "y")
"""How a column of labels may be called, in any case."""

_DNA = 0.5  # share of letters that are A, C, G, T, N: a quarter in proteins, three in RNA
_CONTAINMENTS = (0.5, 0.7, 0.9)
_SHOWN = 6  # classes and artefacts on the screen


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found in a training table and a test table.

    Attributes
    ----------
    tables : dict
        Of "train" and "test": `rows`; `classes`, the rows of each; `shortest`, `longest`, `gc`; rows `without_bases`,
        and `too_short` for near copies; `replaced_letters`, the share that is read as N without being one.
    duplicates : dict
        Of each kind of copy: `test_rows` that have one in training, a row counting for the first kind that fits; `of`
        how many, and their `share`; those whose copies all have the `same_label`, or some an `other_label`. Of the
        first two kinds also `within_train` and `within_test`: `rows` that repeat another one (of n that are alike,
        n - 1; of two strands, all), and rows with a copy of `other_label`. Of near copies `by_containment`, test rows
        with so much or more.
    artefacts : tuple of Artefact
    positions : dict or None
        Of the test `rows` with coordinates those `overlapping` a training row, or `nearby`: either overlapping or less
        than `distance` away; their shares; `chromosomes_in_both`, and the rows on them. None where a table has no
        coordinates.
    findings : tuple of Finding
        The worst first.
    parameters : dict
    copies : DataFrame
        As `Copies.table`, with both labels: the test rows to remove.
    """

    tables: dict[str, dict[str, Any]]
    duplicates: dict[str, dict[str, Any]]
    artefacts: tuple[Artefact, ...]
    positions: dict[str, Any] | None
    findings: tuple[Finding, ...]
    parameters: dict[str, Any]
    copies: pd.DataFrame

    @property
    def verdict(self) -> str:
        """PASS, WARN or FAIL: the level of the worst finding."""
        return self.findings[0].level if self.findings else "PASS"

    def as_dict(self) -> dict[str, Any]:
        """Give everything but the table of copies as JSON can hold it.

        Returns
        -------
        dict
        """
        return {
            "verdict": self.verdict,
            "reasons": [asdict(finding) for finding in self.findings],
            **self.tables,
            **{f"{kind}_duplicates": facts for kind, facts in self.duplicates.items()},
            "label_artefacts": [asdict(artefact) for artefact in self.artefacts],
            "position_leakage": self.positions,
            "parameters": self.parameters,
            "versions": package_versions(),
        }


def audit(
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    sequence: str = "",
    label: str = "",
    labelled: bool = True,
    k: int = 12,
    threshold: float = 0.4,
    distance: int = 1000,
    advance: Callable[[int], None] | None = None,
) -> Audit:
    """Look for what makes a benchmark easier than it seems.

    Parameters
    ----------
    train, test : DataFrame
        A row for each example, with a column of sequences and one of labels; `chrom`, `start`, `end` (0-based,
        half-open) tell where each lies. Both are taken as they are, nothing is removed.
    sequence, label : str
        Names of the columns; by default found among `sequence`, `seq` and `LABELS`.
    labelled : bool
        False where rows have no label, such as those whose bases have classes: what would be said of labels is not.
    k : int
        Bases of the k-mers by which near copies are found, even, 8 to 62.
    threshold : float
        Containment from which on two sequences are near copies: 0.4 is two fifths of a window, or 93 % identity.
    distance : int
        Bases; test rows that are less than this away from a training row are its neighbours.
    advance : callable, optional
        Told the number of training sequences after each piece.

    Returns
    -------
    Audit

    Raises
    ------
    SettingsError
        If a table is empty or lacks a column, a label is missing, or a value is out of its range.
    SequenceError
        If a table holds no DNA.

    Examples
    --------
    >>> train = pd.DataFrame({"sequence": ["ACGTTGCA" * 5, "CCATTTGA" * 5], "label": ["yes", "no"]})
    >>> test = pd.DataFrame({"sequence": ["acgttgca" * 5, "GATTACAG" * 5], "label": ["yes", "no"]})
    >>> found = audit(train, test)
    >>> found.verdict, found.findings[0].text
    ('FAIL', '1 of 2 (50.00 %) test rows stand in training too')
    """
    if not 8 <= k <= 62 or k % 2:
        raise SettingsError(f"k = {k}; an even number from 8 to 62 would work")
    if not 0 < threshold <= 1 or distance < 0:
        raise SettingsError(f"threshold {threshold}, distance {distance}; above 0 up to 1, and from 0, would work")
    named = {"train": train, "test": test}
    texts = {name: _read_texts(name, table, sequence) for name, table in named.items()}
    if labelled:
        names, labels = _read_labels(named, label)
    else:
        names, labels = ("",), (np.zeros(len(train), np.int64), np.zeros(len(test), np.int64))
    sequences = [Sequences.of([bases_to_codes(text) for text in texts[name]]) for name in named]
    copies = find_copies(sequences[0], sequences[1], labels, k=k, threshold=threshold, advance=advance)
    tables = {
        name: {
            **_describe(texts[name], sequences[i], copies.groups[i], labels[i], names),
            "too_short": copies.too_short[i],
        }
        for i, name in enumerate(named)
    }
    duplicates = _count_copies(copies, labels)
    artefacts = find_artefacts(sequences[0], sequences[1], labels, names) if labelled else ()
    positions = compare_positions(train, test, distance)
    shown = [np.array(names, dtype=object)[labels[i][copies.table[f"{name}_row"]]] for i, name in enumerate(named)]
    return Audit(
        tables,
        duplicates,
        artefacts,
        positions,
        judge(tables, duplicates, artefacts, positions, labelled=labelled),
        {"k": k, "threshold": threshold, "distance": distance},
        copies.table.assign(train_label=shown[0], test_label=shown[1]),
    )


def read_sequences(path: str | Path, *, sequence: str = "", label: str = "") -> pd.DataFrame:
    """Read labelled sequences for an audit.

    Parameters
    ----------
    path : str or Path
        CSV, TSV, Parquet, or FASTA with the label behind the last bar of each header; text may be compressed.
    sequence, label : str
        Names of the columns, if they are not to be found.

    Returns
    -------
    DataFrame
        `sequence`, `label`, and where it is known `chrom`, `start`, `end`; `attrs["note"]` says what is odd about it.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = Path(path)
    target = label or find_column(read_names(path), LABELS)
    rows = read_rows(path, Columns(sequence=sequence, target=(target,) if target else ()))
    table = pd.DataFrame({"sequence": rows.sequences, "label": rows.cells[:, 0]})
    table = table if rows.regions is None else table.join(rows.regions.reset_index(drop=True))
    table.attrs["note"] = rows.note
    return table


def show_audit(found: Audit) -> str:
    """Lay out an audit for a screen.

    Parameters
    ----------
    found : Audit

    Returns
    -------
    str
        Lines of text.
    """
    tables = list(found.tables.values())
    lines = [_row("", *found.tables), _row("sequences", *(f"{table['rows']:,}" for table in tables))]
    lines.append(_row("bases each", *(_span(table["shortest"], table["longest"]) for table in tables)))
    lines.append(_row("G and C", *(f"{100 * table['gc']:.1f} %" for table in tables)))
    classes = list({**tables[0]["classes"], **tables[1]["classes"]})
    for name in classes[:_SHOWN]:
        lines.append(_row(f"class {name[:24]}", *(f"{table['classes'].get(name, 0):,}" for table in tables)))
    if len(classes) > _SHOWN:
        lines.append(f"{len(classes) - _SHOWN:,} more classes")
    lines += ["", _row("test rows found in training", "rows", "share", "other label")]
    words = ("as they are", "on the other strand", f"nearly: {100 * found.parameters['threshold']:.0f} % of k-mers")
    for name, facts in zip(words, found.duplicates.values(), strict=True):
        cells = f"{facts['test_rows']:,}", f"{100 * facts['share']:.2f} %", f"{facts['other_label']:,}"
        lines.append(_row(name, *cells))
    if found.positions is not None:
        rows = found.positions["rows"]
        lines += ["", _row("test rows in the genome", "rows", "share")]
        for name in ("overlapping", "nearby", "on_chromosomes_in_both"):
            share = f"{100 * found.positions[name] / max(rows, 1):.2f} %"
            lines.append(_row(name.replace("_", " "), f"{found.positions[name]:,}", share))
    if found.artefacts:
        lines += ["", _row("class told by", "AUROC", "95 %")]
    for each in sorted(found.artefacts, key=lambda each: -each.auroc)[:_SHOWN]:
        lines.append(_row(f"{each.feature}: {each.label[:24]}", f"{each.auroc:.3f}", f"{each.low:.2f}-{each.high:.2f}"))
    return "\n".join([*lines, "", found.verdict, *(f"  {each.level}  {each.text}" for each in found.findings)])


def _row(name: str, *cells: str) -> str:
    return f"{name:<32}" + "".join(f"{cell:>14}" for cell in cells)


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def _column(name: str, table: pd.DataFrame, wanted: str, known: tuple[str, ...]) -> str:
    """Find a column; SettingsError if it is not there, or the table is empty."""
    if table.empty:
        raise SettingsError(f"{name}: the table has no row; one example at least would work")
    columns = [str(column) for column in table.columns]
    found = find_column(columns, [wanted] if wanted else known)
    if not found:
        raise SettingsError(
            f"{name}: no column {wanted or ' or '.join(known)} among {excerpt(', '.join(columns), 80)}; "
            "the name of one of them would work"
        )
    return found


def _read_texts(name: str, table: pd.DataFrame, column: str) -> list[str]:
    """Sequences of a table; missing ones are empty. SequenceError if they are not DNA."""
    cells = table[_column(name, table, column, SEQUENCES)]
    texts = ["" if missing else cell for cell, missing in zip(cells, cells.isna(), strict=True)]
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise SequenceError(f"{name}: row {row + 1:,} has {excerpt(str(text))} for a sequence; letters would work")
    letters = report_letters("".join(texts))
    if letters.bases == letters.read_as_n:
        raise SequenceError(f"{name}: no sequence has a base; letters A, C, G, T would work")
    if letters.replaced > (1 - _DNA) * letters.bases:
        raise SequenceError(
            f"{name}: {letters.replaced:,} of {letters.bases:,} letters are not A, C, G, T or N; DNA would work"
        )
    return texts


def _read_labels(tables: dict[str, pd.DataFrame], column: str) -> tuple[tuple[str, ...], tuple[Places, Places]]:
    """Names of all classes, sorted, and the number of each row's: of `1`, `1.0` and `"1"` the same."""
    texts = {}
    for name, table in tables.items():
        cells = table[_column(name, table, column, LABELS)]
        missing = (cells.isna() | cells.astype(str).str.strip().str.lower().isin(NOTHING)).to_numpy()
        if missing.any():
            row = int(missing.argmax()) + 1
            raise SettingsError(
                f"{name}: {missing.sum():,} row(s) have no label, the first is row {row:,}; remove them"
            )
        texts[name] = cells.astype(str).str.strip().str.replace(r"^(-?[0-9]+)\.0+$", r"\1", regex=True)
    names, numbers = np.unique(pd.concat(texts.values()).to_numpy(dtype=object), return_inverse=True)
    numbers = numbers.astype(np.int64)
    return tuple(names.tolist()), (numbers[: len(tables["train"])], numbers[len(tables["train"]) :])


def _describe(
    texts: list[str], sequences: Sequences, groups: Places, labels: Places, names: tuple[str, ...]
) -> dict[str, Any]:
    features = measure_features(sequences)
    letters: LetterReport = report_letters("".join(texts))
    known = sequences.count(0, 1, 2, 3)
    counts = np.bincount(labels, minlength=len(names)).tolist()
    return {
        "rows": len(sequences),
        "classes": {name: count for name, count in zip(names, counts, strict=True) if count},
        "shortest": int(features["length"].min()),
        "longest": int(features["length"].max()),
        "gc": float(sequences.count(2, 3).sum() / known.sum()),
        "without_bases": int((groups < 0).sum()),
        "replaced_letters": letters.replaced / letters.bases,
    }


def _count_copies(copies: Copies, labels: tuple[Places, Places]) -> dict[str, dict[str, Any]]:
    """`Audit.duplicates`."""
    rows = len(labels[1])
    found: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        own = copies.table[copies.table["kind"] == kind]
        other = int(own["conflict"].sum())
        found[kind] = {"test_rows": len(own), "of": rows, "share": len(own) / rows}
        found[kind] |= {"same_label": len(own) - other, "other_label": other}
    for name, groups, numbers in zip(("train", "test"), copies.groups, labels, strict=True):
        known = groups >= 0
        members = Members.of(groups, numbers, int(max(groups.max(), 0)) + 2)
        repeats = int(known.sum() - len(np.unique(groups[known])))
        other = int((members.differ(groups, numbers) & known).sum())
        found["exact"][f"within_{name}"] = {"rows": repeats, "other_label": other}
        turned = members.first[groups ^ 1] >= 0
        other = int((members.differ(groups ^ 1, numbers) & turned).sum())
        found["reverse_complement"][f"within_{name}"] = {"rows": int(turned.sum()), "other_label": other}
    share = copies.table.loc[copies.table["kind"] == "near", "containment"]
    found["near"]["by_containment"] = {str(least): int((share >= least).sum()) for least in _CONTAINMENTS}
    return found
