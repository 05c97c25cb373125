import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.tokens import MASK_ID, Masking, Tokenizer, mask_tokens

TOKENIZERS = [Tokenizer("v1"), Tokenizer("v2"), Tokenizer("v2", 3)]


def batch_of(tokenizer: Tokenizer, rows: list[str]) -> np.ndarray:
    ids = tokenizer.encode(rows)
    batch = np.ones((len(ids), max(map(len, ids))), dtype=np.int32)
    for row, tokens in zip(batch, ids, strict=True):
        row[: len(tokens)] = tokens
    return batch


rows = st.lists(
    st.lists(st.one_of(st.text("ACGT", max_size=60), st.text("N", max_size=9)), max_size=5).map("".join),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(
    tokenizer=st.sampled_from(TOKENIZERS),
    rows=rows,
    rate=st.floats(0.01, 1),
    seed=st.integers(0, 99),
    share=st.floats(0, 1),
)
def test_what_is_changed(tokenizer: Tokenizer, rows: list[str], rate: float, seed: int, share: float):
    ids = batch_of(tokenizer, rows)
    before = ids.copy()
    masking = Masking(rate=rate, mask=share, random=1 - share)
    corrupted, selected = mask_tokens(tokenizer, ids, np.random.default_rng(seed), masking=masking)

    assert (ids == before).all(), "the batch is left as it is"
    assert (corrupted.shape, corrupted.dtype, selected.dtype) == (ids.shape, np.int32, bool)
    assert (corrupted == ids)[~selected].all()
    names = np.array([*tokenizer.vocabulary])[ids]
    eligible = np.vectorize(lambda name: not name.startswith("<") and name != "N")(names)
    assert not selected[~eligible].any(), "special tokens, pads and N are never selected"
    counts = eligible.sum(axis=1)
    assert selected.sum(axis=1).tolist() == [max(1, round(rate * int(n))) if n else 0 for n in counts]
    # mask + random = 1: every selected token is masked or another one.
    assert (corrupted != ids)[selected].all()
    replaced = corrupted[selected & (corrupted != MASK_ID)]
    assert ((replaced >= tokenizer.first_kmer) & (replaced < tokenizer.n_id)).all(), "never special, never N"


def test_shares_are_the_published_ones():
    tokenizer = Tokenizer()
    rng = np.random.default_rng(0)
    ids = rng.integers(tokenizer.first_kmer, tokenizer.n_id, size=(200, 1001)).astype(np.int32)
    ids[:, 0] = 3
    corrupted, selected = mask_tokens(tokenizer, ids, rng)
    assert (selected.sum(axis=1) == 150).all()
    total = selected.sum()  # 30,000; four standard deviations are 0.92 % and 0.69 %
    masked = (corrupted[selected] == MASK_ID).sum() / total
    kept = (corrupted == ids)[selected].sum() / total
    assert masked == pytest.approx(0.8, abs=0.0093)
    assert kept == pytest.approx(0.1, abs=0.007)
    assert 1 - masked - kept == pytest.approx(0.1, abs=0.007)
    # Every place is as likely as any other: 30 selections expected in each of 1,000, none beyond six deviations.
    assert selected[:, 0].sum() == 0
    assert abs(selected[:, 1:].sum(axis=0) - 30).max() < 6 * np.sqrt(30 * 0.85)


def test_random_tokens_are_spread_over_all_but_the_original():
    tokenizer = Tokenizer("v2", 3)
    ids = np.full((1, 6001), tokenizer.kmer_id("AAT"), dtype=np.int32)
    corrupted, _ = mask_tokens(tokenizer, ids, np.random.default_rng(1), masking=Masking(rate=1, mask=0, random=1))
    counts = np.bincount(corrupted[0], minlength=tokenizer.size)
    allowed = np.setdiff1d(np.arange(tokenizer.first_kmer, tokenizer.n_id), [ids[0, 0]])
    assert set(np.flatnonzero(counts)) == set(allowed.tolist())
    expected = 6001 / len(allowed)
    chi_square = ((counts[allowed] - expected) ** 2 / expected).sum()
    assert chi_square < len(allowed) - 1 + 6 * np.sqrt(2 * len(allowed))


def test_a_rate_of_one_hides_everything():
    tokenizer = Tokenizer("v1")
    ids = batch_of(tokenizer, ["ACGTAC" * 5 + "N" + "AC"])
    corrupted, selected = mask_tokens(
        tokenizer, ids, np.random.default_rng(0), masking=Masking(rate=1, mask=1, random=0)
    )
    assert selected.tolist() == [[False, *[True] * 5, False, True, True]]
    assert tokenizer.decode(corrupted[0]) == "<mask>" * 5 + "N" + "<mask>" * 2


def test_chance_comes_from_the_generator_alone():
    tokenizer = Tokenizer()
    ids = batch_of(tokenizer, ["ACGTAC" * 40, "TTTGGC" * 40])
    results = [mask_tokens(tokenizer, ids, np.random.default_rng(seed)) for seed in (4, 4, 5)]
    assert (results[0][0] == results[1][0]).all()
    assert (results[0][1] == results[1][1]).all()
    assert (results[0][1] != results[2][1]).any()


def test_a_row_without_anything_to_learn():
    tokenizer = Tokenizer()
    ids = batch_of(tokenizer, ["NNNN", "ACGTAC"])
    corrupted, selected = mask_tokens(tokenizer, ids, np.random.default_rng(0))
    assert selected.sum(axis=1).tolist() == [0, 1]
    assert (corrupted[0] == ids[0]).all()


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"rate": 1.1}, {"mask": -0.1}, {"random": -1}, {"mask": 0.8, "random": 0.3}]
)
def test_impossible_shares(wrong):
    with pytest.raises(SettingsError, match="a rate in"):
        Masking(**wrong)
