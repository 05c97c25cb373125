"""A score that needs no model: how common the trinucleotide around a variant is, before and after it.

Mutation makes some trinucleotides rare (those with CpG); a score that only knows this is what any model has to beat.
Source: none; the plainest baseline that looks at the sequence. Not here: mutation rates by context, which need data.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.tokens import bases_to_codes
from hexamer.tokens.alphabet import N_CODE, Codes

TRINUCLEOTIDE = "trinucleotide"
"""Name of the score."""
_CHUNK = 4_000_000
_INDEX = np.arange(64)
# The complement of a base is its code with the last bit flipped.
_OTHER_STRAND = (_INDEX % 4 ^ 1) * 16 + (_INDEX // 4 % 4 ^ 1) * 4 + (_INDEX // 16 ^ 1)

Counts = npt.NDArray[np.int64]


def add_trinucleotides(table: pd.DataFrame, genome: Genome) -> pd.DataFrame:
    """Score SNVs by the trinucleotides of the contigs that they lie on.

    Parameters
    ----------
    table : DataFrame
        With `chrom`, `pos`, `ref`, `alt`.
    genome : Genome

    Returns
    -------
    DataFrame
        The table with `trinucleotide`, the natural logarithm of how much more common the trinucleotide with the
        alternate base is than that with the reference base, on both strands (below 0: rarer, as `llr`), and
        `reason:trinucleotide` where it has none. One is added to each of the 64 counts.

    Raises
    ------
    SettingsError
        If no variant lies on the genome.
    """
    variants = [Variant(*key) for key in table[["chrom", "pos", "ref", "alt"]].itertuples(index=False, name=None)]
    reasons = np.array(["contig_missing"] * len(variants), dtype=object)
    around = np.full((len(variants), 3), N_CODE, dtype=np.uint8)
    counts = np.zeros(64, dtype=np.int64)
    contigs = np.array([genome.resolve(v.chrom) if v.chrom in genome else "" for v in variants], dtype=object)
    starts = np.array([variant.start for variant in variants], dtype=np.int64)
    for name in dict.fromkeys(contigs[contigs != ""]):
        own = np.flatnonzero(contigs == name)
        reasons[own] = np.where(starts[own] < genome.length(name), "non_acgt_window", "past_end")
        counts += _read_contig(genome, name, own, starts, around)
    if not counts.any():
        raise SettingsError(f"{genome.path}: none of the variants lies on it; is it of another assembly?")
    logs = np.log(counts + counts[_OTHER_STRAND] + 1)
    scores = np.full(len(variants), np.nan)
    for row, (variant, codes) in enumerate(zip(variants, around, strict=True)):
        if variant.kind != "snv" or len(variant.ref) > 1:
            reasons[row] = "not_snv"
        elif codes.max() < N_CODE:
            ref, alt = (bases_to_codes(base)[0] for base in (variant.ref, variant.alt))
            reasons[row] = "" if ref == codes[1] else "ref_mismatch"
            if ref == codes[1]:
                scores[row] = logs[_number(codes[0], alt, codes[2])] - logs[_number(*codes)]
    return table.assign(**{TRINUCLEOTIDE: scores, f"reason:{TRINUCLEOTIDE}": reasons})


def _number(left: int, middle: int, right: int) -> int:
    return int(left) * 16 + int(middle) * 4 + int(right)


def _read_contig(
    genome: Genome, name: str, rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], around: Codes
) -> Counts:
    """Count the 64 trinucleotides of a contig, and look up those around the bases of some rows."""
    counts, length = np.zeros(64, dtype=np.int64), genome.length(name)
    for begin in range(0, length, _CHUNK):
        first, last = max(begin - 1, 0), min(begin + _CHUNK + 1, length)  # one base more at each end
        codes = bases_to_codes(genome.fetch(name, first, last))
        if len(codes) >= 3:
            counts += count_trinucleotides(codes)
        inner = rows[(starts[rows] > first) & (starts[rows] < last - 1)]
        inner = inner[(starts[inner] >= begin) & (starts[inner] < begin + _CHUNK)]
        around[inner] = codes[(starts[inner] - first)[:, None] + np.array([-1, 0, 1])]
    return counts


def count_trinucleotides(codes: Codes) -> Counts:
    """Count the trinucleotides of a sequence, overlapping; those with an N are left out.

    Parameters
    ----------
    codes : uint8 array [B]
        As `bases_to_codes`.

    Returns
    -------
    int64 array [64]
        In the order AAA, AAT, AAC, AAG, ATA, ...

    Examples
    --------
    >>> count_trinucleotides(bases_to_codes("AAAATNAAC"))[:3].tolist()
    [2, 1, 1]
    """
    wide = codes.astype(np.int16)
    # An N is 4: 64 in place of a number below it marks what holds one.
    numbers = wide[:-2] * 16 + wide[1:-1] * 4 + wide[2:]
    numbers[(codes[:-2] == N_CODE) | (codes[1:-1] == N_CODE) | (codes[2:] == N_CODE)] = 64
    return np.bincount(numbers, minlength=65)[:64]
