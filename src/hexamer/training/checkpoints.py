"""Checkpoints from which a killed run goes on to the same result, on the same or another number of processes.

A checkpoint is a folder, `step-NNNNNNNN`, that appears under its name only when it is complete. It is a model folder
in the hub's layout with `optimizer.safetensors` and `state.json` beside; of a sharded run (FSDP) each process writes
its own part with torch.distributed.checkpoint, as safetensors under `shards/`, in place of the two large files. Both
kinds resume in both kinds of run; `load_model` reads the first, `export_checkpoint` makes a model folder of either. The
last few and the best stay; `best` links to the latter. No pickle is written or read.
Not here: the layout of a model folder (`hexamer.model.checkpoint`), when a checkpoint is written (`pretrain`).
"""

import json
import math
import shutil
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hexamer.errors import CheckpointError, OutputError, SettingsError
from hexamer.manifest import write_atomically
from hexamer.model import NucleotideTransformer, load_model, save_model
from hexamer.model.checkpoint import read_config, write_description
from hexamer.training.loop import Run
from hexamer.training.provenance import RECORD, find_corpora

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What Adam knows of each weight."""


def save_checkpoint(run: Run, folder: Path, *, keep: int, held_out: float | None = None) -> Path:
    """Write `folder/step-NNNNNNNN`, whole or not at all, and drop old ones.

    Parameters
    ----------
    run : Run
        Called in all of its processes; the first one writes what is not sharded.
    folder : Path
    keep : int
        Newest checkpoints that stay, beside the best.
    held_out : float, optional
        Mean held-out loss at this step, by which the best is known.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If it cannot be written; the checkpoints before it stay.
    """
    final = folder / f"step-{run.step:08d}"
    try:
        _write_checkpoint(run, final, keep=keep, held_out=held_out)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{final}: cannot be written ({error}); with room for it, --resume would work") from error
    run.saved = final
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
        Changed in place, sharded or not; its model must have the checkpoint's sizes.
    folder : Path

    Raises
    ------
    CheckpointError
        If the checkpoint is not readable or has other sizes.
    SettingsError
        If it learnt from another corpus.
    """
    saved = read_config(folder, None)
    if saved != run.model.config:
        raise CheckpointError(f"{folder}: holds a {saved}, this run has a {run.model.config}")
    _make_moments(run)
    targets = _tensors(run)
    try:
        state = json.loads((folder / "state.json").read_text())
        step, tokens = int(state["step"]), int(state["tokens"])
        best = math.inf if state["best"] is None else float(state["best"])
        origin = state.get("origin", {})  # older checkpoints have none
        if origin.get("corpus_digest") not in (None, run.origin.get("corpus_digest")):
            raise SettingsError(
                f"{folder}: learnt from a corpus of other content; the same genomes, hold_out and weights would work "
                "(and the run's corpus/ removed, if it was built from others)"
            )
        if (folder / "shards").is_dir():
            _load_shards(targets, folder / "shards", alone=run.processes.count == 1)
        else:
            found = {f"weights.{name}": t for name, t in load_model(folder, device="cpu").state_dict().items()}
            found |= load_file(folder / "optimizer.safetensors")
            with torch.no_grad():
                for name, target in targets.items():
                    target.copy_(_laid_out_as(target, found[name]))
        for parameter in run.model.parameters():
            run.optimizer.state[parameter]["step"].fill_(step)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: optimiser or step cannot be read ({error}); remove it to go on from the one before"
        ) from error
    run.step, run.tokens, run.best, run.saved = step, tokens, best, folder
    run.origin |= origin | {"corpora": find_corpora(folder)}


def export_checkpoint(folder: str | Path, out: str | Path) -> Path:
    """Make a model folder in the hub's layout of a checkpoint, sharded or not, with what its training was beside.

    Parameters
    ----------
    folder : str or Path
        A checkpoint, `.../checkpoints/step-NNNNNNNN`.
    out : str or Path

    Returns
    -------
    Path

    Raises
    ------
    CheckpointError
        If the checkpoint is not readable.
    OutputError
        If `out` cannot be written, or holds something that is no model.
    """
    folder = Path(folder)
    if (folder / "shards").is_dir():
        model = NucleotideTransformer(read_config(folder, None)).requires_grad_(False)
        _load_shards({f"weights.{name}": t for name, t in model.state_dict().items()}, folder / "shards", alone=True)
    else:
        model = load_model(folder, device="cpu")
    saved = save_model(model, out)
    if (folder / "state.json").is_file():
        state = json.loads((folder / "state.json").read_text())
        facts = {"step": state["step"], "tokens": state["tokens"], "held_out": state.get("held_out")}
        with write_atomically(saved / RECORD) as temporary:
            temporary.write_text(json.dumps(facts | state.get("origin", {}), indent=1) + "\n")
    return saved


