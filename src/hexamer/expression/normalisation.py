"""One scale for the expression of all genes, found among those who are learnt from alone.

Not here: who they are (`cohort`).
"""

import numpy as np
import numpy.typing as npt

from hexamer.expression.cohort import Values


def standardise(values: Values, learn: npt.NDArray[np.bool_]) -> Values:
    """Give expression mean 0 and variance 1 over the people that are learnt from.

    Parameters
    ----------
    values : float64 array [S]
    learn : bool array [S]

    Returns
    -------
    float64 array [S]
        All 0 where those people's values are constant.
    """
    mean, scale = float(np.nanmean(values[learn])), float(np.nanstd(values[learn]))
    return np.asarray((values - mean) / scale) if scale > 1e-12 * max(1.0, abs(mean)) else np.zeros_like(values)


def rank_normalise(values: Values, learn: npt.NDArray[np.bool_]) -> Values:
    """Give expression the normal quantile of its rank among the people that are learnt from.

    Parameters
    ----------
    values : float64 array [S]
    learn : bool array [S]

    Returns
    -------
    float64 array [S]
        Of others the quantile of the rank that they would have; NaN stays.

    Examples
    --------
    >>> found = rank_normalise(np.array([1.0, 2.0, 90.0, 3.0]), np.array([True, True, True, False]))
    >>> found.round(2).tolist()
    [-0.67, 0.0, 0.67, 0.32]
    """
    from scipy.stats import norm

    known = np.sort(values[learn & np.isfinite(values)])
    places = (np.searchsorted(known, values, side="left") + np.searchsorted(known, values, side="right")) / 2
    half = 0.5 / (len(known) + 1)
    shares = np.clip((places + 0.5) / (len(known) + 1), half, 1 - half)
    return np.where(np.isfinite(values), norm.ppf(shares), np.nan)


NORMALISATIONS = {"standard": standardise, "rank": rank_normalise}
"""Ways to bring a gene's expression on one scale, by name."""


def restore(values: Values, known: Values, way: str) -> Values:
    """Bring normalised expression back to the scale that it was measured on.

    Parameters
    ----------
    values : float64 array [n]
        Normalised, such as predictions.
    known : float64 array [S]
        Expression of those who were learnt from.
    way : {"standard", "rank"}

    Returns
    -------
    float64 array [n]
        By ranks never beyond what is known.

    Examples
    --------
    >>> restore(np.array([0.0, 9.0]), np.array([1.0, 2.0, 90.0]), "rank").tolist()
    [2.0, 90.0]
    """
    from scipy.stats import norm

    known = np.sort(known[np.isfinite(known)])
    if way == "standard":
        return np.asarray(values * known.std() + known.mean())
    return np.interp(norm.cdf(values) * (len(known) + 1), np.arange(1, len(known) + 1), known)
