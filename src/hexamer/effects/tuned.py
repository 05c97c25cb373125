"""Supervised variant effects by fine-tuning: an encoder that learns from labelled variants what a change does.

Both alleles' windows go through an encoder with an adapter (IA3 as the paper, or LoRA, or all weights); a head reads
the mean over the reference's span, its difference to the altered one, and that without signs. Each fold has an encoder
of its own, trained on the folds but that one and the next, and stopped where it did best on the next. Probabilities are
calibrated as those of `classifier`.

Source: fine-tuned prioritisation of Dalla-Torre et al. (2025); how the two alleles are presented is not published and
is our choice. Not here: classifiers on frozen features (`classifier`), the steps (`hexamer.training.fitting`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.device import run_each
from hexamer.effects.classifier import (
    CLASSIFIER,
    VariantClassifier,
    calibrate_held_out,
    check_classes,
    fit_platt,
    sigmoid,
)
from hexamer.effects.features import Matrix
from hexamer.effects.forwards import Allele
from hexamer.effects.score import ScoreSettings, read_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.genome.splits import check_folds
from hexamer.manifest import STRICT, make_settings, package_versions, write_atomically
from hexamer.metrics import auroc
from hexamer.model import NucleotideTransformer, describe_model, pack
from hexamer.model.adapters import add_adapter, load_trained, save_trained
from hexamer.model.heads import PairHead
from hexamer.training.fitting import FitSettings, Fitted, draw_examples, fit_weights

_HEAD = "head.safetensors"

FORMAT = "hexamer tuned variant classifier 1"


@dataclass(frozen=True, kw_only=True)
class TunedSettings:
    """How an encoder is fine-tuned on variants."""

    __pydantic_config__ = STRICT

    scores: ScoreSettings = field(default_factory=lambda: ScoreSettings(scores=("llr",), window=600))
    """How alleles are read: a step learns from one reading of each of its variants, a probability is of the mean
    decision over all. Shorter windows than for scores, since every step reads them anew."""
    fit: FitSettings = field(default_factory=lambda: FitSettings(steps=1000, evaluate_every=50, patience=6))
    hidden: int = 0
    """Units of the head's inner layer; 0 for none."""


