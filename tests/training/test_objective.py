import copy

import torch
from torch.nn import functional as F

from hexamer.training.objective import MaskedObjective, masked_loss


def test_loss_is_cross_entropy_at_the_selected_tokens_only(model):
    ids = torch.randint(6, 4102, (3, 20), generator=torch.Generator().manual_seed(1))
    selected = torch.zeros(3, 20, dtype=torch.bool)
    selected[0, 4] = selected[2, 7] = True
    corrupted = ids.masked_fill(selected, 2)
    got = masked_loss(model, ids, corrupted, selected)
    logits = model(corrupted).logits
    expected = F.cross_entropy(logits[0, 4], ids[0, 4]) + F.cross_entropy(logits[2, 7], ids[2, 7])
    torch.testing.assert_close(got.total, expected, atol=1e-4, rtol=1e-5)
    right = int(logits[0, 4].argmax() == ids[0, 4]) + int(logits[2, 7].argmax() == ids[2, 7])
    assert (int(got.correct), got.asked) == (right, 2)


def test_bf16_is_near_and_its_loss_is_float32(model):
    ids = torch.randint(6, 4102, (2, 30), generator=torch.Generator().manual_seed(2))
    exact, rounded = (masked_loss(model, ids, ids, ids % 3 == 0, bf16=bf16) for bf16 in (False, True))
    assert rounded.total.dtype == torch.float32
    assert exact.total != rounded.total
    torch.testing.assert_close(exact.total, rounded.total, rtol=0.05, atol=0)


def test_weights_scale_the_loss_and_none_is_asked_for_at_zero(model):
    ids = torch.randint(6, 4102, (2, 20), generator=torch.Generator().manual_seed(1))
    weights = torch.zeros(2, 20)
    weights[0, 4], weights[1, 7] = 1.0, 0.25
    total, _ = MaskedObjective(model)(ids, ids, weights)
    logits = model(ids).logits
    expected = F.cross_entropy(logits[0, 4], ids[0, 4]) + 0.25 * F.cross_entropy(logits[1, 7], ids[1, 7])
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-5)
    total, correct = MaskedObjective(model)(ids, ids, torch.zeros(2, 20))
    assert (float(total), int(correct)) == (0, 0)


def test_chunks_give_the_loss_and_the_gradients_of_the_whole(model, monkeypatch):
    model = copy.deepcopy(model).requires_grad_(True)
    ids = torch.randint(6, 4102, (2, 30), generator=torch.Generator().manual_seed(2))
    weights = (ids % 3 == 0).float() * 0.5
    found = []
    for chunk in (8192, 3):
        monkeypatch.setattr("hexamer.training.objective.CHUNK", chunk)
        model.zero_grad()
        total, correct = MaskedObjective(model)(ids, ids, weights)
        total.backward()
        found.append([total.detach(), correct, *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_pads_are_never_asked_for(model):
    ids = torch.randint(6, 4102, (2, 20), generator=torch.Generator().manual_seed(1))
    ids[1, 12:] = 1
    everywhere = masked_loss(model, ids, ids, torch.ones_like(ids, dtype=torch.bool))
    tokens = masked_loss(model, ids, ids, ids != 1)
    assert (
        (everywhere.asked, int(everywhere.correct)) == (tokens.asked, int(tokens.correct)) == (32, int(tokens.correct))
    )
    assert torch.equal(everywhere.total, tokens.total)
