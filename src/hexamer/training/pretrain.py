"""Pre-training: genomes in, an encoder out, by masked language modelling.

The windows of a step, their masks and so the whole run are a function of (corpus, settings, seed): a killed run that is
resumed ends with the same weights, bit for bit on one machine's CPU, and on another number of processes with the same
up to rounding. Source of the recipe: Dalla-Torre et al. (2025), Methods; the published code has no trainer.
Not here: settings (`recipe`), steps (`loop`), processes (`parallel`), a process's share (`batches`), what is kept
(`checkpoints`) and told (`journal`), losses on held-out windows (`held_out`).
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hexamer.errors import OutputError, SettingsError
from hexamer.manifest import write_manifest, write_settings
from hexamer.model import NucleotideTransformer, describe_backends, describe_model, load_model, read_config
from hexamer.tokens import Corpus, Sampler, build_corpus
from hexamer.training.batches import draw_batches
from hexamer.training.checkpoints import export_checkpoint, find_checkpoints, load_checkpoint, save_checkpoint
from hexamer.training.held_out import held_out_losses, held_out_windows
from hexamer.training.initial import compose
from hexamer.training.journal import open_log, say, show_bar, show_steps
from hexamer.training.loop import Run, check_finite, train
from hexamer.training.objective import MaskedObjective
from hexamer.training.optimizer import make_adamw
from hexamer.training.parallel import Processes, check_batch, join_processes, wrap
from hexamer.training.provenance import find_corpora
from hexamer.training.recipe import SETTINGS, PretrainConfig, read_recipe, tell_difference


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
        Where relative input paths start: the recipe's folder.
    device : str
        As `load_model`.
    progress : bool
        Show progress on stderr: a bar on a terminal, lines elsewhere.

    Returns
    -------
    NucleotideTransformer
        In eval mode, frozen, as `load_model` gives it.

    Raises
    ------
    OutputError
        If `config.out` holds a run and `resume` is off, or holds none and `resume` is on, or cannot be written.
    SettingsError
        If the run to resume has other settings or another corpus (the message names them), a setting does not fit the
        model to start from or the number of processes, there is no such device, or the loss is not finite any more.
    GenomeError
        If a genome cannot be read, or has no contig as long as a window.
    VariantError
        If the variants of a population cannot be read, or are not phased.
    CheckpointError
        If the model to start from, or the checkpoint to resume, cannot be read.
    KeyboardInterrupt
        After a SIGTERM or a first Ctrl-C (SIGINT), the checkpoint being written; at once after a second Ctrl-C.
    """
    config, there = _go_on(config.starting_at(Path(relative_to)), resume=resume, relative_to=Path(relative_to))
    out = Path(config.out)
    with join_processes(device) as processes:
        shown = progress and processes.first
        processes.wait()  # nobody writes before everybody has looked
        check_batch(config.rows, processes)
        checkpoint = max(find_checkpoints(out / "checkpoints"), default=None) if resume else None
        run = _start(config, processes, checkpoint)
        corpus = _open_corpus(out, config, processes, shown=shown)
        sampler = Sampler(
            corpus,
            run.model.tokenizer,
            tokens=config.tokens,
            rows=config.rows,
            seed=config.seed,
            sampling=config.sampling,
            masking=config.masking,
        )
        if there and there.masking not in (None, sampler.masking):
            raise _other_settings(out, [tell_difference("masking", there.masking, sampler.masking)])
        before = run.origin.get("corpora", [])
        run.origin["corpus_digest"] = corpus.digest
        run.origin["corpora"] = None if before is None else sorted({*before, corpus.digest})
        if checkpoint:
            load_checkpoint(run, checkpoint)
            say(f"going on from checkpoints/{checkpoint.name} (step {run.step} of {config.max_steps})", shown=shown)
        elif resume:
            say(f"no checkpoint in {out} yet: beginning with step 1", shown=shown)
        if processes.first:
            _make_folder(out)
            write_settings(out / SETTINGS, config.resolved(sampler.masking))
        _train(run, sampler, config, shown=shown)
        if run.step == config.max_steps and processes.first:
            export_checkpoint(find_checkpoints(out / "checkpoints")[-1], out / "model")
            facts = {
                "settings": config.resolved(sampler.masking),
                "corpus": corpus.record,
                "masking": sampler.masking,
                "dropped": sampler.dropped,
                "unreachable": sampler.unreachable,
                "kernels": describe_backends(processes.device),
                **run.origin,
            }
            write_manifest(out / "manifest.json", **facts, steps=run.step, tokens=run.tokens, processes=processes.count)
        processes.wait()
    if run.step < config.max_steps:  # a signal asked for it, and the checkpoint is written
        raise KeyboardInterrupt(f"stopped after step {run.step}; --resume goes on from checkpoints/step-{run.step:08d}")
    return load_model(out / "model", device=device)


