"""Training steps: forward, backward, clip, update. The loop knows nothing of genomes: rows are whatever `draw` gives.

Not here: what is learnt (`objective`), how fast (`optimizer`), how processes share the work (`parallel`), what is kept
on disk (`checkpoints`).
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hexamer.errors import SettingsError
from hexamer.model import NucleotideTransformer
from hexamer.training.parallel import Processes, sync_gradients, whole

Batch = tuple[Tensor, Tensor, Tensor]
"""ids, corrupted, weights: [B, L] each."""


@dataclass
class Run:
    """A training run in memory: what a step changes."""

    model: NucleotideTransformer
    module: nn.Module
    """The model with its loss, wrapped for the processes (`parallel.wrap`)."""
    optimizer: torch.optim.Optimizer
    processes: Processes
    step: int = 0
    tokens: int = 0
    best: float = math.inf
    """Lowest mean held-out loss so far."""
    origin: dict[str, Any] = field(default_factory=dict)
    """What it learns from: `corpus_digest`, `corpora` (digests of all that its weights have seen, None if that is not
    known), and `started_from` (a model's description); kept with checkpoints."""
    saved: Path | None = None
    """The newest checkpoint."""
    stop_asked: bool = False
    """Set, by a signal to this process, to stop early."""
    remedy: str = "a smaller schedule.peak"
    """What would help if the run diverges."""
    stopping: bool = False
    """Whether this step is the last, which all processes know together."""


def train_step(run: Run, batches: list[Batch], rate: float, *, clip: float, bf16: bool) -> dict[str, float]:
    """Take one optimiser step over one or more batches, whose gradients are added up, over all processes too.

    Parameters
    ----------
    run : Run
        Changed in place.
    batches : list of Batch
        This process's rows; every process has as many batches.
    rate : float
        Learning rate.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    bf16 : bool
        Products in bfloat16.

    Returns
    -------
    dict
        `loss` (nats per token that was asked for, weighted), `accuracy`, `gradient_norm`.

    Raises
    ------
    SettingsError
        If the loss or the gradient's norm is not finite; the weights are those of the step before.
    """
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.module.train()
    weight, asked, tokens = run.processes.add_up(
        sum(float(weights.sum()) for _, _, weights in batches),
        sum(int(weights.count_nonzero()) for _, _, weights in batches),
        # A row without any weight only keeps another process company.
        sum(int(weights.any(1).sum()) * weights.shape[1] for _, _, weights in batches),
    )
    # DDP and FSDP divide gradients by the number of processes; the mean wanted is over tokens.
    scale = run.processes.count / max(weight, 1e-12)
    total, correct = 0.0, 0
    for i, batch in enumerate(batches):
        sync_gradients(run.module, on=i == len(batches) - 1)
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=bf16):
            loss, right = run.module(*batch)
        (loss * scale).backward()
        total += float(loss.detach())
        correct += int(right)
    norm = float(whole(torch.nn.utils.clip_grad_norm_(run.model.parameters(), clip or math.inf)))
    total, right_in_all = run.processes.add_up(total, correct)
    loss = total / max(weight, 1e-12)
    check_finite(run, run.step + 1, {"loss": loss, "gradient norm": norm})
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    run.step += 1
    run.tokens += int(tokens)
    return {"loss": loss, "accuracy": right_in_all / max(asked, 1), "gradient_norm": norm}


def check_finite(run: Run, step: int, figures: dict[str, float]) -> None:
    """Stop a run that has diverged, before its weights are saved.

    Parameters
    ----------
    run : Run
    step : int
        1-based.
    figures : dict of str to float
        By name, the same in all processes.

    Raises
    ------
    SettingsError
        If one of them is not finite; the message names the last checkpoint.
    """
    if all(map(math.isfinite, figures.values())):
        return
    told = ", ".join(f"{name} {value:g}" for name, value in figures.items())
    saved = f"from the last checkpoint (--from {run.saved}) or anew" if run.saved else "(there is no checkpoint yet)"
    raise SettingsError(f"step {step}: {told}; {run.remedy} would work, in a new run {saved}")


def train(
    run: Run,
    draw: Callable[[int], list[Batch]],
    rate: Callable[[int], float],
    *,
    last: int,
    clip: float,
    bf16: bool,
    after: Callable[[dict[str, Any]], None],
) -> None:
    """Take steps up to `last`, or until `run.stop_asked` is set in any process.

    Parameters
    ----------
    run : Run
        Changed in place; its `step` says where to go on.
    draw : callable
        Batches of a step, 1-based; called for the next step while this one is computed.
    rate : callable
        Learning rate of a step, 1-based.
    last : int
        Step after which to stop.
    clip, bf16
        As `train_step`.
    after : callable
        Gets each step's record: `step`, `loss`, `accuracy`, `gradient_norm`, `lr`, `tokens` (so far), `seconds`.

    Raises
    ------
    SettingsError
        If the run diverges, as `train_step`; errors of `draw` and `after` are passed on.
    """
    began = time.perf_counter()
    for batches in _drawn_ahead(draw, range(run.step + 1, last + 1)):
        lr = rate(run.step + 1)
        figures = train_step(run, batches, lr, clip=clip, bf16=bf16)
        (asked,) = run.processes.add_up(float(run.stop_asked))
        run.stopping = bool(asked)
        seconds = time.perf_counter() - began
        after({"step": run.step, **figures, "lr": lr, "tokens": run.tokens, "seconds": round(seconds, 4)})
        if run.stopping:
            break
        began = time.perf_counter()


def _drawn_ahead(draw: Callable[[int], list[Batch]], steps: range) -> Iterator[list[Batch]]:
    """Batches of each step, the next ones being drawn by a thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = [pool.submit(draw, step) for step in steps[:1]]
        for step in steps:
            batches = coming.pop().result()
            if step + 1 in steps:
                coming.append(pool.submit(draw, step + 1))
            yield batches
