"""Windows of genomic elements: stretches of CDS, UTR, intron and intergenic sequence, all of one length.

A window lies in an element of its class, or around one that is shorter but covers enough of it (`share`); it is read
on the strand of the element's gene. Windows are of one length: the mean vector of a short sequence scatters more, and
classes whose elements are short would be told by that alone. No two windows overlap, and none holds an N.
Source: Dalla-Torre et al. (2025) draw such classes; windows and their numbers are not told there and chosen here.
Not here: which class a base belongs to (`hexamer.genome.annotation`), what becomes of the vectors (`projection`).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hexamer.embeddings.layers import embed_layers
from hexamer.errors import AnnotationError, SettingsError
from hexamer.genome import Annotation, Genome, Haplotype, Interval
from hexamer.genome.genes import GeneModels
from hexamer.manifest import package_versions
from hexamer.model import NucleotideTransformer

if TYPE_CHECKING:
    from anndata import AnnData

ELEMENTS = ("cds", "five_prime_utr", "three_prime_utr", "exon", "intron", "intergenic")
"""Classes of windows; exons only of an annotation that has no CDS, where they stand for it."""


def sample_elements(
    genome: Genome,
    annotation: Annotation,
    *,
    count: int = 1000,
    length: int = 600,
    share: float = 0.5,
    seed: int = 0,
) -> list[Interval]:
    """Draw windows of each class of elements.

    Parameters
    ----------
    genome : Genome
    annotation : Annotation
        Of this genome. Contigs without genes are passed over. Promoters are a class of their own, which is not drawn;
        `Annotation(..., promoter=0)` makes them intergenic.
    count : int
        Of each class, at most; fewer where there are fewer.
    length : int
        Bases of a window.
    share : float
        Of a window that its element covers at least, above 0; 1 for windows that lie in their element. An element
        that is shorter than the window lies at a random place of it.
    seed : int

    Returns
    -------
    list of Interval
        Named for their class, in the order of `ELEMENTS`, and within a class of contig and place. On the strand of
        their genes, "+" where these are on both alike, and between genes. A class without a window is missing.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    AnnotationError
        If no class has a window.
    """
    if count < 1 or length < 1 or not 0 < share <= 1 or seed < 0:
        raise SettingsError(
            f"windows {count}, length {length}, share {share}, seed {seed}: from 1, from 1, above 0 to 1, and from 0 "
            "would work"
        )
    painted = pd.concat([annotation.elements(chrom).assign(chrom=chrom) for chrom in annotation.contigs])
    room = painted["chrom"].map({chrom: genome.length(chrom) for chrom in annotation.contigs}) >= length
    known = painted[room & (painted["end"] - painted["start"] >= share * length)]
    names = [name for name in ELEMENTS if name != "exon" or "cds" not in set(painted["element"])]
    classes = {name: own for name in names if len(own := known[known["element"] == name])}
    taken: dict[str, list[int]] = defaultdict(list)
    drawn: dict[str, list[Interval]] = {}
    # A window may reach into a neighbour: classes with few elements choose first.
    for name in sorted(classes, key=lambda name: int((classes[name]["end"] - classes[name]["start"]).sum())):
        rng = np.random.default_rng((seed, ELEMENTS.index(name)))
        places = _draw_places(genome, classes[name], taken, length, rng)
        found = sorted(islice(places, count), key=lambda place: (place.chrom, place.start))
        drawn[name] = _with_strands(annotation.models, found, name)
    if not any(drawn.values()):
        raise AnnotationError(
            f"no element covers {share:.0%} of {length:,} bases; shorter windows (--length), or another annotation, "
            "would work"
        )
    return [window for name in names for window in drawn.get(name, [])]


def embed_windows(
    model: NucleotideTransformer,
    genome: Genome | Haplotype,
    windows: Sequence[Interval],
    *,
    layers: Sequence[int] = (-1,),
    advance: Callable[[int], None] | None = None,
) -> "list[AnnData]":
    """Embed windows of elements, all layers in one pass.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome or Haplotype
    windows : sequence of Interval [N]
        Named for their class, no longer than the model reads.
    layers : sequence of int
        0 (token embedding) to the number of blocks; -1 is the last.
    advance : callable, optional
        Called with the number of windows that are done.

    Returns
    -------
    list of AnnData
        For each layer means over tokens, as from `embed`: `X` float32 [N, D]; `obs` with `name`, `chrom`, `start`,
        `end`, `strand`, `element` (a categorical in the order of `ELEMENTS`) and `gc`, the share of G and C.

    Raises
    ------
    SettingsError
        If there is no such layer.
    GenomeError
        If a window is not on the genome.
    SequenceError
        If a window is longer than the model reads.
    """
    from anndata import AnnData  # slow import

    numbers = [model.layer_number(layer) for layer in layers]
    letters = [genome.fetch_interval(window) for window in windows]
    obs = pd.DataFrame(
        [(each.region, each.chrom, each.start, each.end, each.strand, each.name) for each in windows],
        columns=["name", "chrom", "start", "end", "strand", "element"],
        index=pd.RangeIndex(len(windows)).astype(str),
    )
    obs["element"] = pd.Categorical(obs["element"], categories=ELEMENTS).remove_unused_categories()
    obs["gc"] = [(each.count("G") + each.count("C")) / max(len(each), 1) for each in letters]
    vectors = embed_layers(model, letters, advance=advance)
    settings: dict[str, Any] = {"pool": "mean", "model": model.source or "random weights", "precision": model.precision}
    settings |= {"versions": package_versions()}
    return [
        AnnData(X=vectors[:, layer].copy(), obs=obs.copy(), uns={"hexamer": {"layer": layer, **settings}})
        for layer in numbers
    ]


def count_windows(windows: Sequence[Interval]) -> dict[str, int]:
    """Count windows by class, classes without any too.

    Parameters
    ----------
    windows : sequence of Interval
        As from `sample_elements`.

    Returns
    -------
    dict of str to int
        In the order of `ELEMENTS`; of CDS and exons the one that has windows, or CDS.

    Examples
    --------
    >>> count_windows([Interval("1", 0, 9, name="exon")])
    {'five_prime_utr': 0, 'three_prime_utr': 0, 'exon': 1, 'intron': 0, 'intergenic': 0}
    """
    counts = Counter(window.name for window in windows)
    unasked = "cds" if counts["exon"] else "exon"
    return {name: counts[name] for name in ELEMENTS if name != unasked}


def _draw_places(
    genome: Genome, elements: pd.DataFrame, taken: dict[str, list[int]], length: int, rng: np.random.Generator
) -> Iterator[Interval]:
    """Draw windows of elements at random: those without N that overlap none before, which `taken` knows by start."""
    starts, ends = elements["start"].to_numpy(np.int64), elements["end"].to_numpy(np.int64)
    chroms = elements["chrom"].to_numpy()
    each = np.maximum((ends - starts) // length, 1)  # windows that lie side by side in an element
    low, high = np.minimum(starts, ends - each * length), np.maximum(starts, ends - each * length)
    firsts = rng.integers(low, high + 1)
    upto = np.cumsum(each)
    for number in rng.permutation(int(upto[-1])):
        i = int(np.searchsorted(upto, number, side="right"))
        chrom, start = str(chroms[i]), int(firsts[i] + (number - (upto[i] - each[i])) * length)
        start = max(0, min(start, genome.length(chrom) - length))
        own = taken[chrom]
        place = bisect_left(own, start)
        if any(abs(start - other) < length for other in own[max(0, place - 1) : place + 1]):
            continue
        if "N" in genome.fetch(chrom, start, start + length):
            continue
        own.insert(place, start)
        yield Interval(chrom, start, start + length)


def _with_strands(models: GeneModels, places: list[Interval], name: str) -> list[Interval]:
    """Name windows for their class, and give each the strand of the genes that most of it belongs to."""
    if name == "intergenic":
        return [replace(place, name=name) for place in places]
    reverse = np.array([transcript.strand == "-" for transcript in models.transcripts], dtype=bool)
    chroms = np.array([transcript.chrom for transcript in models.transcripts])
    if name == "intron":
        (starts, ends, *_), owners = models.extents(), np.arange(len(chroms))
    else:
        kind = models.coding == (name == "cds")
        starts, ends, owners = models.starts[kind], models.ends[kind], models.owners[kind]
    found = []
    for chrom, some in groupby(places, key=lambda place: place.chrom):
        here = chroms[owners] == chrom
        first, last, back = starts[here], ends[here], reverse[owners[here]]
        for place in some:
            bases = np.maximum(np.minimum(last, place.end) - np.maximum(first, place.start), 0)
            strand = "-" if bases[back].sum() > bases[~back].sum() else "+"
            found.append(replace(place, strand=strand, name=name))
    return found
