"""Counts on stderr that run while a command works: how many, how fast, and how long the rest takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Count:
    """One count on stderr; told beforehand how many there will be, it shows what is left too."""

    def __init__(self, bar: Any, task: Any, kind: str) -> None:
        self.bar, self.task, self.kind = bar, task, kind

    def expect(self, total: int) -> None:
        """Take note of how many there will be."""
        self.bar.update(self.task, total=total)

    def __call__(self, count: int) -> None:
        """Count some more."""
        state = self.bar.tasks[self.task]
        if not state.started:
            self.bar.start_task(self.task)
        self.bar.advance(self.task, count)
        told = tell_count(self.kind, state.completed, state.total, state.elapsed or 0.0)
        self.bar.update(self.task, description=told, visible=True)


def tell_count(kind: str, done: float, total: float | None, seconds: float) -> str:
    """Say how many of a kind are done, of how many, how fast, and how long the rest takes."""
    scale, unit = (1e6, "Mb") if kind == "bases" else (1.0, kind)
    form = "{:,.1f}" if unit == "Mb" else "{:,.0f}"
    said = form.format(done / scale) + (f" of {form.format(total / scale)}" if total else "") + f" {unit}"
    if not (seconds and done):
        return said
    said += f"  {done / scale / seconds:,.1f} {unit}/s"
    left = seconds * ((total or 0) / done - 1)
    return said + (f"  {left:.0f} s left" if 0 < left < 90 else f"  {left / 60:.0f} min left" if left > 0 else "")


@contextmanager
def counter(what: str, *, goes_on: bool = False) -> Iterator[Count]:
    """Count and speed on stderr; of work that goes on from where it was stopped, say so when it is."""
    try:
        with counters(what) as (advance,):
            yield advance
    except KeyboardInterrupt:
        if not goes_on:
            raise
        raise KeyboardInterrupt("stopped; the same command goes on from here") from None


@contextmanager
def counters(*kinds: str) -> Iterator[list[Count]]:
    """Several counts, each shown and timed from its first number on."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = [
            bar.add_task(tell_count(kind, 0, None, 0), total=None, start=i == 0, visible=i == 0)
            for i, kind in enumerate(kinds)
        ]
        yield [Count(bar, task, kind) for task, kind in zip(tasks, kinds, strict=True)]
