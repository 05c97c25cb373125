"""AdamW and the published learning-rate schedule, scaled to the run.

Published: Adam (0.9, 0.999, 1e-8) without weight decay; linear from 5e-5 to 1e-4 over 16,000 steps, then inverse square
root. A short run wants the same shape with other numbers, and gains from a last linear stretch towards zero, which is
an option (off as published). Source: model cards, and Dalla-Torre et al. (2025), Methods.
"""

import math
from dataclasses import dataclass

import torch

from hexamer.errors import SettingsError
from hexamer.manifest import STRICT
from hexamer.model import NucleotideTransformer


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate as a function of the step, 1-based.

    Raises
    ------
    SettingsError
        If a rate is not finite or the start above the peak, or a number of steps is out of its range.
    """

    __pydantic_config__ = STRICT

    start: float = 5e-5
    """Learning rate that the warm-up starts from."""
    peak: float = 1e-4
    """Learning rate at the end of the warm-up."""
    warmup: int | None = None
    """Steps of the linear warm-up; by default 16,000 as published, but at most a twentieth of the run."""
    cooldown: int = 0
    """Last steps of the run, over which the rate falls linearly to 1 % of what it would be; 0 as published."""

    def __post_init__(self) -> None:
        if not (
            0 <= self.start <= self.peak
            and 0 < self.peak < math.inf
            and (self.warmup is None or self.warmup >= 1)
            and self.cooldown >= 0
        ):
            raise SettingsError(
                f"{self}: 0 <= start <= peak, a finite peak > 0, warmup >= 1 and cooldown >= 0 would work"
            )

    def warmup_steps(self, last: int) -> int:
        """Say how many steps of a run of `last` warm up."""
        return min(16_000, max(last // 20, 1)) if self.warmup is None else self.warmup

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
        warmup = self.warmup_steps(last)
        if step <= warmup:
            rate = self.start + (self.peak - self.start) * step / warmup
        else:
            rate = self.peak * (warmup / step) ** 0.5
        if self.cooldown and step > last - self.cooldown:
            rate *= max(0.01, (last - step) / self.cooldown)
        return rate


def make_adamw(model: NucleotideTransformer, weight_decay: float = 0.0) -> torch.optim.AdamW:
    """AdamW, which without weight decay is Adam as published; the learning rate is set before each step.

    Parameters
    ----------
    model : NucleotideTransformer
    weight_decay : float
        Of matrices; biases, norms and embeddings never decay.

    Returns
    -------
    torch.optim.AdamW
    """
    decaying = [p for name, p in model.named_parameters() if p.ndim > 1 and "embed" not in name]
    chosen = set(map(id, decaying))
    others = [p for p in model.parameters() if id(p) not in chosen]
    groups = [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-8, fused=True)
