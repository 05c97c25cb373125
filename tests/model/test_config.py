import dataclasses

import pytest

from hexamer.errors import SettingsError
from hexamer.model import SIZES, ModelConfig, named_size

SMALL = {"layers": 2, "width": 16, "heads": 4, "ffn": 32}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("nucleotide-transformer-500m-human-ref", (24, 1280, 20, 5120, "v1", 4105, 1002, 5_994)),
        ("nucleotide-transformer-500m-1000g", (24, 1280, 20, 5120, "v1", 4105, 1002, 5_994)),
        ("nucleotide-transformer-2.5b-1000g", (32, 2560, 20, 10240, "v1", 4105, 1002, 5_994)),
        ("nucleotide-transformer-2.5b-multi-species", (32, 2560, 20, 10240, "v1", 4105, 1002, 5_994)),
        ("nucleotide-transformer-v2-50m-multi-species", (12, 512, 16, 2048, "v2", 4107, 2050, 12_282)),
        ("nucleotide-transformer-v2-100m-multi-species", (22, 512, 16, 2048, "v2", 4107, 2050, 12_282)),
        ("nucleotide-transformer-v2-250m-multi-species", (24, 768, 16, 3072, "v2", 4107, 2050, 12_282)),
        ("nucleotide-transformer-v2-500m-multi-species", (29, 1024, 16, 4096, "v2", 4107, 2050, 12_282)),
        ("nucleotide-transformer-v2-50m-3mer-multi-species", (12, 512, 16, 2048, "v2", 75, 2050, 6_141)),
        ("agro-nucleotide-transformer-1b", (40, 1500, 20, 5120, "v1", 4105, 1026, 6_138)),
    ],
)
def test_published_sizes(name: str, sizes: tuple):
    c = named_size(name)
    found = (c.layers, c.width, c.heads, c.ffn, c.layout, c.vocabulary_size, c.position_rows, c.max_bases)
    assert found == sizes
    assert c.norm_eps == 1e-12


def test_all_sizes_are_listed():
    assert len(SIZES) == 11
    assert named_size("tiny") is SIZES["tiny"]
    with pytest.raises(SettingsError, match="size 'tiyn' is unknown; known sizes: tiny, nucleotide-transformer-500m"):
        named_size("tiyn")


@pytest.mark.parametrize("name", ["layers", "width", "heads", "ffn", "max_tokens"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_are_positive(name: str, value: int):
    with pytest.raises(SettingsError, match=f"model {name} = {value}: a positive number would work"):
        ModelConfig(**{**SMALL, name: value})


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"width": 18}, "must be a multiple of the heads"),
        ({"width": 12}, "the width of a head even"),
        ({"layout": "v3"}, "'v1' or 'v2' would work"),
        ({"k": 0}, "k = 0"),
        ({"k": 8}, "k = 8"),
        ({"norm_eps": -1e-5}, "norm_eps"),
    ],
)
def test_what_does_not_fit_together(change: dict, part: str):
    with pytest.raises(SettingsError) as caught:
        ModelConfig(**{**SMALL, **change})
    assert part in str(caught.value)


def test_heads_of_v1_may_have_odd_width():
    assert ModelConfig(**{**SMALL, "width": 12}, layout="v1").width == 12


def test_a_config_is_frozen_and_keyword_only():
    config = ModelConfig(**SMALL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.layers = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        ModelConfig(2, 16, 4, 32)  # type: ignore[misc]
