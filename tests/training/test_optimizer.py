import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.training.optimizer import Schedule, make_adamw


def test_published_schedule():
    published = Schedule()
    assert Schedule(start=0, peak=1).rate(50, 1000) == 1, "the warm-up is scaled to a short run"
    assert published.rate(1, 10**6) == pytest.approx(5e-5, rel=1e-3)
    assert published.rate(16_000, 10**6) == pytest.approx(1e-4)
    assert published.rate(64_000, 10**6) == pytest.approx(5e-5)


@given(st.integers(1, 50), st.integers(1, 200))
def test_rate_rises_to_the_peak_then_falls(warmup, step):
    schedule = Schedule(start=1e-5, peak=1e-3, warmup=warmup)
    now, later = schedule.rate(step, 1000), schedule.rate(step + 1, 1000)
    assert 0 < now <= 1e-3
    assert (later > now) == (step < warmup)


def test_cooldown_falls_to_a_hundredth():
    plain, cooled = Schedule(warmup=10), Schedule(warmup=10, cooldown=100)
    assert cooled.rate(900, 1000) == plain.rate(900, 1000)
    assert cooled.rate(950, 1000) == pytest.approx(plain.rate(950, 1000) / 2)
    assert cooled.rate(1000, 1000) == pytest.approx(plain.rate(1000, 1000) / 100)


def test_mistakes_and_adamw(model):
    with pytest.raises(SettingsError, match="0 <= start <= peak"):
        Schedule(start=1.0, peak=0.1)
    for peak in (float("inf"), float("nan"), 0.0):
        with pytest.raises(SettingsError, match="a finite peak > 0"):
            Schedule(start=0.0, peak=peak)
    group, others = make_adamw(model, weight_decay=0.1).param_groups
    assert (group["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all(names[id(parameter)].endswith("weight") and parameter.ndim == 2 for parameter in group["params"])
    kept = {names[id(parameter)] for parameter in others["params"]}
    assert {"embed_tokens.weight", "final_norm.weight", "lm_head.decoder.bias"} <= kept
    assert len(group["params"]) + len(kept) == len(names)
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.1)
