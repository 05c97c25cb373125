r"""Edits: what variants do to a stretch of reference, and the map of coordinates that they leave.

`apply_edits` is pure: bases and edits in, bases and `Blocks` out. Its policies are those of ``bcftools consensus -H``:

* Overlaps: edits are applied in the file's order; one that overlaps an applied one is skipped. An insertion or deletion
  anchored on the last base of an applied edit is no overlap, unless that one was an insertion.
* Windows: each is read on its own. An edit that begins before the window is not applied; one that runs over its end is
  cut there, reference and alternate bases alike.
* Letters outside A, C, G, T are N, as in a `Genome`. Symbolic alleles, breakends and ``*`` make no edit.

Not here: whose edits they are (`haplotypes`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hexamer.errors import VariantError
from hexamer.genome.lines import excerpt
from hexamer.genome.variants import Record, Variant

_IUPAC = re.compile(r"[ACGTUNRYSWKMBDHV]+", re.IGNORECASE)
_NOT_ACGT = re.compile(r"[^ACGT]")


class Edit(NamedTuple):
    """Bases to put in the place of others.

    Examples
    --------
    >>> Edit.of("GTA", "G", 3)
    Edit(start=3, end=6, alt='G', anchored=True)
    """

    start: int
    """0-based, on the reference."""
    end: int
    """Half-open; after `start`."""
    alt: str
    """At least one letter of A, C, G, T, N."""
    anchored: bool
    """Whether it inserts or deletes bases after a first one that it leaves as it is."""

    @classmethod
    def of(cls, ref: str, alt: str, start: int) -> "Edit":
        """Make an edit of two alleles, as VCF spells them."""
        ref, alt = plain(ref), plain(alt)
        begin, end = _shared_ends(ref, alt)
        whole = begin + end == min(len(ref), len(alt))
        return cls(start, start + len(ref), alt, begin > 0 and whole and len(ref) != len(alt))


def plain(letters: str) -> str:
    """Write letters as a `Genome` has them: upper case, N for all but A, C, G, T.

    Examples
    --------
    >>> plain("acRt")
    'ACNT'
    """
    return _NOT_ACGT.sub("N", letters.upper())


def _shared_ends(ref: str, alt: str) -> tuple[int, int]:
    """Count the letters that two alleles share at the beginning, and of the rest at the end."""
    most = min(len(ref), len(alt))
    begin = next((i for i in range(most) if ref[i] != alt[i]), most)
    end = next((i for i in range(most - begin) if ref[-1 - i] != alt[-1 - i]), most - begin)
    return begin, end


class Piece(NamedTuple):
    """What one edit does once overlaps and the window's end are settled."""

    edit: int
    """Which of the edits."""
    start: int
    end: int
    """The reference bases that go; none where start == end."""
    first: int
    last: int
    """The bases ``alt[first:last]`` that come."""


def choose_pieces(edits: Iterable[tuple[int, int, int, bool]], end: int) -> Iterator[Piece]:
    """Settle which edits of a window are applied, by the policy of overlaps and of the window's end.

    Parameters
    ----------
    edits : iterable of tuple
        (start, end, number of alternate bases, anchored) as of `Edit`, sorted by start, all within the window.
    end : int
        The window's, on the reference.

    Yields
    ------
    Piece
        Those applied, in order.

    Examples
    --------
    >>> snv, insertion, inside = (3, 4, 1, False), (3, 4, 3, True), (3, 4, 1, False)
    >>> list(choose_pieces([snv, insertion, inside], 10))
    [Piece(edit=0, start=3, end=4, first=0, last=1), Piece(edit=1, start=4, end=4, first=1, last=3)]
    """
    settled, after_insertion = -1, False
    for i, (start, stop, size, anchored) in enumerate(edits):
        first = 0
        if start < settled:
            if not anchored or after_insertion or start < settled - 1:
                continue
            first = 1
        if stop > end:
            stop = end
            size = min(size, stop - start)
        yield Piece(i, start + first, stop, first, size)
        settled, after_insertion = stop, size > stop - start


