"""Settings of a pre-training run; a recipe is this as TOML.

Not here: learning rate (`optimizer`), how windows are laid and masked (`hexamer.tokens`).
"""

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from hexamer.errors import SettingsError
from hexamer.manifest import STRICT
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
    """What to learn from."""
    manifest: str = ""
    """Table of genomes (`read_sources`) in place of `genomes`; a relative path starts at the recipe's folder."""
    corpus: str = ""
    """Folder of a corpus that `hexamer build-corpus` made, in place of `genomes`."""
    out: str
    """Folder of the run; a relative path starts where the command runs."""
    size: str = "tiny"
    """A named size of the encoder."""
    model: ModelConfig | None = None
    """Sizes of the encoder in place of a named one."""
    start_from: str = ""
    """A model to go on from (packaged name, folder or hub id) in place of random weights of some size; a relative
    folder starts at the recipe's, if there is one, else where the command runs."""
    initial: Initial = "published"
    """How random weights are drawn: as published, or "composed", with a notion of bases and neighbours (`initial`)."""
    max_steps: int = 1000
    """Optimiser steps."""
    tokens: int = 1000
    """Tokens of a window, `<cls>` included: 1,000 are 5,994 bases."""
    step_tokens: int = 16_000
    """Tokens of an optimiser step, over all processes; published: 1,000,000. Gradients are accumulated to it."""
    batch: int = 4
    """Windows that go through the encoder at a time, in each process."""
    sampling: Sampling = field(default_factory=Sampling)
    """How windows are laid and weighted."""
    masking: Masking | None = None
    """Shares of the corruption; by default as published, without random tokens where there is a population."""
    schedule: Schedule = field(default_factory=lambda: Schedule(start=1e-4, peak=1e-3))
    """Learning rate; the published rates (5e-5, 1e-4) are for models a hundred times the size of "tiny"."""
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
        if self.model is not None and self.size != "tiny":
            raise SettingsError(f"size = {self.size!r} and [model] given; one of them would work")
        if self.start_from and (self.model is not None or self.size != "tiny"):
            other = "[model]" if self.model is not None else f"size = {self.size!r}"
            raise SettingsError(f"start_from = {self.start_from!r} and {other} given; a model has its own sizes")
        most = self.encoder.max_tokens
        if self.tokens < 3 or (not self.start_from and self.tokens > most):
            raise SettingsError(f"tokens = {self.tokens}; 3 to {most} (size {self.size!r}) would work")
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
        return self.model or named_size(self.size)

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

    def differences(self, other: "PretrainConfig") -> list[str]:
        """Name settings that would make another run of this one.

        Parameters
        ----------
        other : PretrainConfig
            Of the run that is there.

        Returns
        -------
        list of str
            As `name (theirs, not ours)`.
        """
        return [
            f"{field.name} ({theirs!r}, not {ours!r})" if len(f"{theirs}{ours}") < 60 else field.name
            for field in fields(self)
            for theirs, ours in [(getattr(other, field.name), getattr(self, field.name))]
            if field.name not in FREE and theirs != ours
        ]


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
