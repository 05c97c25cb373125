import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from hexamer.model import ModelConfig, NucleotideTransformer, native
from hexamer.model.attention import rotary_turn, rotate

FLOAT, HALF = torch.float32, torch.bfloat16


def needs(dtype: torch.dtype) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        native.why_not(dtype) != "", reason=f"NATIVE KERNELS NOT CHECKED: {native.why_not(dtype)}"
    )


FORMATS = [pytest.param(FLOAT, marks=needs(FLOAT)), pytest.param(HALF, marks=needs(HALF))]
ALLOWED = {FLOAT: 5e-6, HALF: 2e-2}  # of the largest number


@dataclasses.dataclass
class Case:
    """Sequences one after the other, with a row before, between and behind them that belongs to none."""

    query: Tensor
    key: Tensor
    value: Tensor
    gradient: Tensor
    spans: Tensor
    turn: tuple[Tensor, Tensor] | tuple[None, None]

    def inside(self) -> Tensor:
        found = torch.zeros(len(self.query), dtype=torch.bool)
        for start, end in self.spans.tolist():
            found[start:end] = True
        return found

    def native(self) -> list[Tensor]:
        """Result, and gradients of query, key and value."""
        given = [x.clone().requires_grad_() for x in (self.query, self.key, self.value)]
        out, _ = native.attention(*given, *self.turn, self.spans)
        return [out.detach(), *torch.autograd.grad(out, given, self.gradient)]

    def plain(self) -> list[Tensor]:
        """The formula, in float64."""
        given = [x.double().requires_grad_() for x in (self.query, self.key, self.value)]
        out = torch.zeros(self.query.shape, dtype=torch.float64)
        for start, end in self.spans.tolist():
            query, key, value = (x[start:end].transpose(0, 1) for x in given)
            if self.turn[0] is not None:
                turn = tuple(x[: end - start].double() for x in self.turn)
                query, key = rotate(query, turn), rotate(key, turn)
            weights = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
            out = torch.cat([out[:start], (weights @ value).transpose(0, 1), out[end:]])
        inside = self.inside()[:, None, None]
        return [out.detach(), *torch.autograd.grad(out, given, self.gradient.double() * inside)]


def draw(lengths: tuple[int, ...], dtype: torch.dtype, width: int = 32, *, turned: bool = True, heads: int = 2) -> Case:
    draw = torch.Generator().manual_seed(sum(lengths) + width)
    ends = np.cumsum([1 + length for length in lengths]).tolist()
    rows = ends[-1] + 2
    query, key, value, gradient = (1.5 * torch.randn(rows, heads, width, generator=draw) for _ in range(4))
    spans = torch.tensor([[end - length, end] for length, end in zip(lengths, ends, strict=True)])
    turn = rotary_turn(max(lengths), width, torch.device("cpu")) if turned else (None, None)
    return Case(*(x.to(dtype) for x in (query, key, value, gradient)), spans.to(torch.int32), turn)


def off(found: Tensor, wanted: Tensor) -> float:
    return float(((found.double() - wanted).abs().max() / wanted.abs().max().clamp(min=1)).detach())


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("width", [16, 32, 48, 64, 80, 128])
@pytest.mark.parametrize("turned", [False, True])
def test_attention_is_the_formula_at_any_width(dtype: torch.dtype, width: int, turned: bool):
    case = draw((45, 7), dtype, width, turned=turned)
    for found, wanted in zip(case.native(), case.plain(), strict=True):
        assert found.dtype == dtype
        assert off(found, wanted) < ALLOWED[dtype]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    "lengths", [(1,), (5,), (2, 0, 3), (16, 17), (47, 48, 49), (17, 1, 33, 100, 7, 49, 96), (145,), (500,), (1100, 3)]
)
def test_attention_is_the_formula_at_any_length(dtype: torch.dtype, lengths: tuple[int, ...]):
    case = draw(lengths, dtype)
    for found, wanted in zip(case.native(), case.plain(), strict=True):
        assert off(found, wanted) < ALLOWED[dtype]
        assert (found[~case.inside()] == 0).all(), "rows of no sequence"


@pytest.mark.parametrize("dtype", FORMATS)
def test_large_scores_stay_finite(dtype: torch.dtype):
    case = draw((60,), dtype)
    case.query *= 40
    case.turn = (None, None)
    for found, wanted in zip(case.native(), case.plain(), strict=True):
        assert found.isfinite().all()
        assert off(found, wanted) < 20 * ALLOWED[dtype], "a score of 1000 has float32's rounding in the third decimal"


@pytest.mark.parametrize("dtype", FORMATS)
def test_what_is_not_a_number_is_not_hidden(dtype: torch.dtype):
    case = draw((20, 20), dtype)
    case.key[3, 0, 5] = torch.nan
    out = case.native()[0]
    assert out[1:21, 0].isnan().all()
    assert out[22:42].isfinite().all()


