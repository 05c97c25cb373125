"""Seeing inside: `attention-map`, `attention-elements` and `saturation-mutagenesis`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    from hexamer.genome import Genome, Haplotype, Interval

commands = typer.Typer()

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


@commands.command(
    epilog=examples(
        "hexamer attention-map --genome hg38.fa --regions chr20:1,000,001-1,003,000 --out maps.npz --layers 6",
        "hexamer attention-map --fasta promoters.fa -o maps.npz --layers 3 --heads 0 --figure head.png",
    )
)
def attention_map(
    out: Annotated[Path, typer.Option("--out", "-o", help="NumPy archive to write, .npz.")],
    genome: Annotated[Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for regions.")] = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: Annotated[Path | None, typer.Option(help="Sequences of their own, in place of regions.")] = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    layers: Annotated[str, typer.Option(help="Comma list, from 1, -1 is the last; all by default.")] = "",
    heads: Annotated[str, typer.Option(help="Comma list, from 0; all by default.")] = "",
    figure: FigureOption = None,
    memory: Annotated[int, typer.Option(help="MiB of maps that are held at a time.")] = 512,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Write which token looks at which, head by head.

    Maps of tokens with the places of their bases; rows look at columns. --figure draws the first map.
    """
    from hexamer.interpretation import attention_map as read_attention
    from hexamer.interpretation import choose_heads, read_stretch, read_stretches, write_attention
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, draw_attention

    check_parent(out)
    if figure is not None:
        check_figure_path(figure)
    if (fasta is not None) == (genome is not None):
        raise SettingsError("what to look into: --genome with --regions or --bed, or --fasta, would work")
    encoder = load_model(model, device=device)
    chosen: dict[str, Any] = {
        "layers": _numbers(layers, "--layers"),
        "heads": _numbers(heads, "--heads"),
        "memory": memory * 2**20,
    }
    each = len(choose_heads(encoder, chosen["layers"], chosen["heads"]))
    if fasta is not None:
        stretches = list(read_stretches(fasta))
    else:
        assert genome is not None
        with _opened(genome, people, person) as source:
            stretches = [read_stretch(source, interval) for interval in _intervals(regions, bed)]
    with counter("maps") as advance:
        advance.expect(each * len(stretches))
        written = write_attention(out, encoder, stretches, **chosen, advance=lambda count: advance(count))
    if figure is not None:
        first = stretches[0]
        found = next(iter(read_attention(encoder, first, **chosen)))
        places = first.places[first.places >= 0]
        span = (
            {"first": int(places.min()), "last": int(places.max()) + 1} if len(places) and first.strand == "+" else {}
        )
        draw_attention(found.weights, figure, **span, title=f"{first.name}, layer {found.layer}, head {found.head}")
        say(f"wrote {figure}")
    facts: dict[str, Any] = {"model": describe_model(encoder), "settings": chosen, "person": person or ""}
    for name, path in (("genome", genome), ("fasta", fasta), ("bed", bed), ("people", people)):
        facts |= {name: describe_file(path)} if path is not None else {}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, stretches=[s.name for s in stretches])
    say(f"wrote {out}: {written:,} maps of {len(stretches):,} {'stretch' if len(stretches) == 1 else 'stretches'}")


