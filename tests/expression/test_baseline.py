import numpy as np
import pytest

from hexamer.expression.baseline import MODELS, fit_best_variant, fit_elastic_net, fit_ridge


def people(count=200, variants=40, causal=3, heritability=0.5, seed=0):
    """Copies of alleles, and expression that some of them explain in part."""
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, rng.uniform(0.1, 0.5, variants), (count, variants)).astype(float)
    x = (dosages - dosages.mean(0)) / dosages.std(0)
    signal = x[:, :causal].sum(1) / np.sqrt(causal)
    return dosages, signal * np.sqrt(heritability) + rng.normal(size=count) * np.sqrt(1 - heritability)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_in_the_genotypes_is_found(name):
    dosages, values = people()
    model = MODELS[name](dosages[:150], values[:150], 0)
    r = np.corrcoef(model.predict(dosages[150:]), values[150:])[0, 1]
    assert r > (0.25 if name == "best-variant" else 0.5)
    assert model.weights.shape == (40,)


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_of_copies_and_scale_with_expression(name):
    dosages, values = people()
    one, other = MODELS[name](dosages, values, 0), MODELS[name](dosages, 3 * values + 7, 0)
    np.testing.assert_allclose(other.predict(dosages), 3 * one.predict(dosages) + 7, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(one.predict(dosages).mean(), values.mean(), atol=1e-6)


def test_noise_gives_little_weight():
    rng = np.random.default_rng(3)
    dosages = people()[0]
    spreads = [np.std(fit_elastic_net(dosages, rng.normal(size=200), seed).predict(dosages)) for seed in range(5)]
    signal = np.std(fit_elastic_net(*people()).predict(dosages))
    assert np.median(spreads) < 0.3 < 0.6 < signal


def test_an_elastic_net_is_sparse_and_ridge_is_not():
    dosages, values = people(variants=100)
    net, ridge, best = (fit(dosages, values) for fit in (fit_elastic_net, fit_ridge, fit_best_variant))
    assert 3 <= np.count_nonzero(net.weights) < 60
    assert np.count_nonzero(ridge.weights) == 100
    assert np.count_nonzero(best.weights) == 1
    assert set(np.flatnonzero(best.weights)) <= {0, 1, 2}
    assert net.penalty > 0
    assert np.isnan(best.penalty)


@pytest.mark.parametrize("name", MODELS)
def test_where_nothing_varies_the_mean_is_said(name):
    dosages, values = people(count=20)
    for x, y in ((dosages[:, :0], values), (dosages, np.full(20, 2.5)), (np.ones((20, 3)), values)):
        model = MODELS[name](x, y, 0)
        np.testing.assert_allclose(model.predict(x), np.full(20, y.mean()), atol=1e-9)
