"""Options that several commands have, and what is made of them before any work."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.errors import OutputError

ModelOption = Annotated[str, typer.Option("--model", "-m", help="hexamer-tiny, a model folder, or a hub id.")]
GenomeOption = Annotated[Path, typer.Option("--genome", "-g", help="Reference FASTA: plain, gzip or bgzip.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")]
BudgetOption = Annotated[
    int | None, typer.Option(help="Tokens that go through the encoder at a time; by default what suits the device.")
]
PrecisionOption = Annotated[
    Any, typer.Option(metavar="TEXT", parser=str, help="exact (float32), or fast (products in bfloat16).")
]
HoldOutOption = Annotated[
    list[str] | None,
    typer.Option(help="Contig or region (chr1:1-5,000, from 1, end included); repeatable."),
]

# How windows are read, where the help page of score-variants explains it.
UnphasedOption = Annotated[
    str, typer.Option(help="Heterozygotes without phase: error, skip (the reference on both haplotypes), or random.")
]
WindowOption = Annotated[int, typer.Option(help="As for score-variants.")]
PhasesOption = Annotated[int, typer.Option(help="As for score-variants.")]
StrandsOption = Annotated[str, typer.Option(help="As for score-variants.")]
AnchorOption = Annotated[str, typer.Option(help="As for score-variants.")]

PositiveOption = Annotated[list[str] | None, typer.Option(help="Word of the label column that means 1.")]
NegativeOption = Annotated[list[str] | None, typer.Option(help="Word that means 0; by default all others.")]


def split_names(text: str) -> tuple[str, ...]:
    """Names of a comma list."""
    return tuple(name.strip() for name in text.split(","))


def check_parent(out: Path) -> None:
    """Raise OutputError, before any work is done, if the folder of an output does not exist."""
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist")


def check_not_input(out: Path, *inputs: Path) -> None:
    """Raise OutputError, before any work is done, if an output would take the place of an input."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise OutputError(f"{out}: is an input, too; another --out would work")


def make_folder(out: Path) -> None:
    """Make a folder for outputs; OutputError if that is not possible."""
    try:
        out.mkdir(exist_ok=True)
    except OSError as problem:
        raise OutputError(f"{out}: cannot be made ({problem.strerror}); another --out would work") from None


def check_folder(out: Path) -> None:
    """Raise OutputError, before any work is done, if a folder cannot be made here."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; the name of a folder would work")
    check_parent(out)
    place = out if out.exists() else out.absolute().parent
    if not os.access(place, os.W_OK):
        raise OutputError(f"{place}: cannot be written in; another --out would work")
