"""A small genome with a pattern, and a small encoder of random weights, for the floors above the model."""

import random
from collections.abc import Sequence
from pathlib import Path

import pysam
import pytest
import torch

from hexamer.genome import Genome
from hexamer.model import ModelConfig, NucleotideTransformer

VCF_HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=20>\n##contig=<ID=21>\n"
    '##INFO=<ID=END,Number=1,Type=Integer,Description="e">\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
)


def write_vcf(path: Path, records: Sequence[str], samples: Sequence[str] = ()) -> Path:
    """Write lines without line ends as VCF, compressed with bgzip if the name says so; gives the path back."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    columns += ["FORMAT", *samples] if samples else []
    text = VCF_HEADER + "\t".join(columns) + "\n" + "".join(record + "\n" for record in records)
    if path.suffix == ".gz":
        with pysam.BGZFile(str(path), "wb", None) as file:
            file.write(text.encode())
    else:
        path.write_text(text)
    return path


REFERENCE = "ACGTACGTACGTACGTACGT"
PEOPLE = ("ann", "bob", "cat")


def write_people(
    folder: Path, records: Sequence[str], samples: Sequence[str] = PEOPLE, reference: str = REFERENCE
) -> tuple[Path, Genome]:
    """Write `x.vcf.gz` and the genome that it was called on, `x.fa`: chr20 and chr21, both the same."""
    (folder / "x.fa").write_text(f">chr20\n{reference}\n>chr21\n{reference}\n")
    return write_vcf(folder / "x.vcf.gz", records, samples), Genome(folder / "x.fa")


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


PEOPLE_RECORDS = [
    "20\t0\t.\tN\tA\t.\t.\t.\tGT\t1|1\t0|0\t0|0",
    "20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT:DP\t1|2:7\t0|0\t.|1",
    "20\t6\t.\tCGT\tC\t.\t.\t.\tGT\t1|0\t0|1\t1/1",
    "20\t7\t.\tG\tC,*,<DEL>,T\t.\t.\t.\tGT\t1|2\t3|1\t0|0",
    "20\t12\t.\tT\tC\t.\t.\t.\tGT\t1\t0\t./.",
    "GL1\t12\t.\tT\tC,G\t.\t.\t.\tGT\t1/0\t0\t./.",
    "21\t4\t.\tT\tr\t.\t.\t.\tGT\t0|0\t0|0\t0|1",
]
"""Records of three people: out of place, several alternates, indels, symbols, half calls, missing contigs."""
