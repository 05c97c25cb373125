"""The window around a variant: where it lies, which token holds the variant, and why there may be none.

The window is centred: the variant is the first base (phase 0) of the middle 6-mer, unless an N before it restarts the
cutting into 6-mers. At a contig's ends the window is
cut in steps of whole 6-mers, so that the phase stays. Source: 6,000 bp centred on the SNP in Dalla-Torre et al.
(2025); the phase is our choice.
"""

from dataclasses import dataclass

import numpy as np

from hexamer.genome import Genome, Variant
from hexamer.model import NucleotideTransformer
from hexamer.tokens import CLS_ID, bases_to_codes, token_spans
from hexamer.tokens.alphabet import BASES
from hexamer.tokens.tokenizer import Ids


@dataclass(frozen=True)
class Site:
    """A base in its window: `ids` [L] with `<cls>`, `token` the index of its 6-mer, `offset` its place within that."""

    ids: Ids
    token: int
    offset: int


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


def place_site(model: NucleotideTransformer, genome: Genome, key: tuple[str, int], window: int) -> Site | None:
    """Tokenise the window around a base; None where the base is in no whole k-mer."""
    chrom, base = key
    k = model.config.k
    start, end = centred_window(base, genome.length(chrom), min(window, model.config.max_bases), k)
    codes = bases_to_codes(genome.fetch(chrom, start, end))
    # N takes tokens of its own: keep what fits around the variant.
    ids = np.concatenate([[CLS_ID], model.tokenizer.encode_codes(codes)]).astype(np.int32)
    starts, ends = token_spans(model.tokenizer, ids)
    token = int(np.searchsorted(ends, base - start, side="right"))
    if ends[token] - starts[token] != k:
        return None
    offset = base - start - int(starts[token])
    if len(ids) > model.config.max_tokens:
        first = max(1, min(token - model.config.max_tokens // 2, len(ids) - model.config.max_tokens + 1))
        ids = np.concatenate([ids[:1], ids[first : first + model.config.max_tokens - 1]])
        token = token - first + 1
    return Site(ids, token, offset)


def substitute_base(model: NucleotideTransformer, site: Site, ref: str, alt: str) -> int:
    """Id of the site's k-mer with one base changed: its base-4 digits, first base most significant."""
    (old,), (new,) = bases_to_codes(ref), bases_to_codes(alt)
    return int(site.ids[site.token]) + (int(new) - int(old)) * 4 ** (model.config.k - 1 - site.offset)