def _start(config: PretrainConfig, processes: Processes, checkpoint: Path | None) -> Run:
    """Make the run, before its first step, or of the checkpoint's sizes."""
    torch.manual_seed(config.seed)
    origin = {}
    if checkpoint:  # the model that the run started from may be gone
        model = NucleotideTransformer(read_config(checkpoint)).to(processes.device)
    elif config.start_from:
        model = load_model(config.start_from, device=str(processes.device)).requires_grad_(True)
        origin = (
            {"started_from": describe_model(model), "corpora": find_corpora(model.source)} if processes.first else {}
        )
        most = model.config.max_tokens
        if config.tokens > most and model.config.layout == "v1":
            raise SettingsError(f"tokens = {config.tokens}; {config.start_from} has {most} learned positions")
        # Rotary positions run on: v2 learns longer windows.
        model.config = replace(model.config, max_tokens=max(most, config.tokens))
    else:
        # What the encoder was trained on is the longest window that it claims to read.
        model = NucleotideTransformer(replace(config.encoder, max_tokens=config.tokens))
        if config.initial == "composed":
            compose(model)
        model = model.to(processes.device)
    module = wrap(
        MaskedObjective(model), processes, mode=config.parallel, recompute=config.recompute, compiled=config.compile
    )
    return Run(model, module, make_adamw(model, config.weight_decay), processes, origin=origin)


def _train(run: Run, sampler: Sampler, config: PretrainConfig, *, shown: bool) -> None:
    """Take the steps that are left, with evaluations, log and checkpoints."""
    out, processes = Path(config.out), run.processes
    held_out = held_out_windows(sampler, windows=config.evaluate_windows) if config.evaluate_every else {}
    log_path = out / "log.jsonl" if processes.first else None
    bar = show_steps(run.step, config.max_steps, config.tokens * config.rows, shown=shown)
    with bar as advance, open_log(log_path, run.step) as log, _stop_on_signal(run, shown=shown):

        def after(record: dict[str, Any]) -> None:
            last = run.step == config.max_steps
            mean = None
            if held_out and (last or run.step % config.evaluate_every == 0):
                record["held_out"] = held_out_losses(run, held_out, batch=config.batch, bf16=config.bf16)
                mean = float(np.mean([*record["held_out"].values()]))
                check_finite(run, run.step, {"held-out loss": mean})
            is_best = mean is not None and mean < run.best
            run.best = min(run.best, mean) if mean is not None else run.best
            log(record)
            advance(record)
            if last or is_best or run.stopping or run.step % config.save_every == 0:
                save_checkpoint(run, out / "checkpoints", keep=config.keep, held_out=mean)

        train(
            run,
            lambda step: draw_batches(sampler, processes, step, batch=config.batch),
            lambda step: config.schedule.rate(step, config.max_steps),
            last=config.max_steps,
            clip=config.clip,
            bf16=config.bf16,
            after=after,
        )


def _go_on(config: PretrainConfig, *, resume: bool, relative_to: Path) -> tuple[PretrainConfig, PretrainConfig | None]:
    """Refuse to mix two runs in one folder; give the settings, and those of the run that is there.

    A run that goes on keeps the path of the model that it started from.
    """
    out = Path(config.out)
    if not (out / SETTINGS).exists():
        if resume and not find_checkpoints(out / "checkpoints"):
            raise OutputError(f"{out}: holds no run to resume (no {SETTINGS}); without --resume one would begin there")
        return config, None
    if not resume:
        raise OutputError(f"{out}: holds a run already; --resume goes on with it, another --out starts a new one")
    there, _ = read_recipe(out / SETTINGS)
    # Where the model's folder is gone, the recipe's path was not made absolute.
    paths = {str((folder / config.start_from).resolve()) for folder in (relative_to, Path())}
    if config.start_from and there.start_from in paths:
        config = replace(config, start_from=there.start_from)
    if other := config.differences(there):
        raise _other_settings(out, other)
    return config, there


def _other_settings(out: Path, names: list[str]) -> SettingsError:
    return SettingsError(
        f"{out / SETTINGS}: the run to resume has another {', '.join(names)}; its own settings would work, and to "
        f"train longer a new run: --from {out / 'model'} with another --out"
    )


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror}); another --out would work") from error


def _open_corpus(out: Path, config: PretrainConfig, processes: Processes, *, shown: bool) -> Corpus:
    """Open the corpus of the run, built by the first process if it is not there."""
    if config.corpus:
        folder = Path(config.corpus)
    else:
        folder = out / "corpus"
        # A corpus without settings.toml beside it is a rest of an attempt that failed, perhaps on other genomes.
        if processes.first and not ((out / SETTINGS).exists() and (folder / "corpus.json").exists()):
            say(f"building {folder}", shown=shown)
            with show_bar("building the corpus", "Mb", shown=shown) as (bar, task):

                def tell(records: int) -> None:
                    bar.update(task, figures=f"Mb, {records:,} more records of people")

                build_corpus(
                    config.sources(),
                    folder,
                    replace=True,
                    expect=lambda bases: bar.update(task, total=bases / 1e6),
                    advance=lambda bases: bar.advance(task, bases / 1e6),
                    advance_records=tell,
                )
    processes.wait()
    corpus = Corpus(folder)
    if processes.first:
        corpus.verify()
    return corpus


@contextmanager
def _stop_on_signal(run: Run, *, shown: bool) -> Iterator[None]:
    """Let SIGTERM, which schedulers send before they kill, or Ctrl-C end the run after its step, with a checkpoint.

    A second Ctrl-C stops it at once; not under torchrun, which sends a second one by itself.
    """

    def stop(number: int, _frame: object) -> None:
        is_key = number == signal.SIGINT
        if is_key and run.stop_asked and run.processes.count == 1:
            raise KeyboardInterrupt
        if is_key and shown and not run.stop_asked:
            # Python's own stderr may be in use at this moment.
            os.write(2, b"\nstopping after this step, with a checkpoint; Ctrl-C again stops at once\n")
        run.stop_asked = True

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
