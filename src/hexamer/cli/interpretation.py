"""What every change of a region does, and what is expected of its bases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import (
    DeviceOption,
    ModelOption,
    PhasesOption,
    StrandsOption,
    WindowOption,
    check_parent,
    split_names,
)
from hexamer.cli.progress import counter
from hexamer.cli.sources import (
    BedOption,
    FastaOption,
    FigureOption,
    OptionalGenomeOption,
    PeopleOption,
    PersonOption,
    RegionsOption,
    Sources,
    open_source,
    read_regions,
)
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    from hexamer.effects import ScoreSettings
    from hexamer.interpretation import Region
    from hexamer.model import NucleotideTransformer

commands = typer.Typer()

TableOption = Annotated[Path, typer.Option("--out", "-o", help="Table to write: .tsv, .tsv.gz or .parquet.")]


@commands.command(
    epilog=examples(
        "hexamer saturation-mutagenesis --genome hg38.fa --regions chr5:1,295,046-1,295,304 --out tert.tsv",
        "hexamer saturation-mutagenesis --fasta designs.fa -o all.parquet --fast --figure first.svg",
    )
)
def saturation_mutagenesis(
    out: TableOption,
    genome: OptionalGenomeOption = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: FastaOption = None,
    people: PeopleOption = None,
    person: PersonOption = None,
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

    Of a genome, a FASTA file, or a person's haplotype; the numbers of score-variants. --fast says at the end how far it
    agrees. --figure draws the first region.
    """
    import pandas as pd

    from hexamer.effects import ScoreSettings
    from hexamer.interpretation import saturation_mutagenesis as mutate
    from hexamer.interpretation import window_step
    from hexamer.manifest import write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_mutagenesis, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    settings = ScoreSettings(scores=split_names(scores), window=window, phases=phases, strands=strands)  # type: ignore[arg-type]
    sources = Sources(genome, regions, bed, fasta, people, person)
    sources.check()
    encoder = load_model(model, device=device)
    step, deletions = window_step(encoder, settings), deletions and not fast
    facts: dict[str, Any] = {"settings": settings, "fast": fast, "model": describe_model(encoder)}
    with sources.open_regions(margin=window + step, step=step) as places, counter("changes") as advance:
        advance.expect(sum((3 + deletions) * len(each.interval) for each in places))
        tables = [
            mutate(
                encoder, each.genome, each.interval, deletions=deletions, fast=fast, settings=settings,
                advance=lambda count: advance(count),
            ).table
            for each in places
        ]  # fmt: skip
        if fast:
            facts["agreement"] = _tell_agreement(encoder, places, tables, settings)
    if figure is not None:
        draw_mutagenesis(_along(places[0], tables[0]), figure, score=settings.scores[0], title=places[0].name)
        say(f"wrote {figure}")
    tables = [each.to_reference(own) for each, own in zip(places, tables, strict=True)]
    for each, own in zip(places, tables, strict=True):
        own.insert(0, "region", each.name)
    table = pd.concat(tables, ignore_index=True)
    write_table(table, out)
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts | sources.describe())
    say_reasons(((str(reason), int(count)) for reason, count in table["reason"].value_counts().items()), "scored")
    say(f"wrote {out}")


def _tell_agreement(
    encoder: "NucleotideTransformer", places: "list[Region]", tables: list[Any], settings: "ScoreSettings"
) -> list[dict[str, Any]]:
    """Measure, and say, how far the fast way agrees with the exact one; once for each genome that was read."""
    import pandas as pd

    from hexamer.interpretation import measure_agreement

    found = []
    for genome in {id(each.genome): each.genome for each in places}.values():
        own = [table for each, table in zip(places, tables, strict=True) if each.genome is genome]
        first = next(each.name for each in places if each.genome is genome)
        told = measure_agreement(encoder, genome, pd.concat(own, ignore_index=True), settings=settings)
        found.append(told | {"first": first})
        say(
            f"fast against exact, {told['changes']:.0f} substitutions of {first}{' and others' * (len(own) > 1)}: "
            f"Pearson {told['pearson']:.4f}, Spearman {told['spearman']:.4f}, mean difference "
            f"{told['difference']:.3f} nats"
        )
    return found


def _along(place: "Region", table: Any) -> Any:
    """Count a haplotype's bases from the region's first place on the reference on, for a figure's axis."""
    if place.spelled is None:
        return table
    first = int(place.spelled.to_reference([place.interval.start])[0][0])
    return table.assign(pos=table["pos"] - place.interval.start + first)


