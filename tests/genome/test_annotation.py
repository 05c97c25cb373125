import csv
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import AnnotationError
from hexamer.genome import Genome
from hexamer.genome.annotation import CLASSES, Annotation

LENGTH = 300
ROOT = Path(__file__).parents[2]


def gtf(path: Path, transcripts: list[tuple[str, list[tuple[int, int]], list[tuple[int, int]]]], chrom="chr1") -> Path:
    """Transcripts as (strand, exons, CDS), 0-based and half-open."""
    rows = []
    for number, (strand, exons, cds) in enumerate(transcripts):
        for kind, stretches in (("exon", exons), ("CDS", cds)):
            ids = f'gene_id "g{number}"; transcript_id "t{number}";'
            rows += [f"{chrom}\tx\t{kind}\t{a + 1}\t{b}\t.\t{strand}\t.\t{ids}" for a, b in stretches]
    path.write_text("\n".join(rows) + "\n")
    return path


def slow(transcripts, promoter: int) -> list[str]:
    """The definitions, base by base."""
    found = []
    for base in range(LENGTH):
        classes = {"intergenic"}
        for strand, exons, cds in transcripts:
            first, last = min(a for a, _ in exons), max(b for _, b in exons)
            before = first - promoter <= base < first if strand == "+" else last <= base < last + promoter
            classes |= {"promoter"} if before else set()
            if any(a <= base < b for a, b in cds):
                classes.add("cds")
            if any(a <= base < b for a, b in exons):
                classes.add("exon")
                if cds and base < min(a for a, _ in cds):
                    classes.add("five_prime_utr" if strand == "+" else "three_prime_utr")
                if cds and base >= max(b for _, b in cds):
                    classes.add("three_prime_utr" if strand == "+" else "five_prime_utr")
            elif first <= base < last:
                classes.add("intron")
        found.append(min(classes, key=CLASSES.index))
    return found


@st.composite
def transcript(draw):
    cuts = sorted(draw(st.sets(st.integers(0, LENGTH), min_size=2, max_size=8)))
    exons = list(zip(cuts[::2], cuts[1::2], strict=False))
    low, high = sorted(draw(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH))))
    cds = [(max(a, low), min(b, high)) for a, b in exons if max(a, low) < min(b, high)]
    return draw(st.sampled_from("+-")), exons, cds


