import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import write_people

from hexamer.errors import GenomeError, OutputError, SettingsError, VariantError
from hexamer.tokens import Corpus, GenomeSource, Span, Tokenizer, build_corpus, codes_to_bases
from hexamer.tokens.storage import FILES

TOKENIZER = Tokenizer("v2", 3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))


def fasta(path: Path, **contigs: str) -> str:
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


def text_of(ids: np.ndarray) -> str:
    return TOKENIZER.decode(ids)


def test_bases_lie_contig_after_contig(tmp_path: Path):
    one = fasta(tmp_path / "one.fa", chr1="ACGTNacgtR", chr2="TTTT")
    two = fasta(tmp_path / "two.fa.gz", c="GG")
    corpus = build(tmp_path, GenomeSource(fasta=one, weight=3.5), GenomeSource(fasta=two, name="second", weight=2.5))
    assert text_in(corpus, "one") == ["ACGTNACGTN", "TTTT"]
    assert text_in(corpus, "second") == ["GG"]
    assert corpus.genomes == {"one": 3.5, "second": 2.5}
    counts = [(e["bases"], e["n"], e["iupac"], e["soft_masked"]) for e in corpus.entries]
    assert counts == [(14, 1, 1, 4), (2, 0, 0, 0)]
    assert corpus.entries[0]["files"][0]["bytes"] == Path(one).stat().st_size
    assert corpus.spans("one", held_out=False) == [Span("one", "chr1", 0, 10, 0), Span("one", "chr2", 0, 4, 12)]
    assert corpus.spans("second", held_out=False) == [Span("second", "c", 0, 2, 16)]


def test_relative_paths_start_where_they_are_told_to(tmp_path: Path):
    fasta(tmp_path / "x.fa", a="ACGT")
    corpus = build_corpus([GenomeSource(fasta="x.fa")], tmp_path / "corpus", relative_to=tmp_path)
    assert corpus.genomes == {"x": 4.0}


def test_a_genome_in_several_files(tmp_path: Path):
    files = (fasta(tmp_path / "a.fa", a="ACGTACGT"), fasta(tmp_path / "b.fa", b="TTTTTTTTTT"))
    corpus = build(tmp_path, GenomeSource(fasta=files, name="both", hold_out=("b:3-5", "a")))
    assert text_in(corpus, "both") == ["ACGTACGT", "T" * 10]
    assert corpus.spans("both", held_out=True) == [Span("both", "a", 0, 8, 0), Span("both", "b", 2, 5, 10)]
    assert corpus.spans("both", held_out=False) == [Span("both", "b", 0, 2, 8), Span("both", "b", 5, 10, 13)]
    assert len(corpus.entries[0]["files"]) == 2


def test_held_out_windows_hold_no_n(tmp_path: Path):
    bases = "ACG" * 5 + "ACGTN" * 3 + "TTG" * 5
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a=bases, b="ACGT"), hold_out=("a",)))
    found = [(span.start, text_of(ids)) for span, ids in corpus.held_out_windows(TOKENIZER, "x", windows=9, tokens=6)]
    assert found == [(0, "ACG" * 5), (30, "TTG" * 5)]
    nothing = build_corpus([GenomeSource(fasta=str(tmp_path / "x.fa"), name="x")], tmp_path / "open")
    assert list(nothing.held_out_windows(TOKENIZER, "x", windows=9, tokens=6)) == []


@pytest.mark.parametrize("region", ["20", "chr20", "NC_000020.11", "chr20:1-300", "20:1-9,999"])
def test_held_out_names_may_be_aliases(tmp_path: Path, region: str):
    path = fasta(tmp_path / "x.fa", chr20="T" * 300, chr21="C" * 300)
    corpus = build(tmp_path, GenomeSource(fasta=path, name="x", hold_out=(region,)))
    assert [(s.chrom, s.start, s.end) for s in corpus.spans("x", held_out=True)] == [("chr20", 0, 300)]
    assert [s.chrom for s in corpus.spans("x", held_out=False)] == ["chr21"]


@pytest.mark.parametrize("region", ["chr9", "chr9:1-5"])
def test_held_out_contigs_must_exist(tmp_path: Path, region: str):
    with pytest.raises(GenomeError, match=rf"hold_out {region}: no such contig in .*x\.fa"):
        build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", chr1="ACGT"), hold_out=("chr1", region)))


def test_held_out_regions_beyond_the_end(tmp_path: Path):
    path = fasta(tmp_path / "x.fa", chr1="ACGT" * 5, chr2="TTTT")
    corpus = build(tmp_path, GenomeSource(fasta=path, hold_out=("chr1:20-99",)))
    assert [(s.start, s.end) for s in corpus.spans("x", held_out=True)] == [(19, 20)]
    with pytest.raises(GenomeError, match="hold_out chr1:21-99: chr1 has 20 bases only"):
        build(tmp_path, GenomeSource(fasta=path, hold_out=("chr1:21-99",)))


