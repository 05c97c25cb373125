import numpy as np
import pytest

from hexamer.benchmark.artefacts import MOST_CLASSES, find_artefacts, measure_features
from hexamer.benchmark.sequences import Sequences
from hexamer.tokens import bases_to_codes


def join(texts: list[str]) -> Sequences:
    return Sequences.of([bases_to_codes(text) for text in texts])


def draw(seed: int, lengths, *, gc: float = 0.5) -> Sequences:
    rng = np.random.default_rng(seed)
    shares = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    return join(["".join(rng.choice(list("ACGT"), size, p=shares)) for size in lengths])


def test_features():
    found = measure_features(join(["ACGT", "GGNN", "", "NN"]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "length": [4, 4, 0, 2],
        "gc": [0.5, 1, 0, 0],
        "unknown": [0, 0.5, 0, 1],
    }


def test_a_length_between_others_tells_a_class():
    labels = np.arange(400) % 2
    lengths = np.where(labels == 1, 50, np.where(np.arange(400) % 4 == 0, 30, 70))
    tables = draw(0, lengths), draw(1, lengths)
    found = {each.feature: each for each in find_artefacts(*tables, (labels, labels), ("no", "yes"))}
    assert set(found) == {"length", "gc"}, "a feature without values that differ tells nothing"
    assert found["length"].auroc == found["length"].low == 1
    assert found["length"].label == "yes"
    assert found["length"].rows == 200


def test_what_has_nothing_to_do_with_a_class_tells_it_by_chance():
    labels = np.arange(400) % 2
    tables = [draw(seed, np.random.default_rng(seed).integers(30, 70, 400)) for seed in (0, 1)]
    found = find_artefacts(*tables, (labels, labels), ("no", "yes"))
    assert [each.feature for each in found] == ["length", "gc"]
    assert all(each.low < 0.5 < each.high for each in found)


def test_the_direction_is_that_of_training():
    labels = np.arange(400) % 2
    tables = draw(0, np.where(labels == 1, 50, 30)), draw(1, np.where(labels == 0, 50, 30))
    (found,) = [each for each in find_artefacts(*tables, (labels, labels), ("a", "b")) if each.feature == "length"]
    assert found.auroc == 0


def test_each_of_several_classes_against_all_others():
    labels = np.arange(300) % 3
    rows = ["G" * 20, "A" * 20, "AC" * 10]
    table = join([rows[label] for label in labels])
    found = find_artefacts(table, table, (labels, labels), ("a", "b", "c"))
    assert [(each.feature, each.label) for each in found] == [("gc", "a"), ("gc", "b"), ("gc", "c")]
    assert all(each.auroc == pytest.approx(1) for each in found)


def test_what_cannot_be_told_is_left_out():
    table = draw(0, range(20, 60))
    labels = np.arange(40)
    names = tuple(f"c{i:02}" for i in range(MOST_CLASSES + 1))
    assert find_artefacts(table, table, (labels, labels), names) == ()
    assert find_artefacts(table, table, (labels * 0, labels * 0), ("a",)) == ()
    assert find_artefacts(table, table, (labels * 0, labels % 2), ("a", "b")) == ()
    assert find_artefacts(table, table, (labels % 2, labels * 0), ("a", "b")) == ()
