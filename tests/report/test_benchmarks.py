import gc

import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import draw_benchmark, draw_curves, draw_layers

NAN = float("nan")
LAYERS = pd.DataFrame(
    [
        (layer, method, 0.1 * layer, 0.1 * layer - 0.05, 0.1 * layer - 0.1, 0.1 * layer)
        for method in ("logistic", "mlp")
        for layer in (2, 0, 1)
    ],
    columns=["layer", "method", "validation", "test", "low", "high"],
)
RESULTS = pd.DataFrame(
    [("H3", "probe", 0.5, 0.4, 0.6), ("H3", "kmer", 0.4, NAN, NAN), ("enhancers", "probe", -0.1, -0.1, 0.0)],
    columns=["task", "method", "test", "low", "high"],
)


CURVES = pd.DataFrame(
    [
        (task, method, fold, step, step / 9)
        for task in ("H3", "enhancers", "promoters", "TATA")
        for method in ("ia3", "cnn")
        for fold in (0, 1)
        for step in (1, 2, 3)
    ],
    columns=["task", "method", "fold", "step", "score"],
)


def test_curves_have_a_panel_for_each_task_and_a_colour_for_each_method(tmp_path):
    draw_curves(CURVES, tmp_path / "a.svg", title="fly", metric="MCC")
    text = (tmp_path / "a.svg").read_text()
    for word in (
        "fly",
        "H3",
        "enhancers",
        "promoters",
        "TATA",
        "ia3",
        "cnn",
        "validation MCC",
        "step (a line for each fold)",
    ):
        assert text.count(f">{word}<") == 1, word
    draw_curves(CURVES[:6], tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_layers_have_a_line_for_each_method_and_kind_of_rows(tmp_path):
    draw_layers(LAYERS, tmp_path / "a.svg", title="eye.csv", metric="MCC")
    text = (tmp_path / "a.svg").read_text()
    for word in ("eye.csv", "MCC", "layer (0: token embedding)"):
        assert f">{word}<" in text, word
    for method in ("logistic", "mlp"):
        for rows in ("test", "validation"):
            assert f">{method}, {rows}<" in text
    draw_layers(LAYERS, tmp_path / "again.svg", title="eye.csv", metric="MCC")
    assert (tmp_path / "again.svg").read_text() == text
    draw_layers(LAYERS.assign(test=NAN), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_benchmark_names_each_task_and_method_once(tmp_path):
    draw_benchmark(RESULTS, tmp_path / "b.svg", title="fly", metric="MCC")
    text = (tmp_path / "b.svg").read_text()
    for word in ("fly", "H3", "enhancers", "probe", "kmer"):
        assert text.count(f">{word}<") == 1, word
    assert ">MCC on the test rows (mean over folds; 95 % bootstrap interval)<" in text
    draw_benchmark(RESULTS, tmp_path / "again.svg", title="fly", metric="MCC")
    assert (tmp_path / "again.svg").read_text() == text


def test_a_benchmark_of_many_methods_or_of_no_score(tmp_path):
    rows = [(f"task {i}", f"method {j}", i / 9 + j / 99, 0.1, 0.9) for i in range(3) for j in range(15)]
    draw_benchmark(pd.DataFrame(rows, columns=RESULTS.columns), tmp_path / "many.svg")
    text = (tmp_path / "many.svg").read_text()
    assert all(f">method {j}<" in text for j in range(15))
    draw_benchmark(RESULTS.assign(test=NAN), tmp_path / "none.png")
    assert (tmp_path / "none.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("draw", "table"), [(draw_layers, LAYERS), (draw_benchmark, RESULTS), (draw_curves, CURVES)])
def test_what_cannot_be_written_is_told_of(draw, table, tmp_path):
    with pytest.raises(OutputError, match=r"a\.pdf: a figure is written as \.png or \.svg"):
        draw(table, tmp_path / "a.pdf")
    with pytest.raises(OutputError, match="does not exist"):
        draw(table, tmp_path / "no" / "a.png")
    assert not list(tmp_path.iterdir())


def test_figures_are_not_kept_in_memory(tmp_path):
    from matplotlib.figure import Figure

    for _ in range(3):
        draw_layers(LAYERS, tmp_path / "a.svg")
        draw_benchmark(RESULTS, tmp_path / "b.svg")
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Figure]
