"""A scorer without a model, so that files of many records can be tested: a number that depends on the allele alone."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hexamer.effects import Draw, ScoreSettings, calibrate
from hexamer.effects.forwards import Forwards
from hexamer.genome import Genome, Interval, Variant

SMALL = ScoreSettings(scores=("llr",), window=120, phases=1, strands="forward")

MANY_HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="Flag">',
    '##FILTER=<ID=q10,Description="Quality">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "##contig=<ID=20>",
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\tbob",
]


def fake_scores(model: Any, genome: Genome, variants: Sequence[Variant], settings: ScoreSettings) -> SimpleNamespace:
    """As `score_alleles`: any float32 for an SNV, a reason for the rest."""
    reasons = ["" if variant.kind == "snv" else "symbolic" for variant in variants]
    bits = [[zlib.crc32(f"{variant} {name}".encode()) for name in settings.scores] for variant in variants]
    values = np.array(bits, dtype=np.uint32).reshape(len(variants), len(settings.scores)).view(np.float32)
    values = np.where(np.isnan(values), np.float32(0), values)
    values[[bool(reason) for reason in reasons]] = np.nan
    return SimpleNamespace(values=values, reasons=reasons, forwards=Forwards(len(variants) // 2, len(variants)))


@pytest.fixture
def without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hexamer.effects.annotate.score_alleles", fake_scores)


def many_rows(count: int) -> list[str]:
    """Records of contig 20 and, at the end, of one that neither header nor genome has; some with odd text."""
    draw = random.Random(count)
    rows = []
    for i in range(count):
        alts = draw.choice(["C", "C,G", "<DEL>", "T,<DEL>,*", "AC"])
        info = draw.choice([".", "AF=0.10", "DB;AF=1e-3", f"END={i * 5 + 9};DB", "DB;"])
        chrom = "GL1" if i >= count - 5 else "20"
        rows.append(f"{chrom}\t{i * 5 + 1}\trs{i}\tA\t{alts}\t{i / 7:.6f}\tq10\t{info}\tGT\t0|1\t./.")
    return rows


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file of several pieces, the last one not full."""
    path = tmp_path / "many.vcf"
    path.write_text("\n".join([*MANY_HEADER, *many_rows(2300)]) + "\n")
    return path


@pytest.fixture(scope="session")
def background(request: pytest.FixtureRequest) -> Any:
    """Of the small genome, scored with `SMALL`."""
    model, genome = request.getfixturevalue("model"), Genome(request.getfixturevalue("fasta"))
    return calibrate(model, genome, regions=[Interval("20", 0, 9000)], draw=Draw(sites=40, indels=6), settings=SMALL)
