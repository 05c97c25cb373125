import torch
from torch.nn import functional as F

from hexamer.training.objective import masked_loss


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
