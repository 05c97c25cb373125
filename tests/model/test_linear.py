import pytest
import torch
from torch import nn

from hexamer.model import linear
from hexamer.model.linear import Linear, gelu_of
from hexamer.model.processor import Processor


@pytest.fixture(params=["AuthenticAMD", "GenuineIntel"])
def vendor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(linear, "this_processor", lambda: Processor(request.param, frozenset()))
    monkeypatch.setattr(linear, "SMALLEST", 0)
    return request.param


def pair(inputs: int, outputs: int, *, bias: bool) -> tuple[Linear, nn.Linear]:
    torch.manual_seed(inputs)
    ours, exact = Linear(inputs, outputs, bias=bias), nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    exact.load_state_dict(ours.state_dict())
    return ours, exact


@pytest.mark.parametrize("shape", [(1, 3, 5), (40, 64, 32), (7, 32, 200), (301, 96, 96)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_linear_map_and_its_gradients(vendor: str, shape: tuple[int, int, int], bias: bool):
    rows, inputs, outputs = shape
    ours, exact = pair(inputs, outputs, bias=bias)
    x = torch.randn(2, rows, inputs, requires_grad=True)
    x_exact = x.detach().double().requires_grad_()
    gradient = torch.randn(2, rows, outputs)
    found, wanted = ours(x), exact(x_exact)
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)
    parts = torch.autograd.grad(found, (x, *ours.parameters()), gradient)
    exact_parts = torch.autograd.grad(wanted, (x_exact, *exact.parameters()), gradient.double())
    for a, b in zip(parts, exact_parts, strict=True):
        assert a.dtype == torch.float32
        assert a.is_contiguous()
        torch.testing.assert_close(a.double(), b, atol=1e-4, rtol=1e-5)


def test_it_is_exact_to_float32(vendor: str):
    ours, exact = pair(512, 64, bias=False)
    x = torch.randn(100, 512)
    off = (ours(x).double() - exact(x.double())).norm() / exact(x.double()).norm()
    assert off < 1e-6, "products in bfloat16 would be off by 1e-3"


def test_only_wanted_gradients_are_computed(vendor: str):
    ours, _ = pair(8, 8, bias=True)
    ours.requires_grad_(False)
    x = torch.randn(3, 8, requires_grad=True)
    ours(x).sum().backward()
    assert ours.weight.grad is None
    torch.testing.assert_close(x.grad, ours.weight.sum(0).expand(3, 8))


@pytest.mark.parametrize(
    ("vendor_", "rows", "dtype", "off", "taken"),
    [
        ("AuthenticAMD", 2048, torch.float32, "1", True),
        ("AuthenticAMD", 1, torch.float32, "1", False),
        ("AuthenticAMD", 2048, torch.float64, "1", False),
        ("AuthenticAMD", 2048, torch.float32, "0", False),
        ("GenuineIntel", 2048, torch.float32, "1", False),
    ],
)
def test_where_the_detour_is_taken(
    monkeypatch: pytest.MonkeyPatch, vendor_: str, rows: int, dtype: torch.dtype, off: str, taken: bool
):
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("ONEDNN NOT CHECKED: this torch has no mkldnn::_linear_pointwise")
    calls: list[torch.Size] = []
    real = linear.product
    monkeypatch.setattr(linear, "product", lambda x, w, b: calls.append(x.shape) or real(x, w, b))
    monkeypatch.setattr(linear, "this_processor", lambda: Processor(vendor_, frozenset()))
    monkeypatch.setenv("HEXAMER_NATIVE", off)
    layer = Linear(32, 32, dtype=dtype)
    x = torch.randn(rows, 32, dtype=dtype)
    layer(x)
    assert bool(calls) == taken
    calls.clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert dtype == torch.float64 or layer(x).dtype == torch.bfloat16
    assert not calls


def test_adapters_take_it_for_a_linear_layer():
    layer = Linear(4, 5)
    assert isinstance(layer, nn.Linear)
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert repr(layer) == "Linear(in_features=4, out_features=5, bias=True)"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gelu_is_taken_of_the_map(vendor: str, dtype: torch.dtype):
    ours, exact = pair(32, 48, bias=True)
    x = torch.randn(5, 32, dtype=dtype)
    wanted = nn.functional.gelu(exact(x.double()))
    allowed = 1e-5 if dtype == torch.float32 else 2e-2
    ours.to(dtype)
    with_gradients = gelu_of(ours, x)
    assert with_gradients.requires_grad
    with torch.inference_mode():
        for found in (gelu_of(ours, x), with_gradients):
            assert found.dtype == dtype
            torch.testing.assert_close(found.double(), wanted, atol=allowed, rtol=allowed)


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of oneDNN on a machine that has it."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("ONEDNN NOT CHECKED: this torch has no mkldnn::_linear_pointwise")
    calls: list[str] = []
    for name in ("product", "product_gelu"):
        real = getattr(linear, name)
        monkeypatch.setattr(linear, name, lambda *given, name=name, real=real: calls.append(name) or real(*given))
    monkeypatch.setattr(linear, "this_processor", lambda: Processor("AuthenticAMD", frozenset()))
    monkeypatch.setattr(linear, "SMALLEST", 0)
    monkeypatch.delenv("HEXAMER_NATIVE", raising=False)
    return calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_frozen_weights_need_no_inference_mode_to_be_fast(fused: list[str], dtype: torch.dtype):
    layer, x = Linear(8, 8).to(dtype).requires_grad_(False), torch.randn(3, 8, dtype=dtype)
    layer(x)
    gelu_of(layer, x)
    assert fused == ["product", "product_gelu"]
    fused.clear()
    for given in (x.clone().requires_grad_(), x):
        gelu_of(layer, given).float().sum()
        layer.requires_grad_(True)
    assert "product_gelu" not in fused
    assert ("product" in fused) == (dtype == torch.float32), "bfloat16 gradients are torch's"


class Doubled(nn.Module):
    """As adapters do: another layer in place of ours, which changes what ours gives."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.base(x)


def test_gelu_lets_adapters_and_hooks_see_the_map(fused: list[str]):
    layer, x = Linear(8, 8).requires_grad_(False), torch.randn(3, 8)
    wanted = layer(x)
    torch.testing.assert_close(gelu_of(Doubled(layer), x), nn.functional.gelu(2 * wanted))
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda module, args, out: seen.append(out) or 3 * out)
    torch.testing.assert_close(gelu_of(layer, x), nn.functional.gelu(3 * wanted))
    torch.testing.assert_close(seen[0], wanted)
    hook.remove()
    layer.register_forward_pre_hook(lambda module, args: (-args[0],))
    torch.testing.assert_close(gelu_of(layer, x), nn.functional.gelu(layer(x)))
    assert "product_gelu" not in fused


def test_its_error_in_bfloat16_is_that_of_one_rounding():
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("ONEDNN NOT CHECKED: this torch has no mkldnn::_linear_pointwise")
    assert linear.measure_error() < 1e-5
    assert 1e-5 < linear.measure_error(torch.bfloat16) < 2**-8
