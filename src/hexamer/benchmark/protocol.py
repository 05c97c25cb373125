"""The benchmark's protocol: every task, every method, ten times; a cell that is finished is never run again.

A cell is a task, a method and a fold. In each fold the training rows are shuffled anew into 90 % to learn from and 10 %
to choose by; the test rows are the same in all folds and choose nothing. A method's result is the mean over folds with
two standard deviations, as the paper has it. Methods: probes and fine-tuning of an encoder, the same of an encoder of
random weights (what pre-training is worth), k-mer regression and networks from scratch.
Source: Dalla-Torre et al. (2025), Methods. Not here: what tasks are (`tasks`), what a method does (`methods`), tables
(`results`).
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.benchmark.audit import audit
from hexamer.benchmark.methods import BASELINES, METHODS, RANDOM, RATES, STEPLESS, Methods, Places, check_methods
from hexamer.benchmark.own_data import HOLD_OUTS, hold_out_rows
from hexamer.benchmark.task_data import Split, TaskData
from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.manifest import STRICT, write_atomically
from hexamer.model import NucleotideTransformer, describe_model
from hexamer.model.limits import count_beyond
from hexamer.training.fitting import FitSettings
from hexamer.training.scores import CHOSEN, all_scores
from hexamer.training.targets import Target, make_target

_SHUFFLES = 100  # of one fold, at most
_VERSION = 2  # to be raised where the same settings would give other numbers: cells of before are then not taken


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """How tasks are run.

    Raises
    ------
    SettingsError
        If a method does not exist or a number is out of its range.
    """

    __pydantic_config__ = STRICT

    methods: tuple[str, ...] = ("probe", "ia3", "kmer")
    """Names out of `METHODS`."""
    folds: int = 10
    """Reshuffles of the training rows: ten in the paper."""
    validation: float = 0.1
    """Share of the training rows to choose by."""
    most: int | None = None
    """Training rows that are used of each task, drawn at random; all by default."""
    test_share: float = 0.2
    """Rows that are held out as test where none are published."""
    hold_out_by: str = ""
    """How: "rows", "contigs" or "similarity", as `hold_out_rows`; by default contigs where places are known."""
    fit: FitSettings = field(default_factory=FitSettings)
    """Of fine-tuning and of networks; the paper's by default."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Learning rates by method, where they are not to be `hexamer.benchmark.methods.RATES`."""
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [name for name in (*self.methods, *self.rates) if name not in METHODS]
        if wrong or not self.methods:
            raise SettingsError(f"methods {', '.join(wrong) or 'none'}; {', '.join(METHODS)} would work")
        if len(set(self.methods)) < len(self.methods):
            raise SettingsError(f"methods {', '.join(self.methods)}; each once would work")
        if self.hold_out_by not in ("", *HOLD_OUTS):
            raise SettingsError(f"held out by {self.hold_out_by!r}; {', '.join(HOLD_OUTS)} would work")
        for name, rate in self.rates.items():
            if not 0 < rate < math.inf:
                raise SettingsError(f"rate {rate} of {name}; above 0 would work")
        shares, least = (self.validation, self.test_share), 10 if self.most is None else self.most
        if self.folds < 1 or not 0 <= self.seed < 2**63 or least < 10 or not all(0 < share < 1 for share in shares):
            raise SettingsError(f"{self}: folds from 1, seed from 0, shares between 0 and 1, most from 10 would work")


class Cell(NamedTuple):
    """What one method made of one fold of a task."""

    task: str
    method: str
    fold: int
    test: float
    """The task's score on the test rows."""
    validation: float
    seconds: float
    scores: dict[str, float]
    """All statistics of the test rows, as `hexamer.training.scores.all_scores`."""
    facts: dict[str, Any]
    """How: layer, setting, best step, weights that were trained."""


