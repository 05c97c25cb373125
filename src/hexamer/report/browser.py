"""The genome browser of a page: igv.js, with slices of the reference and all its tracks inside the page.

Everything is written as data: addresses, so that nothing is fetched. Slices are chosen: what was looked into, then the
variants with the largest scores, as far as there is room. Not here: the tracks (`tracks`), and the script that draws
them (templates/page.js). Source of the FASTA headers with `@len=`: igv-reports.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hexamer.errors import HexamerError
from hexamer.genome import Annotation, Genome, Interval
from hexamer.interpretation import ScoredStretch, read_scores
from hexamer.report.figures import COLOURS
from hexamer.report.inputs import Finding, Skipped, read_columns
from hexamer.report.scored import Scored
from hexamer.report.tracks import (
    Track,
    find_signal,
    gene_track,
    letter_track,
    merge_spans,
    pack,
    plain,
    signal_track,
    variant_tracks,
)

_LETTERS = {"saturation-mutagenesis": "importance", "attribute": "attribution"}
_PLACES = 20  # that the page has a way to, beside the slices
MARGIN = 2000
"""Bases on both sides of what is shown."""
MOST = 500_000
"""Bases of the reference in a page."""


class View(NamedTuple):
    """What the browser is given."""

    slices: list[Interval]
    config: dict[str, Any]
    """Of igv.js."""
    places: list[tuple[str, str]]
    """What each place to go to is called, and where it is."""


def choose_slices(
    genome: Genome, wanted: Sequence[Interval], *, margin: int = MARGIN, most: int = MOST
) -> list[Interval]:
    r"""Choose the slices of a genome that a page holds.

    Parameters
    ----------
    genome : Genome
    wanted : sequence of Interval
        The most important first; those that are not on the genome are left out.
    margin : int
        Bases on both sides of each.
    most : int
        Bases of all slices; the first interval is there even if it is longer, cut.

    Returns
    -------
    list of Interval
        Apart from each other, by contig and place; of the first intervals as many as there is room for.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "g.fa").write_text(">chr1\n" + "ACGT" * 100 + "\n")
    ...     wanted = [Interval("1", 100, 110), Interval("1", 130, 131), Interval("1", 300, 301)]
    ...     [each.region for each in choose_slices(Genome(Path(folder) / "g.fa"), wanted, margin=10, most=60)]
    ['chr1:91-141']
    """
    order = {name: i for i, name in enumerate(genome.contigs)}
    spans = [
        (
            order[genome.resolve(each.chrom)],
            max(0, each.start - margin),
            min(each.end + margin, genome.length(each.chrom)),
        )
        for each in wanted
        if each.chrom in genome and each.start < genome.length(each.chrom)
    ]
    names = list(genome.contigs)
    low, high = min(1, len(spans)), len(spans)
    while low < high:  # the most spans that fit
        middle = (low + high + 1) // 2
        if sum(end - start for _, start, end in merge_spans(spans[:middle])) <= most:
            low = middle
        else:
            high = middle - 1
    return [Interval(names[i], start, min(end, start + most)) for i, start, end in merge_spans(spans[:low])]


def describe_view(
    genome: Genome, slices: Sequence[Interval], tracks: Sequence[Track], *, places: Sequence[Interval] = ()
) -> View:
    """Describe what igv.js shows.

    Parameters
    ----------
    genome : Genome
    slices : sequence of Interval
        At least one, as from `choose_slices`.
    tracks : sequence of dict
    places : sequence of Interval
        With names: what the page has a way to, beside the slices.

    Returns
    -------
    View
    """
    letters = "".join(
        f">{each.region} @len={genome.length(each.chrom)}\n{genome.fetch(each.chrom, each.start, each.end)}\n"
        for each in slices
    )
    first, name = slices[0], plain(genome.path.name)
    config = {
        "reference": {
            "id": name,
            "name": name,
            "fastaURL": pack(letters),
            "indexed": False,
            "tracks": [],
        },
        "locus": places[0].region if places else first.region,
        "tracks": [{"type": "sequence", "order": -1}, *({"order": i} | track for i, track in enumerate(tracks))],
        "loadDefaultGenomes": False,
        "queryParametersSupported": False,
        "showSVGButton": True,
        "showChromosomeWidget": False,
        "showIdeogram": False,
        "showMultiSelectButton": False,
    }
    named = [(f"{place.name}, {place.region}", place.region) for place in places]
    return View(list(slices), config, named + [(place.region, place.region) for place in slices])


def browse(
    genome: Genome, findings: Sequence[Finding], found: dict[Path, Scored], genes: Annotation | None
) -> tuple[View | None, list[Skipped]]:
    """Choose slices of a genome, and fill the browser's tracks.

    Parameters
    ----------
    genome : Genome
    findings : sequence of Finding
        Tables of numbers for bases become letters, bigWig files signals.
    found : dict of Path to Scored
        Scored variants.
    genes : Annotation, optional

    Returns
    -------
    view : View or None
        None where nothing of the results is on the genome.
    skipped : list of Skipped
        What cannot be shown.
    """
    letters: dict[str, list[ScoredStretch]] = {}
    wanted: list[Interval] = []
    skipped: list[Skipped] = []
    for finding in findings:
        if finding.kind in _LETTERS and (finding.kind == "attribute" or "llr" in read_columns(finding.path)):
            name = f"{_LETTERS[finding.kind]}, {finding.path.name}"
            try:
                letters[name] = read_scores(finding.path)
                wanted += _spans(letters[name], finding.path.name)
            except Exception as problem:  # of whatever kind: other files can be shown
                letters.pop(name, None)
                skipped.append(Skipped.of(finding.path, problem))
    for scored in found.values():
        sites = zip(scored.largest["chrom"].astype(str), scored.largest["pos"].tolist(), strict=True)
        wanted += [Interval(chrom, pos - 1, pos) for chrom, pos in sites if pos > 0]
    signals = [finding.path for finding in findings if finding.kind == "write-tracks"]
    tracks: list[Track | None] = []
    try:
        if not wanted:
            wanted = [place for path in signals[:1] if (place := find_signal(path, genome)) is not None]
    except HexamerError as problem:
        skipped.append(Skipped.of(signals[0], problem))
    slices = choose_slices(genome, wanted)
    if not wanted and not signals:
        return None, skipped
    if not slices:
        told = ", ".join(dict.fromkeys(each.chrom for each in wanted[:1000])) or "of tracks"
        return None, [*skipped, Skipped(genome.path, f"the browser: no contig of the results ({told}) is in it")]
    if genes is not None:
        tracks.append(gene_track(genes, slices))
    for scored in found.values():
        tracks += variant_tracks(scored, slices, genome)
    tracks += [letter_track(own, slices, genome, name=name) for name, own in letters.items()]
    for number, path in enumerate(signals):
        try:
            track = signal_track(path, slices, genome, colour=COLOURS[number % len(COLOURS)])
            tracks.append(track)
            if track is None:
                skipped.append(Skipped(path, "it has no value in the browser's slices"))
        except HexamerError as problem:
            skipped.append(Skipped.of(path, problem))
    places = [each for each in wanted if each.name and each.chrom in genome][:_PLACES]
    shown = [each for each in tracks if each is not None]
    return describe_view(genome, slices, shown, places=places), skipped


def _spans(scored: Sequence[ScoredStretch], name: str) -> list[Interval]:
    """Find where stretches lie on the genome."""
    known = [(each.stretch.chrom, each.stretch.places[each.stretch.places >= 0]) for each in scored]
    return [Interval(chrom, int(own.min()), int(own.max()) + 1, name=name) for chrom, own in known if len(own)]
