"""What is known about variants, and our scores of them, in one table.

Labels (1 and 0) and measured effects come from a user's table or VCF, scores from a file that `score-variants`
wrote; each row keeps the reason why it has no score. Not here: how tables are
read (`tables`), scores of others (`peers`).
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.effects.heading import PREFIX, REASON
from hexamer.effects.score import SCORES
from hexamer.effects.tables import (
    KEYS,
    NONE,
    as_numbers,
    check_column,
    check_unique,
    column_names,
    info_numbers,
    is_vcf,
    match_rows,
    read_info,
    read_table,
    standardise_keys,
)
from hexamer.errors import AnnotationError, InputError
from hexamer.genome import Annotation, Variant, VariantFile
from hexamer.genome.contigs import ContigNames
from hexamer.genome.lines import excerpt

CONSEQUENCE = "consequence"
"""Column of VEP's terms, which are ranked by severity."""
_YES_NO = {"1": 1.0, "1.0": 1.0, "true": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0}

OURS = (*(name for name in SCORES if not name.endswith("_sd")), "probability")
"""Columns of scored files that are evaluated by default."""


def read_labels(
    path: str | Path,
    *,
    label: str | None = None,
    effect: str | None = None,
    columns: Sequence[str] = (),
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
) -> pd.DataFrame:
    """Read variants with what is known about them.

    Parameters
    ----------
    path : str or Path
    label : str, optional
        Column, or INFO key, of the labels: 0 and 1, true and false, or words that `positive` divides.
    effect : str, optional
        Column, or INFO key, of measured effects, with sign.
    columns : sequence of str
        Other columns that have to be there. Of a VCF only these and `consequence` are read, of a table all.
    positive, negative : sequence of str
        Words of the label column that mean 1 and 0. All others are unknown; without `negative` they mean 0.

    Returns
    -------
    DataFrame
        `chrom`, `pos` (from 1), `ref`, `alt`, the label and the effect as floats (NaN where unknown), other columns as
        they are; one called Consequence, whatever its capitals, also as `consequence`.

    Raises
    ------
    InputError
        If the file or a column cannot be read or is missing, a label is neither 0 nor 1, an effect is no number, or a
        variant stands there twice.
    """
    wanted = [name for name in (label, effect, *columns) if name]
    table = read_info(path, wanted, optional=(CONSEQUENCE,)) if is_vcf(path) else read_table(path)
    for name in column_names(table):
        if name.lower() == CONSEQUENCE and CONSEQUENCE not in table:
            table = table.assign(**{CONSEQUENCE: table[name]})
    for name in wanted:
        check_column(path, name, column_names(table))
    check_unique(table, str(path))
    if label:
        table[label] = _as_labels(path, table[label], list(positive), list(negative))
    if effect:
        table[effect] = as_numbers(path, table[effect])
    return table


def join_scores(
    labels: pd.DataFrame, scored: str | Path | pd.DataFrame, *, scores: Sequence[str] | None = None
) -> pd.DataFrame:
    """Put the scores of a scored file beside the labels of the same variants.

    Parameters
    ----------
    labels : DataFrame
        From `read_labels`.
    scored : str, Path or DataFrame
        What `score_variants` or `annotate_variants` made; a VCF's `HX_` fields lose their prefix.
    scores : sequence of str, optional
        Columns, or INFO keys; by default all scores of ours; a spread (`llr_sd`) is none.

    Returns
    -------
    DataFrame
        The rows of `labels`, in order, with a column for each score and `reason`: why a row has no score, empty where
        it has, `not_scored` where the scored file has no such variant.

    Raises
    ------
    InputError
        If the file cannot be read, holds no score or not those, has a variant of the labels twice, or both sides have
        a column of one name that differs.
    """
    where = "scored variants" if isinstance(scored, pd.DataFrame) else str(scored)
    if isinstance(scored, pd.DataFrame):
        found = standardise_keys(scored, where)
    else:
        found = _read_scored_vcf(scored, scores) if is_vcf(scored) else read_table(scored)
    names = list(scores) if scores is not None else [name for name in column_names(found) if name in OURS]
    if not names:
        raise InputError(f"{where}: has no column of a score ({', '.join(SCORES)}); name the columns to use")
    for name in names:
        check_column(where, name, [column for column in column_names(found) if column not in (*KEYS, "reason")])
    place = match_rows(labels, found, where)
    joined = labels.copy()
    for name in names:
        values = as_numbers(where, found[name]).to_numpy()
        values = np.where(place >= 0, values[place], np.nan) if len(values) else np.full(len(place), np.nan)
        if name in labels and not _is_same(labels[name], values):
            raise InputError(f"{where}: the labels have a column {name!r} too, with other numbers; rename one of them")
        joined[name] = values
    given = found["reason"].fillna("").astype(str) if "reason" in found else pd.Series("", index=found.index)
    reasons = np.where(place >= 0, given.to_numpy(dtype=object)[place], "not_scored") if len(found) else "not_scored"
    return joined.assign(reason=reasons)


