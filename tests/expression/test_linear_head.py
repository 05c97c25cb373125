import numpy as np
import pytest

from hexamer.expression.linear_head import FORMS, fit_linear_head


def draw(people=80, haplotypes=12, places=4, width=5, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(haplotypes, places, width)).astype(np.float32)
    return vectors, rng.integers(0, haplotypes, (people, 2)), rng


@pytest.mark.parametrize("form", FORMS)
def test_it_is_ridge_regression_whose_penalty_leaves_people_out(form):
    from sklearn.linear_model import Ridge

    vectors, rows, rng = draw()
    values = vectors[:, 1, 2][rows].mean(axis=1) + 0.3 * rng.normal(size=80) + 5
    head = fit_linear_head([(vectors, rows)], values, forms=(form,))
    x = vectors[rows].mean(axis=1)
    if form == "scaled":
        x = x / np.sqrt(x.var(axis=0).sum(axis=-1))[:, None]
    x = x.mean(axis=1) if form == "mean" else x.reshape(80, -1)
    variance = np.square(x - x.mean(axis=0)).sum() / 80
    errors = {}
    for penalty in np.logspace(-3, 4, 15):
        left = []
        for i in range(80):
            rest = np.arange(80) != i
            # Means are of all in the closed form, so that everyone's own share of them is left in.
            mine = Ridge(alpha=penalty * variance, fit_intercept=True).fit(x[rest], values[rest])
            left.append(values[i] - mine.predict(x[i : i + 1])[0])
        errors[penalty] = np.square(left).mean()
    assert head.penalty == pytest.approx(min(errors, key=errors.__getitem__))
    told = Ridge(alpha=head.penalty * variance).fit(x, values).predict(x)
    np.testing.assert_allclose(head.predict(vectors, rows), told, atol=1e-4)


def test_layer_and_form_are_chosen():
    vectors, rows, rng = draw()
    noise = rng.normal(size=vectors.shape).astype(np.float32)
    values = vectors[:, 1, 2][rows].mean(axis=1)
    head = fit_linear_head([(noise, rows), (vectors, rows)], values)
    assert (head.layer, head.form) == (1, "rows")
    averaged = fit_linear_head([(vectors, rows)], vectors.mean(axis=1)[:, 0][rows].mean(axis=1))
    assert averaged.form == "mean"


def test_whose_haplotype_is_which_does_not_matter():
    vectors, rows, rng = draw()
    values = rng.normal(size=80) + vectors[:, 0, 0][rows].sum(axis=1)
    one, two = fit_linear_head([(vectors, rows)], values), fit_linear_head([(vectors, rows[:, ::-1])], values)
    np.testing.assert_allclose(one.weights, two.weights, rtol=1e-6)
    order = rng.permutation(12)
    back = np.argsort(order)
    three = fit_linear_head([(vectors[order], back[rows])], values)
    np.testing.assert_allclose(three.predict(vectors[order], back[rows]), one.predict(vectors, rows), atol=1e-5)


def test_where_nothing_varies_the_mean_is_said():
    vectors, rows, rng = draw()
    values = rng.normal(size=80)
    for given, told in (
        (vectors * 0, values),
        (vectors[:, :0], values),
        (vectors, np.full(80, 2.5)),
    ):
        head = fit_linear_head([(given, rows)], told)
        np.testing.assert_allclose(head.predict(given, rows), told.mean())
        assert np.isnan(head.penalty)
        assert head.weights.shape == given.shape[1:]


def test_rounding_errors_are_not_blown_up():
    vectors, rows, _rng = draw()
    vectors[:, 0] *= 1e-7
    head = fit_linear_head([(vectors, rows)], vectors[:, 1, 0][rows].sum(axis=1), forms=("scaled",))
    assert not head.weights[0].any()
    assert np.abs(head.weights).max() < 10