def test_a_missing_genome_leaves_no_corpus(tmp_path: Path):
    good = GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGT"))
    with pytest.raises(GenomeError, match=r"none\.fa"):
        build(tmp_path, good, GenomeSource(fasta=str(tmp_path / "none.fa")))
    assert not (tmp_path / "corpus").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        build_corpus([GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGT"))], tmp_path / "file" / "corpus")


def test_damaged_folders(tmp_path: Path):
    path = fasta(tmp_path / "x.fa", a="ACGTACGT")
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
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGTACGT")))
    with pytest.raises(SettingsError, match="no genome 'y'; x would work"):
        corpus.spans("y", held_out=False)


def test_a_changed_file_is_told(tmp_path: Path):
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGTACGT")))
    corpus.verify()
    (corpus.folder / "bases.u2").write_bytes(b"\0\0")
    with pytest.raises(SettingsError, match=r"bases\.u2: is gone, or has changed since .* built; build again"):
        Corpus(corpus.folder).verify()


def test_soft_masks(tmp_path: Path):
    path = fasta(tmp_path / "x.fa", mixed="ACgtnAC", lower="acgtn", upper="ACG")
    corpus = build(tmp_path, GenomeSource(fasta=path, name="x"))
    flags = [corpus.soft_masked(span).tolist() for span in corpus.spans("x", held_out=False)]
    assert flags == [[False, False, True, True, True, False, False], [False] * 5, [False] * 3]
    assert corpus.entries[0]["soft_masked"] == 3, "a contig in lower case throughout says nothing of repeats"


def test_a_species_that_is_held_out(tmp_path: Path):
    one, two = (GenomeSource(fasta=fasta(tmp_path / f"{n}.fa", a="ACGT" * 3, b="GG")) for n in ("one", "two"))
    corpus = build(tmp_path, one, replace(two, hold_out=("all",)))
    assert corpus.genomes == {"one": 14.0, "two": 0.0}
    assert sum(map(len, corpus.spans("two", held_out=True))) == 14


def test_bases_in_pieces_are_the_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hexamer.tokens.corpus._PIECE", 8)
    draw = np.random.default_rng(4)
    contigs = {f"c{n}": "A" + "".join(draw.choice(list("ACGTNacgtn"), n - 1)) for n in (1, 7, 8, 9, 33)}
    told: list[int] = []
    source = GenomeSource(fasta=fasta(tmp_path / "x.fa", **contigs), name="x")
    corpus = build_corpus([source], tmp_path / "corpus", advance=told.append)
    assert text_in(corpus, "x") == [bases.upper() for bases in contigs.values()]
    masked = "".join(
        "x" if flag else "." for span in corpus.spans("x", held_out=False) for flag in corpus.soft_masked(span)
    )
    assert masked == "".join("x" if b.islower() else "." for b in "".join(contigs.values()))
    assert (sum(told), max(told)) == (58, 8)


def test_building_again_replaces_the_corpus(tmp_path: Path):
    build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGTACGT")))
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "y.fa", a="TT")))
    assert (corpus.genomes, text_in(corpus, "y")) == ({"y": 2.0}, ["TT"])


def test_nothing_of_an_earlier_corpus_survives_and_a_failure_leaves_it_whole(tmp_path: Path):
    path, genome = write_people(tmp_path, ["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1"], ("ann",))
    people = GenomeSource(fasta=str(genome.path), name="people", variants=str(path))
    told: list[int] = []
    old = build_corpus([people], tmp_path / "corpus", advance_records=told.append)
    assert sum(told) == 1
    (old.folder / "counts-6.npz").write_bytes(b"kept by the baselines")
    (old.folder / "population-notes.txt").write_text("the user's own")
    before = {file.name: file.read_bytes() for file in old.folder.iterdir()}
    plain = GenomeSource(fasta=fasta(tmp_path / "y.fa", a="TT"))
    for wrong, error in (({"hold_out": ("b",)}, GenomeError), ({"variants": str(path)}, VariantError)):
        with pytest.raises(error):
            build_corpus([replace(plain, **wrong)], old.folder)
        assert {file.name: file.read_bytes() for file in old.folder.iterdir()} == before
    new = build_corpus([plain], old.folder)
    assert {file.name for file in new.folder.iterdir()} == {*FILES, "corpus.json", "population-notes.txt"}
    new.verify()


def test_genomes_without_a_base(tmp_path: Path):
    (tmp_path / "x.fa").write_text(">a\n>b\n")
    with pytest.raises(GenomeError, match="x: no genome holds a base"):
        build(tmp_path, GenomeSource(fasta=str(tmp_path / "x.fa")))
    (tmp_path / "y.fa").write_text(">a\n>b\nACGT\n>c\n")
    assert text_in(build(tmp_path, GenomeSource(fasta=str(tmp_path / "y.fa"))), "y") == ["", "ACGT", ""]
