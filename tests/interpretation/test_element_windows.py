import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from hexamer.embeddings import embed
from hexamer.errors import AnnotationError, SequenceError, SettingsError
from hexamer.genome import Annotation, Genome, Interval
from hexamer.interpretation import embed_windows, sample_elements
from hexamer.interpretation.element_windows import ELEMENTS, count_windows

SIZE = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Genome, Annotation]:
    """Two contigs of 6,000 bases; genes with UTR, CDS and introns, on both strands; N in the first intergenic part."""
    folder = tmp_path_factory.mktemp("world")
    draw = random.Random(3)
    letters = ["".join(draw.choice("ACGT") for _ in range(6000)) for _ in range(3)]
    letters[0] = "N" * 500 + letters[0][500:]
    (folder / "g.fa").write_text("".join(f">chr{i + 1}\n{text}\n" for i, text in enumerate(letters)))
    rows = []
    for chrom in (1, 2):
        for number, start in enumerate((1001, 3001)):
            strand = "+-"[number]
            names = f'gene_id "g{chrom}{number}"; transcript_id "t{chrom}{number}";'
            for kind, a, b in (("exon", 0, 399), ("exon", 700, 1199), ("CDS", 150, 399), ("CDS", 700, 999)):
                rows.append(f"chr{chrom}\tx\t{kind}\t{start + a}\t{start + b}\t.\t{strand}\t.\t{names}")
    (folder / "g.gtf").write_text("\n".join(rows) + "\n")
    genome = Genome(folder / "g.fa")
    return genome, Annotation(folder / "g.gtf", genome, promoter=0)


@pytest.mark.parametrize("share", [0.5, 1])
def test_windows_are_of_their_class_and_apart(world, share):
    genome, annotation = world
    windows = sample_elements(genome, annotation, count=6, length=SIZE, share=share)
    assert {name: count for name, count in count_windows(windows).items() if count} == dict.fromkeys(
        ("cds", "five_prime_utr", "three_prime_utr", "intron", "intergenic"), 6
    )
    for window in windows:
        assert window.end - window.start == SIZE
        labels = annotation.label(window.chrom, window.start, window.end)
        assert (labels == annotation.classes.index(window.name)).mean() >= share
        assert "N" not in genome.fetch(window.chrom, window.start, window.end)
        assert window.chrom != "chr3"  # without genes
    for one, other in combinations(windows, 2):
        assert one.chrom != other.chrom or one.end <= other.start or other.end <= one.start


def test_short_elements_lie_in_their_windows(world):
    """UTRs of 150 bases cover half of 300."""
    genome, annotation = world
    windows = sample_elements(genome, annotation, count=50, length=300, share=0.5)
    assert count_windows(windows)["five_prime_utr"] > 0
    for window in windows:
        labels = annotation.label(window.chrom, window.start, window.end)
        assert (labels == annotation.classes.index(window.name)).sum() >= 150
    whole = count_windows(sample_elements(genome, annotation, count=50, length=300, share=1))
    assert (whole["five_prime_utr"], whole["cds"]) == (0, 4)


def test_strands_are_those_of_the_genes(world):
    genome, annotation = world
    for window in sample_elements(genome, annotation, count=20, length=SIZE):
        expected = "+" if window.name == "intergenic" or window.start < 2500 else "-"
        assert window.strand == expected, window


def test_a_seed_draws_the_same_and_another_others(world):
    one, again, other = (sample_elements(*world, count=3, length=SIZE, seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert [ELEMENTS.index(window.name) for window in one] == sorted(ELEMENTS.index(window.name) for window in one)


def test_all_elements_are_reached(world):
    """With as many windows as there are, those of CDS tile every stretch."""
    genome, annotation = world
    cds = [w for w in sample_elements(genome, annotation, count=10**6, length=10, share=1) if w.name == "cds"]
    assert len(cds) == 4 * (250 // 10 + 300 // 10)


def test_exons_stand_for_cds_where_there_is_none(tmp_path, world):
    genome, _ = world
    (tmp_path / "e.gtf").write_text('chr1\tx\texon\t1001\t2000\t.\t-\t.\tgene_id "g"; transcript_id "t";\n')
    windows = sample_elements(genome, Annotation(tmp_path / "e.gtf", genome, promoter=0), count=4, length=SIZE)
    assert Counter(w.name for w in windows) == {"exon": 4, "intergenic": 4}
    assert {w.strand for w in windows if w.name == "exon"} == {"-"}
    assert list(count_windows(windows)) == ["five_prime_utr", "three_prime_utr", "exon", "intron", "intergenic"]


def test_vectors_are_those_of_embed(model, world):
    genome, annotation = world
    windows = sample_elements(genome, annotation, count=2, length=SIZE)
    done = []
    first, last = embed_windows(model, genome, windows, layers=(1, -1), advance=done.append)
    assert sum(done) == len(windows)
    for found, layer in ((first, 1), (last, 2)):
        assert found.uns["hexamer"]["layer"] == layer
        np.testing.assert_allclose(found.X, embed(model, windows, genome, layer=layer).X, atol=1e-5)
    assert last.obs["element"].tolist() == [window.name for window in windows]
    letters = genome.fetch_interval(windows[0])
    assert last.obs["gc"].iloc[0] == pytest.approx(sum(letters.count(base) for base in "GC") / SIZE)


def test_mistakes(model, world):
    genome, annotation = world
    with pytest.raises(SettingsError, match="share 0"):
        sample_elements(genome, annotation, share=0)
    with pytest.raises(SettingsError, match="windows 0"):
        sample_elements(genome, annotation, count=0)
    with pytest.raises(AnnotationError, match="no element covers 50% of 9,000 bases"):
        sample_elements(genome, annotation, length=9000)
    with pytest.raises(SequenceError, match="tokens"):
        embed_windows(model, genome, [Interval("chr1", 600, 3000, name="cds")])
    with pytest.raises(SettingsError, match="layer 7"):
        embed_windows(model, genome, [Interval("chr1", 600, 660, name="cds")], layers=[7])
