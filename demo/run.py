"""The demo: a few commands on a real slice of chromosome 20, a look at what they wrote, and a report of all of it.

Data: see make_data.py. Scores are hexamer-tiny's; they show the way, not the biology (its model card says what it is
worth).
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from hexamer.embeddings import read_embeddings
from hexamer.genome import VariantFile

HERE = Path(os.path.relpath(Path(__file__).parent))
OUT = Path("demo-out")
GENOME = str(HERE / "chr20.fa.gz")
GENES = str(HERE / "genes.gtf.gz")
SCORED, VECTORS = OUT / "variants.scored.vcf.gz", OUT / "windows.h5ad"
REPORT = OUT / "report.html"
PROMOTER = "20:1,093,847-1,093,966"  # where transcription of PSMF1 begins
AROUND = "20:1,093,001-1,095,000"
COMMANDS = [
    ["doctor"],
    ["score-variants", str(HERE / "variants.vcf.gz"), "--genome", GENOME, "--out", str(SCORED), "--window", "1200"],
    ["embed", str(HERE / "windows.bed"), "--genome", GENOME, "--out", str(VECTORS)],
    ["saturation-mutagenesis", "--genome", GENOME, "--regions", PROMOTER, "--fast", "--window", "1200",
     "--out", str(OUT / "promoter.tsv")],
    ["attribute", "--genome", GENOME, "--regions", PROMOTER, "--out", str(OUT / "attribution.tsv")],
    ["write-tracks", "--genome", GENOME, "--regions", AROUND, "--window", "1200", "--phases", "1",
     "--out", str(OUT / "promoter")],
    ["attention-map", "--genome", GENOME, "--regions", AROUND, "--layers", "3,6", "--out", str(OUT / "attention.npz")],
    ["project", "--genome", GENOME, "--annotation", GENES, "--windows", "100", "--out", str(OUT / "elements.tsv")],
    ["write-report", str(OUT), "--annotation", GENES, "--title", "hexamer: the demo", "--out", str(REPORT)],
]  # fmt: skip
console = Console(width=100 if not sys.stdout.isatty() else None)


def main() -> None:
    """Run the commands, then print what a person wants to know."""
    began = time.perf_counter()
    OUT.mkdir(exist_ok=True)
    for command in COMMANDS:
        console.print(f"\n[bold]$ hexamer {' '.join(command)}[/bold]", highlight=False)
        subprocess.run([sys.executable, "-m", "hexamer", *command], check=True)
    console.print()
    scores = read_scores(SCORED)
    show_surprises(scores)
    show_frequencies(scores)
    show_windows()
    files = sum(1 for _ in OUT.iterdir())
    console.print(f"{time.perf_counter() - began:.0f} s in all, {files} files in {OUT}. The report:", highlight=False)
    console.print(f"[bold]{REPORT.resolve()}[/bold]", highlight=False, soft_wrap=True)


def read_scores(path: Path) -> pd.DataFrame:
    """Scored alleles of the annotated VCF: pos, id, change, frequency, llr."""
    rows = []
    with VariantFile(path) as source:
        for record in source:
            info = dict(entry.split("=", 1) for entry in record.fields[7].split(";") if "=" in entry)
            if "HX_LLR" in info:
                frequencies, scores = info["AF"].split(","), info["HX_LLR"].split(",")
                for alt, frequency, score in zip(record.alts, frequencies, scores, strict=True):
                    if score != ".":
                        rows.append((record.pos, record.id, f"{record.ref}>{alt}", float(frequency), float(score)))
    return pd.DataFrame(rows, columns=["pos", "id", "change", "frequency", "llr"])


def show_surprises(scores: pd.DataFrame) -> None:
    """Print the alleles that the model expects least."""
    table = Table(title="Variants that the model expects least", title_justify="left")
    for name in ("chr20 position", "id", "change", "allele frequency", "llr (nats)"):
        table.add_column(name, justify="left" if name in ("id", "change") else "right")
    for row in scores.nsmallest(8, "llr").itertuples():
        table.add_row(f"{row.pos:,}", row.id, row.change, f"{row.frequency:.4f}", f"{row.llr:.2f}")
    console.print(table)


def show_frequencies(scores: pd.DataFrame) -> None:
    """Print rare against common alleles."""
    table = Table(title="llr by allele frequency", title_justify="left")
    for name in ("alleles", "number", "median llr", "share below -1"):
        table.add_column(name, justify="left" if name == "alleles" else "right")
    classes = {"rare, up to 0.5 %": (0, 0.005), "0.5 to 5 %": (0.005, 0.05), "common, above 5 %": (0.05, 1.01)}
    for name, (low, high) in classes.items():
        some = scores.llr[(scores.frequency > low) & (scores.frequency <= high)]
        table.add_row(name, str(len(some)), f"{some.median():.3f}", f"{(some < -1).mean():.1%}")
    console.print(table)


def show_windows() -> None:
    """Print whether windows on exons look alike to the model."""
    found = read_embeddings(VECTORS)
    is_exon = found.obs["name"].str.startswith("exon").to_numpy()
    vectors = found.X - found.X.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    same = is_exon[similarity.argmax(axis=1)] == is_exon
    table = Table(title="200 windows of 600 bases (chance: about 50 %)", title_justify="left")
    for name in ("windows", "number", "nearest neighbour is of the same kind"):
        table.add_column(name, justify="left" if name == "windows" else "right")
    for name, chosen in (("on an exon", is_exon), ("between exons", ~is_exon)):
        table.add_row(name, str(chosen.sum()), f"{same[chosen].mean():.0%}")
    console.print(table)


if __name__ == "__main__":
    main()
