"""What a page is put together from: sections of text, figures and small tables.

Figures are pictures inside the page, drawn as SVG, or as PNG where that would be larger. Not here: what they show
(`sections`), and the page around them (`page`).
"""

import base64
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hexamer.report.figures import DOTS

_LARGEST = 250_000  # bytes of an SVG
_KINDS = {".svg": "image/svg+xml", ".png": "image/png"}


class Picture(NamedTuple):
    """A figure."""

    source: str
    """data: address."""
    alt: str
    """What it shows, for those who do not see it."""
    caption: str = ""
    width: int = 0
    """Of the page's pixels; 0 is its own."""
    kind: str = "picture"


class Grid(NamedTuple):
    """A small table."""

    columns: list[str]
    rows: list[list[str]]
    caption: str = ""
    numeric: tuple[bool, ...] = ()
    kind: str = "grid"


class Text(NamedTuple):
    """A paragraph."""

    text: str
    kind: str = "text"


Blocks = list[Picture | Grid | Text]


class Section(NamedTuple):
    """A part of the page."""

    anchor: str
    title: str
    lead: str
    """One sentence: what this is."""
    blocks: Blocks
    made: str = ""
    """How it was made: the command."""


def draw(function: Callable[..., Any], *args: Any, alt: str, caption: str = "", **options: Any) -> Picture:
    """Draw a figure into the page.

    Parameters
    ----------
    function : callable
        Of `hexamer.report`, which takes `path`.
    *args, **options
        What else it takes.
    alt : str
    caption : str

    Returns
    -------
    Picture
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        function(*args, path=path, **options)
        if path.stat().st_size > _LARGEST:
            path = path.with_suffix(".png")
            function(*args, path=path, **options)
        return embed_picture(path, alt=alt, caption=caption)


def embed_picture(path: Path, *, alt: str, caption: str = "") -> Picture:
    """Put a file of a figure into the page, `.svg` or `.png`; a PNG as large as its SVG would be."""
    content = path.read_bytes()
    width = int.from_bytes(content[16:20], "big") * 96 // DOTS if path.suffix == ".png" else 0
    letters = base64.b64encode(content).decode("ascii")
    return Picture(f"data:{_KINDS[path.suffix]};base64,{letters}", alt, caption, width)


def make_grid(table: pd.DataFrame, *, caption: str = "", digits: int = 3, most: int = 40) -> Grid:
    """Lay out a small table.

    Parameters
    ----------
    table : DataFrame
    caption : str
    digits : int
        Behind the point.
    most : int
        Rows; how many more there are is said in the caption.

    Returns
    -------
    Grid
    """
    shown = table.head(most)
    more = f"{'; ' if caption else ''}the first {most} of {len(table):,} rows" if len(table) > most else ""
    numeric = tuple(bool(pd.api.types.is_numeric_dtype(table[name])) for name in table)
    rows = [[write_cell(value, digits) for value in row] for row in shown.itertuples(index=False, name=None)]
    return Grid([str(name).replace("_", " ") for name in table], rows, caption + more, numeric)


def write_cell(value: Any, digits: int = 3) -> str:
    """Write a value of a table: counts with commas, small numbers with a power of ten, nothing for what is missing.

    Examples
    --------
    >>> [write_cell(value) for value in (12345, 0.25, 0.00001, None, "a", float("nan"), True)]
    ['12,345', '0.250', '1.0e-05', '', 'a', '', 'True']
    """
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if hasattr(value, "item"):  # of NumPy
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.1e}" if value and abs(value) < 10**-digits else f"{value:,.{digits}f}"
