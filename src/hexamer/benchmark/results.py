"""Tables of a benchmark: what each method reached, and by how much one beats another.

Not here: how cells come about (`protocol`), figures (`hexamer.report`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hexamer.benchmark.leaderboard import published
from hexamer.benchmark.protocol import BenchmarkSettings, Cell, hold_out, predictions_path, task_target
from hexamer.benchmark.task_data import TaskData
from hexamer.benchmark.tasks import Suite
from hexamer.metrics import Resampled
from hexamer.training.scores import CHOSEN, resample_score

Draws = dict[tuple[str, str], Resampled]
"""Of a task and a method: the mean of its folds' scores, and what it is in each resample of the test rows."""


def resample_cells(cells: Sequence[Cell], data: TaskData, out: str | Path, settings: BenchmarkSettings) -> Draws:
    """Draw the test rows of a task again and again, the same for all methods and folds.

    Parameters
    ----------
    cells : sequence of Cell
        Of one task, finished.
    data : TaskData
    out : str or Path
        Where their predictions are.
    settings : BenchmarkSettings
        As they were run.

    Returns
    -------
    dict
    """
    target, test = task_target(data), hold_out(data, settings)[1]
    found: Draws = {}
    for method in dict.fromkeys(cell.method for cell in cells):
        paths = [predictions_path(out, data.task.name, method, cell.fold) for cell in cells if cell.method == method]
        each = [resample_score(target, test.targets, np.load(path)) for path in paths]
        reason = next((fold.reason for fold in each if fold.reason), "")
        estimate = float(np.mean([fold.estimate for fold in each]))
        found[data.task.name, method] = Resampled(estimate, np.mean([fold.draws for fold in each], axis=0), reason)
    return found


def summarise_cells(cells: Sequence[Cell], draws: Draws | None = None) -> pd.DataFrame:
    """Mean over folds of each task and method.

    Parameters
    ----------
    cells : sequence of Cell
    draws : dict, optional
        As from `resample_cells`.

    Returns
    -------
    DataFrame
        `task`, `method`, `folds`, `test` (mean), `sd2` (two standard deviations over folds, as the paper prints; NaN
        for one fold), `low` and `high` (the mean's 95 % bootstrap interval over test rows; NaN without draws),
        `validation` (mean), `trained` (weights that were trained; 0 for probes), `seconds` (sum). In the order of the
        cells.
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
                **_interval((draws or {}).get((task, method))),
                "validation": float(np.mean([cell.validation for cell in mine])),
                "trained": int(mine[0].facts.get("trained", 0)),
                "seconds": round(sum(cell.seconds for cell in mine), 1),
            }
        )
    return pd.DataFrame(rows)


def compare_methods(cells: Sequence[Cell], *, reference: str, draws: Draws | None = None) -> pd.DataFrame:
    """Compare methods with one of them, fold by fold.

    Parameters
    ----------
    cells : sequence of Cell
    reference : str
        The method that the others are compared with.
    draws : dict, optional
        As from `resample_cells`.

    Returns
    -------
    DataFrame
        `task`, `method`, `reference`, `folds` (that both have), `difference` (mean of method minus reference over
        folds, which share their rows), `sd2` (two standard deviations of it), `better` (folds where the method is),
        `low`, `high` and
        `p` (its 95 % paired bootstrap interval over test rows, and how often chance is beyond 0, two-sided; NaN without
        draws).
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
        row = {"task": task, "method": method, "reference": reference, "folds": len(pairs)}
        row |= {"difference": differences.mean(), "sd2": spread}
        own, other = ((draws or {}).get((task, name)) for name in (method, reference))
        found = own.minus(other)._asdict() if own and other else {}
        row |= {"better": int((differences > 0).sum())}
        rows.append(row | {name: found.get(name, np.nan) for name in ("low", "high", "p")})
    columns = ["task", "method", "reference", "folds", "difference", "sd2", "better", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)


def _interval(found: Resampled | None) -> dict[str, float]:
    estimate = found.interval() if found else None
    return {"low": estimate.low if estimate else np.nan, "high": estimate.high if estimate else np.nan}


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


def list_histories(cells: Sequence[Cell]) -> pd.DataFrame:
    """Scores on the rows to choose by, look by look.

    Parameters
    ----------
    cells : sequence of Cell

    Returns
    -------
    DataFrame
        `task`, `method`, `fold`, `step`, `loss` (mean since the last look), `score`; of methods that are trained in
        steps.
    """
    rows = [
        {"task": cell.task, "method": cell.method, "fold": cell.fold, **look}
        for cell in cells
        for look in cell.facts.get("history", ())
    ]
    return pd.DataFrame(rows, columns=["task", "method", "fold", "step", "loss", "score"])


def put_beside(cells: Sequence[Cell], suite: Suite, draws: Draws | None = None) -> pd.DataFrame:
    """Put what was published of the same tasks beside what was measured.

    Parameters
    ----------
    cells : sequence of Cell
    suite : Suite
    draws : dict, optional
        As from `resample_cells`.

    Returns
    -------
    DataFrame
        As `summarise_cells`, with `metric`; then for each task whose numbers were published in another metric ours in
        that one; then published numbers, whose `method` is the model's name. `source` and `certainty` tell them apart;
        those of ours have the source "this run".
    """
    kinds = {task.name: CHOSEN[task.kind] for task in suite.tasks}
    summary = summarise_cells(cells, draws)
    ours = summary.assign(metric=summary["task"].map(kinds))
    found = published(suite.name)
    found = found[found["task"].isin(summary["task"])].rename(columns={"model": "method", "value": "test"})
    scores = list_scores(cells)
    told = scores[["task", "metric"]].apply(tuple, axis=1).isin(set(zip(found["task"], found["metric"], strict=True)))
    others = scores[told & (scores["metric"] != scores["task"].map(kinds))]
    mine = pd.concat([ours, others], ignore_index=True).assign(source="this run", certainty="measured")
    kept = found[["task", "method", "metric", "test", "source", "certainty"]]
    return pd.concat([mine, kept], ignore_index=True)
