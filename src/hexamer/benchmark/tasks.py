"""What is asked of sequences, and what was published about it: tasks, and the suites that they come in.

The definitions are TOML files under `suites/`. A suite of one's own is a folder with a `suite.toml` beside its files:

    about = "Enhancers of the fly eye"

    [[tasks]]
    name = "eye"
    kind = "classes"
    classes = ["none", "enhancer"]
    metric = "mcc"

with `eye/train.csv` and `eye/test.csv` (columns `sequence` and `label`), or any other layout that `layouts` reads.
`[defaults]` holds settings of all tasks; `tasks_of = "nt-revised"` takes the tasks of another suite, without their
published sizes, where only the data differ.
Not here: the data of a task (`task_data`), how it is run (`protocol`).
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hexamer.benchmark.layouts import SPLITS, Layout
from hexamer.benchmark.targets import Kind
from hexamer.errors import SettingsError
from hexamer.manifest import STRICT, make_settings, read_toml

SUITES = Path(__file__).parent / "suites"
"""Where the definitions of the built-in suites lie."""
DEFINITION = "suite.toml"
"""The definition of a suite of one's own, in its folder."""
METRICS: Mapping[str, tuple[str, ...]] = {
    "classes": ("mcc", "f1", "accuracy", "auroc", "auprc"),
    "labels": ("auroc", "auprc", "mcc", "f1", "accuracy"),
    "values": ("pearson", "spearman", "r2", "mse"),
    "bases": ("auprc", "top_k"),
}
"""Metrics that a task of each kind may be published with."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question about sequences, as it was published.

    Raises
    ------
    SettingsError
        If a value is out of its range.
    """

    __pydantic_config__ = STRICT

    suite: str
    """Name of the suite."""
    name: str
    """Name of the task, in the suite."""
    kind: Kind = "classes"
    """One of several classes, several labels that are true or not, measured values, or a class for every base."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of their ids, or of the labels or values; of bases the first is "none". Ids
    are the names where nobody has published what they mean."""
    length: int | None = None
    """Bases of each sequence; None where they differ."""
    metric: str = "mcc"
    """The metric that numbers were published in."""
    category: str = ""
    """What it is about: promoter, enhancer, splice, histone, ..."""
    train: int | None = None
    """Published number of sequences for training; None where there is none."""
    validation: int | None = None
    """The same for validation."""
    test: int | None = None
    """The same for the test."""
    assembly: str = ""
    """The genome that places of sequences count in, such as hg38."""
    source: str = ""
    """Who published the data, and where."""
    about: str = ""
    """What a reader should know, in a sentence."""
    layout: Layout = field(default_factory=Layout)
    """Where its rows are."""

    def __post_init__(self) -> None:
        where = f"task {self.name!r} of {self.suite}"
        if not _NAME.fullmatch(self.name):
            raise SettingsError(f"{where}: letters, digits, _ . + and - would work as its name")
        if len(set(self.classes)) < len(self.classes) or len(self.classes) < (
            2 if self.kind in ("classes", "bases") else 1
        ):
            raise SettingsError(f"{where}: classes = {list(self.classes)}; names that differ would work")
        if self.metric not in METRICS[self.kind]:
            raise SettingsError(f"{where}: metric = {self.metric!r}; {', '.join(METRICS[self.kind])} would work")
        if self.length is not None and self.length < 1:
            raise SettingsError(f"{where}: length = {self.length}; 1 or more would work")

    @property
    def published(self) -> dict[str, int]:
        """The published numbers of sequences, by split."""
        return {name: size for name in SPLITS if (size := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks that were published together.

    Raises
    ------
    SettingsError
        If two tasks have one name.
    """

    __pydantic_config__ = STRICT

    name: str
    """What it is asked for by."""
    about: str = ""
    """What it is, in a sentence."""
    tasks: tuple[Task, ...] = ()
    """Its tasks."""
    folder: str = ""
    """Where its files lie; empty for the built-in ones, whose files the user has somewhere."""

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise SettingsError(f"suite {self.name}: two tasks are called {twice!r}; a name each would work")

    def task(self, name: str) -> Task:
        """Find a task by its name.

        Parameters
        ----------
        name : str

        Returns
        -------
        Task

        Raises
        ------
        SettingsError
            If there is none; the message says the nearest names.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        raise SettingsError(f"suite {self.name}: there is no task {name!r}; the nearest are {_nearest(name, self)}")


def list_suites() -> tuple[Suite, ...]:
    """Read the definitions of all built-in suites, by name.

    Returns
    -------
    tuple of Suite
    """
    return tuple(_built_in(name) for name in sorted(path.stem for path in SUITES.glob("*.toml")))


def read_suite(name: str | Path) -> Suite:
    """Read the definition of a suite.

    Parameters
    ----------
    name : str or Path
        Of a built-in suite, or a folder with a `suite.toml`.

    Returns
    -------
    Suite

    Raises
    ------
    SettingsError
        If there is none, or its definition has a key or value that does not exist.

    Examples
    --------
    >>> suite = read_suite("nt-revised")
    >>> suite.task("enhancers_types").classes
    ('0', '1', '2')
    """
    if (SUITES / f"{name}.toml").is_file():
        return _built_in(str(name))
    folder = Path(name)
    if folder.name == DEFINITION:
        folder = folder.parent
    if (folder / DEFINITION).is_file():
        return _read_definition(folder / DEFINITION, folder.absolute().name, str(folder))
    if folder.is_dir():
        raise SettingsError(f"{folder}: has no {DEFINITION}; one that names its tasks would work")
    return _built_in(str(name))


def _built_in(name: str) -> Suite:
    paths = {path.stem: path for path in sorted(SUITES.glob("*.toml"))}
    if name in paths:
        return _read_definition(paths[name], name, "")
    near = ", ".join(difflib.get_close_matches(name, paths, n=3, cutoff=0.0))
    raise SettingsError(
        f"{name}: neither a built-in suite nor a folder with a {DEFINITION}; the nearest suites are {near}"
    )


def _nearest(name: str, suite: Suite) -> str:
    return ", ".join(difflib.get_close_matches(name, [task.name for task in suite.tasks], n=3, cutoff=0.0))


def _read_definition(path: Path, name: str, folder: str) -> Suite:
    table = read_toml(path)
    defaults, entries, other = table.pop("defaults", {}), table.pop("tasks", []), table.pop("tasks_of", "")
    if not isinstance(defaults, dict) or not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise SettingsError(f"{path}: a table [defaults] and tables [[tasks]] would work")
    suite = make_settings(Suite, {"name": name} | table | {"folder": folder}, str(path))
    if other:
        known = {task.name: _without_data(task) for task in _built_in(str(other)).tasks}
        entries = [_join(known.get(str(entry.get("name")), {}), entry) for entry in entries] or list(known.values())
    tasks = []
    for number, entry in enumerate(entries, 1):
        settings = {"suite": suite.name} | _join(defaults, entry)
        tasks.append(make_settings(Task, settings, f"{path}: task {entry.get('name', number)}"))
    if len(tasks) == 1 and "." not in tasks[0].layout.folders:
        # Files beside the definition need no folder of the only task.
        tasks = [replace(tasks[0], layout=replace(tasks[0].layout, folders=(*tasks[0].layout.folders, ".")))]
    if not tasks:
        raise SettingsError(f"{path}: has no tasks; [[tasks]] with a name and classes would work")
    return replace(suite, tasks=tuple(tasks))


def _without_data(task: Task) -> dict[str, Any]:
    return {key: value for key, value in asdict(task).items() if key not in ("suite", "layout", *SPLITS)}


def _join(settings: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Put settings over others; of tables within them each key."""
    both = [key for key in settings if isinstance(settings[key], dict) and isinstance(more.get(key), dict)]
    inner = {key: settings[key] | more[key] for key in both}
    return settings | more | inner
