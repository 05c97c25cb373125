"""What is looked into: options for regions, BED, FASTA and a person's haplotype, and how they are read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hexamer.cli.messages import say
from hexamer.cli.options import split_names
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    from hexamer.genome import Genome, Haplotype, Interval
    from hexamer.interpretation import Region, Stretch

RegionsOption = Annotated[
    list[str] | None,
    typer.Option("--regions", "-r", help="Region (chr1:1-5,000, from 1, end included); repeatable."),
]
BedOption = Annotated[Path | None, typer.Option(help="BED of intervals; strands are kept.")]
PersonOption = Annotated[
    str | None, typer.Option(metavar="SAMPLE:1", help="Look into this haplotype (1 or 2) of a person of --people.")
]
PeopleOption = Annotated[Path | None, typer.Option("--people", "-p", help="Phased VCF (bgzip) or BCF, for --person.")]
FastaOption = Annotated[Path | None, typer.Option(help="Sequences of their own, in place of regions.")]
OptionalGenomeOption = Annotated[Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for regions.")]
TableOption = Annotated[Path, typer.Option("--out", "-o", help="Table to write: .tsv, .tsv.gz or .parquet.")]
FigureOption = Annotated[Path | None, typer.Option(help="Also draw: .png or .svg.")]


def read_regions(regions: list[str] | None, bed: Path | None) -> "list[Interval]":
    """Read the intervals of --regions or of --bed; one of them has to be there."""
    from hexamer.genome import Interval, read_intervals

    if bool(regions) == (bed is not None):
        raise SettingsError("intervals to look into: either --regions or --bed would work")
    if bed is None:
        return [Interval.parse(region) for region in regions or ()]
    return [replace(each, name="") if each.name == "." else each for each in read_intervals(bed)]


@contextmanager
def open_source(
    genome: Path, people: Path | None, person: str | None, unphased: str = "error"
) -> "Iterator[Genome | Haplotype]":
    """Open the genome, or one haplotype of a person over it."""
    from hexamer.genome import Cohort, Genome

    if (people is None) != (person is None):
        raise SettingsError("--people FILE and --person SAMPLE:1 belong together; both, or neither, would work")
    with Genome(genome) as reference:
        if people is None or person is None:
            yield reference
            return
        sample, _, number = person.rpartition(":")
        if number not in ("1", "2") or not sample:
            raise SettingsError(f"--person {person}: SAMPLE:1 or SAMPLE:2 would work")
        with Cohort(people, reference, samples=[sample], unphased=unphased) as cohort:  # type: ignore[arg-type]
            yield cohort.haplotype(sample, int(number))


class Sources(NamedTuple):
    """What a command was asked to look into."""

    genome: Path | None
    regions: list[str] | None
    bed: Path | None
    fasta: Path | None
    people: Path | None
    person: str | None
    unphased: str = "error"

    def check(self) -> None:
        """Raise SettingsError unless it is either a genome with places on it, or a FASTA file of sequences."""
        if (self.fasta is not None) == (self.genome is not None):
            raise SettingsError("what to look into: --genome with --regions or --bed, or --fasta, would work")
        if self.fasta is not None and (self.regions or self.bed or self.people or self.person):
            raise SettingsError("--fasta has no --regions, --bed, --people or --person; it alone would work")

    @contextmanager
    def open_regions(self, *, margin: int, step: int = 1) -> "Iterator[list[Region]]":
        """Open the genome and find what was asked for in it; sequences of a FASTA file are whole.

        Parameters
        ----------
        margin, step : int
            As `hexamer.interpretation.find_region`.
        """
        from hexamer.interpretation import find_region

        with self.open_genome() as source:
            intervals = self.find_intervals(source)
            places = [find_region(source, each, margin=margin, step=step) for each in intervals]
            _tell_left_out(places, self.unphased)
            names = _tell_apart([each.name for each in places], [each.region for each in intervals])
            yield [each._replace(name=self._name(name)) for each, name in zip(places, names, strict=True)]

    @contextmanager
    def open_genome(self) -> "Iterator[Genome | Haplotype]":
        """Open the genome, a person's haplotype over it, or the sequences of the FASTA file as a genome."""
        from hexamer.genome import SequenceGenome
        from hexamer.interpretation import read_stretches

        self.check()
        if self.fasta is None:
            assert self.genome is not None
            with open_source(self.genome, self.people, self.person, self.unphased) as source:
                yield source
            return
        stretches = list(read_stretches(self.fasta))
        names = _tell_apart([each.name for each in stretches])
        yield SequenceGenome({n: each.sequence for n, each in zip(names, stretches, strict=True)}, self.fasta)

    def find_intervals(self, source: "Genome | Haplotype") -> "list[Interval]":
        """List what was asked for in an open genome; sequences of a FASTA file are whole."""
        from hexamer.genome import Interval

        if self.fasta is not None:
            return [Interval(name, 0, length, name=name) for name, length in source.contigs.items()]
        return read_regions(self.regions, self.bed)

    def read_stretches(self) -> "list[Stretch]":
        """Read the sequences of what was asked for, without what lies around them."""
        from hexamer.interpretation import read_stretches
        from hexamer.interpretation.stretches import AROUND

        self.check()
        if self.fasta is not None:
            found = list(read_stretches(self.fasta))
            names = _tell_apart([each.name for each in found])
            return [each._replace(name=name) for each, name in zip(found, names, strict=True)]
        with self.open_regions(margin=AROUND) as places:
            return [each.read() for each in places]

    def _name(self, name: str) -> str:
        """Name what was looked into, and whose it is."""
        return f"{name} {self.person}" if self.person else name

    def describe(self) -> dict[str, Any]:
        """Describe the files, for a manifest."""
        from hexamer.manifest import describe_file

        files = {"genome": self.genome, "bed": self.bed, "fasta": self.fasta, "people": self.people}
        facts: dict[str, Any] = {name: describe_file(path) for name, path in files.items() if path is not None}
        facts |= {"regions": list(self.regions)} if self.regions else {}
        return facts | ({"person": self.person, "unphased": self.unphased} if self.person else {})


def _tell_left_out(places: "list[Region]", unphased: str) -> None:
    """Say which alleles of a person are not in what was read."""
    counts = sum((Counter(each.spelled.counts) for each in places if each.spelled is not None), Counter[str]())
    applied = ("applied", "unphased") if unphased == "random" else ("applied",)
    left = ", ".join(f"{reason} {count:,}" for reason, count in counts.items() if reason not in applied)
    if left:
        say(f"alleles that are read as the reference's, in and around each region: {left}")


def _tell_apart(names: list[str], regions: list[str] | None = None) -> list[str]:
    """Make names unlike each other: by where they lie, where that is known, and by a number."""
    counts = Counter(names)
    if regions is not None:
        names = [
            f"{name} {region}" if counts[name] > 1 and name != region else name
            for name, region in zip(names, regions, strict=True)
        ]
    found: dict[str, None] = {}
    for name in names:
        number, free = 1, name
        while free in found or (number > 1 and free in counts):
            number += 1
            free = f"{name}_{number}"
        found[free] = None
    return list(found)


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """Read a comma list of numbers; empty text is none."""
    try:
        return tuple(int(part) for part in split_names(text)) if text else ()
    except ValueError:
        raise SettingsError(f"{option} {text}: a comma list of numbers, such as 1,3, would work") from None
