"""The one batch format of the encoder: sequences of any lengths end to end, without padding.

A third to half of a padded batch of random lengths is padding that is computed and thrown away; here a batch is one
row of tokens, and the lengths say where each sequence ends. Letters: S sequences, N tokens of all of them.
Not here: which sequences share a batch (`batches`' callers), what is computed (`transformer`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hexamer.tokens.tokenizer import PAD_ID, Ids


@dataclass(frozen=True)
class Packed:
    """A batch of sequences.

    Attributes
    ----------
    ids : int tensor [N]
        Token ids, each sequence with its `<cls>`.
    lengths : tuple of int
        Tokens of each sequence, `<cls>` included; they add up to N.
    """

    ids: Tensor
    lengths: tuple[int, ...]

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(self.lengths, default=0)

    @cached_property
    def bounds(self) -> Tensor:
        """First row of each sequence, and N: int32 [S + 1]."""
        return torch.tensor(np.cumsum([0, *self.lengths]), dtype=torch.int32, device=self.ids.device)

    @cached_property
    def spans(self) -> Tensor:
        """First row and end of each sequence: int32 [S, 2]."""
        return torch.stack([self.bounds[:-1], self.bounds[1:]], dim=1)

    @cached_property
    def sequence(self) -> Tensor:
        """Which sequence each row belongs to: int64 [N]."""
        numbers = np.repeat(np.arange(len(self.lengths)), self.lengths)
        return torch.as_tensor(numbers, device=self.ids.device)

    @cached_property
    def positions(self) -> Tensor:
        """Place of each row in its sequence, from 0: int64 [N]."""
        return torch.arange(len(self.ids), device=self.ids.device) - self.bounds[self.sequence]


def pack(windows: Sequence[Ids], device: torch.device) -> Packed:
    """Lay windows end to end.

    Parameters
    ----------
    windows : sequence of int arrays [L_i]
        Token ids with `<cls>`.
    device : torch.device

    Returns
    -------
    Packed

    Examples
    --------
    >>> packed = pack([np.array([3, 10, 11]), np.array([3, 12])], torch.device("cpu"))
    >>> packed.lengths, packed.positions.tolist(), packed.spans.tolist()
    ((3, 2), [0, 1, 2, 0, 1], [[0, 3], [3, 5]])
    """
    ids = np.concatenate(windows) if len(windows) else np.zeros(0, dtype=np.int32)
    return Packed(torch.as_tensor(ids).to(device), tuple(len(window) for window in windows))


def pack_rows(input_ids: Tensor) -> tuple[Packed, Tensor]:
    """Take the padding out of a batch.

    Parameters
    ----------
    input_ids : int tensor [B, L]
        Padded with 1.

    Returns
    -------
    packed : Packed
    real : bool tensor [B, L]
        Where a token is; ``out[real] = x`` puts rows back.
    """
    real = input_ids != PAD_ID
    if bool(real.all()):
        return Packed(input_ids.flatten(), (input_ids.shape[1],) * input_ids.shape[0]), real
    return Packed(input_ids[real], tuple(real.sum(1).tolist())), real


def pad_rows(x: Tensor, real: Tensor) -> Tensor:
    """Put rows [N, ...] back where `real` [B, L] is true; zeros elsewhere: [B, L, ...]."""
    if len(x) == real.numel():
        return x.unflatten(0, real.shape)
    out = x.new_zeros(*real.shape, *x.shape[1:])
    out[real] = x
    return out


def batches(lengths: Sequence[int], token_budget: int) -> Iterator[range]:
    """Group windows, in order, into batches of at most a number of tokens.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each window.
    token_budget : int
        Most tokens of a batch; a longer window is a batch of its own.

    Yields
    ------
    range
        Indices into `lengths`.

    Examples
    --------
    >>> list(batches([5, 2, 3, 7], 6))
    [range(0, 1), range(1, 3), range(3, 4)]
    """
    start = size = 0
    for i, length in enumerate(lengths):
        if size and size + length > token_budget:
            yield range(start, i)
            start, size = i, 0
        size += length
    if start < len(lengths):
        yield range(start, len(lengths))
