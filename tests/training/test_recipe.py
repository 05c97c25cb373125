from dataclasses import replace
from pathlib import Path

import pytest

from hexamer.errors import SettingsError
from hexamer.manifest import make_settings, write_settings
from hexamer.model import ModelConfig, NucleotideTransformer, save_model
from hexamer.tokens import GenomeSource, Masking
from hexamer.training import PretrainConfig, Schedule
from hexamer.training.recipe import find_model, read_recipe

CONFIG = PretrainConfig(genomes=(GenomeSource(fasta="a.fa"),), out="run")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("tokens", 2),
        ("tokens", 9999),
        ("batch", 0),
        ("max_steps", -1),
        ("step_tokens", 999),
        ("clip", -1.0),
        ("clip", float("inf")),
        ("weight_decay", float("nan")),
        ("evaluate_every", -1),
    ],
)
def test_numbers_out_of_their_range(key: str, value: float):
    with pytest.raises(SettingsError, match=f"{key} = {value}"):
        replace(CONFIG, **{key: value})


def test_windows_of_a_step():
    assert replace(CONFIG, tokens=512, step_tokens=1_000_000).rows == 1953


def test_one_source_of_genomes():
    with pytest.raises(SettingsError, match="genomes and corpus given; one of genomes, manifest, corpus would work"):
        replace(CONFIG, corpus="corpus")
    with pytest.raises(SettingsError, match="no genomes given"):
        PretrainConfig(out="run")


def test_sizes_of_its_own():
    table = {"out": "run", "corpus": "c", "model": {"layers": 2, "width": 32, "heads": 2, "ffn": 64}}
    assert make_settings(PretrainConfig, table, "recipe").encoder == ModelConfig(layers=2, width=32, heads=2, ffn=64)
    with pytest.raises(SettingsError, match=r"no setting 'model.hedas'; the nearest is 'heads'"):
        make_settings(PretrainConfig, table | {"model": {"layers": 2, "hedas": 2}}, "recipe")
    with pytest.raises(SettingsError, match=r"size = .* and \[model\] given; one of them would work"):
        make_settings(PretrainConfig, table | {"size": "nucleotide-transformer-v2-50m-multi-species"}, "recipe")


def test_a_model_to_start_from_has_its_own_sizes():
    sizes = ModelConfig(layers=2, width=32, heads=2, ffn=64)
    assert replace(CONFIG, start_from="x").start_from == "x"
    with pytest.raises(SettingsError, match=r"start_from = 'x' and \[model\] given"):
        replace(CONFIG, start_from="x", model=sizes)
    with pytest.raises(SettingsError, match="start_from = 'x' and size = 'nucleotide-transformer-500m-1000g' given"):
        replace(CONFIG, start_from="x", size="nucleotide-transformer-500m-1000g")
    for name, value in (("size", "tiny"), ("initial", "composed"), ("initial", "published")):
        with pytest.raises(
            SettingsError, match=f"start_from = 'x' and {name} = '{value}' given; .* without size, model"
        ):
            replace(CONFIG, start_from="x", **{name: value})


def test_the_longest_window_is_whose():
    own = ModelConfig(layers=2, width=32, heads=2, ffn=64, max_tokens=250)
    with pytest.raises(SettingsError, match=r"tokens = 300; 3 to 250 \(max_tokens of \[model\]\) would work"):
        replace(CONFIG, tokens=300, model=own)
    with pytest.raises(SettingsError, match=r"tokens = 3000; 3 to 2048 \(size 'tiny'\) would work"):
        replace(CONFIG, tokens=3000)


def test_what_a_run_uses_is_said_where_it_follows_from_other_settings():
    plain = replace(CONFIG, max_steps=100).resolved(Masking(random=0.0))
    assert (plain.size, plain.initial, plain.model) == ("tiny", "published", None)
    assert (plain.schedule.warmup, plain.masking) == (5, Masking(random=0.0))
    own = replace(CONFIG, model=ModelConfig(layers=2, width=32, heads=2, ffn=64), tokens=99).resolved()
    assert (own.size, own.model and own.model.max_tokens, own.masking) == (None, 99, None)
    going_on = replace(CONFIG, start_from="x").resolved()
    assert (going_on.size, going_on.initial) == (None, None)
    for config in (plain, own, going_on):
        assert config.resolved() == config


