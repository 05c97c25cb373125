"""Which token covers a base, and which bases a token covers.

Both are read off the token ids themselves, so they hold for any sequence, with N and remainders. All coordinates are
0-based and half-open, relative to the window's first base; `<cls>` is token 0 and covers nothing.
Not here: genomic coordinates (add the window's start).
"""

import numpy as np
import numpy.typing as npt

from hexamer.errors import SequenceError
from hexamer.tokens.tokenizer import Ids, Tokenizer

Places = npt.NDArray[np.int64]


def token_spans(tokenizer: Tokenizer, ids: Ids) -> tuple[Places, Places]:
    """Bases that each token covers.

    Parameters
    ----------
    tokenizer : Tokenizer
    ids : int array [L]
        Token ids of one window.

    Returns
    -------
    starts, ends : int64 arrays [L]
        Half-open; special tokens have start == end. A `<mask>` counts as special: spans are asked of unmasked ids.

    Examples
    --------
    >>> tokenizer = Tokenizer()
    >>> starts, ends = token_spans(tokenizer, tokenizer.encode(["ACGTACNGT"])[0])
    >>> [(int(s), int(e)) for s, e in zip(starts, ends)]
    [(0, 0), (0, 6), (6, 7), (7, 8), (8, 9)]
    """
    ends = np.cumsum(tokenizer.token_lengths[ids], dtype=np.int64)
    return ends - tokenizer.token_lengths[ids], ends


def token_of_base(tokenizer: Tokenizer, ids: Ids, bases: npt.ArrayLike) -> Places:
    """Index of the token that covers each base.

    Parameters
    ----------
    tokenizer : Tokenizer
    ids : int array [L]
        Token ids of one window, `<cls>` included.
    bases : int or int array [...]
        Bases, 0-based from the window's start.

    Returns
    -------
    int64 array [...]
        Indices into `ids`.

    Raises
    ------
    SequenceError
        If a base lies outside the window.

    Examples
    --------
    >>> tokenizer = Tokenizer()
    >>> token_of_base(tokenizer, tokenizer.encode(["ACGTACNGT"])[0], [0, 5, 6, 8]).tolist()
    [1, 1, 2, 4]
    """
    _, ends = token_spans(tokenizer, ids)
    wanted = np.asarray(bases, dtype=np.int64)
    length = int(ends[-1]) if ends.size else 0
    if wanted.size and (wanted.min() < 0 or wanted.max() >= length):
        raise SequenceError(f"base {int(wanted.min())}..{int(wanted.max())} is outside the window of {length} bases")
    return np.searchsorted(ends, wanted, side="right")