def run_task(
    model: NucleotideTransformer,
    data: TaskData,
    out: str | Path,
    settings: BenchmarkSettings,
    *,
    advance: Callable[[Cell, bool], None] | None = None,
) -> list[Cell]:
    """Run all cells of a task that are not finished.

    Parameters
    ----------
    model : NucleotideTransformer
    data : TaskData
    out : str or Path
        Gets `cells/TASK/METHOD.FOLD.json`, and the test predictions beside it as .npy.
    settings : BenchmarkSettings
    advance : callable, optional
        Called with each cell, and whether it was there before.

    Returns
    -------
    list of Cell

    Raises
    ------
    SettingsError
        If a finished cell was run with other settings, data or weights, or a method is none for such tasks.
    SequenceError
        If a sequence is longer than the encoder reads.
    """
    check_task(model, data, settings)
    folder = Path(out) / "cells" / data.task.name
    target = task_target(data)
    train, test = hold_out(data, settings)
    methods, cells = Methods(model, train, test, target), []
    for method in settings.methods:
        key = _key(model, data, method, settings)
        for fold in range(settings.folds):
            path = folder / f"{method}.{fold}.json"
            there = path.exists()
            if there:
                cell = _read_cell(path, key, len(test))
            else:
                began = time.perf_counter()
                learn, choose = _usable_fold(data.task.name, train, target, fold, settings)
                fit = replace(settings.fit, rate=_rate(method, settings), seed=settings.seed + fold)
                found = methods.run(method, learn, choose, fit)
                seconds = round(time.perf_counter() - began, 1)
                scores = all_scores(target, test.targets, found.predictions)
                score = scores[CHOSEN[target.kind]]
                cell = Cell(data.task.name, method, fold, score, found.validation, seconds, scores, found.facts)
                _write_cell(path, cell, key, found.predictions)
            cells.append(cell)
            if advance:
                advance(cell, there)
    return cells


def audit_task(data: TaskData, settings: BenchmarkSettings) -> dict[str, Any]:
    """Audit the training and test rows of a task as they are used here.

    Parameters
    ----------
    data : TaskData
    settings : BenchmarkSettings

    Returns
    -------
    dict
        As `hexamer.benchmark.Audit.as_dict`. Where several labels or values are asked for, the first stands for all;
        where bases have classes, nothing is said of labels.
    """
    tables = []
    for part in hold_out(data, settings):
        targets: Any = part.targets if part.targets.ndim == 1 else part.targets[:, 0]
        if data.task.kind == "values":
            targets = targets > np.nanmedian(data.train.targets[:, 0])  # copies with other labels: on the other side
        elif data.task.kind == "labels":
            targets = np.nan_to_num(targets, nan=0)
        table = pd.DataFrame({"sequence": part.sequences, "label": targets.astype(int)})
        if part.regions is not None:
            table = pd.concat([table, part.regions.reset_index(drop=True)], axis=1)
        tables.append(table)
    labelled = data.task.kind != "bases"
    return audit(tables[0], tables[1], sequence="sequence", label="label", labelled=labelled).as_dict()


def task_target(data: TaskData) -> Target:
    """Say what a task's heads predict: values as numbers, classes and labels as they are, of bases rare classes too."""
    known: dict[str, dict[str, Any]] = {"labels": {"positive_weight": 1.0}, "bases": {"balanced": True}}
    options = known.get(data.task.kind, {})
    return make_target(data.task.kind, tuple(data.task.classes), **options)


def hold_out(data: TaskData, settings: BenchmarkSettings) -> tuple[Split, Split]:
    """Give training and test rows; where no test rows are published, some are held out.

    Parameters
    ----------
    data : TaskData
    settings : BenchmarkSettings

    Returns
    -------
    train, test : Split
        The same for every fold. Published validation rows are left alone: folds have their own.
    """
    by = settings.hold_out_by or ("rows" if data.train.regions is None else "contigs")
    return _hold_out(data, by, settings.test_share, settings.most, settings.seed)


@lru_cache(maxsize=1)  # to find what is alike takes its time, and audit, run and intervals ask one after the other
def _hold_out(data: TaskData, by: str, share: float, most: int | None, seed: int) -> tuple[Split, Split]:
    train, test = data.train, data.test
    if test is None:
        held = hold_out_rows(train, share, by=by, seed=seed)
        train, test = train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))
    if most and len(train) > most:
        train = train.take(np.sort(np.random.default_rng((seed, 17)).permutation(len(train))[:most]))
    return train, test


def split_fold(count: int, fold: int, settings: BenchmarkSettings, *, again: int = 0) -> tuple[Places, Places]:
    """Shuffle training rows into those to learn from and those to choose by.

    Parameters
    ----------
    count : int
        Training rows.
    fold : int
    settings : BenchmarkSettings
    again : int
        Times that the fold was shuffled before, of no use.

    Returns
    -------
    learn, choose : int64 arrays
    """
    rows = np.random.default_rng((settings.seed, fold, *[again] * (again > 0))).permutation(count)
    held = min(max(1, round(settings.validation * count)), count - 1)
    return np.sort(rows[held:]), np.sort(rows[:held])


def predictions_path(out: str | Path, task: str, method: str, fold: int) -> Path:
    """Where the test predictions of a cell are: .npy, float32 [N, O], of bases float16 [N, bases, C]."""
    return Path(out) / "cells" / task / f"{method}.{fold}.npy"


