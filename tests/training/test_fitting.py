from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hexamer.errors import CheckpointError, SettingsError
from hexamer.training.fitting import STATE, FitSettings, draw_examples, fit_weights

SETTINGS = FitSettings(steps=60, rate=0.05, batch=8, evaluate_every=10, patience=10)
X = torch.randn(100, 4, generator=torch.Generator().manual_seed(1))
Y = (X @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]])).float()


class Line(nn.Module):
    """y = w x, with dropout; one weight frozen."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.line, self.frozen = nn.Linear(4, 1), nn.Parameter(torch.ones(1), requires_grad=False)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, y, weights):
        losses = (self.line(self.dropout(x)) * self.frozen - y) ** 2
        return (losses * weights).sum(), torch.zeros((), dtype=torch.int64)


def fit(module, settings=SETTINGS, folder=None, advance=None, score=None, about=""):
    def draw(step):
        chosen = draw_examples(100, settings.batch, settings.seed, step)
        parts = (t.chunk(settings.accumulate) for t in (X[chosen], Y[chosen], torch.ones(len(chosen), 1)))
        return list(zip(*parts, strict=True))

    def error():
        return -float(((module.line(X) - Y) ** 2).mean())

    return fit_weights(module, draw, score or error, settings, folder=folder, about=about, advance=advance)


def weights(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_every_example_once_in_an_epoch(count, batch, seed):
    drawn = np.concatenate([draw_examples(count, batch, seed, step) for step in range(1, count + 1)])
    for epoch in range(batch):
        assert sorted(drawn[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_it_learns_and_keeps_the_best():
    module, seen = Line(), []
    found = fit(module, advance=seen.append)
    assert found.best_score == max(look["score"] for look in found.history) > -0.5
    assert -((module.line(X) - Y) ** 2).mean().item() == pytest.approx(found.best_score)
    assert [record["step"] for record in seen] == list(range(1, 61))
    assert not module.training
    assert float(module.frozen) == 1


def test_the_best_weights_come_back_when_later_ones_are_worse():
    module, scores = Line(), iter([1.0, 3.0, 2.0, 2.5, 0.0, 0.0])
    at = {}
    found = fit(module, score=lambda: (at.setdefault(len(at), weights(module).clone()), next(scores))[1])
    assert found.best_step == 20
    assert torch.equal(weights(module), at[1])


def test_patience_ends_it():
    scores = iter([1.0, 0.5, 0.4, 0.3])
    found = fit(Line(), replace(SETTINGS, patience=2), score=lambda: next(scores))
    assert [look["step"] for look in found.history] == [10, 20, 30]


def test_a_score_that_is_no_number_never_wins_over_one():
    scores = iter([float("nan"), 0.2, float("nan"), 0.1, 0.1, 0.1])
    assert fit(Line(), score=lambda: next(scores)).best_step == 20
    scores = iter([0.1, float("nan"), 0.05, 0.3, float("nan"), 0.1])
    assert fit(Line(), score=lambda: next(scores)).best_step == 40
    assert fit(Line(), score=lambda: float("nan")).best_step == 10


def test_killed_anywhere_it_goes_on_to_the_same_weights(tmp_path):
    whole, stopped, again = Line(), Line(), Line()
    wanted = fit(whole)

    class StopError(Exception):
        pass

    def kill(record):
        if record["step"] == 37:
            raise StopError

    with pytest.raises(StopError):
        fit(stopped, folder=tmp_path, advance=kill)
    found = fit(again, folder=tmp_path)
    assert found.best_score == wanted.best_score
    assert found.history == wanted.history
    assert torch.equal(weights(again), weights(whole))
    assert fit(Line(), folder=tmp_path).history == wanted.history  # finished: nothing is done again


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(Line())
    assert torch.equal(torch.get_rng_state(), before)


def test_accumulated_parts_take_the_same_step():
    plain, parts = Line().eval(), Line().eval()
    for module in (plain, parts):
        module.dropout.p = 0.0
    fit(plain)
    fit(parts, replace(SETTINGS, accumulate=4))
    torch.testing.assert_close(weights(plain), weights(parts), atol=1e-5, rtol=1e-5)


def test_mistakes(tmp_path):
    fit(Line(), folder=tmp_path)
    with pytest.raises(SettingsError, match="a run of other settings"):
        fit(Line(), replace(SETTINGS, rate=0.1), folder=tmp_path)
    with pytest.raises(SettingsError, match="a run of other examples"):
        fit(Line(), folder=tmp_path, about="others")
    (tmp_path / STATE).write_bytes(b"x" * 50)
    with pytest.raises(CheckpointError, match="cannot be gone on from"):
        fit(Line(), folder=tmp_path)
    with pytest.raises(SettingsError, match="no weight is trained"):
        fit(Line().requires_grad_(False))
    with pytest.raises(SettingsError, match="a smaller"):
        fit(Line(), replace(SETTINGS, rate=1e30, clip=0.0))


@pytest.mark.parametrize("values", [{"steps": 0}, {"rate": 0.0}, {"rate": float("inf")}, {"batch": 0}, {"clip": -1.0}])
def test_settings_out_of_range(values):
    with pytest.raises(SettingsError, match="would work"):
        FitSettings(**values)
