import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from hexamer.errors import OutputError
from hexamer.report import draw_attention, draw_attention_elements, draw_dependency, draw_letters, draw_mutagenesis


def changes(places=30):
    rng = np.random.default_rng(0)
    refs = rng.choice(list("ACGT"), places)
    rows = [("20", i + 1, r, alt, rng.normal()) for i, r in enumerate(refs) for alt in "ACGT" if alt != r]
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "llr"])
    return pd.concat([table, pd.DataFrame([("20", 5, "AC", "A", 1.0)], columns=table.columns)])


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


def test_a_region_has_letters_above_a_heat_map(tmp_path):
    top, bottom = draw_mutagenesis(changes(), tmp_path / "s.svg", title="mine")
    assert len(top.patches) == 30
    assert bottom.images[0].get_array().shape == (4, 30)
    assert bottom.get_xlim() == (0.5, 30.5)
    assert np.isnan(bottom.images[0].get_array().filled(np.nan)).sum() == 30  # the reference


def test_letters_below_the_line_and_none():
    axis = Figure().subplots()
    draw_letters(axis, [1, 2, 3], "ACN", [1.0, -2.0, float("nan")])
    boxes = [patch.get_path().get_extents() for patch in axis.patches]
    assert [round(box.y0) for box in boxes] == [0, -2]
    assert axis.get_ylim()[0] < -2


@pytest.mark.parametrize("draw", [lambda p: draw_attention(np.eye(2), p), lambda p: draw_mutagenesis(changes(), p)])
def test_other_endings_are_refused(tmp_path, draw):
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        draw(tmp_path / "m.pdf")


@pytest.mark.parametrize("size", [12, 90])
def test_a_dependency_map_has_letters_where_there_is_room(tmp_path, size):
    axis = draw_dependency(np.full((size, size), np.nan), "A" * size, tmp_path / "d.png", first=99, title="mine")
    assert axis.get_xlim() == (99.5, 99.5 + size)
    assert ([text.get_text() for text in axis.get_xticklabels()] == ["A"] * size) == (size == 12)
