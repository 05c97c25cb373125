import numpy as np
import pytest

from hexamer.effects.regression import check_classes, fit_platt, fit_regression, predict_nested, sigmoid
from hexamer.errors import SettingsError
from hexamer.metrics import auroc


def drawn(count=600, informative=1.5, share=0.4, seed=0):
    """Six features, the first of which knows the label."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < share
    x = rng.normal(size=(count, 6)) * 10.0 ** np.arange(-2, 4)
    x[:, 0] += 0.01 * informative * labels
    return x, labels, np.arange(count) * 5 // count


def test_a_row_has_the_same_decision_in_any_company():
    x, labels, folds = drawn()
    regression, _ = fit_regression(x, labels, folds)
    whole = regression.predict(x)
    assert all(regression.predict(x[i : i + 1]) == whole[i] for i in range(0, 600, 37))
    gaps = x[:3].copy()
    gaps[1, 4] = np.nan
    assert np.isnan(regression.predict(gaps)).tolist() == [False, True, False]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_nested_probabilities_are_calibrated_whatever_the_share_of_positives(share):
    x, labels, folds = drawn(4000, share=share)
    found = predict_nested(x, labels, folds)
    assert auroc(labels, found) > 0.8
    for low in np.quantile(found, np.arange(0, 1, 0.2)):
        here = (found >= low) & (found <= np.quantile(found, min(1, (found < low).mean() + 0.2)))
        assert labels[here].mean() == pytest.approx(found[here].mean(), abs=0.08)


def test_nothing_that_is_said_of_a_fold_has_seen_it():
    x, labels, folds = drawn()
    first = predict_nested(x, labels, folds)
    other = x.copy()
    other[folds == 3] = -other[folds == 3]
    second = predict_nested(other, np.where(folds == 3, ~labels, labels), folds)
    third = predict_nested(x, np.where(folds == 3, ~labels, labels), folds)
    np.testing.assert_array_equal(first[folds == 3], third[folds == 3])
    assert not np.array_equal(first[folds != 3], second[folds != 3])


def test_platt_finds_the_logit():
    rng = np.random.default_rng(0)
    decisions = rng.normal(size=20_000)
    labels = rng.random(20_000) < sigmoid(2 * decisions - 1)
    slope, intercept = fit_platt(decisions, labels)
    assert slope == pytest.approx(2, abs=0.1)
    assert intercept == pytest.approx(-1, abs=0.1)
    assert sigmoid(np.array([0.0, 800.0, -800.0])).tolist() == [0.5, 1.0, 0.0]


def test_a_constant_feature_does_no_harm():
    x, labels, folds = drawn()
    x[:, 3] = 7
    assert np.isfinite(predict_nested(x, labels, folds)).all()


def test_folds_that_cannot_be_used():
    _, labels, folds = drawn(60)
    with pytest.raises(SettingsError, match="2 folds with variants"):
        check_classes(labels, folds % 2)
    with pytest.raises(SettingsError, match="one class only in fold 3"):
        check_classes(labels | (folds == 3), folds)
    with pytest.raises(SettingsError, match="one class only outside fold 0"):
        check_classes(labels | (folds != 0), folds)
