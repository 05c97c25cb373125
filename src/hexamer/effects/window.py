"""The window around a variant: where it lies, which token holds the variant, and why there may be none.

The window is centred on the token of the variant. Where that token starts is the `anchor`:

* "grid": at a multiple of k bases from the contig's start, so that variants of one token share its forward passes;
* "variant": at the variant itself, so that every variant is the first base of the middle token.

An N before the variant restarts the cutting into 6-mers, whatever the anchor. At a contig's ends the window is cut in
steps of whole 6-mers. Source: 6,000 bp centred on the SNP in Dalla-Torre et al. (2025); the anchors are our choice.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hexamer.genome import Genome, Variant
from hexamer.model import NucleotideTransformer
from hexamer.tokens import CLS_ID, bases_to_codes, token_spans
from hexamer.tokens.alphabet import BASES
from hexamer.tokens.tokenizer import Ids

Anchor = Literal["grid", "variant"]
Positions = npt.NDArray[np.int64]
WindowName = tuple[str, int, int]
SiteKey = tuple[WindowName, int]


@dataclass(frozen=True)
class Site:
    """A base in its window.

    Attributes
    ----------
    window : tuple of (str, int, int)
        Contig, the base that the window is centred on, and its first token that was kept: windows of one name are
        equal.
    ids : int32 array [L]
        Token ids of the window, with `<cls>`.
    token : int
        Index of the base's k-mer.
    offset : int
        Place of the base in its k-mer.
    """

    window: WindowName
    ids: Ids
    token: int
    offset: int

    @property
    def key(self) -> SiteKey:
        """Window and token: sites of one key share the forward passes of the reference."""
        return self.window, self.token


def find_reason(genome: Genome, variant: Variant) -> str:
    """Why a variant cannot be scored.

    Parameters
    ----------
    genome : Genome
    variant : Variant

    Returns
    -------
    str
        A code of `hexamer.errors.REASONS`, or the empty string.
    """
    kind = variant.kind
    if variant.chrom not in genome:
        return "contig_missing"
    if variant.start < 0 or variant.end > genome.length(variant.chrom):
        return "past_end"
    # A REF with other letters (N before a symbolic allele) says nothing that could be compared.
    ref = variant.ref.upper()
    found = genome.fetch(variant.chrom, variant.start, variant.end)
    if set(ref) <= set(BASES) and found != ref:
        known = all(base in ("N", written) for base, written in zip(found, ref, strict=True))
        return "non_acgt_window" if known else "ref_mismatch"
    codes = {"snv": "", "breakend": "symbolic"}
    same = {"symbolic", "star", "iupac", "missing"}
    return codes.get(kind, kind if kind in same else "unsupported")


def changed_base(variant: Variant) -> tuple[int, str, str]:
    """0-based place, ref and alt letter of an SNV, which may be written with neighbours (CAT to CGT)."""
    ref, alt = variant.ref.upper(), variant.alt.upper()
    i = next((i for i, (a, b) in enumerate(zip(ref, alt, strict=True)) if a != b), 0)
    return variant.start + i, ref[i], alt[i]


def centred_window(base: int, length: int, window: int, k: int) -> tuple[int, int]:
    """Place a window around a base so that it starts a token, as near the middle as the contig allows.

    Parameters
    ----------
    base : int
        0-based place of the variant.
    length : int
        Bases of the contig.
    window : int
        Bases wanted.
    k : int
        Bases of a token.

    Returns
    -------
    start, end : int
        0-based, half-open; `base - start` is a multiple of k, unless fewer than k bases follow: then the window is
        shifted so that its last token ends with the contig.

    Examples
    --------
    >>> centred_window(10_000, 1_000_000, 5994, 6)
    (7006, 13000)
    >>> centred_window(20, 1_000_000, 5994, 6)
    (2, 3020)
    """
    tokens = window // k
    shift = max(0, base + k - length)  # bases that the token would hang over the end
    before = min(tokens // 2 * k, (base - shift) // k * k)
    if base < shift:  # a contig shorter than a token
        return 0, length
    return base - shift - before, min(base - shift + (tokens - tokens // 2) * k, length)


class WindowReader:
    """Tokenised windows of a genome, each read once.

    Parameters
    ----------
    model : NucleotideTransformer
        Its tokenizer and longest window count.
    genome : Genome
    bases : int
        Length of a window; never more than the model reads.
    anchor : {"grid", "variant"}
        Where the token of a variant starts.
    """

    def __init__(self, model: NucleotideTransformer, genome: Genome, bases: int, anchor: Anchor = "grid") -> None:
        self.model, self.genome, self.anchor = model, genome, anchor
        self.bases = min(bases, model.config.max_bases)
        self._read: dict[tuple[str, int], tuple[Ids, Positions, Positions, int]] = {}

    def find_site(self, chrom: str, base: int) -> Site | None:
        """Find the window and the token of a base, 0-based; None where the base is in no whole k-mer."""
        k, most = self.model.config.k, self.model.config.max_tokens
        centre = base - base % k if self.anchor == "grid" else base
        if (chrom, centre) not in self._read:
            self._read[chrom, centre] = self._tokenise(chrom, centre)
        ids, starts, ends, first = self._read[chrom, centre]
        token = int(np.searchsorted(ends, base - first, side="right"))
        if ends[token] - starts[token] != k:
            return None
        offset = base - first - int(starts[token])
        left = 1
        if len(ids) > most:  # N takes tokens of its own: keep what fits around the variant
            left = max(1, min(token - most // 2, len(ids) - most + 1))
            ids, token = np.concatenate([ids[:1], ids[left : left + most - 1]]), token - left + 1
        return Site((chrom, centre, left), ids, token, offset)

    def _tokenise(self, chrom: str, centre: int) -> tuple[Ids, Positions, Positions, int]:
        """Ids [L] with `<cls>`, start and end of each token in the window, and the window's start."""
        start, end = centred_window(centre, self.genome.length(chrom), self.bases, self.model.config.k)
        codes = bases_to_codes(self.genome.fetch(chrom, start, end))
        ids = np.concatenate([[CLS_ID], self.model.tokenizer.encode_codes(codes)]).astype(np.int32)
        return ids, *token_spans(self.model.tokenizer, ids), start


def substitute_base(model: NucleotideTransformer, site: Site, ref: str, alt: str) -> int:
    """Id of the site's k-mer with one base changed: its base-4 digits, first base most significant."""
    (old,), (new,) = bases_to_codes(ref), bases_to_codes(alt)
    return int(site.ids[site.token]) + (int(new) - int(old)) * 4 ** (model.config.k - 1 - site.offset)
