"""How well numbers agree with the truth: six statistics of equally long arrays, each a float.

`auroc`, `auprc` and `top_k` of labels and scores, `spearman` and `pearson` of two measurements, `mcc` of labels and
predictions.
All raise InputError where a number is NaN or infinite (counted: rows without a number are left out by whoever knows
why), where lengths differ, and where a label is neither 0 nor 1. Where a statistic has no value (a class without a
member, a constant) it is NaN, and `why_undefined` says why.
Source: Davis and Goadrich (2006) for why precision and recall are not joined by straight lines; Gorodkin (2004).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hexamer.errors import InputError

Values = npt.NDArray[np.float64]
Statistic = Callable[..., float]

NAN = float("nan")


def auroc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a positive has the higher score than a negative; ties count half.

    Parameters
    ----------
    labels : array [N]
        0 or 1, or booleans.
    scores : array [N]
        Higher for positives.

    Returns
    -------
    float
        NaN without a positive or without a negative.

    Examples
    --------
    >>> auroc([0, 0, 1, 1], [1, 3, 3, 4])
    0.875
    """
    arrays = check_arrays(auroc, labels, scores)
    if why_undefined(auroc, *arrays):
        return NAN
    from sklearn.metrics import roc_auc_score  # 1 s: for evaluations only

    return float(roc_auc_score(*arrays))


def auprc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Average precision: precision at each threshold, weighted by the recall gained there.

    Parameters
    ----------
    labels, scores
        As `auroc`. Scores without any information give the share of positives.

    Returns
    -------
    float
        NaN without a positive or without a negative.

    Examples
    --------
    >>> round(auprc([0, 0, 1, 1], [1, 3, 3, 4]), 4)
    0.8333
    """
    arrays = check_arrays(auprc, labels, scores)
    if why_undefined(auprc, *arrays):
        return NAN
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*arrays))


def top_k(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Top-k accuracy: the share of positives among as many of the highest scores as there are positives.

    Precision and recall at the threshold where both are equal, as SpliceAI is judged by.

    Parameters
    ----------
    labels, scores
        As `auroc`. Of equal scores at the threshold as many count as their share of positives.

    Returns
    -------
    float
        NaN without a positive or without a negative.

    Examples
    --------
    >>> top_k([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.2])
    0.5
    """
    labels, scores = check_arrays(top_k, labels, scores)
    if why_undefined(top_k, labels, scores):
        return NAN
    k = int(labels.sum())
    threshold = np.partition(scores, -k)[-k]
    above, level = scores > threshold, scores == threshold
    return float((labels[above].sum() + labels[level].mean() * (k - above.sum())) / k)


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Pearson correlation of the ranks; equal values share their mean rank.

    Parameters
    ----------
    x, y : array [N]

    Returns
    -------
    float
        NaN of fewer than two rows, or where `x` or `y` is constant.

    Examples
    --------
    >>> round(spearman([1, 2, 3, 4], [1, 4, 9, 8]), 3)
    0.8
    """
    x, y = check_arrays(spearman, x, y)
    if why_undefined(spearman, x, y):
        return NAN
    from scipy.stats import rankdata

    return _correlation(rankdata(x), rankdata(y))


def pearson(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Linear correlation.

    Parameters
    ----------
    x, y : array [N]

    Returns
    -------
    float
        NaN of fewer than two rows, or where `x` or `y` is constant.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [2, 4, 6]), 3)
    1.0
    """
    x, y = check_arrays(pearson, x, y)
    return NAN if why_undefined(pearson, x, y) else _correlation(x, y)


def mcc(labels: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Matthews correlation coefficient, of two classes or more (Gorodkin 2004).

    Parameters
    ----------
    labels, predictions : array [N]
        Classes as whole numbers.

    Returns
    -------
    float
        0 where all predictions are of one class; NaN where all labels are.

    Examples
    --------
    >>> round(mcc([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0]), 4)
    0.5222
    """
    arrays = check_arrays(mcc, labels, predictions)
    if why_undefined(mcc, *arrays):
        return NAN
    classes, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    table = np.zeros((1, len(classes), len(classes)))
    np.add.at(table[0], tuple(codes.reshape(2, -1)), 1)
    return float(contingency_mcc(table)[0])


def contingency_mcc(table: Values) -> Values:
    """Matthews correlation of tables of counts.

    Parameters
    ----------
    table : float64 array [R, K, K]
        Rows by label and prediction.

    Returns
    -------
    float64 array [R]
        As `mcc`.
    """
    truth, said, rows = table.sum(axis=2), table.sum(axis=1), table.sum(axis=(1, 2))
    agreed = np.trace(table, axis1=1, axis2=2) * rows - (truth * said).sum(axis=1)
    of_truth, of_said = (rows**2 - np.square(part).sum(axis=1) for part in (truth, said))
    value = np.divide(agreed, np.sqrt(of_truth * of_said), out=np.zeros(len(table)), where=of_truth * of_said > 0)
    return np.where(of_truth > 0, value, NAN)


def why_undefined(statistic: Statistic, *arrays: npt.ArrayLike) -> str:
    """Say why a statistic of this module has no value on these rows.

    Parameters
    ----------
    statistic : callable
    *arrays : array [N]

    Returns
    -------
    str
        Empty where it has one, and for functions that are not of this module.

    Examples
    --------
    >>> why_undefined(auroc, [0, 0], [1.5, 2.5]), why_undefined(auroc, [0, 1], [1.5, 2.5])
    ('no positive', '')
    """
    found = [np.asarray(array) for array in arrays]
    if statistic not in (auroc, auprc, top_k, spearman, pearson, mcc):
        return ""
    if not found[0].size:
        return "no row"
    if statistic in (auroc, auprc, top_k):
        return "no positive" if not found[0].any() else "no negative" if found[0].all() else ""
    if found[0].size < 2:
        return "a single row"
    if statistic is mcc:
        return "all labels are of one class" if np.ptp(found[0]) == 0 else ""
    return "a constant" if any(np.ptp(array) == 0 for array in found) else ""


def check_arrays(statistic: Statistic, *arrays: npt.ArrayLike) -> list[Values]:
    """Give arrays as float64 [N]; InputError if lengths differ, a number is NaN, or a label neither 0 nor 1."""
    found = [np.asarray(array, dtype=np.float64) for array in arrays]
    name = getattr(statistic, "__name__", "statistic")
    if any(array.shape != (len(found[0]),) for array in found):
        raise InputError(f"{name}: arrays of shapes {', '.join(str(a.shape) for a in found)}; one length would work")
    for place, array in enumerate(found):
        if bad := int((~np.isfinite(array)).sum()):
            raise InputError(
                f"{name}: {bad:,} of {array.size:,} numbers of its array {place + 1} are NaN or infinite; "
                "leave those rows out, and say how many"
            )
    if statistic in (auroc, auprc, top_k) and not np.isin(found[0], (0, 1)).all():
        wrong = int((~np.isin(found[0], (0, 1))).sum())
        raise InputError(f"{name}: {wrong:,} of {found[0].size:,} labels are neither 0 nor 1")
    return found


def _correlation(x: Values, y: Values) -> float:
    x, y = standardise(x), standardise(y)
    return float(np.clip(x @ y / len(x), -1, 1))


def standardise(x: Values) -> Values:
    """Mean 0 and variance 1, without overflow."""
    x = x / (np.abs(x).max() or 1.0)
    x = x - x.mean()
    return np.asarray(x / np.sqrt(np.square(x).mean()))
