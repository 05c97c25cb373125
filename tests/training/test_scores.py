import math

import numpy as np
import pytest
from sklearn import metrics

from hexamer.training.scores import CHOSEN, all_scores, resample_score
from hexamer.training.targets import TARGETS, make_target

RNG = np.random.default_rng(5)


def cases():
    three = RNG.dirichlet(np.ones(3), 60)
    labels = RNG.integers(0, 2, (60, 2)).astype(float)
    labels[::5, 1] = np.nan
    values = RNG.normal(size=(60, 2))
    bases = RNG.integers(-1, 3, (6, 20))
    return {
        "classes": (RNG.integers(0, 3, 60), three, ("a", "b", "c")),
        "labels": (labels, RNG.random((60, 2)), ("a", "b")),
        "values": (values, values + RNG.normal(size=(60, 2)), ("a", "b")),
        "bins": (values, values + RNG.normal(size=(60, 2)), ("a", "b")),
        "bases": (np.where(bases < 0, -100, bases), RNG.dirichlet(np.ones(3), (6, 20)), ("none", "a", "b")),
    }


@pytest.mark.parametrize("kind", TARGETS)
def test_the_chosen_statistic_is_the_targets_own_score(kind):
    targets, predictions, names = cases()[kind]
    target = make_target(kind, names)
    found = all_scores(target, targets, predictions)
    assert next(iter(found)) == CHOSEN[kind]
    assert found[CHOSEN[kind]] == pytest.approx(target.score(targets, predictions))
    assert CHOSEN.keys() == TARGETS.keys()


def test_classes_as_scikit_learn_has_them():
    wanted, chances, names = cases()["classes"]
    found, said = all_scores(make_target("classes", names), wanted, chances), chances.argmax(1)
    assert found.keys() == {"mcc", "accuracy", "f1"}
    assert found["f1"] == pytest.approx(metrics.f1_score(wanted, said, average="macro"))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(wanted, said))
    truth, two = (wanted > 0).astype(int), np.stack([chances[:, 0], 1 - chances[:, 0]], 1)
    found = all_scores(make_target("classes", ("no", "yes")), truth, two)
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, two.argmax(1)))
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(truth, two[:, 1]))
    assert found["auprc"] == pytest.approx(metrics.average_precision_score(truth, two[:, 1]))


def test_values_as_scikit_learn_has_them():
    wanted, predicted, names = cases()["values"]
    wanted[3, 0] = np.nan
    found = all_scores(make_target("values", names), wanted, predicted)
    known = ~np.isnan(wanted)
    for name, statistic in (("r2", metrics.r2_score), ("mse", metrics.mean_squared_error)):
        each = [statistic(wanted[known[:, i], i], predicted[known[:, i], i]) for i in range(2)]
        assert found[name] == pytest.approx(np.mean(each))


def test_bases_without_a_class_count_nothing():
    wanted, chances, names = cases()["bases"]
    target = make_target("bases", names)
    found = all_scores(target, wanted, chances)
    assert list(found) == ["auprc", "auprc a", "auprc b", "top_k", "top_k a", "top_k b"]
    other = np.where((wanted == -100)[..., None], RNG.random(chances.shape), chances)
    assert all_scores(target, wanted, other) == found
    known = wanted != -100
    assert found["auprc b"] == pytest.approx(metrics.average_precision_score(wanted[known] == 2, chances[known][:, 2]))
    wanted[wanted == 2] = 0
    found = all_scores(target, wanted, chances)
    assert math.isnan(found["top_k b"])
    assert found["top_k"] == found["top_k a"]


@pytest.mark.parametrize("kind", ["classes", "labels", "values", "bins"])
def test_resamples_are_of_the_targets_own_score(kind):
    targets, predictions, names = cases()[kind]
    target = make_target(kind, names)
    found = resample_score(target, targets, predictions, n=300)
    assert found.estimate == pytest.approx(target.score(targets, predictions))
    estimate, low, high, reason = found.interval()
    assert low < estimate < high
    assert not reason
    again = resample_score(target, targets, predictions, n=300)
    np.testing.assert_array_equal(again.draws, found.draws)


def test_resamples_of_bases_are_of_whole_sequences():
    targets, predictions, names = cases()["bases"]
    target = make_target("bases", names)
    found = resample_score(target, targets, predictions, n=100)
    assert found.estimate == pytest.approx(target.score(targets, predictions))
    assert found.draws.shape == (20,)
    low, high = found.interval()[1:3]
    assert low <= found.estimate <= high
    alone = resample_score(target, targets[:1], predictions[:1], n=100)
    np.testing.assert_allclose(alone.draws, alone.estimate)


def test_a_label_that_is_rare_does_not_take_the_interval():
    rng = np.random.default_rng(2)
    labels = np.zeros((300, 20))
    labels[:150, ::2] = 1
    labels[:2, 1::2] = 1  # often in no draw
    predictions = labels + rng.normal(size=labels.shape)
    found = resample_score(make_target("labels", tuple(map(str, range(20)))), labels, predictions, n=200)
    assert np.isfinite(found.draws).all()
    assert found.interval().low < found.estimate
