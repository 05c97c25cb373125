"""Scaled dot-product attention with rotary positions, with or without its map.

One signature, three ways: the project's own kernel where it runs (`native`), else torch's fused kernel, and the plain
formula where the map itself is asked for (fused kernels never hold it). Tests keep them equal. Letters: B batch, L
tokens, H heads, E width of a head.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from hexamer.model import native

Turn = tuple[Tensor, Tensor]
"""Cosine and sine [L, E] of rotary positions, float32."""


def rotary_turn(tokens: int, head_width: int, device: torch.device) -> Turn:
    """Cosine and sine [L, E] of rotary positions (Su et al. 2021), in float32; position 0 is `<cls>`."""
    exponents = torch.arange(0, head_width, 2, device=device, dtype=torch.float32) / head_width
    # The originals round 10000^x before they invert it; 10000^-x differs by 1e-7, which grows to 2e-4 in layer 2
    # (2026-11).
    frequencies = 1.0 / 10000.0**exponents
    angles = torch.arange(tokens, device=device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: Turn) -> Tensor:
    """Rotate channel i against channel i + E/2; `x` is [B, H, L, E]."""
    cos, sin = turn
    low, high = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-high, low], dim=-1) * sin).to(x.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, turn: Turn | None = None) -> Tensor:
    """Weighted mean of values.

    Parameters
    ----------
    query, key, value : float tensors [B, L, H, E]
    keep : bool tensor [B, L] or None
        True where a token may be looked at; None where all may. What the others get is undefined, but finite.
    turn : Turn, optional
        Rotary positions for queries and keys.

    Returns
    -------
    float tensor [B, L, H, E]
    """
    if query.shape[-1] % 16 == 0 and native.runs_on(query, key, value) and (spans := _spans(query, keep)) is not None:
        cos, sin = turn or (None, None)
        rows = [part.flatten(0, 1) for part in (query, key, value)]
        return native.attention(rows[0], rows[1], rows[2], cos, sin, spans)[0].view(query.shape)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    if turn is not None:
        query, key = rotate(query, turn), rotate(key, turn)
    mask = None if keep is None else keep[:, None, None, :]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)


def attention_weights(query: Tensor, key: Tensor, keep: Tensor | None, turn: Turn | None = None) -> Tensor:
    """Softmax of scaled products: the attention map.

    Parameters
    ----------
    query, key : float tensors [B, L, H, E]
    keep : bool tensor [B, L] or None
        True where a token may be looked at.
    turn : Turn, optional
        Rotary positions.

    Returns
    -------
    float tensor [B, H, L, L]
        Rows (queries) add up to 1; columns of hidden tokens are 0.
    """
    query, key = query.transpose(1, 2), key.transpose(1, 2)
    if turn is not None:
        query, key = rotate(query, turn), rotate(key, turn)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if keep is not None:
        scores = scores.masked_fill(~keep[:, None, None, :], torch.finfo(scores.dtype).min)
    return scores.softmax(dim=-1)


def _spans(query: Tensor, keep: Tensor | None) -> Tensor | None:
    """First row and end of each sequence in the flattened batch [B, 2]; None if pads lie elsewhere than at ends."""
    batch, tokens = query.shape[:2]
    starts = torch.arange(0, batch * tokens, tokens, dtype=torch.int32, device=query.device)
    if keep is None:
        return torch.stack([starts, starts + tokens], dim=1)
    lengths = keep.sum(1, dtype=torch.int32)
    if bool((keep != (torch.arange(tokens, device=query.device) < lengths[:, None])).any()):
        return None
    return torch.stack([starts, starts + lengths], dim=1)
