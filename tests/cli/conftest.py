"""Commands run in this process, and small inputs for them."""

import sys
from pathlib import Path

import pytest

from hexamer import cli
from hexamer.model import save_model

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="session")
def model_folder(model, tmp_path_factory) -> str:
    return str(save_model(model, tmp_path_factory.mktemp("model") / "small"))


@pytest.fixture
def run(capfd, monkeypatch):
    """Run a command in this process; gives exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hexamer", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return (code, *capfd.readouterr())

    return run


def vcf(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    return path


@pytest.fixture
def small(monkeypatch):
    """The size "tiny", made tinier, so that a run takes a second."""
    from hexamer.model import SIZES, ModelConfig

    monkeypatch.setitem(SIZES, "tiny", ModelConfig(layers=1, width=8, heads=2, ffn=8))


RECIPE = """
max_steps = 4
tokens = 40
step_tokens = 80
evaluate_every = 2
[schedule]
warmup = 2
cooldown = 1
[[genomes]]
name = "human"
fasta = "{fasta}"
hold_out = ["20:1-4,000"]
"""


@pytest.fixture
def recipe(small, fasta, tmp_path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(fasta=fasta))
    return path
