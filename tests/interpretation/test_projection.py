import sys
import types
import warnings

import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.interpretation import project
from hexamer.interpretation.separation import standardise

RNG = np.random.default_rng(0)
TWO = RNG.normal(size=(40, 12)).astype(np.float32)
TWO[20:, :6] += 8
"""Two clouds of twenty rows."""


def test_tsne_keeps_clouds_apart_and_is_the_same_for_a_seed():
    found, again, other = (project(TWO, perplexity=5, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(found.coordinates, again.coordinates)
    assert not np.array_equal(found.coordinates, other.coordinates)
    assert found.coordinates.dtype == np.float32
    gap = np.linalg.norm(found.coordinates[:20].mean(0) - found.coordinates[20:].mean(0))
    assert gap > max(found.coordinates[:20].std(), found.coordinates[20:].std())
    assert found.settings["perplexity"] == 5
    assert found.settings["components"] == 12


def test_principal_components_are_those_of_the_standardised_vectors():
    """The slow way: eigenvectors of the correlation matrix."""
    found = project(TWO * np.linspace(1, 1000, 12, dtype=np.float32), method="pca").coordinates
    points = standardise(TWO).astype(np.float64)
    values, axes = np.linalg.eigh(points.T @ points)
    for column, axis in zip(found.T, axes.T[::-1], strict=False):
        slow = points @ axis
        assert abs(np.corrcoef(column, slow)[0, 1]) == pytest.approx(1, abs=1e-4)
        assert column.std() == pytest.approx(slow.std(), rel=1e-3)
    assert project(TWO, method="pca").settings["explain"] == pytest.approx(1)
    assert values[-1] > values[0]


def test_rows_without_a_vector_stay_and_change_nothing():
    holed = np.insert(TWO, [0, 7], np.nan, axis=0)
    holed[0, 1:] = 0
    found = project(AnnData(X=holed), method="pca")
    assert found.missing == 2
    assert np.isnan(found.coordinates).all(axis=1).nonzero()[0].tolist() == [0, 8]
    kept = np.delete(found.coordinates, [0, 8], axis=0)
    np.testing.assert_array_equal(kept, project(TWO, method="pca").coordinates)


def test_a_perplexity_beyond_the_rows_is_lowered():
    assert project(TWO[:10], perplexity=30).settings["perplexity"] == 3


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_single_component_has_a_plane(method):
    found = project(np.arange(8.0)[:, None], method=method)
    assert np.isfinite(found.coordinates).all()
    if method == "pca":
        assert (np.abs(np.diff(found.coordinates[:, 0])) > 0.1).all()
        assert (found.coordinates[:, 1] == 0).all()


def test_sparse_vectors_are_read():
    sparse = AnnData(X=csr_matrix(TWO))
    np.testing.assert_array_equal(project(sparse, method="pca")[0], project(TWO, method="pca")[0])


def test_umap_is_asked_with_a_seed_and_one_processor(monkeypatch):
    asked = {}

    class UMAP:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, scores):
            return scores[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=UMAP))
    found = project(TWO[:12], method="umap", seed=3)
    assert asked == {"n_neighbors": 11, "random_state": 3, "n_jobs": 1}
    assert found.settings["neighbours"] == 11
    assert found.coordinates.shape == (12, 2)


def test_umap_s_own_warning_at_import_is_not_passed_on():
    pytest.importorskip("umap")
    for name in [name for name in sys.modules if name == "umap"]:
        del sys.modules[name]
    from hexamer.interpretation.projection import check_method

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ImportWarning)
        check_method("umap")
    assert not [each for each in said if "Tensorflow" in str(each.message)]


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"umap-learn; pip install 'hexamer\[umap\]'"):
        project(TWO, method="umap")


@pytest.mark.parametrize(
    ("vectors", "options", "error", "told"),
    [
        (TWO, {"method": "som"}, SettingsError, "'som' is unknown; tsne, pca, umap"),
        (TWO, {"perplexity": 0.5}, SettingsError, "perplexity 0.5"),
        (TWO, {"perplexity": float("nan")}, SettingsError, "perplexity nan"),
        (TWO, {"seed": -1}, SettingsError, "seed -1"),
        (TWO[:4], {}, SequenceError, "4 of 4 rows have a vector; 5"),
        (np.full((9, 3), np.nan), {}, SequenceError, "0 of 9 rows"),
        (np.full((9, 3), 0.1), {}, SequenceError, "all 9 vectors are equal"),
        (np.zeros(9), {}, SequenceError, r"\[rows, components\]"),
        ([["a", "b"]], {}, SequenceError, "numbers"),
    ],
)
def test_mistakes(vectors, options, error, told):
    with pytest.raises(error, match=told):
        project(vectors, **options)