@commands.command(
    epilog=examples(
        "hexamer attention-elements --genome sacCer3.fa --annotation sacCer3.gtf --out elements.tsv --figure heads.png",
        "hexamer attention-elements -g hg38.fa -a genes.gtf --elements ctcf=ctcf.bed -o e.tsv --windows 1000",
    )
)
def attention_elements(
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, .tsv or .parquet.")],
    annotation: Annotated[Path | None, typer.Option("--annotation", "-a", help="GTF or GFF3 of genes.")] = None,
    elements: Annotated[
        list[str] | None, typer.Option(metavar="NAME=BED", help="Another class of elements. Repeatable.")
    ] = None,
    windows: Annotated[int, typer.Option(help="Of each class; 10,000 in the paper.")] = 100,
    window: Annotated[int, typer.Option(help="Bases of a window, at most what the model reads.")] = 6000,
    above: Annotated[float, typer.Option(help="Attention from which on a token looks at another.")] = 0.3,
    side: Annotated[str, typer.Option(help="Which token has to lie on the element: key (looked at) or query.")] = "key",
    seed: Annotated[int, typer.Option(help="Of which elements, and where in their windows.")] = 0,
    figure: FigureOption = None,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Find heads that look at genomic elements.

    The share of attention above 0.3 that lands on a class of elements, against their share of all tokens, with a z-test
    corrected for the number of heads.
    """
    from hexamer.genome import Genome
    from hexamer.interpretation import AttentionSettings
    from hexamer.interpretation import attention_elements as count_attention
    from hexamer.manifest import describe_file, make_settings, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_attention_elements, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    table = {"window": window, "windows": windows, "above": above, "side": side, "seed": seed}
    settings = make_settings(AttentionSettings, table, "attention-elements")
    reference = Genome(genome)
    classes = _classes(reference, annotation, elements or [])
    encoder = load_model(model, device=device)
    with counter("windows") as advance:
        found = count_attention(encoder, reference, classes, settings=settings, advance=lambda count: advance(count))
    write_table(found, out)
    if figure is not None:
        draw_attention_elements(found, figure, title=f"{model}, {genome.name}")
        say(f"wrote {figure}")
    for name in classes:
        own: Any = found[found["element"] == name]
        told = ""
        if own["z"].notna().any():
            best = own.loc[own["z"].idxmax()]
            told = f"; most by layer {best['layer']}, head {best['head']}: {best['share']:.1%}"
        say(
            f"{int(own['enriched'].sum()):>4} of {len(own)} heads look at {name} more than at the rest "
            f"({own['background'].iloc[0]:.1%} of tokens, {own['windows'].iloc[0]} windows){told}"
        )
    facts: dict[str, Any] = {"settings": settings, "model": describe_model(encoder), "genome": describe_file(genome)}
    facts |= {"annotation": describe_file(annotation)} if annotation is not None else {}
    facts |= {"elements": {name: describe_file(path) for name, path in map(_named_bed, elements or [])}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
    say(f"wrote {out}")


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
    intervals = _intervals(regions, bed)
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
        intervals = _intervals(regions, bed)
    merged = merge_intervals(reference, intervals)
    encoder = load_model(model, device=device)
    with counter("bases", goes_on=True) as advance:
        advance.expect(sum(each.end - each.start for each in merged))
        written = write(encoder, reference, merged, out, settings=settings, advance=lambda count: advance(count))
    facts: dict[str, Any] = {"settings": settings, "model": describe_model(encoder), "genome": describe_file(genome)}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, regions=[each.region for each in merged])
    for path in written:
        say(f"wrote {path}")


def _intervals(regions: list[str] | None, bed: Path | None) -> "list[Interval]":
    from hexamer.genome import Interval, read_intervals

    if bool(regions) == (bed is not None):
        raise SettingsError("intervals to look into: either --regions or --bed would work")
    return read_intervals(bed) if bed is not None else [Interval.parse(region) for region in regions or ()]


@contextmanager
def _opened(genome: Path, people: Path | None, person: str | None) -> "Iterator[Genome | Haplotype]":
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


def _classes(reference: "Genome", annotation: Path | None, elements: list[str]) -> dict[str, Any]:
    """Elements by class: those of genes, and of BED files."""
    import pandas as pd

    from hexamer.genome import Annotation, read_intervals

    found: dict[str, Any] = {}
    if annotation is not None:
        known = Annotation(annotation, reference)
        painted = pd.concat([known.elements(chrom).assign(chrom=chrom) for chrom in known.contigs])
        exonic = ("cds", "five_prime_utr", "three_prime_utr", "exon")
        for name, members in (
            ("five_prime_utr", ("five_prime_utr",)),
            ("three_prime_utr", ("three_prime_utr",)),
            ("exon", exonic),
            ("intron", ("intron",)),
            ("promoter", ("promoter",)),
        ):
            if len(own := painted[painted["element"].isin(members)]):
                found[name] = own[["chrom", "start", "end"]]
    for name, path in map(_named_bed, elements):
        rows = [(reference.resolve(i.chrom), i.start, i.end) for i in read_intervals(path) if i.chrom in reference]
        found[name] = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    if not found:
        raise SettingsError("no elements: --annotation GTF, or --elements NAME=BED, would work")
    return found


def _named_bed(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise SettingsError(f"--elements {text}: NAME=BED, such as ctcf=ctcf.bed, would work")
    return name, Path(path)


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in split_names(text)) if text else ()
    except ValueError:
        raise SettingsError(f"{option} {text}: a comma list of numbers, such as 1,3, would work") from None
