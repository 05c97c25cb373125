import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hexamer.errors import GenomeError, OutputError, SettingsError
from hexamer.tokens import Corpus, GenomeSource, Span, Tokenizer, build_corpus, codes_to_bases, reverse_complement
from hexamer.tokens.corpus import N_CODE

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


def text_of(ids: np.ndarray) -> str:
    return TOKENIZER.decode(ids)


def test_bases_lie_contig_after_contig(tmp_path: Path):
    one = fasta(tmp_path / "one.fa", chr1="ACGTNacgtR", chr2="TTTT")
    two = fasta(tmp_path / "two.fa.gz", c="GG")
    corpus = build(tmp_path, GenomeSource(fasta=one), GenomeSource(fasta=two, name="second", weight=2.5))
    assert codes_to_bases(np.asarray(corpus.bases)) == "ACGTNACGTN" + "TTTT" + "GG"
    assert corpus.genomes == {"one": 14.0, "second": 2.5}
    assert [(entry["bases"], entry["n"]) for entry in corpus.entries] == [(14, 2), (2, 0)]
    assert corpus.entries[0]["files"][0]["bytes"] == Path(one).stat().st_size
    assert corpus.spans("one", held_out=False) == [Span("one", "chr1", 0, 10, 0), Span("one", "chr2", 0, 4, 10)]
    assert corpus.spans("second", held_out=False) == [Span("second", "c", 0, 2, 14)]


def test_relative_paths_start_where_they_are_told_to(tmp_path: Path):
    fasta(tmp_path / "x.fa", a="ACGT")
    corpus = build_corpus([GenomeSource(fasta="x.fa")], tmp_path / "corpus", relative_to=tmp_path)
    assert corpus.genomes == {"x": 4.0}


def test_a_genome_in_several_files(tmp_path: Path):
    files = (fasta(tmp_path / "a.fa", a="ACGTACGT"), fasta(tmp_path / "b.fa", b="TTTTTTTTTT"))
    corpus = build(tmp_path, GenomeSource(fasta=files, name="both", hold_out=("b:3-5", "a")))
    assert codes_to_bases(np.asarray(corpus.bases)) == "ACGTACGT" + "T" * 10
    assert corpus.spans("both", held_out=True) == [Span("both", "a", 0, 8, 0), Span("both", "b", 2, 5, 10)]
    assert corpus.spans("both", held_out=False) == [Span("both", "b", 0, 2, 8), Span("both", "b", 5, 10, 13)]
    assert len(corpus.entries[0]["files"]) == 2


def test_a_batch_is_a_function_of_corpus_seed_and_step(tmp_path: Path):
    draw = np.random.default_rng(0)
    bases = "".join(draw.choice(list("ACGT"), 3000))
    path = fasta(tmp_path / "x.fa", a=bases)
    corpus = build(tmp_path, GenomeSource(fasta=path))
    arguments = {"windows": 4, "tokens": 11}
    first = corpus.draw(TOKENIZER, seed=1, step=7, **arguments)
    corpus.draw(TOKENIZER, seed=1, step=8, **arguments)  # other steps in between change nothing
    again = Corpus(tmp_path / "corpus")
    assert (again.draw(TOKENIZER, seed=1, step=7, **arguments) == first).all()
    rebuilt = build_corpus([GenomeSource(fasta=path)], tmp_path / "again")
    assert (rebuilt.draw(TOKENIZER, seed=1, step=7, **arguments) == first).all()
    for seed, step in ((1, 8), (2, 7), (7, 1)):
        assert (corpus.draw(TOKENIZER, seed=seed, step=step, **arguments) != first).any()
    assert (first.shape, first.dtype) == ((4, 11), np.int32)
    assert (first[:, 0] == 3).all()


def test_windows_are_stretches_of_the_genome_on_both_strands(tmp_path: Path):
    draw = np.random.default_rng(0)
    bases = "".join(draw.choice(list("ACGT"), 400))
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a=bases)))
    codes = np.asarray(corpus.bases)
    other = codes_to_bases(reverse_complement(codes))
    strands: Counter[str] = Counter()
    phases = set()
    for step in range(40):
        for ids in corpus.draw(TOKENIZER, seed=0, step=step, windows=5, tokens=11):
            window = text_of(ids)
            assert len(window) == 30
            forward = window in bases
            strands["forward" if forward else "reverse"] += 1
            assert forward or window in other
            phases.add((bases if forward else other).index(window) % 3)
    assert phases == {0, 1, 2}
    assert 60 < strands["reverse"] < 140, "200 windows, half of them expected, 5 deviations"
    for ids in corpus.draw(TOKENIZER, seed=0, step=0, windows=20, tokens=11, both_strands=False):
        assert text_of(ids) in bases


