"""The two windows that a change is scored in: where they lie, and which of their tokens it touches.

Both alleles are read from the same base on, and both windows have the same number of bases: what an insertion pushes
out, or a deletion pulls in, is at the far end. The tokens in which the alleles can differ are the *span*: those that
hold the longer of the two alleles (one base, where both are shorter). The span has the same place in both windows.

A reading is one way to cut the sequence into 6-mers, of two choices:

* the strand. On "-" everything happens as on "+" of the reverse-complemented contig, where an indel in a repeat is
  left-aligned, too: at its other end;
* the phase, 0 to 5: by how many bases 6-mers are shifted. Counted from the contig's first base (anchor "grid"), so that
  changes of one 6-mer share windows, or from the change (anchor "variant"), which then has this offset in its 6-mer.

A contig's end cuts the window, in steps of whole 6-mers at its beginning. With anchor "grid", up to five bases behind
an N are read as N, so that 6-mers lie on the grid everywhere; with anchor "variant" cutting begins anew behind each N,
as published. Source: 6,000 bp centred on the SNP in Dalla-Torre et al. (2025); the rest is our choice
(docs/effects.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from hexamer.genome import Change, Genome, right_align
from hexamer.model import NucleotideTransformer
from hexamer.tokens import CLS_ID, bases_to_codes, reverse_complement, token_spans
from hexamer.tokens.alphabet import N_CODE, Codes
from hexamer.tokens.tokenizer import Ids

Anchor = Literal["grid", "variant"]
Strands = Literal["forward", "both"]
PHASES = (1, 2, 3, 6)
"""Numbers of phases that can be asked for: evenly spread over a 6-mer."""

_KEPT = 64  # stretches of the genome


class WindowName(NamedTuple):
    """What tells one window of the reference from another."""

    chrom: str
    reverse: bool
    start: int
    """0-based, on the strand that is read."""
    bases: int
    left: int
    """Tokens left out at the beginning (where N, each a token, would make the window too long)."""


@dataclass(frozen=True)
class Reading:
    """Both alleles of a change in their windows, cut into tokens in one way.

    Attributes
    ----------
    name : WindowName
        Of the reference's window; readings of one name have equal `ref`.
    ref, alt : int32 array [L]
        Token ids with `<cls>`.
    span : tuple of (int, int)
        First token, and end, of those that can differ (half-open); whole k-mers in both windows.
    shifted : bool
        Whether what follows the span differs, too: the alleles have different lengths.
    """

    name: WindowName
    ref: Ids
    alt: Ids
    span: tuple[int, int]
    shifted: bool

    @property
    def ref_span(self) -> Ids:
        """The reference's tokens in the span."""
        return self.ref[slice(*self.span)]

    @property
    def alt_span(self) -> Ids:
        """The altered sequence's tokens in the span."""
        return self.alt[slice(*self.span)]


