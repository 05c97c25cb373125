"""A fine-tuned model: sequences in, predictions out, and a folder that it is kept in.

Not here: how its weights were found (`finetune`), what outputs mean (`targets`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hexamer.errors import OutputError, SequenceError, SettingsError
from hexamer.manifest import make_settings, package_versions, write_atomically
from hexamer.model import NucleotideTransformer, Packed, batches, describe_model, pack, pack_rows
from hexamer.model.adapters import AdapterSettings, is_adapter, load_trained, save_trained
from hexamer.model.checkpoint import describe_origin
from hexamer.model.heads import BaseHead, SequenceHead
from hexamer.tokens import token_spans
from hexamer.tokens.tokenizer import PAD_ID, Ids
from hexamer.training.targets import NO_CLASS, TARGETS, Target

PREDICTOR = "predictor.json"
"""File that tells a folder of a predictor."""

_HEAD, _FORMAT = "head.safetensors", "hexamer predictor 1"
_BUDGET = 8192  # tokens that are predicted at a time

Found = npt.NDArray[np.float32]


class Predictor(nn.Module):
    """An encoder with a head, and what the head's outputs mean.

    Parameters
    ----------
    encoder : NucleotideTransformer
    target : Target
    hidden : int
        Units of the head's inner layer; 0 for none.
    dropout : float
        Of the head, in training.
    adapter : AdapterSettings, optional
        What of the encoder is trained; for the folder that it is saved to.
    origin : dict, optional
        `source` and checksums of the encoder before training.
    """

    def __init__(
        self,
        encoder: NucleotideTransformer,
        target: Target,
        *,
        hidden: int = 0,
        dropout: float = 0.0,
        adapter: AdapterSettings | None = None,
        origin: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.target, self.hidden, self.dropout = encoder, target, hidden, dropout
        self.adapter = adapter or AdapterSettings(kind="head")
        self.origin = origin or describe_origin(encoder)
        width = encoder.config.width
        head: nn.Module
        if target.kind == "bases":
            head = BaseHead(width, target.outputs, bases=encoder.config.k, hidden=hidden)
        else:
            head = SequenceHead(width, target.outputs, hidden=hidden, dropout=dropout)
        self.head = head.to(encoder.device)

    def forward(self, ids: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum of the losses (float32) of sequences [B, L], right-padded, and 0 (nothing is counted right)."""
        packed, _ = pack_rows(ids)
        outputs = self.outputs(packed)
        if self.target.kind == "bases":
            targets = targets[ids != PAD_ID]  # [N, k], a row for each token
            each = self.target.losses(outputs, targets).sum(-1)
            counts = (targets != NO_CLASS).sum(-1)
            sums = [part.sum() for part in each.split(packed.lengths)]
            known = [part.sum().clamp(min=1) for part in counts.split(packed.lengths)]
            losses = torch.stack(sums) / torch.stack(known)
        else:
            losses = self.target.losses(outputs, targets)
        return (losses * weights[:, 0]).sum(), torch.zeros((), dtype=torch.int64, device=ids.device)

    def outputs(self, packed: Packed) -> Tensor:
        """Run encoder and head: [S, O], or [N, k, C] of bases."""
        states = self.encoder.encode(packed).hidden[self.encoder.config.layers]
        found: Tensor = self.head(states) if self.target.kind == "bases" else self.head(states, packed)
        return found

    def tokenise(self, sequences: Sequence[str], name: str = "sequence") -> list[Ids]:
        """Cut sequences into tokens; SequenceError if one has none or more than the encoder reads."""
        found: list[Ids] = []
        for place, ids in enumerate(self.encoder.tokenizer.encode(sequences)):
            most = self.encoder.config.max_tokens
            if not 1 < len(ids) <= most:
                raise SequenceError(
                    f"{name} {place + 1} of {len(sequences)}: {len(sequences[place]):,} bases are {len(ids) - 1:,} "
                    f"tokens; 1 to {most - 1:,} tokens would work"
                )
            found.append(ids)
        return found

    def predict(
        self, sequences: Sequence[str], *, token_budget: int = _BUDGET, advance: Callable[[int], None] | None = None
    ) -> list[Found]:
        """Predict.

        Parameters
        ----------
        sequences : sequence of str [N]
        token_budget : int
            Tokens that go through the encoder at a time.
        advance : callable, optional
            Called with the number of sequences of each batch.

        Returns
        -------
        list of float32 array [O], or [bases, C]
            Probabilities or values, one for each sequence, in their order.

        Raises
        ------
        SequenceError
            If a sequence is empty or too long.
        """
        ids = self.tokenise(sequences)
        order = np.argsort([len(each) for each in ids], kind="stable")
        found: list[Found] = [np.zeros(0, dtype=np.float32)] * len(ids)
        training = self.training
        self.eval()
        try:
            for batch in batches([len(ids[i]) for i in order], token_budget):
                rows = order[batch.start : batch.stop]
                for i, part in zip(rows, self._predict_batch([ids[i] for i in rows]), strict=True):
                    found[i] = part
                if advance:
                    advance(len(rows))
        finally:
            self.train(training)
        return found

    def _predict_batch(self, ids: Sequence[Ids]) -> Sequence[Found]:
        with torch.inference_mode():
            packed = pack(ids, self.encoder.device)
            values: Found = self.target.predictions(self.outputs(packed)).cpu().numpy()
        if self.target.kind != "bases":
            return list(values)
        parts = np.split(values, np.cumsum(packed.lengths)[:-1])
        return [self._of_bases(each, part) for each, part in zip(ids, parts, strict=True)]

    def _of_bases(self, ids: Ids, values: Found) -> Found:
        """Put tokens' outputs [L, k, C] in the order of bases."""
        starts, ends = token_spans(self.encoder.tokenizer, ids)
        return np.concatenate([part[: end - start] for part, start, end in zip(values, starts, ends, strict=True)])

    def count_trained(self) -> tuple[int, int]:
        """Count the weights that fine-tuning trains, the head's among them, and all but the language-model head's."""
        encoder = {name: p.numel() for name, p in self.encoder.named_parameters() if not name.startswith("lm_head")}
        own = sum(n for name, n in encoder.items() if self.adapter.kind == "full" or is_adapter(name))
        head = sum(p.numel() for p in self.head.parameters())
        return own + head, sum(encoder.values()) + head

    def save(self, folder: str | Path) -> Path:
        """Write the head, what was trained of the encoder, and `predictor.json` last.

        Parameters
        ----------
        folder : str or Path
            A predictor in it is replaced.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            If it cannot be written.
        SettingsError
            If the encoder before training is in no folder, so that the predictor could not be loaded.
        """
        folder = Path(folder)
        if self.adapter.kind != "full" and not self.origin["files"]:
            raise SettingsError(
                f"{folder}: the encoder is in no folder, and would be missing; one from load_model, or the adapter "
                "full, would work"
            )
        head = {name: t.detach().cpu().contiguous() for name, t in self.head.state_dict().items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PREDICTOR).unlink(missing_ok=True)  # of another one: its parts are replaced one by one
            with write_atomically(folder / _HEAD) as temporary:
                save_file(head, temporary)
            save_trained(self.encoder, folder, self.adapter.kind)
        except (OSError, SafetensorError) as problem:
            raise OutputError(f"{folder}: cannot be written ({problem}); another folder would work") from None
        facts: dict[str, Any] = {"format": _FORMAT, "encoder": self.origin, "adapter": asdict(self.adapter)}
        facts |= {"target": {"kind": self.target.kind, **asdict(self.target)}}
        facts |= {"hidden": self.hidden, "dropout": self.dropout, "versions": package_versions()}
        with write_atomically(folder / PREDICTOR) as temporary:
            temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        return folder


