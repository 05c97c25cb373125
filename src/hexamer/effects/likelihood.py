"""How probable the model finds what stands in a window.

Two quantities, both in nats: the log probabilities of all tokens where a window is masked, and the mean cross-entropy
of a whole unmasked window. Source: masked-language-model scores of Dalla-Torre et al. (2025); the masked ratio is the
usual one for masked models (Meier et al. 2021 for proteins).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from hexamer.model import NucleotideTransformer, Packed, pack
from hexamer.tokens import MASK_ID
from hexamer.tokens.tokenizer import Ids


def masked_log_probabilities(
    model: NucleotideTransformer, windows: Sequence[Ids], spans: Sequence[tuple[int, int]]
) -> list[npt.NDArray[np.float32]]:
    """Log probability of every token of the vocabulary at each masked token.

    Parameters
    ----------
    model : NucleotideTransformer
    windows : sequence of int32 array [L_i]
        Token ids with `<cls>`; one batch.
    spans : sequence of (int, int)
        First token and end of those to mask in each window, all at once.

    Returns
    -------
    list of float32 array [M_i, V]
        Natural logarithms, a row for each masked token.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> windows = model.tokenizer.encode(["ACGTAC" * 3])
    >>> (logs,) = masked_log_probabilities(model, windows, [(2, 4)])
    >>> logs.shape, bool((abs(np.exp(logs).sum(axis=1) - 1) < 1e-4).all())
    ((2, 4107), True)
    """
    packed = pack(windows, model.device)
    firsts = np.cumsum([0, *(len(window) for window in windows)])
    rows = [first + row for first, span in zip(firsts, spans, strict=False) for row in range(*span)]
    if not rows:
        return [np.zeros((0, model.config.vocabulary_size), dtype=np.float32) for _ in windows]
    where = torch.as_tensor(rows, dtype=torch.int64, device=model.device)
    with torch.inference_mode():
        masked = replace(packed, ids=packed.ids.index_fill(0, where, MASK_ID))
        hidden = model.encode(masked, rows=where).hidden[model.config.layers]
        logs = model.lm_head(hidden).float().log_softmax(dim=-1).cpu().numpy()
    return np.split(logs, np.cumsum([end - first for first, end in spans])[:-1])


def window_losses(packed: Packed, logits: torch.Tensor) -> npt.NDArray[np.float32]:
    """Mean cross-entropy of each window's own tokens, nothing masked.

    Parameters
    ----------
    packed : Packed
        Windows with `<cls>`, which is not counted.
    logits : float tensor [N, V]

    Returns
    -------
    float32 array [S]
        Nats per token.
    """
    each = F.cross_entropy(logits.float(), packed.ids.long(), reduction="none").split(packed.lengths)
    return torch.stack([losses[1:].mean() for losses in each]).cpu().numpy()
