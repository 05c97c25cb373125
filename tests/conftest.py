"""A small genome with a pattern, and a small encoder of random weights, for the floors above the model."""

import random
from pathlib import Path

import pytest
import torch

from hexamer.genome import Genome
from hexamer.model import ModelConfig, NucleotideTransformer


@pytest.fixture(scope="session")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contigs 20 (9,000 random bases, N at 4,000-4,050, lower case at 5,000-5,100), short (40 bases) and tiny (4)."""
    draw = random.Random(7)
    bases = "".join(draw.choice("ACGT") for _ in range(9000))
    bases = bases[:4000] + "N" * 50 + bases[4050:5000] + bases[5000:5100].lower() + bases[5100:]
    path = tmp_path_factory.mktemp("genome") / "small.fa"
    path.write_text(f">20\n{bases}\n>short\n{bases[:40]}\n>tiny\nACGT\n")
    return path


@pytest.fixture
def genome(fasta: Path):
    with Genome(fasta) as genome:
        yield genome


@pytest.fixture(scope="session")
def model() -> NucleotideTransformer:
    """v2, 2 blocks of width 16, at most 100 tokens (594 bases); weights large enough that context matters."""
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=2, width=16, heads=2, ffn=32, max_tokens=100))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 10
    return model.eval().requires_grad_(False)
