import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hexamer.model import native
from hexamer.model.elementwise import LayerNorm, swiglu


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("on", ["1", "0"])
def test_swiglu_opens_the_second_half_by_the_first(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, on: str):
    monkeypatch.setenv("HEXAMER_NATIVE", on)
    x = torch.randn(5, 3, 14, generator=torch.Generator().manual_seed(0)).to(dtype)
    gate, passed = x.double().chunk(2, dim=-1)
    out = swiglu(x)
    assert out.dtype == dtype
    near = 1e-6 if dtype != torch.bfloat16 else 0.05
    torch.testing.assert_close(out.double(), F.silu(gate) * passed, atol=near, rtol=near)


def test_layer_norm_is_torchs_in_float32():
    ours, theirs = LayerNorm(24, eps=1e-5), nn.LayerNorm(24, eps=1e-5)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(2, 5, 24)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.skipif(
    native.why_not(torch.bfloat16) != "", reason=f"NATIVE KERNELS NOT CHECKED: {native.why_not(torch.bfloat16)}"
)
def test_layer_norm_is_bfloat16_where_autocast_would_make_it_so():
    norm = LayerNorm(24)
    x = torch.randn(2, 5, 24)
    with torch.autocast("cpu", torch.bfloat16):
        found = norm(x)
        assert norm(x.bfloat16()).shape == x.shape
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), F.layer_norm(x, (24,)), atol=0.02, rtol=0.01)


def test_layer_norm_falls_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    with torch.autocast("cpu", torch.bfloat16):
        assert LayerNorm(24)(torch.randn(2, 24)).dtype == torch.float32
