"""Fine-tuning steps: train some weights on labelled examples, and keep those that did best on others.

The examples of a step are a function of the seed and the step, so a run that was killed goes on to the same weights.
Only weights that are trained are kept in memory and in checkpoints: of an adapter, a few kilobytes. Not here: what is
learnt (`finetune`, `hexamer.effects.tuned`), the step itself (`loop`).
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hexamer.errors import CheckpointError, OutputError, SettingsError
from hexamer.manifest import STRICT, write_atomically
from hexamer.model.adapters import AdapterSettings
from hexamer.training.checkpoints import MOMENTS
from hexamer.training.loop import Batch, Run, train
from hexamer.training.parallel import Processes

STATE = "fitting.safetensors"
"""File of a run's folder that a killed run goes on from."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How weights are fitted to examples; by default as the paper does with IA3.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    __pydantic_config__ = STRICT

    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    """Which weights of the encoder are trained; the head's always are."""
    steps: int = 10_000
    """Most steps: 10,000 in the paper."""
    rate: float = 3e-3
    """Learning rate of Adam: 3e-3 in the paper; full fine-tuning wants 1e-5 to 1e-4."""
    batch: int = 8
    """Examples of a step."""
    accumulate: int = 1
    """Parts that a step's examples go through the model in, one after the other."""
    warmup: int = 0
    """First steps, over which the rate rises linearly."""
    weight_decay: float = 0.0
    """AdamW's."""
    clip: float = 1.0
    """Largest norm of a gradient; 0 for no limit."""
    evaluate_every: int = 100
    """Steps from one look at the validation examples to the next."""
    patience: int = 10
    """Looks without a better score, after which training ends."""
    bf16: bool = False
    """Products in bfloat16."""
    seed: int = 0
    """Of the order of examples, and of the head's first weights."""

    def __post_init__(self) -> None:
        counts = (self.steps, self.batch, self.accumulate, self.evaluate_every, self.patience)
        rest = (self.warmup, self.clip, self.weight_decay, self.seed)
        if min(counts) < 1 or min(rest) < 0 or self.seed >= 2**63 or not 0 < self.rate < math.inf:
            raise SettingsError(
                f"{self}: steps, batch, accumulate, evaluate_every, patience from 1, rate above 0, the rest from 0 "
                "would work"
            )
        if self.accumulate > self.batch:
            raise SettingsError(f"accumulate {self.accumulate}; at most batch, {self.batch}, would work")


@dataclass(frozen=True)
class Fitted:
    """What fitting came to."""

    best_step: int
    """Step whose weights were kept."""
    best_score: float
    """Its score on the validation examples."""
    history: list[dict[str, float]]
    """Of each look: `step`, `loss` (mean over the steps since the last look), `score`."""


