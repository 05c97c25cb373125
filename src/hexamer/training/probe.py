"""Probing: how much a frozen encoder knows, layer by layer.

A simple model is fitted on mean token vectors: logistic regression, a multi-layer perceptron, or of values ridge
regression. Its settings and the layer are chosen on validation sequences; the test sequences are looked at once, by
every layer's chosen model, and never choose anything. Vectors are standardised with the training sequences' means.
Source: Dalla-Torre et al. (2025), Methods: logistic regression and MLPs of up to two hidden layers, searched by TPE;
the search space is not published, ours is a small grid. Not here: the vectors (`hexamer.embeddings.layers`).
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError, SettingsError
from hexamer.manifest import STRICT
from hexamer.training.scores import resample_score
from hexamer.training.targets import Target

METHODS = ("logistic", "ridge", "mlp")
"""Simple models: logistic regression (of classes and labels), ridge regression (of values), perceptrons (of all)."""
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths C of logistic regression that are tried; for ridge, penalties are 1 / C."""
PERCEPTRONS = (((128,), 1e-2), ((128,), 1.0), ((128, 64), 1e-1))
"""Hidden layers and L2 penalties of perceptrons that are tried."""

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """What is fitted.

    Raises
    ------
    SettingsError
        If a method does not exist.
    """

    __pydantic_config__ = STRICT

    methods: tuple[str, ...] = ("logistic",)
    """Names out of `METHODS`; where a target has values, logistic means ridge."""
    layers: tuple[int, ...] = ()
    """Layers, -1 the last; all if empty."""
    seed: int = 0
    """Of perceptrons."""

    def __post_init__(self) -> None:
        wrong = [name for name in self.methods if name not in METHODS]
        if wrong or not self.methods:
            raise SettingsError(f"methods {', '.join(wrong) or 'none'}; {', '.join(METHODS)} would work")


class Split(NamedTuple):
    """Rows of the vectors by what they are for."""

    train: Rows
    validation: Rows
    test: Rows


class Probed(NamedTuple):
    """What the probes found."""

    table: pd.DataFrame
    """A row for each layer and method: `layer`, `method`, `setting`, `validation`, `test` (the target's score), with
    intervals `low` and `high` (the 95 % bootstrap interval of `test`)."""
    layer: int
    """The layer that did best on the validation rows."""
    method: str
    validation: float
    test: float
    predictions: npt.NDArray[Any]
    """Of the best, for the test rows: [test rows, ...], as the target's predictions."""


def probe(
    vectors: Vectors,
    targets: npt.NDArray[Any],
    split: Split,
    target: Target,
    *,
    settings: ProbeSettings | None = None,
    intervals: bool = False,
    advance: Callable[[int], None] | None = None,
) -> Probed:
    """Fit probes on every layer.

    Parameters
    ----------
    vectors : float32 array [N, layers, D]
        As from `embed_layers`.
    targets : array [N] or [N, O]
        As the target wants them.
    split : Split
        Rows to fit on, to choose by, and to report.
    target : Target
        "classes", "labels", "values" or "bins" (fitted as values).
    settings : ProbeSettings, optional
    intervals : bool
        Whether to draw the test rows again for each layer.
    advance : callable, optional
        Called with 1 for each layer and method that is done.

    Returns
    -------
    Probed

    Raises
    ------
    SettingsError
        If a layer does not exist, or the target is of bases.
    InputError
        If targets to fit on, or to choose by, are not as the target wants them, or all alike.
    """
    settings = settings or ProbeSettings()
    if target.kind == "bases":
        raise SettingsError("probe: classes of bases need a fine-tuned head; hexamer finetune would work")
    count = vectors.shape[1]
    if not all(-count <= layer < count for layer in settings.layers):
        raise SettingsError(f"layers {settings.layers}: the model has 0 to {count - 1}")
    for name, rows in (("train", split.train), ("validation", split.validation)):
        try:
            target.check(targets[rows])
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    if target.kind != "classes":
        unknown = np.isnan(np.asarray(targets, dtype=np.float64)[split.train]).all(axis=0)
        if unknown.any():
            name = target.names[int(unknown.argmax())]
            raise InputError(f"train: no target of {name} is known; one or more would work")
    methods = list(dict.fromkeys(_simple(method, target) for method in settings.methods))
    layers = [layer % count for layer in settings.layers] or list(range(count))
    told: list[dict[str, Any]] = []
    best: tuple[float, dict[str, Any], npt.NDArray[Any]] | None = None
    for layer in layers:
        x = standardise(vectors[:, layer], split.train)
        for method in methods:
            setting, validation, model = _choose(x, targets, split, target, method, settings.seed)
            found = predict(model, x[split.test], target)
            row = {"layer": layer, "method": method, "setting": setting, "validation": validation}
            told.append(row | {"test": target.score(targets[split.test], found)})
            if intervals:
                drawn = resample_score(target, targets[split.test], found).interval()
                told[-1] |= {"low": drawn.low, "high": drawn.high}
            if best is None or is_better(validation, best[0]):
                best = validation, told[-1], found
            if advance:
                advance(1)
    assert best is not None
    chosen = best[1]
    return Probed(pd.DataFrame(told), chosen["layer"], chosen["method"], best[0], chosen["test"], best[2])