def test_both_ends_of_a_stretch_are_drawn(tmp_path: Path):
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a="A" + "C" * 6 + "T", b="GGGGGGG")))
    drawn = {text_of(ids) for ids in corpus.draw(TOKENIZER, seed=0, step=0, windows=200, tokens=3, both_strands=False)}
    assert drawn == {"ACCCCC", "CCCCCC", "CCCCCT", "GGGGGG"}, "no window lies across two contigs"


def test_held_out_regions_are_never_drawn(tmp_path: Path):
    # All that is held out is T and all the rest is C: a held-out base would show as T, or as A from the other strand.
    bases = "C" * 100 + "T" * 50 + "C" * 80 + "T" * 20 + "C" * 31
    path = fasta(tmp_path / "x.fa", chr1=bases, chr2="T" * 90)
    corpus = build(
        tmp_path, GenomeSource(fasta=path, name="x", hold_out=("chr1:231-250", "chr1:101-150", "2", "chr1:120-130"))
    )
    assert [(s.chrom, s.start, s.end) for s in corpus.spans("x", held_out=False)] == [
        ("chr1", 0, 100),
        ("chr1", 150, 230),
        ("chr1", 250, 281),
    ]
    assert [(s.chrom, s.start, s.end) for s in corpus.spans("x", held_out=True)] == [
        ("chr1", 100, 150),
        ("chr1", 230, 250),
        ("chr2", 0, 90),
    ]
    for step in range(60):
        for ids in corpus.draw(TOKENIZER, seed=3, step=step, windows=4, tokens=11):
            assert set(text_of(ids)) in ({"C"}, {"G"})
    assert set(map(int, np.concatenate(list(corpus.training_codes("x"))))) == {2}
    assert sum(map(len, corpus.training_codes("x"))) == 211
    # And the held-out windows are of these regions only, without overlap.
    found = list(corpus.held_out_windows(TOKENIZER, "x", windows=99, tokens=6))
    assert [(span.chrom, span.start, span.end) for span, _ in found] == [
        *(("chr1", start, start + 15) for start in (100, 115, 130)),
        ("chr1", 230, 245),
        *(("chr2", start, start + 15) for start in range(0, 90, 15)),
    ]
    assert all(text_of(ids) == "T" * 15 and ids.dtype == np.int32 and len(ids) == 6 for _, ids in found)
    few = [span for span, _ in corpus.held_out_windows(TOKENIZER, "x", windows=3, tokens=6)]
    assert len(few) == 3
    assert (few[0], few[-1]) == (found[0][0], found[-1][0])


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


def test_windows_with_n(tmp_path: Path):
    # One N in 40 bases is at most a tenth of any window of 30; a gap of 60 never is.
    bases = ("ACGTTGCA" * 4 + "ACGTTGCN") * 10 + "N" * 60 + ("ACGTTGCA" * 5) * 3
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a=bases)))
    with_n = 0
    for step in range(40):
        for ids in corpus.draw(TOKENIZER, seed=0, step=step, windows=5, tokens=11):
            window = text_of(ids)
            assert len(ids) == 11
            assert window.count("N") <= 3
            with_n += "N" in window
    assert with_n, "windows with a few N are drawn"


def test_genomes_are_drawn_by_weight(tmp_path: Path):
    sources = [
        GenomeSource(fasta=fasta(tmp_path / f"{name}.fa", c=base * 600), weight=weight)
        for name, base, weight in (("x", "A", 3.0), ("y", "C", 1.0), ("z", "G", 0.0))
    ]
    ids = build(tmp_path, *sources).draw(TOKENIZER, seed=0, step=0, windows=800, tokens=3, both_strands=False)
    seen = Counter(text_of(row)[0] for row in ids)
    assert seen["G"] == 0
    assert abs(seen["A"] - 600) < 62, "five deviations of 12.2"
    assert seen["A"] + seen["C"] == 800


