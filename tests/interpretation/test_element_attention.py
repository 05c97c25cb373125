import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import AnnotationError, SettingsError
from hexamer.interpretation.attention_maps import attention_map
from hexamer.interpretation.element_attention import (
    AttentionSettings,
    attention_elements,
    compare_shares,
    merge_elements,
)
from hexamer.interpretation.stretches import read_stretch

SETTINGS = AttentionSettings(window=300, windows=6, above=0.02)
ELEMENTS = {
    "even": pd.DataFrame({"chrom": "20", "start": range(0, 8900, 200), "end": range(50, 8950, 200)}),
    "late": pd.DataFrame({"chrom": ["20"], "start": [6000], "end": [8000]}),
}


@pytest.mark.parametrize("side", ["key", "query"])
def test_counts_are_those_of_the_maps(model, genome, side, monkeypatch):
    """The slow way: every pair of tokens of every window and head."""
    seen = []
    monkeypatch.setattr(
        "hexamer.interpretation.element_attention.read_stretch", lambda g, i: seen.append(i) or read_stretch(g, i)
    )
    settings = AttentionSettings(window=300, windows=3, above=0.02, side=side)
    done = []
    table = attention_elements(model, genome, {"even": ELEMENTS["even"]}, settings=settings, advance=done.append)
    assert sum(done) == len(seen) == 3
    assert all(window.end - window.start == 300 for window in seen)
    own = ELEMENTS["even"]
    for row in table.itertuples():
        pairs = on = tokens = covered = 0
        for window in seen:
            (found,) = attention_map(model, read_stretch(genome, window), layers=[row.layer], heads=[row.head])
            for i in range(50):
                start, end = window.start + 6 * i, window.start + 6 * i + 6
                inside = bool(((own["start"] < end) & (own["end"] > start)).any())
                tokens, covered = tokens + 1, covered + inside
                looked = found.weights[:, i] if side == "key" else found.weights[i]
                high = int((looked > 0.02).sum())
                pairs, on = pairs + high, on + high * inside
        assert (row.pairs, row.on) == (pairs, on)
        assert row.background == pytest.approx(covered / tokens)


def test_every_class_layer_and_head_has_a_row_whatever_the_memory(model, genome):
    table = attention_elements(model, genome, ELEMENTS, settings=SETTINGS)
    assert len(table) == 2 * 4
    pd.testing.assert_frame_equal(table, attention_elements(model, genome, ELEMENTS, settings=SETTINGS, memory=1))
    assert table.groupby("element")["windows"].first().to_dict() == {"even": 6, "late": 1}


def test_a_head_that_looks_at_elements_is_found_and_others_are_not():
    found = compare_shares(np.array([40, 100, 160, 3]), np.array([400, 1000, 800, 4]), 1000, 10000)
    assert found["enriched"].tolist() == [False, False, True, False]
    assert found["z"].iloc[2] > 5
    assert np.isnan(found["z"].iloc[3])
    assert (found["p_adjusted"] >= found["p"]).iloc[:3].all()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=20))
def test_merged_elements_cover_the_same_bases(spans):
    table = pd.DataFrame([("1", a, a + n) for a, n in spans], columns=["chrom", "start", "end"])
    merged = merge_elements(table)["1"]
    slow = np.zeros(100, dtype=bool)
    for a, n in spans:
        slow[a : a + n] = True
    fast = np.zeros(100, dtype=bool)
    for a, b in zip(merged.starts, merged.ends, strict=True):
        assert not fast[max(0, a - 1) : b].any()  # apart from each other
        fast[a:b] = True
    np.testing.assert_array_equal(fast, slow)


def test_mistakes(model, genome):
    with pytest.raises(AnnotationError, match="far: no element lies on a contig"):
        attention_elements(model, genome, {"far": pd.DataFrame({"chrom": ["9"], "start": [1], "end": [2]})})
    with pytest.raises(SettingsError, match=r"above 2\.0"):
        AttentionSettings(above=2.0)
    with pytest.raises(SettingsError, match="key or query"):
        AttentionSettings(side="both")


def test_windows_have_no_n(model, genome):
    beside = pd.DataFrame({"chrom": "20", "start": [3900, 4020, 7000], "end": [3990, 4040, 7050]})
    settings = AttentionSettings(window=300, windows=3, above=0.02)
    table = attention_elements(model, genome, {"beside": beside}, settings=settings)
    assert 1 <= table["windows"].iloc[0] <= 2  # not that in the middle of the gap
    with pytest.raises(AnnotationError, match="gap: every window of 300 bases on an element holds N"):
        attention_elements(model, genome, {"gap": beside.iloc[1:2]}, settings=settings)
