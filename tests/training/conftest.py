import random
from pathlib import Path

import pytest

from hexamer.tokens import GenomeSource
from hexamer.training import PretrainConfig, Schedule


@pytest.fixture(scope="session")
def species(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One contig with a strong pattern, so that a few steps teach something, and one held out."""
    draw = random.Random(3)
    words = ["ACGTAC", "TTTAAA", "GGCCAG", "CATCAT"]
    path = tmp_path_factory.mktemp("species") / "pattern.fa"
    text = "".join(f">{name}\n{''.join(draw.choice(words) for _ in range(1500))}\n" for name in ("train", "held"))
    path.write_text(text)
    return path


@pytest.fixture
def config(species: Path, tmp_path: Path) -> PretrainConfig:
    return PretrainConfig(
        genomes=(GenomeSource(fasta=str(species), name="pattern", hold_out=("held",)),),
        out=str(tmp_path / "run"),
        max_steps=6,
        tokens=40,
        step_tokens=160,
        batch=2,
        schedule=Schedule(start=1e-3, peak=1e-3, warmup=1),
        save_every=2,
        evaluate_every=3,
        evaluate_windows=4,
        bf16=False,
        seed=5,
    )
