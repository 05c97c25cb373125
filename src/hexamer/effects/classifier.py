"""Supervised variant effects: labelled variants in, calibrated probabilities out.

A logistic regression on what the frozen encoder says of both alleles. Folds are whole contigs (the paper: five groups
of chromosomes) or blocks of them, so that neighbours are never divided. What is reported is nested: the penalty of each
fold's regression is chosen within the other folds, and its probabilities are calibrated (Platt 1999) on the decisions
that those got while they were held out themselves.

Source: fine-tuned prioritisation of Dalla-Torre et al. (2025), section on variants; how the two alleles are presented
is not published and is our choice. Not here: fine-tuning the encoder, metrics with intervals (`evaluate`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.effects.features import FAMILIES, Features, Matrix, read_features
from hexamer.effects.score import ScoreSettings
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.genome.splits import check_folds
from hexamer.manifest import STRICT, make_settings, package_versions, write_atomically
from hexamer.model import NucleotideTransformer, describe_model

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the penalty (C) that are tried."""

CLASSIFIER = "classifier.json"
"""File that tells a folder of a classifier."""

_FORMAT, _WEIGHTS = "hexamer variant classifier 1", "classifier.safetensors"


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """What a classifier learns from.

    Raises
    ------
    SettingsError
        If a family does not exist.
    """

    __pydantic_config__ = STRICT

    features: tuple[str, ...] = ("scores", "difference", "reference")
    """Names out of `FAMILIES`."""
    scores: ScoreSettings = field(default_factory=lambda: ScoreSettings(scores=("llr", "cosine", "l2")))
    """How alleles are read."""

    def __post_init__(self) -> None:
        wrong = [name for name in self.features if name not in FAMILIES]
        if wrong or not self.features:
            raise SettingsError(f"features {', '.join(wrong) or 'none'}; {', '.join(FAMILIES)} would work")


@dataclass(frozen=True)
class VariantClassifier:
    """A trained classifier.

    Attributes
    ----------
    settings : ClassifierSettings
    encoder : dict
        `source` and checksums of the weights that the features come from.
    mean, scale, weights : float64 array [n]
        Standardisation of the features, and their weights.
    bias : float
    slope, shift : float
        Calibration: the probability is that of slope x decision + shift, in logits.
    """

    settings: ClassifierSettings
    encoder: dict[str, Any]
    mean: Matrix
    scale: Matrix
    weights: Matrix
    bias: float
    slope: float
    shift: float

    def decide(self, features: Matrix) -> Matrix:
        """Decision [V] of features [V, n]: above 0 more likely positive; NaN stays NaN."""
        found: Matrix = (features - self.mean) / self.scale @ self.weights + self.bias
        return found

    def predict(self, features: Features) -> Matrix:
        """Calibrated probability [V] of the positive class; NaN where there is a reason."""
        return sigmoid(self.slope * self.decide(features.matrix(self.settings.features)) + self.shift)

    def save(self, folder: str | Path) -> None:
        """Write `classifier.json` and `classifier.safetensors`; OutputError if they cannot be written."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        with write_atomically(folder / _WEIGHTS) as temporary:
            save_file({"mean": self.mean, "scale": self.scale, "weights": self.weights}, temporary)
        facts = {
            "format": _FORMAT,
            "settings": asdict(self.settings),
            "encoder": self.encoder,
            "bias": self.bias,
            "slope": self.slope,
            "shift": self.shift,
            "versions": package_versions(),
        }
        with write_atomically(folder / CLASSIFIER) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "VariantClassifier":
        """Read what `save` wrote; SettingsError if it is not there or damaged."""
        from safetensors.numpy import load_file

        folder = Path(folder)
        try:
            facts = json.loads((folder / CLASSIFIER).read_text(encoding="utf-8"))
            tensors = load_file(folder / _WEIGHTS)
            settings = make_settings(ClassifierSettings, facts["settings"], str(folder / CLASSIFIER))
            mean, scale, weights = (tensors[name].astype(np.float64) for name in ("mean", "scale", "weights"))
            bias, slope, shift = (float(facts[name]) for name in ("bias", "slope", "shift"))
        except SettingsError:
            raise
        except Exception as problem:  # safetensors has its own kinds
            raise SettingsError(
                f"{folder}: no variant classifier ({problem}); hexamer train-variants makes one"
            ) from None
        return cls(settings, facts["encoder"], mean, scale, weights, bias, slope, shift)

    @property
    def definitions(self) -> dict[str, str]:
        """What the column is."""
        return {"probability": "Probability of the positive class, by a classifier trained on labelled variants"}

    @property
    def facts(self) -> dict[str, str]:
        """What the column depends on: a checksum of the classifier's numbers."""
        numbers = [*self.mean, *self.scale, *self.weights, self.bias, self.slope, self.shift]
        return {"classifier": hashlib.sha256(np.array(numbers, dtype=np.float64).tobytes()).hexdigest()[:16]}

    def columns(
        self,
        model: NucleotideTransformer,
        genome: Genome,
        variants: Sequence[Variant],
        scores: Mapping[str, npt.NDArray[np.float32]],
        settings: ScoreSettings,
    ) -> npt.NDArray[np.float32]:
        """Probability of each variant, float32 [V, 1], read as in training; NaN where there is a reason."""
        features = read_features(model, genome, variants, self.settings.scores)
        return self.predict(features).astype(np.float32)[:, None]

    def check(self, model: NucleotideTransformer, settings: ScoreSettings | None = None) -> None:
        """Raise SettingsError unless the encoder is the one that the features were made with."""
        if describe_model(model)["files"] != self.encoder["files"]:
            raise SettingsError(f"the classifier was trained on {self.encoder['source']}, this is {model.source}")


