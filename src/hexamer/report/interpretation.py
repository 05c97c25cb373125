"""Figures of what a model looks at, and of what it says of every change of a region.

Drawn as those of `figures`, in the same colours. Each function gives its Axes back and, asked to, writes the figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hexamer.report.figures import STYLE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASE_COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}
_LETTERS = 60  # bases of a region whose letters are written along its axes
_FEW = 5  # pairs on an element that chance alone would give
_FLAT: Any = STYLE | {"axes.spines.bottom": False}


def draw_attention(
    weights: "np.ndarray[Any, np.dtype[np.float32]]",
    path: str | Path | None = None,
    *,
    first: int = 0,
    last: int | None = None,
    title: str = "",
) -> "Axes":
    """Draw one head's map: rows look at columns.

    Parameters
    ----------
    weights : float32 array [T, T]
    path : str or Path, optional
        `.png` or `.svg`.
    first, last : int
        Place of the stretch's first base on the contig (0-based), and of the one behind its last; by default tokens are
        numbered.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    with drawing(path, (4.6, 4.0), style=_FLAT) as figure:
        axis = figure.subplots()
        edges = (first, first + len(weights) if last is None else last)
        shown = axis.imshow(
            np.asarray(weights), cmap="magma_r", vmin=0, vmax=max(0.05, float(np.quantile(weights, 0.999))),
            extent=(*edges, *edges[::-1]), interpolation="nearest", aspect="equal",
        )  # fmt: skip
        figure.colorbar(shown, ax=axis, shrink=0.8, label="attention")
        what = "token" if last is None else "place on the contig"
        axis.set_xlabel(f"{what} that is looked at")
        axis.set_ylabel(f"{what} that looks")
        axis.ticklabel_format(useOffset=False, style="plain")
        axis.tick_params(axis="x", rotation=30)
        if title:
            axis.set_title(title, loc="left", fontsize=10)
    return axis


