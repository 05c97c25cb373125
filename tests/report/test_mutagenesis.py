import numpy as np
import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import draw_mutagenesis


def changes(places=30):
    rng = np.random.default_rng(0)
    refs = rng.choice(list("ACGT"), places)
    rows = [("20", i + 1, r, alt, rng.normal()) for i, r in enumerate(refs) for alt in "ACGT" if alt != r]
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "llr"])
    return pd.concat([table, pd.DataFrame([("20", 5, "AC", "A", 1.0)], columns=table.columns)])


def test_a_region_has_letters_above_a_heat_map(tmp_path):
    top, bottom = draw_mutagenesis(changes(), tmp_path / "s.svg", title="mine")
    assert len(top.patches) == 30
    assert bottom.images[0].get_array().shape == (4, 30)
    assert bottom.get_xlim() == (0.5, 30.5)
    assert np.isnan(bottom.images[0].get_array().filled(np.nan)).sum() == 30  # the reference


def test_a_long_region_is_written_in_lines():
    axes = draw_mutagenesis(changes(230))
    assert len(axes) == 6
    assert [len(axis.patches) for axis in axes[::2]] == [100, 100, 30]
    assert [axis.get_xlim() for axis in axes[::2]] == [(0.5, 100.5), (100.5, 200.5), (200.5, 300.5)]
    assert len({axis.get_ylim() for axis in axes[::2]}) == 1
    assert len(draw_mutagenesis(changes(900))) == 2


def test_a_region_without_a_score_is_drawn():
    top, _ = draw_mutagenesis(changes(5).assign(llr=0.0))
    assert len(top.patches) == 0


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        draw_mutagenesis(changes(), tmp_path / "m.pdf")
