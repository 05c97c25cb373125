"""What every change of a region does, and what is expected of its bases."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import (
    DeviceOption,
    GenomeOption,
    ModelOption,
    PhasesOption,
    StrandsOption,
    WindowOption,
    check_parent,
    split_names,
)
from hexamer.cli.progress import counter
from hexamer.cli.sources import BedOption, FigureOption, RegionsOption, read_regions
from hexamer.errors import SettingsError

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer saturation-mutagenesis --genome hg38.fa --regions chr5:1,295,046-1,295,304 --out tert.tsv",
        "hexamer saturation-mutagenesis -g hg38.fa --bed enhancers.bed -o all.parquet --fast --figure first.svg",
    )
)
def saturation_mutagenesis(
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .tsv, .tsv.gz or .parquet.")],
    regions: RegionsOption = None,
    bed: BedOption = None,
    scores: Annotated[str, typer.Option(help="Comma list, as for score-variants.")] = "llr",
    deletions: Annotated[bool, typer.Option(help="Also every deletion of one base.")] = True,
    fast: Annotated[
        bool, typer.Option("--fast", help="Mask every seventh token at once: llr of substitutions, in a few passes.")
    ] = False,
    window: WindowOption = 6000,
    phases: PhasesOption = 2,
    strands: StrandsOption = "both",
    figure: FigureOption = None,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Score every substitution and deletion of a region.

    The numbers of score-variants; --fast says at the end how far it agrees. --figure draws the first region.
    """
    import pandas as pd

    from hexamer.effects import ScoreSettings
    from hexamer.genome import Genome
    from hexamer.interpretation import measure_agreement
    from hexamer.interpretation import saturation_mutagenesis as mutate
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_mutagenesis, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    settings = ScoreSettings(scores=split_names(scores), window=window, phases=phases, strands=strands)  # type: ignore[arg-type]
    intervals = read_regions(regions, bed)
    reference, encoder = Genome(genome), load_model(model, device=device)
    with counter("changes") as advance:
        advance.expect(sum(3 + (deletions and not fast) for each in intervals for _ in range(each.start, each.end)))
        tables = [
            mutate(
                encoder, reference, interval, deletions=deletions and not fast, fast=fast, settings=settings,
                advance=lambda count: advance(count),
            ).table
            for interval in intervals
        ]  # fmt: skip
    for interval, own in zip(intervals, tables, strict=True):
        own.insert(0, "region", interval.name or interval.region)
    table = pd.concat(tables, ignore_index=True)
    write_table(table, out)
    facts: dict[str, Any] = {"settings": settings, "fast": fast, "model": describe_model(encoder)}
    if fast:
        agreement = measure_agreement(encoder, reference, table, settings=settings)
        facts["agreement"] = agreement
        say(
            f"fast against exact, {agreement['changes']:.0f} substitutions: Pearson {agreement['pearson']:.4f}, "
            f"Spearman {agreement['spearman']:.4f}, mean difference {agreement['difference']:.3f} nats"
        )
    facts |= {"bed": describe_file(bed)} if bed is not None else {"regions": regions}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, genome=describe_file(genome))
    if figure is not None:
        draw_mutagenesis(tables[0], figure, score=settings.scores[0], title=intervals[0].name or intervals[0].region)
        say(f"wrote {figure}")
    say_reasons(((str(reason), int(count)) for reason, count in table["reason"].value_counts().items()), "scored")
    say(f"wrote {out}")


@commands.command(
    epilog=examples(
        "hexamer dependency-map --genome hg38.fa --regions chr5:1,295,100-1,295,250 --out tert.tsv --figure tert.png",
        "hexamer dependency-map -g sacCer3.fa -r chrI:139,151-139,254 -o trna.tsv.gz --window 6000",
    )
)
def dependency_map(
    genome: GenomeOption,
    regions: Annotated[str, typer.Option("--regions", "-r", help="One region of at most 600 bases.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .tsv, .tsv.gz or .parquet.")],
    window: Annotated[int, typer.Option(help="Bases that the model reads, the region in their middle.")] = 1200,
    figure: FigureOption = None,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Find which base changes what is expected where.

    Every base is substituted in turn; a row for each pair of bases (pos_changed, pos_expected, from 1) with the largest
    change of log odds. Bases of one token have none.
    """
    import numpy as np
    import pandas as pd

    from hexamer.genome import Genome, Interval
    from hexamer.interpretation import dependency_map as read_dependency
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_dependency, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    interval, reference = Interval.parse(regions), Genome(genome)
    encoder = load_model(model, device=device)
    with counter("substitutions") as advance:
        advance.expect(3 * (interval.end - interval.start))
        found = read_dependency(encoder, reference, interval, window=window, advance=lambda count: advance(count))
    rows, columns = np.nonzero(np.isfinite(found.strengths))
    pairs = {"chrom": reference.resolve(interval.chrom), "pos_changed": interval.start + 1 + rows}
    table = pd.DataFrame(pairs | {"pos_expected": interval.start + 1 + columns})
    write_table(table.assign(strength=found.strengths[rows, columns].astype(np.float32)), out)
    facts: dict[str, Any] = {"model": describe_model(encoder), "genome": describe_file(genome)}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, region=interval.region, window=window)
    if figure is not None:
        draw_dependency(found.strengths, found.sequence, figure, first=interval.start, title=interval.region)
        say(f"wrote {figure}")
    say(f"wrote {out}")


@commands.command(
    epilog=examples(
        "hexamer write-tracks --genome hg38.fa --regions chr20:1,000,001-1,100,000 --out chr20",
        "hexamer write-tracks -g sacCer3.fa --contigs chrI,chrII --out yeast --phases 1",
    )
)
def write_tracks(
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Prefix: PREFIX.A.bw to PREFIX.entropy.bw are written.")],
    regions: RegionsOption = None,
    bed: BedOption = None,
    contigs: Annotated[str | None, typer.Option(help="Comma list of whole contigs, or all.")] = None,
    window: WindowOption = 6000,
    phases: PhasesOption = 2,
    strands: StrandsOption = "both",
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Write what the model expects at every base.

    bigWig files of each base's probability, and of their entropy in bits. Killed, the same command goes on.
    """
    from hexamer.effects import ScoreSettings
    from hexamer.genome import Genome, Interval
    from hexamer.interpretation import write_tracks as write
    from hexamer.interpretation.tracks import merge_intervals
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model

    check_parent(out)
    settings = ScoreSettings(scores=("llr",), window=window, phases=phases, strands=strands)  # type: ignore[arg-type]
    reference = Genome(genome)
    if contigs is not None and (regions or bed is not None):
        raise SettingsError("--contigs, --regions or --bed: one of them would work")
    if contigs is not None:
        names = reference.contigs if contigs == "all" else [reference.resolve(name) for name in split_names(contigs)]
        intervals = [Interval(name, 0, reference.length(name)) for name in names if reference.length(name)]
    else:
        intervals = read_regions(regions, bed)
    merged = merge_intervals(reference, intervals)
    encoder = load_model(model, device=device)
    with counter("bases", goes_on=True) as advance:
        advance.expect(sum(each.end - each.start for each in merged))
        written = write(encoder, reference, merged, out, settings=settings, advance=lambda count: advance(count))
    facts: dict[str, Any] = {"settings": settings, "model": describe_model(encoder), "genome": describe_file(genome)}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, regions=[each.region for each in merged])
    for path in written:
        say(f"wrote {path}")
