"""What is looked into: options for regions, BED, FASTA and a person's haplotype, and how they are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

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
FigureOption = Annotated[Path | None, typer.Option(help="Also draw: .png or .svg.")]


def read_regions(regions: list[str] | None, bed: Path | None) -> "list[Interval]":
    """Read the intervals of --regions or of --bed; one of them has to be there."""
    from hexamer.genome import Interval, read_intervals

    if bool(regions) == (bed is not None):
        raise SettingsError("intervals to look into: either --regions or --bed would work")
    return read_intervals(bed) if bed is not None else [Interval.parse(region) for region in regions or ()]


@contextmanager
def open_source(genome: Path, people: Path | None, person: str | None) -> "Iterator[Genome | Haplotype]":
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
        with Cohort(people, reference, samples=[sample]) as cohort:
            yield cohort.haplotype(sample, int(number))


class Sources(NamedTuple):
    """What a command was asked to look into."""

    genome: Path | None
    regions: list[str] | None
    bed: Path | None
    fasta: Path | None
    people: Path | None
    person: str | None

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
        from hexamer.genome import Genome, Interval
        from hexamer.interpretation import find_region

        self.check()
        if self.fasta is not None:
            with Genome(self.fasta) as sequences:
                empty = [name for name, length in sequences.contigs.items() if not length]
                if empty:
                    raise SettingsError(f"{self.fasta}: {empty[0]} has no base; one or more would work")
                whole = [Interval(name, 0, length, name=name) for name, length in sequences.contigs.items()]
                yield [find_region(sequences, interval, margin=margin) for interval in whole]
            return
        assert self.genome is not None
        intervals = read_regions(self.regions, self.bed)
        with open_source(self.genome, self.people, self.person) as source:
            yield [find_region(source, interval, margin=margin, step=step) for interval in intervals]

    def read_stretches(self) -> "list[Stretch]":
        """Read the sequences of what was asked for, without what lies around them."""
        from hexamer.interpretation import read_stretch, read_stretches

        self.check()
        if self.fasta is not None:
            return list(read_stretches(self.fasta))
        assert self.genome is not None
        intervals = read_regions(self.regions, self.bed)
        with open_source(self.genome, self.people, self.person) as source:
            return [read_stretch(source, interval) for interval in intervals]

    def describe(self) -> dict[str, Any]:
        """Describe the files, for a manifest."""
        from hexamer.manifest import describe_file

        files = {"genome": self.genome, "bed": self.bed, "fasta": self.fasta, "people": self.people}
        facts: dict[str, Any] = {name: describe_file(path) for name, path in files.items() if path is not None}
        facts |= {"regions": list(self.regions)} if self.regions else {}
        return facts | ({"person": self.person} if self.person else {})


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """Read a comma list of numbers; empty text is none."""
    try:
        return tuple(int(part) for part in split_names(text)) if text else ()
    except ValueError:
        raise SettingsError(f"{option} {text}: a comma list of numbers, such as 1,3, would work") from None