@given(st.lists(transcript(), min_size=1, max_size=5), st.integers(0, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_labels_are_those_of_the_definitions(tmp_path_factory, transcripts, promoter, known):
    path = gtf(tmp_path_factory.mktemp("a") / "a.gtf", transcripts)
    annotation = Annotation(path, {"1": LENGTH} if known else None, promoter=promoter)
    expected = slow(transcripts, promoter)
    assert [CLASSES[code] for code in annotation.label("chr1", 0, LENGTH)] == expected
    assert [CLASSES[code] for code in annotation.label("1", 70, 171)] == expected[70:171]
    table = annotation.elements("chr1")
    assert (table["start"].iloc[1:].to_numpy() == table["end"].iloc[:-1].to_numpy()).all(), "without gaps"
    assert (table["element"].iloc[1:].to_numpy() != table["element"].iloc[:-1].to_numpy()).all(), "as long as can be"
    spelt = np.repeat(table["element"], table["end"] - table["start"]).tolist()
    assert spelt[:LENGTH] == expected[: len(spelt)]
    assert set(expected[len(spelt) :]) <= {"intergenic"}


def test_a_transcript_on_each_strand(tmp_path):
    path = gtf(tmp_path / "a.gtf", [("-", [(100, 120), (140, 160)], [(110, 120), (140, 150)]), ("+", [(200, 210)], [])])
    annotation = Annotation(path, {"chr1": LENGTH}, promoter=5)
    changes = [tuple(row) for row in annotation.elements("chr1").itertuples(index=False)]
    assert changes == [
        (0, 100, "intergenic"),
        (100, 110, "three_prime_utr"),
        (110, 120, "cds"),
        (120, 140, "intron"),
        (140, 150, "cds"),
        (150, 160, "five_prime_utr"),
        (160, 165, "promoter"),
        (165, 195, "intergenic"),
        (195, 200, "promoter"),
        (200, 210, "exon"),
        (210, 300, "intergenic"),
    ]
    assert annotation.genes["tss"].tolist() == [159, 200]
    first = annotation.transcripts.iloc[0]
    assert (first["start"], first["end"], first["cds_start"], first["cds_end"], first["tss"]) == (
        100,
        160,
        110,
        150,
        159,
    )


def test_utr_rows_are_pieces_of_exons(tmp_path):
    rows = [("five_prime_UTR", 11, 20), ("CDS", 21, 30), ("three_prime_UTR", 31, 40)]
    path = tmp_path / "a.gff3"
    path.write_text("".join(f"1\tx\t{kind}\t{a}\t{b}\t.\t+\t.\tParent=t\n" for kind, a, b in rows))
    elements = Annotation(path, promoter=0).elements("1")["element"].tolist()
    assert elements == ["intergenic", "five_prime_utr", "cds", "three_prime_utr"]


def test_contigs_go_by_the_names_of_the_genome(tmp_path):
    one = gtf(tmp_path / "one.gtf", [("+", [(10, 20)], [])], "chr20")
    two = gtf(tmp_path / "two.gtf", [("+", [(10, 20)], [])], "NC_000021.9")
    other = gtf(tmp_path / "other.gtf", [("+", [(10, 20)], [])], "chrUn")
    annotation = Annotation([one, two, other], {"20": 100, "21": 100, "MT": 50})
    assert (annotation.contigs, annotation.skipped) == (("20", "21"), ("chrUn",))
    assert annotation.genes["chrom"].tolist() == ["20", "21"]
    assert CLASSES[annotation.label("NC_000020.11", 15, 16)[0]] == "exon"
    assert set(annotation.label("chrM", 0, 50)) == {CLASSES.index("intergenic")}, "a contig without genes"


def test_mistakes(tmp_path):
    path = gtf(tmp_path / "a.gtf", [("+", [(10, 20)], [])], "chr20")
    with pytest.raises(AnnotationError, match=r"contigs chr20 are none of the genome's, chrI, chrII; is it of another"):
        Annotation(path, {"chrI": 100, "chrII": 100})
    with pytest.raises(
        AnnotationError, match=r"gene g0 ends at base 20 of 20, which has 15; is it of another assembly"
    ):
        Annotation(path, {"20": 15})
    with pytest.raises(AnnotationError, match=r"contig 'chr20' may be any of 20, CHR20"):
        Annotation(path, {"20": 100, "CHR20": 100})
    with pytest.raises(AnnotationError, match=r"contig 'chr2' is not in .*a.gtf, which has chr20"):
        Annotation(path).label("chr2", 0, 5)
    with pytest.raises(AnnotationError, match="start 90 end 101 runs off 20"):
        Annotation(path, {"20": 100}).label("20", 90, 101)


@pytest.mark.parametrize(
    ("file", "genome", "transcripts", "coding"),
    [
        ("sacCer3.ensGene.gtf.gz", "sacCer3.fa.gz", 7127, 0.7071),
        ("Athaliana_TAIR10_chr1.slim.gff3.gz", "Athaliana_TAIR10_chr1.fa.gz", 17158, 0.2950),
        ("Umaydis.gff3.gz", "Umaydis.fa.gz", 6787, 0.6104),
    ],
)
def test_real_annotations(real_data, session_cache, file, genome, transcripts, coding):
    """Coding bases per annotated contig, as counted once; Arabidopsis and yeast agree with the published shares."""
    with Genome(real_data / "genomes" / genome, cache=session_cache) as reference:
        annotation = Annotation(real_data / "annotation" / file, reference)
        assert len(annotation.transcripts) == transcripts
        assert annotation.skipped == ()
        tables = [annotation.elements(chrom) for chrom in annotation.contigs]
        sizes = [(t["end"] - t["start"]).groupby(t["element"]).sum() for t in tables]
        assert sum(s.get("cds", 0) for s in sizes) / sum(s.sum() for s in sizes) == pytest.approx(coding, abs=1e-4)
        for gene in annotation.transcripts.query("cds_start < cds_end and strand == '+'").head(200).itertuples():
            start = reference.fetch(gene.chrom, gene.cds_start, gene.cds_start + 3)
            assert start == "ATG" or file.startswith(("sac", "Um")), gene


def test_drosophila_annotations_are_read_together(real_data):
    files = sorted((real_data / "genomes" / "drosophila_chr4").glob("*.gff.gz"))
    annotation = Annotation(files)
    assert len(annotation.contigs) == 4
    assert annotation.genes.query("biotype == 'protein_coding'").groupby("chrom").size().min() > 70


def test_the_human_exon_table_as_gtf(real_data, tmp_path):
    """The converter takes overhangs off; introns then begin and end as introns do."""
    folder = real_data / "annotation"
    table = tmp_path / "few.csv.gz"
    with gzip.open(folder / "GRCh37_exons_chr20_chr22_chrX.csv.gz", "rt") as file:
        rows = [row for i, row in enumerate(csv.reader(file)) if i == 0 or (row[0] == "chr20" and 9000 < i < 9400)]
    with gzip.open(table, "wt", newline="") as file:
        csv.writer(file).writerows(rows)
    script = [sys.executable, ROOT / "scripts" / "exon_table_to_gtf.py"]
    subprocess.run([*script, table, folder / "Ensembl75_GRCh37_genes.tsv.gz", tmp_path / "few.gtf"], check=True)
    with Genome(real_data / "genomes" / "hs37d5.chr20.fa.gz") as genome:
        annotation = Annotation(tmp_path / "few.gtf", genome)
        elements = annotation.elements("20")
        introns = elements[elements["element"] == "intron"]
        assert len(introns) > 20
        ends = {
            genome.fetch("20", i.start, i.start + 2) + genome.fetch("20", i.end - 2, i.end)
            for i in introns.itertuples()
        }
    assert {"GTAG", "CTAC"} & ends
