"""What a head's outputs mean: their loss, the predictions they turn into, and how good those are.

A target is a frozen record that can be written beside a model. Letters: N examples, C classes, O outputs.
Sources: cross-entropy and MCC for the 18 tasks, 50 bins whose expectation is the value for enhancer activity, positives
weighted 8 times for chromatin profiles, classes of every base for splicing: Dalla-Torre et al. (2025), Methods.
Not here: the layers of a head (`hexamer.model.heads`), the loop (`fitting`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeVar, get_args

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
class Target:
    """What is predicted.

    Raises
    ------
    SettingsError
        If there is no name, or one twice.
    """

    __pydantic_config__ = STRICT
    kind: ClassVar[Kind]

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

    def fitted(self: "T", targets: npt.ArrayLike) -> "T":
        """Give the record for training on some targets: what is learnt of them alone (classes' weights, scales)."""
        return self

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each example, float32 [B]."""
        raise NotImplementedError

    def predictions(self, outputs: Tensor) -> Tensor:
        """Probabilities or values of outputs."""
        raise NotImplementedError

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """How good predictions are, higher is better; NaN where that cannot be said."""
        raise NotImplementedError


T = TypeVar("T", bound=Target)


@dataclass(frozen=True, kw_only=True)
class ClassTarget(Target):
    """One of several classes: softmax and cross-entropy; MCC.

    Targets are class numbers, int64 [N]; predictions probabilities [N, C].
    """

    kind: ClassVar[Kind] = "classes"

    balanced: bool = False
    """Weigh classes so that all count alike."""
    weights: tuple[float, ...] = ()
    """Of the classes; found in training."""

    def fitted(self, targets: npt.ArrayLike) -> "ClassTarget":
        """Find the weights of classes, if they are to count alike."""
        counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=len(self.names))
        if not self.balanced:
            return self
        weights = counts.sum() / np.maximum(counts, 1) / (counts > 0).sum()
        return replace(self, weights=tuple(weights.tolist()))

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each example in nats, float32 [B]."""
        found = F.cross_entropy(outputs.float(), targets.long().flatten(), reduction="none")
        return found * outputs.new_tensor(self.weights)[targets.long().flatten()] if self.weights else found

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

    positive_weight: float = 8.0
    """Of a positive against a negative: 8 in the paper's chromatin profiles."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each example, the mean over its known labels, float32 [B]."""
        known = ~targets.isnan()
        weight = outputs.new_tensor(self.positive_weight)
        each = F.binary_cross_entropy_with_logits(
            outputs.float(), targets.nan_to_num(), pos_weight=weight, reduction="none"
        )
        return (each * known).sum(-1) / known.sum(-1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Probabilities [B, O]; positives being weighted, they are too high, in the right order."""
        return outputs.float().sigmoid()

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean AUROC over the labels that have both classes."""
        return _mean_over_columns(auroc, targets, predictions)


@dataclass(frozen=True, kw_only=True)
class ValueTarget(Target):
    """Numbers: mean squared error of standardised values; mean Pearson r.

    Targets and predictions are float32 [N, O]; NaN where unknown.
    """

    kind: ClassVar[Kind] = "values"

    means: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    """Mean and standard deviation of each output; found in training."""

    def fitted(self, targets: npt.ArrayLike) -> "ValueTarget":
        """Find means and scales."""
        values = np.asarray(targets, dtype=np.float64)
        scales = np.nanstd(values, axis=0)
        return replace(
            self, means=tuple(np.nanmean(values, axis=0).tolist()), scales=tuple(np.where(scales > 0, scales, 1.0))
        )

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error of each example, the mean over its known values, float32 [B]."""
        wanted = (targets - outputs.new_tensor(self.means)) / outputs.new_tensor(self.scales)
        known = ~targets.isnan()
        return ((outputs.float() - wanted.nan_to_num()).square() * known).sum(-1) / known.sum(-1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Values [B, O]."""
        return outputs.float() * outputs.new_tensor(self.scales) + outputs.new_tensor(self.means)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean Pearson correlation over outputs."""
        return _mean_over_columns(pearson, targets, predictions)


@dataclass(frozen=True, kw_only=True)
class BinTarget(Target):
    """Numbers as the paper's enhancer activity: classes of evenly spaced values, and their expectation.

    Targets and predictions are float32 [N, O]; NaN where unknown.
    """

    kind: ClassVar[Kind] = "bins"

    bins: int = BINS
    """Values that a number is rounded to: 50 in the paper."""
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    """First and last of the values, of each output; found in training."""

    @property
    def outputs(self) -> int:
        """Numbers that a head gives for a sequence."""
        return len(self.names) * self.bins

    def fitted(self, targets: npt.ArrayLike) -> "BinTarget":
        """Find the ranges."""
        values = np.asarray(targets, dtype=np.float64)
        return replace(
            self, lows=tuple(np.nanmin(values, axis=0).tolist()), highs=tuple(np.nanmax(values, axis=0).tolist())
        )

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each example in nats, the mean over its known values, float32 [B]."""
        lows, highs = outputs.new_tensor(self.lows), outputs.new_tensor(self.highs)
        known = ~targets.isnan()
        share = (targets.nan_to_num() - lows) / (highs - lows).clamp(min=1e-12)
        bins = (share * (self.bins - 1)).round().long().clamp(0, self.bins - 1)
        each = F.cross_entropy(outputs.float().unflatten(-1, (-1, self.bins)).transpose(1, 2), bins, reduction="none")
        return (each * known).sum(-1) / known.sum(-1).clamp(min=1)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Values [B, O]: the bins' expectation."""
        lows, highs = outputs.new_tensor(self.lows), outputs.new_tensor(self.highs)
        centres = torch.linspace(0, 1, self.bins, device=outputs.device)
        shares = outputs.float().unflatten(-1, (-1, self.bins)).softmax(-1) @ centres
        return lows + shares * (highs - lows)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean Pearson correlation over outputs."""
        return _mean_over_columns(pearson, targets, predictions)


@dataclass(frozen=True, kw_only=True)
class BaseTarget(ClassTarget):
    """One of several classes for every base, the first of which is "none": cross-entropy; mean AUPRC of the others.

    Targets are class numbers, int64 [N, bases], -100 where there is none; predictions probabilities [N, bases, C].
    """

    kind: ClassVar[Kind] = "bases"

    def fitted(self, targets: npt.ArrayLike) -> "BaseTarget":
        """Find the weights of classes, if they are to count alike."""
        flat = np.asarray(targets, dtype=np.int64).ravel()
        found = super().fitted(flat[flat != NO_CLASS])
        assert isinstance(found, BaseTarget)
        return found

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each base in nats, float32, the targets' shape; 0 where there is no class."""
        weight = outputs.new_tensor(self.weights) if self.weights else None
        flat = F.cross_entropy(
            outputs.float().flatten(0, -2), targets.long().flatten(), weight, ignore_index=NO_CLASS, reduction="none"
        )
        return flat.reshape(targets.shape)

    def score(self, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
        """Mean area under the precision-recall curve over all classes but the first."""
        classes, chances = np.asarray(targets).ravel(), np.asarray(predictions)
        known = classes != NO_CLASS
        chances = chances.reshape(-1, len(self.names))[known]
        found = [auprc(classes[known] == number, chances[:, number]) for number in range(1, len(self.names))]
        return float(np.mean(found))


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


def _mean_over_columns(statistic: Callable[..., float], targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Mean of a statistic over outputs, each where its target is known; outputs without a value are left out."""
    wanted, found = (np.asarray(part, dtype=np.float64) for part in (targets, predictions))
    if wanted.shape != found.shape:
        raise InputError(f"targets of shape {wanted.shape} and predictions of {found.shape}; the same would work")
    known = ~np.isnan(wanted)
    each = [statistic(wanted[known[:, i], i], found[known[:, i], i]) for i in range(wanted.shape[1])]
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")
