"""How probable the model finds what stands in a window.

Two quantities, both in nats: the log probabilities of all tokens at one masked place, and the mean cross-entropy of a
whole unmasked window. Source: masked-language-model scores of Dalla-Torre et al. (2025); the masked ratio is the usual
one for masked models (Meier et al. 2021 for proteins).
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
    model: NucleotideTransformer, windows: Sequence[Ids], tokens: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Log probability of every token of the vocabulary at one masked token per window.

    Parameters
    ----------
    model : NucleotideTransformer
    windows : sequence of int32 array [L_i]
        Token ids with `<cls>`; one batch, B windows.
    tokens : sequence of int
        Index of the token to mask in each window.

    Returns
    -------
    float32 array [B, V]
        Natural logarithms.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> windows = model.tokenizer.encode(["ACGTAC" * 3])
    >>> logs = masked_log_probabilities(model, windows, [2])
    >>> bool(abs(np.exp(logs).sum() - 1) < 1e-4)
    True
    """
    packed = pack(windows, model.device)
    rows = packed.bounds[:-1] + torch.as_tensor(tokens, dtype=torch.int64, device=model.device)
    with torch.inference_mode():
        masked = replace(packed, ids=packed.ids.index_fill(0, rows, MASK_ID))
        hidden = model.encode(masked, rows=rows).hidden[model.config.layers]
        return model.lm_head(hidden).float().log_softmax(dim=-1).cpu().numpy()


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