def load_predictor(folder: str | Path, *, device: str = "auto") -> Predictor:
    """Load a saved predictor.

    Parameters
    ----------
    folder : str or Path
    device : str
        As `load_model`.

    Returns
    -------
    Predictor
        Frozen, in eval mode.

    Raises
    ------
    SettingsError
        If the folder holds none, it is damaged, or its encoder is another than the one that it was trained with.
    CheckpointError
        If its encoder cannot be read.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / PREDICTOR).read_text(encoding="utf-8"))
        adapter = make_settings(AdapterSettings, facts["adapter"], str(folder / PREDICTOR))
        target = dict(facts["target"])
        kind = TARGETS[target.pop("kind")]
        meaning = make_settings(kind, target, str(folder / PREDICTOR))
        encoder = load_trained(folder, adapter.kind, facts["encoder"]["source"], device=device)
        if adapter.kind != "full" and describe_model(encoder)["files"] != facts["encoder"]["files"]:
            raise SettingsError(f"{folder}: trained with other weights than {encoder.source} has now")
        sizes = {"hidden": int(facts["hidden"]), "dropout": float(facts["dropout"])}
        predictor = Predictor(encoder, meaning, **sizes, adapter=adapter, origin=facts["encoder"])  # type: ignore[arg-type]
        predictor.head.load_state_dict(load_file(folder / _HEAD))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise SettingsError(f"{folder}: no predictor ({reason}); hexamer finetune makes one") from None
    return predictor.eval().requires_grad_(False)
