"""Writing a corpus: the bases of genomes, and the genotypes of their people, into a folder.

Building streams: memory does not grow with the genome. A corpus that is there is never replaced by another one unasked.
Not here: what the folder holds, and how it is read (`corpus`), populations (`population_writer`).
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from hexamer.errors import GenomeError, OutputError, SettingsError
from hexamer.genome import Genome
from hexamer.genome.splits import place_region
from hexamer.manifest import checksum, describe_file
from hexamer.tokens.alphabet import LetterReport
from hexamer.tokens.corpus import FORMAT, Corpus
from hexamer.tokens.population_writer import write_population
from hexamer.tokens.sources import ALL, GenomeSource, name_sources
from hexamer.tokens.storage import FILES, BaseWriter

_PIECE = 8_000_000  # bases read at a time; a multiple of four
# All that a corpus folder may hold of an earlier corpus; `counts-6.npz` is of the baselines (`training`).
_REPLACED = (*FILES, "population-[0-9]*.*", "counts-[0-9]*.npz")


def build_corpus(
    genomes: Sequence[GenomeSource],
    folder: str | Path,
    *,
    relative_to: str | Path = ".",
    replace: bool = False,
    expect: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
    advance_records: Callable[[int], None] | None = None,
) -> Corpus:
    """Write genomes as a corpus folder.

    Parameters
    ----------
    genomes : sequence of GenomeSource
    folder : str or Path
        Created; where it holds the corpus of these genomes already, nothing is done.
    relative_to : str or Path
        Where relative FASTA paths start.
    replace : bool
        Build in any case, and replace the corpus that is there, all of its files, once the new one is complete.
    expect : callable, optional
        Told the number of bases beforehand.
    advance : callable, optional
        Told the number of bases after each piece, for a progress bar.
    advance_records : callable, optional
        Told the number of records of variant files now and then; these are read before the bases.

    Returns
    -------
    Corpus

    Raises
    ------
    GenomeError
        If a FASTA cannot be read or a held-out contig does not exist.
    VariantError
        If the variants of a population cannot be read, or are not phased.
    SettingsError
        If two genomes have the same name, or there is none, or some have weights and some have not.
    OutputError
        If the folder cannot be written, or holds another corpus.
    """
    folder, relative_to = Path(folder), Path(relative_to)
    facts = _describe_genomes(genomes, relative_to)
    if not replace and (there := _find_corpus(facts, folder)) is not None:
        return there
    if expect is not None:
        expect(sum(entry["bases"] for entry in facts))
    try:
        with _replacing(folder) as building:
            # People first: what is wrong with a variant file is told before hours of copying bases.
            people = [
                _write_population(source, relative_to, building, f"population-{i}", advance_records)
                if source.variant_files
                else None
                for i, source in enumerate(genomes)
            ]
            with BaseWriter(building) as out:
                entries = []
                for entry, source, population in zip(facts, genomes, people, strict=True):
                    entries.append(entry | _write_bases(source, relative_to, out, advance or (lambda bases: None)))
                    if population is not None:
                        entries[-1]["population"] = {"sources": entry["population"]["sources"], **population}
            if not out.place:
                names = ", ".join(entry["name"] for entry in facts)
                raise GenomeError(f"{names}: no genome holds a base; FASTA with sequences would work")
            populations = [entry["population"] for entry in entries if "population" in entry]
            files = [*FILES, *(name for population in populations for name in population["files"])]
            record = {"format": FORMAT, "files": {name: checksum(building / name) for name in files}}
            (building / "corpus.json").write_text(json.dumps({**record, "genomes": entries}, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return Corpus(folder)


def find_corpus(genomes: Sequence[GenomeSource], folder: str | Path, *, relative_to: str | Path = ".") -> Corpus | None:
    """Find the corpus of some genomes in a folder, if it was built there before.

    Parameters
    ----------
    genomes, folder, relative_to
        As `build_corpus`.

    Returns
    -------
    Corpus or None
        None where there is no corpus yet, or a damaged one.

    Raises
    ------
    OutputError
        If the folder holds a corpus of other files, regions or weights.
    GenomeError, SettingsError
        As `build_corpus`.
    """
    return _find_corpus(_describe_genomes(genomes, Path(relative_to)), Path(folder))


def _find_corpus(facts: Sequence[dict[str, Any]], folder: Path) -> Corpus | None:
    try:
        there = Corpus(folder)
    except SettingsError:  # none, or one that says itself that it has to be built again
        return None
    if list(map(_identify, there.entries)) != list(map(_identify, facts)):
        raise OutputError(
            f"{folder}: holds another corpus ({', '.join(there.genomes)}); another folder, or removing it, would work"
        )
    try:
        there.verify()
    except SettingsError:
        return None
    return there


def _identify(entry: dict[str, Any]) -> list[Any]:
    """All that was asked for of a genome, wherever its files lie."""
    files = [[file.get("sha256") for file in entry[key]["sources"]] for key in ("population",) if key in entry]
    files.append([file.get("sha256") for file in entry.get("files", ())])
    weight = None if entry.get("by_size") else entry["weight"]
    held_out = [list(region) for region in entry["held_out"]]
    return [entry["name"], files, weight, entry.get("taxonomy", ""), held_out]


def _describe_genomes(genomes: Sequence[GenomeSource], relative_to: Path) -> list[dict[str, Any]]:
    """Entries of `corpus.json`, as far as they are known before any base is read."""
    facts = []
    for name, source in zip(name_sources(genomes), genomes, strict=True):
        bases, held_out = _find_regions(source, relative_to)
        entry: dict[str, Any] = {
            "name": name,
            "files": [describe_file(relative_to / file) for file in source.files],
            "taxonomy": source.taxonomy,
            "weight": float(bases - _total(held_out)) if source.weight is None else source.weight,
            "by_size": source.weight is None,
            "bases": bases,
            "held_out": held_out,
        }
        if source.variant_files:
            entry["population"] = {"sources": [describe_file(relative_to / file) for file in source.variant_files]}
        facts.append(entry)
    return facts


def _find_regions(source: GenomeSource, relative_to: Path) -> tuple[int, list[tuple[str, int, int]]]:
    """Bases of a genome, and its held-out regions as contig, start and end (0-based, half-open), in order."""
    bases, held_out, seen = 0, list[tuple[str, int, int]](), set[str]()
    missing = set(source.hold_out) - {ALL}
    for file in source.files:
        with Genome(relative_to / file) as genome:
            # A region is held out in every file that has its contig, under whatever name.
            own = [region for region in sorted(set(source.hold_out)) if has_region(genome, region)]
            places = [place_region(genome, region) for region in own]
            held_out += [(place.chrom, place.start, place.end) for place in places]
            missing -= set(own)
            for chrom, length in genome.contigs.items():
                if chrom in seen:
                    raise GenomeError(
                        f"{relative_to / file}: contig {chrom!r} is in another file of this genome too; "
                        "two genomes, or other names, would work"
                    )
                if ALL in source.hold_out:
                    held_out.append((chrom, 0, length))
                seen.add(chrom)
                bases += length
    if missing:
        raise GenomeError(f"hold_out {', '.join(sorted(missing))}: no such contig in {', '.join(source.files)}")
    return bases, sorted(held_out)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Lend a hidden folder; if the block ends well its files take the place of the corpus that was there."""
    is_new, building = not folder.exists(), folder / ".building"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(building, ignore_errors=True)  # of a build that was killed
        building.mkdir()
        yield building
        # Without corpus.json a folder is no corpus: it goes first and comes last.
        (folder / "corpus.json").unlink(missing_ok=True)
        for path in [path for pattern in _REPLACED for path in folder.glob(pattern)]:
            path.unlink()
        for path in sorted(building.iterdir(), key=lambda path: path.name == "corpus.json"):
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # holds a corpus
                folder.rmdir()


