"""Predicting with a fine-tuned encoder: tables of new sequences, and how good predictions of known ones are.

Not here: the model (`predictor`), how it was trained (`finetune`).
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.genome import Genome, Interval
from hexamer.model.limits import count_beyond
from hexamer.tokens import report_letters
from hexamer.training.finetune import Examples, check_targets, stack_predictions
from hexamer.training.predictor import Predictor
from hexamer.training.scores import Scores, all_scores

_PIECE = 512  # sequences that are held at a time
COLUMNS = ("name", "chrom", "start", "end", "strand", "offset", "prediction", "n", "reason")
"""Columns of predictions, which no output may be called."""


def predict(
    predictor: Predictor,
    sequences: Iterable[tuple[str, str] | Interval],
    genome: Genome | None = None,
    *,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Predict named sequences or intervals of a genome.

    Parameters
    ----------
    predictor : Predictor
    sequences : iterable of (str, str) or Interval
        Name and bases; or intervals, with a genome.
    genome : Genome, optional
    advance : callable, optional
        Called with the number of sequences of each finished batch.

    Returns
    -------
    DataFrame
        `name`, for intervals `chrom`, `start`, `end`, `strand`; a float32 column for each class or output (of bases a
        row for each base, with `offset` from the sequence's first, 0-based, or for intervals its `start` and `end`);
        of classes and of bases also `prediction`, the most probable one; `n`, letters of the sequence (of bases: 1 if
        this is one) other than A, C, G, T, which are read as N; and `reason`, why a row has no prediction. Always in
        this order.

    Raises
    ------
    SettingsError
        If there are intervals and no genome, or an output is called as a column is.
    """
    taken = [name for name in predictor.target.names if name in COLUMNS]
    if taken:
        raise SettingsError(f"outputs called {', '.join(taken)}, as columns of the table are; other names would work")
    parts, left = [], iter(sequences)
    while piece := list(islice(left, _PIECE)):
        rows = [_read(item, genome) for item in piece]
        rows = [(facts, bases, reason or _judge(predictor, bases)) for facts, bases, reason in rows]
        known = [i for i, (_, _, reason) in enumerate(rows) if not reason]
        found = dict(zip(known, predictor.predict([rows[i][1] for i in known], advance=advance), strict=True))
        parts += _lay_out(predictor, rows, found)
    columns = [*predictor.target.names, *(["prediction"] if predictor.target.kind in ("classes", "bases") else [])]
    if not parts:
        return pd.DataFrame(columns=["name", *columns, "n", "reason"])
    table = pd.concat(parts, ignore_index=True)
    facts = [name for name in ("name", "chrom", "start", "end", "strand", "offset") if name in table]
    return table.reindex(columns=[*facts, *columns, "n", "reason"])


def score_predictor(predictor: Predictor, examples: Examples) -> Scores:
    """Judge predictions of known sequences.

    Parameters
    ----------
    predictor : Predictor
    examples : Examples

    Returns
    -------
    dict of str to float
        As `hexamer.training.scores.all_scores`, the target's own first.

    Raises
    ------
    InputError, SequenceError
        As `hexamer.training.finetune`.
    """
    targets = check_targets(examples, predictor.target, "test")
    return all_scores(predictor.target, targets, stack_predictions(predictor.predict(examples.sequences), targets))


def _read(item: tuple[str, str] | Interval, genome: Genome | None) -> tuple[dict[str, Any], str, str]:
    """Give what is told of a row, its bases, and why it cannot be predicted."""
    if not isinstance(item, Interval):
        return {"name": item[0]}, item[1], ""
    facts = {"name": item.name or item.region, "chrom": item.chrom, "start": item.start, "end": item.end}
    facts["strand"] = item.strand
    if genome is None:
        raise SettingsError(f"{item.region}: intervals need a genome; one would work")
    if item.chrom not in genome:
        return facts, "", "contig_missing"
    if item.end > genome.length(item.chrom):
        return facts, "", "past_end"
    return facts, genome.fetch_interval(item), ""


def _judge(predictor: Predictor, bases: str) -> str:
    """Say why an encoder cannot read a sequence; empty if it can."""
    letters = report_letters(bases)
    if letters.bases == letters.read_as_n:
        return "empty"
    return "beyond_model" if count_beyond(predictor.encoder, bases) else ""


def _lay_out(
    predictor: Predictor, rows: list[tuple[dict[str, Any], str, str]], found: dict[int, Any]
) -> list[pd.DataFrame]:
    """Give tables of rows in their order: one for all, or of bases one for each sequence."""
    names, target = list(predictor.target.names), predictor.target
    if target.kind == "bases":
        return [_lay_out_bases(names, row, found.get(i)) for i, row in enumerate(rows)]
    values = np.full((len(rows), len(names)), np.nan, dtype=np.float32)
    for i, row in found.items():
        values[i] = row
    table = pd.concat([pd.DataFrame([row[0] for row in rows]), pd.DataFrame(values, columns=names)], axis=1)
    if target.kind == "classes":
        table["prediction"] = [names[int(row.argmax())] if i in found else None for i, row in enumerate(values)]
    letters = [report_letters(bases).read_as_n for _, bases, _ in rows]
    return [table.assign(n=letters, reason=[reason for _, _, reason in rows])]


def _lay_out_bases(names: list[str], row: tuple[dict[str, Any], str, str], found: Any) -> pd.DataFrame:
    facts, bases, reason = row
    if found is None:
        facts = facts | dict.fromkeys(names, np.float32(np.nan)) | {"n": report_letters(bases).read_as_n}
        return pd.DataFrame([facts | {"reason": reason}])
    table, own = pd.DataFrame(found, columns=names), dict(facts)
    table["prediction"] = np.array(names, dtype=object)[found.argmax(1)]
    unknown = [int(base not in "ACGTacgt") for base in bases]
    if "start" in facts:
        places = np.arange(len(table))
        starts = facts["end"] - 1 - places if facts["strand"] == "-" else facts["start"] + places
        own |= {"start": starts, "end": starts + 1}
    else:
        own["offset"] = pd.array(range(len(table)), dtype="Int64")
    return pd.concat([pd.DataFrame(own, index=table.index), table], axis=1).assign(n=unknown, reason="")
