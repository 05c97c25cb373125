import numpy as np
import pandas as pd
import pytest

from hexamer.errors import OutputError, SettingsError
from hexamer.report import draw_projection, show_separation
from hexamer.report.figures import COLOURS
from hexamer.report.projections import order_colours

RNG = np.random.default_rng(0)


def places(rows=60, layers=(6,)):
    element = pd.Categorical(["cds"] * (rows - 20) + ["intron"] * 20, categories=["cds", "intron"])
    table = pd.DataFrame({"element": element, "gc": RNG.random(rows), "x": RNG.normal(size=rows)})
    table["y"] = table["x"] * 2
    return pd.concat([table.assign(layer=layer) for layer in layers], ignore_index=True)


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_a_single_panel_fits_a_column_and_counts_its_classes(tmp_path):
    (axis,) = draw_projection(places(), tmp_path / "p.svg", colour=["element"], title="tiny", notes=["purity 0.9"])
    assert axis.figure.get_size_inches()[0] == 3.5
    assert texts(axis.figure.legends[0]) == ["CDS (40)", "intron (20)"]
    assert axis.get_title(loc="left") == "purity 0.9"
    assert axis.get_xlabel() == "t-SNE 1"
    written = (tmp_path / "p.svg").read_text()
    assert all(word in written for word in ("CDS (40)", "tiny", "purity 0.9"))


def test_dots_keep_their_colours_in_an_order_of_no_class():
    table = places()
    (axis,) = draw_projection(table, colour=["element"], method="pca")
    dots = axis.collections[0]
    at = {tuple(place): tuple(hue) for place, hue in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)}
    hues = [at[x, y] for x, y in zip(table["x"], table["y"], strict=True)]
    assert len(set(hues[:40])) == len(set(hues[40:])) == 1
    assert hues[0] != hues[-1]
    drawn = [hue == hues[0] for hue in map(tuple, dots.get_facecolors())]
    assert drawn != sorted(drawn)
    assert drawn != sorted(drawn, reverse=True)
    assert axis.get_xlabel() == "PC 1"


def test_layers_have_a_panel_each_and_one_legend(tmp_path):
    axes = draw_projection(
        places(layers=(1, 3, 5, 6)), tmp_path / "p.png", colour=["element"], notes=["a", "b", "c", "d"]
    )
    assert [axis.get_title(loc="left") for axis in axes] == ["layer 1\na", "layer 3\nb", "layer 5\nc", "layer 6\nd"]
    assert len(axes[0].figure.legends) == 1
    assert [len(axis.collections[0].get_offsets()) for axis in axes] == [60] * 4
    assert sum(not axis.get_visible() for axis in axes[0].figure.axes) == 2


def test_columns_have_a_panel_each_with_a_legend_or_a_bar(tmp_path):
    axes = draw_projection(places(layers=(1, 6)), tmp_path / "p.png", colour=["element", "gc"])
    assert [axis.get_title(loc="left") for axis in axes[:3]] == ["layer 1, element", "layer 1, gc", "layer 6, element"]
    assert texts(axes[0].get_legend()) == ["CDS (40)", "intron (20)"]
    assert [axis.get_legend() for axis in axes[1::2]] == [None, None]
    assert len(axes[0].figure.axes) == 6 + 2  # of 2 rows of 3, and two bars


def test_rows_without_a_place_are_not_drawn_and_those_without_a_class_are_grey():
    table = places().astype({"element": object})
    table.loc[:4, "x"] = np.nan
    table.loc[5:9, "element"] = ""
    (axis,) = draw_projection(table, colour=["element"])
    assert len(axis.collections[0].get_offsets()) == 55
    assert texts(axis.figure.legends[0]) == ["CDS (30)", "intron (20)", "not known (5)"]
    (plain,) = draw_projection(table)
    assert len(plain.collections[0].get_offsets()) == 55
    assert not plain.figure.legends


def test_many_classes_share_a_colour():
    names = [f"c{i}" for i in range(12) for _ in range(12 - i)]
    colours = order_colours(pd.Series(names))
    assert list(colours) == [f"c{i}" for i in range(7)]
    table = pd.DataFrame({"kind": names, "x": 0.0, "y": 0.0})
    (axis,) = draw_projection(table, colour=["kind"])
    assert texts(axis.figure.legends[0])[-1] == "5 others (15)"
    eight = order_colours(pd.Series(list("abcdefgh")))
    assert tuple(eight.values()) == COLOURS


@pytest.mark.parametrize(("rows", "image"), [(100, False), (5001, True)])
def test_many_dots_are_an_image_in_svg(tmp_path, rows, image):
    draw_projection(places(rows), tmp_path / "p.svg", colour=["element"])
    assert ("<image" in (tmp_path / "p.svg").read_text()) == image


def test_the_same_figure_has_the_same_bytes(tmp_path):
    table = places()
    for name in ("a.svg", "b.svg"):
        draw_projection(table, tmp_path / name, colour=["element", "gc"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_separation_names_each_layer_once_and_leaves_gaps_for_what_is_not_known():
    row = {"weights": "model", "layer": 1, "class": "cds", "rows": 1000, "silhouette": 0.1, "purity": 0.9}
    table = pd.DataFrame([row, row | {"class": "five_prime_utr"}, row | {"layer": 2, "purity": np.nan}]).assign(
        chance=0.5
    )
    lines = show_separation(table).splitlines()
    assert lines[0].split() == ["layer", "class", "rows", "silhouette", "purity", "chance"]
    assert lines[1].split() == ["1", "CDS", "1,000", "0.100", "0.900", "0.500"]
    assert lines[2].split() == ["5'", "UTR", "1,000", "0.100", "0.900", "0.500"]
    assert lines[3].split() == ["2", "CDS", "1,000", "0.100", "0.500"]


def test_mistakes(tmp_path):
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        draw_projection(places(), tmp_path / "p.pdf")
    with pytest.raises(SettingsError, match="nearest are element"):
        draw_projection(places(), colour=["elemnt"])
