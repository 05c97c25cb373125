"""Linear layers whose products are fast on AMD processors, too.

torch hands float32 products to MKL, which leaves half of an AMD processor's vector units idle; oneDNN, in the same
torch, does not, and is as exact: float32 products and sums, never rounded to bfloat16 unless torch was told to. Asked
directly it also adds the bias and takes GELU while a result is in the processor's cache, in bfloat16 as well.
Elsewhere, under autocast and for small products torch's own choice stands. Weights stay as they are: laying them out
anew for oneDNN would gain 2 to 5 % (docs/speed.md) and double their memory or forbid saving.
"""

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.model.operators import operator
from hexamer.model.processor import this_processor

SMALLEST = 2**20
"""Multiplications below which the detour costs more than it gains."""


class Linear(nn.Linear):
    """`torch.nn.Linear` with another kernel: same weights, same names, same result up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """Linear map of float [..., inputs] to [..., outputs]."""
        if _onednn_pays(x, self.weight, self.bias):
            return product(x, self.weight, self.bias)
        return super().forward(x)


def gelu_of(layer: nn.Module, x: Tensor) -> Tensor:
    """Exact GELU of a layer's result, in one step where nobody looks between.

    Parameters
    ----------
    layer : Module
        A `Linear`, or what an adapter put in its place.
    x : float tensor [..., inputs]

    Returns
    -------
    float tensor [..., outputs]
    """
    # Adapters change the result before GELU, hooks read it.
    seen = layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer)
    if type(layer) is Linear and not seen:
        weight, bias = layer.weight, layer.bias
        if _onednn_pays(x, weight, bias) and not _wants_gradients(x, weight, bias):
            return product_gelu(x, weight, bias)
    found: Tensor = F.gelu(layer(x))
    return found


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    x, weight, _ = ctx.saved_tensors
    rows, by = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    return (
        product(gradient, weight.t(), None) if ctx.needs_input_grad[0] else None,
        product(by.t(), rows.t(), None) if ctx.needs_input_grad[1] else None,
        by.sum(0) if ctx.needs_input_grad[2] else None,
    )


@operator(lambda x, weight, bias: x.new_empty((*x.shape[:-1], weight.shape[0])), _gradients)
def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map in oneDNN; all of one type.

    Parameters
    ----------
    x : float32 or bfloat16 tensor [..., inputs]
    weight : tensor [outputs, inputs]
    bias : tensor [outputs] or None

    Returns
    -------
    tensor [..., outputs]
    """
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


@operator(lambda x, weight, bias: x.new_empty((*x.shape[:-1], weight.shape[0])))
def product_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Linear map and exact GELU in oneDNN, without gradients; parameters as `product`."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "none")
    return found


def why_not() -> str:
    """Say why torch's own choice stands on this machine; nothing if large float32 products go to oneDNN.

    Returns
    -------
    str
    """
    if os.environ.get("HEXAMER_NATIVE") == "0":
        return "HEXAMER_NATIVE=0"
    if this_processor().vendor != "AuthenticAMD":
        return "the processor is not AMD's"
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return "this torch has no oneDNN"
    return ""


why_not._dynamo_marked_constant = True  # type: ignore[attr-defined]  # as `native.why_not`


def measure_error(dtype: torch.dtype = torch.float32) -> float:
    """Largest difference between `product` and float64 on a small example, as a share of the largest number.

    Parameters
    ----------
    dtype : torch.dtype
        float32 or bfloat16.

    Returns
    -------
    float
    """
    draw, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    x, weight = torch.randn(2, 64, 256, generator=draw, device=cpu, dtype=torch.float32).to(dtype).unbind(0)
    wanted = x.double() @ weight.double().t()
    return float((product(x, weight, None).double() - wanted).abs().max() / wanted.abs().max())


def _onednn_pays(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    parts = [part for part in (x, weight, bias) if part is not None]
    plain = all(type(part) in (Tensor, nn.Parameter) and part.dtype == x.dtype and part.is_cpu for part in parts)
    # bfloat16 gradients would be sums of rounded products: training rounds by autocast instead.
    known = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and not _wants_gradients(*parts))
    large = x.numel() * weight.shape[0] >= SMALLEST
    return plain and known and large and not torch.is_autocast_enabled("cpu") and not why_not()


def _wants_gradients(*parts: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in parts)
