import pytest
import torch

from hexamer.device import pick_device
from hexamer.errors import SettingsError


@pytest.mark.parametrize(("there", "kind"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch, there: bool, kind: str):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert pick_device() == pick_device("auto") == torch.device(kind)


def test_named_devices(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("cuda") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(SettingsError, match="'cuda:2': this machine has 2 CUDA devices; cpu would work"):
        pick_device("cuda:2")


def test_no_cuda(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("cuda", "cuda:0"):
        with pytest.raises(SettingsError, match="this machine has 0 CUDA devices; cpu would work"):
            pick_device(device)


@pytest.mark.parametrize("device", ["", "gpu", "abacus:1", "cuda:x", "cuda:-1"])
def test_unknown_devices(device: str):
    with pytest.raises(SettingsError, match=f"device '{device}' is unknown; auto, cpu, cuda or cuda:0 would work"):
        pick_device(device)


@pytest.mark.parametrize("device", ["meta", "xla"])
def test_devices_that_compute_nothing_here(device: str):
    with pytest.raises(SettingsError, match=f"device '{device}' is not supported; auto, cpu or cuda would work"):
        pick_device(device)
