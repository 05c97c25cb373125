"""Pre-training: genomes in, an encoder out, by masked language modelling.

The windows of a step, their masks and so the whole run are a function of (corpus, settings, seed): a killed run that is
resumed ends with the same weights, bit for bit on one machine's CPU, and on another number of processes with the same
up to rounding. Source of the recipe: Dalla-Torre et al. (2025), Methods; the published code has no trainer.
Not here: settings (`recipe`), steps (`loop`), processes (`parallel`), what is kept (`checkpoints`).
"""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hexamer.errors import OutputError, SettingsError
from hexamer.manifest import read_settings, write_atomically, write_manifest, write_settings
from hexamer.model import NucleotideTransformer, load_model
from hexamer.tokens import Corpus, Sampler, Windows, build_corpus, mask_tokens
from hexamer.training.checkpoints import export_checkpoint, find_checkpoints, load_checkpoint, save_checkpoint
from hexamer.training.loop import Batch, Run, train
from hexamer.training.objective import MaskedObjective
from hexamer.training.optimizer import make_adamw
from hexamer.training.parallel import Processes, check_batch, join_processes, wrap
from hexamer.training.recipe import PretrainConfig


def pretrain(
    config: PretrainConfig,
    *,
    resume: bool = False,
    relative_to: str | Path = ".",
    device: str = "auto",
    progress: bool = True,
) -> NucleotideTransformer:
    """Train an encoder from random weights, or go on training one.

    Writes into `config.out`: `corpus/` (unless `config.corpus` names one), `settings.toml` (can be fed back in),
    `log.jsonl` (one object a step), `checkpoints/`, at the end `model/` (the hub's layout) and `manifest.json`. Under
    torchrun all processes call this, and share the work.

    Parameters
    ----------
    config : PretrainConfig
    resume : bool
        Go on from the newest complete checkpoint of the same settings.
    relative_to : str or Path
        Where relative FASTA paths start: the recipe's folder.
    device : str
        As `load_model`.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    NucleotideTransformer
        In eval mode, frozen, as `load_model` gives it.

    Raises
    ------
    OutputError
        If `config.out` holds a run and `resume` is off.
    SettingsError
        If the run to resume has other settings; the message names them.
    GenomeError
        If a genome cannot be read, or has no contig as long as a window.
    CheckpointError
        If the model to start from, or the checkpoint to resume, cannot be read.
    """
    config = config.starting_at(Path(relative_to))
    out = Path(config.out)
    with join_processes(device) as processes:
        _check_out(out, config, resume=resume)
        processes.wait()  # nobody writes before everybody has looked
        check_batch(config.rows, processes)
        run = _start(config, processes)
        corpus = _open_corpus(out, config, processes, progress=progress)
        sampler = Sampler(
            corpus,
            run.model.tokenizer,
            tokens=config.tokens,
            rows=config.rows,
            seed=config.seed,
            sampling=config.sampling,
            masking=config.masking,
        )
        checkpoints = find_checkpoints(out / "checkpoints") if resume else []
        if checkpoints:
            load_checkpoint(run, checkpoints[-1])
        if processes.first:
            out.mkdir(parents=True, exist_ok=True)
            write_settings(out / "settings.toml", config)
        _train(run, sampler, config, progress=progress)
        if run.step == config.max_steps and processes.first:
            export_checkpoint(find_checkpoints(out / "checkpoints")[-1], out / "model")
            facts = {
                "settings": config,
                "corpus": corpus.record,
                "masking": sampler.masking,
                "dropped": sampler.dropped,
            }
            write_manifest(out / "manifest.json", **facts, steps=run.step, tokens=run.tokens, processes=processes.count)
        processes.wait()
    if run.step < config.max_steps:
        raise KeyboardInterrupt  # a signal asked for it, and the checkpoint is written
    return load_model(out / "model", device=device)


