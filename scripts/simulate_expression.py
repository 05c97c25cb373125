"""Simulate expression of real genes in real people: three SNVs near the start move each gene, none moves the nulls.

    python scripts/exon_table_to_gtf.py GRCh37_exons_chr20_chr22_chrX.csv.gz genes.gtf.gz
    python scripts/simulate_expression.py people.vcf.gz hs37d5.chr20.fa.gz genes.gtf.gz expression.tsv

Forty genes that begin in chr20:1.1-3.9 Mb, heritability 0.3, causal SNVs of a frequency of 5 % or more within 5,000
bases of the start, effects normal, seed 0; each gene again as GENE.null without any. `causal.tsv` beside the table
names the SNVs. Genes with fewer than three such SNVs are left out.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from hexamer.expression.dosages import common, read_dosages
from hexamer.genome import Annotation, Cohort, Genome

HERITABILITY, CAUSAL, NEAR, FREQUENCY, GENES, SEED = 0.3, 3, 5000, 0.05, 40, 0
START, END = 1_100_000, 3_900_000


def main(people: str, fasta: str, annotation: str, out: str) -> None:
    """Write the table, and the SNVs."""
    rng = np.random.default_rng(SEED)
    rows, causes = [], []
    with Genome(fasta) as genome, Cohort(people, genome) as cohort:
        genes = Annotation(annotation, None).genes
        names = {name for name in genes["chrom"].unique() if name in genome}
        genes = genes[genes["chrom"].isin(names) & (genes["tss"] >= START) & (genes["tss"] < END)]
        genes = genes[genes["biotype"].isin(["protein_coding", ""])]
        for gene in genes.sort_values("tss").itertuples():
            near = read_dosages(cohort, gene.chrom, gene.tss - NEAR, gene.tss + NEAR)
            near = common(near, np.ones(len(cohort.samples), dtype=bool), frequency=FREQUENCY)
            snvs = [i for i, v in enumerate(near.variants) if len(v.ref) == len(v.alt) == 1]
            if len(snvs) < CAUSAL or len(rows) == 2 * GENES:
                continue
            chosen = rng.choice(snvs, CAUSAL, replace=False)
            x = near.values[:, chosen]
            signal = ((x - x.mean(axis=0)) / x.std(axis=0)) @ rng.normal(size=CAUSAL)
            signal *= np.sqrt(HERITABILITY) / signal.std()
            for name, part in ((gene.gene_id, signal), (f"{gene.gene_id}.null", 0 * signal)):
                noise = np.sqrt(1 - HERITABILITY * (part is signal)) * rng.normal(size=len(signal))
                rows.append([name, gene.chrom, gene.tss + 1, gene.strand, *(part + noise).round(5)])
            causes += [[gene.gene_id, str(near.variants[i])] for i in chosen]
        table = pd.DataFrame(rows, columns=["gene_id", "chrom", "tss", "strand", *cohort.samples])
    table.to_csv(out, sep="\t", index=False)
    causal = pd.DataFrame(causes, columns=["gene_id", "snv"])
    causal.to_csv(Path(out).with_name("causal.tsv"), sep="\t", index=False)
    print(f"{len(rows) // 2} genes and as many nulls, {len(cohort.samples)} people")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(f"genotypes, a FASTA, a GTF and the table to write would work; {len(sys.argv) - 1} given")
    main(*sys.argv[1:])
