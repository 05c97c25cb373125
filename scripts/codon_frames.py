"""Measure whether windows of coding sequence lie apart by codon frame in an encoder's vectors.

    python scripts/codon_frames.py sacCer3.fa.gz sacCer3.ensGene.gtf.gz [MODEL]

Windows are those of `hexamer project`'s figure (500 of CDS, 600 bases, seed 0) that lie in the first coding exon of a
transcript, whose frame needs no other exon. Printed: how far the three frames of the windows' first bases are apart,
by an encoder and by one of the same size that never learnt anything (docs/log.md, 2026-11-22).
"""

import sys

import numpy as np

import hexamer as hx
from hexamer.genome import Annotation
from hexamer.interpretation import embed_windows, measure_separation, sample_elements
from hexamer.model import randomised


def main(fasta: str, gtf: str, name: str = "hexamer-tiny") -> None:
    """Print a table for each encoder."""
    genome = hx.Genome(fasta)
    annotation = Annotation(gtf, genome, promoter=0)
    models = annotation.models
    chroms = np.array([models.transcripts[i].chrom for i in models.owners])
    forward = np.array([models.transcripts[i].strand == "+" for i in models.owners])
    starts, ends = models.extents()[2:, models.owners]  # of the whole coding sequence
    windows, frames = [], []
    for window in sample_elements(genome, annotation, count=500, length=600, seed=0):
        inside = (
            models.coding & (chroms == window.chrom) & (models.starts <= window.start) & (models.ends >= window.end)
        )
        first = np.where(forward, models.starts == starts, models.ends == ends) & (forward == (window.strand == "+"))
        found = np.flatnonzero(inside & first & models.coding)
        if window.name == "cds" and len(found):
            part = found[0]
            offset = window.start - models.starts[part] if window.strand == "+" else models.ends[part] - window.end
            windows.append(window)
            frames.append(str(int(offset) % 3))
    model = hx.load_model(name)
    for what, encoder in ((name, model), ("random weights", randomised(model))):
        (found,) = embed_windows(encoder, genome, windows)
        print(f"{what}, {len(windows)} windows\n{measure_separation(found, frames).round(3).to_string(index=False)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
