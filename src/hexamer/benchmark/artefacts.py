"""Labels that can be told without reading the sequence: from its length, its share of G and C, or its unknown bases.

The score of a test sequence for a class is the share of that class among the training sequences of about the same
feature: bins of equal size, in training, so that any relation is found and not only one that rises or falls. Its AUROC
on test, of the class against all others, is what a model could reach by the feature alone.
Not here: from where on that is a fault (`audit`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hexamer.benchmark.sequences import Places, Sequences
from hexamer.metrics import auroc, bootstrap

Values = npt.NDArray[np.float64]

FEATURES = ("length", "gc", "unknown")
"""Bases; share of G and C among the known ones; share of bases that are not A, C, G, T."""
MOST_CLASSES = 50
"""With more labels than these they are taken for measurements, of which no class can be told."""

_BINS, _BIN = 20, 25  # at most so many, of at least so many training sequences
_RESAMPLES = 200  # the interval is for a rule of thumb, and there may be 50 classes


@dataclass(frozen=True)
class Artefact:
    """How well a feature alone tells a class.

    Attributes
    ----------
    feature : str
        Of `FEATURES`.
    label : str
        The class, against all others.
    auroc, low, high : float
        On test, with its 95 % interval.
    rows : int
        Test sequences in the smaller of both sides.
    """

    feature: str
    label: str
    auroc: float
    low: float
    high: float
    rows: int


def find_artefacts(
    train: Sequences, test: Sequences, labels: tuple[Places, Places], names: tuple[str, ...], *, seed: int = 0
) -> tuple[Artefact, ...]:
    """Measure how well each class can be told from one feature.

    Parameters
    ----------
    train, test : Sequences
    labels : pair of int64 array
        Class of each row of `train`, and of `test`.
    names : tuple of str
        What the classes are called. Of two only the second is looked at, of more than `MOST_CLASSES` none.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of Artefact
        By feature and class; none of features that are constant in training, nor of classes that one table lacks.
    """
    found = []
    wanted = range(len(names)) if 2 < len(names) <= MOST_CLASSES else range(1, len(names)) if len(names) == 2 else ()
    for feature, values in measure_features(train).items():
        if not values.size or np.ptp(values) == 0:
            continue
        others = measure_features(test)[feature]
        for number in wanted:
            learnt, truth = labels[0] == number, labels[1] == number
            rows = int(min(truth.sum(), (~truth).sum()))
            if not rows or not 0 < learnt.sum() < len(learnt):
                continue
            scores = _shares(values, learnt, others)
            estimate = bootstrap(auroc, truth, scores, n=_RESAMPLES, seed=seed, stratify=truth)
            found.append(Artefact(feature, names[number], estimate.estimate, estimate.low, estimate.high, rows))
    return tuple(found)


def measure_features(sequences: Sequences) -> dict[str, Values]:
    """Measure what can be seen without reading.

    Parameters
    ----------
    sequences : Sequences

    Returns
    -------
    dict of str to float64 array [N]
        By the names of `FEATURES`; shares are 0 where there is nothing to share.
    """
    length = (np.diff(sequences.starts) - 1).astype(np.float64)
    known, strong = sequences.count(0, 1, 2, 3), sequences.count(2, 3)
    features = (length, strong / np.maximum(known, 1), (length - known) / np.maximum(length, 1))
    return dict(zip(FEATURES, features, strict=True))


def _shares(values: Values, learnt: npt.NDArray[np.bool_], others: Values) -> Values:
    """Share of a class among the training rows in the same bin as each of other values."""
    bins = min(_BINS, max(2, values.size // _BIN))
    edges, times = np.unique(np.quantile(values, np.arange(1, bins) / bins), return_counts=True)
    often = edges[times > 1]  # what many rows have is a bin of its own

    def place(x: Values) -> Places:
        return np.searchsorted(edges, x, side="right") + np.searchsorted(often, x, side="left")

    size = edges.size + often.size + 1
    of_class = np.bincount(place(values), learnt, minlength=size)
    shares = (of_class + learnt.mean()) / (np.bincount(place(values), minlength=size) + 1)
    return np.asarray(shares[place(others)])
