"""What a task asks about each sequence, as numbers: a class, labels that are true or not, values, classes of bases.

Not here: from which column they come (`layouts`).
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError
from hexamer.genome.lines import excerpt
from hexamer.training.targets import NO_CLASS

Kind = Literal["classes", "labels", "values", "bases"]
"""One of several classes; several labels, each true or not; measured values; or a class for every base."""

NOTHING = ("", ".", "nan", "na", "<na>")
"""Words, in lower case, that stand for no class."""
_MISSING = (*NOTHING, "none")
_TRUTH = {"false": "0", "true": "1"}
_WHOLE = re.compile(r"(?<![\d.])(-?[0-9]+)\.0+$")
_LIST = re.compile(r"[\s,;|]+")


def as_targets(cells: npt.NDArray[Any], kind: Kind, names: Sequence[str], where: str) -> npt.NDArray[Any]:
    """Turn the cells of a file into what a model is fitted to.

    Parameters
    ----------
    cells : array of object [N, k]
        As read: one column for classes; one a name, or one that holds lists, for labels and values.
    kind : {"classes", "labels", "values"}
    names : sequence of str
        Of the classes, labels or values.
    where : str
        How messages call the file.

    Returns
    -------
    array
        Classes: int64 [N], a number in `names`, given as number or name. Labels: float64 [N, O] of 0 and 1, NaN where
        unknown. Values: float64 [N, O], NaN where missing.

    Raises
    ------
    InputError
        If a class is not among the names, a label neither 0 nor 1, a value no number, or there are more or fewer than
        names.

    Examples
    --------
    >>> as_targets(np.array([["1"], ["none"]], dtype=object), "classes", ["none", "weak", "strong"], "x.csv")
    array([1, 0])
    """
    if kind == "classes":
        return _as_classes(cells, names, where)
    if cells.shape[1] == 1 and len(names) > 1:
        cells = _divide(cells[:, 0], len(names), where)
    if cells.shape[1] != len(names):
        raise InputError(
            f"{where}: {cells.shape[1]} column(s) of targets; {len(names)} would work ({', '.join(names)})"
        )
    numbers = _as_numbers(cells, where)
    wrong = ~np.isnan(numbers) & (numbers != 0) & (numbers != 1)
    if kind == "labels" and wrong.any():
        raise InputError(f"{where}: {wrong.sum():,} label(s) are neither 0 nor 1, such as {numbers[wrong][0]:g}")
    return numbers


def as_base_classes(
    cells: npt.NDArray[Any], sequences: Sequence[str], where: str, *, classes: int = 10
) -> npt.NDArray[np.int8]:
    """Turn texts of one digit a base into classes.

    Parameters
    ----------
    cells : array of object [N, 1]
    sequences : sequence of str [N]
        As long as their texts.
    where : str
        How messages call the file.
    classes : int
        How many there are: digits from here on are an error.

    Returns
    -------
    int8 array [N, bases of the longest]
        -100 where another character stands, and behind a sequence's end.

    Raises
    ------
    InputError
        If a text is not as long as its sequence, or has a digit that is no class.

    Examples
    --------
    >>> as_base_classes(np.array([["0.1"], ["00"]], dtype=object), ["ACG", "TT"], "x.tsv").tolist()
    [[0, -100, 1], [0, 0, -100]]
    """
    if cells.shape[1] != 1:
        raise InputError(f"{where}: {cells.shape[1]} columns of bases' classes; one would work")
    found = np.full((len(cells), max(map(len, sequences), default=0)), NO_CLASS, dtype=np.int8)
    for number, (row, cell, bases) in enumerate(zip(found, cells[:, 0], sequences, strict=True), 1):
        text = str(cell)
        if len(text) != len(bases):
            raise InputError(
                f"{where}: row {number:,} has {len(text):,} classes ({excerpt(text, 20)}) for {len(bases):,} "
                "bases; one digit a base would work"
            )
        digits = np.frombuffer(text.encode("ascii", errors="replace"), dtype=np.uint8).astype(np.int8) - ord("0")
        row[: len(text)] = np.where((digits >= 0) & (digits <= 9), digits, NO_CLASS)
        if row.max(initial=0) >= classes:
            raise InputError(f"{where}: row {number:,} has class {row.max()}; 0 to {classes - 1} would work")
    return found


def _as_classes(cells: npt.NDArray[Any], names: Sequence[str], where: str) -> npt.NDArray[np.int64]:
    if cells.shape[1] != 1:
        raise InputError(f"{where}: {cells.shape[1]} columns of classes; one would work")
    words = pd.Series(cells[:, 0], dtype=object).astype(str).str.strip()
    ids = {str(i): i for i in range(len(names))}
    own = {plain_number(name): i for i, name in enumerate(names)}
    # Where names are numbers themselves, a number is never a place among them.
    known = own if any(_is_number(name) for name in names) else ids | own
    classes = words.map(plain_number).map(known)
    if len(names) == 2:  # "true" may be a name, or say that the second class is meant
        classes = classes.fillna(words.str.lower().map(_TRUTH).map(ids))
    wrong = words[classes.isna()]
    if len(wrong):
        told = ", ".join(name if known is own else f"{i} ({name})" for i, name in enumerate(names))
        raise InputError(
            f"{where}: {len(wrong):,} label(s) are no class of the task, such as {excerpt(wrong.iloc[0])}; {told} "
            "would work"
        )
    return np.asarray(classes, dtype=np.int64)


def plain_number(word: str) -> str:
    """Write 1.0 as 1, as columns hold it in which a number was missing once; other words stay.

    Examples
    --------
    >>> plain_number("-1.0"), plain_number("1.5"), plain_number("high")
    ('-1', '1.5', 'high')
    """
    return _WHOLE.sub(r"\1", word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _divide(cells: npt.NDArray[Any], width: int, where: str) -> npt.NDArray[Any]:
    """Take lists apart: a cell of Parquet that holds one, or text such as `[0, 1]` or `0;1`."""
    rows = [_LIST.split(cell.strip("[]() \t")) if isinstance(cell, str) else list(np.ravel(cell)) for cell in cells]
    for row, cell in zip(rows, cells, strict=True):
        if len(row) != width:
            raise InputError(f"{where}: {excerpt(str(cell))} holds {len(row)} target(s); {width} would work")
    return np.array(rows, dtype=object).reshape(len(rows), width)


def _as_numbers(cells: npt.NDArray[Any], where: str) -> npt.NDArray[np.float64]:
    flat = pd.Series(cells.ravel(), dtype=object)
    words = flat.astype(str).str.strip().str.lower()
    unknown = flat.isna() | words.isin(_MISSING)
    numbers = pd.to_numeric(words.where(~words.isin(_TRUTH), words.map(_TRUTH)), errors="coerce").astype(np.float64)
    wrong = flat[(numbers.isna() | np.isinf(numbers)) & ~unknown]
    if len(wrong):
        raise InputError(f"{where}: {len(wrong):,} target(s) are no numbers, such as {excerpt(str(wrong.iloc[0]))}")
    return np.asarray(numbers.where(~unknown), dtype=np.float64).reshape(cells.shape)
