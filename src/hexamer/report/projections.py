"""Pictures of embeddings: a panel per layer or column, a dot per row.

Drawn as those of `figures`, in the same colours. Dots are drawn in random order, so that no class hides another.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.interpretation.separation import choose_column, order_classes
from hexamer.report.figures import COLOURS, STYLE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BARE: Any = STYLE | {"axes.spines.bottom": False, "font.size": 8}
_RASTER = 5000  # dots of a panel beyond which an SVG holds them as an image
_UNKNOWN = "#DDDDDD"
_NAMES = {"cds": "CDS", "five_prime_utr": "5' UTR", "three_prime_utr": "3' UTR"}
_LEGEND: Any = {"frameon": False, "fontsize": 7, "handletextpad": 0.1, "columnspacing": 1.0}
_AXES = {"pca": "PC", "tsne": "t-SNE", "umap": "UMAP"}


def draw_projection(
    table: pd.DataFrame,
    path: str | Path | None = None,
    *,
    colour: Sequence[str] = (),
    method: str = "tsne",
    notes: Sequence[str] = (),
    title: str = "",
) -> "list[Axes]":
    """Draw where embeddings lie on the plane: a panel for each layer and column.

    Parameters
    ----------
    table : DataFrame
        `x`, `y`, where there are several `layer`, and the columns to colour by. Rows without a place are not drawn.
    path : str or Path, optional
        `.png` or `.svg`; a single panel fits a column of text (3.5 inches).
    colour : sequence of str
        Columns, of classes or of numbers as `choose_column` tells them. Of more classes than there are colours, the
        smaller ones are one.
    method : {"tsne", "pca", "umap"}
        What the axes are called.
    notes : sequence of str
        A line below the title of each panel.
    title : str

    Returns
    -------
    list of Axes
        Layer by layer, and of a layer column by column.

    Raises
    ------
    OutputError
        If the figure has another ending or cannot be written.
    SettingsError
        If there is no such column.
    """
    layers = list(dict.fromkeys(table["layer"])) if "layer" in table else []
    columns = {name: choose_column(table, name) for name in colour}
    panels = [(layer, name) for layer in layers or [None] for name in columns or [""]]
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    size = (3.5, 3.6) if across == 1 else (0.3 + 2.3 * across, 0.5 + 2.6 * down)
    placed = table["x"].notna()
    with drawing(path, size, style=_BARE) as figure:
        axes = list(figure.subplots(down, across, squeeze=False).reshape(-1))
        for axis, (layer, name), note in zip(axes, panels, [*notes, *[""] * len(panels)], strict=False):
            shown = placed if layer is None else placed & (table["layer"] == layer)
            if name:
                key = _draw_coloured(axis, table[shown], columns[name][shown], order_colours(columns[name]))
            else:
                key = _draw_dots(axis, table[shown], np.full(int(shown.sum()), COLOURS[0]))
            heading = [f"layer {layer}"] if len(layers) > 1 else []
            heading += [name] if len(columns) > 1 else []
            axis.set_title("\n".join(filter(None, [", ".join(heading), note])), loc="left", fontsize=8)
            axis.set_xlabel(f"{_AXES[method]} 1", fontsize=7)
            axis.set_ylabel(f"{_AXES[method]} 2", fontsize=7)
            if isinstance(key, list) and len(columns) > 1:
                axis.legend(handles=key, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2, **_LEGEND)
            elif name and not isinstance(key, list):
                figure.colorbar(key, ax=axis, shrink=0.7, label=name if len(columns) == 1 else "")
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        if len(columns) == 1 and isinstance(key, list):
            figure.legend(handles=key, loc="outside lower center", ncols=2 if across == 1 else 4, **_LEGEND)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return axes[: len(panels)]


def order_colours(column: pd.Series) -> dict[str, str]:
    """Give each class of a column its colour; of numbers there are none.

    Parameters
    ----------
    column : Series
        As from `choose_column`.

    Returns
    -------
    dict of str to str
        The largest seven have colours of their own, where there are more than eight; the others share one.

    Examples
    --------
    >>> order_colours(pd.Series(["b", "a", "b"]))
    {'b': '#0072B2', 'a': '#D55E00'}
    """
    if pd.api.types.is_float_dtype(column):
        return {}
    names = order_classes(column)
    if len(names) > len(COLOURS):
        kept = order_classes(column.astype(object))[: len(COLOURS) - 1]
        names = [name for name in names if name in kept]
    return dict(zip(names, COLOURS, strict=False))


def _draw_coloured(axis: "Axes", rows: pd.DataFrame, column: pd.Series, colours: dict[str, str]) -> Any:
    """Draw the dots of a panel by class, or by number; gives the parts of its legend, or what its colour bar is of."""
    from matplotlib.lines import Line2D

    if not colours:
        return _draw_dots(axis, rows, column.to_numpy(), cmap="viridis", plotnonfinite=True)
    others = column.notna() & ~column.isin(list(colours))
    shown = column.astype(object).map(colours).where(~others, COLOURS[-1]).fillna(_UNKNOWN)
    _draw_dots(axis, rows, shown.to_numpy())
    counts = column.value_counts()
    key = [(_NAMES.get(name, name.replace("_", " ")), int(counts.get(name, 0)), hue) for name, hue in colours.items()]
    if others.any():
        key.append((f"{column[others].nunique():,} others", int(others.sum()), COLOURS[-1]))
    if column.isna().any():
        key.append(("not known", int(column.isna().sum()), _UNKNOWN))
    style: Any = {"linestyle": "", "marker": "o", "markersize": 4, "markeredgewidth": 0}
    return [Line2D([], [], color=hue, label=f"{name} ({count:,})", **style) for name, count, hue in key]


def _draw_dots(axis: "Axes", rows: pd.DataFrame, colours: npt.NDArray[Any], **style: Any) -> Any:
    """Draw a dot for each row, in random order, smaller where there are many."""
    order = np.random.default_rng(0).permutation(len(rows))
    dot = float(np.clip(6000 / max(len(rows), 1), 1.5, 14))
    drawn = axis.scatter(
        rows["x"].to_numpy()[order], rows["y"].to_numpy()[order], c=colours[order], s=dot, alpha=0.8, linewidths=0,
        rasterized=len(rows) > _RASTER, **style,
    )  # fmt: skip
    axis.set_aspect("equal", adjustable="datalim")
    axis.set_xticks([])
    axis.set_yticks([])
    return drawn


def show_separation(table: pd.DataFrame) -> str:
    """Lay out how far classes are apart for a screen: a line per class, each layer named once.

    Parameters
    ----------
    table : DataFrame
        Of `measure_separation`, with columns before it that say of what (`weights`, `layer`, `colour`); those that say
        the same of all rows are not shown.

    Returns
    -------
    str
        Lines of text.

    Examples
    --------
    >>> row = {"layer": 3, "class": "cds", "rows": 500, "silhouette": 0.012, "purity": 0.81, "chance": 0.333}
    >>> print(show_separation(pd.DataFrame([row, row | {"layer": 6}])))
    layer class rows silhouette purity chance
        3   CDS  500      0.012  0.810  0.333
        6   CDS  500      0.012  0.810  0.333
    """
    what = list(table.columns[: list(table.columns).index("class")])
    before = [name for name in what if table[name].nunique(dropna=False) > 1]
    shown = table.drop(columns=[name for name in what if name not in before])
    shown = shown.assign(**{name: table[name].astype(str) for name in before})
    if before:
        shown.loc[shown.duplicated(before), before] = ""
    shown["class"] = [_NAMES.get(name, str(name).replace("_", " ")) for name in table["class"]]
    shown["rows"] = [f"{count:,}" for count in table["rows"]]
    for name in ("silhouette", "purity", "chance"):
        shown[name] = ["" if pd.isna(value) else f"{value:.3f}" for value in table[name]]
    return str(shown.to_string(index=False))
