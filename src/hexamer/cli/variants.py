"""Scoring variants: `score-variants`, `merge` and `calibrate`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import (
    AnchorOption,
    BudgetOption,
    DeviceOption,
    GenomeOption,
    ModelOption,
    PhasesOption,
    PrecisionOption,
    StrandsOption,
    WindowOption,
    check_parent,
    split_names,
)
from hexamer.cli.progress import counter
from hexamer.cli.remedies import explain_nothing
from hexamer.errors import HexamerError, SettingsError

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer score-variants calls.vcf.gz --genome hg38.fa --out calls.scored.vcf.gz",
        "bcftools norm -m- calls.bcf | hexamer score-variants - -g hg38.fa -o - --scores llr,cosine > scored.vcf",
    )
)
def score_variants(
    variants: Annotated[str, typer.Argument(help="VCF, BCF, or a table or list of variants; - is standard input.")],
    genome: GenomeOption,
    out: Annotated[
        Path, typer.Option("--out", "-o", help=".vcf, .vcf.gz, .bcf, .tsv, .tsv.gz, .parquet; - is VCF on stdout.")
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="hexamer-tiny, a model folder, a hub id, or what train-variants wrote."),
    ] = "hexamer-tiny",
    scores: Annotated[
        str, typer.Option(help="Comma list of llr,llr_sd,l1,l2,cosine,dot,loss,loss_diff.")
    ] = "llr,llr_sd",
    window: Annotated[int, typer.Option(help="Bases around each variant, at most what the model reads.")] = 6000,
    layer: Annotated[int, typer.Option(help="Layer that distances compare; -1 is the last.")] = -1,
    pool: Annotated[
        str, typer.Option(help="Distances compare the variant's token, or the mean over the window.")
    ] = "token",
    anchor: Annotated[
        str, typer.Option(help="6-mers start every 6 bases (grid) or at the variant (variant).")
    ] = "grid",
    phases: Annotated[int, typer.Option(help="Ways of placing 6-mers that are averaged: 1, 2, 3 or 6.")] = 2,
    strands: Annotated[str, typer.Option(help="The mean of both, or forward.")] = "both",
    regions: Annotated[
        list[str] | None, typer.Option(help="Only records in these: 20:1,000-2,000, contigs, BED files; repeatable.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(help="human (of hexamer-tiny), or a file of calibrate: adds percentiles of llr."),
    ] = None,
    annotation: Annotated[Path | None, typer.Option(help="GTF or GFF3, where --background was made with one.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only this share of the records; see merge.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run that was stopped left off.")] = False,
    token_budget: BudgetOption = None,
    precision: PrecisionOption = "exact",
    device: DeviceOption = "auto",
) -> None:
    """Score the variants of a file; every record comes back, with scores or with a reason."""
    from hexamer.effects import ScoreSettings, Shard, annotate_variants, check_variants_path
    from hexamer.genome import Genome
    from hexamer.manifest import make_settings

    names = split_names(scores)
    table = {"scores": names, "window": window, "layer": layer, "pool": pool, "anchor": anchor}
    table |= {"phases": phases, "strands": strands, "token_budget": token_budget}
    settings = make_settings(ScoreSettings, table, "score-variants")
    check_variants_path(out)
    part = Shard.parse(shard) if shard is not None else None
    if annotation is not None and background is None:
        raise SettingsError("--annotation: of no use without --background; without would work")
    with Genome(genome) as reference:
        encoder, companions = _load_scorers(model, device=device, precision=precision)
        if background is not None:
            companions.append(_load_background(background, encoder, annotation, reference))
        choice: dict[str, Any] = {"regions": regions or (), "shard": part, "resume": resume, "companions": companions}
        with _what_a_stop_leaves(out), counter("variants") as advance:
            choice |= {"expect": advance.expect, "advance": advance}
            summary = annotate_variants(encoder, reference, variants, out, settings=settings, **choice)
    columns = [*names, *(name for companion in companions for name in companion.definitions)]
    _tell_summary(summary, out, ", ".join(columns), reference.contigs)


def _load_scorers(model: str, *, device: str, precision: Any) -> tuple[Any, list[Any]]:
    """Load an encoder, and the classifier that stands on it if that is what the name means."""
    from hexamer.effects import is_classifier, load_classifier
    from hexamer.model import load_model

    if not is_classifier(model):
        return load_model(model, device=device, precision=precision), []
    classifier = load_classifier(model, device=device)
    source = str(classifier.origin["source"])
    try:
        return load_model(source, device=device, precision=precision), [classifier]
    except HexamerError as error:
        raise SettingsError(f"{model}: stands on the encoder {source}, which cannot be loaded: {error}") from None


def _load_background(name: str, encoder: Any, annotation: Path | None, genome: Any) -> Any:
    from hexamer.effects import Background, find_background
    from hexamer.genome import Annotation

    elements = Annotation(annotation, genome) if annotation is not None else None
    return Background.load(find_background(name, encoder), elements)


@contextmanager
def _what_a_stop_leaves(out: Path) -> Iterator[None]:
    """Say, when a run is stopped, what is left of it."""
    try:
        yield
    except KeyboardInterrupt:
        if out.with_name(out.name + ".partial").exists():
            say(f"{out}.partial keeps the scores so far; --resume goes on")
        raise


def _tell_summary(summary: Any, out: Path, scored: str, contigs: Any = ()) -> None:
    """Say what became of all alleles, and what was written."""
    say(f"{summary.records:,} records, {summary.alleles:,} alternate alleles, {summary.forwards}")
    if summary.kept:
        say(f"{summary.kept:,} of the records had been scored by an earlier run")
    say_reasons(summary.reasons.most_common(), scored)
    if not summary.records:
        say("no record was read: the file has none, or none where --regions or --shard asked for it")
    elif not summary.reasons[""]:
        say(f"no allele has a score, {explain_nothing(summary.reasons, contigs)}")
    if out.name.endswith((".vcf.gz", ".bcf")) and not summary.indexed:
        say(f"{out}: not indexed; an index wants sorted records (bcftools sort)")
    if str(out) != "-":
        say(f"wrote {out}")


@commands.command(
    epilog=examples(
        "hexamer merge calls.1.vcf.gz calls.2.vcf.gz --out calls.scored.vcf.gz",
        "hexamer merge shards/*.parquet -o calls.parquet",
    )
)
def merge(
    shards: Annotated[list[Path], typer.Argument(help="All files of score-variants --shard, each with its manifest.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the shards' kind; - is VCF on stdout.")],
) -> None:
    """Put the shards of a run together, to the file that a single run gives."""
    from hexamer.effects import merge as merge_shards

    _tell_summary(merge_shards(shards, out), out, "with scores")


@commands.command(
    epilog=examples(
        "hexamer calibrate --genome hg38.fa --out human.background",
        "hexamer calibrate -g hg38.fa -o cds.background --annotation genes.gtf --sites 10000 --phases 6 --strands both",
    )
)
def calibrate(
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of the background, for score-variants --background.")],
    model: ModelOption = "hexamer-tiny",
    regions: Annotated[list[str] | None, typer.Option(help="Where to draw: 20:1,000-2,000; repeatable.")] = None,
    annotation: Annotated[Path | None, typer.Option(help="GTF or GFF3: groups also by class of element.")] = None,
    sites: Annotated[int, typer.Option(help="6-mers, of which all 18 SNVs are scored.")] = 5000,
    indels: Annotated[int, typer.Option(help="Insertions and deletions of each class of length, each.")] = 150,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    window: WindowOption = 6000,
    phases: PhasesOption = 2,
    strands: StrandsOption = "both",
    anchor: AnchorOption = "grid",
    token_budget: BudgetOption = None,
    precision: PrecisionOption = "exact",
    device: DeviceOption = "auto",
) -> None:
    """Score random changes of a genome: what scores mean."""
    from hexamer.effects import Draw, ScoreSettings
    from hexamer.effects import calibrate as make_background
    from hexamer.genome import Annotation, Genome, Interval
    from hexamer.manifest import make_settings
    from hexamer.model import load_model

    table = {"window": window, "phases": phases, "strands": strands, "anchor": anchor, "token_budget": token_budget}
    settings = make_settings(ScoreSettings, table, "calibrate")
    check_parent(out)
    with Genome(genome) as reference:
        elements = Annotation(annotation, reference) if annotation is not None else None
        encoder = load_model(model, device=device, precision=precision)
        with counter("changes") as advance:
            found = make_background(
                encoder,
                reference,
                regions=[Interval.parse(region) for region in regions or ()],
                draw=Draw(sites=sites, indels=indels, seed=seed),
                annotation=elements,
                settings=settings,
                advance=advance,
            )
    found.save(out)
    small = [f"{name} ({len(scores)})" for name, scores in found.groups.items() if len(scores) < 100]
    say(f"{sum(map(len, found.groups.values())):,} random changes in {len(found.groups)} groups")
    if small:
        say(f"{len(small)} groups have fewer than 100 and give no percentile: {', '.join(sorted(small)[:8])}")
    say(f"wrote {out}")
