"""Predicting with a fine-tuned encoder: tables of new sequences, and how good predictions of known ones are.

Not here: the model (`predictor`), how it was trained (`finetune`).
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import SequenceError
from hexamer.genome import Genome, Interval
from hexamer.training.finetune import Examples, check_targets, stack_predictions
from hexamer.training.predictor import Predictor

_PIECE = 512  # sequences that are held at a time


def predict_table(
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
        of classes also `prediction`, the most probable one; and `reason`, why a row has no prediction. Always in this
        order.

    Raises
    ------
    SequenceError
        If a sequence has more tokens than the encoder reads.
    """
    parts, left = [], iter(sequences)
    while piece := list(islice(left, _PIECE)):
        rows = [_read(item, genome) for item in piece]
        known = [i for i, (_, _, reason) in enumerate(rows) if not reason]
        try:
            found = dict(zip(known, predictor.predict([rows[i][1] for i in known], advance=advance), strict=True))
        except SequenceError:
            for i in known:  # tell of it by its name, not its place in the piece
                predictor.tokenise([rows[i][1]], f"{rows[i][0]['name']}: sequence")
            raise
        parts += [_lay_out(predictor, facts, found.get(i), reason) for i, (facts, _, reason) in enumerate(rows)]
    columns = [*predictor.target.names, *(["prediction"] if predictor.target.kind in ("classes", "bases") else [])]
    if not parts:
        return pd.DataFrame(columns=["name", *columns, "reason"])
    table = pd.concat(parts, ignore_index=True)
    facts = [name for name in ("name", "chrom", "start", "end", "strand", "offset") if name in table]
    return table.reindex(columns=[*facts, *columns, "reason"])


def score_predictor(predictor: Predictor, examples: Examples) -> float:
    """Score predictions of known sequences, by the target's metric.

    Parameters
    ----------
    predictor : Predictor
    examples : Examples

    Returns
    -------
    float

    Raises
    ------
    InputError, SequenceError
        As `hexamer.training.finetune`.
    """
    targets = check_targets(examples, predictor.target, "test")
    return predictor.target.score(targets, stack_predictions(predictor.predict(examples.sequences), targets))


def _read(item: tuple[str, str] | Interval, genome: Genome | None) -> tuple[dict[str, Any], str, str]:
    """Give what is told of a row, its bases, and why it cannot be predicted."""
    if not isinstance(item, Interval):
        return {"name": item[0]}, item[1], "" if item[1] else "empty"
    facts = {"name": item.name or item.region, "chrom": item.chrom, "start": item.start, "end": item.end}
    facts["strand"] = item.strand
    assert genome is not None
    if item.chrom not in genome:
        return facts, "", "contig_missing"
    if item.end > genome.length(item.chrom):
        return facts, "", "past_end"
    return facts, genome.fetch_interval(item), "" if item.end > item.start else "empty"


def _lay_out(predictor: Predictor, facts: dict[str, Any], found: Any, reason: str) -> pd.DataFrame:
    names, target = predictor.target.names, predictor.target
    if found is None:
        return pd.DataFrame([facts | dict.fromkeys(names, np.float32(np.nan)) | {"reason": reason}])
    values = np.atleast_2d(found)
    table = pd.DataFrame(values, columns=list(names))
    if target.kind in ("classes", "bases"):
        table["prediction"] = [names[i] for i in values.argmax(1)]
    places = range(len(table))
    own = dict(facts)
    if target.kind == "bases":
        if "start" in facts:
            turned = facts["strand"] == "-"
            starts = [facts["end"] - 1 - i if turned else facts["start"] + i for i in places]
            own |= {"start": starts, "end": [start + 1 for start in starts]}
        else:
            own["offset"] = pd.array(places, dtype="Int64")
    return pd.concat([pd.DataFrame(own, index=table.index), table], axis=1).assign(reason="")
