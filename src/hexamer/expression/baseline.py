"""Linear models of expression on genotypes: what a model of sequences has to beat.

All take copies of alleles, standardise them with the people that are learnt from, and give weights for copies as they
are. Penalties are chosen among those people alone.
Sources: elastic net as PrediXcan, Gamazon et al. (2015), mixing 0.5, penalty by cross-validation; ridge on all
variants; the variant that correlates best. Not here: who is held out (`evaluate`), files of weights (`predictdb`).
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.expression.cohort import Values

MIXING = 0.5
"""Share of the L1 penalty in the elastic net."""
_PATH = 20  # penalties that are tried
_SHORTEST = 0.05  # the smallest, of the largest: those below fit noise, and take longest
_INNER = 10  # folds by which penalties are chosen
_RIDGE = np.logspace(0, 5, 11)


class LinearModel(NamedTuple):
    """Weights of variants: what one copy of an allele adds."""

    weights: Values
    """float64 [V]; many are 0."""
    intercept: float
    penalty: float
    """That was chosen, of standardised copies (elastic net: and expression); NaN where there is none."""

    def predict(self, dosages: Values) -> Values:
        """Predict people's expression, float64 [S], from copies of alleles [S, V]."""
        return np.asarray(dosages @ self.weights + self.intercept)


Fit = Callable[[Values, Values, int], LinearModel]


def fit_elastic_net(dosages: Values, values: Values, seed: int = 0) -> LinearModel:
    """Fit an elastic net, whose penalty is chosen in ten folds.

    Parameters
    ----------
    dosages : float64 array [S, V]
        Of those who are learnt from, without NaN.
    values : float64 array [S]
        Their expression.
    seed : int
        Of the folds.

    Returns
    -------
    LinearModel
        With no weight where no penalty predicts better than the mean.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import ElasticNetCV
    from sklearn.model_selection import KFold

    x, means, scales = _standardise(dosages)
    if not x.shape[1] or np.ptp(values) == 0 or len(values) < 4:
        return _mean_alone(dosages, values)
    folds = KFold(min(_INNER, len(values) // 2), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = ElasticNetCV(l1_ratio=MIXING, eps=_SHORTEST, alphas=_PATH, cv=folds, max_iter=2000, tol=1e-3)
        scale = values.std()
        model.fit(x, (values - values.mean()) / scale)
    weights = model.coef_ * scale / scales
    return LinearModel(weights, float(values.mean() - means @ weights), float(model.alpha_))


def fit_ridge(dosages: Values, values: Values, seed: int = 0) -> LinearModel:
    """Fit ridge regression, whose penalty is chosen by leaving one out; parameters as `fit_elastic_net`."""
    from sklearn.linear_model import RidgeCV

    x, means, scales = _standardise(dosages)
    if not x.shape[1] or np.ptp(values) == 0:
        return _mean_alone(dosages, values)
    model = RidgeCV(alphas=_RIDGE * max(1.0, x.shape[1] / 100)).fit(x, values)
    weights = model.coef_ / scales
    return LinearModel(weights, float(model.intercept_ - means @ weights), float(model.alpha_))


def fit_best_variant(dosages: Values, values: Values, seed: int = 0) -> LinearModel:
    """Fit the variant that correlates best; parameters as `fit_elastic_net`."""
    x, means, scales = _standardise(dosages)
    if not x.shape[1] or np.ptp(values) == 0:
        return _mean_alone(dosages, values)
    slopes = x.T @ (values - values.mean()) / len(values)
    best = int(np.abs(slopes).argmax())
    weights = np.zeros(dosages.shape[1])
    weights[best] = slopes[best] / scales[best]
    return LinearModel(weights, float(values.mean() - means[best] * weights[best]), float("nan"))


MODELS: dict[str, Fit] = {"elastic-net": fit_elastic_net, "ridge": fit_ridge, "best-variant": fit_best_variant}
"""Linear models by name."""


def _standardise(dosages: Values) -> tuple[Values, Values, npt.NDArray[np.float64]]:
    """Give mean 0 and variance 1; variants that do not vary have scale 1."""
    means, scales = dosages.mean(axis=0), dosages.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    return (dosages - means) / scales, means, scales


def _mean_alone(dosages: Values, values: Values) -> LinearModel:
    mean = float(values.mean()) if len(values) else 0.0
    return LinearModel(np.zeros(dosages.shape[1]), mean, float("nan"))
