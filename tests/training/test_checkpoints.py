import json

import pytest
import torch

from hexamer.errors import CheckpointError, OutputError, SettingsError
from hexamer.model import load_model
from hexamer.training import export_checkpoint
from hexamer.training.checkpoints import find_checkpoints, load_checkpoint, save_checkpoint
from hexamer.training.loop import Run, train_step

from .test_loop import batch, new_run


def steps(run: Run, *seeds: int) -> Run:
    for seed in seeds:
        train_step(run, [batch(seed, 2)], 1e-3, clip=1.0, bf16=False)
    return run


def weights(run: Run):
    return {name: parameter.detach().clone() for name, parameter in run.model.named_parameters()}


def test_a_checkpoint_restores_every_bit(tmp_path):
    run = steps(new_run(), 0, 1, 2)
    run.best = 7.5
    save_checkpoint(run, tmp_path, keep=2)
    other = new_run()
    load_checkpoint(other, find_checkpoints(tmp_path)[-1])
    assert (other.step, other.tokens, other.best) == (3, run.tokens, 7.5)
    for r in (run, other):
        steps(r, 9)
    for name, value in weights(run).items():
        assert torch.equal(value, weights(other)[name]), name


def test_a_state_is_json_before_the_first_evaluation_too(tmp_path):
    folder = save_checkpoint(steps(new_run(), 0), tmp_path, keep=1)
    text = (folder / "state.json").read_text()
    assert '"best": null' in text
    for old in (text, text.replace("null", "Infinity", 1)):  # as earlier versions wrote it
        (folder / "state.json").write_text(old)
        run = new_run()
        load_checkpoint(run, folder)
        assert (run.best, run.saved) == (float("inf"), folder)


def test_a_checkpoint_knows_its_corpus(tmp_path):
    run, other = steps(new_run(), 0), new_run()
    run.origin = {"corpus_digest": "a", "corpora": ["a", "b"], "started_from": {"source": "x"}}
    folder = save_checkpoint(run, tmp_path, keep=1)
    other.origin["corpus_digest"] = "b"
    with pytest.raises(SettingsError, match="learnt from a corpus of other content"):
        load_checkpoint(other, folder)
    other.origin["corpus_digest"] = "a"
    load_checkpoint(other, folder)
    assert other.origin == run.origin
    state = json.loads((folder / "state.json").read_text())
    del state["origin"]
    (folder / "state.json").write_text(json.dumps(state))
    load_checkpoint(new_run(), folder)


def test_checkpoints_are_models_and_the_newest_stay(tmp_path):
    run = new_run()
    for step in range(4):
        save_checkpoint(steps(run, step), tmp_path, keep=2)
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    loaded = load_model(find_checkpoints(tmp_path)[-1])
    assert torch.equal(loaded.embed_tokens.weight, run.model.embed_tokens.weight)


def test_the_best_stays_too(tmp_path):
    run = new_run()
    for step, held_out in enumerate((8.0, 7.0, None, 7.5, None), start=1):
        save_checkpoint(steps(run, step), tmp_path, keep=1, held_out=held_out)
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-00000002", "step-00000005"]
    assert (tmp_path / "best").resolve().name == "step-00000002"
    assert load_model(tmp_path / "best").config == run.model.config


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path, monkeypatch):
    run = steps(new_run(), 0)
    save_checkpoint(run, tmp_path, keep=2)

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hexamer.training.checkpoints.save_file", die)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(steps(run, 1), tmp_path, keep=2)
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-00000001"]
    save_checkpoint(run, tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"], "rests are removed"


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    run = steps(new_run(), 0)
    save_checkpoint(run, tmp_path, keep=2)

    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hexamer.training.checkpoints.save_file", fill)
    with pytest.raises(OutputError, match=r"step-00000002: cannot be written .*No space left .* --resume would work"):
        save_checkpoint(steps(run, 1), tmp_path, keep=2)
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-00000001"]


def test_a_checkpoint_of_another_size_is_refused(tmp_path):
    folder = save_checkpoint(steps(new_run(), 0), tmp_path, keep=1)
    with pytest.raises(CheckpointError, match=r"width=16.*this run has.*width=32"):
        load_checkpoint(new_run(width=32), folder)


@pytest.mark.parametrize("name", ["optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_told(tmp_path, name: str):
    folder = save_checkpoint(steps(new_run(), 0), tmp_path, keep=1)
    for damage in (b"{", b"[]"):
        (folder / name).write_bytes(damage)
        with pytest.raises(CheckpointError, match=r"optimiser or step cannot be read .* remove it to go on"):
            load_checkpoint(new_run(), folder)


def test_a_checkpoint_is_exported_as_a_model(tmp_path):
    run = steps(new_run(), 0)
    run.origin = {"corpora": ["a"]}
    folder = export_checkpoint(save_checkpoint(run, tmp_path / "run", keep=1), tmp_path / "model")
    names = ["config.json", "model.safetensors", "training.json", "vocab.txt"]
    assert sorted(path.name for path in folder.iterdir()) == names
    record = json.loads((folder / "training.json").read_text())
    assert (record["step"], record["corpora"]) == (1, ["a"])
    assert torch.equal(load_model(folder).final_norm.weight, run.model.final_norm.weight)
    with pytest.raises(CheckpointError):
        export_checkpoint(tmp_path / "none", tmp_path / "other")
