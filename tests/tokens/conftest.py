"""Small FASTA files, the corpora of them, and what those hold."""

import gzip
from pathlib import Path

import pytest

from hexamer.tokens import Corpus, GenomeSource, Span, build_corpus, codes_to_bases


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))


def write_fasta(path: Path, **contigs: str) -> str:
    text = "".join(f">{name}\n{bases}\n" for name, bases in contigs.items())
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def build(tmp_path: Path, *sources: GenomeSource) -> Corpus:
    return build_corpus(sources, tmp_path / "corpus")


def text_in(corpus: Corpus, genome: str) -> list[str]:
    """Bases of each contig, read back."""
    (entry,) = (entry for entry in corpus.entries if entry["name"] == genome)
    whole = [Span(genome, c["chrom"], 0, c["length"], c["offset"]) for c in entry["contigs"]]
    return [codes_to_bases(corpus.read(span)) for span in whole]
