"""What a run tells while it goes on: the log, one JSON object a step, and a progress bar on stderr.

Not here: what is told (`loop`), what is kept to go on from (`checkpoints`).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hexamer.manifest import write_atomically

Tell = Callable[[dict[str, Any]], None]
"""Takes the record of a step."""


@contextmanager
def open_log(path: Path | None, step: int) -> Iterator[Tell]:
    """Append records to a JSONL file, after dropping those of steps that will be taken again.

    Parameters
    ----------
    path : Path or None
        None for a process that writes nothing.
    step : int
        The last one that stays.

    Yields
    ------
    callable
        Writes a record at once.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path is None:
        yield lambda record: None
        return
    kept = [line + "\n" for line in path.read_text().splitlines() if _step_of(line) <= step] if path.exists() else []
    with write_atomically(path) as temporary:
        temporary.write_text("".join(kept))
    with path.open("a") as file:

        def write(record: dict[str, Any]) -> None:
            file.write(json.dumps(record) + "\n")
            file.flush()

        yield write


def _step_of(line: str) -> float:
    """Step of a line; beyond all for the half line that a killed run leaves."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


@contextmanager
def show_bar(what: str, unit: str, *, shown: bool) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar on stderr, where somebody looks.

    Parameters
    ----------
    what, unit : str
        Before and behind the count.
    shown : bool

    Yields
    ------
    bar : rich.progress.Progress
    task : rich.progress.TaskID
    """
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
def show_steps(step: int, last: int, tokens: int, *, shown: bool) -> Iterator[Tell]:
    """Show steps, loss and speed while training.

    Parameters
    ----------
    step, last : int
        The step done last, and the run's last one.
    tokens : int
        Of a step.
    shown : bool

    Yields
    ------
    callable
        Shows a record.
    """
    with show_bar("pre-training", "", shown=shown) as (bar, task):
        bar.update(task, total=last, completed=step)

        def advance(record: dict[str, Any]) -> None:
            figures = f"loss {record['loss']:.3f}  {tokens / record['seconds']:,.0f} tokens/s"
            bar.update(task, completed=record["step"], figures=figures)

        yield advance