def draw_examples(count: int, batch: int, seed: int, step: int) -> npt.NDArray[np.int64]:
    """Choose the examples of a step: each once in an epoch, in a new order every time.

    Parameters
    ----------
    count : int
        Examples, at least one.
    batch : int
    seed : int
    step : int
        1-based.

    Returns
    -------
    int64 array [batch]
        The last step of an epoch takes its rest from the next.

    Examples
    --------
    >>> sorted(np.concatenate([draw_examples(4, 2, 0, step) for step in (1, 2)]).tolist())
    [0, 1, 2, 3]
    """
    places = np.arange((step - 1) * batch, step * batch)
    orders = {epoch: np.random.default_rng((seed, int(epoch))).permutation(count) for epoch in set(places // count)}
    return np.array([orders[place // count][place % count] for place in places], dtype=np.int64)


def fit_weights(
    module: nn.Module,
    draw: Callable[[int], list[Batch]],
    score: Callable[[], float],
    settings: FitSettings,
    *,
    folder: Path | None = None,
    about: str = "",
    advance: Callable[[dict[str, Any]], None] | None = None,
) -> Fitted:
    """Fit the weights of a module that are not frozen, and leave it with those that scored best, in eval mode.

    Parameters
    ----------
    module : Module
        Gives (sum of losses, number right) of a batch; changed in place.
    draw : callable
        Batches of a step, 1-based; a pure function.
    score : callable
        Score on validation examples with the weights as they are, higher is better; the module is in eval mode.
    settings : FitSettings
    folder : Path, optional
        Where to keep what a killed run goes on from; what is there is gone on from. Made if it is not there.
    about : str
        What else the weights depend on, as a checksum: a folder of another is refused.
    advance : callable, optional
        Called with the record of each step, of looks with `score`.

    Returns
    -------
    Fitted

    Raises
    ------
    SettingsError
        If nothing is to be trained, the loss is not finite any more, or the folder is of other settings or examples.
    CheckpointError
        If what the folder holds cannot be read.
    OutputError
        If the folder cannot be written.
    """
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not trained:
        raise SettingsError("no weight is trained; an adapter or a head would work")
    device = next(iter(trained.values())).device
    optimizer = torch.optim.AdamW(trained.values(), lr=0.0, weight_decay=settings.weight_decay, fused=True)
    run = Run(module, module, optimizer, Processes(0, 1, device), remedy="a smaller rate")  # type: ignore[arg-type]
    keeper = _Keeper(run, trained, settings, folder, about)
    losses: list[float] = []

    def look(record: dict[str, Any]) -> None:
        losses.append(record["loss"])
        if run.step % settings.evaluate_every == 0 or run.step == settings.steps:
            module.eval()
            with torch.inference_mode():
                found = score()
            keeper.keep({"step": run.step, "loss": float(np.mean(losses)), "score": found})
            losses.clear()
            record["score"] = found
        if advance:
            advance(record)

    def rate(step: int) -> float:
        return settings.rate * min(1.0, step / settings.warmup if settings.warmup else 1.0)

    # Dropout draws from torch's generator: the same in every run, and the caller's is left alone.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        while run.step < settings.steps and keeper.looks_since_best < settings.patience:
            torch.manual_seed(settings.seed * 1_000_003 + run.step)
            last = min(run.step + settings.evaluate_every - run.step % settings.evaluate_every, settings.steps)
            train(run, draw, rate, last=last, clip=settings.clip, bf16=settings.bf16, after=look)
    keeper.restore()
    module.eval()
    return Fitted(keeper.best_step, keeper.best_score, keeper.history)


class _Keeper:
    """The best weights so far, in memory, and in a folder with all that going on needs."""

    def __init__(
        self, run: Run, trained: dict[str, nn.Parameter], settings: FitSettings, folder: Path | None, about: str
    ) -> None:
        self.run, self.trained, self.settings, self.folder, self.about = run, trained, settings, folder, about
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_score = 0, -math.inf
        self.history: list[dict[str, float]] = []
        if folder:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{folder}: cannot be made ({error.strerror}); another folder would work") from error
            if (folder / STATE).exists():
                self._go_on(folder)

    @property
    def looks_since_best(self) -> int:
        return sum(look["step"] > self.best_step for look in self.history) if self.best else 0

    def keep(self, look: dict[str, float]) -> None:
        """Note a look at the validation examples, its weights if they are the best, and the state."""
        self.history.append(look)
        # A score that is not a number (one class only) is no score; the first weights are kept until there is one.
        if not look["score"] <= self.best_score and (not self.best or not math.isnan(look["score"])):
            self.best = {name: parameter.detach().clone() for name, parameter in self.trained.items()}
            self.best_step, self.best_score = int(look["step"]), look["score"]
        if self.folder:
            self._save(self.folder)

    def restore(self) -> None:
        with torch.no_grad():
            for name, tensor in self.best.items():
                self.trained[name].copy_(tensor)

    def _moments(self) -> dict[str, Tensor]:
        state = self.run.optimizer.state
        return {f"{key}.{name}": state[p][key] for name, p in self.trained.items() for key in MOMENTS}

    def _save(self, folder: Path) -> None:
        tensors = {f"now.{name}": p.detach() for name, p in self.trained.items()} | self._moments()
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors = {name: t.cpu().contiguous().clone() for name, t in tensors.items()}
        state = {"settings": asdict(self.settings), "history": self.history, "best_step": self.best_step}
        state |= {"step": self.run.step, "tokens": self.run.tokens, "about": self.about}
        # One file has all, so that its parts are of one step.
        try:
            with write_atomically(folder / STATE) as temporary:
                save_file(tensors, temporary, {"state": json.dumps(state)})
        except SafetensorError as problem:
            raise OutputError(f"{folder / STATE}: cannot be written ({problem}); is the disk full?") from None

    def _go_on(self, folder: Path) -> None:
        try:
            with safe_open(folder / STATE, framework="pt") as file:
                state = json.loads(file.metadata()["state"])
            tensors = load_file(folder / STATE)
            if state["settings"] != json.loads(json.dumps(asdict(self.settings))):
                raise SettingsError(f"{folder}: a run of other settings; these, or another folder, would work")
            if state["about"] != self.about:
                raise SettingsError(f"{folder}: a run of other examples or another model; another folder would work")
            self.history, self.best_step = state["history"], state["best_step"]
            self.best = {name: tensors[f"best.{name}"].to(p.device) for name, p in self.trained.items()}
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    parameter.copy_(tensors[f"now.{name}"])
                    moments = {key: tensors[f"{key}.{name}"].to(parameter.device) for key in MOMENTS}
                    step = torch.tensor(float(state["step"]), device=parameter.device)
                    self.run.optimizer.state[parameter] = {"step": step, **moments}
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder / STATE}: cannot be gone on from ({error}); without it the run would begin anew"
            ) from None
        self.run.step, self.run.tokens = state["step"], state["tokens"]
        self.best_score = next(look["score"] for look in self.history if look["step"] == self.best_step)
