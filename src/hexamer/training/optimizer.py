"""Adam and the published learning-rate schedule, scaled to the run.

Published: Adam (0.9, 0.999, 1e-8) without weight decay; linear from 5e-5 to 1e-4 over 16,000 steps, then inverse square
root. A short run wants the same shape with other numbers, and gains from a last linear stretch towards zero, which is
an option (off as published). Source: model cards, and Dalla-Torre et al. (2025), Methods.
"""

from dataclasses import dataclass

import torch

from hexamer.errors import SettingsError
from hexamer.manifest import STRICT
from hexamer.model import NucleotideTransformer


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate as a function of the step, 1-based."""

    __pydantic_config__ = STRICT

    start: float = 5e-5
    """Learning rate of step 1."""
    peak: float = 1e-4
    """Learning rate at the end of the warm-up."""
    warmup: int = 16_000
    """Steps of the linear warm-up."""
    cooldown: int = 0
    """Last steps of the run, over which the rate falls linearly to 1 % of what it would be; 0 as published."""

    def __post_init__(self) -> None:
        if not (0 <= self.start <= self.peak and self.peak > 0 and self.warmup >= 1 and self.cooldown >= 0):
            raise SettingsError(f"{self}: 0 <= start <= peak, warmup >= 1 and cooldown >= 0 would work")

    def rate(self, step: int, last: int) -> float:
        """Learning rate.

        Parameters
        ----------
        step : int
            1-based.
        last : int
            The run's last step, from which the cooldown counts back.

        Returns
        -------
        float

        Examples
        --------
        >>> schedule = Schedule()
        >>> schedule.rate(16_000, 10**6), schedule.rate(64_000, 10**6)
        (0.0001, 5e-05)
        """
        if step <= self.warmup:
            rate = self.start + (self.peak - self.start) * step / self.warmup
        else:
            rate = self.peak * (self.warmup / step) ** 0.5
        if self.cooldown and step > last - self.cooldown:
            rate *= max(0.01, (last - step) / self.cooldown)
        return rate


def make_adam(model: NucleotideTransformer) -> torch.optim.Adam:
    """Adam as published; the learning rate is set before each step.

    Parameters
    ----------
    model : NucleotideTransformer

    Returns
    -------
    torch.optim.Adam
    """
    return torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.999), eps=1e-8, fused=True)
