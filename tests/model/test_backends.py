import pytest
import torch

from hexamer.model import attention, backends, linear, native
from hexamer.model.backends import describe_backends, list_backends

ORDER = [(part, precision) for part in ("attention", "SwiGLU", "LayerNorm", "linear") for precision in ("fp32", "bf16")]


@pytest.fixture
def all_run(monkeypatch: pytest.MonkeyPatch):
    """As if this machine had every kernel."""
    monkeypatch.setattr(native, "why_not", lambda _: "")
    monkeypatch.setattr(native, "measure_errors", lambda _: dict.fromkeys(("attention", "SwiGLU", "LayerNorm"), 3e-7))
    monkeypatch.setattr(linear, "why_not", lambda: "")
    monkeypatch.setattr(linear, "measure_error", lambda dtype: 2e-7 if dtype == torch.float32 else 2e-3)


@pytest.mark.usefixtures("all_run")
def test_each_part_has_a_back_end_and_an_error_or_a_reason():
    found = list_backends()
    assert [(backend.part, backend.precision) for backend in found] == ORDER
    names = [backend.name for backend in found]
    assert names == [backends.OURS] * 4 + [backends.TORCH, backends.OURS, backends.ONEDNN, backends.ONEDNN]
    assert all((backend.error is None) == (backend.name == "torch") for backend in found)
    assert all(backend.reason or backend.error for backend in found)
    assert str(found[0]) == "fp32: native AVX-512 (off by 3.0e-07 in its self-test)"
    assert str(found[4]) == "fp32: torch (no kernel for float32 results)"
    note = "torch's own under autocast, as in training"
    assert str(found[7]) == f"bf16: oneDNN (off by 2.0e-03 in its self-test; {note})"


@pytest.mark.usefixtures("all_run")
def test_a_manifest_has_it_in_a_line():
    ours = "attention native AVX-512, SwiGLU native AVX-512, LayerNorm torch (bf16 native AVX-512)"
    linears = "linear oneDNN (bf16 oneDNN; torch's own under autocast, as in training)"
    assert describe_backends() == f"{ours}, {linears}"


@pytest.mark.usefixtures("all_run")
def test_odd_heads_and_other_devices_are_torchs():
    assert str(list_backends(head_width=6)[0]) == "fp32: torch (heads of 6, not a multiple of 16)"
    assert list_backends(head_width=6)[2].name == backends.OURS
    assert {backend.reason for backend in list_backends("mps")} == {"on a mps device"}


def test_flash_attention_of_gpus_is_named(monkeypatch: pytest.MonkeyPatch):
    for missing, said in (("", "torch flash (varlen) (on a cuda device)"), ("torch before 2.10",) * 2):
        monkeypatch.setattr(attention, "why_not_flash", lambda *_, missing=missing: missing)
        found = list_backends("cuda:1")
        assert str(found[1]) == f"bf16: {said if not missing else f'torch ({said})'}"
        assert {backend.reason for backend in found if backend != found[1]} == {"on a cuda device"}
    assert describe_backends("cuda") == "attention torch, SwiGLU torch, LayerNorm torch, linear torch"


def test_other_processors_products_are_torchs_in_both_precisions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(linear, "why_not", lambda: "the processor is not AMD's")
    assert [str(backend) for backend in list_backends()[6:]] == [
        f"{precision}: torch (the processor is not AMD's)" for precision in ("fp32", "bf16")
    ]


def test_what_is_switched_off_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    found = list_backends()
    assert {backend.name for backend in found} == {"torch"}
    assert [backend.reason for backend in found[:4] + found[6:]] == ["HEXAMER_NATIVE=0"] * 6
    assert describe_backends() == "attention torch, SwiGLU torch, LayerNorm torch, linear torch"


def test_this_machine_is_exact():
    for backend in list_backends():
        assert backend.error is None or backend.error < (1e-5 if backend.precision == "fp32" else 2e-2)
