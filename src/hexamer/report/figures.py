"""Figures, as PNG or SVG.

Drawn without pyplot and its global state; SVG keeps its text as text. Colours are those of Okabe and Ito (2008), which
can be told apart by the colour-blind.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hexamer.manifest import write_atomically
from hexamer.report.tables import check_ending

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES = (".png", ".svg")
DOTS = 200
"""Of a PNG, per inch."""

_BASELINES = {  # column: label, colour, marker
    "token_frequency_species": ("{k}-mer frequencies", "#999999", "|"),
    "markov_species": ("Markov chain, 5 bases before", "#E69F00", "D"),
    "markov_species_two_sided": ("Markov chain, 5 bases on both sides", "#D55E00", "s"),
}
_MODEL = "#0072B2"
_NAMES = {"all": "whole region", "cds": "CDS", "five_prime_utr": "5' UTR", "three_prime_utr": "3' UTR"}
_METRICS = {  # what an evaluation of effects measures: heading, and what a score that knows nothing has
    "auroc": ("AUROC", 0.5),
    "auprc": ("AUPRC (line: share of positives)", None),
    "spearman_effect": ("Spearman, effect with sign", 0.0),
    "spearman_size": ("Spearman, size of effect", 0.0),
    "spearman_absolute": ("Spearman, sizes of both", 0.0),
    "severity_spearman": ("Spearman, severity", 0.0),
    "severity_pearson": ("Pearson, severity", 0.0),
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vPX"  # one fewer: the ninth score shares its colour, not its marker
STYLE: Any = {
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


def draw_evaluation(
    table: pd.DataFrame, path: str | Path | None = None, *, title: str = "", k: int = 6
) -> "list[Axes]":
    """Draw the loss of an encoder beside its baselines: by genome, and by class of element where there are any.

    Parameters
    ----------
    table : DataFrame
        From `evaluate_lm`.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str
        Such as the model's name.
    k : int
        Bases of a token, for the line of a model that knows nothing, at ln 4**k.

    Returns
    -------
    list of Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
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
    heights = [len(rows) + 1.2 for _, rows in panels]
    with drawing(path, (7.2, 1.3 + 0.24 * sum(heights))) as figure:
        axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for axis, (name, rows) in zip(axes, panels, strict=True):
            _draw_rows(axis, rows, k)
            axis.set_title(name, loc="left", fontweight="bold", fontsize=9)
        axes[-1].set_xlabel("loss at masked tokens (nats per token; lower is better)")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return list(axes)


def draw_training(
    records: Sequence[Mapping[str, Any]], path: str | Path | None = None, *, title: str = "", k: int = 6
) -> "Axes":
    """Draw the losses of a run by its steps: of training, and on the held-out windows of each genome.

    Parameters
    ----------
    records : sequence of mapping
        Of the run's log, at least one: `step`, `loss`, and `held_out` (loss by genome) after an evaluation.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str
    k : int
        As `draw_evaluation`.

    Returns
    -------
    Axes

    Raises
    ------
    OutputError
        As `draw_evaluation`.
    """
    steps, losses = (np.array([record[name] for record in records], dtype=float) for name in ("step", "loss"))
    evaluated = [record for record in records if record.get("held_out")]
    curves: dict[str, list[float]] = {}
    for record in evaluated:
        own = record["held_out"] if len(record["held_out"]) <= len(COLOURS) else {}
        for name, loss in (own or {"mean of all genomes": np.mean([*record["held_out"].values()])}).items():
            curves.setdefault(name, []).append(float(loss))
    # Single steps scatter: what is drawn is the mean of each hundredth of the run.
    parts = np.array_split(np.arange(len(records)), max(1, min(len(records), 100)))
    means = [(steps[part].mean(), losses[part].mean()) for part in parts if len(part)]
    with drawing(path, (7.2, 4), style=STYLE | {"axes.spines.left": True}) as figure:
        axis = figure.subplots()
        axis.plot(*zip(*means, strict=True), color="#999999", linewidth=1, label="training (some tokens seen)")
        for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
            asked = [record["step"] for record in evaluated]
            axis.plot(asked, curve, color=colour, marker="o", markersize=3, label=f"{name}, held out")
        label = f"all {k}-mers alike: ln {4**k:,}"
        axis.axhline(math.log(4**k), color="black", linewidth=0.8, linestyle=":", label=label)
        axis.set_xlabel("step")
        axis.set_ylabel("loss (nats per token)")
        axis.grid(axis="y", color="#EEEEEE")
        axis.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return axis


@contextmanager
def drawing(path: str | Path | None, size: tuple[float, float], *, style: Any = STYLE) -> "Iterator[Figure]":
    """Draw a figure and, asked to, write it when the block ends well.

    Parameters
    ----------
    path : str or Path, optional
        `.png` or `.svg`.
    size : (float, float)
        Width and height in inches.
    style : dict
        Settings of matplotlib.

    Yields
    ------
    Figure

    Raises
    ------
    OutputError
        If the figure has another ending, before anything is drawn, or cannot be written.
    """
    from matplotlib import rc_context  # 300 ms, for figures only
    from matplotlib.figure import Figure

    if path is not None:
        check_figure_path(path)
    with rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        if path is not None:
            save_figure(figure, path)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or Path
        `.png` or `.svg`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # names of files may hold a $
    with write_atomically(path) as temporary:
        ending = Path(path).suffix[1:]
        figure.savefig(temporary, format=ending, dpi=DOTS, metadata={"Date": None} if ending == "svg" else None)


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


