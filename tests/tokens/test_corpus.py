import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.tokens.conftest import build, text_in, write_fasta

from hexamer.errors import SettingsError
from hexamer.tokens import Corpus, GenomeSource, Span, Tokenizer, build_corpus

TOKENIZER = Tokenizer("v2", 3)


def text_of(ids: np.ndarray) -> str:
    return TOKENIZER.decode(ids)


def test_bases_lie_contig_after_contig(tmp_path: Path):
    one = write_fasta(tmp_path / "one.fa", chr1="ACGTNacgtR", chr2="TTTT")
    two = write_fasta(tmp_path / "two.fa.gz", c="GG")
    corpus = build(tmp_path, GenomeSource(fasta=one, weight=3.5), GenomeSource(fasta=two, name="second", weight=2.5))
    assert text_in(corpus, "one") == ["ACGTNACGTN", "TTTT"]
    assert text_in(corpus, "second") == ["GG"]
    assert corpus.genomes == {"one": 3.5, "second": 2.5}
    counts = [(e["bases"], e["n"], e["iupac"], e["soft_masked"]) for e in corpus.entries]
    assert counts == [(14, 1, 1, 4), (2, 0, 0, 0)]
    assert corpus.entries[0]["files"][0]["bytes"] == Path(one).stat().st_size
    assert corpus.spans("one", held_out=False) == [Span("one", "chr1", 0, 10, 0), Span("one", "chr2", 0, 4, 12)]
    assert corpus.spans("second", held_out=False) == [Span("second", "c", 0, 2, 16)]


def test_a_genome_in_several_files(tmp_path: Path):
    files = (write_fasta(tmp_path / "a.fa", a="ACGTACGT"), write_fasta(tmp_path / "b.fa", b="TTTTTTTTTT"))
    corpus = build(tmp_path, GenomeSource(fasta=files, name="both", hold_out=("b:3-5", "a")))
    assert text_in(corpus, "both") == ["ACGTACGT", "T" * 10]
    assert corpus.spans("both", held_out=True) == [Span("both", "a", 0, 8, 0), Span("both", "b", 2, 5, 10)]
    assert corpus.spans("both", held_out=False) == [Span("both", "b", 0, 2, 8), Span("both", "b", 5, 10, 13)]
    assert len(corpus.entries[0]["files"]) == 2


def test_held_out_windows_hold_no_n(tmp_path: Path):
    bases = "ACG" * 5 + "ACGTN" * 3 + "TTG" * 5
    corpus = build(tmp_path, GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a=bases, b="ACGT"), hold_out=("a",)))
    found = [(span.start, text_of(ids)) for span, ids in corpus.held_out_windows(TOKENIZER, "x", windows=9, tokens=6)]
    assert found == [(0, "ACG" * 5), (30, "TTG" * 5)]
    nothing = build_corpus([GenomeSource(fasta=str(tmp_path / "x.fa"), name="x")], tmp_path / "open")
    assert list(nothing.held_out_windows(TOKENIZER, "x", windows=9, tokens=6)) == []


def test_damaged_folders(tmp_path: Path):
    path = write_fasta(tmp_path / "x.fa", a="ACGTACGT")
    corpus = build(tmp_path, GenomeSource(fasta=path)).folder
    record = json.loads((corpus / "corpus.json").read_text())
    with pytest.raises(SettingsError, match=r"holds no corpus\.json; `hexamer build-corpus` makes one"):
        Corpus(tmp_path)
    (corpus / "corpus.json").write_text('{"format": 2, "geno')
    with pytest.raises(SettingsError, match=r"corpus\.json: not readable as JSON .*; build again"):
        Corpus(corpus)
    for wrong in ([], {"format": 2}, {"format": 2, "genomes": [{"name": "x"}]}):
        (corpus / "corpus.json").write_text(json.dumps(wrong))
        with pytest.raises(SettingsError, match=r"corpus.*build again"):
            Corpus(corpus)
    (corpus / "corpus.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(SettingsError, match="corpus format 99, this version reads 2; build again"):
        Corpus(corpus)
    (corpus / "corpus.json").write_text(json.dumps(record))
    assert Corpus(corpus).genomes == {"x": 8.0}
    for bases in (b"\0" * 7, b"", None):
        (corpus / "bases.u2").unlink()
        if bases is not None:
            (corpus / "bases.u2").write_bytes(bases)
        with pytest.raises(SettingsError, match="build again"):
            Corpus(corpus)


def test_a_genome_that_is_not_there(tmp_path: Path):
    corpus = build(tmp_path, GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGTACGT")))
    with pytest.raises(SettingsError, match="no genome 'y'; x would work"):
        corpus.spans("y", held_out=False)


def test_a_changed_file_is_told(tmp_path: Path):
    corpus = build(tmp_path, GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGTACGT")))
    corpus.verify()
    (corpus.folder / "bases.u2").write_bytes(b"\0\0")
    with pytest.raises(SettingsError, match=r"bases\.u2: is gone, or has changed since .* built; build again"):
        Corpus(corpus.folder).verify()


def test_soft_masks(tmp_path: Path):
    path = write_fasta(tmp_path / "x.fa", mixed="ACgtnAC", lower="acgtn", upper="ACG")
    corpus = build(tmp_path, GenomeSource(fasta=path, name="x"))
    flags = [corpus.soft_masked(span).tolist() for span in corpus.spans("x", held_out=False)]
    assert flags == [[False, False, True, True, True, False, False], [False] * 5, [False] * 3]
    assert corpus.entries[0]["soft_masked"] == 3, "a contig in lower case throughout says nothing of repeats"


def test_a_species_that_is_held_out(tmp_path: Path):
    one, two = (GenomeSource(fasta=write_fasta(tmp_path / f"{n}.fa", a="ACGT" * 3, b="GG")) for n in ("one", "two"))
    corpus = build(tmp_path, one, replace(two, hold_out=("all",)))
    assert corpus.genomes == {"one": 14.0, "two": 0.0}
    assert sum(map(len, corpus.spans("two", held_out=True))) == 14
