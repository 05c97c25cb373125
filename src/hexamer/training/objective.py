"""The masked-language-model objective: cross-entropy at the tokens that are asked for, and nowhere else.

The last block, the head and its [M, V] logits run only where a token is asked for, 15 % of the places; more than
`CHUNK` of them go through the head in chunks whose logits are computed again in the backward pass, so that memory does
not grow with the batch. Natural logarithm: losses are nats per token.
Source: Dalla-Torre et al. (2025), Methods, pre-training; weights of soft-masked tokens after GPN (Benegas et al. 2023).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from hexamer.model import NucleotideTransformer, pack_rows
from hexamer.tokens.tokenizer import PAD_ID

CHUNK = 8192


class MaskedLoss(NamedTuple):
    """Sums over the tokens of a batch that were asked for."""

    total: Tensor
    """Cross-entropy in nats, weighted sum, float32 scalar."""
    correct: Tensor
    """Tokens whose original is the model's first choice, int64 scalar."""
    asked: int
    """M, tokens that were asked for."""


class MaskedObjective(nn.Module):
    """An encoder with its loss, as one module: what is wrapped for several processes.

    Parameters
    ----------
    model : NucleotideTransformer
    """

    def __init__(self, model: NucleotideTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, corrupted: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum of the cross-entropy in nats (float32), and the number of right first choices (int64).

        Parameters
        ----------
        ids : int tensor [B, L]
            Original tokens.
        corrupted : int tensor [B, L]
            What the model reads.
        weights : float tensor [B, L]
            Weight of each token; 0 where the model is not asked. Pads are never asked for.
        """
        where = (weights != 0) & (corrupted != PAD_ID)
        packed, real = pack_rows(corrupted)
        rows = where[real].nonzero()[:, 0]
        hidden = self.model.encode(packed, rows=rows).hidden[self.model.config.layers]
        targets, shares = ids[where].long(), weights[where]
        if len(targets) <= CHUNK:
            return self._ask(hidden, targets, shares)
        sums = [
            checkpoint(self._ask, *part, use_reentrant=False)
            for part in zip(hidden.split(CHUNK), targets.split(CHUNK), shares.split(CHUNK), strict=True)
        ]
        return torch.stack([one for one, _ in sums]).sum(), torch.stack([one for _, one in sums]).sum()

    def _ask(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over a chunk of M hidden states."""
        logits = self.model.lm_head(hidden)
        losses = F.cross_entropy(logits.float(), targets, reduction="none")
        return (losses * weights).sum(), (logits.detach().argmax(-1) == targets).sum()


def masked_loss(
    model: NucleotideTransformer, ids: Tensor, corrupted: Tensor, selected: Tensor, *, bf16: bool = False
) -> MaskedLoss:
    """Cross-entropy of the original tokens at the selected positions.

    Parameters
    ----------
    model : NucleotideTransformer
    ids : int tensor [B, L]
        Original tokens.
    corrupted : int tensor [B, L]
        What the model reads.
    selected : bool tensor [B, L]
        Where it is asked.
    bf16 : bool
        Compute products in bfloat16 (autocast); the loss itself is float32.

    Returns
    -------
    MaskedLoss

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> ids = torch.tensor([[3, 10, 11, 12]])
    >>> masked_loss(model, ids, ids, ids == 11).asked
    1
    """
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16):
        total, correct = MaskedObjective(model)(ids, corrupted, selected.float())
    return MaskedLoss(total, correct, int((selected & (corrupted != PAD_ID)).sum()))
