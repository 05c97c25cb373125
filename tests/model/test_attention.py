import math

import pytest
import torch

from hexamer.model import native
from hexamer.model.attention import attend, attention_weights, rotary_turn, rotate

WIDTHS = [6, 16]  # torch's kernel takes the first, ours the second where it runs


def draw(tokens: int, keep: str, width: int = 16):
    torch.manual_seed(tokens)
    query, key, value = (2 * torch.randn(3, tokens, 4, width) for _ in range(3))
    hidden = None
    if keep != "none":
        hidden = torch.ones(3, tokens, dtype=torch.bool)
        if keep in ("right", "left"):
            hidden[0, tokens // 2 + 1 :] = False
            hidden[1, 1:] = False
        if keep == "left":
            hidden = hidden.flip(1)
    return query, key, value, hidden


@pytest.fixture(params=["1", "0"], ids=["native", "torch"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEXAMER_NATIVE", request.param)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("tokens", [1, 2, 17])
@pytest.mark.parametrize("keep", ["none", "all", "right", "left"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("turned", [False, True])
def test_attend_is_the_map_times_the_values(tokens: int, keep: str, width: int, turned: bool):
    query, key, value, hidden = draw(tokens, keep, width)
    turn = rotary_turn(tokens, width, query.device) if turned else None
    weights = attention_weights(query, key, hidden, turn)
    found = attend(query, key, value, hidden, turn)
    wanted = (weights @ value.transpose(1, 2)).transpose(1, 2)
    seen = torch.ones(3, tokens, dtype=torch.bool) if hidden is None else hidden
    torch.testing.assert_close(found[seen], wanted[seen], atol=5e-6, rtol=1e-5)
    assert found.isfinite().all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4, tokens))
    if hidden is not None:
        assert (weights.masked_select(~hidden[:, None, None, :].expand_as(weights)) == 0).all()


@pytest.mark.skipif(native.why_not(torch.float32) != "", reason=f"NOT CHECKED: {native.why_not(torch.float32)}")
@pytest.mark.parametrize(("keep", "taken"), [("none", True), ("all", True), ("right", True), ("left", False)])
def test_our_kernel_is_taken_where_pads_are_at_the_end(monkeypatch: pytest.MonkeyPatch, keep: str, taken: bool):
    calls: list[torch.Tensor] = []
    real = native.attention
    monkeypatch.setattr(native, "attention", lambda *given: calls.append(given[-1]) or real(*given))
    query, key, value, hidden = draw(9, keep)
    attend(query, key, value, hidden)
    assert bool(calls) == taken
    if keep == "right":
        assert calls[0].tolist() == [[0, 5], [9, 10], [18, 27]]
    calls.clear()
    attend(query.double(), key.double(), value.double(), None)
    attend(query[..., :6], key[..., :6], value[..., :6], None)
    assert not calls


STRIDES = {
    "heads before tokens": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "components apart": lambda x: torch.stack([x, -x], dim=-1)[..., 0],
    "components first": lambda x: x.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0),
    "one row for all": lambda x: x[:1, :1].expand_as(x),
}


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("layout", STRIDES)
def test_any_strides_will_do(layout: str):
    query, key, value, hidden = draw(9, "right")
    turn = rotary_turn(9, 16, query.device)
    for given in ((STRIDES[layout](query), key, value), (query, STRIDES[layout](key), STRIDES[layout](value))):
        wanted = attend(*(x.contiguous() for x in given), hidden, turn)
        torch.testing.assert_close(attend(*given, hidden, turn)[hidden], wanted[hidden], atol=1e-6, rtol=1e-6)


def test_the_formula_by_hand():
    query = torch.tensor([[[[1.0, 2.0]], [[0.0, 0.0]], [[1.0, -1.0]]]])
    key = torch.tensor([[[[0.5, 1.0]], [[2.0, -1.0]], [[9.0, 9.0]]]])
    weights = attention_weights(query, key, torch.tensor([[True, True, False]]))[0, 0]
    a, b = math.exp(2.5 / math.sqrt(2)), math.exp(0.0)
    assert weights[0].tolist() == pytest.approx([a / (a + b), b / (a + b), 0.0])
    assert weights[1].tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_a_turn_is_a_rotation_of_queries_and_keys():
    query, key, _, _ = draw(9, "none")
    turn = rotary_turn(9, 16, query.device)
    by_hand = [rotate(x.transpose(1, 2), turn).transpose(1, 2) for x in (query, key)]
    assert torch.equal(attention_weights(query, key, None, turn), attention_weights(*by_hand, None))


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("width", WIDTHS)
def test_hidden_tokens_change_nothing(width: int):
    query, key, value, hidden = draw(9, "right", width)
    before = attend(query, key, value, hidden)[hidden], attention_weights(query, key, hidden)
    hide = ~hidden[:, :, None, None]
    key, value = key.masked_fill(hide, 1e4), value.masked_fill(hide, -1e4)
    after = attend(query, key, value, hidden)[hidden], attention_weights(query, key, hidden)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
