import gzip
from pathlib import Path

import pytest

from hexamer.errors import AnnotationError
from hexamer.genome.genes import read_genes

GTF = """\
#!genome-build x
chr1\te\tgene\t11\t60\t.\t+\t.\tgene_id "g1"; gene_name "ABC"; gene_biotype "protein_coding";
chr1\te\ttranscript\t11\t60\t.\t+\t.\tgene_id "g1"; transcript_id "t1";
chr1\te\texon\t11\t20\t.\t+\t.\tgene_id "g1"; transcript_id "t1"; exon_number 1;
chr1\te\tCDS\t15\t20\t.\t+\t0\tgene_id "g1"; transcript_id "t1";
chr1\te\texon\t41\t60\t.\t+\t.\tgene_id "g1"; transcript_id "t1"; note "a; b";
chr1\te\tCDS\t41\t46\t.\t+\t0\tgene_id "g1"; transcript_id "t1";
chr1\te\tstop_codon\t47\t49\t.\t+\t0\tgene_id "g1"; transcript_id "t1";
"""
GFF3 = """\
##gff-version 3
chr1\tr\tregion\t1\t900\t.\t+\t.\tID=region1
chr1\tr\texon\t11\t20\t.\t-\t.\tID=e1;Parent=rna-1,rna-2
chr1\tr\tCDS\t15\t20\t.\t-\t0\tID=cds1;Parent=rna-1
chr1\tr\tmRNA\t11\t20\t.\t-\t.\tID=rna-1;Parent=gene-1
chr1\tr\tmRNA\t11\t20\t.\t-\t.\tID=rna-2;Parent=gene-1
chr1\tr\tgene\t11\t20\t.\t-\t.\tID=gene-1;Name=A%3BB;gene_biotype=protein_coding
chr1\tr\tpseudogene\t101\t140\t.\t.\t.\tID=gene-2
chr1\tr\tgene\t201\t300\t.\t+\t.\tID=gene-3;Name=mir
chr1\tr\tprimary_transcript\t201\t300\t.\t+\t.\tID=pri;Parent=gene-3
chr1\tr\tmiRNA\t221\t240\t.\t+\t.\tID=mir;Parent=pri
chr1\tr\texon\t221\t240\t.\t+\t.\tParent=mir
##FASTA
>chr1
ACGT
"""


def write(path: Path, text: str, storage: str = "plain") -> Path:
    if storage == "bgzip":
        import pysam

        with pysam.BGZFile(str(path), "wb") as file:
            file.write(text.encode())
    else:
        path.write_bytes(gzip.compress(text.encode()) if storage == "gzip" else text.encode())
    return path


@pytest.mark.parametrize("storage", ["plain", "gzip", "bgzip"])
def test_gtf_however_stored_and_whatever_its_name(tmp_path, storage):
    models = read_genes(write(tmp_path / "genes.gff3", GTF, storage))
    assert [tuple(transcript) for transcript in models.transcripts] == [("t1", "g1", "chr1", "+")]
    gene = models.genes[0]
    assert (gene.id, gene.name, gene.biotype, gene.start, gene.end) == ("g1", "ABC", "protein_coding", 10, 60)
    assert models.extents()[:, 0].tolist() == [10, 60, 14, 49], "the stop codon is coding"


def test_gff3_finds_its_way_from_parts_to_genes(tmp_path):
    models = read_genes(write(tmp_path / "genes.gtf", GFF3))
    assert {t.id: t.gene for t in models.transcripts} == {
        "rna-1": "gene-1",
        "rna-2": "gene-1",
        "mir": "gene-3",
        "gene-2": "gene-2",  # a gene without parts is one exon
    }
    genes = {gene.id: gene for gene in models.genes}
    assert (genes["gene-1"].name, genes["gene-1"].biotype) == ("A;B", "protein_coding")
    assert (genes["gene-2"].start, genes["gene-2"].end, genes["gene-2"].biotype) == (100, 140, "pseudo")
    assert (genes["gene-3"].start, genes["gene-3"].end) == (200, 300)
    assert set(genes) == {"gene-1", "gene-2", "gene-3"}


def test_ids_are_per_contig_and_a_ring_of_parents_ends(tmp_path):
    rows = "".join(f'chr{n}\tx\texon\t1\t9\t.\t+\t.\tgene_id "g"; transcript_id "t";\n' for n in (1, 2))
    models = read_genes(write(tmp_path / "a.gtf", rows))
    assert [(t.chrom, t.id) for t in models.transcripts] == [("chr1", "t"), ("chr2", "t")]
    assert [(g.chrom, g.id, g.end) for g in models.genes] == [("chr1", "g", 9), ("chr2", "g", 9)]
    ring = "".join(f"c\tx\tmRNA\t1\t9\t.\t+\t.\tID={a};Parent={b}\n" for a, b in ("ab", "ba"))
    models = read_genes(write(tmp_path / "a.gff", ring + "c\tx\texon\t1\t9\t.\t+\t.\tParent=a\n"))
    assert models.transcripts[0].gene in "ab"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.gtf: the file is empty"),
        ("# nothing\n", "a.gtf: no gene in it"),
        ("chr1\tx\tregion\t1\t9\t.\t+\t.\tID=r\n", "a.gtf: no gene in it"),
        (GTF + "chr1\te\texon\t5\n", "a.gtf:9: 4 column\\(s\\) in"),
        (GTF + GTF.splitlines()[3].replace("\t11\t", "\t0\t"), "a.gtf:9: exon from '0' to '20'"),
        (GTF + GTF.splitlines()[3].replace("\t11\t", "\t21\t"), "a.gtf:9: exon from '21' to '20'"),
        (GTF + GTF.splitlines()[3].replace("\t11\t", "\t1e1\t"), "a.gtf:9: exon from '1e1'"),
        (GTF + GTF.splitlines()[3].replace("\t+\t", "\tx\t"), "a.gtf:9: exon on contig 'chr1', strand 'x'"),
        (GTF + 'chr1\te\texon\t5\t6\t.\t+\t.\tnote "x";\n', "a.gtf:9: exon without gene_id"),
        ("chr1\tx\texon\t1\t9\t.\t+\t.\t\n", "a.gtf:1: attributes are ''; expected ID="),
    ],
)
def test_mistakes(tmp_path, text, message):
    with pytest.raises(AnnotationError, match=message):
        read_genes(write(tmp_path / "a.gtf", text))


def test_a_cut_file_says_where(tmp_path):
    path = tmp_path / "cut.gtf.gz"
    path.write_bytes(gzip.compress((GTF * 200).encode())[:-30])
    with pytest.raises(AnnotationError, match=r"cut\.gtf\.gz:\d+: the gzip data is cut short"):
        read_genes(path)
