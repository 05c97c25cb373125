"""Which back end computes what on this machine, why, and how exact it proved to be.

Nothing is chosen here: the kernels' own modules (`native`, `linear`) choose, and this asks them.
"""

from typing import NamedTuple

import torch

from hexamer.model import linear, native

OURS, ONEDNN, TORCH = "native AVX-512", "oneDNN", "torch"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Backend(NamedTuple):
    """What computes a part of the encoder in a precision."""

    part: str
    precision: str
    name: str
    reason: str
    """Why it is torch's own; empty for the others."""
    error: float | None
    """Largest difference from float64 in the self-test, as a share of the largest number; None for torch's own."""

    def __str__(self) -> str:
        """Precision, name and what is to say about it."""
        return f"{self.precision}: {self.name} ({self.reason or f'off by {self.error:.1e} in its self-test'})"


def list_backends(device: torch.device | str = "cpu", *, head_width: int = 64) -> list[Backend]:
    """List what computes each part of the encoder in each precision.

    Parameters
    ----------
    device : torch.device or str
        Where the model is.
    head_width : int
        Width of its attention heads.

    Returns
    -------
    list of Backend

    Examples
    --------
    >>> print(list_backends("cuda")[0])
    fp32: torch (on a cuda device)
    """
    kind = torch.device(device).type
    found = []
    for part in ("attention", "SwiGLU", "LayerNorm", "linear"):
        for precision, dtype in PRECISIONS.items():
            reason = f"on a {kind} device" if kind != "cpu" else _why_torch(part, dtype, head_width)
            if reason:
                found.append(Backend(part, precision, TORCH, reason, None))
            elif part == "linear":
                found.append(Backend(part, precision, ONEDNN, "", linear.measure_error()))
            else:
                found.append(Backend(part, precision, OURS, "", native.measure_errors(dtype)[part]))
    return found


def describe_backends(device: torch.device | str = "cpu", *, head_width: int = 64) -> str:
    """Say in one line, for a manifest, what `list_backends` lists; parameters as there.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_backends("cuda")
    'attention torch, SwiGLU torch, LayerNorm torch, linear torch'
    """
    names: dict[str, list[str]] = {}
    for backend in list_backends(device, head_width=head_width):
        names.setdefault(backend.part, []).append(backend.name)
    return ", ".join(
        f"{part} {fp32}" if fp32 == bf16 else f"{part} {fp32} (bf16 {bf16})" for part, (fp32, bf16) in names.items()
    )


def _why_torch(part: str, dtype: torch.dtype, head_width: int) -> str:
    if part == "linear":
        return linear.why_not() if dtype == torch.float32 else "its choice in training; fast inference asks oneDNN"
    if part == "LayerNorm" and dtype == torch.float32:
        return "no kernel for float32 results"
    if part == "attention" and head_width % 16:
        return f"heads of {head_width}, not a multiple of 16"
    return native.why_not(dtype)
