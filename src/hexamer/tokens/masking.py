"""Masked-language-model corruption: what is hidden from the model, and what it must find.

As published: 15 % of the tokens are selected; of these 80 % become `<mask>`, 10 % another random token, 10 % stay. A
random token is never a special one and never the original; special tokens and N are never selected (a run of N is
a gap of the assembly, nothing to be learnt). Source: Dalla-Torre et al. (2025), Methods, pre-training.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hexamer.errors import SettingsError
from hexamer.manifest import STRICT
from hexamer.tokens.tokenizer import MASK_ID, Ids, Tokenizer


@dataclass(frozen=True, kw_only=True)
class Masking:
    """Shares of the corruption, each from 0 to 1."""

    __pydantic_config__ = STRICT

    rate: float = 0.15
    """Tokens that are selected, as a share of those that can be."""
    mask: float = 0.8
    """Selected tokens that become `<mask>`."""
    random: float = 0.1
    """Selected tokens that become another random token; the rest stays as it is."""

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 1 and self.mask >= 0 and self.random >= 0 and self.mask + self.random <= 1 + 1e-9):
            raise SettingsError(
                f"masking rate {self.rate}, mask {self.mask}, random {self.random}: "
                "a rate in (0, 1] and shares that add up to at most 1 would work"
            )


def mask_tokens(
    tokenizer: Tokenizer, ids: Ids, rng: np.random.Generator, *, masking: Masking | None = None
) -> tuple[Ids, npt.NDArray[np.bool_]]:
    """Corrupt a batch of windows.

    Parameters
    ----------
    tokenizer : Tokenizer
    ids : int32 array [B, L]
        Windows; left as they are.
    rng : numpy.random.Generator
        The only source of chance.
    masking : Masking, optional
        Shares; the published ones by default.

    Returns
    -------
    corrupted : int32 array [B, L]
        What the model reads.
    selected : bool array [B, L]
        Where it is asked for the original token. Every window has round(rate * eligible) of them, at least one where
        one is eligible.

    Examples
    --------
    >>> tokenizer = Tokenizer()
    >>> ids = np.stack(tokenizer.encode(["ACGTAC" * 20, "TTTGGC" * 20]))
    >>> corrupted, selected = mask_tokens(tokenizer, ids, np.random.default_rng(0))
    >>> selected.sum(axis=1).tolist()
    [3, 3]
    >>> bool((corrupted == ids)[~selected].all())
    True
    """
    masking = masking or Masking()
    eligible = (ids >= tokenizer.first_kmer) & (ids < tokenizer.n_id)
    chosen = []
    for row in range(len(ids)):
        places = eligible[row].nonzero()[0]
        if places.size:
            wanted = max(1, round(masking.rate * places.size))
            picks = rng.choice(places.size, wanted, replace=False, shuffle=False)
            chosen.append(places[picks] + row * ids.shape[1])
    places = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)

    # Flat views of new arrays: indexing `.flat` would be several times slower.
    corrupted, selected = ids.ravel().copy(), np.zeros(ids.size, dtype=bool)
    selected[places] = True
    fate = rng.random(places.size)
    originals = corrupted[places]
    corrupted[places[fate < masking.mask]] = MASK_ID
    is_swapped = (fate >= masking.mask) & (fate < masking.mask + masking.random)
    # Draw from one token fewer and step over the original: uniform over all the others.
    choices = tokenizer.n_id - tokenizer.first_kmer
    drawn = rng.integers(choices - 1, size=np.count_nonzero(is_swapped)) + tokenizer.first_kmer
    corrupted[places[is_swapped]] = drawn + (drawn >= originals[is_swapped])
    return corrupted.reshape(ids.shape), selected.reshape(ids.shape)
