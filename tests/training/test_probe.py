import numpy as np
import pytest

from hexamer.errors import SettingsError
from hexamer.training.probe import ProbeSettings, Split, probe, standardise
from hexamer.training.targets import make_target

CLASSES = make_target("classes", ("a", "b", "c"))
VALUES = make_target("values", ("one", "two"))
LABELS = make_target("labels", ("x", "y"))


def drawn(count=300, seed=0):
    """Three layers of which only the second knows the class."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(3, size=count)
    vectors = rng.normal(size=(count, 3, 8)).astype(np.float32)
    vectors[np.arange(count), 1, classes] += 2.5
    rows = rng.permutation(count)
    return vectors, classes, Split(rows[:150], rows[150:220], rows[220:])


def test_the_layer_that_knows_is_found_and_the_test_rows_choose_nothing():
    vectors, classes, split = drawn()
    found = probe(vectors, classes, split, CLASSES)
    assert found.layer == 1
    assert found.test > 0.6
    assert found.predictions.shape == (80, 3)
    np.testing.assert_allclose(found.predictions.sum(1), 1, atol=1e-5)
    turned = classes.copy()
    turned[split.test] = (turned[split.test] + 1) % 3
    other = probe(vectors, turned, split, CLASSES)
    np.testing.assert_array_equal(other.predictions, found.predictions)
    kept = ["layer", "method", "setting", "validation"]
    assert other.table[kept].equals(found.table[kept])


def test_methods_and_layers_can_be_chosen():
    vectors, classes, split = drawn()
    seen = []
    settings = ProbeSettings(methods=("logistic", "mlp"), layers=(1, -1))
    found = probe(vectors, classes, split, CLASSES, settings=settings, advance=seen.append)
    assert found.table[["layer", "method"]].to_numpy().tolist() == [
        [1, "logistic"],
        [1, "mlp"],
        [2, "logistic"],
        [2, "mlp"],
    ]
    assert sum(seen) == 4
    assert found.table["test"].iloc[1] > 0.4 > found.table["test"].iloc[3]


@pytest.mark.parametrize("method", ["logistic", "ridge", "mlp"])
def test_values(method):
    vectors, classes, split = drawn()
    targets = np.stack([classes == 0, classes * 10.0 + 100], axis=1).astype(np.float32)
    targets[split.train[:5], 0] = np.nan
    found = probe(vectors, targets, split, VALUES, settings=ProbeSettings(methods=(method,)))
    assert found.layer == 1
    assert found.test > 0.5
    assert found.predictions.shape == (80, 2)


def test_labels_that_are_unknown_or_of_one_class():
    vectors, classes, split = drawn()
    targets = np.stack([classes == 0, np.zeros(len(classes))], axis=1).astype(np.float32)
    targets[split.train[::3], 0] = np.nan
    found = probe(vectors, targets, split, LABELS)
    assert found.layer == 1
    assert found.test > 0.8  # of the first; the second has no AUROC
    assert np.ptp(found.predictions[:, 1]) == 0


def test_a_class_that_training_never_saw_has_probability_0():
    vectors, classes, split = drawn()
    train = split.train[classes[split.train] != 2]
    found = probe(vectors, classes, split._replace(train=train), CLASSES)
    assert (found.predictions[:, 2] == 0).all()


def test_perceptrons_of_few_rows_and_of_a_class_with_one_row():
    vectors, classes, split = drawn()
    settings = ProbeSettings(methods=("mlp",), layers=(1,))
    for train in (
        split.train[:8],
        [*split.train[classes[split.train] != 2], split.train[classes[split.train] == 2][0]],
    ):
        few = split._replace(train=np.asarray(train))
        assert probe(vectors, classes, few, CLASSES, settings=settings).predictions.shape == (80, 3)
    values = vectors[:, 1, :2].copy()
    few = split._replace(train=split.train[:8])
    assert probe(vectors, values, few, VALUES, settings=settings).predictions.shape == (80, 2)


def test_standardised_by_training_rows_alone():
    vectors = np.array([[1.0, 5.0], [3.0, 5.0], [100.0, 7.0]], dtype=np.float32)
    found = standardise(vectors, np.array([0, 1]))
    np.testing.assert_allclose(found, [[-1, 0], [1, 0], [98, 2]])


def test_mistakes():
    vectors, classes, split = drawn(30)
    with pytest.raises(SettingsError, match=r"layers .*the model has 0 to 2"):
        probe(vectors, classes, split, CLASSES, settings=ProbeSettings(layers=(3,)))
    with pytest.raises(SettingsError, match="hexamer finetune would work"):
        probe(vectors, classes, split, make_target("bases", ("a", "b")))
    with pytest.raises(SettingsError, match="methods forest; logistic, ridge, mlp would work"):
        ProbeSettings(methods=("forest",))
