import math

import pytest
import torch

from hexamer.model import Packed, attention, native
from hexamer.model.attention import attend, attention_weights, rotary_turn, rotate

WIDTHS = [6, 16]  # torch's kernel takes the first, ours the second where it runs
LENGTHS = [(17,), (9, 9, 9), (1, 17, 5, 2), (5, 2, 0, 5, 2, 5)]


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


def test_sequences_of_a_length_share_a_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    shapes: list[torch.Size] = []
    real = attention.F.scaled_dot_product_attention
    monkeypatch.setattr(
        attention.F, "scaled_dot_product_attention", lambda q, k, v: shapes.append(q.shape) or real(q, k, v)
    )
    query, key, value, packed = draw((5, 2, 5, 9, 2, 5))
    found = attend(query.requires_grad_(), key, value, packed)
    assert shapes == [(2, 4, 2, 16), (3, 4, 5, 16), (1, 4, 9, 16)]
    gradient = torch.autograd.grad(found[7:12].sum(), query)[0]
    assert gradient[7:12].abs().sum() > 0
    assert gradient[:7].abs().sum() == gradient[12:].abs().sum() == 0


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_attends_to_nothing(width: int):
    for lengths in ((), (0,), (0, 0)):
        query, key, value, packed = draw(lengths, width)
        assert attend(query, key, value, packed, rotary_turn(0, width, query.device)).shape == (0, 4, width)
        assert [x.shape for x in attention_weights(query, key, packed)] == [(4, 0, 0)] * len(lengths)


@pytest.mark.parametrize(
    ("width", "module", "gpu", "generation", "reason"),
    [
        (64, object(), True, (8, 0), ""),
        (256, object(), True, (9, 0), ""),
        (20, object(), True, (9, 0), "heads of 20, not a multiple of 8 up to 256"),
        (264, object(), True, (9, 0), "heads of 264, not a multiple of 8 up to 256"),
        (64, None, True, (9, 0), "torch before 2.10"),
        (64, object(), False, (9, 0), "no such GPU here"),
        (64, object(), True, (7, 5), "a GPU before Ampere (sm80)"),
    ],
)
def test_where_flash_attention_runs(monkeypatch: pytest.MonkeyPatch, width, module, gpu, generation, reason):
    asked: list[torch.device] = []
    monkeypatch.setattr(attention, "find_spec", lambda _: module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: asked.append(device) or generation)
    attention._why_not_flash.cache_clear()
    try:
        assert [attention.why_not_flash(torch.device("cuda:0"), width) for _ in range(2)] == [reason] * 2
        assert len(asked) <= 1, "it is asked once"
    finally:
        attention._why_not_flash.cache_clear()


class OnGpu(torch.Tensor):
    """A tensor of the CPU that says it is on a GPU."""

    is_cuda = True


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reason", ["", "torch before 2.10"])
def test_which_attention_a_gpu_takes(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, reason: str):
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    taken: list[str] = []
    monkeypatch.setattr(attention, "why_not_flash", lambda *_: reason)
    monkeypatch.setattr(attention, "_attend_flash", lambda q, *_: taken.append("flash") or q)
    monkeypatch.setattr(attention, "_attend_each", lambda q, *_: taken.append("each") or q)
    *parts, packed = draw((5, 2))
    attend(*(part.to(dtype).as_subclass(OnGpu) for part in parts), packed)
    assert taken == ["flash" if dtype == torch.bfloat16 and not reason else "each"]
