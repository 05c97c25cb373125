"""Figures of expression across individuals: each method beside a reference, gene by gene.

Drawn as those of `figures`, in the same colours.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hexamer.report.figures import COLOURS, STYLE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3


def draw_expression(
    means: pd.DataFrame, path: str | Path | None = None, *, reference: str, title: str = ""
) -> "list[Axes]":
    """Draw correlations across individuals: each method against a reference, a dot for each gene.

    Parameters
    ----------
    means : DataFrame
        `method`, `gene_id`, `pearson`, as `hexamer.expression.StudyRun.means`.
    path : str or Path, optional
        `.png` or `.svg`.
    reference : str
        Method of the horizontal axes; of one method alone the genes are drawn in their order.
    title : str

    Returns
    -------
    list of Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    wide = means.pivot(index="gene_id", columns="method", values="pearson")
    others = [name for name in dict.fromkeys(means["method"]) if name != reference]
    low, high = min(-0.1, np.nanmin(wide.to_numpy())) - 0.05, max(0.3, np.nanmax(wide.to_numpy())) + 0.05
    rows = -(-max(1, len(others)) // _COLUMNS)
    columns = min(max(1, len(others)), _COLUMNS)
    with drawing(path, (0.6 + 2.5 * columns, 0.5 + 2.6 * rows), style=STYLE | {"axes.spines.left": True}) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True).reshape(-1)
        if not others:
            _draw_alone(axes[0], wide[reference].dropna().sort_values(), reference)
        for axis, name in zip(axes, others, strict=False):
            x, y = wide[reference], wide[name]
            axis.axhline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
            axis.axvline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
            axis.plot([low, high], [low, high], color="#999999", linewidth=0.8, linestyle=":", zorder=0)
            axis.plot(x, y, linestyle="", marker="o", markersize=3, color=COLOURS[0], alpha=0.6)
            better = int((y > x).sum())
            both = (y - x).notna()
            told = f"mean r {y[both].mean():.3f} against {x[both].mean():.3f}\nhigher in {better} of {both.sum()} genes"
            axis.set_title(f"{name}\n{told}", fontsize=8, loc="left")
            axis.set_xlim(low, high)
            axis.set_ylim(low, high)
            axis.set_aspect("equal")
        for axis in axes[max(1, len(others)) :]:
            axis.set_visible(False)
        figure.supxlabel(f"r across individuals, {reference}" if others else "rank of the gene", fontsize=9)
        figure.supylabel("r across individuals", fontsize=9)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return list(axes[: max(1, len(others))])


def _draw_alone(axis: "Axes", r: "pd.Series[float]", name: str) -> None:
    """Draw the correlations of one method, from the lowest to the highest."""
    axis.axhline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
    axis.plot(np.arange(1, len(r) + 1), r, linestyle="", marker="o", markersize=3, color=COLOURS[0], alpha=0.6)
    axis.set_title(
        f"{name}\nmean r {r.mean():.3f}, above 0 in {int((r > 0).sum())} of {len(r)} genes", fontsize=8, loc="left"
    )