def _simple(method: str, target: Target) -> str:
    """Name a simple model by what it is for the target: values have ridge, all others logistic regression."""
    if method == "mlp":
        return method
    return "ridge" if target.kind in ("values", "bins") else "logistic"


def is_better(score: float, best: float) -> bool:
    """Say whether a score beats another; any number beats NaN.

    Parameters
    ----------
    score, best : float

    Returns
    -------
    bool
    """
    return score > best or (math.isnan(best) and not math.isnan(score))


def standardise(vectors: Vectors, train: Rows) -> Vectors:
    """Give vectors [N, D] mean 0 and variance 1 over the training rows."""
    mean, scale = vectors[train].mean(0), vectors[train].std(0)
    return (vectors - mean) / np.where(scale > 0, scale, 1)


def predict(model: Any, x: Any, target: Target) -> npt.NDArray[Any]:
    """Predictions of a fitted model, as those of the target; classes that it never saw have probability 0."""
    if target.kind in ("values", "bins"):
        parts = [each.predict(x) for each in model] if isinstance(model, list) else [model.predict(x)]
        found = np.stack(parts, axis=1) if isinstance(model, list) else np.asarray(parts[0])
        return found.astype(np.float32).reshape(x.shape[0], -1)
    if target.kind == "labels":
        return np.stack([each.predict_proba(x)[:, -1] for each in model], axis=1).astype(np.float32)
    whole = np.zeros((x.shape[0], len(target.names)), dtype=np.float32)
    whole[:, model.classes_.astype(int)] = model.predict_proba(x)
    return whole


def _choose(
    x: Vectors, targets: npt.NDArray[Any], split: Split, target: Target, method: str, seed: int
) -> tuple[str, float, Any]:
    """Find the setting that does best on the validation rows: its name, score and model."""
    best: tuple[str, float, Any] | None = None
    for name, make in _candidates(target, method, seed):
        model = fit_simple(make, x[split.train], targets[split.train], target)
        score = target.score(targets[split.validation], predict(model, x[split.validation], target))
        if best is None or is_better(score, best[1]):
            best = name, score, model
    assert best is not None
    return best


def _candidates(target: Target, method: str, seed: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name and maker of each model that is tried."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    of_values = target.kind in ("values", "bins")
    if method == "mlp":
        make = MLPRegressor if of_values else MLPClassifier
        for hidden, alpha in PERCEPTRONS:
            options: Mapping[str, Any] = {"hidden_layer_sizes": hidden, "alpha": alpha, "random_state": seed}
            perceptron = _maker(make, **options, early_stopping=True, max_iter=200)
            yield f"{hidden}, L2 {alpha:g}", _of_any_scale(perceptron) if of_values else perceptron
        return
    for penalty in PENALTIES:
        if of_values:
            yield f"L2 {1 / penalty:g}", _maker(Ridge, alpha=1 / penalty)
        else:
            yield f"C {penalty:g}", _maker(LogisticRegression, C=penalty, max_iter=500)


def _of_any_scale(make: Callable[[], Any]) -> Callable[[], Any]:
    """Let a regression learn standardised values, and say them as they were."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return lambda: TransformedTargetRegressor(regressor=make(), transformer=StandardScaler())


def _maker(make: Callable[..., Any], **options: Any) -> Callable[[], Any]:
    return lambda: make(**options)


def fit_simple(make: Callable[[], Any], x: Any, targets: npt.NDArray[Any], target: Target) -> Any:
    """Fit one model of scikit-learn, or a list of one for each output on the rows where it is known.

    Parameters
    ----------
    make : callable
        Makes a model.
    x : float array or sparse matrix [N, D]
    targets : array [N] or [N, O]
    target : Target

    Returns
    -------
    model or list of models
        For `predict`.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # such a model is judged by its score as any other
        if target.kind == "labels":
            return [_fit_label(make, x, column) for column in np.asarray(targets).T]
        y = np.asarray(targets)
        if target.kind not in ("values", "bins"):
            return _fit(make, x, y)
        known = np.isfinite(y)
        if known.all():
            return _fit(make, x, y if y.shape[1] > 1 else y[:, 0])
        return [_fit(make, x[rows], column[rows]) for column, rows in zip(y.T, known.T, strict=True)]


def _fit_label(make: Callable[[], Any], x: Any, column: npt.NDArray[Any]) -> Any:
    from sklearn.dummy import DummyClassifier

    known = np.isfinite(column)
    if len(np.unique(column[known])) < 2:
        return DummyClassifier().fit(x[[0, 0]], [0, 1])  # 0.5 for all
    return _fit(make, x[known], column[known].astype(int))


def _fit(make: Callable[[], Any], x: Any, y: npt.NDArray[Any]) -> Any:
    """Fit a model; a perceptron of too few rows to hold some out, or of a class with one row, trains to its end."""
    model = make()
    perceptron = getattr(model, "regressor", model)
    if getattr(perceptron, "early_stopping", False):
        counts = [2, 2] if y.dtype.kind == "f" else np.unique(y, return_counts=True)[1]
        if min(counts) < 2 or math.ceil(perceptron.validation_fraction * len(y)) < len(counts):
            perceptron.set_params(early_stopping=False)
    return model.fit(x, y)
