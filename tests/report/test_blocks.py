import base64

import numpy as np
import pandas as pd
import pytest

from hexamer.report.blocks import draw, make_grid, write_cell
from hexamer.report.distributions import draw_distributions


def test_a_figure_is_inside_the_page():
    found = draw(draw_distributions, {"llr": np.linspace(-1, 1, 50, dtype=np.float32)}, alt="what", caption="c")
    kind, _, letters = found.source.partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(letters).startswith(b"<?xml")
    assert (found.alt, found.caption) == ("what", "c")


def test_a_large_figure_is_a_png(monkeypatch):
    monkeypatch.setattr("hexamer.report.blocks._LARGEST", 100)
    found = draw(draw_distributions, {"llr": np.zeros(5, dtype=np.float32)}, alt="what")
    assert found.source.startswith("data:image/png;base64,iVBOR")
    assert found.width == pytest.approx(2.7 * 96, abs=1)


def test_a_long_table_says_how_much_is_left():
    grid = make_grid(pd.DataFrame({"a_b": range(50), "c": "x"}), caption="all", most=3)
    assert grid.columns == ["a b", "c"]
    assert grid.rows == [["0", "x"], ["1", "x"], ["2", "x"]]
    assert grid.caption == "all; the first 3 of 50 rows"
    assert grid.numeric == (True, False)


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.int64(1200), "1,200"), (np.float32(0.5), "0.500"), (np.bool_(True), "True"), (pd.NA, ""), (0.0, "0.000")],
)
def test_cells(value, text):
    assert write_cell(value) == text
