"""The one batch format of the encoder: sequences of any lengths end to end, without padding.

A third to half of a padded batch of random lengths is padding that is computed and thrown away; here a batch is one
row of tokens, and the lengths say where each sequence ends. Letters: S sequences, N tokens of all of them.
Not here: which sequences share a batch (`batches`' callers), what is computed (`transformer`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
    longest : int
        Tokens of the longest sequence.
    bounds : int32 tensor [S + 1]
        First row of each sequence, and N.
    spans : int32 tensor [S, 2]
        First row and end of each sequence.
    sequence : int64 tensor [N]
        Which sequence each row belongs to.
    positions : int64 tensor [N]
        Place of each row in its sequence, from 0.
    alike : tuple of (int, int)
        How many sequences have a length, and the length, ascending.
    order : int64 tensor [N]
        Rows sorted by their sequence's length: those of `alike`, one after the other.
    """

    ids: Tensor
    lengths: tuple[int, ...]
    longest: int = field(init=False, repr=False, compare=False)
    bounds: Tensor = field(init=False, repr=False, compare=False)
    spans: Tensor = field(init=False, repr=False, compare=False)
    sequence: Tensor = field(init=False, repr=False, compare=False)
    positions: Tensor = field(init=False, repr=False, compare=False)
    alike: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    order: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute what follows from the lengths: here, since in a block the compiler would trace it."""
        lengths = np.array(self.lengths, dtype=np.int64)
        bounds = np.concatenate([[0], lengths.cumsum()])
        sequence = np.repeat(np.arange(len(lengths)), lengths)
        known, counts = np.unique(lengths, return_counts=True)
        arrays = {
            "bounds": bounds.astype(np.int32),
            "spans": np.stack([bounds[:-1], bounds[1:]], axis=1).astype(np.int32),
            "sequence": sequence,
            "positions": np.arange(len(sequence)) - bounds[sequence],
            "order": np.argsort(lengths[sequence], kind="stable"),
        }
        with torch.inference_mode(False):  # a batch that was scored can be trained on
            for name, array in arrays.items():
                object.__setattr__(self, name, torch.as_tensor(array, device=self.ids.device))
        object.__setattr__(self, "longest", max(self.lengths, default=0))
        object.__setattr__(self, "alike", tuple(zip(counts.tolist(), known.tolist(), strict=True)))


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
    with torch.inference_mode(False):  # as in `Packed`
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
