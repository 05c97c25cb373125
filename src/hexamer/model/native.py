"""The project's own CPU kernels as torch operators: attention, SwiGLU, and LayerNorm into bfloat16.

They run only where the library could be built (`native_library`) and gave the right numbers on a small example;
elsewhere `why_not` has the reason, and torch's own operators run. HEXAMER_NATIVE=0 turns them off. Not here: which
layer takes which kernel (`attention`, `elementwise`), and the table of all of them (`backends`).

Letters: N rows of all sequences, H heads, E width of a head, F inner width of the feed-forward network.
"""

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hexamer.model.native_library import load_library
from hexamer.model.operators import operator
from hexamer.model.processor import this_processor

FORMATS = (torch.float32, torch.bfloat16)
MOST_CUTS = 4  # as in native_attention.cpp
NORM_ROWS = 64  # as in native_elementwise.cpp


def why_not(dtype: torch.dtype) -> str:
    """Say what keeps the kernels from CPU tensors of a type; nothing if they run.

    Parameters
    ----------
    dtype : torch.dtype

    Returns
    -------
    str
    """
    if os.environ.get("HEXAMER_NATIVE") == "0":
        return "HEXAMER_NATIVE=0"
    if dtype not in FORMATS:
        return f"no kernel for {dtype}"
    if dtype == torch.bfloat16 and "avx512_bf16" not in this_processor().flags:
        return "the processor has no avx512_bf16"
    return load_library()[1] or _why_wrong(dtype)


# What torch.compiler.assume_constant_result does, but without its import of the compiler, a second.
why_not._dynamo_marked_constant = True  # type: ignore[attr-defined]


def runs_on(*tensors: Tensor) -> bool:
    """Whether the kernels take such tensors.

    Parameters
    ----------
    *tensors : tensors
        Of one type.

    Returns
    -------
    bool
    """
    dtype = tensors[0].dtype
    return all(tensor.device.type == "cpu" and tensor.dtype == dtype for tensor in tensors) and not why_not(dtype)


# ---- attention -----------------------------------------------------------------------------------------------------


def _attention_gradients(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    return (*attention_backward(gradient, *ctx.saved_tensors), None, None, None)


@operator(
    lambda query, *_: (_like(query), _like(query, query.shape[1::-1], torch.float32)),
    _attention_gradients,
    keep_results=True,
)
def attention(
    query: Tensor, key: Tensor, value: Tensor, cos: Tensor | None, sin: Tensor | None, spans: Tensor
) -> tuple[Tensor, Tensor]:
    """Attend within each sequence, after turning queries and keys by their positions.

    Parameters
    ----------
    query, key, value : float32 or bfloat16 tensors [N, H, E]
        E is a multiple of 16. Three parts of one array will do.
    cos, sin : float32 tensors [L, E], or None
        As `rotary_turn` gives them; None for no rotary positions.
    spans : int32 tensor [sequences, 2]
        First row of each sequence and the row after its last, in ascending order; rows between sequences give 0.

    Returns
    -------
    out : tensor [N, H, E]
    weight : float32 tensor [H, N]
        Logarithm of each query's sum of exponentials, for the backward pass.
    """
    out, weight = _like(query), _like(query, query.shape[1::-1], torch.float32)
    arrays = _readable(query, key, value, cos, sin, spans) | {"out": out, "weight": weight}
    _library().attention_forward(ctypes.byref(_task(arrays)))
    return out, weight


@operator(lambda _, query, *__: (_like(query), _like(query), _like(query)))
def attention_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cos: Tensor | None,
    sin: Tensor | None,
    spans: Tensor,
    out: Tensor,
    weight: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients [N, H, E] of query, key and value, from the gradient of `out`; the rest as `attention`."""
    gradients = [_like(query) for _ in range(3)]
    arrays = _readable(query, key, value, cos, sin, spans)
    arrays |= dict(zip(("query_gradient", "key_gradient", "value_gradient"), gradients, strict=True))
    arrays |= {"out": out, "weight": weight, "out_gradient": gradient.contiguous()}
    arrays["partial"] = _like(query, (MOST_CUTS, *query.shape), torch.float32)
    _library().attention_backward(ctypes.byref(_task(arrays)))
    return gradients[0], gradients[1], gradients[2]


class _Task(ctypes.Structure):
    """`Task` of native_attention.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("query", "key", "value")),
        *((f"{name}_{axis}", ctypes.c_int64) for name in ("query", "key", "value") for axis in ("row", "head")),
        *((name, ctypes.c_void_p) for name in ("cos", "sin")),
        ("turn_row", ctypes.c_int64),
        ("spans", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("sequences", "rows", "heads", "width")),
        ("scale", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("half", "threads")),
        *((name, ctypes.c_void_p) for name in ("out", "weight", "out_gradient")),
        *((name, ctypes.c_void_p) for name in ("query_gradient", "key_gradient", "value_gradient", "partial")),
    )


