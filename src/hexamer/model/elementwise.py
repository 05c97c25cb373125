"""What is done to each token by itself, beside the products: LayerNorm and SwiGLU.

On a CPU plain torch needs several passes over memory for each, with copies between formats in bfloat16 training; the
project's own kernels (`native`) need one. Tests keep both equal.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.model import native


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` for what only products read: its result is of their type.

    Attributes
    ----------
    result : torch.dtype or None
        bfloat16, or None for torch's choice, which bfloat16 autocast on a CPU overrules.
    """

    result: torch.dtype | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalised rows [..., D] of float [..., D]; sums are float32."""
        half = self.result == torch.bfloat16 or _autocasts_to_bfloat16(x)
        if half and not native.why_not(torch.bfloat16) and native.runs_on(x, self.weight, self.bias):
            return native.norm(x, self.weight, self.bias, self.eps)[0]
        found = super().forward(x)
        return found if self.result is None else found.to(self.result)


def swiglu(x: Tensor) -> Tensor:
    """Open the second half by the first (Shazeer 2020): second times SiLU of first.

    Parameters
    ----------
    x : float tensor [..., 2 F]

    Returns
    -------
    float tensor [..., F]
    """
    if native.runs_on(x):
        return native.swiglu(x)
    gate, passed = x.chunk(2, dim=-1)
    return F.silu(gate) * passed


def _autocasts_to_bfloat16(x: Tensor) -> bool:
    return (
        x.dtype == torch.float32
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )
