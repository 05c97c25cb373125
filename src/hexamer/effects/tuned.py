"""A fine-tuned classifier of variants: an encoder that has learnt what a change does, and a head.

Both alleles' windows go through an encoder with an adapter (IA3 as the paper, or LoRA, or all weights); the head reads
the mean hidden state over the reference's span, its difference to the altered one, and the size of that difference.

Source: fine-tuned prioritisation of Dalla-Torre et al. (2025); how the two alleles are presented is not published and
is our choice. Not here: how it is trained (`tuning`), classifiers on frozen features (`classifier`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.device import run_each
from hexamer.effects.classifier import CLASSIFIER, VariantClassifier, check_encoder, describe_probability, one_line
from hexamer.effects.features import Matrix
from hexamer.effects.forwards import Allele
from hexamer.effects.regression import sigmoid
from hexamer.effects.score import ScoreSettings, read_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.manifest import STRICT, make_settings, package_versions, write_atomically
from hexamer.model import NucleotideTransformer, pack
from hexamer.model.adapters import is_adapter, load_trained, save_trained
from hexamer.model.heads import PairHead
from hexamer.training.fitting import FitSettings

_HEAD = "head.safetensors"

FORMAT = "hexamer tuned variant classifier 1"


@dataclass(frozen=True, kw_only=True)
class TunedSettings:
    """How an encoder is fine-tuned on variants.

    Raises
    ------
    SettingsError
        If a step has no room for both classes.
    """

    __pydantic_config__ = STRICT

    scores: ScoreSettings = field(default_factory=lambda: ScoreSettings(scores=("llr",), window=600))
    """How alleles are read (its list of scores is not used): a step learns from one reading of each of its variants, a
    probability is of the mean decision over all. Windows are shorter than for scores, since every step reads them."""
    fit: FitSettings = field(default_factory=lambda: FitSettings(steps=1000, evaluate_every=50, patience=6))
    hidden: int = 0
    """Units of the head's inner layer; 0 for none."""

    def __post_init__(self) -> None:
        if self.fit.batch < 2:
            raise SettingsError("batch 1: a step learns from both classes; 2 or more would work")


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
        """Readings that a batch names by their numbers; set before training."""

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
    slope, intercept : float
        Calibration, as `hexamer.effects.regression.Regression`.
    positives : float
        Share of the positive class in training.
    """

    def __init__(
        self,
        settings: TunedSettings,
        origin: dict[str, Any],
        model: PairModel,
        *,
        slope: float,
        intercept: float,
        positives: float,
    ) -> None:
        self.settings, self.origin, self.model = settings, origin, model
        self.slope, self.intercept, self.positives = slope, intercept, positives

    @property
    def definitions(self) -> dict[str, str]:
        """What the column is."""
        return {"probability": describe_probability(self.positives, self.settings.scores.window)}

    @property
    def facts(self) -> dict[str, str]:
        """What the column depends on: a checksum of the weights that were trained."""
        digest = hashlib.sha256(
            json.dumps([self.slope, self.intercept, self.positives, asdict(self.settings)]).encode()
        )
        state = self.model.state_dict() if self.settings.fit.adapter.kind == "full" else self._trained()
        for name, tensor in sorted(state.items()):
            digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
        return {"classifier": digest.hexdigest()[:16]}

    def _trained(self) -> dict[str, Tensor]:
        """Weights that no other model has: the head's and the adapter's."""
        state = self.model.state_dict()
        return {name: t for name, t in state.items() if name.startswith("head.") or is_adapter(name)}

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
        """Probability of each variant, float32 [N, 1]; NaN where there is a reason."""
        alleles, _ = read_alleles(self.model.encoder, genome, variants, self.settings.scores)
        decisions = mean_decisions(self.model, alleles, len(variants))
        return sigmoid(self.slope * decisions + self.intercept).astype(np.float32)[:, None]

    def check(self, model: NucleotideTransformer, settings: ScoreSettings | None = None) -> None:
        """Raise SettingsError unless scores come from the encoder that was fine-tuned."""
        check_encoder(self.origin, model)

    def save(self, folder: str | Path) -> None:
        """Write the head, the adapter (or all weights), and `classifier.json` last; OutputError if that fails."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CLASSIFIER).unlink(missing_ok=True)  # a kill must not leave old facts beside new weights
        head = {name: t.detach().cpu().contiguous() for name, t in self.model.head.state_dict().items()}
        with write_atomically(folder / _HEAD) as temporary:
            save_file(head, temporary)
        save_trained(self.model.encoder, folder, self.settings.fit.adapter.kind)
        facts: dict[str, Any] = {"format": FORMAT, "settings": asdict(self.settings), "encoder": self.origin}
        facts |= {"slope": self.slope, "intercept": self.intercept, "positives": self.positives}
        facts |= {"checksum": self.facts["classifier"], "versions": package_versions()}
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
            numbers = {name: float(facts[name]) for name in ("slope", "intercept", "positives")}
            found = cls(settings, facts["encoder"], model.eval().requires_grad_(False), **numbers)
            if facts["checksum"] != found.facts["classifier"]:
                raise ValueError("its files are not of one training")
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
            raise SettingsError(
                f"{folder}: no fine-tuned classifier ({one_line(problem)}); hexamer train-variants --adapter makes one"
            ) from None
        return found


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
    try:
        kind = json.loads((Path(folder) / CLASSIFIER).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = ""
    return TunedClassifier.load(folder, device=device) if kind == FORMAT else VariantClassifier.load(folder)


def mean_decisions(model: PairModel, alleles: Sequence[Allele], count: int) -> Matrix:
    """Decide about variants; each reading is computed by itself, so that none depends on others.

    Parameters
    ----------
    model : PairModel
        In eval mode.
    alleles : sequence of Allele
        Readings of the variants.
    count : int
        N.

    Returns
    -------
    float64 array [N]
        Mean decision over a variant's readings; NaN where it has none.
    """

    def decide(allele: Allele) -> float:
        with torch.inference_mode():
            return float(model.decide([allele])[0])

    found = np.array(run_each(decide, alleles, model.encoder.device), dtype=np.float64)
    rows = np.array([allele.row for allele in alleles], dtype=np.int64)
    with np.errstate(invalid="ignore"):
        return np.bincount(rows, found, minlength=count) / np.bincount(rows, minlength=count)
