import json

import pandas as pd
import pytest

from hexamer.errors import InputError
from hexamer.report import draw_layers
from hexamer.report.blocks import Grid, Picture, Text
from hexamer.report.folders import FOLDERS, show_folder
from hexamer.report.inputs import find_results
from hexamer.report.sections import make_section


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_shows_its_figures_and_tables(kind, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"command": ["x", kind, "y"]}))
    table = pd.DataFrame({"layer": [1, 2], "method": "m", "validation": 0.5, "test": 0.4, "low": 0.3, "high": 0.5})
    draw_layers(table, tmp_path / "results_all.png")
    table.to_csv(tmp_path / "scores.tsv", sep="\t", index=False)
    pd.concat([table] * 200).to_csv(tmp_path / "long.tsv", sep="\t", index=False)
    (finding,), _ = find_results([tmp_path])
    section = make_section(finding, 0)
    assert section.title == f"{FOLDERS[kind][0]}: {tmp_path.name}"
    long, picture, grid = section.blocks
    assert isinstance(picture, Picture)
    assert "results all" in picture.alt
    assert long == Text("long.tsv has 400 rows and is not shown.")
    assert isinstance(grid, Grid)
    assert len(grid.rows) == 2


def test_a_folder_without_either_is_named(tmp_path):
    (tmp_path / "weights.safetensors").write_text("x")
    with pytest.raises(InputError, match="holds no figure and no table"):
        show_folder(tmp_path, "x")
