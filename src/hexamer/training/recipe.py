"""Settings of a pre-training run; a recipe is this as TOML.

Not here: learning rate (`optimizer`), how windows are laid and masked (`hexamer.tokens`).
"""

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hexamer.errors import SettingsError
from hexamer.manifest import STRICT, make_settings, read_toml
from hexamer.model import ModelConfig, named_size
from hexamer.model.checkpoint import PACKAGED
from hexamer.tokens import GenomeSource, Masking, Sampling, read_sources
from hexamer.training.initial import Initial
from hexamer.training.optimizer import Schedule
from hexamer.training.parallel import Mode

FREE = {"out", "corpus", "batch", "save_every", "keep", "evaluate_every", "parallel", "recompute", "compile"}
"""Settings that may differ when a run is resumed: they change no step's windows, nor what the best checkpoint is by.

A corpus may lie elsewhere; that it holds the same is for the checkpoint to say (`Corpus.digest`).
"""
SETTINGS = "settings.toml"
"""Where a run writes its settings, in its folder."""
SMALL = "tiny"
"""The size where nothing says another."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Settings of a run.

    Raises
    ------
    SettingsError
        If a value is out of its range, or two settings exclude each other.
    """

    __pydantic_config__ = STRICT

    genomes: tuple[GenomeSource, ...] = ()
    """What to learn from: one [[genomes]] each."""
    manifest: str = ""
    """Table of genomes (`read_sources`) in place of `genomes`; a relative path starts at the recipe's folder."""
    corpus: str = ""
    """Folder of a corpus that `hexamer build-corpus` made, in place of `genomes`; a relative path starts at the
    recipe's folder."""
    out: str
    """Folder of the run; a relative path starts where the command runs."""
    size: str | None = None
    """A named size of the encoder; "tiny" by default."""
    model: ModelConfig | None = None
    """Sizes of the encoder in place of a named one: [model]."""
    start_from: str = ""
    """A model to go on from (packaged name, folder or hub id) in place of random weights of some size; a relative
    folder starts at the recipe's, if there is one, else where the command runs."""
    initial: Initial | None = None
    """How random weights are drawn: "published" by default, or "composed", with a notion of bases and neighbours."""
    max_steps: int = 1000
    """Optimiser steps."""
    tokens: int = 1000
    """Tokens of a window, `<cls>` included: 1,000 are 5,994 bases."""
    step_tokens: int = 16_000
    """Tokens of an optimiser step, over all processes; published: 1,000,000. Gradients are accumulated to it."""
    batch: int = 4
    """Windows that go through the encoder at a time, in each process."""
    sampling: Sampling = field(default_factory=Sampling)
    """How windows are laid and weighted: [sampling]."""
    masking: Masking | None = None
    """Shares of the corruption: [masking]; by default as published, without random tokens where there is a
    population."""
    schedule: Schedule = field(default_factory=lambda: Schedule(start=1e-4, peak=1e-3))
    """Learning rate: [schedule]; without that table from 1e-4 to 1e-3, since the published rates are for models a
    hundred times the size of "tiny"."""
    weight_decay: float = 0.0
    """AdamW's, of matrices; 0 as published."""
    clip: float = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    bf16: bool = True
    """Compute products in bfloat16; weights, norms of layers and the loss stay float32."""
    parallel: Mode = "ddp"
    """How several processes share the work: `ddp` copies the model, `fsdp` shards it."""
    recompute: bool = False
    """Activation checkpointing: less memory for a third more time."""
    compile: bool = False
    """`torch.compile` the blocks: a minute first, then faster on GPUs."""
    seed: int = 0
    """Of weights, windows and masks."""
    save_every: int = 200
    """Steps between checkpoints."""
    keep: int = 2
    """Newest checkpoints that stay; the best on held-out windows stays too."""
    evaluate_every: int = 200
    """Steps between evaluations on held-out windows; 0 for none."""
    evaluate_windows: int = 16
    """Held-out windows per genome in these evaluations."""

    def __post_init__(self) -> None:
        given = [name for name in ("genomes", "manifest", "corpus") if getattr(self, name)]
        if len(given) != 1:
            raise SettingsError(
                f"{' and '.join(given) or 'no genomes'} given; one of genomes, manifest, corpus would work"
            )
        if self.model is not None and self.size is not None:
            raise SettingsError(f"size = {self.size!r} and [model] given; one of them would work")
        if self.start_from:
            others = {
                "[model]": self.model,
                f"size = {self.size!r}": self.size,
                f"initial = {self.initial!r}": self.initial,
            }
            if given := [name for name, value in others.items() if value is not None]:
                raise SettingsError(
                    f"start_from = {self.start_from!r} and {' and '.join(given)} given; a model to start from has its "
                    "own sizes and weights: without size, model and initial it would work"
                )
        most, whose = self.encoder.max_tokens, "max_tokens of [model]" if self.model else f"size {self.size or SMALL!r}"
        if self.tokens < 3 or (not self.start_from and self.tokens > most):
            raise SettingsError(f"tokens = {self.tokens}; 3 to {most} ({whose}) would work")
        for name in ("max_steps", "batch", "save_every", "keep", "evaluate_windows"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} = {getattr(self, name)}; a positive number would work")
        for name in ("seed", "clip", "weight_decay", "evaluate_every"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"{name} = {getattr(self, name)}; 0 or more would work")
        if self.seed >= 2**63:
            raise SettingsError(f"seed = {self.seed}; less than 2**63 would work")
        if self.step_tokens < self.tokens:
            raise SettingsError(f"step_tokens = {self.step_tokens}; at least the {self.tokens} of a window would work")
        warmup, cooldown = self.schedule.warmup_steps(self.max_steps), self.schedule.cooldown
        if warmup + cooldown > self.max_steps:
            raise SettingsError(
                f"warmup of {warmup} and cooldown of {cooldown} steps in max_steps = {self.max_steps}; "
                "shorter ones, or a longer run, would work"
            )

    @property
    def encoder(self) -> ModelConfig:
        """Sizes of the encoder, where it is not `start_from`'s."""
        return self.model or named_size(self.size or SMALL)

    @property
    def rows(self) -> int:
        """Windows of a step, over all processes."""
        return self.step_tokens // self.tokens

    def sources(self) -> tuple[GenomeSource, ...]:
        """Give the genomes, those of the manifest read.

        Raises
        ------
        SettingsError
            If the manifest cannot be read, or a file that it names is missing.
        """
        return read_sources(self.manifest) if self.manifest else self.genomes

    def starting_at(self, folder: Path) -> "PretrainConfig":
        """Make input paths absolute, so that it holds from any folder.

        Parameters
        ----------
        folder : Path
            Where relative paths start.

        Returns
        -------
        PretrainConfig
        """
        return replace(
            self,
            genomes=tuple(source.starting_at(folder) for source in self.genomes),
            manifest=str((folder / self.manifest).resolve()) if self.manifest else "",
            corpus=str((folder / self.corpus).resolve()) if self.corpus else "",
            start_from=find_model(self.start_from, folder),
        )

    def resolved(self, masking: Masking | None = None) -> "PretrainConfig":
        """Say what a run uses where a setting follows from others.

        Parameters
        ----------
        masking : Masking, optional
            What the corpus makes of it (`Sampler.masking`).

        Returns
        -------
        PretrainConfig
            Without a size or a way to draw weights where these are not asked for.
        """
        drawn = not self.start_from
        return replace(
            self,
            size=(self.size or SMALL) if drawn and self.model is None else None,
            # What the encoder was trained on is the longest window that it claims to read.
            model=replace(self.model, max_tokens=self.tokens) if self.model else None,
            initial=(self.initial or "published") if drawn else None,
            masking=masking or self.masking,
            schedule=replace(self.schedule, warmup=self.schedule.warmup_steps(self.max_steps)),
        )

    def differences(self, other: "PretrainConfig") -> list[str]:
        """Name settings that would make another run of this one.

        Parameters
        ----------
        other : PretrainConfig
            Of the run that is there. Its masking is not looked at where ours follows from the corpus.

        Returns
        -------
        list of str
            As `name (theirs, not ours)`.
        """
        pairs = [
            (field.name, getattr(other.resolved(), field.name), getattr(self.resolved(), field.name))
            for field in fields(self)
            if field.name not in FREE and not (field.name == "masking" and self.masking is None)
        ]
        return [tell_difference(*pair) for pair in pairs if pair[1] != pair[2]]