def draw_attention_maps(
    maps: "Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]", path: str | Path | None = None, *, title: str = ""
) -> "list[Axes]":
    """Draw the maps of some heads of one stretch beside each other, on one scale of colours.

    Parameters
    ----------
    maps : mapping of str to float32 array [T, T]
        By what each is called; at least one.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str

    Returns
    -------
    list of Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    columns = min(4, len(maps))
    rows = -(-len(maps) // columns)
    most = max(0.05, max(float(np.quantile(weights, 0.999)) for weights in maps.values()))
    with drawing(path, (0.9 + 1.8 * columns, 0.5 + 1.9 * rows), style=_FLAT) as figure:
        axes = list(figure.subplots(rows, columns, squeeze=False).reshape(-1))
        for axis, (name, weights) in zip(axes, maps.items(), strict=False):
            shown = axis.imshow(np.asarray(weights), cmap="magma_r", vmin=0, vmax=most, interpolation="nearest")
            axis.set_title(name, fontsize=8, loc="left")
            axis.set_xticks([])
            axis.set_yticks([])
        for axis in axes[len(maps) :]:
            axis.set_visible(False)
        figure.supxlabel("token that is looked at", fontsize=9)
        figure.supylabel("token that looks", fontsize=9)
        figure.colorbar(shown, ax=axes, shrink=0.7, label="attention")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return axes[: len(maps)]


def draw_attention_elements(table: pd.DataFrame, path: str | Path | None = None, *, title: str = "") -> "list[Axes]":
    """Draw heat maps of layers and heads, one for each class of elements: share of attention over its background.

    Parameters
    ----------
    table : DataFrame
        As `attention_elements`.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str

    Returns
    -------
    list of Axes
        A dot marks heads whose adjusted p is below 0.05 and whose share is above the background; grey, those of which
        fewer than five pairs would lie on an element by chance.

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    names = list(dict.fromkeys(table["element"]))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log2((table["share"] / table["background"]).to_numpy())
    few = table["pairs"] * table["background"] < _FEW if "pairs" in table else np.zeros(len(table), dtype=np.bool_)
    ratios = np.where(table["z"].notna() & ~few, ratios.clip(-3, 3), np.nan)
    with drawing(path, (0.8 + 1.9 * columns, 0.6 + 1.9 * rows), style=_FLAT) as figure:
        axes = list(figure.subplots(rows, columns, squeeze=False).reshape(-1))
        for axis, name in zip(axes, names, strict=False):
            own = table.assign(ratio=ratios)[table["element"] == name]
            grid = own.pivot(index="layer", columns="head", values="ratio")
            axis.set_facecolor("#DDDDDD")
            shown = axis.imshow(grid.to_numpy(), cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto")
            high = own[own["enriched"]]
            places = (
                [list(grid.columns).index(h) for h in high["head"]],
                [list(grid.index).index(n) for n in high["layer"]],
            )
            axis.plot(*places, linestyle="", marker="o", markersize=3, color="black")
            axis.set_title(f"{name.replace('_', ' ')}: {len(high)} of {len(own)}", fontsize=8, loc="left")
            axis.set_xticks(range(len(grid.columns)), grid.columns, fontsize=7)
            axis.set_yticks(range(len(grid.index)), grid.index, fontsize=7)
            axis.tick_params(length=0)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        figure.supxlabel("head", fontsize=9)
        figure.supylabel("layer", fontsize=9)
        figure.colorbar(
            shown, ax=axes, shrink=0.7, label="log2 of share over background\n(dot: enriched; grey: too few)"
        )
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return axes[: len(names)]


def draw_dependency(
    strengths: "np.ndarray[Any, np.dtype[np.float64]]",
    sequence: str,
    path: str | Path | None = None,
    *,
    first: int = 0,
    title: str = "",
) -> "Axes":
    """Draw a dependency map: what changes at the base of a column, if the base of a row is another.

    Parameters
    ----------
    strengths : float64 array [L, L]
        As `DependencyMap.strengths`.
    sequence : str
        Its L bases, written along the axes of short regions; spaces if they are not known.
    path : str or Path, optional
        `.png` or `.svg`.
    first : int
        Place of the first base, 0-based.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    with drawing(path, (5.2, 4.6), style=_FLAT) as figure:
        axis = figure.subplots()
        known = strengths[np.isfinite(strengths)]
        shown = axis.imshow(
            strengths, cmap="viridis", vmin=0, vmax=float(np.quantile(known, 0.99)) if known.size else 1.0,
            extent=(first + 0.5, first + len(sequence) + 0.5, first + len(sequence) + 0.5, first + 0.5),
            interpolation="nearest",
        )  # fmt: skip
        figure.colorbar(shown, ax=axis, shrink=0.8, label="largest change of log odds")
        axis.set_xlabel("what is expected here")
        axis.set_ylabel("if this base is another")
        axis.ticklabel_format(useOffset=False, style="plain")
        if len(sequence) <= _LETTERS and sequence.strip():
            places = np.arange(first + 1, first + len(sequence) + 1)
            axis.set_xticks(places, list(sequence), fontsize=6)
            axis.set_yticks(places, list(sequence), fontsize=6)
        else:
            axis.tick_params(axis="x", rotation=30)
        axis.tick_params(length=0)
        if title:
            axis.set_title(title, loc="left", fontsize=10)
    return axis


def draw_letters(
    axis: "Axes", places: Sequence[float] | Any, letters: Sequence[str], heights: Sequence[float] | Any
) -> "Axes":
    """Draw a letter at each place, as high as its number; below the line where that is negative.

    Parameters
    ----------
    axis : Axes
    places : sequence of float [L]
        Middles.
    letters : sequence of str [L]
    heights : sequence of float [L]
        NaN draws nothing.

    Returns
    -------
    Axes
    """
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    shapes = {}
    for letter in set(letters):
        shape = TextPath((0, 0), letter, size=1)
        box = shape.get_extents()
        shapes[letter] = shape.transformed(Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height))
    for place, letter, height in zip(places, letters, heights, strict=True):
        if np.isfinite(height) and height != 0:
            turn = Affine2D().scale(0.9, height).translate(place - 0.45, 0)
            axis.add_patch(
                PathPatch(shapes[letter].transformed(turn), color=BASE_COLOURS.get(letter, "#999999"), linewidth=0)
            )
    known = np.asarray(heights, dtype=float)
    known = known[np.isfinite(known)]
    low, high = (min(0.0, known.min()), max(0.0, known.max())) if known.size else (0.0, 1.0)
    axis.set_ylim(low * 1.05, high * 1.05 or 1.0)
    axis.set_xlim(min(places) - 0.5, max(places) + 0.5)
    axis.axhline(0, color="#999999", linewidth=0.5)
    return axis
