"""One page of all that was found: `write-report`."""

from pathlib import Path
from typing import Annotated

import typer

from hexamer.cli.messages import examples, say

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer write-report results/ --out report.html",
        "hexamer write-report calls.scored.vcf.gz tert.tsv chr20.entropy.bw -o r.html -g hg38.fa -a genes.gtf.gz",
    )
)
def write_report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Files and folders that hexamer's commands have written.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Page to write, .html.")],
    genome: Annotated[
        Path | None,
        typer.Option("--genome", "-g", help="FASTA, for the browser; by default that of the results, if still there."),
    ] = None,
    annotation: Annotated[Path | None, typer.Option("--annotation", "-a", help="GTF or GFF3 of genes.")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
) -> None:
    """Write one page of results to open or e-mail.

    One HTML file that needs no network: what was run, variants in a table that sorts and is searched, a genome browser,
    figures. It names files, not folders, and holds nobody's genotypes.
    """
    from hexamer.report import write_report as write

    found = write(results, out, genome=genome, annotation=annotation, title=title)
    for skipped in found.skipped:
        say(f"not shown: {skipped.path}: {skipped.reason}")
    parts = len(found.sections)
    say(f"wrote {out}: {parts} {'section' if parts == 1 else 'sections'}, {found.size / 1e6:.1f} MB")
