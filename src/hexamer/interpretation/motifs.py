"""Motifs: what databases know that looks like a stretch of bases.

Databases are read in MEME's format and as JASPAR's counts. Matching is Tomtom's (Gupta et al. 2007), by the package
memelite: p of the best alignment of a stretch and a motif, either strand, against columns of all motifs given; so a
whole database gives sound p, and fewer than 25 motifs do not. Not here: which stretches (`seqlets`).
"""

import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import InputError, SequenceError
from hexamer.genome.lines import Input, excerpt

Values = npt.NDArray[np.float64]
Lines = list[tuple[int, str]]

ORDER = "ACGT"
FEW = 25
"""Motifs below which p depends on which they are."""


class Motif(NamedTuple):
    """What a protein binds to."""

    id: str
    name: str
    letters: Values
    """Share of A, C, G and T at each place, float64 [4, W]; columns add up to 1."""


def read_motifs(path: str | Path) -> list[Motif]:
    """Read a database of motifs.

    Parameters
    ----------
    path : str or Path
        MEME's minimal format, or JASPAR's counts (`>id name`, then four rows, with or without letter and brackets);
        plain or gzip.

    Returns
    -------
    list of Motif

    Raises
    ------
    InputError
        If the file cannot be read, is something else, or holds no motif or a damaged one.
    """
    with Input(path, InputError) as source:
        lines = [(number, text.decode("utf-8", "replace").strip()) for number, text in source]
    lines = [(number, text) for number, text in lines if text]
    first = lines[0][1] if lines else ""
    if first.startswith(">"):
        return list(_read_counts(path, lines))
    if not first.startswith("MEME"):
        raise InputError(f"{path}: begins with {excerpt(first)}; MEME's format or JASPAR's counts would work")
    found = list(_read_meme(path, lines))
    if not found:
        raise InputError(f"{path}: no line MOTIF; one for each motif would work")
    return found


def match_motifs(
    sequences: Sequence[str],
    motifs: Sequence[Motif],
    *,
    weights: Sequence[npt.ArrayLike] | None = None,
    nearest: int = 3,
) -> pd.DataFrame:
    """Compare stretches of bases with motifs, both strands.

    Parameters
    ----------
    sequences : sequence of str
        A, C, G, T and N; such as those of seqlets.
    motifs : sequence of Motif
        All of a database: p are told against their columns.
    weights : sequence of float arrays, optional
        How much each base of each sequence counts, from 0 (it could be any base) to 1; such as `weigh_bases`.
    nearest : int
        Motifs that are kept for each sequence, by p; every sequence has some, good or bad.

    Returns
    -------
    DataFrame
        `seqlet` (number of the sequence), `motif`, `motif_name`, `p`, `q` (Benjamini and Hochberg, over all pairs of
        sequences and motifs), `motif_strand` (of the sequence, as it was read), `motif_offset` (from the sequence's
        first base to the leftmost one of the motif; negative if the motif begins before it), `overlap` (bases).

    Raises
    ------
    InputError
        If the package memelite is missing, or there is no motif.
    SequenceError
        If a sequence is empty.
    """
    try:
        tomtom = import_module("memelite").tomtom
    except ImportError:
        raise InputError("motifs are matched by the package memelite; pip install 'hexamer[interpret]'") from None
    if not motifs:
        raise InputError("no motif to compare with; a database of some would work")
    if empty := [number for number, letters in enumerate(sequences) if not letters]:
        raise SequenceError(f"sequence {empty[0]} has no base; one or more would work")
    names = ["seqlet", "motif", "motif_name", "p", "q", "motif_strand", "motif_offset", "overlap"]
    if not len(sequences):
        return pd.DataFrame(columns=names)
    queries = [_one_hot(each) for each in sequences]
    if weights is not None:
        unknown = 1 / len(ORDER)
        queries = [unknown + np.asarray(own) * (each - unknown) for each, own in zip(queries, weights, strict=True)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="tomtom was given")  # that there are few: said in the docstring
        found = tomtom(queries, [motif.letters for motif in motifs])
    p = np.clip(found[0], 0.0, 1.0)
    adjusted, rows = adjust(p.reshape(-1)).reshape(p.shape), []
    for number, own in enumerate(p):
        for i in np.argsort(own, kind="stable")[:nearest]:
            offset, overlap, reverse = (int(part[number, i]) for part in found[2:5])
            place = ("-" if reverse else "+", -offset, overlap)
            rows.append((number, motifs[i].id, motifs[i].name, own[i], adjusted[number, i], *place))
    return pd.DataFrame(rows, columns=names)


