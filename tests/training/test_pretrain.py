import json
import os
import signal
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch

from hexamer.errors import CheckpointError, GenomeError, OutputError, SettingsError
from hexamer.manifest import read_settings
from hexamer.model import SIZES, ModelConfig, NucleotideTransformer, save_model
from hexamer.tokens import Corpus, Sampler, Tokenizer, build_corpus
from hexamer.training import PretrainConfig, Schedule, pretrain
from hexamer.training.checkpoints import find_checkpoints
from hexamer.training.parallel import Processes
from hexamer.training.pretrain import draw_batches


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The size "tiny", made tinier, so that a run takes a second."""
    monkeypatch.setitem(SIZES, "tiny", ModelConfig(layers=1, width=16, heads=2, ffn=16))


def log_of(config: PretrainConfig):
    return [json.loads(line) for line in (Path(config.out) / "log.jsonl").read_text().splitlines()]


def test_a_run_learns_and_leaves_what_it_promises(config):
    schedule = Schedule(start=5e-3, peak=5e-3, warmup=60)
    longer = replace(config, max_steps=60, evaluate_every=30, save_every=50, schedule=schedule)
    model = pretrain(longer, progress=False)
    log = log_of(longer)
    assert [record["step"] for record in log] == list(range(1, 61))
    assert set(log[0]) == {"step", "loss", "accuracy", "gradient_norm", "lr", "tokens", "seconds"}
    assert log[-1]["held_out"]["pattern"] < log[0]["loss"] - 0.5
    assert model.training is False
    assert model.config.max_tokens == longer.tokens
    out = Path(longer.out)
    again = read_settings(PretrainConfig, out / "settings.toml")
    assert replace(again, genomes=longer.genomes) == longer
    assert Path(again.genomes[0].files[0]).is_absolute()
    assert json.loads((out / "manifest.json").read_text())["corpus"]["genomes"][0]["files"][0]["sha256"]


def test_a_killed_run_goes_on_to_the_same_weights_and_log(config, tmp_path, monkeypatch):
    whole = pretrain(config, progress=False)
    killed = replace(config, out=str(tmp_path / "killed"))

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_module("hexamer.training.pretrain"), "_held_out_losses", die)
        with pytest.raises(KeyboardInterrupt):  # in step 3, after checkpoint 2
            pretrain(killed, progress=False)
    with (tmp_path / "killed" / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    resumed = pretrain(killed, resume=True, progress=False)
    for (name, a), (_, b) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    keep = ("step", "loss", "accuracy", "gradient_norm", "lr", "tokens", "held_out")
    first, second = ([{k: r[k] for k in keep if k in r} for r in log_of(c)] for c in (config, killed))
    assert first == second


def test_batches_are_a_function_of_settings_and_step(config):
    pretrain(config, progress=False)
    corpus = Corpus(Path(config.out) / "corpus")
    sampler = Sampler(corpus, Tokenizer(), tokens=config.tokens, rows=config.rows, seed=config.seed)
    alone = Processes(0, 1, torch.device("cpu"))
    first, again, other = (draw_batches(sampler, config, alone, step) for step in (4, 4, 5))
    assert all(torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not torch.equal(first[0][0], other[0][0])
    assert (len(first), first[0][0].shape) == (2, (2, 40))
    # Three processes share four rows: as many batches each, and blank rows have no weight.
    shared = [draw_batches(sampler, config, replace(alone, rank=rank, count=3), 4) for rank in range(3)]
    assert [len(batches) for batches in shared] == [1, 1, 1]
    rows = [row for batches in shared for ids, _, weights in batches for row in ids[weights.any(1)].tolist()]
    assert sorted(rows) == sorted(row for ids, _, _ in first for row in ids.tolist())


def test_two_runs_are_not_mixed(config):
    pretrain(config, progress=False)
    with pytest.raises(OutputError, match="holds a run already; --resume"):
        pretrain(config, progress=False)
    with pytest.raises(SettingsError, match=r"the run to resume has another seed \(5, not 6\)"):
        pretrain(replace(config, seed=6), resume=True, progress=False)


def test_a_genome_without_room_for_a_window_is_refused_before_the_first_step(config):
    with pytest.raises(GenomeError, match="'pattern': no stretch of 11,994 bases"):
        pretrain(replace(config, tokens=2000, step_tokens=4000), progress=False)


def test_a_held_out_region_without_room_for_a_window_does_not_stop_the_run(config):
    (source,) = config.genomes
    short = replace(config, genomes=(replace(source, hold_out=("held:1-100",)),))
    pretrain(short, progress=False)
    assert "held_out" not in log_of(short)[-1]


def test_settings_can_be_fed_back_in_from_any_folder(config, tmp_path, monkeypatch):
    pretrain(config, progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = read_settings(PretrainConfig, Path(config.out) / "settings.toml", out=str(tmp_path / "again"))
    pretrain(again, relative_to=config.out, progress=False)
    assert [r["loss"] for r in log_of(again)] == [r["loss"] for r in log_of(config)]


def test_a_terminated_run_saves_and_goes_on_to_the_same_weights(config, tmp_path, monkeypatch):
    whole = pretrain(config, progress=False)
    stopped = replace(config, out=str(tmp_path / "stopped"), evaluate_every=0, save_every=100)
    drawn = import_module("hexamer.training.pretrain").draw_batches

    def draw(sampler, settings, processes, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return drawn(sampler, settings, processes, step)

    with monkeypatch.context() as patch:
        patch.setattr(import_module("hexamer.training.pretrain"), "draw_batches", draw)
        with pytest.raises(KeyboardInterrupt):
            pretrain(stopped, progress=False)
    (checkpoint,) = find_checkpoints(Path(stopped.out) / "checkpoints")
    assert 3 <= int(checkpoint.name[-8:]) <= 5
    resumed = pretrain(stopped, resume=True, progress=False)
    for (name, a), (_, b) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_a_model_goes_on_training(config, tmp_path):
    first = pretrain(config, progress=False)
    model = str(Path(config.out) / "model")
    more = replace(config, out=str(tmp_path / "more"), start_from=model, seed=6, max_steps=3)
    second = pretrain(more, progress=False)
    assert second.config == first.config
    assert log_of(more)[0]["loss"] < log_of(config)[0]["loss"], "not from random weights"
    longer = replace(more, out=str(tmp_path / "longer"), tokens=50, step_tokens=100)
    assert pretrain(longer, progress=False).config.max_tokens == 50
    v1 = save_model(
        NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, layout="v1", max_tokens=40)),
        tmp_path / "v1",
    )
    with pytest.raises(SettingsError, match=r"tokens = 41; .* has 40 learned positions"):
        pretrain(replace(longer, out=str(tmp_path / "v1-run"), tokens=41, start_from=str(v1)), progress=False)
    with pytest.raises(CheckpointError, match="was not found"):
        pretrain(replace(more, out=str(tmp_path / "none"), start_from=str(tmp_path / "no-model")), progress=False)


def test_a_corpus_may_be_made_before(config, tmp_path):
    build_corpus(config.genomes, tmp_path / "corpus")
    pretrain(config, progress=False)
    again = replace(config, genomes=(), corpus=str(tmp_path / "corpus"), out=str(tmp_path / "again"))
    pretrain(again, progress=False)
    assert not (Path(again.out) / "corpus").exists()
    assert [r["loss"] for r in log_of(again)] == [r["loss"] for r in log_of(config)]
    (tmp_path / "corpus" / "bases.u2").write_bytes(b"\1" * (tmp_path / "corpus" / "bases.u2").stat().st_size)
    with pytest.raises(SettingsError, match="has changed since the corpus was built"):
        pretrain(replace(again, out=str(tmp_path / "changed")), progress=False)


def test_activation_checkpointing_changes_no_bit(config, tmp_path):
    plain = pretrain(config, progress=False)
    recomputed = pretrain(replace(config, out=str(tmp_path / "other"), recompute=True), progress=False)
    for (name, a), (_, b) in zip(plain.named_parameters(), recomputed.named_parameters(), strict=True):
        assert torch.equal(a, b), name
