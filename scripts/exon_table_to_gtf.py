"""Write the human exon table as GTF, so that `--annotation human=...` can read it.

    python scripts/exon_table_to_gtf.py GRCh37_exons_chr20_chr22_chrX.csv.gz Ensembl75_GRCh37_genes.tsv.gz human.gtf.gz

The table is MMSplice's: one row per exon of each transcript, counted from 1, both ends included, and widened at every
splice site by the bases of the overhang columns, left and right on the forward strand. Taken off, 98.3 % of the
transcripts' 23,913 introns on chromosome 20 begin with GT and 99.3 % end with AG; left on, fewer than 10 %. It has no
coding sequence, so the GTF has exon rows only: exons are `exon`, never `cds` or UTR. The gene table adds biotypes, by
gene identifier without version.
"""

import csv
import gzip
import sys

from hexamer.manifest import write_atomically


def main(exons: str, genes: str, out: str) -> None:
    """Write one exon row for each row of the table."""
    with gzip.open(genes, "rt") as file:
        biotypes = {row["gene_id"]: row["gene_biotype"] for row in csv.DictReader(file, delimiter="\t")}
    with (
        gzip.open(exons, "rt") as file,
        write_atomically(out) as temporary,
        gzip.open(temporary, "wt") if out.endswith(".gz") else temporary.open("w") as target,
    ):
        for row in csv.DictReader(file):
            start = int(row["Start"]) + int(row["left_overhang"])
            end = int(row["End"]) - int(row["right_overhang"])
            gene = row["gene_id"].split(".")[0]
            attributes = {"gene_id": gene, "transcript_id": row["transcript_id"].split(".")[0]}
            attributes |= {"gene_name": row["gene_name"], "gene_biotype": biotypes.get(gene, "")}
            text = " ".join(f'{key} "{value}";' for key, value in attributes.items() if value)
            print(
                row["Chromosome"], "ensembl", "exon", start, end, ".", row["Strand"], ".", text, sep="\t", file=target
            )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"three files, exons, genes and the GTF to write, would work; {len(sys.argv) - 1} given")
    main(*sys.argv[1:])
