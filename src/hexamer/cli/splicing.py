"""Splice sites as a benchmark: `build-splice-suite`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import GenomeOption, HoldOutOption, check_folder
from hexamer.errors import SettingsError

commands = typer.Typer()

LEAST_CANONICAL = 0.8
"""Share of introns from GT to AG, below which there is a warning."""


@commands.command(
    epilog=examples(
        "hexamer build-splice-suite -g hg38.fa -a gencode.gtf.gz --hold-out chr1 --hold-out chr9 --out splicing/",
        "hexamer build-splice-suite -g sacCer3.fa -a sacCer3.gtf --hold-out chrIV --window 3000 --with-sites -o yeast/",
    )
)
def build_splice_suite(
    genome: GenomeOption,
    annotation: Annotated[
        list[Path], typer.Option("--annotation", "-a", help="GTF or GFF3 of the genome; repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the suite.")],
    hold_out: HoldOutOption = None,
    window: Annotated[int, typer.Option(help="Bases of a window.")] = 6000,
    train_window: Annotated[
        int | None, typer.Option(help="Bases of a window to learn from; then only those that hold a splice site.")
    ] = None,
    most_unknown: Annotated[float, typer.Option(help="Share of N beyond which a window is left out.")] = 0.05,
    biotype: Annotated[str, typer.Option(help="Of the genes, where the files tell it; '' for all.")] = "protein_coding",
    with_sites: Annotated[
        bool, typer.Option("--with-sites", help="Learn from windows only that hold a splice site.")
    ] = False,
) -> None:
    """Make a benchmark of splice sites.

    Windows of genes with a class for every base, those of --hold-out as test: a suite for run-benchmark, and tables for
    finetune --target bases.
    """
    from hexamer import benchmark
    from hexamer.genome import Annotation, Genome
    from hexamer.manifest import describe_file, write_manifest

    check_folder(out)
    if not hold_out:
        raise SettingsError("nothing to test on; --hold-out with a contig or region would work")
    reference = Genome(genome)
    genes = Annotation(annotation, reference)
    choice: dict[str, Any] = {
        "hold_out": hold_out,
        "window": window,
        "train_window": train_window,
        "most_unknown": most_unknown,
    }
    choice |= {"biotype": biotype, "with_sites": with_sites}
    made = benchmark.build_splice_suite(reference, genes, out, **choice)
    inputs = {"genome": describe_file(genome), "annotation": [describe_file(path) for path in annotation]}
    facts: dict[str, Any] = {"transcripts": made.transcripts, "canonical": made.canonical, "left_out": made.left_out}
    facts |= {"splits": made.counts.to_dict("records")}
    write_manifest(out / "manifest.json", settings=choice, inputs=inputs, **facts)
    typer.echo(made.counts.to_string(index=False))
    say(f"{made.transcripts:,} transcripts, one of each spliced gene; {made.canonical:.1%} of introns are GT to AG")
    if made.canonical < LEAST_CANONICAL:
        say("that is little: is the annotation of this genome?")
    say_reasons((reason, count) for reason, count in made.left_out.items() if count)
    if genes.skipped:
        say(f"{len(genes.skipped):,} contigs of the annotation are not in the genome, such as {genes.skipped[0]}")
    say(f"wrote {out}; to run it: hexamer run-benchmark {out} {out} -g {genome} --methods weight-array,ia3 -o RESULTS")
