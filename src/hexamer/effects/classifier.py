"""Supervised variant effects: labelled variants in, calibrated probabilities out.

A logistic regression on what the frozen encoder says of both alleles. Folds are whole contigs (the paper: five groups
of chromosomes) or blocks of them; what is reported of a variant comes from a regression that was fitted, tuned and
calibrated without the variant's fold.

Source: fine-tuned prioritisation of Dalla-Torre et al. (2025), section on variants; how the two alleles are presented
is not published and is our choice. Not here: the regression itself (`regression`), fine-tuning the encoder (`tuned`),
metrics with intervals (`evaluate`).
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
from hexamer.effects.regression import Regression, check_classes, fit_regression, predict_nested
from hexamer.effects.score import ScoreSettings
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.genome.lines import excerpt
from hexamer.genome.splits import check_folds
from hexamer.manifest import STRICT, make_settings, package_versions, write_atomically
from hexamer.model import NucleotideTransformer
from hexamer.model.checkpoint import describe_origin

CLASSIFIER = "classifier.json"
"""File that tells a folder of a classifier."""

FORMAT = "hexamer variant classifier 2"
_WEIGHTS = "classifier.safetensors"
_ARRAYS, _NUMBERS = ("mean", "scale", "weights"), ("bias", "slope", "intercept")


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
    origin : dict
        `source` and checksums of the encoder that the features come from.
    regression : Regression
    positives : float
        Share of the positive class among the variants that it was trained on: what its probabilities are about.
    """

    settings: ClassifierSettings
    origin: dict[str, Any]
    regression: Regression
    positives: float

    def predict(self, features: Features) -> Matrix:
        """Calibrated probability [N] of the positive class; NaN where there is a reason."""
        return self.regression.predict(features.matrix(self.settings.features))

    def save(self, folder: str | Path) -> None:
        """Write `classifier.json` and `classifier.safetensors`; OutputError if they cannot be written."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        fitted = self.regression._asdict()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CLASSIFIER).unlink(missing_ok=True)  # a kill must not leave old facts beside new weights
        with write_atomically(folder / _WEIGHTS) as temporary:
            save_file({name: fitted[name] for name in _ARRAYS}, temporary)
        facts = {
            "format": FORMAT,
            "settings": asdict(self.settings),
            "encoder": self.origin,
            **{name: fitted[name] for name in _NUMBERS},
            "positives": self.positives,
            "checksum": self.facts["classifier"],
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
            parts: dict[str, Any] = {name: tensors[name].astype(np.float64) for name in _ARRAYS}
            parts |= {name: float(facts[name]) for name in _NUMBERS}
            regression = Regression(**parts)
            found = cls(settings, facts["encoder"], regression, float(facts["positives"]))
            if facts["checksum"] != found.facts["classifier"]:
                raise ValueError("its files are not of one training")
            return found
        except SettingsError:
            raise
        except Exception as problem:  # safetensors has its own kinds
            raise SettingsError(
                f"{folder}: no variant classifier ({one_line(problem)}); hexamer train-variants makes one"
            ) from None

    @property
    def definitions(self) -> dict[str, str]:
        """What the column is."""
        return {"probability": describe_probability(self.positives, self.settings.scores.window)}

    @property
    def facts(self) -> dict[str, str]:
        """What the column depends on: a checksum of the classifier's numbers."""
        digest = hashlib.sha256(json.dumps([asdict(self.settings), self.positives]).encode())
        for part in self.regression:
            digest.update(np.asarray(part, dtype=np.float64).tobytes())
        return {"classifier": digest.hexdigest()[:16]}

    def columns(
        self,
        model: NucleotideTransformer,
        genome: Genome,
        variants: Sequence[Variant],
        scores: Mapping[str, npt.NDArray[np.float32]],
        settings: ScoreSettings,
    ) -> npt.NDArray[np.float32]:
        """Probability of each variant, float32 [N, 1], read as in training; NaN where there is a reason."""
        features = read_features(model, genome, variants, self.settings.scores)
        return self.predict(features).astype(np.float32)[:, None]

    def check(self, model: NucleotideTransformer, settings: ScoreSettings | None = None) -> None:
        """Raise SettingsError unless the encoder is the one that the features were made with."""
        check_encoder(self.origin, model)


def one_line(problem: Exception) -> str:
    """Say what another library said in one line.

    Parameters
    ----------
    problem : Exception

    Returns
    -------
    str
    """
    return excerpt(" ".join(str(problem).split()), 120)


def check_encoder(origin: Mapping[str, Any], model: NucleotideTransformer) -> None:
    """Raise SettingsError unless a classifier stands on an encoder.

    Parameters
    ----------
    origin : mapping
        Of the classifier.
    model : NucleotideTransformer
        That scores come from.
    """
    pair = origin["files"], describe_origin(model)["files"]
    if pair[0] == pair[1]:
        return
    mine, theirs = (" ".join(digest[:12] for digest in files.values()) or "random weights" for files in pair)
    raise SettingsError(
        f"the classifier was trained on {origin['source']} ({mine}), this is {model.source or 'a model of its own'} "
        f"({theirs}); the same weights would work"
    )


def describe_probability(positives: float, window: int) -> str:
    """Define the column of probabilities.

    Parameters
    ----------
    positives : float
        Share of the positive class in training.
    window : int
        Bases that the classifier reads, which may be fewer than scores are made from.

    Returns
    -------
    str
    """
    return (
        f"Probability of the positive class where {positives:.0%} of variants are positive, as in training; none for "
        f"alleles too long for the window of {window} bases"
    )


def is_classifier(folder: str | Path) -> bool:
    """Say whether a folder holds a saved classifier."""
    return (Path(folder) / CLASSIFIER).is_file()


class Trained(NamedTuple):
    """A classifier, and what it did while parts of the data were held out."""

    classifier: VariantClassifier
    probabilities: Matrix
    """[N], each by a regression that was fitted and calibrated without the variant's fold; NaN without features."""
    ablation: dict[str, Matrix]
    """The same with other families: "only X", "without X"."""
    strength: float
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
    labels : bool array [N]
        True for the positive class.
    chroms, starts : sequences [N]
        Places, 0-based.
    folds : int array [N]
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
    groups, truth = folds[known], labels[known]

    def held_out(families: Sequence[str]) -> Matrix:
        found = np.full(len(labels), np.nan)
        found[known] = predict_nested(features.matrix(families)[known], truth, groups)
        return found

    ablation = {}
    for name in settings.features if len(settings.features) > 1 else ():
        ablation[f"only {name}"] = held_out((name,))
        ablation[f"without {name}"] = held_out([other for other in settings.features if other != name])
    regression, strength = fit_regression(features.matrix(settings.features)[known], truth, groups)
    classifier = VariantClassifier(settings, describe_origin(model), regression, float(truth.mean()))
    return Trained(classifier, held_out(settings.features), ablation, strength)
