"""Losses on held-out windows while a run goes on: by them the best checkpoint is known.

The windows and their masks are the same at every evaluation, and masked as the run's own are; asked is only where they
read `<mask>`, since repeating a token that is seen is no knowledge of genomes. Not here: what a trained
model is worth (`evaluate`), the baselines (`baselines`).
"""

import numpy as np
import torch

from hexamer.tokens import MASK_ID, Sampler, Windows, mask_tokens
from hexamer.training.batches import make_batches
from hexamer.training.loop import Run


def held_out_windows(sampler: Sampler, *, windows: int) -> dict[str, Windows]:
    """Masked windows of the held-out regions.

    Parameters
    ----------
    sampler : Sampler
        Of the run: its corpus, length of windows and masking.
    windows : int
        Per genome, at most.

    Returns
    -------
    dict of str to Windows
        By genome; those without room for a window are left out.
    """
    found = {}
    for genome in sampler.corpus.genomes:
        tiles = sampler.corpus.held_out_windows(sampler.tokenizer, genome, windows=windows, tokens=sampler.tokens)
        ids = [row for _, row in tiles]
        if ids:
            rows = np.stack(ids)
            rng = np.random.default_rng(0)
            corrupted, _ = mask_tokens(sampler.tokenizer, rows, rng, masking=sampler.masking)
            found[genome] = Windows(rows, corrupted, (corrupted == MASK_ID).astype(np.float32))
    return found


def held_out_losses(run: Run, held_out: dict[str, Windows], *, batch: int, bf16: bool) -> dict[str, float]:
    """Mean loss per genome, the windows shared out over the processes.

    Parameters
    ----------
    run : Run
        Its module is left in eval mode.
    held_out : dict of str to Windows
        As from `held_out_windows`, the same in every process.
    batch : int
        Windows that go through the encoder at a time.
    bf16 : bool
        Products in bfloat16.

    Returns
    -------
    dict of str to float
        Nats per token by genome, the same in every process.
    """
    losses = {}
    run.module.eval()
    for genome, windows in held_out.items():
        rows = len(windows.ids)
        share = list(run.processes.rows(rows)) or [0]
        own = Windows(windows.ids[share], windows.corrupted[share], windows.weights[share])
        if run.processes.rank >= rows:
            own = own._replace(weights=np.zeros_like(own.weights))
        total = weight = 0.0
        for one in make_batches(own, run.processes, rows=rows, batch=batch):
            with torch.no_grad(), torch.autocast(one[0].device.type, torch.bfloat16, enabled=bf16):
                total += float(run.module(*one)[0])
            weight += float(one[2].sum())
        total, weight = run.processes.add_up(total, weight)
        losses[genome] = round(total / weight, 5)
    return losses
