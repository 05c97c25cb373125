import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import write_people
from tests.tokens.conftest import build, text_in, write_fasta

from hexamer.errors import GenomeError, OutputError, VariantError
from hexamer.tokens import Corpus, GenomeSource, build_corpus, find_corpus
from hexamer.tokens.storage import FILES


def test_relative_paths_start_where_they_are_told_to(tmp_path: Path):
    write_fasta(tmp_path / "x.fa", a="ACGT")
    corpus = build_corpus([GenomeSource(fasta="x.fa")], tmp_path / "corpus", relative_to=tmp_path)
    assert corpus.genomes == {"x": 4.0}


@pytest.mark.parametrize("region", ["20", "chr20", "NC_000020.11", "chr20:1-300", "20:1-9,999"])
def test_held_out_names_may_be_aliases(tmp_path: Path, region: str):
    path = write_fasta(tmp_path / "x.fa", chr20="T" * 300, chr21="C" * 300)
    corpus = build(tmp_path, GenomeSource(fasta=path, name="x", hold_out=(region,)))
    assert [(s.chrom, s.start, s.end) for s in corpus.spans("x", held_out=True)] == [("chr20", 0, 300)]
    assert [s.chrom for s in corpus.spans("x", held_out=False)] == ["chr21"]


@pytest.mark.parametrize("region", ["chr9", "chr9:1-5"])
def test_held_out_contigs_must_exist(tmp_path: Path, region: str):
    with pytest.raises(GenomeError, match=rf"hold_out {region}: no such contig in .*x\.fa"):
        build(tmp_path, GenomeSource(fasta=write_fasta(tmp_path / "x.fa", chr1="ACGT"), hold_out=("chr1", region)))


def test_held_out_regions_beyond_the_end(tmp_path: Path):
    path = write_fasta(tmp_path / "x.fa", chr1="ACGT" * 5, chr2="TTTT")
    corpus = build(tmp_path, GenomeSource(fasta=path, hold_out=("chr1:20-99",)))
    assert [(s.start, s.end) for s in corpus.spans("x", held_out=True)] == [(19, 20)]
    with pytest.raises(GenomeError, match="hold_out chr1:21-99: chr1 has 20 bases only"):
        build(tmp_path, GenomeSource(fasta=path, hold_out=("chr1:21-99",)))