@pytest.mark.parametrize("dtype", FORMATS)
def test_one_buffer_for_all_three(dtype: torch.dtype):
    case = draw((30, 9), dtype)
    fused = torch.stack([case.query, case.key, case.value], dim=1)
    split = dataclasses.replace(case, query=fused[:, 0], key=fused[:, 1], value=fused[:, 2])
    assert not split.query.is_contiguous()
    out, weight = native.attention(split.query, split.key, split.value, *case.turn, case.spans)
    gradients = native.attention_backward(
        case.gradient.expand(2, -1, -1, -1)[0], split.query, split.key, split.value, *case.turn, case.spans, out, weight
    )
    assert all(map(torch.equal, [out, *gradients], case.native()))


@needs(FLOAT)
def test_other_strides_and_defaults_of_torch(monkeypatch: pytest.MonkeyPatch):
    case = draw((30, 9), FLOAT)
    wanted = case.native()
    case.query = case.query.transpose(0, 2).contiguous().transpose(0, 2)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.autocast("cpu", HALF):
            assert native._why_wrong.__wrapped__(FLOAT) == ""
            found = case.native()
    finally:
        torch.set_default_dtype(FLOAT)
    assert all(map(torch.equal, found, wanted))


@needs(FLOAT)
def test_the_kernel_does_not_read_beyond_its_arrays():
    case = draw((5,), FLOAT)
    rows = (case.query, case.key, case.value)
    for spans in (case.spans + 3, case.spans.long()):
        with pytest.raises(ValueError, match="do not fit the kernel"):
            native.attention(*rows, *case.turn, spans)
    with pytest.raises(ValueError, match="do not fit the kernel"):
        native.attention(*(x[..., :8] for x in rows), None, None, case.spans)
    for key, value in ((case.key[:-1], case.value), (case.key, case.value[:, :1]), (case.key.bfloat16(), case.value)):
        with pytest.raises(ValueError, match="do not fit the kernel"):
            native.attention(case.query, key, value, *case.turn, case.spans)
    cos, sin = case.turn
    for turn in ((cos[:4], sin[:4]), (cos[:, :16], sin[:, :16]), (cos, sin.t().contiguous().t()), (cos, None)):
        with pytest.raises(ValueError, match="sequences of 5 tokens"):
            native.attention(*rows, *turn, case.spans)


@pytest.mark.parametrize("dtype", FORMATS)
def test_threads_and_neighbours_change_no_bit(dtype: torch.dtype):
    case = draw((1500, 130, 700), dtype, heads=3)
    many = case.native()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = case.native()
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, many, one))
    start, end = case.spans[1].tolist()
    parts = (x[start:end] for x in (case.query, case.key, case.value, case.gradient))
    alone = Case(*parts, torch.tensor([[0, end - start]], dtype=torch.int32), case.turn).native()
    assert all(torch.equal(a, b[start:end]) for a, b in zip(alone, many, strict=True))


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("shape", [(1, 2), (3, 10), (2, 70, 64), (300, 1024)])
def test_swiglu_is_the_formula(dtype: torch.dtype, shape: tuple[int, ...]):
    draw = torch.Generator().manual_seed(0)
    x = (4 * torch.randn(shape, generator=draw)).to(dtype)
    x.view(-1)[0] = -200.0
    gradient = torch.randn(*shape[:-1], shape[-1] // 2, generator=draw).to(dtype)
    given, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    out = native.swiglu(given)
    gate, passed = exact.chunk(2, dim=-1)
    plain = F.silu(gate) * passed
    assert off(out, plain) < ALLOWED[dtype] / 4
    (found,) = torch.autograd.grad(out, given, gradient)
    (wanted,) = torch.autograd.grad(plain, exact, gradient.double())
    assert off(found, wanted) < ALLOWED[dtype] / 4
    assert found.dtype == dtype
    assert out.dtype == dtype


@needs(HALF)
@pytest.mark.parametrize("shape", [(1, 16), (3, 5, 24), (200, 192), (130, 7)])
def test_norm_is_the_formula(shape: tuple[int, ...]):
    draw = torch.Generator().manual_seed(0)
    x, weight, bias = (2 + 3 * torch.randn(size, generator=draw) for size in (shape, shape[-1:], shape[-1:]))
    gradient = torch.randn(shape, generator=draw).bfloat16()
    given = [part.clone().requires_grad_() for part in (x, weight, bias)]
    exact = [part.double().requires_grad_() for part in (x, weight, bias)]
    out, _ = native.norm(*given, 1e-5)
    plain = F.layer_norm(exact[0], shape[-1:], exact[1], exact[2], 1e-5)
    assert out.dtype == HALF
    assert off(out, plain) < 5e-3
    found = torch.autograd.grad(out, given, gradient)
    for a, b in zip(found, torch.autograd.grad(plain, exact, gradient.double()), strict=True):
        assert a.dtype == FLOAT
        assert off(a, b) < 2e-5


def net() -> NucleotideTransformer:
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=2, width=64, heads=2, ffn=96))
    for block in model.blocks:
        for part in block.attention.children():
            part.weight.data *= 8  # so that context matters
    return model


