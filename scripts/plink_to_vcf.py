"""Write PLINK genotypes (.bed, .bim, .fam) as an unphased VCF, compressed and sorted as it was.

    python scripts/plink_to_vcf.py 1000G.EUR.20 hs37d5.chr20.fa.gz people.vcf.gz

REF is the allele that the genome has; SNPs of which it has neither, or both are alike, are left out and counted. An
allele of PLINK's is a letter of either strand: here both are taken as they stand.
"""

import sys
from pathlib import Path

import numpy as np
import pysam

from hexamer.genome import Genome
from hexamer.manifest import write_atomically

CALLS = {0: "0/0", 1: "0/1", 2: "1/1", 3: "./."}


def main(prefix: str, fasta: str, out: str) -> None:
    """Write one record for each SNP."""
    people = [line.split()[1] for line in Path(prefix + ".fam").read_text().splitlines()]
    sites = [line.split() for line in Path(prefix + ".bim").read_text().splitlines()]
    raw = np.fromfile(prefix + ".bed", dtype=np.uint8)
    if raw[:3].tolist() != [0x6C, 0x1B, 0x01]:
        sys.exit(f"{prefix}.bed: not PLINK 1 genotypes by SNP; another --make-bed would work")
    packed = raw[3:].reshape(len(sites), -1)
    codes = (packed[:, :, None] >> np.array([0, 2, 4, 6])) & 3
    codes = codes.reshape(len(sites), -1)[:, : len(people)]
    copies = np.array([2, 3, 1, 0])[codes]  # of the first allele; 3 is missing
    lacking = 0
    with Genome(fasta) as genome, write_atomically(out) as temporary, pysam.BGZFile(str(temporary), "wb", None) as file:
        chroms = dict.fromkeys(genome.resolve(site[0]) for site in sites)
        lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name},length={genome.length(name)}>" for name in chroms)]
        lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
        lines += ["\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *people])]
        file.write(("\n".join(lines) + "\n").encode())
        for (chrom, name, _, pos, first, second), row in zip(sites, copies, strict=True):
            own, place = genome.resolve(chrom), int(pos)
            ref = genome.fetch(own, place - 1, place)
            if ref not in (first, second) or first == second:
                lacking += 1
                continue
            alt = first if ref == second else second
            turned = row if alt == first else np.array([2, 1, 0, 3])[row]
            calls = "\t".join(CALLS[call] for call in turned.tolist())
            file.write(f"{own}\t{pos}\t{name}\t{ref}\t{alt}\t.\t.\t.\tGT\t{calls}\n".encode())
    print(f"{len(sites) - lacking:,} SNPs of {len(people):,} people; {lacking:,} left out")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"a prefix, a FASTA and the VCF to write would work; {len(sys.argv) - 1} given")
    main(*sys.argv[1:])
