import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.tokens import Tokenizer, bases_to_codes
from hexamer.training.baselines import (
    Baselines,
    MarkovModel,
    count_kmers,
    has_neighbours,
    kmer_values,
    token_log_frequencies,
)

COMPLEMENT = str.maketrans("ATCG", "TAGC")


@given(st.text("ACGTN", max_size=60), st.integers(1, 4))
def test_kmers_are_counted_on_both_strands(sequence, k):
    expected = dict.fromkeys(("".join(t) for t in itertools.product("ATCG", repeat=k)), 0)
    for strand in (sequence, sequence.translate(COMPLEMENT)[::-1]):
        for i in range(len(strand) - k + 1):
            if "N" not in (kmer := strand[i : i + k]):
                expected[kmer] += 1
    assert count_kmers([bases_to_codes(sequence)], k).tolist() == list(expected.values())


def test_pieces_of_a_long_stretch_are_counted_once():
    codes = np.random.default_rng(0).integers(0, 4, 4_000_100).astype(np.uint8)
    assert count_kmers([codes], 6).sum() == 2 * (codes.size - 5)


def test_token_frequencies_add_up_to_one():
    tokenizer = Tokenizer()
    logs = token_log_frequencies(tokenizer, count_kmers([bases_to_codes("ACGTACGGT" * 30)], 6))
    assert np.isclose(np.exp(logs).sum(), 1)
    assert np.isneginf(logs[: tokenizer.first_kmer]).all()


def test_markov_tables_are_distributions_and_chain_rule_holds():
    codes = np.random.default_rng(1).integers(0, 4, 3000).astype(np.uint8)
    markov = MarkovModel(count_kmers([codes], 3))
    logs = markov.log_kmers(3)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1)
    # p(ATC | GG) by hand: A after GG, T after GA, C after AT.
    value = {"A": 0, "T": 1, "C": 2, "G": 3}

    def base(context: str, letter: str) -> float:
        return float(markov.log_base[value[context[0]] * 4 + value[context[1]], value[letter]])

    expected = base("GG", "A") + base("GA", "T") + base("AT", "C")
    assert np.isclose(logs[3 * 4 + 3, 0 * 16 + 1 * 4 + 2], expected)


def test_scores_by_brute_force():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, 400).astype(np.uint8)
    markov = MarkovModel(count_kmers([codes], 3))
    window = rng.integers(0, 4, 30).astype(np.uint8)
    before, around = markov.score_tokens(window, np.array([10]), 3)

    def chain(sequence: list[int]) -> float:
        return sum(
            float(markov.log_base[sequence[i - 2] * 4 + sequence[i - 1], sequence[i]]) for i in range(2, len(sequence))
        )

    left, right = window[8:10].tolist(), window[13:15].tolist()
    joint = {t: chain([*left, *t, *right]) for t in itertools.product(range(4), repeat=3)}
    token = tuple(window[10:13].tolist())
    assert np.isclose(before[0], chain([*left, *token]))
    assert np.isclose(around[0], joint[token] - np.logaddexp.reduce(list(joint.values())))


def test_two_sided_scores_of_words_shorter_than_the_context():
    rng = np.random.default_rng(4)
    markov = MarkovModel(count_kmers([rng.integers(0, 4, 500).astype(np.uint8)], 4))
    window = rng.integers(0, 4, 30).astype(np.uint8)
    _, around = markov.score_tokens(window, np.array([10]), 2)

    def chain(word: tuple[int, ...]) -> float:
        bases = [*window[7:10].tolist(), *word, *window[12:15].tolist()]
        return sum(
            float(markov.log_base[bases[i - 3] * 16 + bases[i - 2] * 4 + bases[i - 1], bases[i]]) for i in range(3, 8)
        )

    joint = {word: chain(word) for word in itertools.product(range(4), repeat=2)}
    assert np.isclose(around[0], joint[tuple(window[10:12].tolist())] - np.logaddexp.reduce(list(joint.values())))


def test_n_is_no_kmer():
    assert kmer_values(bases_to_codes("AANTT"), 2).tolist() == [0, -1, -1, 5]


@pytest.mark.parametrize(("k", "at_each_end"), [(6, 1), (3, 2)])
def test_tokens_without_neighbours_are_not_asked_for(k, at_each_end):
    tokenizer = Tokenizer("v2", k)
    codes = np.random.default_rng(5).integers(0, 4, 20 * k).astype(np.uint8)
    baselines = Baselines(tokenizer, kmers=count_kmers([codes], k), words=count_kmers([codes], 6))
    ids = np.concatenate([[3], tokenizer.encode_codes(codes)])
    asked = has_neighbours(len(ids), k)
    assert np.flatnonzero(asked).tolist() == list(range(1 + at_each_end, 21 - at_each_end))
    scores = baselines.score(codes, ids, asked, suffix="species")
    assert set(scores) == {"token_frequency_species", "markov_species", "markov_species_two_sided"}
    assert all(len(losses) == asked.sum() and np.isfinite(losses).all() for losses in scores.values())
    least = 2 * at_each_end + 2
    assert has_neighbours(least, k).sum() == 1
    with pytest.raises(SettingsError, match=f"tokens = {least - 1}; {least} or more would work"):
        has_neighbours(least - 1, k)


def test_what_was_not_fitted_says_nothing():
    tokenizer = Tokenizer()
    codes = np.random.default_rng(5).integers(0, 4, 60).astype(np.uint8)
    nothing = np.zeros(4096, dtype=np.int64)
    ids = np.concatenate([[3], tokenizer.encode_codes(codes)])
    scores = Baselines(tokenizer, kmers=nothing, words=nothing).score(
        codes, ids, has_neighbours(11, 6), suffix="pooled"
    )
    assert len(scores) == 3
    assert all(np.isnan(losses).all() for losses in scores.values())