def test_settings_of_before_can_be_read(tmp_path: Path):
    """They hold a size and a way to draw weights where something else decided."""
    config = replace(CONFIG, start_from="x")
    write_settings(tmp_path / "settings.toml", config)
    text = 'size = "tiny"\ninitial = "published"\n' + (tmp_path / "settings.toml").read_text()
    (tmp_path / "settings.toml").write_text(text)
    found, note = read_recipe(tmp_path / "settings.toml")
    assert (found.size, found.initial, found.start_from, note) == (None, None, "x", "")
    assert config.differences(replace(found, genomes=CONFIG.genomes)) == []
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(SettingsError, match="start_from = 'x' and size = 'tiny' and initial = 'published' given"):
        read_recipe(tmp_path / "recipe.toml")


RECIPE = 'out = "run"\ncorpus = "c"\nmax_steps = 1000\n[schedule]\npeak = 1e-3\nstart = 1e-4\n'


@pytest.mark.parametrize(
    ("schedule", "steps", "expected"),
    [
        ("warmup = 600\ncooldown = 400", 1, (1, 0)),
        ("warmup = 600\ncooldown = 400", 10, (6, 4)),
        ("warmup = 600", 500, (300, 0)),
        ("warmup = 600", 600, (600, 0)),
        ("cooldown = 950", 39, (None, 37)),
        ("warmup = 1\ncooldown = 999", 10, (1, 9)),
    ],
)
def test_a_short_run_has_a_short_warmup(tmp_path: Path, schedule: str, steps: int, expected):
    (tmp_path / "r.toml").write_text(RECIPE + schedule + "\n")
    config, note = read_recipe(tmp_path / "r.toml", max_steps=steps)
    assert (config.schedule.warmup, config.schedule.cooldown) == expected
    assert config.schedule.peak == 1e-3
    fits = steps == 600
    assert (note == "") == fits
    assert fits or note.endswith(f", for {steps} steps instead of 1,000")


def test_a_recipe_that_is_wrong_in_itself_is_not_mended(tmp_path: Path):
    (tmp_path / "r.toml").write_text(RECIPE + "warmup = 1200\n")
    with pytest.raises(SettingsError, match="warmup of 1200 and cooldown of 0 steps in max_steps = 100"):
        read_recipe(tmp_path / "r.toml", max_steps=100)
    for line, message in (
        ("warmup = 0", "warmup >= 1"),
        ("warm = 2", "nearest is 'warmup'"),
        ("warmup = 'x'", "warmup"),
    ):
        (tmp_path / "r.toml").write_text(RECIPE + line + "\n")
        with pytest.raises(SettingsError, match=message):
            read_recipe(tmp_path / "r.toml", max_steps=1)
    for text in (RECIPE.replace("1000", '"many"'), RECIPE):
        (tmp_path / "r.toml").write_text(text)
        with pytest.raises(SettingsError, match="max_steps"):
            read_recipe(tmp_path / "r.toml", max_steps=-1)


def test_warmup_and_cooldown_fit_into_the_run():
    schedule = Schedule(warmup=600, cooldown=400)
    assert replace(CONFIG, max_steps=1000, schedule=schedule).schedule == schedule
    with pytest.raises(SettingsError, match="warmup of 600 and cooldown of 400 steps in max_steps = 999"):
        replace(CONFIG, max_steps=999, schedule=schedule)
    with pytest.raises(SettingsError, match="warmup of 5 and cooldown of 100 steps in max_steps = 100"):
        replace(CONFIG, max_steps=100, schedule=Schedule(cooldown=100))


def test_what_would_make_another_run():
    other = replace(CONFIG, seed=4, out="elsewhere", batch=99, parallel="fsdp", masking=None)
    assert CONFIG.differences(other) == ["seed (4, not 0)"]
    assert CONFIG.differences(CONFIG) == []
    assert CONFIG.differences(CONFIG.resolved(Masking())) == []
    assert replace(CONFIG, masking=Masking(rate=0.2)).differences(CONFIG)[0].startswith("masking (None, not")
    assert replace(CONFIG, schedule=Schedule(warmup=3)).differences(CONFIG) == ["schedule"]


def test_paths_start_at_the_recipe(tmp_path: Path):
    (source,) = CONFIG.starting_at(tmp_path).genomes
    assert source.files == (str(tmp_path / "a.fa"),)
    manifest = PretrainConfig(manifest="species.tsv", out="run").starting_at(tmp_path)
    assert manifest.manifest == str(tmp_path / "species.tsv")


def test_a_model_to_start_from_may_lie_beside_the_recipe(tmp_path: Path):
    for name in ("mine", "hexamer-tiny"):
        save_model(NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8)), tmp_path / name)
    (tmp_path / "a-run").mkdir()
    assert replace(CONFIG, start_from="mine").starting_at(tmp_path).start_from == str(tmp_path / "mine")
    for name in ("hexamer-tiny", "a-run", "owner/model", ""):  # packaged, no model, perhaps on the hub, none
        assert find_model(name, tmp_path) == name