def _readable(
    query: Tensor, key: Tensor, value: Tensor, cos: Tensor | None, sin: Tensor | None, spans: Tensor
) -> dict[str, Tensor]:
    """Name the kernel's inputs, after a check that it will not read beyond them."""
    longest, last = (int((spans[:, 1] - spans[:, 0]).max()), int(spans.max())) if len(spans) else (0, 0)
    turns = [part for part in (cos, sin) if part is not None]
    rows = {"query": query, "key": key, "value": value}
    alike = all(part.shape == query.shape and part.dtype == query.dtype for part in rows.values())
    inside = spans.dtype == torch.int32 and spans.is_contiguous() and last <= len(query)
    if not (alike and inside) or query.shape[-1] % 16:
        raise ValueError(f"rows {tuple(query.shape)} and spans {spans.dtype} up to {last} do not fit the kernel")
    fits = all(
        part.dtype == torch.float32
        and len(part) >= longest
        and part.shape[1:] == query.shape[2:]
        and part.stride() == (turns[0].stride(0), 1)
        for part in turns
    )
    if not fits or len(turns) == 1:
        raise ValueError(f"rotary positions do not fit sequences of {longest} tokens")
    named = {name: part if part.stride(-1) == 1 else part.contiguous() for name, part in rows.items()}
    return named | {"spans": spans} | dict(zip(("cos", "sin"), turns, strict=False))


def _task(arrays: dict[str, Tensor]) -> _Task:
    """Describe the work; the caller keeps the arrays alive."""
    task = _Task(**{name: array.data_ptr() for name, array in arrays.items()})
    for name in ("query", "key", "value"):
        setattr(task, f"{name}_row", arrays[name].stride(0))
        setattr(task, f"{name}_head", arrays[name].stride(1))
    task.turn_row = arrays["cos"].stride(0) if "cos" in arrays else 0
    task.sequences, (task.rows, task.heads, task.width) = len(arrays["spans"]), arrays["query"].shape
    task.scale = task.width**-0.5
    task.half = arrays["query"].dtype == torch.bfloat16
    task.threads = torch.get_num_threads()
    return task


# ---- elementwise ---------------------------------------------------------------------------------------------------


def _swiglu_gradient(ctx: Any, gradient: Tensor) -> Tensor:
    return swiglu_backward(gradient, ctx.saved_tensors[0])


