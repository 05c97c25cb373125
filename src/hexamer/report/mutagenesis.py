"""The figure of saturation mutagenesis: the importance of each base as a letter, above the scores of all substitutions.

Drawn as those of `interpretation`, in lines like a text's.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hexamer.errors import InputError
from hexamer.report.figures import STYLE, drawing
from hexamer.report.interpretation import draw_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 100
"""Bases of a line."""
_APART = 100  # bases of a region for each that has a score
_MOST = 8  # lines; of longer regions one line, with a curve in place of letters


def draw_mutagenesis(
    table: pd.DataFrame, path: str | Path | None = None, *, score: str = "llr", title: str = ""
) -> "list[Axes]":
    """Draw the scores of all substitutions of a region: a heat map, and above it the mean of each base as letters.

    Parameters
    ----------
    table : DataFrame
        As `Mutagenesis.table`, of one region. With a column `inserted`, places are counted along the person's sequence,
        from the region's first place on.
    path : str or Path, optional
        `.png` or `.svg`.
    score : str
        Column.
    title : str

    Returns
    -------
    list of Axes
        Letters and heat map of each line of 100 bases, in turn; of more than 800 bases one line, with a curve.

    Raises
    ------
    InputError
        If its bases lie far apart, as those of several regions do.
    OutputError
        If the figure has another ending or cannot be written.
    """
    changes = number_along(table[(table["ref"].str.len() == 1) & (table["alt"].str.len() == 1)])
    places = np.sort(changes["pos"].unique())
    grid = changes.pivot(index="alt", columns="pos", values=score).reindex(index=list("ACGT"), columns=places)
    reference = changes.drop_duplicates("pos").set_index("pos")["ref"].reindex(places)
    means = -grid.mean(axis=0) if score.startswith("llr") else grid.mean(axis=0)
    known = np.abs(grid.to_numpy())
    reach = float(np.nanmax(known)) if np.isfinite(known).any() else 1.0
    first, size = int(places[0]), int(places[-1] - places[0]) + 1
    if size > _APART * len(places):
        raise InputError(f"{len(places):,} bases between {first:,} and {places[-1]:,}: a figure is of one region")
    lines = -(-size // LINE)
    letters = lines <= _MOST
    lines, step = (lines, min(LINE, size)) if letters else (1, size)
    width = max(4.0, 1.3 + 0.082 * step) if letters else 9.0
    with drawing(path, (width, 0.7 + 1.9 * lines), style=STYLE | {"axes.spines.bottom": False}) as figure:
        axes = list(figure.subplots(2 * lines, 1, height_ratios=[1.2, 1] * lines, squeeze=False)[:, 0])
        heights = means.to_numpy()
        span = (min(0.0, np.nanmin(heights)) * 1.05, (max(0.0, np.nanmax(heights)) or 1.0) * 1.05)
        for number in range(lines):
            top, bottom = axes[2 * number : 2 * number + 2]
            begin = first + number * step
            own = places[(places >= begin) & (places < begin + step)]
            if letters:
                draw_letters(top, own.tolist(), reference[own].tolist(), means[own].tolist())
            else:
                top.fill_between(own, means[own], step="mid", color="#0072B2", linewidth=0)
            top.set_ylim(*span)
            top.set_xticks([])
            top.set_ylabel("importance" if score.startswith("llr") else f"mean {score}", fontsize=8)
            shown = _draw_scores(bottom, grid.reindex(columns=range(begin, begin + step)), reference[own], reach)
            for axis in (top, bottom):
                axis.set_xlim(begin - 0.5, begin + step - 0.5)
        axes[-1].set_xlabel(f"{table['chrom'].iloc[0]}, place from 1 (dot: reference)")
        figure.colorbar(shown, ax=axes, label=score, shrink=min(1.0, 0.8 / lines), aspect=12)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return axes


def number_along(table: pd.DataFrame) -> pd.DataFrame:
    """Count the bases of a person's sequence one by one, those too that the person has inserted.

    Parameters
    ----------
    table : DataFrame
        With `pos`, and `inserted` if it is of a person.

    Returns
    -------
    DataFrame
        `pos` is counted from the first one on; the table itself if it is of no person.

    Examples
    --------
    >>> table = pd.DataFrame({"pos": [5, 5, 6, 6, 9], "inserted": [0, 0, 0, 1, 0]})
    >>> number_along(table)["pos"].tolist()
    [5, 5, 6, 7, 8]
    """
    if "inserted" not in table or table.empty:
        return table
    bases = pd.MultiIndex.from_frame(table[["pos", "inserted"]])
    return table.assign(pos=int(table["pos"].min()) + bases.unique().sort_values().get_indexer(bases))


def _draw_scores(axis: "Axes", grid: pd.DataFrame, reference: "pd.Series[str]", reach: float) -> Any:
    """Draw the heat map of a line; its columns are places that follow each other."""
    begin, end = int(grid.columns[0]), int(grid.columns[-1])
    shown = axis.imshow(
        grid.to_numpy(), cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest",
        extent=(begin - 0.5, end + 0.5, 3.5, -0.5),
    )  # fmt: skip
    for row, base in enumerate("ACGT"):
        own = reference.index[(reference == base).to_numpy()]
        axis.plot(own, np.full(len(own), row), linestyle="", marker=".", markersize=2, color="#666666")
    axis.set_yticks(range(4), list("ACGT"), fontsize=7)
    axis.tick_params(length=0, labelsize=7)
    marked = [place for place in range(begin, end + 1) if place % (20 if end - begin >= 60 else 10) == 0]
    axis.set_xticks(marked, [f"{place:,}" for place in marked])
    return shown
