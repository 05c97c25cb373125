"""All statistics that predictions are published with, and how sure they are; a target's own `score` is chosen by.

Not here: what statistics are (`hexamer.metrics`), targets (`targets`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.metrics import Resampled, auprc, auroc, mcc, pearson, resample, resample_groups, spearman, top_k
from hexamer.training.targets import NO_CLASS, Kind, Target, mean_of_known, mean_over_outputs

Scores = dict[str, float]
Array = npt.NDArray[Any]

CHOSEN: dict[Kind, str] = {
    "classes": "mcc",
    "labels": "auroc",
    "values": "pearson",
    "bins": "pearson",
    "bases": "auprc",
}
"""Name of the statistic that a target's `score` is, by kind."""


def all_scores(target: Target, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> Scores:
    """Judge predictions by every statistic of their kind.

    Parameters
    ----------
    target : Target
    targets, predictions : array
        As `target.score`.

    Returns
    -------
    dict of str to float
        Classes: `mcc`, `accuracy`, `f1` (of the second of two classes, else the mean over the
        classes that occur), of two classes
        `auroc` and `auprc` of the second. Labels: `auroc`, `auprc`, means over labels. Values: `pearson`, `spearman`,
        `r2`, `mse`, means over outputs. Bases: `auprc` and `top_k`, means over the classes that occur but the first,
        and of each such class with its name behind a space. NaN where one has no value.

    Examples
    --------
    >>> from hexamer.training.targets import ClassTarget
    >>> found = all_scores(ClassTarget(names=("no", "yes")), [0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'mcc': 0.5, 'accuracy': 0.667, 'f1': 0.667, 'auroc': 1.0, 'auprc': 1.0}
    """
    wanted, found = np.asarray(targets), np.asarray(predictions)
    if target.kind == "classes":
        return _of_classes(wanted, found)
    if target.kind == "bases":
        return _of_bases(target, wanted, found)
    statistics = {"auroc": auroc, "auprc": auprc} if target.kind == "labels" else _VALUES
    return {name: mean_over_outputs(each, wanted, found) for name, each in statistics.items()}


def resample_score(
    target: Target, targets: npt.ArrayLike, predictions: npt.ArrayLike, *, n: int = 1000, seed: int = 0
) -> Resampled:
    """Compute a target's own score of sequences drawn with replacement, again and again.

    Parameters
    ----------
    target : Target
    targets, predictions : array
        As `target.score`.
    n : int
        Resamples.
    seed : int
        Equal seeds draw the same sequences, whatever the predictions. Where some targets of an output are unknown, its
        known ones are drawn on their own.

    Returns
    -------
    Resampled
        Of classes of bases a fifth of the draws, of whole sequences.
    """
    wanted, found = np.asarray(targets), np.asarray(predictions)
    if target.kind == "bases":
        known = wanted != NO_CLASS
        owners = np.broadcast_to(np.arange(len(wanted))[:, None], wanted.shape)[known]
        wanted, found = wanted[known], found[known]
        classes = [i for i in range(1, len(target.names)) if (wanted == i).any()]
        return _mean_of([resample_groups(wanted == i, found[:, i], owners, n=n // 5, seed=seed) for i in classes])
    if target.kind == "classes":
        return resample(mcc, wanted, found.argmax(-1), n=n, seed=seed)
    statistic, known = auroc if target.kind == "labels" else pearson, ~np.isnan(wanted)
    columns = [
        resample(statistic, wanted[known[:, i], i], found[known[:, i], i], n=n, seed=seed)
        for i in range(wanted.shape[1])
    ]
    return _mean_of(columns)


def _mean_of(columns: list[Resampled]) -> Resampled:
    """Mean of outputs in each draw, of those that have a value there, as a target's score is a mean."""
    told = [column for column in columns if not column.reason]
    if not told:
        return columns[0] if columns else Resampled(float("nan"), np.zeros(0), "no class but the first")
    draws = np.array([column.draws for column in told])
    known = np.isfinite(draws)  # a rare label may have no positive in a draw
    counts = known.sum(axis=0)
    means = np.divide(
        np.where(known, draws, 0).sum(axis=0), counts, out=np.full(draws.shape[1], np.nan), where=counts > 0
    )
    return Resampled(float(np.mean([column.estimate for column in told])), means)


def _of_classes(wanted: Array, found: Array) -> Scores:
    said = found.argmax(-1)
    scores = {"mcc": mcc(wanted, said), "accuracy": float((wanted == said).mean())}
    if found.shape[1] == 2:
        return scores | {
            "f1": _f1(wanted == 1, said == 1),
            "auroc": auroc(wanted == 1, found[:, 1]),
            "auprc": auprc(wanted == 1, found[:, 1]),
        }
    return scores | {"f1": float(np.mean([_f1(wanted == each, said == each) for each in np.unique(wanted)]))}


def _of_bases(target: Target, wanted: Array, found: Array) -> Scores:
    known = wanted != NO_CLASS
    wanted, found = wanted[known], found[known]
    scores: Scores = {}
    for name, statistic in (("auprc", auprc), ("top_k", top_k)):
        each = {f"{name} {own}": statistic(wanted == i, found[:, i]) for i, own in enumerate(target.names) if i}
        scores |= {name: mean_of_known(list(each.values())), **each}
    return scores


def _f1(wanted: Array, said: Array) -> float:
    either = int(wanted.sum() + said.sum())
    return float(2 * (wanted & said).sum() / either) if either else float("nan")


def _r2(wanted: Array, found: Array) -> float:
    spread = np.square(wanted - wanted.mean()).sum() if len(wanted) else 0
    return float(1 - np.square(wanted - found).sum() / spread) if spread else float("nan")


def _mse(wanted: Array, found: Array) -> float:
    return float(np.square(wanted - found).mean()) if len(wanted) else float("nan")


_VALUES = {"pearson": pearson, "spearman": spearman, "r2": _r2, "mse": _mse}