def draw_effects(table: pd.DataFrame, path: str | Path | None = None, *, title: str = "") -> "list[Axes]":
    """Draw how well scores of variants do: a panel per metric, a line per group, a mark with its interval per score.

    Parameters
    ----------
    table : DataFrame
        From `evaluate_effects`.
    path : str or Path, optional
        `.png` or `.svg`.
    title : str
        Such as the labels' name.

    Returns
    -------
    list of Axes

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    """
    own = table[(table["rows"] == "own") & table["estimate"].notna()]
    metrics = [metric for metric in _METRICS if (own["metric"] == metric).any()]
    lines = list(own[["group", "value"]].drop_duplicates().itertuples(index=False, name=None))
    scores = list(dict.fromkeys(own["score"]))
    columns = max(1, min(len(metrics), 3))
    deep = max(1, math.ceil(len(metrics) / columns))
    height = max(len(lines), 1) * (0.18 + 0.13 * len(scores)) + 0.7
    with drawing(path, (1.6 + 2.8 * columns, 0.9 + deep * height)) as figure:
        axes = figure.subplots(deep, columns, sharey=True, squeeze=False).ravel()
        for axis in axes[max(len(metrics), 1) :]:
            axis.set_visible(False)
        for axis, metric in zip(axes, metrics, strict=False):
            _draw_metric(axis, own[own["metric"] == metric], lines, scores)
            axis.set_title(_METRICS[metric][0], loc="left", fontweight="bold", fontsize=9)
            if metric == "auroc":
                _draw_control(axis, own[own["metric"] == "auroc_shuffled"], lines)
        if metrics:
            _name_lines(axes[0], own, lines)
        else:
            axes[0].text(0.5, 0.5, "no score has a value", ha="center", transform=axes[0].transAxes)
            axes[0].set_yticks([])
        marks = {label: mark for axis in axes for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        if marks:
            figure.legend(marks.values(), marks, loc="outside lower center", ncols=min(len(marks), 4), frameon=False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return list(axes[: max(len(metrics), 1)])


def _draw_metric(axis: "Axes", rows: pd.DataFrame, lines: list[tuple[str, str]], scores: list[str]) -> None:
    """Mark the scores of one metric, those of a group below each other in the order of the scores."""
    place = {line: number for number, line in enumerate(lines)}
    step = 0.8 / max(len(scores), 1)
    for number, score in enumerate(scores):
        own = rows[rows["score"] == score]
        if own.empty:
            continue
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        keys = zip(own["group"], own["value"], strict=True)
        heights = [place[key] + (number - (len(scores) - 1) / 2) * step for key in keys]
        axis.hlines(heights, own["low"], own["high"], color=colour, linewidth=2, alpha=0.5)
        name = score if (own["sign"] > 0).all() else f"{score}, sign -1"
        axis.scatter(own["estimate"], heights, c=colour, marker=marker, s=26, label=name, zorder=3)
    chance = _METRICS[str(rows["metric"].iloc[0])][1]
    if chance is not None:
        axis.axvline(chance, color="black", linewidth=0.8, linestyle=":", zorder=1)
    else:
        for line, at in place.items():
            here = rows[(rows["group"] == line[0]) & (rows["value"] == line[1])]
            if len(here):
                share = float((here["n_positive"] / here["n"]).mean())
                axis.vlines(share, at - 0.45, at + 0.45, color="black", linewidth=0.8, linestyle=":")
    axis.locator_params(axis="x", nbins=6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="#EEEEEE")
    axis.set_axisbelow(True)


def _name_lines(axis: "Axes", own: pd.DataFrame, lines: list[tuple[str, str]]) -> None:
    """Write each group's name and how many variants a score has there, the least and the most."""
    names = []
    for group, value in lines:
        sizes = own.loc[(own["group"] == group) & (own["value"] == value), "n"]
        least, most = sizes.min(), sizes.max()
        count = f"{least:,}" if least == most else f"{least:,}-{most:,}"
        names.append(f"{'all variants' if group == 'all' else value}\nn = {count}")
    axis.set_yticks(range(len(lines)), names)
    axis.set_ylim(len(lines) - 0.5, -0.5)


def _draw_control(axis: "Axes", rows: pd.DataFrame, lines: list[tuple[str, str]]) -> None:
    """Bands that hold 95 % of what shuffled labels give, the widest of the scores'."""
    label: str | None = "labels shuffled, 95 %"
    for place, line in enumerate(lines):
        here = rows[(rows["group"] == line[0]) & (rows["value"] == line[1])]
        if len(here):
            edges, span = [place - 0.45, place + 0.45], (here["low"].min(), here["high"].max())
            axis.fill_betweenx(edges, *span, color="#DDDDDD", linewidth=0, zorder=0, label=label)
            label = None
