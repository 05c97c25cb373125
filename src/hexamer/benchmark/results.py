"""Tables of a benchmark: what each method reached, and by how much one beats another.

Not here: how cells come about (`protocol`), figures (`hexamer.report`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hexamer.benchmark.leaderboard import published
from hexamer.benchmark.protocol import Cell
from hexamer.benchmark.tasks import Suite
from hexamer.training.scores import CHOSEN


def summarise_cells(cells: Sequence[Cell]) -> pd.DataFrame:
    """Mean over folds of each task and method.

    Parameters
    ----------
    cells : sequence of Cell

    Returns
    -------
    DataFrame
        `task`, `method`, `folds`, `test` (mean), `sd2` (two standard deviations over folds, as the paper prints; NaN
        for one fold), `validation` (mean), `trained` (weights that were trained; 0 for probes), `seconds` (sum). In the
        order of the cells.
    """
    rows = []
    for task, method in dict.fromkeys((cell.task, cell.method) for cell in cells):
        mine = [cell for cell in cells if (cell.task, cell.method) == (task, method)]
        tests = np.array([cell.test for cell in mine])
        rows.append(
            {
                "task": task,
                "method": method,
                "folds": len(mine),
                "test": tests.mean(),
                "sd2": 2 * tests.std(ddof=1) if len(mine) > 1 else np.nan,
                "validation": float(np.mean([cell.validation for cell in mine])),
                "trained": int(mine[0].facts.get("trained", 0)),
                "seconds": round(sum(cell.seconds for cell in mine), 1),
            }
        )
    return pd.DataFrame(rows)


def compare_methods(cells: Sequence[Cell], *, reference: str) -> pd.DataFrame:
    """Compare methods with one of them, fold by fold.

    Parameters
    ----------
    cells : sequence of Cell
    reference : str
        The method that the others are compared with.

    Returns
    -------
    DataFrame
        `task`, `method`, `folds` (that both have), `difference` (mean of method minus reference over folds, which share
        their rows), `sd2` (two standard deviations of it), `better` (folds where the method is).
    """
    known = {(cell.task, cell.method, cell.fold): cell.test for cell in cells}
    rows = []
    for task, method in dict.fromkeys((cell.task, cell.method) for cell in cells):
        pairs = [
            (score, known[task, reference, fold])
            for (own, name, fold), score in known.items()
            if (own, name) == (task, method) and (task, reference, fold) in known
        ]
        if method == reference or not pairs:
            continue
        differences = np.array([a - b for a, b in pairs])
        spread = 2 * differences.std(ddof=1) if len(pairs) > 1 else np.nan
        row = {"task": task, "method": method, "folds": len(pairs), "difference": differences.mean(), "sd2": spread}
        rows.append(row | {"better": int((differences > 0).sum())})
    return pd.DataFrame(rows, columns=["task", "method", "folds", "difference", "sd2", "better"])


def list_scores(cells: Sequence[Cell]) -> pd.DataFrame:
    """Mean over folds of every statistic.

    Parameters
    ----------
    cells : sequence of Cell

    Returns
    -------
    DataFrame
        `task`, `method`, `metric` (names as in `hexamer.training.scores.all_scores`), `folds`, `test`, `sd2`.
    """
    rows = []
    for task, method in dict.fromkeys((cell.task, cell.method) for cell in cells):
        mine = [cell.scores for cell in cells if (cell.task, cell.method) == (task, method)]
        for metric in mine[0]:
            values = np.array([scores[metric] for scores in mine])
            spread = 2 * values.std(ddof=1) if len(values) > 1 else np.nan
            rows.append((task, method, metric, len(values), values.mean(), spread))
    return pd.DataFrame(rows, columns=["task", "method", "metric", "folds", "test", "sd2"])


def put_beside(cells: Sequence[Cell], suite: Suite) -> pd.DataFrame:
    """Put what was published of the same tasks beside what was measured.

    Parameters
    ----------
    cells : sequence of Cell
    suite : Suite

    Returns
    -------
    DataFrame
        As `summarise_cells`, with `metric`; then for each task whose numbers were published in another metric ours in
        that one; then published numbers, whose `method` is the model's name. `source` and `certainty` tell them apart;
        those of ours have the source "this run".
    """
    kinds = {task.name: CHOSEN[task.kind] for task in suite.tasks}
    summary = summarise_cells(cells)
    ours = summary.assign(metric=summary["task"].map(kinds))
    found = published(suite.name)
    found = found[found["task"].isin(summary["task"])].rename(columns={"model": "method", "value": "test"})
    scores = list_scores(cells)
    told = scores[["task", "metric"]].apply(tuple, axis=1).isin(set(zip(found["task"], found["metric"], strict=True)))
    others = scores[told & (scores["metric"] != scores["task"].map(kinds))]
    mine = pd.concat([ours, others], ignore_index=True).assign(source="this run", certainty="measured")
    kept = found[["task", "method", "metric", "test", "source", "certainty"]]
    return pd.concat([mine, kept], ignore_index=True)
