"""Where a base is, and which base it is: intervals, the reference genome, variants, people's haplotypes.

Coordinates are 0-based and half-open (`chrom`, `start`, `end`) in every object; only `Variant.pos` and printed region
strings count from 1. Not here: bases as numbers for the model (`hexamer.tokens`).
"""

from hexamer.genome.annotation import Annotation
from hexamer.genome.edits import Blocks, Consensus, Edit, apply_edits
from hexamer.genome.fasta import Genome, SequenceGenome, read_sequences, reverse_complement
from hexamer.genome.haplotypes import Cohort, Haplotype
from hexamer.genome.intervals import Interval, read_intervals
from hexamer.genome.normalise import Change, left_align, normalise, right_align
from hexamer.genome.people import PersonalSequence
from hexamer.genome.people import haplotypes as haplotypes
from hexamer.genome.spelled import SpelledHaplotype, spell
from hexamer.genome.spellings import parse_variant
from hexamer.genome.variant_tables import VariantTable, open_variants
from hexamer.genome.variants import Record, Variant, VariantFile, read_variants

__all__ = [
    "Annotation",
    "Blocks",
    "Change",
    "Cohort",
    "Consensus",
    "Edit",
    "Genome",
    "Haplotype",
    "Interval",
    "PersonalSequence",
    "Record",
    "SequenceGenome",
    "SpelledHaplotype",
    "Variant",
    "VariantFile",
    "VariantTable",
    "apply_edits",
    "haplotypes",
    "left_align",
    "normalise",
    "open_variants",
    "parse_variant",
    "read_intervals",
    "read_sequences",
    "read_variants",
    "reverse_complement",
    "right_align",
    "spell",
]
