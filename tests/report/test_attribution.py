import numpy as np
import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import draw_attribution


def table(size, *, strand="+", first=1000):
    draw = np.random.default_rng(0)
    pos = first + np.arange(size)
    frame = pd.DataFrame({"name": "mine", "chrom": "20", "strand": strand, "offset": np.arange(size)})
    frame = frame.assign(pos=pos if strand == "+" else pos[::-1], inserted=0)
    return frame.assign(base=draw.choice(list("ACGT"), size), attribution=draw.normal(size=size).astype(np.float32))


def ticks(axis):
    return {label.get_text(): place for place, label in zip(axis.get_xticks(), axis.get_xticklabels(), strict=True)}


def test_lines_have_a_letter_for_each_base_at_one_scale(tmp_path):
    axes = draw_attribution(table(250), tmp_path / "a.svg", title="mine")
    assert [len(axis.patches) for axis in axes] == [100, 100, 50]
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert axes[1].get_xlim() == (99.5, 199.5)
    assert ticks(axes[1])["1,100"] == 100
    assert "mine" in (tmp_path / "a.svg").read_text()


def test_inserted_bases_are_marked_and_places_run_as_read():
    frame = table(40, strand="-")
    frame.loc[[20, 21], "inserted"] = [2, 1]
    (axis,) = draw_attribution(frame.set_index(np.arange(40) + 7))
    assert len(axis.patches) == 42
    assert ticks(axis) == {"1,020": 19.0, "1,000": 39.0}
    assert axis.get_xlabel() == "20, place from 1, other strand, as read"


def test_long_stretches_are_a_curve(tmp_path):
    (axis,) = draw_attribution(table(3000), tmp_path / "a.png")
    assert len(axis.collections) == 1
    assert not axis.patches
    assert 3 <= len(axis.get_xticks()) <= 20


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_to_say_is_drawn_too(value):
    (axis,) = draw_attribution(table(30).assign(attribution=value))
    assert not axis.patches


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.png or \.svg"):
        draw_attribution(table(30), tmp_path / "a.pdf")
