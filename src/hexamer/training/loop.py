"""Training steps, and checkpoints from which a killed run goes on to the same result.

A checkpoint is a model folder in the hub's layout (so it can be used as it is) plus `optimizer.safetensors` and
`state.json`. It appears under its final name only when it is complete. The loop knows nothing of genomes: a batch is
whatever `draw(step)` gives. Not here: what is learnt (`objective`), how fast (`optimizer`).
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hexamer.errors import CheckpointError
from hexamer.model import NucleotideTransformer, load_model, save_model
from hexamer.training.objective import masked_loss

Batch = tuple[Tensor, Tensor, Tensor]
"""ids, corrupted, selected: [B, L] each."""


@dataclass
class Run:
    """A training run in memory: what a step changes."""

    model: NucleotideTransformer
    adam: torch.optim.Adam
    step: int = 0
    tokens: int = 0


def train_step(run: Run, batches: list[Batch], rate: float, *, clip: float, bf16: bool) -> dict[str, float]:
    """Take one optimiser step over one or more batches, whose gradients are added up.

    Parameters
    ----------
    run : Run
        Changed in place.
    batches : list of Batch
    rate : float
        Learning rate.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    bf16 : bool
        Products in bfloat16.

    Returns
    -------
    dict
        `loss` (nats per selected token), `accuracy`, `gradient_norm`.
    """
    for group in run.adam.param_groups:
        group["lr"] = rate
    selected = sum(int(batch[2].sum()) for batch in batches)
    total, correct = 0.0, 0
    for batch in batches:
        loss = masked_loss(run.model, *batch, bf16=bf16)
        (loss.total / selected).backward()
        total += float(loss.total.detach())
        correct += int(loss.correct)
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), clip or float("inf"))
    run.adam.step()
    run.adam.zero_grad(set_to_none=True)
    run.step += 1
    run.tokens += sum(batch[0].numel() for batch in batches)
    return {"loss": total / selected, "accuracy": correct / selected, "gradient_norm": float(norm)}


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
    """Take steps up to `last`.

    Parameters
    ----------
    run : Run
        Changed in place; its `step` says where to go on.
    draw : callable
        Batches of a step, 1-based.
    rate : callable
        Learning rate of a step, 1-based.
    last : int
        Step after which to stop.
    clip, bf16
        As `train_step`.
    after : callable
        Gets each step's record: `step`, `loss`, `accuracy`, `gradient_norm`, `lr`, `tokens` (so far), `seconds`.
    """
    run.model.train()
    while run.step < last:
        began = time.perf_counter()
        lr = rate(run.step + 1)
        figures = train_step(run, draw(run.step + 1), lr, clip=clip, bf16=bf16)
        seconds = time.perf_counter() - began
        after({"step": run.step, **figures, "lr": lr, "tokens": run.tokens, "seconds": round(seconds, 4)})


def save_checkpoint(run: Run, folder: Path, *, keep: int) -> Path:
    """Write `folder/step-NNNNNNNN`, whole or not at all, and drop the oldest ones.

    Parameters
    ----------
    run : Run
    folder : Path
    keep : int
        Checkpoints that stay.

    Returns
    -------
    Path
    """
    final = folder / f"step-{run.step:08d}"
    building = folder / f".{final.name}"
    shutil.rmtree(building, ignore_errors=True)
    save_model(run.model, building)
    names: dict[Tensor, str] = {parameter: name for name, parameter in run.model.named_parameters()}
    moments = {
        f"{names[parameter]}.{key}": value.detach().cpu().clone()
        for parameter, state in run.adam.state.items()
        for key, value in state.items()
    }
    save_file(moments, building / "optimizer.safetensors")
    (building / "state.json").write_text(json.dumps({"step": run.step, "tokens": run.tokens}) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    building.rename(final)
    for old in find_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    for unfinished in folder.glob(".*step-*"):  # left by a kill
        shutil.rmtree(unfinished, ignore_errors=True)
    return final


def find_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
    """
    return sorted(path for path in folder.glob("step-*") if (path / "state.json").exists())


def load_checkpoint(run: Run, folder: Path) -> None:
    """Put a run where a checkpoint left it.

    Parameters
    ----------
    run : Run
        Changed in place; its model must have the checkpoint's sizes.
    folder : Path

    Raises
    ------
    CheckpointError
        If the checkpoint is not readable or has other sizes.
    """
    saved = load_model(folder, device=str(run.model.device))
    if saved.config != run.model.config:
        raise CheckpointError(f"{folder}: holds a {saved.config}, this run has a {run.model.config}")
    run.model.load_state_dict(saved.state_dict())
    try:
        moments = load_file(folder / "optimizer.safetensors", device=str(run.model.device))
        for name, parameter in run.model.named_parameters():
            run.adam.state[parameter] = {key: moments[f"{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        state = json.loads((folder / "state.json").read_text())
        run.step, run.tokens = int(state["step"]), int(state["tokens"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder}: optimiser or step cannot be read ({error}); an older checkpoint would work"
        ) from error