def _write_bases(
    source: GenomeSource, relative_to: Path, out: BaseWriter, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Append the bases of a genome; its contigs, and what became of its letters."""
    contigs: list[dict[str, Any]] = []
    letters = LetterReport()
    for file in source.files:
        with Genome(relative_to / file) as genome:
            for chrom, length in genome.contigs.items():
                offset, found = _write_contig(genome, chrom, out, advance)
                contigs.append({"chrom": chrom, "length": length, "offset": offset})
                letters += found
    counts = {"n": letters.unknown, "iupac": letters.replaced, "soft_masked": letters.soft_masked}
    return {**counts, "contigs": contigs}


def _write_population(
    source: GenomeSource, relative_to: Path, folder: Path, name: str, advance: Callable[[int], None] | None
) -> dict[str, Any]:
    """Write the genotypes of a genome's people; what `population` says of them, without each one's name."""
    with ExitStack() as stack:
        genomes = [stack.enter_context(Genome(relative_to / file)) for file in source.files]
        files = [relative_to / file for file in source.variant_files]
        found = write_population(files, genomes, folder, name=name, advance=advance)
    kept = ("name", "files", "individuals", "variants", "records", "kept", "left_out", "calls")
    return {key: found[key] for key in kept}


def _write_contig(
    genome: Genome, chrom: str, out: BaseWriter, advance: Callable[[int], None]
) -> tuple[int, LetterReport]:
    """Append one contig; its place, and its letters."""
    offset, letters, length = out.start_contig(), LetterReport(), genome.length(chrom)
    for start in range(0, length, _PIECE):
        end = min(start + _PIECE, length)
        letters += out.write(genome.fetch_as_written(chrom, start, end), last=end == length)
        advance(end - start)
    counted = letters.soft_masked if out.end_contig() else 0
    return offset, LetterReport(letters.bases, counted, letters.unknown, letters.replaced)


def _total(regions: Sequence[tuple[str, int, int]]) -> int:
    """Bases of sorted regions, overlaps counted once."""
    total, chrom, place = 0, "", 0
    for region in regions:
        place = place if region[0] == chrom else 0
        chrom, total = region[0], total + max(region[2] - max(region[1], place), 0)
        place = max(place, region[2])
    return total


def has_region(genome: Genome, region: str) -> bool:
    """Say whether a genome has the contig of a region string, or of a bare contig name.

    Parameters
    ----------
    genome : Genome
    region : str
        `chr20:1-600`, or a contig's name, which may hold colons.

    Returns
    -------
    bool
    """
    return region in genome or region.rsplit(":", 1)[0] in genome