def test_a_missing_genome_leaves_no_corpus(tmp_path: Path):
    good = GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGT"))
    with pytest.raises(GenomeError, match=r"none\.fa"):
        build(tmp_path, good, GenomeSource(fasta=str(tmp_path / "none.fa")))
    assert not (tmp_path / "corpus").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        build_corpus([GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGT"))], tmp_path / "file" / "corpus")


def test_bases_in_pieces_are_the_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hexamer.tokens.corpus_writer._PIECE", 8)
    draw = np.random.default_rng(4)
    contigs = {f"c{n}": "A" + "".join(draw.choice(list("ACGTNacgtn"), n - 1)) for n in (1, 7, 8, 9, 33)}
    told: list[int] = []
    source = GenomeSource(fasta=write_fasta(tmp_path / "x.fa", **contigs), name="x")
    corpus = build_corpus([source], tmp_path / "corpus", advance=told.append)
    assert text_in(corpus, "x") == [bases.upper() for bases in contigs.values()]
    masked = "".join(
        "x" if flag else "." for span in corpus.spans("x", held_out=False) for flag in corpus.soft_masked(span)
    )
    assert masked == "".join("x" if b.islower() else "." for b in "".join(contigs.values()))
    assert (sum(told), max(told)) == (58, 8)


def test_another_corpus_is_replaced_only_if_asked_for(tmp_path: Path):
    build(tmp_path, GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGTACGT")))
    other = GenomeSource(fasta=write_fasta(tmp_path / "y.fa", a="TT"))
    with pytest.raises(OutputError, match=r"corpus: holds another corpus \(x\); another folder, or removing it, would"):
        build(tmp_path, other)
    assert Corpus(tmp_path / "corpus").genomes == {"x": 8.0}
    corpus = build_corpus([other], tmp_path / "corpus", replace=True)
    assert (corpus.genomes, text_in(corpus, "y")) == ({"y": 2.0}, ["TT"])


def test_the_same_corpus_is_built_once(tmp_path: Path):
    source = GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGTACGT", b="TTTT"), hold_out=("a:1-4",))
    assert find_corpus([source], tmp_path / "corpus") is None
    told: list[int] = []
    build_corpus([source], tmp_path / "corpus", expect=told.append, advance=told.append)
    assert told == [12, 8, 4]
    shutil.copy(tmp_path / "x.fa", tmp_path / "moved.fa")
    moved = replace(source, fasta=str(tmp_path / "moved.fa"), name="x", hold_out=("a:1-4", "a:1-4"))
    again = build_corpus([moved], tmp_path / "corpus", expect=told.append, advance=told.append)
    assert (told, again.genomes) == ([12, 8, 4], {"x": 8.0})
    found = find_corpus([moved], tmp_path / "corpus")
    assert found is not None
    assert found.digest == again.digest
    for change in ({"weight": 1.0}, {"hold_out": ("b",)}, {"name": "z"}, {"taxonomy": "Fungi"}):
        with pytest.raises(OutputError, match="holds another corpus"):
            find_corpus([replace(source, **change)], tmp_path / "corpus")


def test_a_damaged_corpus_is_built_again(tmp_path: Path):
    source = GenomeSource(fasta=write_fasta(tmp_path / "x.fa", a="ACGTACGT"))
    folder = build(tmp_path, source).folder
    (folder / "bases.u2").write_bytes(b"\1\1")
    assert find_corpus([source], folder) is None
    assert text_in(build(tmp_path, source), "x") == ["ACGTACGT"]
    record = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps({**record, "format": 1}))
    assert text_in(build(tmp_path, source), "x") == ["ACGTACGT"]


def test_people_are_part_of_what_a_corpus_is(tmp_path: Path):
    path, genome = write_people(tmp_path, ["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1"], ("ann",))
    people = GenomeSource(fasta=str(genome.path), name="people", variants=str(path))
    told: list[int] = []
    for _ in range(2):
        corpus = build_corpus([people], tmp_path / "corpus", advance_records=told.append)
    assert sum(told) == 1
    assert corpus.entries[0]["population"]["individuals"] == 1
    with pytest.raises(OutputError, match="holds another corpus"):
        find_corpus([replace(people, variants=())], tmp_path / "corpus")


def test_nothing_of_an_earlier_corpus_survives_and_a_failure_leaves_it_whole(tmp_path: Path):
    path, genome = write_people(tmp_path, ["20\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1"], ("ann",))
    people = GenomeSource(fasta=str(genome.path), name="people", variants=str(path))
    told: list[int] = []
    old = build_corpus([people], tmp_path / "corpus", advance_records=told.append)
    assert sum(told) == 1
    (old.folder / "counts-6.npz").write_bytes(b"kept by the baselines")
    (old.folder / "population-notes.txt").write_text("the user's own")
    before = {file.name: file.read_bytes() for file in old.folder.iterdir()}
    plain = GenomeSource(fasta=write_fasta(tmp_path / "y.fa", a="TT"))
    for wrong, error in (({"hold_out": ("b",)}, GenomeError), ({"variants": str(path)}, VariantError)):
        with pytest.raises(error):
            build_corpus([replace(plain, **wrong)], old.folder, replace=True)
        assert {file.name: file.read_bytes() for file in old.folder.iterdir()} == before
    new = build_corpus([plain], old.folder, replace=True)
    assert {file.name for file in new.folder.iterdir()} == {*FILES, "corpus.json", "population-notes.txt"}
    new.verify()


def test_genomes_without_a_base(tmp_path: Path):
    (tmp_path / "x.fa").write_text(">a\n>b\n")
    with pytest.raises(GenomeError, match="x: no genome holds a base"):
        build(tmp_path, GenomeSource(fasta=str(tmp_path / "x.fa")))
    (tmp_path / "y.fa").write_text(">a\n>b\nACGT\n>c\n")
    assert text_in(build(tmp_path, GenomeSource(fasta=str(tmp_path / "y.fa"))), "y") == ["", "ACGT", ""]
