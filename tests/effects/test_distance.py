import numpy as np

from hexamer.effects.distance import DISTANCES


def test_distances_of_known_vectors():
    ref, alt = np.array([[3.0, 4.0]], dtype=np.float32), np.array([[0.0, 8.0]], dtype=np.float32)
    got = {name: float(f(ref, alt)[0]) for name, f in DISTANCES.items()}
    assert got == {"l1": 7.0, "l2": 5.0, "cosine": np.float32(0.8), "dot": 32.0}


def test_equal_alleles_and_symmetry():
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    y = x[::-1].copy()
    assert (DISTANCES["l1"](x, x) == 0).all()
    assert (DISTANCES["l2"](x, x) == 0).all()
    np.testing.assert_allclose(DISTANCES["cosine"](x, x), 1, atol=1e-6)
    for function in DISTANCES.values():
        np.testing.assert_allclose(function(x, y), function(y, x), rtol=1e-6)
