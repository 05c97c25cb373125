"""Which back end computes what on this machine, why, and how exact it proved to be.

Nothing is chosen here: the kernels' own modules (`native`, `linear`, `attention`) choose, and this asks them.
"""

from typing import NamedTuple

import torch

from hexamer.model import attention, linear, native

OURS, ONEDNN, FLASH, TORCH = "native AVX-512", "oneDNN", "torch flash (varlen)", "torch"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Backend(NamedTuple):
    """What computes a part of the encoder in a precision."""

    part: str
    precision: str
    name: str
    reason: str
    """Why it is torch's own, or where it does not run after all; else empty."""
    error: float | None
    """Largest difference from float64 in the self-test, as a share of the largest number; None for torch's own."""

    def __str__(self) -> str:
        """Precision, name and what is to say about it."""
        error = "" if self.error is None else f"off by {self.error:.1e} in its self-test"
        return f"{self.precision}: {self.name} ({'; '.join(filter(None, (error, self.reason)))})"


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
    device = torch.device(device)
    found = []
    for part in ("attention", "SwiGLU", "LayerNorm", "linear"):
        for precision, dtype in PRECISIONS.items():
            reason = _why_torch(part, dtype, head_width) if device.type == "cpu" else f"on a {device.type} device"
            if device.type == "cuda" and part == "attention" and dtype == torch.bfloat16:
                missing = attention.why_not_flash(device, head_width)
                found.append(Backend(part, precision, TORCH if missing else FLASH, missing or reason, None))
            elif reason:
                found.append(Backend(part, precision, TORCH, reason, None))
            elif part == "linear":
                note = "" if dtype == torch.float32 else "torch's own under autocast, as in training"
                found.append(Backend(part, precision, ONEDNN, note, linear.measure_error(dtype)))
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
    >>> describe_backends("mps")
    'attention torch, SwiGLU torch, LayerNorm torch, linear torch'
    """
    names: dict[str, list[str]] = {}
    for backend in list_backends(device, head_width=head_width):
        note = backend.reason if backend.error is not None else ""
        names.setdefault(backend.part, []).append("; ".join(filter(None, (backend.name, note))))
    return ", ".join(
        f"{part} {fp32}" if fp32 == bf16 else f"{part} {fp32} (bf16 {bf16})" for part, (fp32, bf16) in names.items()
    )


def _why_torch(part: str, dtype: torch.dtype, head_width: int) -> str:
    if part == "linear":
        return linear.why_not()
    if part == "LayerNorm" and dtype == torch.float32:
        return "no kernel for float32 results"
    if part == "attention" and head_width % 16:
        return f"heads of {head_width}, not a multiple of 16"
    return native.why_not(dtype)
