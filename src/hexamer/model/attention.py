"""Scaled dot-product attention with rotary positions over packed sequences, with or without its map.

One signature, and what runs behind it is what is fastest and right on this machine: the project's own kernel (`native`)
on CPUs that it knows, torch's flash attention for sequences of unequal lengths on GPUs in bfloat16, else torch's fused
attention. Where the map itself is asked for it is the plain formula, since fused kernels never hold it. Tests keep all
of them equal. Letters: N tokens of all sequences, L of one, H heads, E width of a head.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from hexamer.model import native
from hexamer.model.packed import Packed

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
    """Rotate channel i against channel i + E/2; `x` is [..., E], and the turn broadcasts to it."""
    cos, sin = turn
    low, high = x.chunk(2, dim=-1)
    return (x * cos + torch.cat([-high, low], dim=-1) * sin).to(x.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor, packed: Packed, turn: Turn | None = None) -> Tensor:
    """Weighted mean of values, each sequence by itself.

    Parameters
    ----------
    query, key, value : float tensors [N, H, E]
    packed : Packed
        Where the sequences lie.
    turn : Turn, optional
        Rotary positions for queries and keys, for at least the longest sequence.

    Returns
    -------
    float tensor [N, H, E]
    """
    if query.shape[-1] % 16 == 0 and native.runs_on(query, key, value):
        cos, sin = turn or (None, None)
        return native.attention(query, key, value, cos, sin, packed.spans)[0]
    if turn is not None:
        query, key = (rotate(part, _rows_of(turn, packed)) for part in (query, key))
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        return _attend_flash(query, key, value, packed)
    return _attend_each(query, key, value, packed)


def attention_weights(query: Tensor, key: Tensor, packed: Packed, turn: Turn | None = None) -> list[Tensor]:
    """Softmax of scaled products: the attention maps.

    Parameters
    ----------
    query, key : float tensors [N, H, E]
    packed : Packed
        Where the sequences lie.
    turn : Turn, optional
        Rotary positions.

    Returns
    -------
    list of float32 tensor [H, L, L]
        Of each sequence; rows (queries) add up to 1.
    """
    if turn is not None:
        query, key = (rotate(part, _rows_of(turn, packed)) for part in (query, key))
    scale = query.shape[-1] ** -0.5
    parts = zip(*(part.float().transpose(0, 1).split(packed.lengths, dim=1) for part in (query, key)), strict=True)
    return [(q @ k.transpose(-1, -2) * scale).softmax(dim=-1) for q, k in parts]


def _rows_of(turn: Turn, packed: Packed) -> Turn:
    """Cosine and sine [N, 1, E] of each row."""
    return turn[0][packed.positions][:, None], turn[1][packed.positions][:, None]


def _attend_flash(query: Tensor, key: Tensor, value: Tensor, packed: Packed) -> Tensor:
    """Torch's flash attention over sequences of unequal lengths, for GPUs."""
    from torch.nn.attention.varlen import varlen_attn

    found = varlen_attn(query, key, value, packed.bounds, packed.bounds, packed.longest, packed.longest)
    assert isinstance(found, Tensor)  # it returns more only when asked for more
    return found


def _attend_each(query: Tensor, key: Tensor, value: Tensor, packed: Packed) -> Tensor:
    """Torch's fused attention, one call for sequences of equal length, else one for each."""
    if len(set(packed.lengths)) == 1:
        shape = (len(packed.lengths), packed.longest)
        q, k, v = (part.unflatten(0, shape).transpose(1, 2) for part in (query, key, value))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(0, 1)
    parts = zip(*(part.transpose(0, 1).split(packed.lengths, dim=1) for part in (query, key, value)), strict=True)
    found = [F.scaled_dot_product_attention(q[None], k[None], v[None])[0] for q, k, v in parts]
    return torch.cat(found, dim=1).transpose(0, 1)
