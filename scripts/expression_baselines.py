"""Judge linear models of expression on genotypes, and write a row for each gene, method and seed.

    python scripts/plink_to_vcf.py 1000G.EUR.20 hs37d5.chr20.fa.gz people.vcf.gz
    python scripts/expression_baselines.py people.vcf.gz hs37d5.chr20.fa.gz GEUVADIS_chr20_exact_RPKM.tsv.gz out.tsv

Five folds of people, three seeds, variants within 100 kb of the transcription start.
"""

import sys

import pandas as pd

from hexamer.expression.cohort import read_expression
from hexamer.expression.evaluate import compare_genes, summarise_genes
from hexamer.expression.held_out import judge_linear_models
from hexamer.genome import Cohort, Genome
from hexamer.manifest import write_atomically

SEEDS = (0, 1, 2)


def main(people: str, fasta: str, measured: str, out: str) -> None:
    """Write the table, and print means over seeds."""
    with Genome(fasta) as genome, Cohort(people, genome, unphased="skip") as cohort:
        expression = read_expression(measured, samples=cohort.samples)
        tables = [judge_linear_models(expression, cohort, seed=seed).table.assign(seed=seed) for seed in SEEDS]
    table = pd.concat(tables, ignore_index=True)
    with write_atomically(out) as temporary:
        table.to_csv(temporary, sep="\t", index=False)
    means = table.groupby(["method", "gene_id"], sort=False)[["pearson", "spearman", "p"]].mean().reset_index()
    print(summarise_genes(means).round(3).to_string(index=False))
    print(compare_genes(means, reference="elastic-net").round(4).to_string(index=False))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(f"genotypes, a FASTA, expression and the table to write would work; {len(sys.argv) - 1} given")
    main(*sys.argv[1:])
