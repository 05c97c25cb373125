"""A whole suite: every task audited and run, and the tables that come of it.

Not here: one task (`protocol`), what tables say (`results`), files and figures of them (`hexamer.report`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hexamer.benchmark.protocol import BenchmarkSettings, Cell, audit_task, check_task, run_task
from hexamer.benchmark.results import (
    Draws,
    compare_methods,
    list_histories,
    list_scores,
    put_beside,
    resample_cells,
    summarise_cells,
)
from hexamer.benchmark.task_data import load_task
from hexamer.benchmark.tasks import Suite, read_suite
from hexamer.errors import SettingsError
from hexamer.genome import Genome
from hexamer.model import NucleotideTransformer


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """What a benchmark found."""

    suite: Suite
    cells: list[Cell]
    audits: dict[str, dict[str, Any]]
    """Of each task, as `hexamer.benchmark.Audit.as_dict`."""
    draws: Draws

    @property
    def failed(self) -> list[str]:
        """Tasks whose audit is FAIL: their scores are higher than on new sequences."""
        return [task for task, found in self.audits.items() if found["verdict"] == "FAIL"]

    def summary(self) -> pd.DataFrame:
        """As `summarise_cells`."""
        return summarise_cells(self.cells, self.draws)

    def table(self) -> pd.DataFrame:
        """As `put_beside`: ours, and what was published."""
        return put_beside(self.cells, self.suite, self.draws)

    def scores(self) -> pd.DataFrame:
        """As `list_scores`."""
        return list_scores(self.cells)

    def histories(self) -> pd.DataFrame:
        """As `list_histories`."""
        return list_histories(self.cells)

    def differences(self, reference: str) -> pd.DataFrame:
        """As `compare_methods`."""
        return compare_methods(self.cells, reference=reference, draws=self.draws)


def run_benchmark(
    model: NucleotideTransformer,
    suite: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    tasks: Sequence[str] = (),
    settings: BenchmarkSettings | None = None,
    genome: Genome | None = None,
    advance: Callable[[Cell, bool], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> BenchmarkRun:
    """Run a suite: audit each task, then every method and fold of it that is not finished in `out`.

    Parameters
    ----------
    model : NucleotideTransformer
    suite : str or Path
        Name of a built-in suite, or a folder with a `suite.toml`.
    data : str or Path
        Folder, archive or table with its files.
    out : str or Path
        Folder for cells; finished ones there are kept.
    tasks : sequence of str
        Names; all by default.
    settings : BenchmarkSettings, optional
    genome : Genome, optional
        For suites of intervals.
    advance : callable, optional
        As `run_task`.
    tell : callable, optional
        Called with a line for each thing to know of a task: what is not as published, and its audit.

    Returns
    -------
    BenchmarkRun

    Raises
    ------
    SettingsError, InputError, SequenceError
        As `read_suite`, `load_task` and `run_task`.
    """
    settings = settings or BenchmarkSettings()
    known = read_suite(suite)
    asked = [known.task(name) for name in tasks] if tasks else list(known.tasks)
    if twice := next((name for name in tasks if list(tasks).count(name) > 1), ""):
        raise SettingsError(f"task {twice} is asked for twice; each once would work")
    cells: list[Cell] = []
    audits, draws = {}, Draws({})
    # What is wrong with any is told before hours of work.
    read = [load_task(task, data, genome=genome) for task in asked]
    for task_data in read:
        check_task(model, task_data, settings)
    for task, task_data in zip(asked, read, strict=True):
        audits[task.name] = audit_task(task_data, settings)
        reasons = [f"audit {reason['level']}: {reason['text']}" for reason in audits[task.name]["reasons"]]
        for note in (*task_data.notes, *(reasons or ["audit PASS"])):
            if tell:
                tell(f"{task.name}: {note}")
        found = run_task(model, task_data, out, settings, advance=advance)
        draws |= resample_cells(found, task_data, out, settings)
        cells += found
    return BenchmarkRun(known, cells, audits, draws)
