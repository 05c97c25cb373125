import pytest
import torch

from hexamer.errors import SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer
from hexamer.training.loop import Run, check_finite, train, train_step
from hexamer.training.objective import MaskedObjective
from hexamer.training.optimizer import make_adamw
from hexamer.training.parallel import Processes


def new_run(width: int = 16) -> Run:
    torch.manual_seed(3)
    model = NucleotideTransformer(ModelConfig(layers=1, width=width, heads=2, ffn=16, max_tokens=32))
    return Run(model, MaskedObjective(model), make_adamw(model), Processes(0, 1, torch.device("cpu")))


def batch(seed: int, rows: int):
    ids = torch.randint(6, 4102, (rows, 16), generator=torch.Generator().manual_seed(seed))
    weights = torch.zeros(rows, 16)
    weights[:, 2:5] = 1
    return ids, ids.masked_fill(weights > 0, 2), weights


def test_accumulated_batches_give_the_step_of_one_large_batch():
    whole, split = new_run(), new_run()
    a, b = batch(1, 4), batch(2, 4)
    large = tuple(torch.cat(pair) for pair in zip(a, b, strict=True))
    one = train_step(whole, [large], 1e-3, clip=1.0, bf16=False)
    two = train_step(split, [a, b], 1e-3, clip=1.0, bf16=False)
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
    assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)
    assert (whole.step, whole.tokens) == (split.step, split.tokens) == (1, 128)


def test_weights_are_shares_of_the_loss():
    ids, corrupted, weights = batch(1, 2)
    weights[0] *= 0.25
    alone = [
        train_step(new_run(), [(ids[i : i + 1], corrupted[i : i + 1], weights[i : i + 1])], 1e-3, clip=0, bf16=False)
        for i in (0, 1)
    ]
    both = train_step(new_run(), [(ids, corrupted, weights)], 1e-3, clip=0, bf16=False)
    assert both["loss"] == pytest.approx((0.25 * alone[0]["loss"] + alone[1]["loss"]) / 1.25, rel=1e-5)


def test_rows_without_weight_change_nothing_and_are_not_counted():
    ids, corrupted, weights = batch(1, 4)
    padded = weights.clone()
    padded[2:] = 0
    with_blanks, without = new_run(), new_run()
    one = train_step(with_blanks, [(ids, corrupted, padded)], 1e-3, clip=1.0, bf16=False)
    two = train_step(without, [(ids[:2], corrupted[:2], weights[:2])], 1e-3, clip=1.0, bf16=False)
    assert one == pytest.approx(two, rel=1e-5)
    assert with_blanks.tokens == without.tokens == 32
    nothing = train_step(with_blanks, [(ids, corrupted, torch.zeros_like(weights))], 1e-3, clip=1.0, bf16=False)
    assert (nothing["loss"], nothing["gradient_norm"]) == (0, 0)


def test_steps_are_drawn_ahead_and_in_order():
    run, asked, records = new_run(), [], []

    def draw(step: int):
        asked.append(step)
        return [batch(step, 2)]

    train(run, draw, lambda step: 1e-3 * step, last=3, clip=1.0, bf16=False, after=records.append)
    assert asked == [1, 2, 3]
    assert [(record["step"], record["lr"], record["tokens"]) for record in records] == [
        (1, 1e-3, 32),
        (2, 2e-3, 64),
        (3, 3e-3, 96),
    ]
    train(run, draw, lambda _: 1e-3, last=3, clip=1.0, bf16=False, after=records.append)
    assert len(records) == 3, "nothing is left to do"


def test_a_run_that_is_asked_to_stop_ends_after_its_step():
    run, records = new_run(), []

    def after(record):
        records.append(record)
        run.stop_asked = record["step"] == 2

    train(run, lambda step: [batch(step, 2)], lambda _: 1e-3, last=9, clip=1.0, bf16=False, after=after)
    assert run.step == 3, "asked in the report of step 2, which all learn of in step 3"
    assert run.stopping


def test_what_goes_wrong_in_drawing_is_told():
    def draw(step: int):
        raise ValueError("no such window")

    with pytest.raises(ValueError, match="no such window"):
        train(new_run(), draw, lambda _: 1e-3, last=2, clip=1.0, bf16=False, after=lambda _: None)


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_change(tmp_path):
    run = new_run()
    before = run.model.embed_tokens.weight.detach().clone()
    ids, corrupted, weights = batch(1, 2)
    with pytest.raises(SettingsError, match=r"step 1: loss nan, gradient norm .* \(there is no checkpoint yet\)"):
        train_step(run, [(ids, corrupted, weights * float("nan"))], 1e-3, clip=1.0, bf16=False)
    assert run.step == 0
    assert torch.equal(run.model.embed_tokens.weight, before)
    run.saved = tmp_path / "step-00000004"
    with pytest.raises(SettingsError, match=r"step 7: held-out loss inf; .* \(--from .*step-00000004\) or anew"):
        check_finite(run, 7, {"held-out loss": float("inf")})
