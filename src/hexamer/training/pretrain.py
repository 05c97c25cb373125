"""Pre-training: genomes in, an encoder out, by masked language modelling.

The windows of a step, their masks and so the whole run are a function of (corpus, settings, seed): a killed run that is
resumed ends with the same weights, bit for bit on one machine's CPU. Source of the recipe: Dalla-Torre et al. (2025),
Methods; the published code has no trainer. Not here: more than one process.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hexamer.device import pick_device
from hexamer.errors import OutputError, SettingsError
from hexamer.manifest import STRICT, read_settings, write_atomically, write_manifest, write_settings
from hexamer.model import NucleotideTransformer, load_model, named_size, save_model
from hexamer.tokens import Corpus, GenomeSource, Masking, Tokenizer, build_corpus, mask_tokens
from hexamer.training.evaluate import evaluate_lm
from hexamer.training.loop import Batch, Run, find_checkpoints, load_checkpoint, save_checkpoint, train
from hexamer.training.optimizer import Schedule, make_adam


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Settings of a run; a recipe is this as TOML."""

    __pydantic_config__ = STRICT

    genomes: tuple[GenomeSource, ...]
    """What to learn from."""
    out: str
    """Folder of the run; a relative path starts where the command runs."""
    size: str = "tiny"
    """A named size of the encoder."""
    max_steps: int = 1000
    """Optimiser steps."""
    tokens: int = 1000
    """Tokens of a window, `<cls>` included: 1,000 are 5,994 bases."""
    batch: int = 4
    """Windows that go through the encoder at a time."""
    accumulate: int = 4
    """Batches whose gradients are added up to one step."""
    both_strands: bool = True
    """Read every other window from the other strand."""
    masking: Masking = field(default_factory=Masking)
    """Shares of the corruption."""
    schedule: Schedule = field(default_factory=lambda: Schedule(start=1e-4, peak=1e-3))
    """Learning rate; the published rates (5e-5, 1e-4) are for models a hundred times the size of "tiny"."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    bf16: bool = True
    """Compute products in bfloat16; weights, norms of layers and the loss stay float32."""
    seed: int = 0
    """Of weights, windows and masks."""
    save_every: int = 200
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints that stay."""
    evaluate_every: int = 200
    """Steps between evaluations on held-out windows; 0 for none."""
    evaluate_windows: int = 16
    """Held-out windows per genome in these evaluations."""

    def __post_init__(self) -> None:
        most = named_size(self.size).max_tokens
        if not 3 <= self.tokens <= most:
            raise SettingsError(f"tokens = {self.tokens}; 3 to {most} (size {self.size!r}) would work")
        for name in ("max_steps", "batch", "accumulate", "save_every", "keep", "evaluate_windows"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} = {getattr(self, name)}; a positive number would work")
        if self.seed < 0:
            raise SettingsError(f"seed = {self.seed}; 0 or more would work")


def pretrain(
    config: PretrainConfig,
    *,
    resume: bool = False,
    relative_to: str | Path = ".",
    device: str = "auto",
    progress: bool = True,
) -> NucleotideTransformer:
    """Train an encoder from random weights.

    Writes into `config.out`: `corpus/`, `settings.toml` (can be fed back in), `log.jsonl` (one object a step),
    `checkpoints/`, at the end `model/` (the hub's layout) and `manifest.json`.

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
    """
    config = _with_absolute_paths(config, Path(relative_to))
    out = Path(config.out)
    _check_out(out, config, resume=resume)
    corpus = _open_corpus(out, config, resume=resume)
    corpus.check_drawable(Tokenizer(named_size(config.size).layout, named_size(config.size).k), config.tokens)
    torch.manual_seed(config.seed)
    # What the encoder was trained on is the longest window that it claims to read.
    model = NucleotideTransformer(replace(named_size(config.size), max_tokens=config.tokens)).to(pick_device(device))
    run = Run(model, make_adam(model))
    checkpoints = find_checkpoints(out / "checkpoints")
    if resume and checkpoints:
        load_checkpoint(run, checkpoints[-1])
    write_settings(out / "settings.toml", config)
    with _progress(config, run, shown=progress) as advance, _log(out / "log.jsonl", run.step) as log:

        def after(record: dict[str, Any]) -> None:
            last = run.step == config.max_steps
            if config.evaluate_every and (last or run.step % config.evaluate_every == 0):
                record["held_out"] = _held_out_losses(run.model, corpus, config)
            log(record)
            advance(record)
            if last or run.step % config.save_every == 0:
                save_checkpoint(run, out / "checkpoints", keep=config.keep)

        train(
            run,
            lambda step: draw_batches(corpus, model, config, step),
            lambda step: config.schedule.rate(step, config.max_steps),
            last=config.max_steps,
            clip=config.clip,
            bf16=config.bf16,
            after=after,
        )
    save_model(model, out / "model")
    write_manifest(out / "manifest.json", settings=config, corpus=corpus.entries, steps=run.step, tokens=run.tokens)
    return load_model(out / "model", device=device)


