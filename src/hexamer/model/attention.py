"""Scaled dot-product attention, with or without its map.

One signature, two ways: torch's fused kernel, and the plain formula where the map itself is asked for (fused kernels
never hold it). Tests keep the two equal. Letters: B batch, H heads, L tokens, E width of a head.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def attend(query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None) -> Tensor:
    """Weighted mean of values.

    Parameters
    ----------
    query, key, value : float tensors [B, H, L, E]
    keep : bool tensor [B, L] or None
        True where a token may be looked at; None where all may.

    Returns
    -------
    float tensor [B, H, L, E]
    """
    mask = None if keep is None else keep[:, None, None, :]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def attention_weights(query: Tensor, key: Tensor, keep: Tensor | None) -> Tensor:
    """Softmax of scaled products: the attention map.

    Parameters
    ----------
    query, key : float tensors [B, H, L, E]
    keep : bool tensor [B, L] or None
        True where a token may be looked at.

    Returns
    -------
    float tensor [B, H, L, L]
        Rows (queries) add up to 1; columns of hidden tokens are 0.
    """
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if keep is not None:
        scores = scores.masked_fill(~keep[:, None, None, :], torch.finfo(scores.dtype).min)
    return scores.softmax(dim=-1)