def _start(config: PretrainConfig, processes: Processes) -> Run:
    """Make the run, before its first step."""
    torch.manual_seed(config.seed)
    if config.start_from:
        model = load_model(config.start_from, device=str(processes.device)).requires_grad_(True)
        most = model.config.max_tokens
        if config.tokens > most and model.config.layout == "v1":
            raise SettingsError(f"tokens = {config.tokens}; {config.start_from} has {most} learned positions")
        # Rotary positions run on: v2 learns longer windows.
        model.config = replace(model.config, max_tokens=max(most, config.tokens))
    else:
        # What the encoder was trained on is the longest window that it claims to read.
        model = NucleotideTransformer(replace(config.encoder, max_tokens=config.tokens)).to(processes.device)
    module = wrap(
        MaskedObjective(model), processes, mode=config.parallel, recompute=config.recompute, compiled=config.compile
    )
    return Run(model, module, make_adamw(model, config.weight_decay), processes)


def _train(run: Run, sampler: Sampler, config: PretrainConfig, *, progress: bool) -> None:
    """Take the steps that are left, with evaluations, log and checkpoints."""
    out, processes = Path(config.out), run.processes
    held_out = _held_out_batches(sampler, config)
    shown = progress and processes.first
    log_path = out / "log.jsonl" if processes.first else None
    with _progress(config, run, shown=shown) as advance, _log(log_path, run.step) as log, _stop_on_signal(run):

        def after(record: dict[str, Any]) -> None:
            last = run.step == config.max_steps
            mean = None
            if held_out and config.evaluate_every and (last or run.step % config.evaluate_every == 0):
                record["held_out"] = _held_out_losses(run, held_out, config)
                mean = float(np.mean([*record["held_out"].values()]))
            is_best = mean is not None and mean < run.best
            run.best = min(run.best, mean) if mean is not None else run.best
            log(record)
            advance(record)
            if last or is_best or run.stopping or run.step % config.save_every == 0:
                save_checkpoint(run, out / "checkpoints", keep=config.keep, held_out=mean)

        train(
            run,
            lambda step: draw_batches(sampler, config, processes, step),
            lambda step: config.schedule.rate(step, config.max_steps),
            last=config.max_steps,
            clip=config.clip,
            bf16=config.bf16,
            after=after,
        )


def draw_batches(sampler: Sampler, config: PretrainConfig, processes: Processes, step: int) -> list[Batch]:
    """Draw one process's share of a step.

    Parameters
    ----------
    sampler : Sampler
    config : PretrainConfig
    processes : Processes
    step : int
        From 1.

    Returns
    -------
    list of Batch
        As many for every process; where there are no rows left, one whose tokens have no weight.
    """
    drawn = sampler.draw(step, processes.rows(config.rows))
    return _batches(drawn, config, processes)


