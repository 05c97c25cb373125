"""What a run tells while it goes on: the log, one JSON object a step, and progress on stderr.

On a terminal a bar, elsewhere a line about every minute; losses on held-out windows are a line on both.
Not here: what is told (`loop`), what is kept to go on from (`checkpoints`).
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hexamer.manifest import write_atomically

Tell = Callable[[dict[str, Any]], None]
"""Takes the record of a step."""
EVERY = 60.0
"""Seconds from one line to the next where there is no terminal."""
_NAMED = 8  # genomes whose losses fit into a line


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


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the records of a run's log, without the half line that a killed run leaves.

    Parameters
    ----------
    path : Path
        `log.jsonl`.

    Returns
    -------
    list of dict
    """
    return [json.loads(line) for line in path.read_text().splitlines() if _step_of(line) < math.inf]


def summarise(records: list[dict[str, Any]]) -> str:
    """Say in a line what a run has come to.

    Parameters
    ----------
    records : list of dict
        At least one, as from `read_log`.

    Returns
    -------
    str

    Examples
    --------
    >>> summarise([{"step": 1, "tokens": 900, "held_out": {"yeast": 8.1}}, {"step": 2, "tokens": 1800}])
    '2 steps, 1,800 tokens; held out: yeast 8.100 nats (the best so far: checkpoints/best)'
    """
    steps = records[-1]["step"]
    said = f"{steps:,} step{'s' if steps > 1 else ''}, {records[-1]['tokens']:,} tokens"
    evaluated = [record for record in records if record.get("held_out")]
    if not evaluated:
        return said
    final, best = evaluated[-1]["held_out"], min(evaluated, key=lambda record: _mean(record["held_out"]))
    kind = "best" if len(final) == 1 else "best mean"
    where = "the best so far"
    if best is not evaluated[-1]:
        where = f"{kind} {_mean(best['held_out']):.3f} at step {best['step']:,}"
    return f"{said}; held out: {tell_losses(final, digits=3)} nats ({where}: checkpoints/best)"


def tell_losses(losses: Mapping[str, float], *, digits: int = 2) -> str:
    """Name losses by genome, and their mean; of many genomes the mean alone.

    Parameters
    ----------
    losses : mapping of str to float
        At least one.
    digits : int

    Returns
    -------
    str

    Examples
    --------
    >>> tell_losses({"yeast": 8.0, "fly": 7.9})
    'yeast 8.00, fly 7.90, mean 7.95'
    """
    mean = f"mean {_mean(losses):.{digits}f}"
    if len(losses) > _NAMED:
        return f"{mean} of {len(losses)} genomes"
    named = [f"{name} {loss:.{digits}f}" for name, loss in losses.items()]
    return ", ".join(named + [mean] * (len(named) > 1))


def _mean(losses: Mapping[str, float]) -> float:
    return sum(losses.values()) / len(losses)


def tell_time(seconds: float) -> str:
    """Say how long something takes, to two figures or so.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> [tell_time(seconds) for seconds in (49.6, 2640, 12_000, 200_000)]
    ['50 s', '44 min', '3 h 20 min', '2 d 7 h']
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes // 1440} d {minutes // 60 % 24} h"


def say(text: str, *, shown: bool = True) -> None:
    """Print a line on stderr.

    Parameters
    ----------
    text : str
    shown : bool
    """
    if shown:
        _print(Console(stderr=True), text)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


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
def show_steps(
    step: int, last: int, tokens: int, *, shown: bool, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tell]:
    """Show steps, loss and speed while training: a bar on a terminal, else lines.

    A line comes after the first step, the last one, and about every minute; its loss and speed are means since the
    line before.

    Parameters
    ----------
    step, last : int
        The step done last, and the run's last one.
    tokens : int
        Of a step.
    shown : bool
    clock : callable
        Seconds.

    Yields
    ------
    callable
        Shows a record.
    """
    began = told = clock()
    since: list[dict[str, Any]] = []  # the line before
    with show_bar("pre-training", "", shown=shown) as (bar, task):
        bar.update(task, total=last, completed=step)

        def advance(record: dict[str, Any]) -> None:
            figures = f"loss {record['loss']:.3f}  {tokens / record['seconds']:,.0f} tokens/s"
            bar.update(task, completed=record["step"], figures=figures)
            if shown and not bar.console.is_terminal:
                write(record)
            if shown and record.get("held_out"):
                _print(bar.console, f"step {record['step']}  held out: {tell_losses(record['held_out'])}")

        def write(record: dict[str, Any]) -> None:
            nonlocal told
            since.append(record)
            done, now = record["step"], clock()
            if done not in (step + 1, last) and now - told < EVERY:
                return
            loss = sum(one["loss"] for one in since) / len(since)
            speed = tokens * len(since) / sum(one["seconds"] for one in since)
            left = f"  {tell_time((now - began) / (done - step) * (last - done))} left" if done < last else ""
            _print(bar.console, f"step {done}/{last}  loss {loss:.2f} nats  {speed:,.0f} tokens/s{left}")
            told = now
            since.clear()

        yield advance
