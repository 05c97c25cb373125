"""Tracks of a page's genome browser, for igv.js: genes, variants, letters as high as a number, and signals.

Each is a dict of igv.js' own names, with its data inside as a data: address. Not here: which slices of the genome are
shown (`browser`). Source of the formats: VCF 4.2; BED12 and bedGraph of UCSC.
"""

import base64
import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import GenomeError, InputError
from hexamer.genome import Annotation, Genome, Interval
from hexamer.interpretation import ScoredStretch
from hexamer.report.figures import COLOURS
from hexamer.report.interpretation import BASE_COLOURS
from hexamer.report.scored import Scored

_TRACK = 200_000  # bases of a signal in a page
_SPACE = re.compile(r"\s+")
_MARKUP = str.maketrans({"<": "‹", ">": "›", "&": "＆", '"': "″", "'": "′", ";": ","})
_SYMBOLIC = re.compile(r"<[\w:*-]+>")
_NEUTRAL = dict.fromkeys(("entropy", "logo"), "#666666")
_FULL = dict.fromkeys("ACGT", 1) | {"entropy": 2}  # scales of what write-tracks writes: probabilities, bits
Track = dict[str, Any]


def merge_spans(spans: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Join spans (contig, start, end) that overlap or touch; sorted.

    Examples
    --------
    >>> merge_spans([(0, 5, 9), (1, 0, 2), (0, 1, 5)])
    [(0, 1, 9), (1, 0, 2)]
    """
    found: list[tuple[int, int, int]] = []
    for contig, start, end in sorted(spans):
        if found and found[-1][0] == contig and start <= found[-1][2]:
            found[-1] = (contig, found[-1][1], max(found[-1][2], end))
        else:
            found.append((contig, start, end))
    return found


def gene_track(annotation: Annotation, slices: Sequence[Interval]) -> Track | None:
    """Make a track of genes, one transcript of each (with most coding bases, or the longest); None if there is none."""
    models = annotation.models
    extents = models.extents()
    sizes = np.zeros(len(models.transcripts), dtype=np.int64)
    np.add.at(sizes, models.owners[models.coding], (models.ends - models.starts)[models.coding])
    sizes = sizes * 2**32 + (extents[1] - extents[0])
    names = {gene.id: gene.name or gene.id for gene in models.genes}
    chroms = np.array([transcript.chrom for transcript in models.transcripts])
    lines: list[str] = []
    taken: set[str] = set()
    for each in slices:
        chosen = np.flatnonzero((chroms == each.chrom) & (extents[0] < each.end) & (extents[1] > each.start))
        for i in chosen[np.argsort(-sizes[chosen], kind="stable")].tolist():
            transcript = models.transcripts[i]
            if transcript.gene in taken:
                continue
            taken.add(transcript.gene)
            own = np.flatnonzero(models.owners == i)
            parts = merge_spans((0, int(models.starts[j]), int(models.ends[j])) for j in own)
            start, end, thick, thin = (int(value) for value in extents[:, i])
            blocks = ",".join(str(b - a) for _, a, b in parts), ",".join(str(a - start) for _, a, _ in parts)
            name = plain(names.get(transcript.gene, transcript.gene))
            lines.append(
                f"{each.chrom}\t{start}\t{end}\t{name}\t0\t{transcript.strand}\t"
                f"{thick}\t{thin}\t0\t{len(parts)}\t{blocks[0]}\t{blocks[1]}"
            )
    if not lines:
        return None
    track = {"type": "annotation", "format": "bed", "name": "genes", "url": pack("\n".join(lines))}
    return track | {"displayMode": "EXPANDED", "height": 90, "searchable": True, "color": "#333333", "indexed": False}


def variant_tracks(scored: Scored, slices: Sequence[Interval], genome: Genome) -> list[Track]:
    """Make a track of variants and one of each score.

    Parameters
    ----------
    scored : Scored
        At most three scores are shown.
    slices : sequence of Interval
    genome : Genome

    Returns
    -------
    list of dict
        Empty if no variant lies in the slices.
    """
    inside, scores = _inside(scored.rows, slices, genome), scored.scores
    if inside.empty:
        return []
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for row in inside.to_dict("records"):
        told = [f"{plain(score)}={row[score]:.4g}" for score in scores if pd.notna(row[score])]
        info = ";".join([*told, *([f"reason={plain(row['reason'])}"] if row["reason"] else [])]) or "."
        alt = row["alt"] if _SYMBOLIC.fullmatch(row["alt"]) else plain(row["alt"])
        cells = (plain(row["chrom"]), row["pos"], plain(row.get("id") or "."), plain(row["ref"]), alt, ".", ".", info)
        lines.append("\t".join(map(str, cells)))
    found: list[Track] = [
        {"type": "variant", "format": "vcf", "name": "variants", "url": pack("\n".join(lines)), "indexed": False}
        | {"displayMode": "SQUISHED", "squishedCallHeight": 1, "height": 50}
    ]
    for score, colour in zip(scores[:3], COLOURS, strict=False):
        known = inside[inside[score].notna()]
        values = zip(known["chrom"], known["pos"] - 1, known["pos"], known[score], strict=True)
        found.append(_signal(score, values, colour=colour, kind="points", height=90))
    return found


def letter_track(
    scored: Sequence[ScoredStretch], slices: Sequence[Interval], genome: Genome, *, name: str
) -> Track | None:
    """Make a track that shows the reference's letters as high as a number; None if nothing lies in the slices.

    Parameters
    ----------
    scored : sequence of ScoredStretch
        Bases that a person has inserted are left out.
    slices : sequence of Interval
    genome : Genome
    name : str
        Of the track.

    Returns
    -------
    dict or None
    """
    tables = [
        pd.DataFrame({"chrom": each.stretch.chrom, "pos": each.stretch.places + 1, "number": each.scores})
        for each in scored
    ]
    table = pd.concat(tables, ignore_index=True)
    inside = _inside(table[table["number"].notna() & (table["pos"] > 0)], slices, genome)
    inside = inside.drop_duplicates(["chrom", "pos"])
    if inside.empty:
        return None
    values = zip(inside["chrom"], inside["pos"] - 1, inside["pos"], inside["number"], strict=True)
    return _signal(name, values, colour="#666666", kind="dynseq", height=70)


def signal_track(path: Path, slices: Sequence[Interval], genome: Genome, *, colour: str = COLOURS[0]) -> Track | None:
    """Make a track of a bigWig file's values in the slices; None if it has none there.

    Parameters
    ----------
    path : Path
    slices : sequence of Interval
        At most 200,000 bases are shown.
    genome : Genome
    colour : str

    Returns
    -------
    dict or None

    Raises
    ------
    InputError
        If the file cannot be read, or the package pybigtools is missing.
    """
    values: list[tuple[str, int, int, float]] = []
    room = _TRACK
    with _open_bigwig(path) as file:
        names = {genome.resolve(name): name for name in file.chroms() if name in genome}
        for each in slices:
            if each.chrom not in names or room <= 0:
                continue
            last = min(each.end, each.start + room)
            room -= last - each.start
            for start, end, value in file.records(names[each.chrom], each.start, last):
                values.append((each.chrom, int(start), int(end), float(value)))
    if not values:
        return None
    name = path.name.removesuffix(".bw")
    kind = name.rpartition(".")[2]
    drawn = "dynseq" if kind == "logo" else "bar"
    track = _signal(name, values, colour=(BASE_COLOURS | _NEUTRAL).get(kind, colour), kind=drawn, height=50)
    return track | ({"autoscale": False, "min": 0, "max": _FULL[kind]} if kind in _FULL else {})


def find_signal(path: Path, genome: Genome, *, most: int = 20_000) -> Interval | None:
    """Find where a bigWig file has its first values: an interval of at most so many bases; None if there is none."""
    with _open_bigwig(path) as file:
        for name, length in file.chroms().items():
            if name not in genome:
                continue
            for start, _, _ in file.records(name, 0, min(int(length), genome.length(name))):
                end = min(int(start) + most, genome.length(name))
                return Interval(genome.resolve(name), int(start), end) if end > start else None
    return None


@contextmanager
def _open_bigwig(path: Path) -> Iterator[Any]:
    try:
        pybigtools = import_module("pybigtools")
    except ImportError:
        raise InputError(f"{path}: bigWig is read by the package pybigtools; pip install 'hexamer[tracks]'") from None
    try:
        with pybigtools.open(str(path)) as file:
            yield file
    except Exception as problem:  # of a kind of its own
        raise InputError(f"{path}: cannot be read as bigWig ({problem})") from None


def _inside(rows: pd.DataFrame, slices: Sequence[Interval], genome: Genome) -> pd.DataFrame:
    """Rows in the slices, with the genome's names of contigs."""
    names = {str(name): _resolve(genome, str(name)) for name in rows["chrom"].unique()}
    chroms = rows["chrom"].map(names)
    keep = np.zeros(len(rows), dtype=np.bool_)
    for each in slices:
        keep |= ((chroms == each.chrom) & (rows["pos"] > each.start) & (rows["pos"] <= each.end)).to_numpy()
    return rows[keep].assign(chrom=chroms[keep]).sort_values(["chrom", "pos"], kind="stable")


def _resolve(genome: Genome, name: str) -> str:
    try:
        return genome.resolve(name)
    except GenomeError:
        return ""


def _signal(name: str, values: Iterable[tuple[str, int, int, float]], *, colour: str, kind: str, height: int) -> Track:
    text = "\n".join(f"{chrom}\t{start}\t{end}\t{value:.4g}" for chrom, start, end, value in values)
    track = {"type": "wig", "format": "bedgraph", "name": plain(name), "url": pack(text), "indexed": False}
    return track | {"graphType": kind, "color": colour, "altColor": colour, "height": height, "autoscale": True}


def plain(text: object) -> str:
    r"""Write text that igv.js may put into its page as it is: signs of markup become their look-alikes.

    Examples
    --------
    >>> plain('<b onclick="x">a b & c')
    '‹b\xa0onclick=″x″›a\xa0b\xa0＆\xa0c'
    """
    return _SPACE.sub("\u00a0", str(text)).translate(_MARKUP)


def pack(text: str) -> str:
    """Write text as a data: address, compressed."""
    packed = gzip.compress(text.encode("utf-8"), 9, mtime=0)
    return "data:application/gzip;base64," + base64.b64encode(packed).decode("ascii")
