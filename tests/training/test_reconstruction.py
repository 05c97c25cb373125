import itertools

import numpy as np
import pytest
import torch

from hexamer.errors import SettingsError
from hexamer.tokens import MASK_ID, mask_tokens
from hexamer.training.objective import masked_loss
from hexamer.training.reconstruction import mask_windows, restore_tokens


def windows(model, count: int = 6, tokens: int = 20):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 6 * (tokens - 1))) for _ in range(count)]
    return np.stack(model.tokenizer.encode(texts))


def test_random_masks_are_those_of_training_and_asked_only_where_nothing_is_seen(model):
    ids = windows(model)
    corrupted, selected = mask_windows(model.tokenizer, ids, kind="random", seed=3)
    expected, chosen = mask_tokens(model.tokenizer, ids, np.random.default_rng(3))
    assert (corrupted == expected).all()
    assert (selected == (chosen & (expected == MASK_ID))).all()
    assert 0 < selected.sum() < chosen.sum()


@pytest.mark.parametrize("tokens", [4, 5, 20, 21])
def test_a_central_mask_hides_the_middle_token_of_each_window(model, tokens):
    ids = windows(model, tokens=tokens)
    corrupted, selected = mask_windows(model.tokenizer, ids, kind="central", seed=0)
    assert selected.sum(axis=1).tolist() == [1] * len(ids)
    assert (corrupted[selected] == MASK_ID).all()
    assert (corrupted[~selected] == ids[~selected]).all()
    place = int(selected[0].argmax())
    assert abs((place - 1) - (tokens - 1 - place)) <= 1, "as many tokens before as behind, or one more"


def test_an_unknown_kind_of_mask(model):
    with pytest.raises(SettingsError, match="masking 'middle': random or central would work"):
        mask_windows(model.tokenizer, windows(model), kind="middle", seed=0)


def test_records_add_up_to_the_training_loss(model):
    ids = windows(model)
    corrupted, selected = mask_windows(model.tokenizer, ids, kind="random", seed=1)
    found = restore_tokens(model, ids, corrupted=corrupted, selected=selected)
    loss = masked_loss(model, *(torch.as_tensor(a) for a in (ids, corrupted, selected)))
    assert found.loss.sum() == pytest.approx(float(loss.total), rel=1e-5)
    assert (found.correct.sum(), len(found.correct)) == (int(loss.correct), loss.asked)
    assert (selected[found.window, found.place]).all()
    # One window at a time gives the same records.
    alone = [
        restore_tokens(model, ids[i : i + 1], corrupted=corrupted[i : i + 1], selected=selected[i : i + 1]).loss
        for i in range(len(ids))
    ]
    np.testing.assert_allclose(np.concatenate(alone), found.loss, rtol=1e-5)


def test_bases_by_brute_force(model):
    ids = windows(model, count=2, tokens=8)
    corrupted, selected = mask_windows(model.tokenizer, ids, kind="random", seed=1)
    found = restore_tokens(model, ids, corrupted=corrupted, selected=selected)
    with torch.inference_mode():
        logits = model(torch.as_tensor(corrupted)).logits[torch.as_tensor(selected)].double().numpy()
    kmers = ["".join(letters) for letters in itertools.product("ATCG", repeat=6)]
    for row, kmer_logits, token in zip(
        range(len(logits)), logits[:, model.tokenizer.first_kmer :], ids[selected], strict=True
    ):
        shares = np.exp(kmer_logits[:4096]) / np.exp(kmer_logits[:4096]).sum()
        true = model.tokenizer.vocabulary[token]
        best = kmers[int(shares.argmax())]
        assert found.base_accuracy[row] == pytest.approx(np.mean([a == b for a, b in zip(best, true, strict=True)]))
        bases = [sum(share for share, kmer in zip(shares, kmers, strict=True) if kmer[i] == true[i]) for i in range(6)]
        assert found.base_loss[row] == pytest.approx(-np.mean(np.log(bases)), rel=1e-4)


def test_the_model_comes_back_in_its_mode(model):
    ids = windows(model, count=1)
    model.train()
    try:
        restore_tokens(model, ids, corrupted=ids, selected=ids > 3)
        assert model.training
    finally:
        model.eval()
