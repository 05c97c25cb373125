import pytest
import torch

from hexamer.device import pick_device, run_each
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


def test_each_job_has_one_thread_and_the_caller_its_own_number_back():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = run_each(lambda item: (item, torch.get_num_threads()), range(20), torch.device("cpu"))
        assert found == [(item, 1) for item in range(20)]
        with pytest.raises(ZeroDivisionError):
            run_each(lambda item: 1 // item, [3, 0, 1], torch.device("cpu"))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_on_a_gpu_jobs_run_where_they_are_asked_for():
    threads = torch.get_num_threads()
    assert run_each(lambda item: torch.get_num_threads(), [1, 2], torch.device("cuda")) == [threads, threads]