def _write_checkpoint(run: Run, final: Path, *, keep: int, held_out: float | None) -> None:
    """Write under a hidden name, and rename when all is there."""
    folder, building = final.parent, final.with_name(f".{final.name}")
    if run.processes.first:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
    run.processes.wait()
    if _is_sharded(run):
        _save_shards(run, building)
    elif run.processes.first:
        save_model(run.model, building)
        save_file(
            {name: t.detach().cpu().clone() for name, t in _moments(run).items()}, building / "optimizer.safetensors"
        )
    run.processes.wait()
    if run.processes.first:
        best = run.best if math.isfinite(run.best) else None  # JSON knows no infinity
        state = {"step": run.step, "tokens": run.tokens, "best": best, "held_out": held_out, "origin": run.origin}
        (building / "state.json").write_text(json.dumps(state, allow_nan=False) + "\n")
        if final.exists():
            final.rename(folder / f".old-{final.name}")
        building.rename(final)
        _prune(folder, keep)
    run.processes.wait()


def _prune(folder: Path, keep: int) -> None:
    """Drop all but the newest and the best checkpoint, and what a kill left."""
    complete = find_checkpoints(folder)
    scores = {path: json.loads((path / "state.json").read_text()).get("held_out") for path in complete}
    scored = [path for path in complete if scores[path] is not None]
    best = min(scored, key=lambda path: scores[path]) if scored else None
    if best is not None:
        link = folder / ".best"
        link.unlink(missing_ok=True)
        link.symlink_to(best.name)
        link.replace(folder / "best")
    for old in complete[:-keep]:
        if old != best:
            old.rename(folder / f".{old.name}")  # a kill must not leave half a checkpoint under its name
    for unfinished in folder.glob(".*step-*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _is_sharded(run: Run) -> bool:
    return any(hasattr(parameter, "full_tensor") for parameter in run.model.parameters())


def _moments(run: Run) -> dict[str, Tensor]:
    """Adam's averages by name, sharded as the weights are."""
    return {
        f"{key}.{name}": run.optimizer.state[parameter][key]
        for name, parameter in run.model.named_parameters()
        for key in MOMENTS
    }


def _tensors(run: Run) -> dict[str, Tensor]:
    """Weights and Adam's averages by name."""
    return {f"weights.{name}": t for name, t in run.model.state_dict().items()} | _moments(run)


def _make_moments(run: Run) -> None:
    """Fill the optimiser's state, which torch makes only in the first step."""
    for parameter in run.model.parameters():
        state = run.optimizer.state[parameter]
        state["step"] = torch.zeros((), dtype=torch.float32, device=run.processes.device)
        for key in MOMENTS:
            state[key] = torch.zeros_like(parameter, memory_format=torch.preserve_format).detach()


def _laid_out_as(target: Tensor, found: Tensor) -> Tensor:
    """Shard a whole tensor as the target is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(target, DTensor):
        return found
    return distribute_tensor(found.to(target.device), target.device_mesh, target.placements)


def _save_shards(run: Run, building: Path) -> None:
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter

    if run.processes.first:
        write_description(run.model, building)
    dcp.save(_tensors(run), storage_writer=HuggingFaceStorageWriter(str(building / "shards"), save_distributed=True))


def _load_shards(targets: dict[str, Tensor], folder: Path, *, alone: bool) -> None:
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # which is what `alone` says
            dcp.load(targets, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=alone)
    except (CheckpointException, OSError, ValueError, RuntimeError, KeyError) as error:  # the first is no Exception
        reason = str(error).strip().splitlines()[-1][:200]
        raise CheckpointError(
            f"{folder}: cannot be read ({reason}); remove this checkpoint to go on from the one before"
        ) from None
