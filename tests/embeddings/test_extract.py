import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hexamer.embeddings import embed
from hexamer.embeddings.extract import plan_windows
from hexamer.errors import SequenceError, SettingsError
from hexamer.genome import Genome, Interval

SEQUENCES = [
    ("a", "ACGTTGCA" * 30),
    ("b", "acgtNNacgRt"),
    ("c", "A"),
    ("long", "ACGTTGACCA" * 300),
    ("e", "GATTACA" * 9),
]


@given(st.integers(0, 500), st.integers(1, 40))
def test_every_token_counts_in_exactly_one_window(tokens, longest):
    windows = plan_windows(tokens, longest)
    counted = [start + i - 1 for start, _, keep in windows for i in range(keep.start, keep.stop)]
    assert counted == list(range(tokens))
    assert all(0 <= start <= end <= tokens and end - start <= longest for start, end, _ in windows)
    assert all(keep.start >= 1 and keep.stop <= end - start + 1 for start, end, keep in windows)


@pytest.mark.parametrize("pool", ["mean", "max", "cls", "none"])
@pytest.mark.parametrize("layer", [0, 1, -1])
def test_batch_size_and_order_do_not_change_results(model, pool, layer):
    whole = embed(model, SEQUENCES, layer=layer, pool=pool)
    alone = np.concatenate([embed(model, [s], layer=layer, pool=pool).X for s in SEQUENCES])
    np.testing.assert_allclose(whole.X, alone, atol=1e-5)
    small = embed(model, SEQUENCES, layer=layer, pool=pool, token_budget=1)
    np.testing.assert_allclose(whole.X, small.X, atol=1e-5)


def test_mean_is_the_mean_of_the_tokens_of_a_plain_forward_pass(model):
    ids = model.tokenizer.encode(["ACGTTGCA" * 30])[0]
    hidden = model(torch.as_tensor(ids)[None], layers=(1,)).hidden[1][0, 1:]
    np.testing.assert_allclose(embed(model, [SEQUENCES[0]], layer=1).X[0], hidden.mean(0), atol=1e-5)


def test_long_sequences_keep_their_middle_tokens(model):
    """A token far from any window's edge has the vector that a window centred elsewhere gives, near enough in layer
    1."""
    found = embed(model, [SEQUENCES[3]], pool="none", layer=0)
    ids = model.tokenizer.encode([SEQUENCES[3][1]])[0][1:]
    np.testing.assert_allclose(found.X, model.embed_tokens.weight[torch.as_tensor(ids)], atol=1e-6)
    assert found.obs["token"].tolist() == list(range(500))
    assert found.obs["end"].iloc[-1] == 3000


def test_rows_come_back_with_reasons(model, genome):
    places = [
        Interval("20", 100, 700),
        Interval("nowhere", 0, 5),
        Interval("20", 8990, 9001),
        Interval("20", 4000, 4020),
    ]
    found = embed(model, places, genome)
    assert found.obs["reason"].tolist() == ["", "contig_missing", "past_end", ""]
    assert np.isnan(found.X).all(axis=1).tolist() == [False, True, True, False]
    assert found.obs["n"].tolist() == [0, 0, 0, 20]
    assert embed(model, [("x", "")]).obs["reason"].tolist() == ["empty"]


def test_strand_is_read_and_token_coordinates_are_genomic(model, genome: Genome):
    forward = embed(model, [genome.fetch("20", 200, 260)]).X
    np.testing.assert_allclose(embed(model, [Interval("chr20", 200, 260)], genome).X, forward, atol=1e-5)
    minus = embed(model, [Interval("20", 200, 262, "-")], genome, pool="none").obs
    assert (minus["start"].iloc[0], minus["end"].iloc[0]) == (256, 262)
    assert (minus["start"].iloc[-1], minus["end"].iloc[-1]) == (200, 201)


def test_settings_say_what_was_computed_with(model):
    assert embed(model, ["ACGT"]).uns["hexamer"]["precision"] == "exact"


def test_mistakes(model):
    with pytest.raises(SettingsError, match="token_budget 0"):
        embed(model, ["ACGT"], token_budget=0)
    with pytest.raises(SettingsError, match="not one string"):
        embed(model, "ACGT")
    with pytest.raises(SettingsError, match="intervals need a genome"):
        embed(model, [Interval("20", 0, 5)])
    with pytest.raises(SettingsError, match="layer 3 does not exist"):
        embed(model, ["ACGT"], layer=3)
    with pytest.raises(SequenceError, match="no sequence"):
        embed(model, [])
