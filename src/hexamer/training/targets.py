"""What a head's outputs mean: their loss, the predictions they turn into, and how good those are.

A target is a frozen record that can be written beside a model. Letters: N examples, C classes, O outputs.
Sources: cross-entropy and MCC for the 18 tasks, 50 bins whose expectation is the value for enhancer activity, positives
weighted 8 times for chromatin profiles, classes of every base for splicing: Dalla-Torre et al. (2025), Methods.
Not here: the layers of a head (`hexamer.model.heads`), the loop (`fitting`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hexamer.errors import InputError, SettingsError
from hexamer.manifest import STRICT
from hexamer.metrics import auprc, auroc, mcc, pearson

Kind = Literal["classes", "labels", "values", "bins", "bases"]
Numbers = npt.NDArray[np.float64]
NO_CLASS = -100
"""Class of a base that nobody knows, or that is not there."""
BINS = 50


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """What is predicted.

    Raises
    ------
    SettingsError
        If there is no name, or one twice.
    """

    __pydantic_config__ = STRICT
    kind: ClassVar[Kind]
    metric: ClassVar[str]
    """What `score` gives."""

    names: tuple[str, ...]
    """Of the classes, or of the outputs."""

    def __post_init__(self) -> None:
        least = 2 if self.kind in ("classes", "bases") else 1
        if len(set(self.names)) < max(least, len(self.names)):
            raise SettingsError(
                f"{self.kind} {', '.join(self.names) or 'without names'}; {least} or more names, each once, would work"
            )

    @property
    def outputs(self) -> int:
        """How many numbers a head gives, for a sequence or a base."""
        return len(self.names)

    def check(self, targets: npt.ArrayLike) -> npt.NDArray[Any]:
        """Give targets in the type that they are learnt in; InputError unless they are of this kind and differ."""
        width, found = len(self.names), np.asarray(targets)
        if found.ndim != 2 or found.shape[1] != width or found.dtype.kind not in "biuf":
            raise InputError(f"{_told(self.kind, found)}; numbers [N, {width}], NaN where unknown, would work")
        with np.errstate(over="ignore"):
            found = found.astype(np.float32)
        if wrong := int(np.isinf(found).sum()):
            raise InputError(
                f"{self.kind}: {wrong:,} of {found.size:,} targets are infinite; NaN where unknown would work"
            )
        if not len(found) or not (np.fmin.reduce(found) < np.fmax.reduce(found)).any():
            raise InputError(f"{self.kind}: all known targets are alike, or none is known; two that differ would work")
        return found

    def fitted(self: "T", targets: npt.ArrayLike) -> "T":
        """Give the record for training on some targets: what is learnt of them alone (classes' weights, scales)."""
        return self

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each example, float32 [B]."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """Probabilities or values of outputs."""

    @abstractmethod
    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """How good predictions are, higher is better; NaN where that cannot be said."""


T = TypeVar("T", bound=Target)


@dataclass(frozen=True, kw_only=True)
class ClassTarget(Target):
    """One of several classes: softmax and cross-entropy; MCC.

    Targets are class numbers, int64 [N]; predictions probabilities [N, C].
    """

    kind: ClassVar[Kind] = "classes"
    metric: ClassVar[str] = "MCC"

    balanced: bool = False
    """Weigh classes so that all count alike."""
    weights: tuple[float, ...] = ()
    """Of the classes; found in training."""

    def check(self, targets: npt.ArrayLike) -> npt.NDArray[Any]:
        """Give class numbers, int64 [N]; InputError unless they are some, of two classes or more."""
        return self._check_classes(targets, 1, f"whole numbers [N] from 0 to {len(self.names) - 1}")

    def _check_classes(self, targets: npt.ArrayLike, axes: int, wanted: str) -> npt.NDArray[np.int64]:
        found, classes = np.asarray(targets), np.arange(len(self.names))
        if found.ndim != axes or found.dtype.kind not in "biuf":
            raise InputError(f"{_told(self.kind, found)}; {wanted} would work")
        known = found[found != NO_CLASS] if axes > 1 else found
        if len(wrong := known[~np.isin(known, classes)]):
            raise InputError(
                f"{self.kind}: {len(wrong):,} of {len(known):,} targets are no class: {wrong[0]}; {wanted} would work"
            )
        if (np.bincount(known.astype(np.int64), minlength=2) > 0).sum() < 2:
            raise InputError(f"{self.kind}: all known targets are of one class; two classes or more would work")
        return found.astype(np.int64)

    def fitted(self, targets: npt.ArrayLike) -> "ClassTarget":
        """Find the weights of classes, if they are to count alike."""
        if not self.balanced:
            return self
        counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=len(self.names))
        weights = counts.sum() / np.maximum(counts, 1) / (counts > 0).sum()
        return replace(self, weights=tuple(weights.tolist()))

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each example in nats, float32 [B]."""
        outputs, targets = outputs.float(), targets.long()
        found = F.cross_entropy(outputs, targets, reduction="none")
        return found * outputs.new_tensor(self.weights)[targets] if self.weights else found

    def predictions(self, outputs: Tensor) -> Tensor:
        """Probabilities [B, C]."""
        return outputs.float().softmax(-1)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Matthews correlation of the most probable class."""
        return mcc(np.asarray(targets), np.asarray(predictions).argmax(-1))


@dataclass(frozen=True, kw_only=True)
class LabelTarget(Target):
    """Several labels, each yes or no: sigmoid and cross-entropy; mean AUROC.

    Targets are 0 and 1, NaN where unknown, float32 [N, O]; predictions probabilities [N, O].
    """

    kind: ClassVar[Kind] = "labels"
    metric: ClassVar[str] = "mean AUROC"

    positive_weight: float = 8.0
    """Of a positive against a negative: 8 in the paper's chromatin profiles."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.positive_weight < math.inf:
            raise SettingsError(f"positive_weight {self.positive_weight}; above 0 would work")

    def check(self, targets: npt.ArrayLike) -> npt.NDArray[Any]:
        """Give labels, float32 [N, O]; InputError unless they are some, of which one has both classes."""
        found = super().check(targets)
        if wrong := int((~np.isin(found, (0, 1)) & ~np.isnan(found)).sum()):
            raise InputError(f"labels: {wrong:,} of {found.size:,} targets are neither 0, 1 nor NaN; those would work")
        return found

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each example, the mean over its known labels, float32 [B]."""
        outputs, known = outputs.float(), ~targets.isnan()
        weight = outputs.new_tensor(self.positive_weight)
        each = F.binary_cross_entropy_with_logits(outputs, targets.nan_to_num(), pos_weight=weight, reduction="none")
        return (each * known).sum(-1) / known.sum(-1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Probabilities [B, O]; positives being weighted, they are too high, in the right order."""
        return outputs.float().sigmoid()

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean AUROC over the labels that have both classes."""
        return mean_over_outputs(auroc, targets, predictions)


@dataclass(frozen=True, kw_only=True)
class ValueTarget(Target):
    """Numbers: mean squared error of standardised values; mean Pearson r.

    Targets and predictions are float32 [N, O]; NaN where unknown.
    """

    kind: ClassVar[Kind] = "values"
    metric: ClassVar[str] = "mean Pearson r"

    means: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    """Mean and standard deviation of each output; found in training."""

    def fitted(self, targets: npt.ArrayLike) -> "ValueTarget":
        """Find means and scales; InputError if no value of an output is known."""
        values = _known_values(self, targets)
        means, scales = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return replace(self, means=tuple(means.tolist()), scales=tuple(np.where(scales > 0, scales, 1.0).tolist()))

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error of each example, the mean over its known values, float32 [B]."""
        outputs, known = outputs.float(), ~targets.isnan()
        wanted = (targets - outputs.new_tensor(self.means)) / outputs.new_tensor(self.scales)
        return ((outputs - wanted.nan_to_num()).square() * known).sum(-1) / known.sum(-1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Values [B, O]."""
        outputs = outputs.float()
        return outputs * outputs.new_tensor(self.scales) + outputs.new_tensor(self.means)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean Pearson correlation over outputs."""
        return mean_over_outputs(pearson, targets, predictions)


@dataclass(frozen=True, kw_only=True)
class BinTarget(Target):
    """Numbers as the paper's enhancer activity: classes of evenly spaced values, and their expectation.

    Targets and predictions are float32 [N, O]; NaN where unknown.
    """

    kind: ClassVar[Kind] = "bins"
    metric: ClassVar[str] = "mean Pearson r"

    bins: int = BINS
    """Values that a number is rounded to: 50 in the paper."""
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    """First and last of the values, of each output; found in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins < 2:
            raise SettingsError(f"{self.bins} bins; 2 or more would work")

    @property
    def outputs(self) -> int:
        """Numbers that a head gives for a sequence."""
        return len(self.names) * self.bins

    def fitted(self, targets: npt.ArrayLike) -> "BinTarget":
        """Find the ranges; InputError if no value of an output is known."""
        values = _known_values(self, targets)
        lows, highs = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        return replace(self, lows=tuple(lows.tolist()), highs=tuple(highs.tolist()))

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each example in nats, the mean over its known values, float32 [B]."""
        outputs, known = outputs.float(), ~targets.isnan()
        lows, highs = outputs.new_tensor(self.lows), outputs.new_tensor(self.highs)
        share = (targets.nan_to_num() - lows) / (highs - lows).clamp(min=1e-12)
        bins = (share * (self.bins - 1)).round().long().clamp(0, self.bins - 1)
        each = F.cross_entropy(outputs.unflatten(-1, (-1, self.bins)).transpose(1, 2), bins, reduction="none")
        return (each * known).sum(-1) / known.sum(-1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Values [B, O]: the bins' expectation."""
        outputs = outputs.float()
        lows, highs = outputs.new_tensor(self.lows), outputs.new_tensor(self.highs)
        centres = torch.linspace(0, 1, self.bins, device=outputs.device)
        shares = outputs.unflatten(-1, (-1, self.bins)).softmax(-1) @ centres
        return lows + shares * (highs - lows)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean Pearson correlation over outputs."""
        return mean_over_outputs(pearson, targets, predictions)


@dataclass(frozen=True, kw_only=True)
class BaseTarget(ClassTarget):
    """One of several classes for every base, the first of which is "none": cross-entropy; mean AUPRC of the others.

    Targets are class numbers, int64 [N, bases], -100 where there is none; predictions probabilities [N, bases, C].
    """

    kind: ClassVar[Kind] = "bases"
    metric: ClassVar[str] = "mean AUPRC"

    def check(self, targets: npt.ArrayLike) -> npt.NDArray[Any]:
        """Give class numbers, int64 [N, bases]; InputError unless they are some, of two classes or more."""
        wanted = f"whole numbers [N, bases] from 0 to {len(self.names) - 1}, or {NO_CLASS} where there is none,"
        return self._check_classes(targets, 2, wanted)

    def fitted(self, targets: npt.ArrayLike) -> "BaseTarget":
        """Find the weights of classes, if they are to count alike."""
        flat = np.asarray(targets, dtype=np.int64).ravel()
        found = super().fitted(flat[flat != NO_CLASS])
        assert isinstance(found, BaseTarget)
        return found

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each base in nats, float32, the targets' shape; 0 where there is no class."""
        outputs = outputs.float()
        weight = outputs.new_tensor(self.weights) if self.weights else None
        flat = F.cross_entropy(
            outputs.flatten(0, -2), targets.long().flatten(), weight, ignore_index=NO_CLASS, reduction="none"
        )
        return flat.reshape(targets.shape)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean area under the precision-recall curve over the classes that occur, but the first."""
        classes, chances = np.asarray(targets).ravel(), np.asarray(predictions)
        known = classes != NO_CLASS
        chances = chances.reshape(-1, len(self.names))[known]
        found = [auprc(classes[known] == number, chances[:, number]) for number in range(1, len(self.names))]
        return mean_of_known(found)


TARGETS: dict[str, type[Target]] = {
    target.kind: target for target in (ClassTarget, LabelTarget, ValueTarget, BinTarget, BaseTarget)
}
"""Kinds of targets by name."""


def make_target(kind: str, names: tuple[str, ...], **values: object) -> Target:
    """Make a target of a kind.

    Parameters
    ----------
    kind : str
        A key of `TARGETS`.
    names : tuple of str
    **values
        Other fields of the kind.

    Returns
    -------
    Target

    Raises
    ------
    SettingsError
        If there is no such kind.

    Examples
    --------
    >>> make_target("classes", ("none", "promoter")).outputs
    2
    """
    if kind not in TARGETS:
        raise SettingsError(f"target {kind!r} is unknown; {', '.join(get_args(Kind))} would work")
    return TARGETS[kind](names=names, **values)


def mean_over_outputs(statistic: Callable[..., float], targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Mean of a statistic over outputs, each where its target is known; outputs without a value are left out."""
    wanted, found = (np.asarray(part, dtype=np.float64) for part in (targets, predictions))
    if wanted.shape != found.shape:
        raise InputError(f"targets of shape {wanted.shape} and predictions of {found.shape}; the same would work")
    known = ~np.isnan(wanted)
    each = [statistic(wanted[known[:, i], i], found[known[:, i], i]) for i in range(wanted.shape[1])]
    return mean_of_known(each)


def mean_of_known(statistics: list[float]) -> float:
    """Mean of those that are a number; NaN if there is none."""
    return float(np.nanmean(statistics)) if np.isfinite(statistics).any() else float("nan")


def _known_values(target: Target, targets: npt.ArrayLike) -> Numbers:
    """Give values [N, O] of which some are known of each output."""
    values = np.asarray(targets, dtype=np.float64)
    if len(nowhere := np.flatnonzero(np.isnan(values).all(axis=0))):
        raise InputError(f"{target.kind}: no value of {target.names[nowhere[0]]} is known; one or more would work")
    return values


def _told(kind: str, targets: npt.NDArray[Any]) -> str:
    return f"{kind}: targets of shape {targets.shape} and type {targets.dtype}"