def is_classifier(folder: str | Path) -> bool:
    """Whether a folder holds a saved classifier."""
    return (Path(folder) / CLASSIFIER).is_file()


class Trained(NamedTuple):
    """A classifier, and what it did while parts of the data were held out."""

    classifier: VariantClassifier
    probabilities: Matrix
    """[V], out of fold and calibrated out of fold; NaN where a variant has no features."""
    ablation: dict[str, Matrix]
    """Out-of-fold decisions [V] with other families: "only X", "without X"."""
    penalty: float
    """C of the final regression."""


def fit_classifier(
    model: NucleotideTransformer,
    features: Features,
    labels: npt.ArrayLike,
    chroms: Sequence[str],
    starts: npt.ArrayLike,
    folds: npt.ArrayLike,
    *,
    settings: ClassifierSettings | None = None,
) -> Trained:
    """Fit a classifier on features of labelled variants.

    Parameters
    ----------
    model : NucleotideTransformer
        That the features come from.
    features : Features
        As from `read_features`.
    labels : bool array [V]
        True for the positive class.
    chroms, starts : sequences [V]
        Places, 0-based.
    folds : int array [V]
        As from `hexamer.genome.splits`.
    settings : ClassifierSettings, optional

    Returns
    -------
    Trained

    Raises
    ------
    SettingsError
        If a place lies in two folds, there are fewer than three folds, or a fold or the rest of it has one class only.
    """
    settings = settings or ClassifierSettings()
    labels, folds = np.asarray(labels, dtype=bool), np.asarray(folds)
    check_folds(chroms, starts, folds)
    known = np.array([not reason for reason in features.reasons])
    check_classes(labels[known], folds[known])
    x, y, groups = features.matrix(settings.features)[known], labels[known], folds[known]
    decisions = _out_of_fold(x, y, groups)
    slope, shift = fit_platt(decisions, y)
    probabilities = np.full(len(labels), np.nan)
    probabilities[known] = calibrate_held_out(decisions, y, groups)
    ablation = {}
    for name in settings.features if len(settings.features) > 1 else ():
        rest = tuple(other for other in settings.features if other != name)
        for title, families in ((f"only {name}", (name,)), (f"without {name}", rest)):
            ablation[title] = np.full(len(labels), np.nan)
            ablation[title][known] = _out_of_fold(features.matrix(families)[known], y, groups)
    penalty = _choose_penalty(x, y, groups)
    mean, scale, weights, bias = _fit(x, y, penalty)
    facts = describe_model(model)
    encoder = {"source": facts["source"], "files": facts["files"]}
    classifier = VariantClassifier(settings, encoder, mean, scale, weights, bias, slope, shift)
    return Trained(classifier, probabilities, ablation, penalty)


