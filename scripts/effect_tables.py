"""Make the inputs of the logged evaluations of variant scores from published files.

    python scripts/effect_tables.py ../shared/data OUT

OUT gets `human3.fa` (chromosome 20, the known part of 22, the first 70 Mb of X; GRCh37), `clinvar.tsv`, `kg.tsv`,
`mpra.tsv` with `elements.fa`, and `hnf4a.tsv` (its element in chromosome 20). docs/log.md has the commands that use
them.
"""

import argparse
import gzip
import shutil
from pathlib import Path

import pandas as pd

GENOMES = ("hs37d5.chr20.fa.gz", "GRCh37.chr22_partial.fa.gz", "GRCh37.chrX_first70Mb.fa.gz")
MEANING = {"Pathogenic": 1, "Likely_pathogenic": 1, "Benign": 0, "Likely_benign": 0}
LAST_X = 69_990_000
SNVS_UNTIL = 1_600_000
MOST_RARE, COMMON = 2, 0.05
FEWEST_TAGS = 10


def clinvar(data: Path) -> pd.DataFrame:
    """Choose variants that are pathogenic or benign, likely ones too."""
    table = pd.read_csv(data / "variants/ClinVar_2016_GRCh37_chr20_chrX.tsv.gz", sep="\t", dtype={"chrom": str})
    table["pathogenic"] = table["clinical_significance"].map(MEANING)
    inside = (table["chrom"] != "X") | (table["pos"] <= LAST_X)
    kept = table[table["pathogenic"].notna() & inside].astype({"pathogenic": int})
    kept = kept.rename(columns={"clinical_significance": "significance"})
    return kept[["chrom", "pos", "ref", "alt", "symbol", "significance", "pathogenic"]]


def thousand_genomes(data: Path) -> pd.DataFrame:
    """Choose common alleles and those of one or two copies: SNVs up to 1.6 Mb, all indels."""
    rows = []
    with gzip.open(data / "variants/1000G_b37_chr20_1-4Mb.reference.vcf.gz", "rt") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#") or "," in fields[4]:
                continue
            genotypes = "".join(sample.split(":")[0] for sample in fields[9:])
            copies = genotypes.count("1")
            share = copies / (copies + genotypes.count("0"))
            is_common = COMMON <= share <= 1 - COMMON
            is_snv = len(fields[3]) == len(fields[4]) == 1
            if (is_common or 1 <= copies <= MOST_RARE) and not (is_snv and int(fields[1]) >= SNVS_UNTIL):
                rows.append((fields[0], int(fields[1]), fields[3], fields[4], round(share, 4), int(is_common)))
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "af", "common"])


def saturation(data: Path) -> tuple[pd.DataFrame, str]:
    """Give measured effects with places in their element, and the elements as FASTA."""
    names, sequences, starts = [], [], []
    with gzip.open(data / "mpra/satmut_MPRA_element_references_GRCh37.fa.gz", "rt") as file:
        for line in file:
            if line.startswith(">"):
                names.append(line[1:].split()[0])
                starts.append(int(line.split()[1].split(":")[1].split("-")[0]))
                sequences.append("")
            else:
                sequences[-1] += line.strip()
    elements = {name: (start, bases) for name, start, bases in zip(names, starts, sequences, strict=True)}
    table = pd.read_csv(data / "mpra/satmut_MPRA_elements.tsv.gz", sep="\t", dtype={"Chrom": str})
    table = table[(table["Release"] == "GRCh37") & (table["Barcodes"] >= FEWEST_TAGS)]
    rows = []
    for row in table.dropna(subset=["Pos", "Ref", "Alt", "Coefficient"]).to_dict("records"):
        start, bases = elements[row["Element"]]
        place = int(row["Pos"]) - start
        if not 0 <= place < len(bases) or bases[place].upper() not in (row["Ref"], "N"):
            continue
        shift = 0
        ref, alt = row["Ref"], row["Alt"]
        if alt == "-":  # written as VCF does, with the base before
            if place == 0:
                continue
            shift, ref, alt = 1, bases[place - 1] + ref, bases[place - 1]
        what = "deletion" if shift else "snv"
        here = (place + 1 - shift, ref.upper(), alt.upper(), row["Chrom"], int(row["Pos"]) - shift)
        rows.append((row["Element"], *here, row["Coefficient"], row["pValue"], what))
    columns = ["chrom", "pos", "ref", "alt", "gchrom", "gpos", "effect", "p", "what"]
    fasta = "".join(f">{name}\n{bases}\n" for name, (_, bases) in elements.items())
    return pd.DataFrame(rows, columns=columns), fasta


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    data, out = arguments.data, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    with (out / "human3.fa").open("wb") as whole:
        for name in GENOMES:
            with gzip.open(data / "genomes" / name) as part:
                shutil.copyfileobj(part, whole)
    measured, fasta = saturation(data)
    (out / "elements.fa").write_text(fasta)
    promoter = measured[measured["chrom"] == "HNF4A"].assign(element="HNF4A", chrom="20")
    tables = {"clinvar": clinvar(data), "kg": thousand_genomes(data), "mpra": measured}
    tables["hnf4a"] = promoter.assign(pos=promoter["gpos"])
    for name, table in tables.items():
        table.to_csv(out / f"{name}.tsv", sep="\t", index=False)
        print(f"{name}.tsv: {len(table):,} rows")


if __name__ == "__main__":
    main()