def draw_batches(corpus: Corpus, model: NucleotideTransformer, config: PretrainConfig, step: int) -> list[Batch]:
    """Draw and mask the windows of one step, a pure function of (corpus, settings, step).

    Parameters
    ----------
    corpus : Corpus
    model : NucleotideTransformer
        For its tokenizer and device.
    config : PretrainConfig
    step : int

    Returns
    -------
    list of Batch
        `config.accumulate` batches of `config.batch` windows.
    """
    ids = corpus.draw(
        model.tokenizer,
        seed=config.seed,
        step=step,
        windows=config.batch * config.accumulate,
        tokens=config.tokens,
        both_strands=config.both_strands,
    )
    # A stream of its own, so that other masks never change which windows are drawn.
    rng = np.random.default_rng([config.seed, step, 1])
    corrupted, selected = mask_tokens(model.tokenizer, ids, rng, masking=config.masking)
    whole = [torch.as_tensor(a).to(model.device) for a in (ids, corrupted, selected)]
    return list(zip(*(tensor.split(config.batch) for tensor in whole), strict=True))


def _check_out(out: Path, config: PretrainConfig, *, resume: bool) -> None:
    """Refuse to mix two runs in one folder."""
    settings = out / "settings.toml"
    if not settings.exists():
        return
    if not resume:
        raise OutputError(f"{out}: holds a run already; --resume goes on with it, another --out starts a new one")
    old = read_settings(PretrainConfig, settings)
    keys = ("out", "save_every", "keep", "evaluate_every", "evaluate_windows")
    names = [n for n in PretrainConfig.__dataclass_fields__ if n not in keys]
    other = [n for n in names if getattr(old, n) != getattr(config, n)]
    if other:
        raise SettingsError(
            f"{settings}: the run to resume has another {', '.join(other)}; its own settings would work"
        )


def _with_absolute_paths(config: PretrainConfig, relative_to: Path) -> PretrainConfig:
    """Make FASTA paths hold from any folder, so that settings.toml can be fed back in."""
    genomes = (
        replace(source, fasta=tuple(str((relative_to / file).resolve()) for file in source.files))
        for source in config.genomes
    )
    return replace(config, genomes=tuple(genomes))


def _open_corpus(out: Path, config: PretrainConfig, *, resume: bool) -> Corpus:
    if resume and (out / "corpus" / "corpus.json").exists():
        return Corpus(out / "corpus")
    return build_corpus(config.genomes, out / "corpus")


def _held_out_losses(model: NucleotideTransformer, corpus: Corpus, config: PretrainConfig) -> dict[str, float]:
    """Loss per genome that has held-out regions."""
    if not any(corpus.spans(genome, held_out=True) for genome in corpus.genomes):
        return {}
    table = evaluate_lm(model, corpus, windows=config.evaluate_windows, tokens=config.tokens, baselines=False)
    pairs = zip(table["genome"], table["loss"], strict=True)
    return {str(genome): round(float(loss), 5) for genome, loss in pairs if loss == loss}  # NaN: no whole window


@contextmanager
def _log(path: Path, step: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Append records to a JSONL file, after dropping those of steps that will be taken again."""
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
def _progress(config: PretrainConfig, run: Run, *, shown: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Progress bar on stderr."""
    columns = (
        TextColumn("pre-training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("", total=config.max_steps, completed=run.step, figures="")
        tokens = config.tokens * config.batch * config.accumulate

        def advance(record: dict[str, Any]) -> None:
            figures = f"loss {record['loss']:.3f}  {tokens / record['seconds']:,.0f} tokens/s"
            bar.update(task, completed=record["step"], figures=figures)

        yield advance
