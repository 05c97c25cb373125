"""What is looked into: options for regions, BED, FASTA and a person's haplotype, and how they are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hexamer.cli.options import split_names
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    from hexamer.genome import Genome, Haplotype, Interval

RegionsOption = Annotated[
    list[str] | None,
    typer.Option("--regions", "-r", help="Region (chr1:1-5,000, from 1, end included); repeatable."),
]
BedOption = Annotated[Path | None, typer.Option(help="BED of intervals; strands are kept.")]
PersonOption = Annotated[
    str | None, typer.Option(metavar="SAMPLE:1", help="Look into this haplotype (1 or 2) of a person of --people.")
]
PeopleOption = Annotated[Path | None, typer.Option("--people", "-p", help="Phased VCF (bgzip) or BCF, for --person.")]
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


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """Read a comma list of numbers; empty text is none."""
    try:
        return tuple(int(part) for part in split_names(text)) if text else ()
    except ValueError:
        raise SettingsError(f"{option} {text}: a comma list of numbers, such as 1,3, would work") from None