@operator(lambda x: _like(x, (*x.shape[:-1], x.shape[-1] // 2)), _swiglu_gradient)
def swiglu(x: Tensor) -> Tensor:
    """Second half times SiLU of the first: float32 or bfloat16 [..., 2 F] to [..., F]."""
    x = x.contiguous()
    out = _like(x, (*x.shape[:-1], x.shape[-1] // 2))
    _call("swiglu_forward", x, out, *_flat(out), x.dtype == torch.bfloat16, torch.get_num_threads())
    return out


@operator(lambda _, x: _like(x))
def swiglu_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """Gradient [..., 2 F] of x, from that of `swiglu`'s result."""
    x, gradient = x.contiguous(), gradient.contiguous()
    out = _like(x)
    _call("swiglu_backward", x, gradient, out, *_flat(gradient), x.dtype == torch.bfloat16, torch.get_num_threads())
    return out


def _norm_gradients(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    x, weight, _bias, _out, moments = ctx.saved_tensors
    return (*norm_backward(gradient, x, weight, moments), None)


@operator(
    lambda x, *_: (_like(x, x.shape, torch.bfloat16), _like(x, (*x.shape[:-1], 2))), _norm_gradients, keep_results=True
)
def norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """LayerNorm of float32 rows into bfloat16.

    Parameters
    ----------
    x : float32 tensor [..., D]
    weight, bias : float32 tensors [D]
    epsilon : float

    Returns
    -------
    out : bfloat16 tensor [..., D]
    moments : float32 tensor [..., 2]
        Mean and 1 / standard deviation of each row, for the backward pass.
    """
    x = x.contiguous()
    out, moments = _like(x, x.shape, torch.bfloat16), _like(x, (*x.shape[:-1], 2))
    _call(
        "norm_forward",
        x,
        weight.contiguous(),
        bias.contiguous(),
        out,
        moments,
        *_flat(x),
        epsilon,
        torch.get_num_threads(),
    )
    return out, moments


@operator(lambda _, x, weight, *__: (_like(x), _like(weight), _like(weight)))
def norm_backward(gradient: Tensor, x: Tensor, weight: Tensor, moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias, float32, from the bfloat16 gradient of `norm`'s result."""
    x, gradient = x.contiguous(), gradient.contiguous()
    rows, width = _flat(x)
    out, of_weight, of_bias, partial = (
        _like(x),
        _like(weight),
        _like(weight),
        _like(x, (-(-rows // NORM_ROWS), 2, width)),
    )
    arrays = (x, gradient, weight.contiguous(), moments, out, partial, of_weight, of_bias)
    _call("norm_backward", *arrays, rows, width, torch.get_num_threads())
    return out, of_weight, of_bias


def _like(x: Tensor, shape: Sequence[int] | None = None, dtype: torch.dtype | None = None) -> Tensor:
    return x.new_empty(x.shape if shape is None else shape, dtype=dtype)


def _flat(x: Tensor) -> tuple[int, int]:
    return x.numel() // max(x.shape[-1], 1), x.shape[-1]


def _call(name: str, *arguments: Tensor | int | float) -> None:
    """Call a kernel whose counts of rows, width and threads are its only integers."""
    kinds: dict[type, Any] = {float: ctypes.c_float, int: ctypes.c_int64, bool: ctypes.c_int64}
    given = [ctypes.c_void_p(x.data_ptr()) if isinstance(x, Tensor) else kinds[type(x)](x) for x in arguments]
    getattr(_library(), name)(*given)


def _library() -> ctypes.CDLL:
    library, reason = load_library()
    assert library is not None, reason
    return library


# ---- self-test -----------------------------------------------------------------------------------------------------

MOST_OFF = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""What the self-test allows, of the largest number."""


def measure_errors(dtype: torch.dtype) -> dict[str, float]:
    """Compare the kernels, forwards and backwards, with plain formulas in float64 on a small example.

    Parameters
    ----------
    dtype : torch.dtype
        One of `FORMATS`, on a machine that has the library.

    Returns
    -------
    dict of str to float
        Largest difference, as a share of the largest number, of "attention", "SwiGLU" and (bfloat16 only) "LayerNorm".
    """
    draw, cpu = torch.Generator().manual_seed(0), torch.device("cpu")
    drawn = torch.randn(4, 21, 2, 32, generator=draw, device=cpu).to(dtype).unbind(0)
    pairs = {"attention": _check_attention(*drawn), "SwiGLU": _check_swiglu(drawn[0], drawn[1][..., :16])}
    if dtype == torch.bfloat16:
        pairs["LayerNorm"] = _check_norm(drawn[0].float(), drawn[1].flatten(0, 1)[0].float(), drawn[2])
    return {
        kernel: max(float((found.double() - wanted).abs().max() / wanted.abs().max()) for found, wanted in checked)
        for kernel, checked in pairs.items()
    }


@cache
def _why_wrong(dtype: torch.dtype) -> str:
    try:
        wrong = max(measure_errors(dtype).values())
    except RuntimeError as problem:
        return f"the self-test failed: {problem}"
    return "" if wrong < MOST_OFF[dtype] else f"the self-test failed: off by {wrong:.1e}"


Pairs = list[tuple[Tensor, Tensor]]
"""What a kernel gave, and what the formula gives in float64."""


def _check_attention(query: Tensor, key: Tensor, value: Tensor, gradient: Tensor) -> Pairs:
    rows, _, width = query.shape
    angles = torch.arange(rows * width // 2, device=query.device, dtype=torch.float32).view(rows, -1).repeat(1, 2)
    cos, sin, spans = angles.cos(), angles.sin(), torch.tensor([[0, rows]], dtype=torch.int32, device=query.device)
    out, weight = attention(query, key, value, cos, sin, spans)
    found = (out, *attention_backward(gradient, query, key, value, cos, sin, spans, out, weight))

    def turn(x: Tensor, by: Tensor) -> Tensor:
        low, high = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-high, low], dim=-1) * by

    q, k, v, g = (x.double().transpose(0, 1) for x in (query, key, value, gradient))
    q, k = turn(q, sin), turn(k, sin)
    map_ = (q @ k.mT * width**-0.5).softmax(-1)
    change = g @ v.mT
    change = map_ * (change - (map_ * change).sum(-1, keepdim=True)) * width**-0.5
    wanted = (map_ @ v, turn(change @ k, -sin), turn(change.mT @ q, -sin), map_.mT @ g)
    return list(zip(found, (x.transpose(0, 1) for x in wanted), strict=True))


def _check_swiglu(x: Tensor, gradient: Tensor) -> Pairs:
    (gate, passed), g = x.double().chunk(2, dim=-1), gradient.double()
    is_open = gate.sigmoid()
    of_gate = g * passed * is_open * (1 + gate * (1 - is_open))
    wanted = torch.cat([of_gate, g * gate * is_open], dim=-1)
    return [(swiglu(x), gate * is_open * passed), (swiglu_backward(gradient, x), wanted)]


def _check_norm(x: Tensor, weight: Tensor, gradient: Tensor) -> Pairs:
    out, moments = norm(x, weight, weight, 1e-5)
    found = (out, *norm_backward(gradient, x, weight, moments))
    rows, w, g = x.double(), weight.double(), gradient.double()
    spread = (rows.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    normal = (rows - rows.mean(-1, keepdim=True)) / spread
    change = g * w - (g * w).mean(-1, keepdim=True) - normal * (g * w * normal).mean(-1, keepdim=True)
    wanted = (normal * w + w, change / spread, (g * normal).sum((0, 1)), g.sum((0, 1)))
    return list(zip(found, wanted, strict=True))
