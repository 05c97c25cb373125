import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from hexamer.errors import OutputError
from hexamer.report import draw_attention, draw_attention_elements, draw_attention_maps, draw_dependency, draw_letters


def test_a_map_has_places(tmp_path):
    axis = draw_attention(np.eye(5, dtype=np.float32), tmp_path / "m.svg", first=100, last=130, title="head 1")
    assert axis.get_xlim() == (100, 130)
    assert "head 1" in (tmp_path / "m.svg").read_text()
    assert draw_attention(np.eye(5, dtype=np.float32)).get_xlabel() == "token that is looked at"


def test_elements_have_a_panel_each_and_a_dot_for_each_enriched_head(tmp_path):
    rows = [(e, layer, head) for e in ("exon", "intron") for layer in (1, 2) for head in (0, 1)]
    table = pd.DataFrame(rows, columns=["element", "layer", "head"]).assign(background=0.1, share=0.1, z=0.0)
    table["share"] = [0.4, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1]
    table["enriched"] = table["share"] > 0.2
    table.loc[7, "z"] = np.nan
    axes = draw_attention_elements(table, tmp_path / "e.png")
    assert [axis.get_title(loc="left") for axis in axes] == ["exon: 1 of 4", "intron: 0 of 4"]
    assert [len(axis.lines[0].get_xdata()) for axis in axes] == [1, 0]


def test_letters_below_the_line_and_none():
    axis = Figure().subplots()
    draw_letters(axis, [1, 2, 3], "ACN", [1.0, -2.0, float("nan")])
    boxes = [patch.get_path().get_extents() for patch in axis.patches]
    assert [round(box.y0) for box in boxes] == [0, -2]
    assert axis.get_ylim()[0] < -2


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        draw_attention(np.eye(2, dtype=np.float32), tmp_path / "m.pdf")


def test_maps_beside_each_other_share_their_colours():
    maps = {f"head {i}": np.full((4, 4), i / 10, dtype=np.float32) for i in range(5)}
    axes = draw_attention_maps(maps)
    assert [axis.get_title(loc="left") for axis in axes] == list(maps)
    assert len({axis.images[0].get_clim() for axis in axes}) == 1


@pytest.mark.parametrize("size", [12, 90])
def test_a_dependency_map_has_letters_where_there_is_room(tmp_path, size):
    axis = draw_dependency(np.full((size, size), np.nan), "A" * size, tmp_path / "d.png", first=99, title="mine")
    assert axis.get_xlim() == (99.5, 99.5 + size)
    assert ([text.get_text() for text in axis.get_xticklabels()] == ["A"] * size) == (size == 12)
