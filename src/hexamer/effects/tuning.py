"""Fine-tuning an encoder on labelled variants, in folds.

Each fold has an encoder of its own, trained on the folds but that one and the next; the next one says when to stop, and
calibrates its decisions (Platt 1999). So nothing that is said of a variant has seen the variant's fold. The classifier
that is kept is made in the same way, from all folds but the last, which stops and calibrates it. A step's variants are
drawn half from each class.

Source: Dalla-Torre et al. (2025): five groups of chromosomes, IA3; the rest is our choice. Not here: the classifier
(`tuned`), steps (`hexamer.training.fitting`).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hexamer.effects.features import Matrix
from hexamer.effects.forwards import Allele
from hexamer.effects.regression import check_classes, fit_platt, sigmoid
from hexamer.effects.score import read_alleles
from hexamer.effects.tuned import PairModel, TunedClassifier, TunedSettings, mean_decisions
from hexamer.genome import Genome, Variant
from hexamer.genome.splits import check_folds
from hexamer.metrics import auroc
from hexamer.model import NucleotideTransformer
from hexamer.model.adapters import add_adapter
from hexamer.model.checkpoint import describe_origin
from hexamer.training.fitting import Fitted, draw_examples, fit_weights

Labels = npt.NDArray[np.bool_]


class Tuned(NamedTuple):
    """A fine-tuned classifier, and what those of the folds said of what they had not seen."""

    classifier: TunedClassifier
    probabilities: Matrix
    """[N], each by an encoder that was trained, stopped and calibrated without the variant's fold; NaN where a variant
    has no reading."""
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
    folder: str | Path | None = None,
    advance: Callable[[int], None] | None = None,
) -> Tuned:
    """Fine-tune an encoder on labelled variants.

    Parameters
    ----------
    model : NucleotideTransformer
        Stays as it is.
    genome : Genome
    variants : sequence of Variant [N]
    labels : bool array [N]
        True for the positive class.
    chroms, starts, folds
        As `hexamer.effects.classifier.fit_classifier`.
    settings : TunedSettings, optional
    folder : str or Path, optional
        Where each fold keeps what a killed run resumes from.
    advance : callable, optional
        Called with the number of variants of each finished step.

    Returns
    -------
    Tuned

    Raises
    ------
    SettingsError
        As `fit_classifier`.
    """
    settings = settings or TunedSettings()
    truth, folds = np.asarray(labels, dtype=bool), np.asarray(folds)
    check_folds(chroms, starts, folds)
    alleles, reasons = read_alleles(model, genome, variants, settings.scores)
    known = np.array([not reason for reason in reasons])
    check_classes(truth[known], folds[known])
    names = np.unique(folds[known])
    tuner = _Tuner(model, alleles, truth, settings, Path(folder) if folder else None, advance)
    probabilities, fits = np.full(len(truth), np.nan), []
    for i, fold in enumerate(names):
        stop = names[(i + 1) % len(names)]
        here, held = (folds == fold) & known, (folds == stop) & known
        tuned, fitted, slope, intercept = tuner.tune(f"fold-{fold}", known & ~here & ~held, held)
        probabilities[here] = sigmoid(slope * tuner.decide(tuned, here)[here] + intercept)
        fits.append(fitted)
    held = (folds == names[-1]) & known
    tuned, _, slope, intercept = tuner.tune("all", known & ~held, held)
    numbers = {"slope": slope, "intercept": intercept, "positives": float(truth[known].mean())}
    classifier = TunedClassifier(settings, describe_origin(model), tuned.requires_grad_(False), **numbers)
    return Tuned(classifier, probabilities, reasons, fits)


class _Tuner:
    """Trains encoders on parts of the same variants."""

    def __init__(
        self,
        model: NucleotideTransformer,
        alleles: Sequence[Allele],
        labels: Labels,
        settings: TunedSettings,
        folder: Path | None,
        advance: Callable[[int], None] | None,
    ) -> None:
        self.model, self.alleles, self.labels, self.settings = model, list(alleles), labels, settings
        self.folder, self.advance = folder, advance
        self.readings: dict[int, list[int]] = {}
        for number, allele in enumerate(alleles):
            self.readings.setdefault(allele.row, []).append(number)

    def decide(self, tuned: PairModel, rows: Labels, *, first: bool = False) -> Matrix:
        """Decisions [N] about some variants, of all their readings or the first; NaN elsewhere."""
        chosen = [
            number for row, numbers in self.readings.items() if rows[row] for number in numbers[: 1 if first else None]
        ]
        return mean_decisions(tuned, [self.alleles[number] for number in chosen], len(self.labels))

    def tune(self, name: str, train: Labels, stop: Labels) -> tuple[PairModel, Fitted, float, float]:
        """Train an encoder of its own; gives it with its slope and intercept, both from the stopping variants."""
        fit = self.settings.fit
        with torch.random.fork_rng():
            torch.manual_seed(fit.seed)
            encoder = deepcopy(self.model)
            add_adapter(encoder, fit.adapter)
            tuned = PairModel(encoder, self.settings.hidden)
        tuned.alleles = self.alleles
        fitted = fit_weights(
            tuned,
            self._drawer(train),
            lambda: auroc(self.labels[stop], self.decide(tuned, stop, first=True)[stop]),
            fit,
            folder=self.folder / name if self.folder else None,
            about=self._digest(train, stop) if self.folder else "",
            advance=(lambda record: self.advance(fit.batch)) if self.advance else None,  # type: ignore[misc]
        )
        return tuned, fitted, *fit_platt(self.decide(tuned, stop)[stop], self.labels[stop])

    def _digest(self, train: Labels, stop: Labels) -> str:
        """Checksum of what training depends on, besides the settings of the steps."""
        facts = [describe_origin(self.model)["files"], asdict(self.settings.scores), self.settings.hidden]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        digest.update("".join(f"{a.row} {a.change}\n" for a in self.alleles).encode())
        for part in (self.labels, train, stop):
            digest.update(part.tobytes())
        return digest.hexdigest()

    def _drawer(self, train: Labels) -> Callable[[int], list[tuple[Tensor, Tensor, Tensor]]]:
        fit, device = self.settings.fit, self.model.device
        classes = [np.flatnonzero(train & (self.labels == positive)) for positive in (True, False)]
        shares = ((fit.batch + 1) // 2, fit.batch // 2)

        def draw(step: int) -> list[tuple[Tensor, Tensor, Tensor]]:
            rng = np.random.default_rng((fit.seed, 1, step))
            drawn = [
                rows[draw_examples(len(rows), share, fit.seed, step)]
                for rows, share in zip(classes, shares, strict=True)
                if share
            ]
            chosen = rng.permutation(np.concatenate(drawn))
            numbers = [self.readings[row][rng.integers(len(self.readings[row]))] for row in chosen.tolist()]
            tensors = (
                torch.tensor(numbers, device=device),
                torch.tensor(self.labels[chosen], dtype=torch.float32, device=device)[:, None],
                torch.ones((len(chosen), 1), device=device),
            )
            return list(zip(*(t.chunk(fit.accumulate) for t in tensors), strict=True))

        return draw
