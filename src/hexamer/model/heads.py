"""Trained output modules behind an encoder: one answer for a sequence, for two alleles, or for every base.

Heads read packed hidden states [N, D]. Letters: S sequences, N tokens of all, D width, O outputs, K bases of a token.
Source: the paper names a classification head behind mean pooling, and 6 x 3 outputs per token for splicing; layers
inside are our choice (spec 4.5). Not here: what outputs mean (`hexamer.training.targets`).
"""

import torch
from torch import Tensor, nn

from hexamer.model.packed import Packed


class SequenceHead(nn.Module):
    """Outputs of a whole sequence, from the mean over its tokens without `<cls>`.

    Parameters
    ----------
    width : int
        Of the encoder.
    outputs : int
    hidden : int
        Units of a layer with GELU in between; 0 for none.
    dropout : float
        Share of the pooled vector that is dropped in training.

    Examples
    --------
    >>> from hexamer.model import pack
    >>> packed = pack([torch.tensor([3, 10, 11]).numpy(), torch.tensor([3, 12]).numpy()], torch.device("cpu"))
    >>> SequenceHead(8, 2)(torch.zeros(5, 8), packed).shape
    torch.Size([2, 2])
    """

    def __init__(self, width: int, outputs: int, *, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = _layers(width, outputs, hidden, dropout)

    def forward(self, states: Tensor, packed: Packed) -> Tensor:
        """Answer for each sequence, [S, O]."""
        found: Tensor = self.layers(self.norm(mean_of_tokens(states.float(), packed)))
        return found


class PairHead(nn.Module):
    """One output for two alleles, from the mean over the reference's span, its difference to the altered one, and size.

    Parameters
    ----------
    width : int
        Of the encoder.
    hidden : int
        As `SequenceHead`.
    """

    def __init__(self, width: int, *, hidden: int = 0) -> None:
        super().__init__()
        self.layers = _layers(3 * width, 1, hidden, 0.0)

    def forward(self, ref: Tensor, alt: Tensor) -> Tensor:
        """Answer [S] of vectors [S, D]."""
        # Without a norm: how far the vectors are apart is part of the answer.
        found: Tensor = self.layers(torch.cat([ref, alt - ref, (alt - ref).abs()], dim=-1))
        return found[:, 0]


class BaseHead(nn.Module):
    """Outputs of every base: each token's vector gives those of its k bases.

    Parameters
    ----------
    width : int
        Of the encoder.
    outputs : int
        For each base.
    bases : int
        k of the tokenizer. Of a token of one base only the first counts.
    hidden : int
        As `SequenceHead`.
    """

    def __init__(self, width: int, outputs: int, *, bases: int = 6, hidden: int = 0) -> None:
        super().__init__()
        self.bases = bases
        self.layers = _layers(width, outputs * bases, hidden, 0.0)

    def forward(self, states: Tensor) -> Tensor:
        """Answer for each base of each token, [N, K, O]."""
        found: Tensor = self.layers(states.float()).unflatten(-1, (self.bases, -1))
        return found


def mean_of_tokens(states: Tensor, packed: Packed) -> Tensor:
    """Mean over each sequence's tokens without `<cls>`.

    Parameters
    ----------
    states : float tensor [N, D]
    packed : Packed

    Returns
    -------
    float tensor [S, D]
        0 for a sequence of no token.
    """
    counted = packed.positions > 0
    sums = states.new_zeros(len(packed.lengths), states.shape[1])
    sums = sums.index_add(0, packed.sequence[counted], states[counted])
    counts = torch.tensor(packed.lengths, device=states.device, dtype=states.dtype) - 1
    return sums / counts.clamp(min=1)[:, None]


def _layers(width: int, outputs: int, hidden: int, dropout: float) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
    if hidden:
        parts += [nn.Linear(width, hidden), nn.GELU()]
    return nn.Sequential(*parts, nn.Linear(hidden or width, outputs))
