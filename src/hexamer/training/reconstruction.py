"""Masked tokens and what an encoder makes of them: one record for every token that it was asked for.

Whole tokens, and bases: the distribution over 6-mers, summed over all 6-mers that share a base at a place, says how
probable each base is there. Source: reconstruction accuracy in Dalla-Torre et al. (2025), spec section 5.3.
Not here: averages (`evaluate`).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hexamer.errors import SettingsError
from hexamer.model import NucleotideTransformer
from hexamer.tokens import MASK_ID, Tokenizer, mask_tokens
from hexamer.tokens.tokenizer import Ids

MaskingKind = Literal["random", "central"]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

_WINDOWS = 4  # that go through the encoder at a time


class Restored(NamedTuple):
    """What became of M masked tokens, in row-major order of the windows."""

    window: npt.NDArray[np.int64]
    """Row of the window, int64 [M]."""
    place: npt.NDArray[np.int64]
    """Index of the token in its window, `<cls>` is 0, int64 [M]."""
    loss: Numbers
    """-log p(true token) in nats, float64 [M]."""
    correct: Flags
    """Whether the true token is the first choice, bool [M]."""
    base_accuracy: Numbers
    """Share of the token's bases that are right in the most probable k-mer, float64 [M]."""
    base_loss: Numbers
    """-log p(true base), k-mers summed over their other bases; mean over the token's bases, nats, float64 [M]."""


def check_kind(kind: str) -> None:
    """Raise SettingsError if there is no such kind of mask.

    Parameters
    ----------
    kind : str

    Raises
    ------
    SettingsError
    """
    if kind not in get_args(MaskingKind):
        raise SettingsError(f"masking {kind!r}: {' or '.join(get_args(MaskingKind))} would work")


def mask_windows(tokenizer: Tokenizer, ids: Ids, *, kind: MaskingKind, seed: int) -> tuple[Ids, Flags]:
    """Mask windows to ask for some of their tokens.

    Parameters
    ----------
    tokenizer : Tokenizer
    ids : int32 array [W, L]
        Windows without N.
    kind : {"random", "central"}
        As in training (15 %, of which 80 % read `<mask>`, 10 % another token, 10 % their own), or the middle token
        alone.
    seed : int
        Of random masks.

    Returns
    -------
    corrupted : int32 array [W, L]
    selected : bool array [W, L]
        Where the window reads `<mask>`. The others are not asked: a model that has learnt to repeat what it sees would
        get a tenth of its tokens for nothing, which no baseline sees.

    Raises
    ------
    SettingsError
        If there is no such kind.

    Examples
    --------
    >>> tokenizer = Tokenizer()
    >>> ids = np.stack(tokenizer.encode(["ACGTAC" * 5]))
    >>> corrupted, selected = mask_windows(tokenizer, ids, kind="central", seed=0)
    >>> selected[0].astype(int).tolist()
    [0, 0, 0, 1, 0, 0]
    """
    check_kind(kind)
    if kind == "random":
        corrupted, _ = mask_tokens(tokenizer, ids, np.random.default_rng(seed))
        return corrupted, corrupted == MASK_ID
    selected = np.zeros(ids.shape, dtype=bool)
    selected[:, ids.shape[1] // 2] = True
    return np.where(selected, MASK_ID, ids).astype(np.int32), selected


def restore_tokens(
    model: NucleotideTransformer,
    ids: Ids,
    *,
    corrupted: Ids,
    selected: Flags,
    advance: Callable[[int], None] | None = None,
) -> Restored:
    """Ask an encoder for masked tokens.

    Parameters
    ----------
    model : NucleotideTransformer
        Comes back in the mode (training or not) in which it was.
    ids : int array [W, L]
        Original tokens; those asked for are k-mers.
    corrupted : int array [W, L]
        What the model reads.
    selected : bool array [W, L]
        Where it is asked.
    advance : callable, optional
        Told the number of windows after each batch.

    Returns
    -------
    Restored
    """
    tokenizer = model.tokenizer
    window, place = selected.nonzero()
    columns: list[list[Tensor]] = []
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(ids), _WINDOWS):
                part = slice(start, start + _WINDOWS)
                read, where = (torch.as_tensor(a[part]).to(model.device) for a in (corrupted, selected))
                logits = model(read, where=where).logits.float()
                targets = torch.as_tensor(ids[part][selected[part]]).to(model.device).long()
                columns.append([column.cpu() for column in _judge(tokenizer, logits, targets)])
                if advance is not None:
                    advance(len(read))
    finally:
        model.train(training)
    loss, correct, base_accuracy, base_loss = (torch.cat(column).numpy() for column in zip(*columns, strict=True))
    return Restored(window, place, loss, correct, base_accuracy, base_loss)


def _judge(tokenizer: Tokenizer, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loss, whether it is right, share of right bases, and loss per base, each [M], of logits [M, V]."""
    k = tokenizer.k
    loss = F.cross_entropy(logits, targets, reduction="none").double()
    correct = logits.argmax(-1) == targets
    kmers = logits[:, tokenizer.first_kmer : tokenizer.first_letter]
    shares = kmers.softmax(-1).unflatten(-1, (4,) * k)
    digits = _digits(targets - tokenizer.first_kmer, k)
    right = (digits == _digits(kmers.argmax(-1), k)).double().mean(-1)
    # The base at place i: sum over the k-mers that share it.
    bases = torch.stack([shares.sum([j + 1 for j in range(k) if j != i]) for i in range(k)], dim=1)  # [M, k, 4]
    true = bases.gather(-1, digits[..., None])[..., 0].double()
    return loss, correct, right, -true.clamp(min=1e-30).log().mean(-1)


def _digits(values: Tensor, k: int) -> Tensor:
    """Bases of k-mers [M] as codes [M, k]."""
    powers = 4 ** torch.arange(k - 1, -1, -1, device=values.device)
    return values[:, None] // powers % 4
