import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.genome import Annotation, Genome, reverse_complement
from hexamer.genome import splicing as module
from hexamer.genome.splicing import CLASSES, choose_transcripts, label_windows


def write_gtf(path, rows, biotype=""):
    """Exons as (gene, transcript, strand, start, end), 0-based and half-open, on contig 1."""
    kind = f' gene_biotype "{biotype}";' if biotype else ""
    lines = [
        f'1\tx\texon\t{start + 1}\t{end}\t.\t{strand}\t.\tgene_id "{gene}"; transcript_id "{name}";{kind}\n'
        for gene, name, strand, start, end in rows
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def contig(tmp_path):
    """A contig of 400 bases with N at 300 to 340."""
    draw = random.Random(3)
    bases = "".join(draw.choice("ACGT") for _ in range(400))
    (tmp_path / "one.fa").write_text(f">1\n{bases[:300]}{'N' * 40}{bases[340:]}\n")
    with Genome(tmp_path / "one.fa") as genome:
        yield genome


@pytest.fixture(autouse=True)
def short_introns(monkeypatch):
    """Small genes have small introns."""
    monkeypatch.setattr(module, "SHORTEST_INTRON", 1)


def chosen(tmp_path, genome, rows, **options):
    return choose_transcripts(Annotation(write_gtf(tmp_path / "one.gtf", rows), genome), **options)


ROWS = [
    ("a", "a1", "+", 10, 20),
    ("a", "a1", "+", 30, 40),
    ("a", "a1", "+", 60, 90),
    ("b", "b1", "-", 100, 130),
    ("b", "b1", "-", 150, 180),
]


def test_donors_end_exons_and_acceptors_begin_them(tmp_path, contig):
    found = chosen(tmp_path, contig, ROWS)
    assert [(each.gene, each.transcript, each.strand) for each in found] == [("a", "a1", "+"), ("b", "b1", "-")]
    assert [places.tolist() for places in found[0].sites] == [[30, 60], [19, 39]]
    # The reverse strand begins at the right: the donor is the first base of the right exon.
    assert [places.tolist() for places in found[1].sites] == [[129], [150]]


def test_of_several_transcripts_the_longest_is_taken_and_pieces_are_joined(tmp_path, contig):
    rows = [
        *ROWS[:3],
        ("a", "a0", "+", 10, 20),  # as long as a1, in four pieces of three exons: the first by name
        ("a", "a0", "+", 30, 35),
        ("a", "a0", "+", 35, 40),
        ("a", "a0", "+", 70, 100),
        ("c", "c1", "+", 200, 290),  # not spliced
    ]
    found = chosen(tmp_path, contig, rows)
    assert [each.transcript for each in found] == ["a0"]
    assert [places.tolist() for places in found[0].sites] == [[30, 70], [19, 39]]


def test_a_short_gap_is_no_intron(tmp_path, contig, monkeypatch):
    monkeypatch.setattr(module, "SHORTEST_INTRON", 20)
    found = chosen(tmp_path, contig, ROWS)
    assert [(each.transcript, [places.tolist() for places in each.sites]) for each in found] == [
        ("a1", [[60], [39]]),
        ("b1", [[129], [150]]),
    ]
    monkeypatch.setattr(module, "SHORTEST_INTRON", 21)
    assert chosen(tmp_path, contig, ROWS) == []


def test_genes_of_a_biotype_where_the_file_tells_any(tmp_path, contig):
    annotation = Annotation(write_gtf(tmp_path / "one.gtf", ROWS, "lincRNA"), contig)
    assert choose_transcripts(annotation) == []
    assert (
        len(choose_transcripts(annotation, biotype="")) == len(choose_transcripts(annotation, biotype="lincRNA")) == 2
    )
    assert len(chosen(tmp_path, contig, ROWS)) == 2


def test_labels_read_as_the_strand_reads(tmp_path, contig):
    table = label_windows(contig, chosen(tmp_path, contig, ROWS), window=50).table
    assert table[["start", "end", "strand"]].to_numpy().tolist() == [
        [10, 60, "+"],
        [60, 110, "+"],
        [100, 150, "-"],
        [150, 200, "-"],
    ]
    first, second, third, fourth = table["label"]
    assert first == "0" * 9 + "2" + "0" * 10 + "1" + "0" * 8 + "2" + "0" * 20
    assert second == "1" + "0" * 29 + "." * 20
    assert third == "0" * 20 + "1" + "0" * 29
    assert fourth == "." * 20 + "0" * 29 + "2"


def test_windows_of_too_many_n_are_counted_and_the_last_lies_inside(tmp_path, contig):
    rows = [("d", "d1", "+", 250, 305), ("d", "d1", "+", 335, 398)]
    found = label_windows(contig, chosen(tmp_path, contig, rows), window=60)
    assert found.unread == 2
    assert found.table[["start", "end"]].to_numpy().tolist() == [[340, 400]]
    assert len(label_windows(contig, chosen(tmp_path, contig, rows), window=60, most_unknown=0.2).table) == 2
    for options in ({"window": 0}, {"most_unknown": -0.1}, {"window": 401}):
        with pytest.raises(SettingsError, match="would work"):
            label_windows(contig, chosen(tmp_path, contig, rows), **options)


GENES = st.lists(
    st.tuples(st.sampled_from("+-"), st.lists(st.integers(0, 299), min_size=4, max_size=8, unique=True)), max_size=6
)


@settings(max_examples=30, deadline=None)
@given(GENES, st.integers(20, 120))
def test_every_base_of_a_transcript_is_labelled_once(tmp_path_factory, drawn, window):
    folder = tmp_path_factory.mktemp("splicing")
    (folder / "one.fa").write_text(">1\n" + "ACGTT" * 60 + "\n")
    rows = []
    for number, (strand, edges) in enumerate(drawn):
        edges = sorted(edges[: len(edges) // 2 * 2])
        rows += [(f"g{number}", f"t{number}", strand, *pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
    if not rows:
        return
    with Genome(folder / "one.fa") as genome:
        transcripts = chosen(folder, genome, rows)
        table = label_windows(genome, transcripts, window=window).table if transcripts else None
    for strand in "+-":
        wanted = np.full(300, ".", dtype="<U1")
        mine = [each for each in transcripts if each.strand == strand]
        for each in mine:
            wanted[each.starts[0] : each.ends[-1]] = "0"
        for each in mine:
            for digit, places in enumerate(each.sites, 1):
                wanted[places] = str(digit)
        found, seen = np.full(300, ".", dtype="<U1"), np.zeros(300, dtype=int)
        for row in table[table["strand"] == strand].itertuples() if table is not None else ():
            assert len(row.label) == window
            text = np.array(list(row.label if strand == "+" else row.label[::-1]))
            told = np.flatnonzero(text != ".")
            found[row.start + told] = text[told]
            seen[row.start + told] += 1
        assert "".join(found) == "".join(wanted)
        assert set(seen[wanted != "."].tolist()) <= {1}


def test_sites_of_real_genes_have_their_letters(monkeypatch):
    monkeypatch.undo()
    data = Path(__file__).parents[3] / "shared" / "data"
    if not data.exists():
        pytest.skip("shared/data is not there: the sites of yeast are not read")
    with Genome(data / "genomes" / "sacCer3.fa.gz") as genome:
        transcripts = choose_transcripts(Annotation(data / "annotation" / "sacCer3.ensGene.gtf.gz", genome))
        words = {name: [] for name in CLASSES[1:]}
        for each in (one for one in transcripts if one.chrom != "chrM"):
            for name, places in zip(words, each.sites, strict=True):
                for place in places.tolist():
                    around = genome.fetch(each.chrom, place - 2, place + 3)
                    around = around if each.strand == "+" else reverse_complement(around)
                    words[name].append(around[:2] if name == "acceptor" else around[3:])
    assert len(words["donor"]) == len(words["acceptor"]) > 250
    assert words["donor"].count("GT") / len(words["donor"]) > 0.8
    assert words["acceptor"].count("AG") / len(words["acceptor"]) > 0.8