def _batches(windows: Windows, config: PretrainConfig, processes: Processes, rows: int | None = None) -> list[Batch]:
    """Divide windows into batches of `config.batch`, as many in every process."""
    most = -(-(config.rows if rows is None else rows) // processes.count)
    tensors = [torch.as_tensor(array).to(processes.device) for array in windows]
    missing = most - len(windows.ids)
    if missing:  # one row at most; FSDP's processes have to go through the model equally often
        blank = [tensors[0][:1], tensors[1][:1], torch.zeros_like(tensors[2][:1])]
        tensors = [torch.cat([tensor, one]) for tensor, one in zip(tensors, blank, strict=True)]
    return list(zip(*(tensor.split(config.batch) for tensor in tensors), strict=True))


def _check_out(out: Path, config: PretrainConfig, *, resume: bool) -> None:
    """Refuse to mix two runs in one folder."""
    settings = out / "settings.toml"
    if not settings.exists():
        return
    if not resume:
        raise OutputError(f"{out}: holds a run already; --resume goes on with it, another --out starts a new one")
    other = config.differences(read_settings(PretrainConfig, settings))
    if other:
        raise SettingsError(
            f"{settings}: the run to resume has another {', '.join(other)}; its own settings would work"
        )


def _open_corpus(out: Path, config: PretrainConfig, processes: Processes, *, progress: bool) -> Corpus:
    """Open the corpus of the run, built by the first process if it is not there."""
    if config.corpus:
        folder = Path(config.corpus)
    else:
        folder = out / "corpus"
        # A corpus without settings.toml beside it is a rest of an attempt that failed, perhaps on other genomes.
        if processes.first and not ((out / "settings.toml").exists() and (folder / "corpus.json").exists()):
            with _bar("building the corpus", "bases", shown=progress) as (bar, task):
                build_corpus(config.sources(), folder, advance=lambda bases: bar.advance(task, bases))
    processes.wait()
    corpus = Corpus(folder)
    if processes.first:
        corpus.verify()
    return corpus


def _held_out_batches(sampler: Sampler, config: PretrainConfig) -> dict[str, Windows]:
    """Masked held-out windows of each genome that has any, the same at every evaluation."""
    found = {}
    for genome in sampler.corpus.genomes:
        tiles = sampler.corpus.held_out_windows(
            sampler.tokenizer, genome, windows=config.evaluate_windows, tokens=config.tokens
        )
        ids = [row for _, row in tiles]
        if ids and config.evaluate_every:
            rows = np.stack(ids)
            corrupted, selected = mask_tokens(sampler.tokenizer, rows, np.random.default_rng(0))
            found[genome] = Windows(rows, corrupted, selected.astype(np.float32))
    return found


def _held_out_losses(run: Run, held_out: dict[str, Windows], config: PretrainConfig) -> dict[str, float]:
    """Loss per genome in nats per token, the windows shared out over the processes."""
    losses = {}
    run.module.eval()
    for genome, windows in held_out.items():
        rows = len(windows.ids)
        share = list(run.processes.rows(rows)) or [0]
        own = Windows(windows.ids[share], windows.corrupted[share], windows.weights[share])
        if run.processes.rank >= rows:
            own = own._replace(weights=np.zeros_like(own.weights))
        total = weight = 0.0
        for batch in _batches(own, config, run.processes, rows):
            with torch.no_grad(), torch.autocast(batch[0].device.type, torch.bfloat16, enabled=config.bf16):
                total += float(run.module(*batch)[0])
            weight += float(batch[2].sum())
        total, weight = run.processes.add_up(total, weight)
        losses[genome] = round(total / weight, 5)
    return losses


@contextmanager
def _stop_on_signal(run: Run) -> Iterator[None]:
    """Let SIGTERM, which schedulers send before they kill, end the run after its step, with a checkpoint."""

    def stop(_number: int, _frame: object) -> None:
        run.stop_asked = True

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _log(path: Path | None, step: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Append records to a JSONL file, after dropping those of steps that will be taken again."""
    if path is None:
        yield lambda record: None
        return
    kept = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError):
                continue  # the last line of a killed run
    with write_atomically(path) as temporary:
        temporary.write_text("".join(kept))
    with path.open("a") as file:

        def write(record: dict[str, Any]) -> None:
            file.write(json.dumps(record) + "\n")
            file.flush()

        yield write


@contextmanager
def _bar(what: str, unit: str, *, shown: bool) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar on stderr, where somebody looks."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as bar:
        yield bar, bar.add_task("", total=None, figures=unit)


@contextmanager
def _progress(config: PretrainConfig, run: Run, *, shown: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Show steps, loss and speed while training."""
    with _bar("pre-training", "", shown=shown) as (bar, task):
        bar.update(task, total=config.max_steps, completed=run.step)
        tokens = config.tokens * config.rows

        def advance(record: dict[str, Any]) -> None:
            figures = f"loss {record['loss']:.3f}  {tokens / record['seconds']:,.0f} tokens/s"
            bar.update(task, completed=record["step"], figures=figures)

        yield advance
