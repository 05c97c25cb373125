r"""Compare the llr of saturation mutagenesis with what saturation MPRA measured, element by element.

    hexamer saturation-mutagenesis --fasta satmut_MPRA_element_references_GRCh37.fa.gz --fast -o mpra.tsv.gz
    python scripts/mutagenesis_mpra.py mpra.tsv.gz satmut_MPRA_elements.tsv.gz \
        satmut_MPRA_element_references_GRCh37.fa.gz

Substitutions with ten barcodes or more. `base_r` compares the mean llr of a base with its mean effect
(docs/log.md, 2026-11-22).
"""

import gzip
import sys

import pandas as pd


def main(scored: str, measured: str, references: str) -> None:
    """Print a row for each element, and the means over all."""
    with gzip.open(references, "rt") as file:
        heads = [line[1:].split()[:2] for line in file if line.startswith(">")]
    known = pd.read_csv(measured, sep="\t", dtype={"Chrom": str})
    known = known[(known["Release"] == "GRCh37") & (known["Barcodes"] >= 10)]
    table = pd.read_csv(scored, sep="\t").dropna(subset=["llr"])
    rows = []
    for name, region in heads:
        first = int(region.split(":")[1].split("-")[0])
        own = table[table["name"] == name].assign(Pos=lambda rows, first=first: rows["pos"] + first - 1)
        both = own.merge(known[known["Element"] == name], left_on=["Pos", "ref", "alt"], right_on=["Pos", "Ref", "Alt"])
        bases = both.groupby("Pos")[["llr", "Coefficient"]].mean()
        pearson, spearman = (both["llr"].corr(both["Coefficient"], method=how) for how in ("pearson", "spearman"))
        rows.append((name, len(both), pearson, spearman, bases["llr"].corr(bases["Coefficient"])))
    found = pd.DataFrame(rows, columns=["element", "n", "pearson", "spearman", "base_r"])
    print(found.sort_values("spearman", ascending=False).round(3).to_string(index=False))
    print(found[["pearson", "spearman", "base_r"]].mean().round(3).to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
