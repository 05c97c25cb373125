from dataclasses import replace
from pathlib import Path

import pytest

from hexamer.errors import SettingsError
from hexamer.manifest import make_settings
from hexamer.model import ModelConfig, NucleotideTransformer, save_model
from hexamer.tokens import GenomeSource
from hexamer.training import PretrainConfig, Schedule
from hexamer.training.recipe import find_model

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
