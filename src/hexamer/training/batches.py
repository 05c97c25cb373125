"""The windows of a step as batches: this process's share, on its device.

Not here: what a window holds (`hexamer.tokens.sampling`), how processes talk (`parallel`).
"""

import torch

from hexamer.tokens import Sampler, Windows
from hexamer.training.loop import Batch
from hexamer.training.parallel import Processes


def draw_batches(sampler: Sampler, processes: Processes, step: int, *, batch: int) -> list[Batch]:
    """Draw one process's share of a step.

    Parameters
    ----------
    sampler : Sampler
    processes : Processes
    step : int
        From 1.
    batch : int
        Windows of a batch, at most.

    Returns
    -------
    list of Batch
        As many for every process; where there are no rows left, one whose tokens have no weight.

    Raises
    ------
    GenomeError
        If a genome is nearly all N.
    """
    drawn = sampler.draw(step, processes.rows(sampler.rows))
    return make_batches(drawn, processes, rows=sampler.rows, batch=batch)


def make_batches(windows: Windows, processes: Processes, *, rows: int, batch: int) -> list[Batch]:
    """Divide one process's windows into batches, as many as in every other process.

    Parameters
    ----------
    windows : Windows
        This process's, at least one.
    processes : Processes
    rows : int
        Windows of all processes.
    batch : int
        Windows of a batch, at most.

    Returns
    -------
    list of Batch
        On the process's device.
    """
    most = -(-rows // processes.count)
    tensors = [torch.as_tensor(array).to(processes.device) for array in windows]
    missing = most - len(windows.ids)
    if missing:  # one row at most; FSDP's processes have to go through the model equally often
        blank = [tensors[0][:1], tensors[1][:1], torch.zeros_like(tensors[2][:1])]
        tensors = [torch.cat([tensor, one]) for tensor, one in zip(tensors, blank, strict=True)]
    return list(zip(*(tensor.split(batch) for tensor in tensors), strict=True))
