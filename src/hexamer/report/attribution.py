"""The figure of an attribution: each base as a letter, as high as what it adds.

Drawn as those of `interpretation`, in lines like a text's. Bases stand in the order that they were read in; the axis
has their places.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hexamer.report.figures import STYLE, drawing
from hexamer.report.interpretation import draw_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 100
"""Bases of a line of letters."""
_MOST = 12  # lines; of longer sequences a curve is drawn in place of letters
_INSERTED = "#EFE7F3"


def draw_attribution(table: pd.DataFrame, path: str | Path | None = None, *, title: str = "") -> "list[Axes]":
    """Draw what each base of a stretch adds.

    Parameters
    ----------
    table : DataFrame
        As `hexamer.interpretation.tabulate_scores`, of one stretch.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str

    Returns
    -------
    list of Axes
        A line of 100 bases each; one curve for more than 1,200 bases. A band marks bases that a person has inserted.

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    table = table.reset_index(drop=True)
    values = table["attribution"].to_numpy(np.float64)
    lines = -(-len(table) // LINE)
    letters = lines <= _MOST
    count, size = (lines, min(LINE, len(table))) if letters else (1, len(table))
    known = [0.0, *values[np.isfinite(values)]]
    low, high = min(known), max(known)
    width = max(4.0, 1.1 + 0.082 * size) if letters else 9.0
    with drawing(path, (width, 0.75 + 1.05 * count), style=STYLE | {"axes.spines.bottom": False}) as figure:
        axes = list(figure.subplots(count, 1, sharey=True, squeeze=False)[:, 0])
        for number, axis in enumerate(axes):
            own = table.iloc[number * size : (number + 1) * size]
            if letters:
                draw_letters(axis, own.index.to_list(), own["base"].to_list(), values[own.index])
            else:
                axis.fill_between(own.index, values, step="mid", color="#0072B2", linewidth=0)
                axis.axhline(0, color="#999999", linewidth=0.5)
            axis.set_xlim(number * size - 0.5, (number + 1) * size - 0.5)
            axis.set_ylim(low * 1.05, high * 1.05 or 1.0)
            for place in own.index[own["inserted"] > 0]:
                axis.axvspan(place - 0.5, place + 0.5, color=_INSERTED, zorder=0, linewidth=0)
            _mark_places(axis, own, step=20 if letters else _round_step(size))
        first = table.iloc[0]
        strand = ", other strand, as read" if first["strand"] == "-" else ""
        axes[-1].set_xlabel(f"{first['chrom']}, place from 1{strand}")
        figure.supylabel("attribution", fontsize=9)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return axes


def _mark_places(axis: "Axes", own: pd.DataFrame, *, step: int) -> None:
    """Write the places of bases of the reference along the axis, those that a step divides."""
    marked = own[(own["inserted"] == 0) & (own["pos"] % step == 0)]
    axis.set_xticks(marked.index.to_list(), [f"{pos:,}" for pos in marked["pos"]], fontsize=7)
    axis.tick_params(axis="x", length=2, pad=1)
    axis.tick_params(axis="y", length=0, labelsize=7)
    axis.locator_params(axis="y", nbins=4)


def _round_step(size: int) -> int:
    """Find a round number of bases, of which about eight make a size."""
    power = 10 ** (len(str(size // 8)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= size / 8)