def tell_difference(name: str, theirs: object, ours: object) -> str:
    """Name a setting with both values, where they are short.

    Parameters
    ----------
    name : str
    theirs, ours : object

    Returns
    -------
    str

    Examples
    --------
    >>> tell_difference("seed", 5, 6)
    'seed (5, not 6)'
    """
    return f"{name} ({theirs!r}, not {ours!r})" if len(f"{theirs}{ours}") < 60 else name


def read_recipe(path: str | Path, **overrides: Any) -> tuple[PretrainConfig, str]:
    """Read a recipe, or the settings of a run, with options that replace some of its values.

    Parameters
    ----------
    path : str or Path
    **overrides
        Values that replace the file's; None leaves the file's. A `max_steps` too short for the file's warm-up and
        cooldown scales these down.

    Returns
    -------
    config : PretrainConfig
    note : str
        What was scaled, to be told; empty where nothing was.

    Raises
    ------
    SettingsError
        As `hexamer.manifest.read_settings`.
    """
    table = read_toml(path)
    if Path(path).name == SETTINGS:
        # Runs of before wrote these defaults down, where something else decided.
        if table.get("size") == SMALL and ("model" in table or table.get("start_from")):
            del table["size"]
        if table.get("initial") == "published" and table.get("start_from"):
            del table["initial"]
    note, given = "", {name: value for name, value in overrides.items() if value is not None}
    if "max_steps" in given:
        table, note = _shorten(table, given["max_steps"])
    return make_settings(PretrainConfig, table | given, str(path)), note


