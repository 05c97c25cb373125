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
    UnphasedOption,
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
    TableOption,
)
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    from hexamer.effects import ScoreSettings
    from hexamer.interpretation import Region
    from hexamer.model import NucleotideTransformer

commands = typer.Typer()


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
    unphased: UnphasedOption = "error",
    scores: Annotated[str, typer.Option(help="Comma list, as for score-variants.")] = "llr",
    deletions: Annotated[
        bool | None, typer.Option(help="Also every deletion of one base; by default if not --fast.")
    ] = None,
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
    from hexamer.interpretation.profiles import window_step
    from hexamer.manifest import write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_mutagenesis, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    if fast and deletions:
        raise SettingsError("--fast scores substitutions; --no-deletions, or no --fast, would work")
    settings = ScoreSettings(scores=split_names(scores), window=window, phases=phases, strands=strands)  # type: ignore[arg-type]
    sources = Sources(genome, regions, bed, fasta, people, person, unphased)
    sources.check()
    encoder = load_model(model, device=device)
    step, deletions = window_step(encoder, settings), not fast if deletions is None else deletions
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
        unknown = sum(each.read().sequence.count("N") for each in places)
        facts["n"] = unknown
        if fast:
            facts["agreement"] = _tell_agreement(encoder, places, tables, settings)
    tables = [each.on_reference(own) for each, own in zip(places, tables, strict=True)]
    for each, own in zip(places, tables, strict=True):
        own.insert(0, "name", each.name)
    table = pd.concat(tables, ignore_index=True)
    write_table(table, out)
    reasons = {str(reason): int(count) for reason, count in table["reason"].value_counts().items()}
    facts |= sources.describe() | {"reasons": {reason or "scored": count for reason, count in reasons.items()}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
    if figure is not None and len(tables[0]):
        draw_mutagenesis(tables[0], figure, score=settings.scores[0], title=f"{places[0].name}, {Path(model).name}")
        say(f"wrote {figure}")
    say_reasons(reasons.items(), ", ".join(settings.scores))
    if unknown:
        say(f"{unknown:>12,}  bases are N, and have no change")
    say(f"wrote {out}")


def _tell_agreement(
    encoder: "NucleotideTransformer", places: "list[Region]", tables: list[Any], settings: "ScoreSettings"
) -> dict[str, Any]:
    """Measure, and say, how far the fast way agrees with the exact one."""
    from hexamer.interpretation import measure_agreement

    pairs = [(each.genome, table) for each, table in zip(places, tables, strict=True)]
    found = measure_agreement(encoder, pairs, settings=settings)
    if found["changes"] >= 3:
        say(
            f"fast against exact, {found['changes']:.0f} substitutions: Pearson {found['pearson']:.4f}, "
            f"Spearman {found['spearman']:.4f}, mean difference {found['difference']:.3f} nats"
        )
    return found


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
    unphased: UnphasedOption = "error",
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
    sources = Sources(genome, regions, bed, fasta, people, person, unphased)
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
            own = pd.DataFrame({"name": each.name, "chrom": chrom, "pos_changed": first + rows})
            own = own.assign(pos_expected=first + columns, strength=found.strengths[rows, columns].astype(np.float32))
            tables.append(each.on_reference(each.on_reference(own, "pos_changed"), "pos_expected"))
            if figure is not None and number == 0:
                along = each.interval.start
                if each.spelled is not None:
                    along = int(each.spelled.to_reference([along])[0][0])
                draw_dependency(
                    found.strengths, found.sequence, figure, first=along, title=f"{each.name}, {Path(model).name}"
                )
    write_table(pd.concat(tables, ignore_index=True), out)
    facts: dict[str, Any] = {"settings": {"window": window}, "model": describe_model(encoder)}
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
    out: Annotated[Path, typer.Option("--out", "-o", help="Prefix: PREFIX.A.bw to PREFIX.logo.bw are written.")],
    genome: OptionalGenomeOption = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: FastaOption = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    unphased: UnphasedOption = "error",
    contigs: Annotated[str | None, typer.Option(help="Comma list of whole contigs, or all.")] = None,
    window: WindowOption = 6000,
    phases: PhasesOption = 2,
    strands: StrandsOption = "both",
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Write what the model expects at every base.

    bigWig files of each base's probability, their entropy, and a logo, in bits. Killed, the same command goes on.
    """
    from hexamer.effects import ScoreSettings
    from hexamer.genome import Interval
    from hexamer.interpretation import write_tracks as write
    from hexamer.interpretation.tracks import merge_intervals
    from hexamer.manifest import write_manifest
    from hexamer.model import describe_model, load_model

    check_parent(out)
    settings = ScoreSettings(scores=("llr",), window=window, phases=phases, strands=strands)  # type: ignore[arg-type]
    sources = Sources(genome, regions, bed, fasta, people, person, unphased)
    sources.check()
    if contigs is not None and (regions or bed is not None):
        raise SettingsError("--contigs, --regions or --bed: one of them would work")
    with sources.open_genome() as source:
        intervals = sources.find_intervals(source) if contigs is None else []
        if contigs is not None:
            names = source.contigs if contigs == "all" else [source.resolve(name) for name in split_names(contigs)]
            intervals = [Interval(name, 0, source.length(name)) for name in names if source.length(name)]
        merged = merge_intervals(source, intervals)
        encoder = load_model(model, device=device)
        with counter("bases", goes_on=True) as advance:
            advance.expect(sum(len(each) for each in merged))
            written = write(encoder, source, merged, out, settings=settings, advance=lambda count: advance(count))
    facts: dict[str, Any] = {"settings": settings, "model": describe_model(encoder)} | sources.describe()
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts | {"regions": [each.region for each in merged]})
    for path in written:
        say(f"wrote {path}")