class PairModel(nn.Module):
    """An encoder and a head that reads both alleles of a variant.

    Parameters
    ----------
    encoder : NucleotideTransformer
    hidden : int
        As `PairHead`.
    """

    def __init__(self, encoder: NucleotideTransformer, hidden: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = PairHead(encoder.config.width, hidden=hidden).to(encoder.device)
        self.alleles: list[Allele] = []
        """What batches count: set before training."""

    def forward(self, numbers: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum of the cross-entropy (float32) of numbered alleles [B], and how many are right."""
        decisions = self.decide([self.alleles[number] for number in numbers.tolist()])
        losses = F.binary_cross_entropy_with_logits(decisions, labels[:, 0], reduction="none")
        return (losses * weights[:, 0]).sum(), ((decisions > 0) == (labels[:, 0] > 0.5)).sum()

    def decide(self, alleles: Sequence[Allele]) -> Tensor:
        """Decision [B] of each reading, above 0 more likely positive."""
        windows = [ids for allele in alleles for ids in (allele.reading.ref, allele.reading.alt)]
        packed = pack(windows, self.encoder.device)
        starts, spans = packed.bounds.tolist(), [allele.reading.span for allele in alleles for _ in range(2)]
        rows = [start + row for start, span in zip(starts, spans, strict=False) for row in range(*span)]
        where = torch.as_tensor(rows, dtype=torch.int64, device=self.encoder.device)
        states = self.encoder.encode(packed, rows=where).hidden[self.encoder.config.layers].float()
        means = torch.stack([part.mean(0) for part in states.split([end - first for first, end in spans])])
        found: Tensor = self.head(means[0::2], means[1::2])
        return found


class TunedClassifier:
    """A fine-tuned classifier of variants.

    Parameters
    ----------
    settings : TunedSettings
    origin : dict
        `source` and checksums of the encoder that was fine-tuned.
    model : PairModel
        In eval mode.
    slope, shift : float
        Calibration, as `VariantClassifier`.
    """

    def __init__(
        self, settings: TunedSettings, origin: dict[str, Any], model: PairModel, slope: float, shift: float
    ) -> None:
        self.settings, self.encoder, self.model, self.slope, self.shift = settings, origin, model, slope, shift

    @property
    def definitions(self) -> dict[str, str]:
        """What the column is."""
        return {"probability": "Probability of the positive class, by an encoder fine-tuned on labelled variants"}

    @property
    def facts(self) -> dict[str, str]:
        """What the column depends on: a checksum of the weights that were trained."""
        digest = hashlib.sha256(json.dumps([self.slope, self.shift, asdict(self.settings)]).encode())
        state = self.model.state_dict() if self.settings.fit.adapter.kind == "full" else self._trained()
        for name, tensor in sorted(state.items()):
            digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
        return {"classifier": digest.hexdigest()[:16]}

    def _trained(self) -> dict[str, Tensor]:
        """Weights that no other model has: the head's and the adapter's."""
        state = self.model.state_dict()
        return {name: t for name, t in state.items() if name.startswith("head.") or ".ia3_" in name or ".lora_" in name}

    @property
    def weights(self) -> tuple[int, int]:
        """How many weights were trained, and all of them; the language-model head is not counted."""
        encoder = sum(p.numel() for p in self.model.encoder.parameters())
        encoder -= sum(p.numel() for p in self.model.encoder.lm_head.parameters())
        head = sum(p.numel() for p in self.model.head.parameters())
        full = self.settings.fit.adapter.kind == "full"
        return (encoder + head if full else sum(t.numel() for t in self._trained().values())), encoder + head

    def columns(
        self,
        model: NucleotideTransformer,
        genome: Genome,
        variants: Sequence[Variant],
        scores: Mapping[str, npt.NDArray[np.float32]],
        settings: ScoreSettings,
    ) -> npt.NDArray[np.float32]:
        """Probability of each variant, float32 [V, 1]; NaN where there is a reason."""
        alleles, _ = read_alleles(self.model.encoder, genome, variants, self.settings.scores)
        decisions = _mean_decisions(self.model, alleles, len(variants))
        return sigmoid(self.slope * decisions + self.shift).astype(np.float32)[:, None]

    def check(self, model: NucleotideTransformer, settings: ScoreSettings | None = None) -> None:
        """Raise SettingsError unless scores come from the encoder that was fine-tuned."""
        if describe_model(model)["files"] != self.encoder["files"]:
            raise SettingsError(f"the classifier was trained on {self.encoder['source']}, this is {model.source}")

    def save(self, folder: str | Path) -> None:
        """Write the head, the adapter (or all weights), and `classifier.json` last; OutputError if that fails."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        head = {name: t.detach().cpu().contiguous() for name, t in self.model.head.state_dict().items()}
        with write_atomically(folder / _HEAD) as temporary:
            save_file(head, temporary)
        save_trained(self.model.encoder, folder, self.settings.fit.adapter.kind)
        facts: dict[str, Any] = {"format": FORMAT, "settings": asdict(self.settings), "encoder": self.encoder}
        facts |= {"slope": self.slope, "shift": self.shift, "versions": package_versions()}
        with write_atomically(folder / CLASSIFIER) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> "TunedClassifier":
        """Read what `save` wrote; SettingsError if it is not there or damaged, CheckpointError of its encoder."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        try:
            facts = json.loads((folder / CLASSIFIER).read_text(encoding="utf-8"))
            settings = make_settings(TunedSettings, facts["settings"], str(folder / CLASSIFIER))
            kind, source = settings.fit.adapter.kind, facts["encoder"]["source"]
            model = PairModel(load_trained(folder, kind, source, device=device), settings.hidden)
            model.head.load_state_dict(load_file(folder / _HEAD))
            slope, shift = float(facts["slope"]), float(facts["shift"])
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
            raise SettingsError(
                f"{folder}: no fine-tuned classifier ({problem}); hexamer train-variants --adapter makes one"
            ) from None
        return cls(settings, facts["encoder"], model.eval().requires_grad_(False), slope, shift)


def load_classifier(folder: str | Path, *, device: str = "auto") -> VariantClassifier | TunedClassifier:
    """Load a saved classifier of either kind.

    Parameters
    ----------
    folder : str or Path
    device : str
        As `load_model`, for one that was fine-tuned.

    Returns
    -------
    VariantClassifier or TunedClassifier

    Raises
    ------
    SettingsError
        If there is none, or it is damaged.
    CheckpointError
        If the encoder that it was fine-tuned from is not there.
    """
    tuned = (Path(folder) / _HEAD).is_file()
    return TunedClassifier.load(folder, device=device) if tuned else VariantClassifier.load(folder)


class Tuned(NamedTuple):
    """A fine-tuned classifier, and what those of the folds said of what they had not seen."""

    classifier: TunedClassifier
    probabilities: Matrix
    """[V], out of fold and calibrated out of fold; NaN where a variant has no reading."""
    reasons: list[str]
    """Empty, or a code of `hexamer.errors.REASONS`."""
    fits: list[Fitted]
    """Of each fold."""


def tune_classifier(
    model: NucleotideTransformer,
    genome: Genome,
    variants: Sequence[Variant],
    labels: npt.ArrayLike,
    chroms: Sequence[str],
    starts: npt.ArrayLike,
    folds: npt.ArrayLike,
    *,
    settings: TunedSettings | None = None,
    advance: Callable[[int], None] | None = None,
) -> Tuned:
    """Fine-tune an encoder on labelled variants.

    Parameters
    ----------
    model : NucleotideTransformer
        Stays as it is.
    genome : Genome
    variants : sequence of Variant [V]
    labels : bool array [V]
        True for the positive class.
    chroms, starts, folds
        As `hexamer.effects.classifier.fit_classifier`.
    settings : TunedSettings, optional
    advance : callable, optional
        Called with the number of variants of each finished step.

    Returns
    -------
    Tuned
        Its classifier is trained on all variants, for as many steps as was best for the folds (their median).

    Raises
    ------
    SettingsError
        As `fit_classifier`.
    """
    settings = settings or TunedSettings()
    labels, folds = np.asarray(labels, dtype=bool), np.asarray(folds)
    check_folds(chroms, starts, folds)
    alleles, reasons = read_alleles(model, genome, variants, settings.scores)
    known = np.array([not reason for reason in reasons])
    check_classes(labels[known], folds[known])
    names = np.unique(folds[known])
    decisions, fits = np.full(len(labels), np.nan), []
    for i, fold in enumerate(names):
        next_fold = names[(i + 1) % len(names)]
        parts = {"train": ~np.isin(folds, [fold, next_fold]) & known, "stop": (folds == next_fold) & known}
        tuned, fitted = _tune(model, alleles, labels, parts, settings, advance)
        here = (folds == fold) & known
        decisions[here] = _mean_decisions(tuned, [a for a in alleles if here[a.row]], len(labels))[here]
        fits.append(fitted)
    slope, shift = fit_platt(decisions[known], labels[known])
    probabilities = np.full(len(labels), np.nan)
    probabilities[known] = calibrate_held_out(decisions[known], labels[known], folds[known])
    steps = int(np.median([fitted.best_step for fitted in fits]))
    last = replace(settings, fit=replace(settings.fit, steps=steps, evaluate_every=steps))
    tuned, _ = _tune(model, alleles, labels, {"train": known}, last, advance)
    facts = describe_model(model)
    origin = {"source": facts["source"], "files": facts["files"]}
    return Tuned(TunedClassifier(settings, origin, tuned, slope, shift), probabilities, reasons, fits)


def _tune(
    model: NucleotideTransformer,
    alleles: Sequence[Allele],
    labels: npt.NDArray[np.bool_],
    parts: Mapping[str, npt.NDArray[np.bool_]],
    settings: TunedSettings,
    advance: Callable[[int], None] | None,
) -> tuple[PairModel, Fitted]:
    """Train an encoder of its own on the variants of "train", stopped by those of "stop" if there are any."""
    fit, train = settings.fit, parts["train"]
    with torch.random.fork_rng():
        torch.manual_seed(fit.seed)
        encoder = deepcopy(model)
        add_adapter(encoder, fit.adapter)
        tuned = PairModel(encoder, settings.hidden)
    tuned.alleles = list(alleles)
    readings: dict[int, list[int]] = {}
    for number, allele in enumerate(alleles):
        readings.setdefault(allele.row, []).append(number)
    rows, positive = np.flatnonzero(train), labels[train].mean()
    weight_of = {True: 0.5 / positive, False: 0.5 / (1 - positive)}

    def draw(step: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        chosen = rows[draw_examples(len(rows), fit.batch, fit.seed, step)]
        rng = np.random.default_rng((fit.seed, step))
        numbers = [readings[row][rng.integers(len(readings[row]))] for row in chosen.tolist()]
        weights = [weight_of[bool(labels[row])] for row in chosen]
        tensors = (
            torch.tensor(numbers, device=model.device),
            torch.tensor(labels[chosen], dtype=torch.float32, device=model.device)[:, None],
            torch.tensor(weights, dtype=torch.float32, device=model.device)[:, None],
        )
        return list(zip(*(t.chunk(fit.accumulate) for t in tensors), strict=True))

    stop = parts.get("stop")
    first = [numbers[0] for row, numbers in readings.items() if stop is not None and stop[row]]

    def score() -> float:
        if stop is None:
            return 0.0
        found = _mean_decisions(tuned, [alleles[number] for number in first], len(labels))[stop]
        return auroc(labels[stop], found)

    tell = (lambda record: advance(fit.batch)) if advance else None
    return tuned, fit_weights(tuned, draw, score, fit, advance=tell)


def _mean_decisions(model: PairModel, alleles: Sequence[Allele], count: int) -> Matrix:
    """Mean decision [V] over the readings of each variant; each reading by itself, so that none depends on others."""

    def decide(allele: Allele) -> float:
        with torch.inference_mode():
            return float(model.decide([allele])[0])

    found = np.array(run_each(decide, alleles, model.encoder.device), dtype=np.float64)
    rows = np.array([allele.row for allele in alleles], dtype=np.int64)
    with np.errstate(invalid="ignore"):
        return np.bincount(rows, found, minlength=count) / np.bincount(rows, minlength=count)
