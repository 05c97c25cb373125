from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hexamer.benchmark.baselines import CHANNELS, ConvolutionalNetwork, as_numbers, count_kmers, fit_network
from hexamer.training.fitting import FitSettings
from hexamer.training.targets import make_target

CLASSES = make_target("classes", ("low", "high"))
LETTERS = "ATCG"
"""In the tokenizer's order."""


@given(st.lists(st.text("ACGTacgtNRx", max_size=30), max_size=4), st.integers(1, 4))
def test_kmers_are_counted_as_a_dictionary_counts_them(sequences, k):
    found = count_kmers(sequences, k)
    assert found.shape == (len(sequences), 4**k)
    assert found.dtype == np.float32
    words = ["".join(word) for word in product(LETTERS, repeat=k)]
    for row, sequence in zip(found.toarray(), sequences, strict=True):
        whole = sequence.upper()
        wanted = Counter(whole[i : i + k] for i in range(len(whole) - k + 1))
        assert row.tolist() == [wanted[word] for word in words]


def test_bases_as_numbers():
    assert as_numbers(["aTCG", "N", ""]).tolist() == [[0, 1, 2, 3], [4, 5, 5, 5], [5, 5, 5, 5]]
    assert as_numbers([]).shape == (0, 1)


@pytest.mark.parametrize(("name", "weights"), [("cnn", 117_762), ("cnn-large", 28_426_242)])
def test_the_sizes_of_the_networks(name, weights):
    with torch.device("meta"):
        network = ConvolutionalNetwork(CLASSES, CHANNELS[name])
    assert sum(parameter.numel() for parameter in network.parameters()) == weights
    assert len(network.dilated) == 9
    assert [layer.dilation[0] for layer in network.dilated] == [2, 4, 8, 16, 32, 64, 128, 256, 512]


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = ConvolutionalNetwork(CLASSES, 8)
    return found.eval()


def test_padding_and_company_change_nothing(network):
    sequences = ["ACGTGTACAGGATT" * 5, "GGCN", "TTTAAACCC" * 20, "A", "ACGTACNNNGTACGTAAC"]
    whole = network.predict(as_numbers(sequences))
    assert (whole.shape, whole.dtype) == ((5, 2), np.float32)
    assert np.ptp(whole[:, 0]) > 1e-4
    for sequence, row in zip(sequences, whole, strict=True):
        bases = as_numbers([sequence])
        np.testing.assert_allclose(network.predict(bases)[0], row, atol=1e-6)
        longer = np.pad(bases, ((0, 0), (0, 70)), constant_values=5)
        np.testing.assert_allclose(network.predict(longer)[0], row, atol=1e-6)
    # N is a base that is not known, no end.
    assert abs(network.predict(as_numbers(["GGCNNN"])) - network.predict(as_numbers(["GGC"]))).max() > 1e-4


def test_many_sequences_go_through_piece_by_piece(network, monkeypatch):
    bases = as_numbers(["ACGTGT", "GGTTAA", "CCCCC"] * 3)
    whole = network.predict(bases)
    monkeypatch.setattr("hexamer.benchmark.baselines._PIECE", 2)
    np.testing.assert_allclose(network.predict(bases), whole, atol=1e-6)


def drawn(count, seed):
    """Sequences of 30 to 40 bases with much or little G and C, and whether it is much."""
    rng = np.random.default_rng(seed)
    high = rng.integers(2, size=count)
    rows = [rng.choice(list("GCAT"), size=rng.integers(30, 41), p=[p, p, 0.5 - p, 0.5 - p]) for p in 0.15 + 0.2 * high]
    return ["".join(row) for row in rows], high


TRAIN, HELD = drawn(60, 1), drawn(30, 2)
FIT = FitSettings(steps=16, rate=4e-3, batch=8, evaluate_every=8)


def test_a_network_learns_and_keeps_the_weights_that_did_best():
    state, seen = torch.get_rng_state(), []
    network, fitted = fit_network(TRAIN, HELD, CLASSES, FIT, channels=8, advance=seen.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert [record["step"] for record in seen] == list(range(1, 17))
    assert fitted.best_score > 0.5
    assert CLASSES.score(HELD[1], network.predict(as_numbers(HELD[0]))) == fitted.best_score
    assert not network.training


def test_the_same_seed_gives_the_same_network_in_one_part_or_several():
    short = FitSettings(steps=3, rate=1e-3, batch=7, evaluate_every=3)
    found = [
        fit_network(TRAIN, HELD, CLASSES, settings, channels=8)[0].predict(as_numbers(HELD[0]))
        for settings in (
            short,
            short,
            FitSettings(steps=3, rate=1e-3, batch=7, evaluate_every=3, accumulate=3),
            FitSettings(steps=3, rate=1e-3, batch=7, evaluate_every=3, seed=1),
        )
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)
    assert abs(found[0] - found[3]).max() > 1e-3


@pytest.mark.parametrize("kind", ["labels", "values", "bins"])
def test_other_targets_of_sequences(kind):
    target = make_target(kind, ("x", "y"))
    known = np.stack([TRAIN[1], 1 - TRAIN[1]], axis=1).astype(np.float32)
    known[::5, 0] = np.nan
    held = np.stack([HELD[1], 1 - HELD[1]], axis=1).astype(np.float32)
    fit = FitSettings(steps=2, rate=2e-3, batch=8, evaluate_every=2)
    network, _ = fit_network((TRAIN[0], known), (HELD[0], held), target, fit, channels=8)
    found = network.predict(as_numbers(HELD[0]))
    assert found.shape == (30, 2)
    assert np.isfinite(found).all()
    if kind != "values":
        assert ((found > 0) & (found < 1)).all()


def test_a_network_answers_for_every_base():
    network = ConvolutionalNetwork(make_target("bases", ("none", "site", "end")), channels=8)
    bases = as_numbers(["ACGTACGT", "ACG"])
    found = network.predict(bases)
    assert found.shape == (2, 8, 3)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(network.predict(bases[1:, :3])[0], found[1, :3], atol=1e-6)
    targets = torch.full((2, 8), -100)
    targets[0, :4] = torch.tensor([0, 1, 2, 0])
    loss, _ = network(torch.as_tensor(bases), targets, torch.ones(2, 1))
    wanted = -np.log(found[0, np.arange(4), [0, 1, 2, 0]]).mean()
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
