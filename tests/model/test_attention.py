import math

import pytest
import torch

from hexamer.model import Packed, native
from hexamer.model.attention import attend, attention_weights, rotary_turn, rotate

WIDTHS = [6, 16]  # torch's kernel takes the first, ours the second where it runs
LENGTHS = [(17,), (9, 9, 9), (1, 17, 5, 2)]


def draw(lengths: tuple[int, ...], width: int = 16) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Packed]:
    torch.manual_seed(sum(lengths))
    query, key, value = (2 * torch.randn(sum(lengths), 4, width) for _ in range(3))
    return query, key, value, Packed(torch.zeros(sum(lengths), dtype=torch.int32), lengths)


@pytest.fixture(params=["1", "0"], ids=["native", "torch"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEXAMER_NATIVE", request.param)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("turned", [False, True])
def test_attend_is_the_map_times_the_values(lengths: tuple[int, ...], width: int, turned: bool):
    query, key, value, packed = draw(lengths, width)
    turn = rotary_turn(max(lengths), width, query.device) if turned else None
    maps = attention_weights(query, key, packed, turn)
    found = attend(query, key, value, packed, turn).split(lengths)
    for weights, length, values, rows in zip(maps, lengths, value.split(lengths), found, strict=True):
        torch.testing.assert_close(weights.sum(-1), torch.ones(4, length))
        torch.testing.assert_close(rows, (weights @ values.transpose(0, 1)).transpose(0, 1), atol=5e-6, rtol=1e-5)


@pytest.mark.skipif(native.why_not(torch.float32) != "", reason=f"NOT CHECKED: {native.why_not(torch.float32)}")
def test_our_kernel_is_taken_where_it_can(monkeypatch: pytest.MonkeyPatch):
    calls: list[torch.Tensor] = []
    real = native.attention
    monkeypatch.setattr(native, "attention", lambda *given: calls.append(given[-1]) or real(*given))
    query, key, value, packed = draw((5, 1, 9))
    attend(query, key, value, packed)
    assert calls[0].tolist() == [[0, 5], [5, 6], [6, 15]]
    calls.clear()
    attend(query.double(), key.double(), value.double(), packed)
    attend(query[..., :6], key[..., :6], value[..., :6], packed)
    assert not calls


STRIDES = {
    "heads before tokens": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "components apart": lambda x: torch.stack([x, -x], dim=-1)[..., 0],
    "components first": lambda x: x.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "one row for all": lambda x: x[:1].expand_as(x),
}


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("layout", STRIDES)
def test_any_strides_will_do(layout: str):
    query, key, value, packed = draw((9, 4))
    turn = rotary_turn(9, 16, query.device)
    for given in ((STRIDES[layout](query), key, value), (query, STRIDES[layout](key), STRIDES[layout](value))):
        wanted = attend(*(x.contiguous() for x in given), packed, turn)
        torch.testing.assert_close(attend(*given, packed, turn), wanted, atol=1e-6, rtol=1e-6)


def test_the_formula_by_hand():
    query = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]], [[9.0, 9.0]]])
    key = torch.tensor([[[0.5, 1.0]], [[2.0, -1.0]], [[9.0, 9.0]]])
    first, second = attention_weights(query, key, Packed(torch.zeros(3), (2, 1)))
    a, b = math.exp(2.5 / math.sqrt(2)), math.exp(0.0)
    assert first[0, 0].tolist() == pytest.approx([a / (a + b), b / (a + b)])
    assert first[0, 1].tolist() == pytest.approx([0.5, 0.5])
    assert second.tolist() == [[[1.0]]]


def test_a_turn_is_a_rotation_of_queries_and_keys_by_their_places():
    query, key, _, packed = draw((9, 4))
    turn = rotary_turn(9, 16, query.device)
    maps = attention_weights(query, key, packed, turn)
    for q, k, length, found in zip(query.split((9, 4)), key.split((9, 4)), (9, 4), maps, strict=True):
        own = tuple(part[:length] for part in turn)
        q, k = (rotate(part.transpose(0, 1), own).transpose(0, 1) for part in (q, k))
        assert torch.equal(found, attention_weights(q, k, Packed(torch.zeros(length), (length,)))[0])


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("width", WIDTHS)
def test_other_sequences_change_nothing(width: int):
    query, key, value, packed = draw((4, 6, 3), width)
    before = attend(query, key, value, packed)[4:10]
    for part in (query, key, value):
        part[:4], part[10:] = 1e4, -1e4
    assert torch.equal(attend(query, key, value, packed)[4:10], before)
