import numpy as np
import pytest

from hexamer.benchmark import methods as module
from hexamer.benchmark.methods import BASELINES, ENCODER_METHODS, METHODS, Methods, check_methods
from hexamer.benchmark.task_data import Split
from hexamer.errors import SettingsError
from hexamer.model.adapters import AdapterSettings
from hexamer.training.fitting import FitSettings
from hexamer.training.targets import make_target

FIT = FitSettings(steps=2, batch=4, evaluate_every=1)
LEARN, CHOOSE = np.arange(6, 46), np.arange(46, 60)
"""Training rows; the first six are of no use."""


WORDS = ("GCGCCC", "CGGCCG", "GGGCCA", "CCTGCG", "ATATTA", "TTAAAA", "GAATAT", "TTTCAA")
"""Four with many G and C, four with few: an encoder of random weights knows words, not their letters."""


def drawn(kind, count, seed):
    """Sequences of 42 to 60 bases, and what their share of G and C makes of them."""
    rng = np.random.default_rng(seed)
    shares = rng.choice([0.05, 0.2], size=count)
    rows = [rng.choice(WORDS, size=rng.integers(7, 11), p=[p] * 4 + [0.25 - p] * 4) for p in shares]
    sequences = ["".join(row) for row in rows]
    values = np.array([[(each.count("G") + each.count("C")) / len(each)] for each in sequences])
    if kind == "classes":
        return Split(sequences, (values[:, 0] > 0.5).astype(np.int64))
    if kind == "labels":
        labels = np.hstack([values > 0.5, values < 0.4]).astype(np.float64)
        labels[::7, 1] = np.nan
        return Split(sequences, labels)
    return Split(sequences, values)


def target_of(kind, train):
    names = {"classes": ("low", "high"), "labels": ("high", "low")}
    return make_target(kind, names.get(kind, ("gc",))).fitted(train.targets)


