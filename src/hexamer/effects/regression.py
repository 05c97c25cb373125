"""Calibrated logistic regression in nested folds: what an honest probability takes, on any numbers.

In nested folds nothing that is said of a row has seen the row's fold: the penalty is chosen, the regression fitted and
its decisions turned into probabilities within the other folds. Not here: what the numbers are (`features`).
Source: Platt (1999) for the calibration; stratified weights so that both classes count alike.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.effects.features import Matrix
from hexamer.errors import SettingsError

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the penalty (scikit-learn's C) that are tried."""

Labels = npt.NDArray[np.bool_]


class Regression(NamedTuple):
    """A calibrated regression.

    The decision is a weighted sum of standardised features, above 0 more likely positive; the probability that of
    slope x decision + intercept, as a logit.
    """

    mean: Matrix
    """Of each feature in training, [n]."""
    scale: Matrix
    """Standard deviation of each feature in training, [n]; 1 where it was 0."""
    weights: Matrix
    """[n]."""
    bias: float
    slope: float
    intercept: float

    def decide(self, features: Matrix) -> Matrix:
        """Decision [N] of features [N, n]; NaN stays NaN. A row's last bit does not depend on the others."""
        found: Matrix = ((features - self.mean) / self.scale * self.weights).sum(axis=1) + self.bias
        return found

    def predict(self, features: Matrix) -> Matrix:
        """Probability [N] of the positive class."""
        return sigmoid(self.slope * self.decide(features) + self.intercept)


def fit_regression(x: Matrix, labels: Labels, folds: npt.NDArray[Any]) -> tuple[Regression, float]:
    """Fit a regression on all rows; its penalty and calibration come from rows that are held out fold by fold.

    Parameters
    ----------
    x : float64 array [N, n]
    labels : bool array [N]
    folds : array [N]
        At least two, with both classes in the rest of each.

    Returns
    -------
    Regression
    strength : float
        The C that was chosen.
    """
    strength = _choose_strength(x, labels, folds)
    slope, intercept = fit_platt(_held_out(x, labels, folds, strength), labels)
    return _fit(x, labels, strength)._replace(slope=slope, intercept=intercept), strength


def predict_nested(x: Matrix, labels: Labels, folds: npt.NDArray[Any]) -> Matrix:
    """Probability of each row, by a regression that was fitted within the other folds.

    Parameters
    ----------
    x, labels, folds
        As `fit_regression`; at least three folds.

    Returns
    -------
    float64 array [N]
    """
    found = np.zeros(len(labels))
    for fold in np.unique(folds):
        here = folds == fold
        found[here] = fit_regression(x[~here], labels[~here], folds[~here])[0].predict(x[here])
    return found


def check_classes(labels: Labels, folds: npt.NDArray[Any]) -> None:
    """Raise SettingsError if there are fewer than three folds, or a fold or the rest of it has one class only.

    Parameters
    ----------
    labels : bool array [N]
    folds : array [N]
    """
    names = np.unique(folds)
    if len(names) < 3:
        raise SettingsError(f"{len(names)} folds with variants that have features; 3 or more would work")
    for fold in names:
        for part, where in ((labels[folds == fold], "in"), (labels[folds != fold], "outside")):
            if part.all() or not part.any():
                raise SettingsError(f"one class only {where} fold {fold}; fewer or larger folds would work")


def fit_platt(decisions: Matrix, labels: Labels) -> tuple[float, float]:
    """Find the slope and intercept that make decisions logits: maximum likelihood, hardly any penalty.

    Parameters
    ----------
    decisions : float64 array [N]
        Of rows that the deciding model did not learn from.
    labels : bool array [N]

    Returns
    -------
    slope, intercept : float
    """
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(decisions[:, None], labels)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def sigmoid(logits: Matrix) -> Matrix:
    """Probability of logits, of any shape."""
    found: Matrix = 0.5 * (1 + np.tanh(logits / 2))
    return found


def _fit(x: Matrix, labels: Labels, strength: float) -> Regression:
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    fitted = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000).fit((x - mean) / scale, labels)
    return Regression(mean, scale, fitted.coef_[0].astype(np.float64), float(fitted.intercept_[0]), 1.0, 0.0)


def _held_out(x: Matrix, labels: Labels, folds: npt.NDArray[Any], strength: float) -> Matrix:
    """Decisions of regressions that did not see a row's fold, at one strength."""
    found = np.zeros(len(labels))
    for fold in np.unique(folds):
        here = folds == fold
        found[here] = _fit(x[~here], labels[~here], strength).decide(x[here])
    return found


def _choose_strength(x: Matrix, labels: Labels, folds: npt.NDArray[Any]) -> float:
    """Strength with the lowest log loss while folds are held out, both classes counting alike as in the fit."""
    share = labels.mean()
    weights = np.where(labels, 0.5 / share, 0.5 / (1 - share))

    def loss(strength: float) -> float:
        decisions = _held_out(x, labels, folds, strength)
        return float(np.average(np.logaddexp(0, np.where(labels, -decisions, decisions)), weights=weights))

    return min(STRENGTHS, key=loss)