def adjust(p: Values) -> Values:
    """Turn p into q, the lowest share of false ones among those kept (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : float64 array [N]

    Returns
    -------
    float64 array [N]

    Examples
    --------
    >>> adjust(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p, kind="stable")
    each = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum.accumulate(each[::-1])[::-1].clip(max=1.0)
    return found


def _one_hot(letters: str) -> Values:
    codes = np.array([ORDER.find(letter) for letter in letters.upper()])
    return np.where(codes < 0, 1 / len(ORDER), codes == np.arange(len(ORDER))[:, None]).astype(np.float64)


def _read_counts(path: str | Path, lines: Lines) -> Iterator[Motif]:
    heads = [i for i, (_, text) in enumerate(lines) if text.startswith(">")]
    for i, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        number, head = lines[i]
        rows: list[list[float]] = []
        for at, text in lines[i + 1 : end]:
            numbers = text.lstrip("ACGTacgt").replace("[", " ").replace("]", " ").replace("|", " ").split()
            letter = text[0].upper() if text[0].isalpha() else ORDER[len(rows) : len(rows) + 1]
            if letter != ORDER[len(rows) : len(rows) + 1]:
                raise InputError(f"{path}:{at}: {excerpt(text)}; rows A, C, G, T in this order would work")
            rows.append(_numbers(path, at, numbers))
        yield _make(path, number, head[1:], rows)


def _read_meme(path: str | Path, lines: Lines) -> Iterator[Motif]:
    at = 0
    while at < len(lines):
        number, text = lines[at]
        at += 1
        if text.startswith("ALPHABET") and text.partition("=")[2].strip().strip("'\"") not in (ORDER, ""):
            raise InputError(f"{path}:{number}: {excerpt(text)}; motifs of DNA, ALPHABET= ACGT, would work")
        if not text.startswith("MOTIF"):
            continue
        while at < len(lines) and not lines[at][1].startswith(("letter-probability matrix", "MOTIF")):
            at += 1
        if at == len(lines) or lines[at][1].startswith("MOTIF"):
            raise InputError(f"{path}:{number}: {excerpt(text)} has no letter-probability matrix; one would work")
        at, columns = at + 1, []
        while at < len(lines) and lines[at][1][0] in "0123456789.+-":
            if lines[at][1].startswith("---"):  # full output of MEME
                break
            columns.append(_numbers(path, lines[at][0], lines[at][1].split()))
            if len(columns[-1]) != len(ORDER):
                raise InputError(f"{path}:{lines[at][0]}: {excerpt(lines[at][1])}; four numbers would work")
            at += 1
        yield _make(path, number, text[len("MOTIF") :], list(zip(*columns, strict=True)))


def _numbers(path: str | Path, at: int, words: Sequence[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(f"{path}:{at}: {excerpt(' '.join(words))}; numbers would work") from None


def _make(path: str | Path, at: int, head: str, rows: Sequence[Sequence[float]]) -> Motif:
    """Make a motif of four rows of counts or shares."""
    ident, _, name = head.strip().replace("\t", " ").partition(" ")
    if len(rows) != len(ORDER) or len({len(row) for row in rows}) > 1 or not len(rows[0]):
        sizes = ", ".join(str(len(row)) for row in rows)
        raise InputError(f"{path}:{at}: motif {ident}: rows of {sizes or 'nothing'}; four of one length would work")
    letters = np.array(rows, dtype=np.float64)
    if not np.isfinite(letters).all() or (letters < 0).any() or not (letters.sum(0) > 0).all():
        raise InputError(f"{path}:{at}: motif {ident}: numbers of 0 or more, in each column some above 0, would work")
    return Motif(ident or f"motif_{at}", (name.split() or [ident])[0], letters / letters.sum(axis=0))