def _shorten(table: dict[str, Any], last: int) -> tuple[dict[str, Any], str]:
    """Scale warm-up and cooldown of a recipe to a run that is too short for them."""
    steps = table.get("max_steps", PretrainConfig.max_steps)
    try:
        schedule = make_settings(Schedule, table.get("schedule", {}), "")
        warmup, cooldown = schedule.warmup_steps(steps), schedule.cooldown
        fits = schedule.warmup_steps(last) + cooldown <= last or last < 1 or warmup + cooldown > steps
    except (SettingsError, TypeError, ValueError):  # told, with its place, when the whole recipe is read
        return table, ""
    if fits:
        return table, ""
    short = schedule if schedule.warmup is None else replace(schedule, warmup=max(warmup * last // steps, 1))
    short = replace(short, cooldown=min(cooldown * last // steps, last - short.warmup_steps(last)))
    note = (
        f"warm-up of {warmup:,} and cooldown of {cooldown:,} steps scaled to {short.warmup_steps(last):,} and "
        f"{short.cooldown:,}, for {last:,} steps instead of {steps:,}"
    )
    scaled = {"cooldown": short.cooldown} | ({} if short.warmup is None else {"warmup": short.warmup})
    return table | {"schedule": table.get("schedule", {}) | scaled}, note


def find_model(name: str, folder: Path) -> str:
    """Make the path of a model folder absolute.

    Parameters
    ----------
    name : str
        As `PretrainConfig.start_from`.
    folder : Path
        Where a relative path starts.

    Returns
    -------
    str
        The name as it is where there is no such model folder: it may be packaged, a hub id, or lie elsewhere.
    """
    is_folder = (
        bool(name) and not (PACKAGED / name / "config.json").exists() and (folder / name / "config.json").is_file()
    )
    return str((folder / name).resolve()) if is_folder else name