def prepared(model, kind, seed=1):
    train, test = drawn(kind, 60, seed), drawn(kind, 20, seed + 1)
    return Methods(model, train, test, target_of(kind, train))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The large network, made small: only its size is another."""
    monkeypatch.setitem(module.CHANNELS, "cnn-large", 65)


def test_the_list_of_methods():
    assert (*ENCODER_METHODS, *(f"random-{name}" for name in ENCODER_METHODS), *BASELINES) == METHODS
    assert BASELINES == ("kmer", "weight-array", "cnn", "cnn-large")


@pytest.mark.parametrize("kind", ["classes", "values"])
@pytest.mark.parametrize("method", [each for each in METHODS if each != "weight-array"])
def test_every_method_predicts_the_test_rows(model, method, kind):
    ready = prepared(model, kind)
    found = ready.run(method, LEARN, CHOOSE, FIT)
    assert found.predictions.shape == (20, 2 if kind == "classes" else 1)
    assert np.isfinite(found.predictions).all()
    if kind == "classes":
        np.testing.assert_allclose(found.predictions.sum(1), 1, atol=1e-5)
    name = method.removeprefix("random-")
    if name in ("probe", "mlp"):
        assert found.facts.keys() == {"layer"}
    elif name == "kmer":
        assert found.facts["k"] in (3, 4, 5, 6)
        assert found.facts["setting"].startswith("C ")
    else:
        assert found.facts.keys() == {"best_step", "trained", "weights", "history"}
        assert 0 < found.facts["trained"] <= found.facts["weights"]
        assert (found.facts["trained"] == found.facts["weights"]) == (name in ("full", "cnn", "cnn-large"))
    assert -1 <= found.validation <= 1


@pytest.mark.parametrize("method", ["head", "ia3", "random-full", "weight-array", "cnn"])
def test_methods_for_classes_of_bases(model, method):
    """A site behind each GAATAT, which is one of the words."""
    parts = []
    for count, seed in ((60, 1), (20, 2)):
        sequences = drawn("classes", count, seed).sequences
        targets = np.full((count, max(map(len, sequences))), -100, dtype=np.int8)
        for row, sequence in zip(targets, sequences, strict=True):
            row[: len(sequence)] = 0
            places = [i + 5 for i in range(len(sequence) - 5) if sequence[i : i + 6] == "GAATAT"]
            row[places] = 1
        parts.append(Split(sequences, targets))
    ready = Methods(model, *parts, make_target("bases", ("none", "site")))
    found = ready.run(method, LEARN, CHOOSE, FIT)
    assert found.predictions.shape == (*parts[1].targets.shape, 2)
    known = parts[1].targets >= 0
    np.testing.assert_allclose(found.predictions[known].sum(-1), 1, atol=1e-5)
    if method == "weight-array":
        assert found.facts.keys() == {"order"}
        assert ready.target.score(parts[1].targets, found.predictions) > 0.9


def test_methods_that_do_not_answer_for_a_kind():
    for kind, wrong in (("bases", ("probe", "mlp", "kmer", "random-probe")), ("classes", ("weight-array",))):
        check_methods([each for each in METHODS if each not in (*wrong, "random-mlp")], kind)
        for method in wrong:
            with pytest.raises(SettingsError, match=f"methods {method}: not for tasks of {kind}"):
                check_methods(("cnn", method), kind)


@pytest.mark.parametrize("method", ["probe", "ia3", "kmer", "cnn"])
def test_labels_some_of_which_are_unknown(model, method):
    found = prepared(model, "labels").run(method, LEARN, CHOOSE, FIT)
    assert found.predictions.shape == (20, 2)
    assert ((found.predictions > 0) & (found.predictions < 1)).all()


@pytest.mark.parametrize(("method", "least"), [("probe", 0.7), ("mlp", 0.7), ("ia3", 0.5), ("kmer", 0.7), ("cnn", 0.7)])
def test_what_can_be_learnt_is_learnt(model, method, least):
    ready = prepared(model, "classes")
    found = ready.run(method, LEARN, CHOOSE, FitSettings(steps=40, rate=0.02, batch=8, evaluate_every=10))
    assert ready.target.score(ready.test.targets, found.predictions) > least
    assert found.validation > least


@pytest.mark.parametrize("method", ["probe", "mlp", "random-probe", "ia3", "head", "kmer", "cnn"])
def test_neither_test_rows_nor_rows_of_no_use_choose_anything(model, method):
    ready = prepared(model, "classes")
    found = ready.run(method, LEARN, CHOOSE, FIT)
    turned = ready.train.targets.copy()
    turned[:6] = 1 - turned[:6]
    test = Split(ready.test.sequences, 1 - ready.test.targets)
    other = Methods(model, Split(ready.train.sequences, turned), test, ready.target).run(method, LEARN, CHOOSE, FIT)
    np.testing.assert_array_equal(other.predictions, found.predictions)
    assert other[1:] == found[1:]


def test_vectors_are_computed_once_for_all_folds(model, monkeypatch):
    calls, embed = [], module.embed_layers

    def spy(encoder, sequences):
        calls.append((encoder is model, len(sequences)))
        return embed(encoder, sequences)

    monkeypatch.setattr(module, "embed_layers", spy)
    ready = prepared(model, "classes")
    for method in ("probe", "random-probe", "mlp"):
        for _ in range(2):
            ready.run(method, LEARN, CHOOSE, FIT)
    assert calls == [(True, 60), (True, 20), (False, 60), (False, 20)]


def test_each_way_of_fine_tuning_has_its_adapter_and_its_encoder(model, monkeypatch):
    seen = []

    def spy(encoder, train, validation, target, *, settings):
        fit = settings.fit
        seen.append((encoder is model, fit.adapter.kind, fit.rate, fit.seed, len(train.sequences)))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "finetune", spy)
    fit = FitSettings(adapter=AdapterSettings(rank=3), seed=4)
    for method in ("ia3", "lora", "full", "head", "random-ia3", "random-full"):
        with pytest.raises(KeyboardInterrupt):
            prepared(model, "classes").run(method, LEARN, CHOOSE, fit)
    assert seen == [
        (True, "ia3", 3e-3, 4, 40),
        (True, "lora", 3e-3, 4, 40),
        (True, "full", 3e-3, 4, 40),
        (True, "head", 3e-3, 4, 40),
        (False, "ia3", 3e-3, 4, 40),
        (False, "full", 3e-3, 4, 40),
    ]
