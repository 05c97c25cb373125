"""Figures of scores: how they are spread, and how they go with how common an allele is.

Drawn as those of `figures`, in the same colours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hexamer.report.figures import COLOURS, STYLE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
FREQUENCY_CLASSES = {"up to 0.5 %": (0.0, 0.005), "0.5 to 5 %": (0.005, 0.05), "above 5 %": (0.05, 1.0)}
"""Of alternate alleles: above the first number, up to the second."""


def draw_distributions(
    values: Mapping[str, npt.NDArray[np.float32]], path: str | Path | None = None, *, title: str = ""
) -> "list[Axes]":
    """Draw how scores are spread, a panel each; the outermost thousandths lie in the outermost bars.

    Parameters
    ----------
    values : mapping of str to float32 array [N]
        Of each score, at least one.
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
    columns = min(_COLUMNS, len(values))
    rows = -(-len(values) // columns)
    with drawing(path, (2.2 * columns + 0.5, 2.1 * rows + 0.3), style=STYLE | {"axes.spines.left": True}) as figure:
        axes = list(figure.subplots(rows, columns, squeeze=False).reshape(-1))
        for axis, (name, found) in zip(axes, values.items(), strict=False):
            known = found[np.isfinite(found)].astype(np.float64)
            low, high = (np.quantile(known, [0.001, 0.999])) if known.size else (0.0, 1.0)
            if not high > low:
                low, high = low - 0.5, high + 0.5
            axis.hist(known.clip(low, high), bins=50, range=(low, high), color=COLOURS[0])
            if known.size:
                axis.axvline(float(np.median(known)), color="black", linewidth=0.8, linestyle=":")
                axis.set_title(f"{name}: median {np.median(known):.3g}", fontsize=9, loc="left")
            axis.set_xlabel(name)
            axis.set_ylabel("alleles")
        for axis in axes[len(values) :]:
            axis.set_visible(False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return axes[: len(values)]


def draw_by_frequency(
    values: npt.NDArray[np.float32],
    frequencies: npt.NDArray[np.float32],
    path: str | Path | None = None,
    *,
    score: str = "llr",
    title: str = "",
) -> "Axes":
    """Draw a score for classes of allele frequency: the middle half, the middle nine tenths and the median.

    Parameters
    ----------
    values, frequencies : float32 array [N]
        Of the same alleles; frequencies from 0 to 1.
    path : str or Path, optional
        `.png` or `.svg`.
    score : str
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    with drawing(path, (3.1, 2.4), style=STYLE | {"axes.spines.left": True}) as figure:
        axis = figure.subplots()
        labels = []
        for place, (name, (low, high)) in enumerate(FREQUENCY_CLASSES.items()):
            own = values[(frequencies > low) & (frequencies <= high) & np.isfinite(values)]
            labels.append(f"{name}\n{len(own):,}")
            if len(own):
                far_low, near_low, middle, near_high, far_high = np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95])
                axis.vlines(place, far_low, far_high, color=COLOURS[0], linewidth=1.5, alpha=0.5)
                axis.vlines(place, near_low, near_high, color=COLOURS[0], linewidth=9)
                axis.plot(place, middle, color="white", marker="o", markersize=4)
        axis.set_xticks(range(len(labels)), labels)
        axis.set_xlim(-0.5, len(labels) - 0.5)
        axis.set_xlabel("allele frequency; alleles")
        axis.set_ylabel(score)
        if title:
            axis.set_title(title, loc="left", fontsize=10)
    return axis
