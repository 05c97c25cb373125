import math

import pytest
import torch

from hexamer.model.attention import attend, attention_weights


def draw(tokens: int, keep: str):
    torch.manual_seed(tokens)
    query, key, value = (2 * torch.randn(3, 4, tokens, 6) for _ in range(3))
    hidden = None
    if keep != "none":
        hidden = torch.ones(3, tokens, dtype=torch.bool)
        if keep == "some":
            hidden[0, tokens // 2 + 1 :] = False
            hidden[1, 1:] = False
    return query, key, value, hidden


@pytest.mark.parametrize("tokens", [1, 2, 17])
@pytest.mark.parametrize("keep", ["none", "all", "some"])
def test_attend_is_the_map_times_the_values(tokens: int, keep: str):
    query, key, value, hidden = draw(tokens, keep)
    weights = attention_weights(query, key, hidden)
    torch.testing.assert_close(attend(query, key, value, hidden), weights @ value, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, tokens))
    if hidden is not None:
        assert (weights.masked_select(~hidden[:, None, None, :].expand_as(weights)) == 0).all()


def test_the_formula_by_hand():
    query = torch.tensor([[[[1.0, 2.0], [0.0, 0.0], [1.0, -1.0]]]])
    key = torch.tensor([[[[0.5, 1.0], [2.0, -1.0], [9.0, 9.0]]]])
    weights = attention_weights(query, key, torch.tensor([[True, True, False]]))[0, 0]
    a, b = math.exp(2.5 / math.sqrt(2)), math.exp(0.0)
    assert weights[0].tolist() == pytest.approx([a / (a + b), b / (a + b), 0.0])
    assert weights[1].tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_hidden_tokens_change_nothing():
    query, key, value, hidden = draw(9, "some")
    before = attend(query, key, value, hidden), attention_weights(query, key, hidden)
    hide = ~hidden[:, None, :, None]
    key, value = key.masked_fill(hide, 1e4), value.masked_fill(hide, -1e4)
    after = attend(query, key, value, hidden), attention_weights(query, key, hidden)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
