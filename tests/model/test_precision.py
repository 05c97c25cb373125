import pytest
import torch

from hexamer.errors import SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer, load_model, native, pack, save_model, set_precision


def make(layout: str) -> NucleotideTransformer:
    torch.manual_seed(1)
    return NucleotideTransformer(ModelConfig(layers=2, width=64, heads=4, ffn=96, layout=layout, max_tokens=64)).eval()


@pytest.fixture(params=["1", "0"], ids=["native", "torch"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEXAMER_NATIVE", request.param)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_fast_is_near_exact_and_its_sums_are_float32(layout: str):
    model = make(layout)
    packed = pack(model.tokenizer.encode(["ACGTTGCA" * 20, "TTGACC" * 3]), torch.device("cpu"))
    with torch.inference_mode():
        exact = model.encode(packed, layers=(0, 1, 2))
        set_precision(model, "fast")
        fast = model.encode(packed, layers=(0, 1, 2))
        logits = model.lm_head(fast.hidden[2])
    assert torch.equal(exact.hidden[0], fast.hidden[0])
    for layer in (1, 2):
        assert fast.hidden[layer].dtype == torch.float32
        cosine = torch.cosine_similarity(exact.hidden[layer], fast.hidden[layer], dim=-1)
        assert 0.999 < float(cosine.min()) < 1, layer
        assert not torch.equal(exact.hidden[layer], fast.hidden[layer])
    assert logits.dtype == torch.float32


@pytest.mark.skipif(native.why_not(torch.bfloat16) != "", reason=f"NOT CHECKED: {native.why_not(torch.bfloat16)}")
def test_kernels_take_no_part_in_how_near_fast_is(monkeypatch: pytest.MonkeyPatch):
    model = make("v2")
    set_precision(model, "fast")
    packed = pack(model.tokenizer.encode(["ACGTTGCA" * 20, "TTGACC" * 3]), torch.device("cpu"))
    with torch.inference_mode():
        ours = model.encode(packed).hidden[2]
        monkeypatch.setenv("HEXAMER_NATIVE", "0")
        torch.testing.assert_close(model.encode(packed).hidden[2], ours, atol=0.02, rtol=0.02)


def test_a_loaded_model_says_its_precision_and_can_be_saved(tmp_path):
    model = make("v2")
    folder = save_model(model, tmp_path / "exact")
    fast = load_model(folder, precision="fast")
    assert (load_model(folder).precision, fast.precision) == ("exact", "fast")
    assert fast.blocks[1].attention.out.weight.dtype == torch.bfloat16
    rounded = load_model(save_model(fast, tmp_path / "fast"))
    expected = model.blocks[1].ffn.up.weight.bfloat16().float()
    assert torch.equal(rounded.blocks[1].ffn.up.weight, expected)
    assert torch.equal(rounded.embed_tokens.weight, model.embed_tokens.weight)


def test_there_is_no_other_precision():
    with pytest.raises(
        SettingsError, match=r"'half' is unknown; 'exact' \(float32\) or 'fast' \(bfloat16\) would work"
    ):
        set_precision(make("v2"), "half")


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_torchs_own_casts_work_too(layout: str, dtype: torch.dtype):
    model = make(layout).requires_grad_(False)
    ids = torch.as_tensor(model.tokenizer.encode(["ACGTTGCA" * 20])[0])[None]
    wanted = model(ids, layers=(2,)).hidden[2]
    out = model.to(dtype)(ids, layers=(2,))
    assert (out.logits.dtype, out.hidden[2].dtype) == (dtype, dtype)
    assert float(torch.cosine_similarity(out.hidden[2].float(), wanted, dim=-1).min()) > 0.999


def test_rounded_weights_are_never_called_exact():
    model = make("v2")
    set_precision(model, "exact")
    set_precision(model, "fast")
    set_precision(model, "fast")
    with pytest.raises(SettingsError, match="rounded; load it again for precision 'exact'"):
        set_precision(model, "exact")
    assert model.precision == "fast"
