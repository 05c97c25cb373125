import numpy as np

from hexamer.report.distributions import draw_by_frequency, draw_distributions


def test_a_panel_for_each_score():
    values = {
        name: np.random.default_rng(0).normal(size=500).astype(np.float32) for name in ("llr", "cosine", "l2", "x")
    }
    axes = draw_distributions(values)
    assert [axis.get_xlabel() for axis in axes] == list(values)
    assert all(sum(bar.get_height() for bar in axis.patches) == 500 for axis in axes)


def test_one_value_alone_and_none():
    axes = draw_distributions({"llr": np.full(3, 2.0, np.float32), "none": np.full(2, np.nan, np.float32)})
    assert axes[0].get_title(loc="left") == "llr: median 2"
    assert sum(bar.get_height() for bar in axes[1].patches) == 0


def test_classes_of_frequency_are_half_open():
    values = np.arange(6, dtype=np.float32)
    frequencies = np.array([0.0, 0.005, 0.006, 0.05, 0.051, 1.0], dtype=np.float32)
    labels = [label.get_text() for label in draw_by_frequency(values, frequencies).get_xticklabels()]
    assert labels == ["up to 0.5 %\n1", "0.5 to 5 %\n2", "above 5 %\n2"]
