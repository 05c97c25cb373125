"""Scaled dot-product attention with rotary positions over packed sequences, with or without its map.

One signature, and what runs behind it is what is fastest and right on this machine: the project's own kernel (`native`)
on CPUs that it knows, torch's flash attention for sequences of unequal lengths on GPUs in bfloat16, else torch's fused
attention. Where the map itself is asked for it is the plain formula, since fused kernels never hold it. Tests keep all
of them equal. Letters: N tokens of all sequences, L of one, H heads, E width of a head.
"""

from functools import cache
from importlib.util import find_spec

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
    if not len(query):
        return value
    if query.shape[-1] % 16 == 0 and native.runs_on(query, key, value):
        cos, sin = turn or (None, None)
        return native.attention(query, key, value, cos, sin, packed.spans)[0]
    if turn is not None:
        query, key = (rotate(part, _rows_of(turn, packed)) for part in (query, key))
    half = query.dtype in (torch.bfloat16, torch.float16)
    if query.is_cuda and half and not why_not_flash(query.device, query.shape[-1]):
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


def why_not_flash(device: torch.device, width: int) -> str:
    """Say what keeps flash attention over unequal lengths from a GPU; nothing if it runs, in bfloat16 and float16.

    Parameters
    ----------
    device : torch.device
    width : int
        Of a head.

    Returns
    -------
    str
    """
    return _why_not_flash(device, width)


why_not_flash._dynamo_marked_constant = True  # type: ignore[attr-defined]  # as `native.why_not`


@cache
def _why_not_flash(device: torch.device, width: int) -> str:
    if width % 8 or width > 256:
        return f"heads of {width}, not a multiple of 8 up to 256"
    if find_spec("torch.nn.attention.varlen") is None:
        return "torch before 2.10"
    if not torch.cuda.is_available():
        return "no such GPU here"
    return "" if torch.cuda.get_device_capability(device) >= (8, 0) else "a GPU before Ampere (sm80)"


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
    """Torch's fused attention, one call for all sequences of a length."""
    if len(packed.alike) == 1:
        return _attend_alike(query, key, value, packed.alike[0])
    sizes = [count * length for count, length in packed.alike]
    parts = zip(*(part[packed.order].split(sizes) for part in (query, key, value)), packed.alike, strict=True)
    found = torch.cat([_attend_alike(q, k, v, alike) for q, k, v, alike in parts])
    return torch.empty_like(found).index_copy(0, packed.order, found)


def _attend_alike(query: Tensor, key: Tensor, value: Tensor, alike: tuple[int, int]) -> Tensor:
    q, k, v = (part.unflatten(0, alike).transpose(1, 2) for part in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(0, 1)
