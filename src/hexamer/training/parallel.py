"""Several processes on one run: torch's own engine, started by torchrun.

Each process draws its own rows of a step, so that the step's windows do not depend on how many there are. `ddp` holds a
whole copy of the model in every process and adds gradients up; `fsdp` (FSDP2, `fully_shard`) shards weights, gradients
and optimiser over the processes, block by block. One process runs without either. NCCL on GPUs, gloo on CPUs.
Not here: checkpoints (`checkpoints`), what a row holds (`hexamer.tokens.sampling`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hexamer.device import pick_device
from hexamer.errors import SettingsError
from hexamer.training.objective import MaskedObjective

Mode = Literal["ddp", "fsdp"]


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them."""

    rank: int
    """This one's number, from 0."""
    count: int
    """W, how many there are."""
    device: torch.device
    """Where this one computes."""

    @property
    def first(self) -> bool:
        """Whether this one writes files and shows progress."""
        return self.rank == 0

    def rows(self, total: int) -> range:
        """Rows of a step that this process draws."""
        return range(self.rank, total, self.count)

    def add_up(self, *values: float) -> list[float]:
        """Add numbers up over all processes, float64."""
        if self.count == 1:
            return list(values)
        # NCCL moves GPU memory only.
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def join_processes(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that torchrun started; without it, this is the only one.

    Parameters
    ----------
    device : str
        As `pick_device`; "auto" and "cuda" are this process's own GPU.

    Yields
    ------
    Processes

    Raises
    ------
    SettingsError
        If there is no such device.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    target = pick_device(device)
    if count == 1:
        yield Processes(0, 1, target)
        return
    if target.type == "cuda" and target.index is None:
        target = pick_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(target)
    # A process that builds a corpus or reads a slow disk is no failure; a dead one is told by torchrun.
    dist.init_process_group("nccl" if target.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield Processes(rank, count, target)
    finally:
        dist.destroy_process_group()


def wrap(
    objective: MaskedObjective, processes: Processes, *, mode: Mode, recompute: bool = False, compiled: bool = False
) -> nn.Module:
    """Prepare an encoder with its loss for training in these processes.

    Parameters
    ----------
    objective : MaskedObjective
        Changed in place: with `fsdp` its parameters become sharded (DTensor).
    processes : Processes
    mode : {"ddp", "fsdp"}
    recompute : bool
        Activation checkpointing: keep only the input of each block, and compute the rest again in the backward pass.
    compiled : bool
        `torch.compile` each block.

    Returns
    -------
    Module
        To be called in place of the objective.
    """
    blocks: Any = objective.model.blocks
    for block in blocks:
        if recompute:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        if compiled:
            block.compile()
    if processes.count == 1:
        return objective
    if mode == "ddp":
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(objective)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(processes.device.type, (processes.count,))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(objective, mesh=mesh)
    return objective


def sync_gradients(module: nn.Module, *, on: bool) -> None:
    """Say whether the next backward pass adds gradients up over the processes; only a step's last one has to.

    Parameters
    ----------
    module : Module
        As from `wrap`.
    on : bool
    """
    engine: Any = module
    if hasattr(engine, "require_backward_grad_sync"):  # what DDP's `no_sync` sets
        engine.require_backward_grad_sync = on
    elif hasattr(engine, "set_requires_gradient_sync"):
        engine.set_requires_gradient_sync(on)


def check_batch(rows: int, processes: Processes) -> None:
    """Make sure that every process has something to do.

    Parameters
    ----------
    rows : int
        Windows of a step.
    processes : Processes

    Raises
    ------
    SettingsError
        If there are more processes than rows.
    """
    if processes.count > rows:
        raise SettingsError(
            f"{processes.count} processes for {rows} windows a step; a larger step_tokens or fewer processes would work"
        )


def whole(tensor: Tensor) -> Tensor:
    """Gather a tensor from all processes if it is sharded."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
