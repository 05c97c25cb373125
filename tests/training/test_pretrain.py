import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch

from hexamer.errors import GenomeError, OutputError, SettingsError
from hexamer.manifest import read_settings
from hexamer.model import SIZES, ModelConfig
from hexamer.tokens import Corpus
from hexamer.training import PretrainConfig, Schedule, pretrain
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
    assert json.loads((out / "manifest.json").read_text())["corpus"][0]["files"][0]["sha256"]


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
    model = pretrain(config, progress=False)
    corpus = Corpus(Path(config.out) / "corpus")
    first, again, other = (draw_batches(corpus, model, config, step) for step in (4, 4, 5))
    assert all(torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not torch.equal(first[0][0], other[0][0])
    assert (len(first), first[0][0].shape) == (2, (2, 40))


def test_two_runs_are_not_mixed(config):
    pretrain(config, progress=False)
    with pytest.raises(OutputError, match="holds a run already; --resume"):
        pretrain(config, progress=False)
    with pytest.raises(SettingsError, match="the run to resume has another seed"):
        pretrain(replace(config, seed=6), resume=True, progress=False)


def test_a_genome_without_room_for_a_window_is_refused_before_the_first_step(config):
    with pytest.raises(GenomeError, match="'pattern': no stretch of 11,994 bases"):
        pretrain(replace(config, tokens=2000), progress=False)


def test_a_held_out_region_without_room_for_a_window_does_not_stop_the_run(config):
    (source,) = config.genomes
    short = replace(config, genomes=(replace(source, hold_out=("held:1-100",)),))
    pretrain(short, progress=False)
    assert log_of(short)[-1]["held_out"] == {}


def test_settings_can_be_fed_back_in_from_any_folder(config, tmp_path, monkeypatch):
    pretrain(config, progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = read_settings(PretrainConfig, Path(config.out) / "settings.toml", out=str(tmp_path / "again"))
    pretrain(again, relative_to=config.out, progress=False)
    assert [r["loss"] for r in log_of(again)] == [r["loss"] for r in log_of(config)]


@pytest.mark.parametrize(
    ("key", "value"), [("seed", -1), ("tokens", 2), ("tokens", 9999), ("batch", 0), ("max_steps", -1)]
)
def test_mistakes(config, key, value):
    with pytest.raises(SettingsError, match=f"{key} = {value}"):
        replace(config, **{key: value})
