"""Bases as numbers: A 0, T 1, C 2, G 3, anything else 4.

The order A, T, C, G is the Nucleotide Transformer's (it numbers the 6-mers); it also makes the complement of a base its
code with the last bit flipped. Lower case is upper-cased, every letter outside A, C, G, T becomes N, as the published
pre-training data did. Not here: k-mers (`tokenizer`), reading files (`hexamer.genome`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BASES = "ATCG"
N_CODE = 4

Codes = npt.NDArray[np.uint8]

_table = bytearray([N_CODE]) * 256
for _code, _base in enumerate(BASES):
    _table[ord(_base)] = _table[ord(_base.lower())] = _code
_CODE_OF_BYTE = bytes(_table)
_COMPLEMENT = np.array([1, 0, 3, 2, N_CODE], dtype=np.uint8)
_WHITESPACE = b" \t\r\n\v\f"


def bases_to_codes(sequence: str | bytes) -> Codes:
    """Turn letters into base codes; white space is dropped.

    Parameters
    ----------
    sequence : str or bytes
        DNA in any case. Letters outside A, C, G, T (U and IUPAC codes too) become N.

    Returns
    -------
    uint8 array [B]
        0 A, 1 T, 2 C, 3 G, 4 N.

    Examples
    --------
    >>> bases_to_codes("ACgtRN").tolist()
    [0, 2, 3, 1, 4, 4]
    """
    raw = sequence.encode("ascii", errors="replace") if isinstance(sequence, str) else sequence
    return np.frombuffer(raw.translate(_CODE_OF_BYTE, _WHITESPACE), dtype=np.uint8)


def codes_to_bases(codes: Codes) -> str:
    """Turn base codes back into letters.

    Parameters
    ----------
    codes : uint8 array [B]
        Values 0 to 4.

    Returns
    -------
    str
        B upper-case letters of A, C, G, T, N.

    Examples
    --------
    >>> codes_to_bases(bases_to_codes("acgn"))
    'ACGN'
    """
    return codes.tobytes().translate(b"ATCGN" + bytes(251)).decode("ascii")


def reverse_complement(codes: Codes) -> Codes:
    """Read the other strand.

    Parameters
    ----------
    codes : uint8 array [..., B]

    Returns
    -------
    uint8 array [..., B]
        Complemented and reversed along the last axis; N stays N.

    Examples
    --------
    >>> codes_to_bases(reverse_complement(bases_to_codes("AACGN")))
    'NCGTT'
    """
    return np.ascontiguousarray(_COMPLEMENT[codes[..., ::-1]])


@dataclass(frozen=True)
class LetterReport:
    """How the letters of a sequence were read.

    Attributes
    ----------
    bases : int
        Letters in all, white space not counted.
    soft_masked : int
        Lower-case letters, read as upper case.
    unknown : int
        Letters N or n.
    replaced : int
        Letters outside A, C, G, T, N (IUPAC codes, U), read as N.
    """

    bases: int = 0
    soft_masked: int = 0
    unknown: int = 0
    replaced: int = 0

    @property
    def read_as_n(self) -> int:
        """Letters other than A, C, G and T."""
        return self.unknown + self.replaced

    def __add__(self, other: "LetterReport") -> "LetterReport":
        return LetterReport(
            self.bases + other.bases,
            self.soft_masked + other.soft_masked,
            self.unknown + other.unknown,
            self.replaced + other.replaced,
        )


def report_letters(sequence: str | bytes) -> LetterReport:
    """Count what `bases_to_codes` changes in a sequence.

    Parameters
    ----------
    sequence : str or bytes
        Raw letters.

    Returns
    -------
    LetterReport

    Examples
    --------
    >>> report_letters("ACGTacRN")
    LetterReport(bases=8, soft_masked=2, unknown=1, replaced=1)
    """
    raw = sequence.encode("ascii", errors="replace") if isinstance(sequence, str) else sequence
    counts = np.bincount(np.frombuffer(raw.translate(None, _WHITESPACE), dtype=np.uint8), minlength=256)
    n = int(counts[ord("N")] + counts[ord("n")])
    known = int(sum(counts[ord(b)] + counts[ord(b.lower())] for b in BASES))
    total = int(counts.sum())
    return LetterReport(total, int(counts[ord("a") : ord("z") + 1].sum()), n, total - known - n)