def step(model: NucleotideTransformer, *, bf16: bool) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of the first layer's queries."""
    ids = torch.arange(6, 306).view(3, 100)
    ids[1, 40:] = 1
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = model(ids).logits
    logits = logits[ids != 1].float()
    (logits * torch.linspace(-1, 1, logits.numel()).view(logits.shape)).sum().backward()
    return logits.detach().double(), model.blocks[0].attention.query.weight.grad.double()


@pytest.mark.parametrize("bf16", [pytest.param(False, marks=needs(FLOAT)), pytest.param(True, marks=needs(HALF))])
def test_the_model_is_the_same_without_the_kernels(monkeypatch: pytest.MonkeyPatch, bf16: bool):
    model = net()
    ours = step(model, bf16=bf16)
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    for found, wanted in zip(ours, step(model, bf16=bf16), strict=True):
        assert off(found, wanted) < (0.03 if bf16 else 1e-5)


@needs(FLOAT)
def test_checkpointing_changes_no_bit(monkeypatch: pytest.MonkeyPatch):
    model = net()
    plain = step(model, bf16=False)
    for block in model.blocks:
        forward = block.forward
        monkeypatch.setattr(block, "forward", lambda *a, f=forward, **o: checkpoint(f, *a, use_reentrant=False, **o))
    assert all(map(torch.equal, step(model, bf16=False), plain))


@needs(FLOAT)
def test_gradients_of_gradients_are_an_error():
    query = torch.randn(4, 1, 16, requires_grad=True)
    spans = torch.tensor([[0, 4]], dtype=torch.int32)
    out, _ = native.attention(query, query, query, None, None, spans)
    (gradient,) = torch.autograd.grad(out.sum(), query, create_graph=True)
    with pytest.raises(NotImplementedError, match="HEXAMER_NATIVE=0"):
        gradient.sum().backward()


def test_shapes_are_known_without_running():
    rows = torch.empty(7, 2, 16, dtype=HALF, device="meta")
    out, weight = native.attention(rows, rows, rows, None, None, torch.empty(1, 2, device="meta"))
    assert (out.shape, out.dtype, weight.shape, weight.dtype) == ((7, 2, 16), HALF, (2, 7), FLOAT)
    assert native.swiglu(rows).shape == (7, 2, 8)
    row = torch.empty(16, device="meta")
    assert [x.dtype for x in native.norm(torch.empty(7, 16, device="meta"), row, row, 1e-5)] == [HALF, FLOAT]


def test_the_reasons_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(native, "load_library", lambda: (None, "no C++ compiler"))
    assert "no C++ compiler" in native.why_not(FLOAT)
    assert native.why_not(torch.float64) == "no kernel for torch.float64"
    assert not native.runs_on(torch.ones(3))
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    assert native.why_not(FLOAT) == native.why_not(HALF) == "HEXAMER_NATIVE=0"


@pytest.mark.parametrize("dtype", FORMATS)
def test_the_self_test_asks_every_kernel(dtype: torch.dtype):
    errors = native.measure_errors(dtype)
    assert list(errors) == ["attention", "SwiGLU", *(["LayerNorm"] if dtype == HALF else [])]
    assert all(0 < error < native.MOST_OFF[dtype] for error in errors.values())


WRONG = {
    "attention": lambda real, *given: [2 * x for x in real(*given)],
    "attention_backward": lambda real, *given: real(*given)[::-1],
    "swiglu": lambda real, x: x.chunk(2, dim=-1)[0],
    "swiglu_backward": lambda real, *given: -real(*given),
    "norm": lambda real, *given: (1.1 * real(*given)[0], real(*given)[1]),
    "norm_backward": lambda real, *given: (real(*given)[0], *real(*given)[:0:-1]),
}


@needs(HALF)
@pytest.mark.parametrize("kernel", WRONG)
def test_a_kernel_that_is_wrong_does_not_run(monkeypatch: pytest.MonkeyPatch, kernel: str):
    dtype = HALF if kernel.startswith("norm") else FLOAT
    assert native.why_not(dtype) == ""
    real = getattr(native, kernel)
    monkeypatch.setattr(native, "_why_wrong", native._why_wrong.__wrapped__)
    monkeypatch.setattr(native, kernel, lambda *given: WRONG[kernel](real, *given))
    assert "self-test failed: off by" in native.why_not(dtype)


@needs(FLOAT)
def test_a_kernel_that_breaks_down_does_not_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(native, "_why_wrong", native._why_wrong.__wrapped__)
    monkeypatch.setattr(native, "swiglu", lambda x: x.view(3))
    assert "self-test failed: shape" in native.why_not(FLOAT)
