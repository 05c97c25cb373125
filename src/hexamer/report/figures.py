"""Figures, as PNG or SVG.

Drawn without pyplot and its global state; SVG keeps its text as text. Colours are those of Okabe and Ito (2008), which
can be told apart by the colour-blind.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hexamer.manifest import write_atomically
from hexamer.report.tables import check_ending

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURES = (".png", ".svg")

_BASELINES = {  # column: label, colour, marker
    "token_frequency_species": ("{k}-mer frequencies", "#999999", "|"),
    "markov_species": ("Markov chain, 5 bases before", "#E69F00", "D"),
    "markov_species_two_sided": ("Markov chain, 5 bases on both sides", "#D55E00", "s"),
}
_MODEL = "#0072B2"
_NAMES = {"all": "whole region", "cds": "CDS", "five_prime_utr": "5' UTR", "three_prime_utr": "3' UTR"}
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "hexamer",
}


def check_figure_path(path: str | Path) -> None:
    """Raise OutputError, before any work is done, if a figure cannot be written under this name.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    OutputError
    """
    check_ending(Path(path), FIGURES, "a figure")


def draw_evaluation(table: pd.DataFrame, path: str | Path, *, title: str = "", k: int = 6) -> None:
    """Draw the loss of an encoder beside its baselines: by genome, and by class of element where there are any.

    Parameters
    ----------
    table : DataFrame
        From `evaluate_lm`.
    path : str or Path
        `.png` or `.svg`.
    title : str
        Such as the model's name.
    k : int
        Bases of a token, for the line of a model that knows nothing, at ln 4**k.

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    from matplotlib import rc_context  # 300 ms, for figures only
    from matplotlib.figure import Figure

    check_figure_path(path)
    table = table[table["loss"].notna()]
    if "region" not in table:
        table = table.assign(region="all")
    whole = table[table["element"] == "all"]
    names = [
        f"    {region}" if region != "all" else "all genomes" if genome == "all" else genome
        for genome, region in zip(whole["genome"], whole["region"], strict=True)
    ]
    panels = [("held-out sequence", whole.assign(name=names))]
    for genome, rows in table[table["region"] == "all"].groupby("genome", sort=False):
        if len(rows) > 1:  # has classes of elements, beside all of them
            panels.append((str(genome), rows.assign(name=rows["element"].replace(_NAMES).str.replace("_", " "))))
    with rc_context(_STYLE):
        heights = [len(rows) + 1.2 for _, rows in panels]
        figure = Figure(figsize=(7.2, 1.3 + 0.24 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for axis, (name, rows) in zip(axes, panels, strict=True):
            _draw_rows(axis, rows, k)
            axis.set_title(name, loc="left", fontweight="bold", fontsize=9)
        axes[-1].set_xlabel("loss at masked tokens (nats per token; lower is better)")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        with write_atomically(path) as temporary:
            ending = Path(path).suffix[1:]
            figure.savefig(temporary, format=ending, dpi=200, metadata={"Date": None} if ending == "svg" else None)


def _draw_rows(axis: "Axes", rows: pd.DataFrame, k: int) -> None:
    """One line for each row: an interval and a dot for the encoder, a mark for each baseline."""
    places = list(range(len(rows)))
    axis.hlines(places, *_ends(rows), color="#DDDDDD", linewidth=1, zorder=1)
    for column, (label, colour, marker) in _BASELINES.items():
        if column in rows:
            axis.scatter(rows[column], places, c=colour, marker=marker, s=26, label=label.format(k=k), zorder=3)
    axis.hlines(places, rows["loss_low"], rows["loss_high"], color=_MODEL, linewidth=3, alpha=0.4, zorder=2)
    axis.scatter(rows["loss"], places, c=_MODEL, s=42, label="encoder, with 95 % interval", zorder=4)
    axis.axvline(
        math.log(4**k), color="black", linewidth=0.8, linestyle=":", zorder=0, label=f"all {k}-mers alike: ln {4**k:,}"
    )
    axis.set_yticks(places, rows["name"])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="#EEEEEE")
    axis.set_axisbelow(True)


def _ends(rows: pd.DataFrame) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """Find the lowest and the highest value of each row."""
    values = rows[["loss", *(column for column in _BASELINES if column in rows)]]
    return values.min(axis=1), values.max(axis=1)
