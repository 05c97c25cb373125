"""Everything that a user can get wrong, as one tree.

    HexamerError                     one line: what, where, what would work
    ├── InputError                   a file or a value that the user gave
    │   ├── GenomeError              FASTA: unreadable, unknown contig, interval off the end
    │   ├── IntervalError            BED line or region string
    │   ├── AnnotationError          GTF or GFF3 line, annotation of another genome
    │   ├── VariantError             VCF, BCF
    │   ├── SequenceError            a sequence that the model cannot read
    │   └── SettingsError            recipe key, option value
    ├── CheckpointError              a model folder that is incomplete or not what it says
    └── OutputError                  a place that cannot be written

The command line prints the message of a `HexamerError` on one line and exits with 2; anything else is a
fault of the package and exits with 1.

A single row that cannot be computed is no error: it comes back with a reason code from the table `REASONS`.
"""

REASONS = {
    "beyond_model": "the sequence has more tokens than the model reads",
    "constant_expression": "all people have the same expression of the gene",
    "contig_missing": "the contig is not in the genome, nor under another common name",
    "empty": "the sequence has no base that is known",
    "iupac": "an allele holds letters other than A, C, G, T",
    "missing": "no alternate allele is given",
    "missing_values": "somebody's expression of the gene is not known",
    "no_place": "the gene is not in the annotation, and the table does not say where it is",
    "no_variants": "nobody varies near the gene",
    "non_acgt_window": "a 6-mer of the variant holds an N or runs over the contig's end",
    "other_reference": "the genome has other bases around the gene than the one that its model was fitted on",
    "past_end": "the position is outside the contig",
    "ref_mismatch": "REF is not what the genome has at this position",
    "star": "the allele is removed by another variant (*)",
    "symbolic": "the allele is symbolic or a breakend, without a sequence",
    "too_long": "an allele is longer than 15 % of the window",
}
"""Why a row has no number: code to meaning. Every row of an input comes back with a number or with one of these."""


class HexamerError(Exception):
    """A mistake that the user can mend; the message says what, where, and what would work."""


class InputError(HexamerError):
    """A file or value given by the user cannot be used."""


class GenomeError(InputError):
    """A FASTA file is unreadable, or a contig or interval is not in it."""


class IntervalError(InputError):
    """A BED line or a region string cannot be read."""


class AnnotationError(InputError):
    """An annotation (GTF, GFF3) cannot be read, or belongs to another genome."""


class VariantError(InputError):
    """A variant file cannot be read."""


class SequenceError(InputError):
    """A sequence cannot be read by the model."""


class SettingsError(InputError):
    """A recipe or an option has a key or a value that does not exist."""


class CheckpointError(HexamerError):
    """A model folder is incomplete, or its tensors do not fit its config."""


class OutputError(HexamerError):
    """An output cannot be written where it was asked for."""
