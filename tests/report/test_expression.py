import numpy as np
import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import draw_expression


def table(methods, genes=20):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"method": name, "gene_id": f"g{i}", "pearson": rng.normal(0.1, 0.1)}
            for name in methods
            for i in range(genes)
        ]
    )


@pytest.mark.parametrize("methods", [["ridge"], ["ridge", "a"], ["ridge", "a", "b", "c", "d"]])
def test_a_panel_for_each_other_method(tmp_path, methods):
    path = tmp_path / "m.svg"
    draw_expression(table(methods), path, reference="ridge", title="study")
    text = path.read_text()
    assert text.count("of 20 genes") == max(1, len(methods) - 1)
    assert all(name in text for name in methods)


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        draw_expression(table(["a"]), tmp_path / "m.pdf", reference="a")
