from copy import deepcopy

import numpy as np
import pytest
import torch

from hexamer.errors import CheckpointError, SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer, named_size
from hexamer.model.adapters import (
    AdapterSettings,
    add_adapter,
    count_trained,
    has_adapter,
    load_adapter,
    merge_adapter,
    save_adapter,
)


def make(layout="v2", layers=2):
    torch.manual_seed(0)
    config = ModelConfig(layers=layers, width=32, heads=4, ffn=64, layout=layout, max_tokens=40)
    model = NucleotideTransformer(config)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 5
    return model.eval()


IDS = torch.as_tensor(make().tokenizer.encode(["ACGTGTACAGGATT" * 5])[0])[None]


def logits(model):
    with torch.inference_mode():
        return model.eval()(IDS % 4000).logits


def disturb(model, seed=0):
    """Give the trained weights values that matter."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn_like(parameter)


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("nucleotide-transformer-500m-human-ref", 184_320),
        ("nucleotide-transformer-2.5b-multi-species", 491_520),
        ("nucleotide-transformer-v2-500m-multi-species", 178_176),
        ("nucleotide-transformer-v2-50m-multi-species", 36_864),
    ],
)
def test_ia3_of_published_sizes_trains_the_published_number_of_weights(size, count):
    with torch.device("meta"):
        model = NucleotideTransformer(named_size(size))
    add_adapter(model, AdapterSettings(kind="ia3"))
    trained, all_weights = count_trained(model)
    assert trained == count
    assert trained / all_weights < 0.001


@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["ia3", "lora", "full", "head"])
def test_an_adapter_changes_nothing_before_training(layout, kind):
    model = make(layout)
    before = logits(model)
    add_adapter(model, AdapterSettings(kind=kind))
    assert torch.equal(logits(model), before)
    trained, whole = count_trained(model)
    head = sum(p.numel() for p in model.lm_head.parameters())
    assert trained == {"ia3": 256, "lora": 256, "full": whole - head, "head": 0}[kind]
    assert has_adapter(model) == (kind in ("ia3", "lora"))


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_ia3_scales_keys_values_and_the_inner_activation(layout):
    """The same as multiplying the rows, or columns, of three matrices of each block."""
    model, plain = make(layout), make(layout)
    add_adapter(model, AdapterSettings(kind="ia3"))
    disturb(model)
    for ours, theirs in zip(plain.blocks, model.blocks, strict=True):
        for name in ("key", "value"):
            factors = getattr(theirs.attention, name).ia3_l["default"].data[:, 0]
            layer = getattr(ours.attention, name)
            layer.weight.data *= factors[:, None]
            layer.bias.data *= factors
        ours.ffn.down.weight.data *= theirs.ffn.down.ia3_l["default"].data
    assert not torch.allclose(logits(model), logits(make(layout)), atol=1e-2)
    torch.testing.assert_close(logits(model), logits(plain), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["ia3", "lora"])
def test_saved_loaded_by_us_and_by_peft_and_merged(layout, kind, tmp_path):
    import peft

    model = make(layout)
    add_adapter(model, AdapterSettings(kind=kind, rank=2))
    disturb(model)
    wanted = logits(model)
    assert not torch.allclose(wanted, logits(make(layout)), atol=1e-3)
    save_adapter(model, tmp_path / "a")
    again = make(layout)
    load_adapter(again, tmp_path / "a")
    assert torch.equal(logits(again), wanted)
    assert count_trained(again)[0] == 0
    theirs = peft.PeftModel.from_pretrained(make(layout), str(tmp_path / "a"))
    assert torch.equal(logits(theirs.base_model.model), wanted)
    merge_adapter(again)
    assert set(again.state_dict()) == set(make(layout).state_dict())
    assert not has_adapter(again)
    torch.testing.assert_close(logits(again), wanted, atol=1e-4, rtol=1e-4)
    merge_adapter(again)  # nothing left to merge


@pytest.mark.parametrize("kind", ["ia3", "lora", "full", "head"])
def test_gradients_reach_what_is_trained_and_nothing_else(kind):
    model = make()
    add_adapter(model, AdapterSettings(kind=kind))
    head = torch.nn.Linear(32, 1)
    out = model(IDS, layers=(-1,)).hidden[2]
    head(out).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), name


def test_a_copy_has_an_adapter_of_its_own():
    model = make()
    copy = deepcopy(model)
    add_adapter(copy, AdapterSettings(kind="ia3"))
    disturb(copy)
    assert not has_adapter(model)
    assert torch.equal(logits(model), logits(make()))


def test_what_does_not_fit_is_refused(tmp_path, monkeypatch):
    model = make(layers=2)
    add_adapter(model, AdapterSettings(kind="ia3"))
    save_adapter(model, tmp_path / "two")
    with pytest.raises(CheckpointError, match="two: the adapter is not of this model"):
        load_adapter(make(layers=1), tmp_path / "two")
    with pytest.raises(CheckpointError, match="two: the adapter is not of this model"):
        load_adapter(make(layers=3), tmp_path / "two")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty: no adapter for this model"):
        load_adapter(make(), tmp_path / "empty")
    (tmp_path / "two" / "adapter_model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError, match="two: no adapter for this model"):
        load_adapter(make(), tmp_path / "two")


@pytest.mark.parametrize("values", [{"kind": "ia4"}, {"rank": 0}, {"alpha": 0.0}, {"alpha": np.nan}, {"dropout": 1.0}])
def test_settings_out_of_range(values):
    with pytest.raises(SettingsError, match="would work"):
        AdapterSettings(**values)


def test_without_peft_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SettingsError, match=r"pip install 'hexamer\[peft\]' would work"):
        add_adapter(make(), AdapterSettings(kind="lora"))
    add_adapter(make(), AdapterSettings(kind="full"))