class WindowReader:
    """Reads changes; each window of the reference is cut into tokens once.

    Parameters
    ----------
    model : NucleotideTransformer
        Its tokenizer and longest window count.
    genome : Genome
    bases : int
        Length of a window; never more than the model reads.
    anchor : {"grid", "variant"}
        What phases are counted from.
    """

    def __init__(self, model: NucleotideTransformer, genome: Genome, bases: int, anchor: Anchor = "grid") -> None:
        self.tokenizer, self.genome, self.anchor = model.tokenizer, genome, anchor
        self.k, self.most = model.config.k, model.config.max_tokens
        self.tokens = min(bases, model.config.max_bases) // self.k
        self._recent: dict[tuple[str, bool, int, int], Codes] = {}

    def read(self, change: Change, phases: int = 1, strands: Strands = "forward") -> list[Reading]:
        """Read a change in several ways.

        Parameters
        ----------
        change : Change
        phases : {1, 2, 3, 6}
        strands : {"forward", "both"}

        Returns
        -------
        list of Reading
            `phases` of each strand, forward first. Where a phase has no whole k-mers for the span (at an N, at a
            contig's end), another takes its place; fewer come back where there are none.
        """
        readings = []
        for reverse in (False, True) if strands == "both" else (False,):
            here = change
            if reverse:
                here = right_align(self.genome, change).reverse(self.genome.length(change.chrom))
            found = (self._read(here, phase, reverse) for phase in _order(phases, self.k))
            some = (reading for reading in found if reading is not None)
            readings += [reading for _, reading in zip(range(phases), some, strict=False)]
        return readings

    def _read(self, change: Change, phase: int, reverse: bool) -> Reading | None:
        """One reading, of a change on the strand that is read; None where the span has no whole k-mers."""
        k, length = self.k, self.genome.length(change.chrom)
        token_start = change.start - ((change.start - phase) % k if self.anchor == "grid" else phase)
        if token_start < 0:
            return None
        start = token_start - min(self.tokens // 2 * k, token_start // k * k)
        longer = len(change.alt) - len(change.ref)
        bases = min(self.tokens * k, length - start, length - start + longer)
        first, size = change.start - start, max(len(change.ref), len(change.alt), 1)
        if first + size > bases:
            return None
        # A deletion pulls in what lies behind the window.
        codes = self._fetch(change.chrom, start, start + bases + max(0, -longer), reverse)
        come = bases_to_codes(change.alt)
        ref = self._encode(codes[:bases])
        alt = self._encode(np.concatenate([codes[:first], come, codes[first + len(change.ref) :]])[:bases])
        span = self._span(ref, first, size)
        if span is None or span != self._span(alt, first, size):
            return None
        left = 0
        if max(len(ref), len(alt)) > self.most:
            left = max(0, min(span[0] - self.most // 2, len(ref) - self.most))
            ref, alt = (np.concatenate([ids[:1], ids[left + 1 : left + self.most]]) for ids in (ref, alt))
        name = WindowName(change.chrom, reverse, start, bases, left)
        return Reading(name, ref, alt, (span[0] - left, span[1] - left), shifted=longer != 0)

    def _fetch(self, chrom: str, start: int, end: int, reverse: bool) -> Codes:
        """Bases of a strand; the last few are kept, since variants of one 6-mer ask for the same."""
        asked = (chrom, reverse, start, end)
        if asked not in self._recent:
            length = self.genome.length(chrom)
            first, last = (length - end, length - start) if reverse else (start, end)
            codes = bases_to_codes(self.genome.fetch(chrom, first, last))
            while len(self._recent) >= _KEPT:
                del self._recent[next(iter(self._recent))]
            self._recent[asked] = reverse_complement(codes) if reverse else codes
        return self._recent[asked]

    def _encode(self, codes: Codes) -> Ids:
        """Token ids with `<cls>`."""
        if self.anchor == "grid":
            codes = keep_on_grid(codes, self.k)
        return np.concatenate([[CLS_ID], self.tokenizer.encode_codes(codes)]).astype(np.int32)

    def _span(self, ids: Ids, first: int, size: int) -> tuple[int, int] | None:
        """First token and end of `size` bases; None unless all are in whole k-mers."""
        starts, ends = token_spans(self.tokenizer, ids)
        begin, last = np.searchsorted(ends, [first, first + size - 1], side="right")
        whole = (ends - starts)[begin : last + 1] == self.k
        return (int(begin), int(last) + 1) if whole.all() else None


def _order(phases: int, k: int) -> Iterator[int]:
    """Phases as they are tried: those that the number stands for, then the others."""
    chosen = range(0, k, k // phases)
    yield from chosen
    yield from (phase for phase in range(k) if phase not in chosen)


def keep_on_grid(codes: Codes, k: int) -> Codes:
    """Write as N what lies between an N and the next place where a k-mer of the window starts."""
    unknown = np.flatnonzero(codes == N_CODE)
    if not unknown.size:
        return codes
    codes = codes.copy()
    for last in unknown[np.append(np.diff(unknown) > 1, True)]:
        codes[last : -(-(last + 1) // k) * k] = N_CODE
    return codes
