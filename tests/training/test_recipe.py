from dataclasses import replace
from pathlib import Path

import pytest

from hexamer.errors import SettingsError
from hexamer.manifest import make_settings
from hexamer.model import ModelConfig
from hexamer.tokens import GenomeSource
from hexamer.training import PretrainConfig

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


def test_what_would_make_another_run():
    other = replace(CONFIG, seed=4, out="elsewhere", batch=99, parallel="fsdp", masking=None)
    assert CONFIG.differences(other) == ["seed (4, not 0)"]
    assert CONFIG.differences(CONFIG) == []


def test_paths_start_at_the_recipe(tmp_path: Path):
    (source,) = CONFIG.starting_at(tmp_path).genomes
    assert source.files == (str(tmp_path / "a.fa"),)
    manifest = PretrainConfig(manifest="species.tsv", out="run").starting_at(tmp_path)
    assert manifest.manifest == str(tmp_path / "species.tsv")
