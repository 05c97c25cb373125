"""Cut the demo's data from the full files: chr20 with its first bases blanked, its variants and genes, and 200 windows.

    python demo/make_data.py DATA_FOLDER

Sources: chromosome 20 of GRCh37/hs37d5 (public sequence); 1000 Genomes phase 3, chr20:1.0-4.0 Mb, 300 phased people, as
distributed with shapeit4 (MIT); exons of GENCODE on GRCh37 as distributed with mmsplice (MIT). Positions are the real
ones: what lies before 990,001 is N, what lies behind 1,600,000 is left out.
"""

import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pysam

import hexamer as hx

HERE = Path(__file__).parent
BLANK, END, LAST_VARIANT, WINDOW = 990_000, 1_600_000, 1_100_000, 600


def main(data: Path) -> None:
    """Write chr20.fa.gz, variants.vcf.gz, genes.gtf.gz and windows.bed."""
    genome = hx.Genome(data / "genomes/hs37d5.chr20.fa.gz")
    sequence = "N" * BLANK + genome.fetch("20", BLANK, END)
    with pysam.BGZFile(str(HERE / "chr20.fa.gz"), "wb") as out:
        lines = [sequence[i : i + 60] for i in range(0, END, 60)]
        out.write((">20\n" + "\n".join(lines) + "\n").encode())

    with (
        gzip.open(data / "variants/1000G_b37_chr20_1-4Mb.reference.vcf.gz", "rb") as source,
        pysam.BGZFile(str(HERE / "variants.vcf.gz"), "wb") as out,
    ):
        for line in source:
            if line.startswith(b"#") or int(line.split(b"\t", 2)[1]) <= LAST_VARIANT:
                out.write(line)

    exons = pd.read_csv(data / "annotation/GRCh37_exons_chr20_chr22_chrX.csv.gz")
    exons = exons[(exons.Chromosome == "chr20") & (exons.Start > BLANK + WINDOW) & (exons.End < END - WINDOW)]
    centres = ((exons.Start + exons.End) // 2).rename("centre")
    exons = (
        exons.assign(centre=centres // WINDOW * WINDOW + WINDOW // 2).drop_duplicates("centre").sort_values("centre")
    )
    picked = exons.iloc[[i * len(exons) // 100 for i in range(100)]]
    rows = [
        (c - WINDOW // 2, c + WINDOW // 2, f"exon:{g}") for c, g in zip(picked.centre, picked.gene_name, strict=True)
    ]
    free = [
        start
        for start in range(BLANK + WINDOW, END - WINDOW, WINDOW)
        if not ((exons.Start < start + WINDOW) & (exons.End > start)).any()
    ]
    rows += [(s, s + WINDOW, "between exons") for s in (free[i * len(free) // 100] for i in range(100))]
    (HERE / "windows.bed").write_text("".join(f"20\t{s}\t{e}\t{name}\n" for s, e, name in sorted(rows)))
    write_genes(data / "annotation")


def write_genes(data: Path) -> None:
    """Write the genes that lie whole in the slice."""
    script = HERE.parent / "scripts" / "exon_table_to_gtf.py"
    tables = (data / "GRCh37_exons_chr20_chr22_chrX.csv.gz", data / "Ensembl75_GRCh37_genes.tsv.gz")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "human.gtf"
        subprocess.run([sys.executable, script, *tables, whole], check=True)
        rows = [line for line in whole.read_text().splitlines() if line.startswith("chr20\t")]
    spans: dict[str, tuple[int, int]] = {}
    for row in rows:
        cells = row.split("\t")
        gene = cells[8].split('"')[1]
        start, end = spans.get(gene, (END, 0))
        spans[gene] = min(start, int(cells[3])), max(end, int(cells[4]))
    inside = [row for row in rows if spans[row.split('"')[1]][0] > BLANK and spans[row.split('"')[1]][1] <= END]
    with (HERE / "genes.gtf.gz").open("wb") as out, gzip.GzipFile("", "wb", mtime=0, fileobj=out) as packed:
        packed.write("".join(f"{row}\n" for row in inside).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
