"""Fine-tuning: an encoder and a head learn to answer a question about sequences, or about each of their bases.

The defaults are the paper's: IA3, Adam at 3e-3, 8 sequences a step, up to 10,000 steps, the weights that did best on
the validation sequences. Source: Dalla-Torre et al. (2025), Methods; the head's layers and the looks at the validation
sequences are our choice. Not here: what outputs mean (`targets`), the loop (`fitting`), the result (`predictor`).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.genome import reverse_complement
from hexamer.manifest import STRICT
from hexamer.model import NucleotideTransformer
from hexamer.model.adapters import add_adapter, has_adapter
from hexamer.model.checkpoint import describe_origin
from hexamer.tokens import token_spans
from hexamer.tokens.tokenizer import PAD_ID, Ids
from hexamer.training.fitting import FitSettings, Fitted, draw_examples, fit_weights
from hexamer.training.predictor import Predictor
from hexamer.training.targets import NO_CLASS, Target


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How an encoder is fine-tuned.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    __pydantic_config__ = STRICT

    fit: FitSettings = field(default_factory=FitSettings)
    hidden: int = 0
    """Units of the head's inner layer; 0 for none."""
    dropout: float = 0.0
    """Of the pooled vector, in training."""
    both_strands: bool = False
    """Read every other training sequence, by chance, as its reverse complement; not for targets of bases."""

    def __post_init__(self) -> None:
        if self.hidden < 0 or not 0 <= self.dropout < 1:
            raise SettingsError(f"hidden {self.hidden}, dropout {self.dropout}; from 0, and below 1, would work")


class Examples(NamedTuple):
    """Sequences, and what is known of each."""

    sequences: Sequence[str]
    """N of them."""
    targets: npt.NDArray[Any]
    """As the target wants them: int64 [N], float32 [N, O], or of bases int64 [N, bases of the longest]."""

    def take(self, rows: npt.NDArray[np.int64]) -> "Examples":
        """Choose some of them."""
        return Examples([self.sequences[row] for row in rows.tolist()], self.targets[rows])


class Finetuned(NamedTuple):
    """A trained predictor, and how it came about."""

    predictor: Predictor
    fitted: Fitted


def finetune(
    model: NucleotideTransformer,
    train: Examples,
    validation: Examples,
    target: Target,
    *,
    settings: FinetuneSettings | None = None,
    folder: str | Path | None = None,
    advance: Callable[[dict[str, Any]], None] | None = None,
) -> Finetuned:
    """Fine-tune an encoder.

    Parameters
    ----------
    model : NucleotideTransformer
        Stays as it is.
    train, validation : Examples
        To learn from, and to choose the step whose weights are kept.
    target : Target
    settings : FinetuneSettings, optional
    folder : str or Path, optional
        Where to keep what a killed run goes on from, with the same examples, encoder, target and settings.
    advance : callable, optional
        Called with the record of each step: `step`, `loss`, and `score` where the validation sequences were asked.

    Returns
    -------
    Finetuned

    Raises
    ------
    SequenceError
        If there is no sequence, or one is empty or too long.
    InputError
        If targets are not as the target wants them, not as many as sequences, or all alike.
    SettingsError
        As `fit_weights`, if strands are drawn for targets of bases, and if the encoder has an adapter.
    CheckpointError, OutputError
        As `fit_weights`.
    """
    settings = settings or FinetuneSettings()
    if not len(train.sequences) or not len(validation.sequences):
        raise SequenceError("finetune: no sequence to learn from, or to choose by; at least one of both would work")
    train = train._replace(targets=check_targets(train, target, "train"))
    validation = validation._replace(targets=check_targets(validation, target, "validation"))
    if has_adapter(model):
        raise SettingsError("finetune: the encoder has an adapter; one from load_model would work")
    if settings.both_strands and target.kind == "bases":
        raise SettingsError("both_strands: classes of bases belong to a strand; without it would work")
    fit = settings.fit
    with torch.random.fork_rng():
        torch.manual_seed(fit.seed)
        encoder = deepcopy(model)
        encoder.source = ""  # no folder will hold its weights
        add_adapter(encoder, fit.adapter)
        predictor = Predictor(
            encoder,
            target.fitted(train.targets),
            hidden=settings.hidden,
            dropout=settings.dropout,
            adapter=fit.adapter,
            origin=describe_origin(model),
        )
    predictor.tokenise(validation.sequences, "validation sequence")  # too long ones are told of before the first step
    drawer = _Drawer(predictor, train, settings)

    def score() -> float:
        found = predictor.predict(validation.sequences)
        return predictor.target.score(validation.targets, stack_predictions(found, validation.targets))

    where, about = (Path(folder), _digest(predictor, settings, train, validation)) if folder else (None, "")
    fitted = fit_weights(predictor, drawer.draw, score, fit, folder=where, about=about, advance=advance)
    return Finetuned(predictor.requires_grad_(False), fitted)