@commands.command(
    epilog=examples(
        "hexamer dependency-map --genome hg38.fa --regions chr5:1,295,100-1,295,250 --out tert.tsv --figure tert.png",
        "hexamer dependency-map -g hg38.fa -r chr20:5,001-5,060 --people c.vcf.gz --person HG00096:1 -o hg00096.tsv",
    )
)
def dependency_map(
    out: TableOption,
    genome: OptionalGenomeOption = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: FastaOption = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    window: Annotated[int, typer.Option(help="Bases that the model reads, the region in their middle.")] = 1200,
    figure: FigureOption = None,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Find which base changes what is expected where.

    In regions of at most 600 bases every base is substituted in turn; a row for each pair of bases (pos_changed,
    pos_expected, from 1) with the largest change of log odds. Bases of one token have none. --figure draws the first.
    """
    import numpy as np
    import pandas as pd

    from hexamer.interpretation import dependency_map as read_dependency
    from hexamer.manifest import write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_dependency, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    sources = Sources(genome, regions, bed, fasta, people, person)
    sources.check()
    encoder = load_model(model, device=device)
    tables = []
    with sources.open_regions(margin=window, step=encoder.config.k) as places, counter("substitutions") as advance:
        advance.expect(sum(3 * len(each.interval) for each in places))
        for number, each in enumerate(places):
            found = read_dependency(
                encoder, each.genome, each.interval, window=window, advance=lambda count: advance(count)
            )
            rows, columns = np.nonzero(np.isfinite(found.strengths))
            first = each.interval.start + 1
            chrom = each.genome.resolve(each.interval.chrom)
            own = pd.DataFrame({"region": each.name, "chrom": chrom, "pos_changed": first + rows})
            own = own.assign(pos_expected=first + columns, strength=found.strengths[rows, columns].astype(np.float32))
            tables.append(each.to_reference(each.to_reference(own, "pos_changed"), "pos_expected"))
            if figure is not None and number == 0:
                along = each.interval.start
                if each.spelled is not None:
                    along = int(each.spelled.to_reference([along])[0][0])
                draw_dependency(found.strengths, found.sequence, figure, first=along, title=each.name)
    write_table(pd.concat(tables, ignore_index=True), out)
    facts: dict[str, Any] = {"model": describe_model(encoder), "window": window}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts | sources.describe())
    if figure is not None:
        say(f"wrote {figure}")
    say(f"wrote {out}")


@commands.command(
    epilog=examples(
        "hexamer write-tracks --genome hg38.fa --regions chr20:1,000,001-1,100,000 --out chr20",
        "hexamer write-tracks -g sacCer3.fa --contigs chrI,chrII --out yeast --phases 1",
    )
)
def write_tracks(
    out: Annotated[Path, typer.Option("--out", "-o", help="Prefix: PREFIX.A.bw to PREFIX.entropy.bw are written.")],
    genome: OptionalGenomeOption = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: FastaOption = None,
    people: PeopleOption = None,
    person: PersonOption = None,
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
    from hexamer.genome import Interval
    from hexamer.interpretation import write_tracks as write
    from hexamer.interpretation.tracks import merge_intervals
    from hexamer.manifest import write_manifest
    from hexamer.model import describe_model, load_model

    check_parent(out)
    settings = ScoreSettings(scores=("llr",), window=window, phases=phases, strands=strands)  # type: ignore[arg-type]
    sources = Sources(genome, regions, bed, fasta, people, person)
    sources.check()
    if contigs is not None and (regions or bed is not None):
        raise SettingsError("--contigs, --regions or --bed: one of them would work")
    with open_source(genome or fasta, people, person) as source:  # type: ignore[arg-type]
        if contigs is not None or fasta is not None:
            chosen = "all" if contigs is None else contigs
            names = source.contigs if chosen == "all" else [source.resolve(name) for name in split_names(chosen)]
            intervals = [Interval(name, 0, source.length(name)) for name in names if source.length(name)]
        else:
            intervals = read_regions(regions, bed)
        merged = merge_intervals(source, intervals)
        encoder = load_model(model, device=device)
        with counter("bases", goes_on=True) as advance:
            advance.expect(sum(len(each) for each in merged))
            written = write(encoder, source, merged, out, settings=settings, advance=lambda count: advance(count))
    facts: dict[str, Any] = {"settings": settings, "model": describe_model(encoder)} | sources.describe()
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts | {"regions": [each.region for each in merged]})
    for path in written:
        say(f"wrote {path}")
