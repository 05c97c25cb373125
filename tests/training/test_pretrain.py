import gzip
import json
import os
import shutil
import signal
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch

from hexamer.errors import CheckpointError, GenomeError, OutputError, SettingsError
from hexamer.manifest import read_settings, write_settings
from hexamer.model import SIZES, ModelConfig, NucleotideTransformer, load_model, save_model
from hexamer.tokens import Corpus, Masking, build_corpus
from hexamer.training import PretrainConfig, Schedule, pretrain
from hexamer.training.checkpoints import find_checkpoints
from hexamer.training.recipe import read_recipe


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The size "tiny", made tinier, so that a run takes a second."""
    monkeypatch.setitem(SIZES, "tiny", ModelConfig(layers=1, width=16, heads=2, ffn=16))


def die(*_, **__):
    raise KeyboardInterrupt


def half_a_run(config: PretrainConfig, monkeypatch, relative_to: Path = Path()) -> PretrainConfig:
    """Killed in step 3, after checkpoint 2."""
    with monkeypatch.context() as patch:
        patch.setattr(import_module("hexamer.training.pretrain"), "held_out_losses", die)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, relative_to=relative_to, progress=False)
    return config


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
    again, _ = read_recipe(out / "settings.toml")
    assert replace(again, genomes=longer.genomes) == longer.resolved(Masking())
    assert (again.masking, again.schedule.warmup) == (Masking(), 60), "as they came out"
    assert Path(again.genomes[0].files[0]).is_absolute()
    assert json.loads((out / "manifest.json").read_text())["corpus"]["genomes"][0]["files"][0]["sha256"]


def test_a_killed_run_goes_on_to_the_same_weights_and_log(config, tmp_path, monkeypatch):
    whole = pretrain(config, progress=False)
    killed = half_a_run(replace(config, out=str(tmp_path / "killed")), monkeypatch)
    with (tmp_path / "killed" / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    resumed = pretrain(killed, resume=True, progress=False)
    for (name, a), (_, b) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    keep = ("step", "loss", "accuracy", "gradient_norm", "lr", "tokens", "held_out")
    first, second = ([{k: r[k] for k in keep if k in r} for r in log_of(c)] for c in (config, killed))
    assert first == second


def test_two_runs_are_not_mixed(config):
    pretrain(config, progress=False)
    with pytest.raises(OutputError, match="holds a run already; --resume"):
        pretrain(config, progress=False)
    with pytest.raises(
        SettingsError, match=r"the run to resume has another seed \(5, not 6\); .* --from .*/run/model w"
    ):
        pretrain(replace(config, seed=6), resume=True, progress=False)


def test_there_has_to_be_a_run_to_resume(config, capfd):
    with pytest.raises(OutputError, match=r"run: holds no run to resume \(no settings\.toml\); without --resume"):
        pretrain(config, resume=True)
    assert not Path(config.out).exists()
    Path(config.out).mkdir()
    write_settings(Path(config.out) / "settings.toml", config.starting_at(Path()))  # killed before its first checkpoint
    pretrain(config, resume=True)
    assert f"no checkpoint in {config.out} yet: beginning with step 1" in capfd.readouterr().err


def test_a_run_of_before_goes_on_and_its_masking_is_kept(config, monkeypatch, capfd):
    """Its settings.toml says what was asked for, not what came of it."""
    half_a_run(replace(config, model=ModelConfig(layers=1, width=8, heads=2, ffn=8)), monkeypatch)
    settings = Path(config.out) / "settings.toml"
    text = settings.read_text()
    for new, old in (
        ("max_tokens = 40", "max_tokens = 2048"),
        ("[masking]\nrate = 0.15\nmask = 0.8\nrandom = 0.1\n", ""),
    ):
        assert new in text
        text = text.replace(new, old)
    settings.write_text('size = "tiny"\n' + text)
    recipe, _ = read_recipe(settings)
    with pytest.raises(SettingsError, match=r"another masking \(None, not Masking\(.*; its own settings"):
        pretrain(replace(recipe, masking=Masking(rate=0.2)), resume=True)
    pretrain(recipe, resume=True)
    err = capfd.readouterr().err
    assert "going on from checkpoints/step-00000002 (step 2 of 6)" in err
    assert "step 6  held out: pattern" in err


def test_masking_that_follows_from_the_corpus_has_to_be_that_of_the_run(config, monkeypatch):
    half_a_run(replace(config, masking=Masking(rate=0.2)), monkeypatch)
    with pytest.raises(SettingsError, match="another masking"):
        pretrain(config, resume=True, progress=False)
    pretrain(replace(config, masking=Masking(rate=0.2)), resume=True, progress=False)


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_run_saves_and_goes_on_to_the_same_weights(config, tmp_path, monkeypatch, number):
    before = signal.getsignal(signal.SIGINT)  # a shell ignores it for what runs behind its back
    whole = pretrain(config, progress=False)
    stopped = replace(config, out=str(tmp_path / "stopped"), evaluate_every=0, save_every=100)
    drawn = import_module("hexamer.training.pretrain").draw_batches

    def draw(sampler, processes, step, *, batch):
        if step == 4:
            os.kill(os.getpid(), number)
        return drawn(sampler, processes, step, batch=batch)

    with monkeypatch.context() as patch:
        patch.setattr(import_module("hexamer.training.pretrain"), "draw_batches", draw)
        with pytest.raises(KeyboardInterrupt) as caught:
            pretrain(stopped, progress=False)
    (checkpoint,) = find_checkpoints(Path(stopped.out) / "checkpoints")
    assert 3 <= (step := int(checkpoint.name[-8:])) <= 5
    assert str(caught.value) == f"stopped after step {step}; --resume goes on from checkpoints/{checkpoint.name}"
    assert signal.getsignal(signal.SIGINT) is before
    resumed = pretrain(stopped, resume=True, progress=False)
    for (name, a), (_, b) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_a_second_ctrl_c_stops_at_once(config, monkeypatch, capfd):
    module = import_module("hexamer.training.pretrain")
    drawn = module.draw_batches

    def draw(sampler, processes, step, *, batch):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return drawn(sampler, processes, step, batch=batch)

    # In the main thread, where signals arrive: the second one while the first step is not yet over.
    monkeypatch.setattr("hexamer.training.loop._drawn_ahead", lambda draw, steps: map(draw, steps))
    monkeypatch.setattr(module, "draw_batches", draw)
    with pytest.raises(KeyboardInterrupt) as caught:
        pretrain(replace(config, save_every=100, evaluate_every=0))
    assert str(caught.value) == ""
    assert find_checkpoints(Path(config.out) / "checkpoints") == []
    assert capfd.readouterr().err.count("Ctrl-C again stops at once") == 1


def test_a_run_notes_what_its_weights_have_seen(config, tmp_path, monkeypatch):
    pretrain(config, progress=False)
    first = Corpus(Path(config.out) / "corpus").digest
    (source,) = config.genomes
    other = replace(source, hold_out=("held:1-4,000",))
    more = replace(config, out=str(tmp_path / "more"), start_from=f"{config.out}/model", genomes=(other,))
    half_a_run(more, monkeypatch)
    pretrain(more, resume=True, progress=False)
    digests = sorted({first, Corpus(tmp_path / "more" / "corpus").digest})
    assert len(digests) == 2
    for name in ("manifest.json", "model/training.json"):
        assert json.loads((tmp_path / "more" / name).read_text())["corpora"] == digests
    unknown = replace(config, out=str(tmp_path / "unknown"), start_from=str(tmp_path / "elsewhere"))
    save_model(load_model(f"{config.out}/model"), tmp_path / "elsewhere")
    pretrain(unknown, progress=False)
    assert json.loads((tmp_path / "unknown" / "manifest.json").read_text())["corpora"] is None


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


def test_a_run_goes_on_with_its_own_corpus_only(config, species, tmp_path, monkeypatch):
    copy = tmp_path / "copy.fa"
    shutil.copy(species, copy)
    own = replace(config, genomes=(replace(config.genomes[0], fasta=str(copy)),))
    half_a_run(own, monkeypatch)
    shutil.rmtree(Path(own.out) / "corpus")
    copy.write_text(copy.read_text().replace("ACGTAC", "ACGTAT"))
    with pytest.raises(SettingsError, match=r"step-00000002: learnt from a corpus of other content"):
        pretrain(own, resume=True, progress=False)
    shutil.rmtree(Path(own.out) / "corpus")
    shutil.copy(species, copy)
    pretrain(own, resume=True, progress=False)


def test_a_corpus_may_move_but_not_change(config, species, tmp_path, monkeypatch):
    (source,) = config.genomes
    (tmp_path / "copy.fa.gz").write_bytes(gzip.compress(species.read_bytes()))
    folders = [str(tmp_path / name) for name in ("one", "moved", "other")]
    build_corpus([source], folders[0])
    build_corpus([replace(source, fasta=str(tmp_path / "copy.fa.gz"))], folders[1])
    build_corpus([replace(source, hold_out=("held:1-4,000",))], folders[2])
    first = half_a_run(replace(config, genomes=(), corpus=folders[0]), monkeypatch)
    with pytest.raises(SettingsError, match="a corpus of other content"):
        pretrain(replace(first, corpus=folders[2]), resume=True, progress=False)
    pretrain(replace(first, corpus=folders[1]), resume=True, progress=False)


def test_checkpoints_of_before_still_resume(config, monkeypatch):
    half_a_run(config, monkeypatch)
    (checkpoint,) = find_checkpoints(Path(config.out) / "checkpoints")
    state = json.loads((checkpoint / "state.json").read_text())
    del state["origin"]
    (checkpoint / "state.json").write_text(json.dumps(state | {"best": float("inf")}))
    pretrain(config, resume=True, progress=False)
    assert log_of(config)[-1]["step"] == config.max_steps
    for checkpoint in find_checkpoints(Path(config.out) / "checkpoints"):
        assert len(json.loads((checkpoint / "state.json").read_text())["origin"]["corpus_digest"]) == 64


def test_a_model_to_start_from_is_told_in_the_manifest_and_not_needed_again(config, tmp_path, monkeypatch):
    recipes = tmp_path / "recipes"
    sizes = ModelConfig(layers=2, width=8, heads=2, ffn=8, max_tokens=64)
    save_model(NucleotideTransformer(sizes), recipes / "first")
    settings = half_a_run(replace(config, start_from="first"), monkeypatch, recipes)
    shutil.rmtree(recipes / "first")
    model = pretrain(settings, resume=True, relative_to=recipes, progress=False)
    assert model.config == sizes
    manifest = json.loads((Path(config.out) / "manifest.json").read_text())
    assert manifest["started_from"]["source"] == str(recipes / "first")
    assert len(manifest["started_from"]["files"]["model.safetensors"]) == 64
    assert manifest["settings"]["start_from"] == str(recipes / "first")
    with pytest.raises(SettingsError, match="another start_from"):
        pretrain(replace(settings, start_from="second"), resume=True, relative_to=recipes, progress=False)


def test_a_run_that_diverges_stops_and_says_what_would_work(config):
    huge = Schedule(start=1e30, peak=1e30, warmup=1)
    with pytest.raises(SettingsError, match=r"step \d: .*nan; a smaller schedule.peak would work"):
        pretrain(replace(config, schedule=huge, save_every=1), progress=False)
    for checkpoint in find_checkpoints(Path(config.out) / "checkpoints"):
        tensors = load_model(checkpoint).state_dict().values()
        assert all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def test_a_run_goes_on_by_the_same_measure(config, monkeypatch):
    half_a_run(config, monkeypatch)
    with pytest.raises(SettingsError, match=r"another evaluate_windows \(4, not 8\)"):
        pretrain(replace(config, evaluate_windows=8), resume=True, progress=False)


def test_a_place_that_cannot_be_written(config, tmp_path):
    build_corpus(config.genomes, tmp_path / "corpus")
    (tmp_path / "file").write_text("")
    other = replace(config, genomes=(), corpus=str(tmp_path / "corpus"), out=str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"file: cannot be made .* another --out would work"):
        pretrain(other, progress=False)
