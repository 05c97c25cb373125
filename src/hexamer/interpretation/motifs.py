"""Motifs: what databases know that looks like a stretch of bases.

Databases are read in MEME's format and as JASPAR's counts. Matching is Tomtom's (Gupta et al. 2007), by the package
memelite: p of the best alignment of a stretch and a motif, either strand, against columns of all motifs given; so a
whole database gives sound p, and fewer than 25 motifs do not. Not here: which stretches (`seqlets`).
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control

from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.genome.lines import Input, excerpt
from hexamer.interpretation.scores import ScoredStretch
from hexamer.interpretation.seqlets import describe_seqlets, find_seqlets, weigh_bases

Values = npt.NDArray[np.float64]
Lines = list[tuple[int, str]]

ORDER = "ACGT"
_WIDTH = re.compile(r"\bw=\s*(\d+)")
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


def find_motifs(
    scored: Sequence[ScoredStretch],
    motifs: Sequence[Motif],
    *,
    level: float = 0.05,
    flank: int = 3,
    nearest: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Find seqlets in numbers of bases, and what known motifs they look like.

    Parameters
    ----------
    scored : sequence of ScoredStretch
        As from `read_scores`.
    motifs : sequence of Motif
        As from `read_motifs`.
    level, flank, seed
        As `find_seqlets`.
    nearest : int
        Motifs that are told of each seqlet.

    Returns
    -------
    DataFrame
        For each seqlet and motif what `describe_seqlets` and `match_motifs` tell, and `seqlet`, its number from 1.

    Raises
    ------
    SettingsError
        As `find_seqlets`, and if `nearest` is below 1.
    InputError
        As `match_motifs`.
    """
    if nearest < 1:
        raise SettingsError(f"nearest {nearest}; 1 or more would work")
    seqlets = find_seqlets([each.scores for each in scored], level=level, flank=flank, seed=seed)
    places, weights = describe_seqlets(scored, seqlets), weigh_bases(scored, seqlets)
    hits = match_motifs(places["sequence"].tolist(), motifs, weights=weights, nearest=nearest)
    own = places.iloc[hits["seqlet"].astype(int)].reset_index(drop=True)
    own.insert(0, "seqlet", hits["seqlet"].astype(int) + 1)
    return own.join(hits.drop(columns="seqlet"))


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
    adjusted, rows = false_discovery_control(p, axis=None).reshape(p.shape), []
    for number, own in enumerate(p):
        for i in np.argsort(own, kind="stable")[:nearest]:
            offset, overlap, reverse = (int(part[number, i]) for part in found[2:5])
            place = ("-" if reverse else "+", -offset, overlap)
            rows.append((number, motifs[i].id, motifs[i].name, own[i], adjusted[number, i], *place))
    return pd.DataFrame(rows, columns=names)


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
        width = _WIDTH.search(lines[at][1])
        at, columns = at + 1, []
        while at < len(lines) and lines[at][1][0] in "0123456789.+-":
            if lines[at][1].startswith("---"):  # full output of MEME
                break
            columns.append(_numbers(path, lines[at][0], lines[at][1].split()))
            if len(columns[-1]) != len(ORDER):
                raise InputError(f"{path}:{lines[at][0]}: {excerpt(lines[at][1])}; four numbers would work")
            at += 1
        if width is not None and len(columns) != int(width[1]):
            raise InputError(
                f"{path}:{number}: {excerpt(text)} has {len(columns)} rows, not w= {width[1]}; all would work"
            )
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