def test_size_is_the_weight_by_default(tmp_path: Path):
    sources = [GenomeSource(fasta=fasta(tmp_path / f"{b}.fa", c=b * n)) for b, n in (("A", 900), ("C", 100))]
    ids = build(tmp_path, *sources).draw(TOKENIZER, seed=0, step=0, windows=400, tokens=3, both_strands=False)
    assert abs(Counter(text_of(row)[0] for row in ids)["A"] - 360) < 30


def test_no_stretch_is_long_enough(tmp_path: Path):
    path = fasta(tmp_path / "x.fa", a="ACGT" * 10, b="TT")
    corpus = build(tmp_path, GenomeSource(fasta=path, hold_out=("a:20-22",)))
    with pytest.raises(GenomeError, match=r"genome 'x': no stretch of 30 bases outside the held-out regions"):
        corpus.draw(TOKENIZER, seed=0, step=0, windows=1, tokens=11)
    assert corpus.draw(TOKENIZER, seed=0, step=0, windows=1, tokens=7).shape == (1, 7)


def test_nothing_but_n(tmp_path: Path):
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a="N" * 50)))
    assert (np.asarray(corpus.bases) == N_CODE).all()
    with pytest.raises(GenomeError, match="or all of it N"):
        corpus.draw(TOKENIZER, seed=0, step=0, windows=1, tokens=11)


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


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, None), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_impossible_weights(tmp_path: Path, weights):
    sources = [GenomeSource(fasta=fasta(tmp_path / f"{i}.fa", a="ACGT"), weight=w) for i, w in enumerate(weights)]
    with pytest.raises(SettingsError, match="at least one above 0, would work"):
        build(tmp_path, *sources)


def test_genomes_need_names_of_their_own(tmp_path: Path):
    path = fasta(tmp_path / "x.fa", a="ACGT")
    for sources in ([], [GenomeSource(fasta=path), GenomeSource(fasta=path)]):
        with pytest.raises(SettingsError, match="at least one, each with a name of its own"):
            build(tmp_path, *sources)


def test_a_missing_genome_leaves_no_corpus(tmp_path: Path):
    good = GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGT"))
    with pytest.raises(GenomeError, match=r"none\.fa"):
        build(tmp_path, good, GenomeSource(fasta=str(tmp_path / "none.fa")))
    assert list((tmp_path / "corpus").iterdir()) == [], "neither bases.u8 nor a temporary file"


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        build_corpus([GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGT"))], tmp_path / "file" / "corpus")


def test_damaged_folders(tmp_path: Path):
    path = fasta(tmp_path / "x.fa", a="ACGTACGT")
    corpus = build(tmp_path, GenomeSource(fasta=path)).folder
    record = json.loads((corpus / "corpus.json").read_text())
    with pytest.raises(SettingsError, match=r"holds no corpus\.json; `hexamer build-corpus` makes one"):
        Corpus(tmp_path)
    (corpus / "corpus.json").write_text('{"format": 1, "geno')
    with pytest.raises(SettingsError, match=r"corpus\.json: not readable as JSON .*; build again"):
        Corpus(corpus)
    for wrong in ([], {"format": 1}, {"format": 1, "genomes": [{"name": "x"}]}):
        (corpus / "corpus.json").write_text(json.dumps(wrong))
        with pytest.raises(SettingsError, match=r"corpus.*build again"):
            Corpus(corpus)
    (corpus / "corpus.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(SettingsError, match="corpus format 99, this version reads 1; build again"):
        Corpus(corpus)
    (corpus / "corpus.json").write_text(json.dumps(record))
    assert Corpus(corpus).genomes == {"x": 8.0}
    for bases in (b"\0" * 7, b"", None):
        (corpus / "bases.u8").unlink()
        if bases is not None:
            (corpus / "bases.u8").write_bytes(bases)
        with pytest.raises(SettingsError, match=r"bases\.u8.*build again"):
            Corpus(corpus)


def test_building_again_replaces_the_corpus(tmp_path: Path):
    build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "x.fa", a="ACGTACGT")))
    corpus = build(tmp_path, GenomeSource(fasta=fasta(tmp_path / "y.fa", a="TT")))
    assert (corpus.genomes, codes_to_bases(np.asarray(corpus.bases))) == ({"y": 2.0}, "TT")
