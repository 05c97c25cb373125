"""The published models have the published numbers of parameters.

The numbers are those of the hub's files. They hold tensors that no forward pass uses, which our model lacks: a contact
head (layers x heads weights and one bias) in all of them, and in v2 a position table.
"""

import pytest
import torch

from hexamer.model import SIZES, NucleotideTransformer, named_size

PUBLISHED = {
    "nucleotide-transformer-500m-human-ref": 485_699_306,
    "nucleotide-transformer-500m-1000g": 485_699_306,
    "nucleotide-transformer-2.5b-1000g": 2_547_801_226,
    "nucleotide-transformer-2.5b-multi-species": 2_547_801_226,
    "nucleotide-transformer-v2-50m-multi-species": 55_904_972,
    "nucleotide-transformer-v2-100m-multi-species": 97_889_132,
    "nucleotide-transformer-v2-250m-multi-species": 235_120_780,
    "nucleotide-transformer-v2-500m-multi-species": 498_345_436,
    "nucleotide-transformer-v2-50m-3mer-multi-species": 51_772_172,
    "agro-nucleotide-transformer-1b": 991_261_206,
}


def test_every_published_size_is_counted():
    assert SIZES.keys() - {"tiny"} == PUBLISHED.keys()


def count(name: str) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in NucleotideTransformer(named_size(name)).parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_of_a_published_file(name: str):
    config = named_size(name)
    contact_head = config.layers * config.heads + 1
    position_table = 2050 * config.width if config.layout == "v2" else 0
    assert count(name) + contact_head + position_table == PUBLISHED[name]


def test_the_original_checkpoint_has_neither_of_the_unused():
    # The size of the original v2-50m file, in numbers of four bytes.
    assert count("nucleotide-transformer-v2-50m-multi-species") == 54_855_179