def add_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Add `kind`: what sort of change each variant is.

    Parameters
    ----------
    table : DataFrame
        With `chrom`, `pos`, `ref`, `alt`.

    Returns
    -------
    DataFrame
        With `kind`, as `Variant.kind`: "snv", "insertion", ...
    """
    keys = table[KEYS].itertuples(index=False, name=None)
    return table.assign(kind=[Variant(*key).kind for key in keys])


def add_elements(table: pd.DataFrame, annotation: Annotation) -> pd.DataFrame:
    """Add `element`: what the first base of each variant belongs to.

    Parameters
    ----------
    table : DataFrame
        With `chrom`, `pos`.
    annotation : Annotation

    Returns
    -------
    DataFrame
        With `element`, one of the annotation's classes; missing on contigs that the annotation lacks, and off them.
    """
    contigs, elements = ContigNames(annotation.contigs), []
    for chrom, pos in table[["chrom", "pos"]].itertuples(index=False, name=None):
        try:
            known = len(contigs.matches(chrom)) == 1 and pos > 0
            elements.append(annotation.classes[annotation.label(chrom, pos - 1, pos)[0]] if known else None)
        except AnnotationError:
            elements.append(None)
    return table.assign(element=np.array(elements, dtype=object))


def _as_labels(
    path: str | Path, column: "pd.Series[Any]", positive: list[str], negative: list[str]
) -> "pd.Series[float]":
    words = column.astype(str).str.strip()
    unknown = words.str.lower().isin(NONE) | column.isna()
    if not positive:
        if negative:
            raise InputError(f"{path}: words of {column.name!r} that mean 0 are named, but none that mean 1")
        labels = words.str.lower().map(_YES_NO)
        wrong = words[labels.isna() & ~unknown]
        if len(wrong):
            raise InputError(
                f"{path}: {len(wrong):,} label(s) in {column.name!r} are neither 0 nor 1, such as "
                f"{excerpt(wrong.iloc[0])}; naming the words that mean 1 (positive) would work"
            )
        return labels.astype(np.float64)
    for word in (*positive, *negative):
        if not (words == word).any():
            near = difflib.get_close_matches(word, words[~unknown].unique().tolist(), n=3, cutoff=0.0)
            raise InputError(f"{path}: {column.name!r} never is {word!r}; {', '.join(near)} would work")
    others = np.nan if negative else 0.0
    labels = pd.Series(np.where(words.isin(positive), 1.0, np.where(words.isin(negative), 0.0, others)), words.index)
    return labels.where(~unknown)


def _is_same(known: "pd.Series[Any]", values: Any) -> bool:
    numbers = pd.to_numeric(known, errors="coerce").to_numpy(dtype=np.float64)
    return bool(np.allclose(numbers, values, rtol=1e-6, atol=0, equal_nan=True))


def _read_scored_vcf(path: str | Path, scores: Sequence[str] | None) -> pd.DataFrame:
    with VariantFile(path) as records:
        known = info_numbers(records.header)
    ours = {name.removeprefix(PREFIX).lower(): name for name in known if name.startswith(PREFIX)}
    names = [ours.get(name, name) for name in (scores if scores is not None else ours)]
    if REASON in known and REASON not in names:
        names.append(REASON)
    table = read_info(path, names)
    return table.rename(columns={name: word for word, name in ours.items()})
