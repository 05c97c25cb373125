"""Figures of benchmarks: scores by layer, and by task and method.

Drawn as those of `figures`, in the same colours.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hexamer.report.figures import COLOURS, MARKERS, STYLE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_layers(
    table: pd.DataFrame, path: str | Path | None = None, *, title: str = "", metric: str = "score"
) -> "Axes":
    """Draw the scores of probes by layer: on the rows to choose by, and on the test rows.

    Parameters
    ----------
    table : DataFrame
        `layer`, `method`, `validation`, `test`, `low` and `high`, as `hexamer.training.probe.Probed.table`.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str
    metric : str
        What the scores are.

    Returns
    -------
    Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    with drawing(path, (5.2, 3.4), style=STYLE | {"axes.spines.left": True}) as figure:
        axis = figure.subplots()
        for colour, marker, (method, rows) in zip(COLOURS, MARKERS, table.groupby("method", sort=False), strict=False):
            rows = rows.sort_values("layer")
            axis.plot(rows["layer"], rows["test"], color=colour, marker=marker, markersize=4, label=f"{method}, test")
            axis.fill_between(rows["layer"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
            axis.plot(rows["layer"], rows["validation"], color=colour, linestyle=":", label=f"{method}, validation")
        axis.set_xlabel("layer (0: token embedding)")
        axis.set_ylabel(metric)
        axis.set_xticks(sorted(table["layer"].unique()))
        axis.grid(axis="y", color="#EEEEEE")
        axis.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return axis


def draw_benchmark(
    table: pd.DataFrame, path: str | Path | None = None, *, title: str = "", metric: str = "score"
) -> "Axes":
    """Draw the scores of methods by task: the mean over folds with its bootstrap interval over test rows.

    Parameters
    ----------
    table : DataFrame
        `task`, `method`, `test`, `low` and `high`, as from `hexamer.benchmark.summarise_cells`.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str
    metric : str
        What the scores are.

    Returns
    -------
    Axes

    Raises
    ------
    OutputError
        As `draw_layers`.
    """
    tasks, methods = list(dict.fromkeys(table["task"])), list(dict.fromkeys(table["method"]))
    step = 0.8 / max(len(methods), 1)
    with drawing(path, (6.4, 1.2 + len(tasks) * (0.2 + 0.12 * len(methods)))) as figure:
        axis = figure.subplots()
        for number, method in enumerate(methods):
            rows = table[table["method"] == method]
            heights = [tasks.index(task) + (number - (len(methods) - 1) / 2) * step for task in rows["task"]]
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axis.hlines(heights, rows["low"], rows["high"], color=colour, linewidth=2, alpha=0.5)
            axis.scatter(rows["test"], heights, c=colour, marker=marker, s=26, label=method, zorder=3)
        axis.set_yticks(range(len(tasks)), tasks)
        axis.set_ylim(len(tasks) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.axvline(0, color="black", linewidth=0.8, linestyle=":", zorder=1)
        axis.grid(axis="x", color="#EEEEEE")
        axis.set_axisbelow(True)
        axis.set_xlabel(f"{metric} on the test rows (mean over folds; 95 % bootstrap interval)")
        figure.legend(loc="outside lower center", ncols=min(len(methods), 4), frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return axis


def draw_curves(
    table: pd.DataFrame,
    path: str | Path | None = None,
    *,
    methods: Sequence[str] = (),
    title: str = "",
    metric: str = "score",
) -> "list[Axes]":
    """Draw how scores on the rows to choose by grow with training, a panel for each task.

    Parameters
    ----------
    table : DataFrame
        `task`, `method`, `fold`, `step` and `score`, as from `hexamer.benchmark.BenchmarkRun.histories`; a thin line
        for each fold.
    path : str or Path, optional
        `.png` or `.svg`.
    methods : sequence of str
        All methods of a benchmark, so that each has the colour that `draw_benchmark` gives it.
    title : str
    metric : str
        What the scores are.

    Returns
    -------
    list of Axes

    Raises
    ------
    OutputError
        As `draw_layers`.
    """
    tasks, methods = list(dict.fromkeys(table["task"])), list(methods or dict.fromkeys(table["method"]))
    columns = min(3, max(len(tasks), 1))
    rows = -(-max(len(tasks), 1) // columns)
    with drawing(path, (1.9 + 2.4 * columns, 0.9 + 2.1 * rows), style=STYLE | {"axes.spines.left": True}) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel in panels[len(tasks) :]:
            panel.set_visible(False)
        for panel, task in zip(panels, tasks, strict=False):
            for number, method in enumerate(methods):
                own = table[(table["task"] == task) & (table["method"] == method)]
                colour = COLOURS[number % len(COLOURS)]
                for fold, (_, part) in enumerate(own.groupby("fold")):
                    label = method if fold == 0 and panel is panels[0] else None
                    style = "-" if number < len(COLOURS) else "--"
                    panel.plot(part["step"], part["score"], style, color=colour, linewidth=1, alpha=0.8, label=label)
            panel.set_title(task, fontsize=8)
            panel.grid(axis="y", color="#EEEEEE")
            panel.set_axisbelow(True)
        figure.supxlabel("step (a line for each fold)", fontsize=9)
        figure.supylabel(f"validation {metric}", fontsize=9)
        figure.legend(loc="outside right upper", frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return list(panels[: len(tasks)])
