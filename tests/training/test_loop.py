import pytest
import torch

from hexamer.errors import CheckpointError
from hexamer.model import ModelConfig, NucleotideTransformer, load_model
from hexamer.training.loop import Run, find_checkpoints, load_checkpoint, save_checkpoint, train_step
from hexamer.training.optimizer import make_adam


def new_run(width: int = 16) -> Run:
    torch.manual_seed(3)
    model = NucleotideTransformer(ModelConfig(layers=1, width=width, heads=2, ffn=16, max_tokens=32))
    return Run(model, make_adam(model))


def batch(seed: int, rows: int):
    ids = torch.randint(6, 4102, (rows, 16), generator=torch.Generator().manual_seed(seed))
    selected = torch.zeros_like(ids, dtype=torch.bool)
    selected[:, 2:5] = True
    return ids, ids.masked_fill(selected, 2), selected


def weights(run: Run):
    return {name: parameter.detach().clone() for name, parameter in run.model.named_parameters()}


def test_accumulated_batches_give_the_step_of_one_large_batch():
    whole, split = new_run(), new_run()
    a, b = batch(1, 4), batch(2, 4)
    large = tuple(torch.cat(pair) for pair in zip(a, b, strict=True))
    one = train_step(whole, [large], 1e-3, clip=1.0, bf16=False)
    two = train_step(split, [a, b], 1e-3, clip=1.0, bf16=False)
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)
    assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)
    assert (whole.step, whole.tokens) == (split.step, split.tokens) == (1, 128)


def test_a_checkpoint_restores_every_bit(tmp_path):
    run = new_run()
    for step in range(3):
        train_step(run, [batch(step, 2)], 1e-3, clip=1.0, bf16=False)
    save_checkpoint(run, tmp_path, keep=2)
    other = new_run()
    load_checkpoint(other, find_checkpoints(tmp_path)[-1])
    for r in (run, other):
        train_step(r, [batch(9, 2)], 1e-3, clip=1.0, bf16=False)
    assert (other.step, other.tokens) == (4, run.tokens)
    for name, value in weights(run).items():
        assert torch.equal(value, weights(other)[name]), name


def test_checkpoints_are_models_and_only_the_newest_stay(tmp_path):
    run = new_run()
    for step in range(4):
        train_step(run, [batch(step, 2)], 1e-3, clip=1.0, bf16=False)
        save_checkpoint(run, tmp_path, keep=2)
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    loaded = load_model(find_checkpoints(tmp_path)[-1])
    assert torch.equal(loaded.embed_tokens.weight, run.model.embed_tokens.weight)


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path, monkeypatch):
    run = new_run()
    train_step(run, [batch(0, 2)], 1e-3, clip=1.0, bf16=False)
    save_checkpoint(run, tmp_path, keep=2)
    monkeypatch.setattr("hexamer.training.loop.save_file", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    train_step(run, [batch(1, 2)], 1e-3, clip=1.0, bf16=False)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(run, tmp_path, keep=2)
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-00000001"]


def test_a_checkpoint_of_another_size_is_refused(tmp_path):
    folder = save_checkpoint(new_run(), tmp_path, keep=1)
    with pytest.raises(CheckpointError, match=r"width=16.*this run has.*width=32"):
        load_checkpoint(new_run(width=32), folder)
