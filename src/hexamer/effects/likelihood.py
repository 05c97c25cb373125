"""How probable the model finds what stands in a window.

Two quantities, both in nats: the log probabilities of all tokens at one masked place, and the mean cross-entropy of a
whole unmasked window. Source: masked-language-model scores of Dalla-Torre et al. (2025); the masked ratio is the usual
one for masked models (Meier et al. 2021 for proteins).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from hexamer.embeddings import pad_ids
from hexamer.model import NucleotideTransformer
from hexamer.tokens import MASK_ID, PAD_ID
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
    ids = pad_ids(windows, model.device)
    where = torch.zeros_like(ids, dtype=torch.bool)
    where[torch.arange(len(windows)), torch.as_tensor(tokens)] = True
    with torch.inference_mode():
        logits = model(ids.masked_fill(where, MASK_ID), where=where).logits
        return logits.float().log_softmax(dim=-1).cpu().numpy()


def window_loss(ids: torch.Tensor, logits: torch.Tensor) -> npt.NDArray[np.float32]:
    """Mean cross-entropy of each window's own tokens, nothing masked.

    Parameters
    ----------
    ids : int tensor [B, L]
        Right-padded token ids with `<cls>`, which is not counted.
    logits : float tensor [B, L, V]

    Returns
    -------
    float32 array [B]
        Nats per token.
    """
    targets = ids.long()
    real = (targets != PAD_ID)[:, 1:]
    each = F.cross_entropy(logits.float()[:, 1:].transpose(1, 2), targets[:, 1:], reduction="none")
    return ((each * real).sum(1) / real.sum(1)).cpu().numpy()