def check_targets(examples: Examples, target: Target, name: str) -> npt.NDArray[Any]:
    """Check the targets of examples to learn from, or to be judged by.

    Parameters
    ----------
    examples : Examples
    target : Target
    name : str
        What errors call them.

    Returns
    -------
    targets : array
        In the type that they are learnt in.

    Raises
    ------
    InputError
        If targets are not as the target wants them, not as many as sequences, or all alike.
    """
    try:
        targets = target.check(examples.targets)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    lengths = np.array([len(each) for each in examples.sequences], dtype=np.int64)
    if len(targets) != len(lengths):
        raise InputError(f"{name}: {len(lengths):,} sequences and {len(targets):,} targets; as many would work")
    if target.kind == "bases":
        width = targets.shape[1]
        if lengths.max() > width:
            raise InputError(f"{name}: a sequence of {lengths.max():,} bases, classes of {width:,}; as many would work")
        if (targets[np.arange(width) >= lengths[:, None]] != NO_CLASS).any():
            raise InputError(f"{name}: classes of bases behind a sequence's end; {NO_CLASS} there would work")
    return targets


def stack_predictions(found: Sequence[npt.NDArray[np.float32]], targets: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Put predictions into one array, those of bases padded with 0 to the targets' width.

    Parameters
    ----------
    found : sequence of float32 array [O] or [bases, C]
        One or more.
    targets : array [N, ...]

    Returns
    -------
    float32 array [N, O] or [N, bases, C]
    """
    if found[0].ndim == 1:
        return np.stack(found)
    whole = np.zeros((*targets.shape, found[0].shape[-1]), dtype=np.float32)
    for row, part in zip(whole, found, strict=True):
        row[: len(part)] = part
    return whole


def _digest(predictor: Predictor, settings: FinetuneSettings, *examples: Examples) -> str:
    """Checksum of all that a run depends on but for its `FitSettings`."""
    facts = {"encoder": predictor.origin["files"], "hidden": settings.hidden, "dropout": settings.dropout}
    facts |= {"both_strands": settings.both_strands, "kind": predictor.target.kind, **asdict(predictor.target)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for sequences, targets in examples:
        for sequence in sequences:
            digest.update(f"{sequence}\n".encode())
        digest.update(targets.tobytes())
    return digest.hexdigest()


class _Drawer:
    """Batches of a step: a function of the seed and the step."""

    def __init__(self, predictor: Predictor, train: Examples, settings: FinetuneSettings) -> None:
        self.fit, self.device = settings.fit, predictor.encoder.device
        self.ids = [predictor.tokenise(train.sequences, "train sequence")]
        if settings.both_strands:
            self.ids.append(predictor.tokenise([reverse_complement(each) for each in train.sequences]))
        self.targets = np.asarray(train.targets)
        self.classes: list[npt.NDArray[np.int64]] = []
        if predictor.target.kind == "bases":
            self.classes = [
                _classes_of_tokens(predictor, ids, classes)
                for ids, classes in zip(self.ids[0], self.targets, strict=True)
            ]

    def draw(self, step: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        rows = draw_examples(len(self.ids[0]), self.fit.batch, self.fit.seed, step)
        strands = np.random.default_rng((self.fit.seed, step)).integers(len(self.ids), size=len(rows))
        ids = [self.ids[strand][row] for strand, row in zip(strands.tolist(), rows.tolist(), strict=True)]
        return [
            self._batch([ids[i] for i in part], rows[part])
            for part in np.array_split(np.arange(len(rows)), self.fit.accumulate)
        ]

    def _batch(self, ids: list[Ids], rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        longest = max(len(each) for each in ids)
        padded = np.full((len(ids), longest), PAD_ID, dtype=np.int64)
        for row, each in zip(padded, ids, strict=True):
            row[: len(each)] = each
        targets = self.targets[rows]
        if self.classes:
            targets = np.full((len(ids), longest, self.classes[0].shape[1]), NO_CLASS, dtype=np.int64)
            for wanted, row in zip(targets, rows.tolist(), strict=True):
                wanted[: len(self.classes[row])] = self.classes[row]
        weights = np.ones((len(ids), 1), dtype=np.float32)
        a, b, c = (torch.as_tensor(part, device=self.device) for part in (padded, targets, weights))
        return a, b, c


def _classes_of_tokens(predictor: Predictor, ids: Ids, classes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Classes of each token's bases, [L, k]; -100 where a token has no such base."""
    starts, ends = token_spans(predictor.encoder.tokenizer, ids)
    found = np.full((len(ids), predictor.encoder.config.k), NO_CLASS, dtype=np.int64)
    for row, start, end in zip(found, starts, ends, strict=True):
        row[: end - start] = classes[start:end]
    return found