def check_classes(labels: npt.NDArray[np.bool_], folds: npt.NDArray[Any]) -> None:
    """Raise SettingsError if there are fewer than three folds, or a fold or the rest of it has one class only."""
    names = np.unique(folds)
    if len(names) < 3:
        raise SettingsError(f"{len(names)} folds with variants that have features; 3 or more would work")
    for fold in names:
        for part, where in ((labels[folds == fold], "in"), (labels[folds != fold], "outside")):
            if part.all() or not part.any():
                raise SettingsError(f"one class only {where} fold {fold}; fewer or larger folds would work")


def _fit(x: Matrix, y: npt.NDArray[np.bool_], penalty: float) -> tuple[Matrix, Matrix, Matrix, float]:
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    fitted = LogisticRegression(C=penalty, class_weight="balanced", max_iter=2000).fit((x - mean) / scale, y)
    return mean, scale, fitted.coef_[0].astype(np.float64), float(fitted.intercept_[0])


def _held_out(x: Matrix, y: npt.NDArray[np.bool_], folds: npt.NDArray[Any], penalty: float) -> Matrix:
    """Decisions of regressions that did not see a variant's fold, at one penalty."""
    found = np.zeros(len(y))
    for fold in np.unique(folds):
        here = folds == fold
        mean, scale, weights, bias = _fit(x[~here], y[~here], penalty)
        found[here] = (x[here] - mean) / scale @ weights + bias
    return found


def _choose_penalty(x: Matrix, y: npt.NDArray[np.bool_], folds: npt.NDArray[Any]) -> float:
    """Penalty with the lowest log loss while folds are held out."""

    def loss(penalty: float) -> float:
        decisions = _held_out(x, y, folds, penalty)
        return float(np.logaddexp(0, np.where(y, -decisions, decisions)).mean())

    return min(PENALTIES, key=loss)


def _out_of_fold(x: Matrix, y: npt.NDArray[np.bool_], folds: npt.NDArray[Any]) -> Matrix:
    """Decisions of each fold, its penalty chosen within the others."""
    found = np.zeros(len(y))
    for fold in np.unique(folds):
        here = folds == fold
        penalty = _choose_penalty(x[~here], y[~here], folds[~here])
        mean, scale, weights, bias = _fit(x[~here], y[~here], penalty)
        found[here] = (x[here] - mean) / scale @ weights + bias
    return found


def fit_platt(decisions: Matrix, y: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Find the slope and shift that make decisions [V] logits (Platt 1999: maximum likelihood, hardly any penalty)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(decisions[:, None], y)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def calibrate_held_out(decisions: Matrix, y: npt.NDArray[np.bool_], folds: npt.NDArray[Any]) -> Matrix:
    """Probabilities [V] of held-out decisions, each fold's calibrated on the others'."""
    found = np.zeros(len(y))
    for fold in np.unique(folds):
        here = folds == fold
        slope, shift = fit_platt(decisions[~here], y[~here])
        found[here] = sigmoid(slope * decisions[here] + shift)
    return found


def sigmoid(x: Matrix) -> Matrix:
    """Probability of a logit."""
    found: Matrix = 0.5 * (1 + np.tanh(x / 2))
    return found