@dataclass(frozen=True, eq=False)
class Blocks:
    """The map between the coordinates of a stretch of reference and of its haplotype: stretches of equal length.

    Attributes
    ----------
    reference, haplotype : int64 array [K]
        Where each stretch begins: on the chromosome, and counted from the haplotype's first base. 0-based.
    lengths : int64 array [K]
        In bases. Between two stretches lie deleted bases, inserted ones, or both; substituted bases are within.

    Examples
    --------
    >>> blocks = apply_edits("ACGTAC", 10, [Edit.of("GT", "G", 12)]).blocks
    >>> blocks.to_haplotype([12, 13, 14]).tolist(), blocks.to_reference([2, 3]).tolist()
    ([2, -1, 3], [12, 14])
    """

    reference: npt.NDArray[np.int64]
    haplotype: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    def to_haplotype(self, places: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Map places of the chromosome to those of the haplotype; -1 where it has no such base."""
        return _map_places(places, self.reference, self.haplotype, self.lengths)

    def to_reference(self, places: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Map places of the haplotype to those of the chromosome; -1 for inserted bases and beyond the ends."""
        return _map_places(places, self.haplotype, self.reference, self.lengths)


def _map_places(
    places: npt.ArrayLike, source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    asked = np.asarray(places, dtype=np.int64)
    if not source.size:
        return np.full(asked.shape, -1, dtype=np.int64)
    block = np.maximum(source.searchsorted(asked, side="right") - 1, 0)
    within = asked - source[block]
    return np.where((within >= 0) & (within < lengths[block]), target[block] + within, -1)


class Consensus(NamedTuple):
    """The haplotype of a stretch of reference."""

    sequence: str
    """Its bases."""
    blocks: Blocks
    """Where they lie on the reference."""
    counts: dict[str, int]
    """Alleles `applied`, and those that were not, by reason."""


def apply_edits(reference: str, start: int, edits: Sequence[Edit]) -> Consensus:
    """Write edits into a stretch of reference.

    Parameters
    ----------
    reference : str
        Bases.
    start : int
        Place of the first one on the chromosome, 0-based.
    edits : sequence of Edit
        Sorted by start, beginning within the stretch; `choose_pieces` settles overlaps.

    Returns
    -------
    Consensus
        With counts of `applied` and `overlap`.

    Examples
    --------
    >>> apply_edits("ACGTAC", 10, [Edit.of("C", "T", 11), Edit.of("G", "GAA", 12)]).sequence
    'ATGAATAC'
    """
    end = start + len(reference)
    parts: list[str] = []
    blocks: list[tuple[int, int, int]] = []
    at = aligned = start  # what is written, and what has a block, up to here
    written = begun = applied = 0  # bases of the haplotype so far, and where the open block begins
    for piece in choose_pieces(((e.start, e.end, len(e.alt), e.anchored) for e in edits), end):
        applied += 1
        gone = reference[piece.start - start : piece.end - start]
        come = edits[piece.edit].alt[piece.first : piece.last]
        parts += reference[at - start : piece.start - start], come
        written += piece.start - at
        if len(gone) != len(come):
            left, right = _shared_ends(gone, come)
            blocks.append((aligned, begun, piece.start + left - aligned))
            aligned, begun = piece.end - right, written + len(come) - right
        at, written = piece.end, written + len(come)
    blocks.append((aligned, begun, end - aligned))
    columns = np.array([block for block in blocks if block[2]], dtype=np.int64).reshape(-1, 3)
    counts = {"applied": applied} | ({"overlap": len(edits) - applied} if applied < len(edits) else {})
    return Consensus("".join(parts) + reference[at - start :], Blocks(*columns.T), counts)


def edit_of(variant: Variant) -> Edit | str:
    """Make the edit of an alternate allele, or say why it has none.

    Parameters
    ----------
    variant : Variant

    Returns
    -------
    Edit or str
        "symbolic", "breakend", "star", "missing" or, for position 0, "past_end".

    Examples
    --------
    >>> edit_of(Variant("20", 8, "A", "C")), edit_of(Variant("20", 8, "A", "<INS>"))
    (Edit(start=7, end=8, alt='C', anchored=False), 'symbolic')
    """
    kind = variant.kind
    if kind in ("symbolic", "breakend", "star", "missing"):
        return kind
    if not (_IUPAC.fullmatch(variant.ref) and _IUPAC.fullmatch(variant.alt)):
        return "symbolic"
    return Edit.of(variant.ref, variant.alt, variant.start) if variant.pos else "past_end"


def check_ref(record: Record, bases: str, *, file: str, genome: str) -> None:
    """Compare REF with the genome's bases at its place; VariantError, naming both files, where they differ."""
    if plain(record.ref) != bases:
        raise VariantError(
            f"{file}: record {record.chrom}:{record.pos} has REF {excerpt(record.ref, 20)}, but {genome} has "
            f"{excerpt(bases, 20)} there; give the reference that the variants were called on"
        )