def check_task(model: NucleotideTransformer, data: TaskData, settings: BenchmarkSettings) -> None:
    """Find before anything is learnt what would stop a task.

    Parameters
    ----------
    model : NucleotideTransformer
    data : TaskData
    settings : BenchmarkSettings

    Raises
    ------
    SettingsError
        If a method is none for such tasks, or no rows can be held out.
    InputError
        If the test rows are all alike.
    SequenceError
        If a sequence has more tokens than the encoder reads.
    """
    check_methods(settings.methods, data.task.kind)
    name, splits = data.task.name, hold_out(data, settings)
    try:
        task_target(data).check(splits[1].examples.targets)
    except InputError as error:
        raise InputError(f"{name}: test: {error}") from None
    if not set(settings.methods) - set(BASELINES):
        return
    for split in splits:
        for row, sequence in enumerate(split.sequences, 1):
            if count := count_beyond(model, sequence):
                told = f"{name}: a sequence of {len(sequence):,} bases (row {row:,}) is {count:,} tokens"
                most = model.config.max_tokens - 1
                raise SequenceError(f"{told}; the model reads {most:,}: shorter windows, or fewer N, would work")


def _rate(method: str, settings: BenchmarkSettings) -> float:
    return settings.rates.get(method, RATES.get(method.removeprefix(RANDOM), settings.fit.rate))


def _usable_fold(
    name: str, train: Split, target: Target, fold: int, settings: BenchmarkSettings
) -> tuple[Places, Places]:
    """Give a fold whose rows differ, to learn from and to choose by: of few rows, some shuffles have one class only."""
    for again in range(_SHUFFLES):
        parts = split_fold(len(train), fold, settings, again=again)
        try:
            for rows in parts:
                target.check(train.examples.targets[rows])
        except InputError:
            continue
        return parts
    raise InputError(
        f"{name}: fold {fold}: in {_SHUFFLES} shuffles of {len(train):,} rows those to learn from or to choose by "
        f"({settings.validation:.0%}) were all alike; more rows would work"
    )


def _key(model: NucleotideTransformer, data: TaskData, method: str, settings: BenchmarkSettings) -> str:
    """Checksum of all that a cell's numbers depend on, besides the fold."""
    facts, target = describe_model(model), task_target(data)
    own = asdict(settings)
    del own["methods"], own["folds"], own["rates"]
    own |= {"version": _VERSION, "kind": target.kind, "target": asdict(target)}
    if method in STEPLESS:
        del own["fit"]
    else:
        own["fit"] |= {"rate": _rate(method, settings), "adapter": own["fit"]["adapter"] | {"kind": ""}, "seed": 0}
    weights = facts["config"] if method.startswith(RANDOM) else {} if method in BASELINES else facts["files"]
    digest = hashlib.sha256(json.dumps([method, own, weights], sort_keys=True, default=str).encode())
    if weights == {} and method not in BASELINES:  # of a model that is in no folder
        for tensor in model.state_dict().values():
            digest.update(tensor.float().cpu().numpy().tobytes())
    for name, part in data.splits.items():
        digest.update(f"\n{name} {part.targets.dtype} {part.targets.shape}\n".encode())
        digest.update("\n".join(part.sequences).encode() + part.targets.tobytes())
        if part.regions is not None:  # may say what is held out
            digest.update(part.regions.to_csv(index=False).encode())
    return digest.hexdigest()[:16]


def _write_cell(path: Path, cell: Cell, key: str, predictions: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path.with_suffix(".npy")) as temporary, temporary.open("wb") as file:
        np.save(file, predictions.astype(np.float32 if predictions.ndim < 3 else np.float16))  # of bases: many
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps({"key": key, **cell._asdict()}) + "\n")


def _read_cell(path: Path, key: str, rows: int) -> Cell:
    try:
        facts = json.loads(path.read_text())
        there = facts.pop("key")
        cell = Cell(**facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise SettingsError(f"{path}: not a finished cell ({problem}); remove it") from None
    if there != key:
        raise SettingsError(
            f"{path}: run with other settings, data or weights; another --out, or this file removed, would work"
        )
    try:
        found = len(np.load(path.with_suffix(".npy"), mmap_mode="r"))
    except (OSError, ValueError, EOFError) as problem:
        raise SettingsError(f"{path}: its predictions (.npy) cannot be read ({problem}); remove this file") from None
    if found != rows:
        raise SettingsError(f"{path}: has predictions of {found:,} rows, not {rows:,}; remove this file")
    return cell
