"""Personal expression: `predict-expression`, which fits models, asks them, and judges them."""

from collections import Counter
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
    UnphasedOption,
    check_folder,
    check_not_input,
    check_parent,
    make_folder,
    split_names,
)
from hexamer.cli.progress import counter
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from hexamer.expression import Expression, StudyRun, StudySettings
    from hexamer.genome import Cohort

commands = typer.Typer()
topic = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=examples(
        "hexamer predict-expression evaluate expression.tsv --people cohort.vcf.gz --genome hg38.fa --out study/",
        "hexamer predict-expression fit expression.tsv -p cohort.vcf.gz -g hg38.fa -o models/",
    ),
)
commands.add_typer(topic, name="predict-expression", help="Predict expression from people's genotypes.")

ExpressionArgument = Annotated[
    Path,
    typer.Argument(
        metavar="EXPRESSION",
        help="TSV, CSV or Parquet (gene_id, chrom, tss, perhaps strand, then people), or BED as tensorQTL has it.",
    ),
]
PeopleOption = Annotated[Path, typer.Option("--people", "-p", help="VCF (bgzip) or BCF of their genotypes.")]
AnnotationOption = Annotated[
    Path | None,
    typer.Option("--annotation", "-a", help="GTF or GFF3: where genes begin, and strands, in place of the table's."),
]
WindowOption = Annotated[int, typer.Option(help="Bases on either side of the start, for models of genotypes.")]
AroundOption = Annotated[int, typer.Option(help="Bases around the start that heads read, half on either side.")]
LayersOption = Annotated[str, typer.Option(help="Comma list of layers to choose from; -1 is the last.")]
PoolOption = Annotated[str, typer.Option(help="Rows that heads read: variants, bins, tokens, or the mean.")]
FrequencyOption = Annotated[float, typer.Option(help="Least minor allele frequency.")]
NormaliseOption = Annotated[
    str, typer.Option(help="How expression is brought on one scale: rank (normal quantiles) or standard.")
]
PairwiseOption = Annotated[float, typer.Option(help="Share of a transformer's loss that is of differences of people.")]
FoldsOption = Annotated[int, typer.Option(help="Parts that people (or genes) are divided into.")]
StepsOption = Annotated[int, typer.Option(help="Most steps of a transformer.")]

_MOST_NAMED = 5
_ENOUGH = 0.8  # share of a model's variants, below which its predictions mean little


@topic.command(
    epilog=examples(
        "hexamer predict-expression evaluate expression.bed.gz --people cohort.vcf.gz --genome hg38.fa --out study/",
        "hexamer predict-expression evaluate e.tsv -p c.bcf -g hg38.fa -o s/ --methods ridge,shuffled-ridge",
    )
)
def evaluate(
    expression: ExpressionArgument,
    people: PeopleOption,
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results; finished genes there are kept.")],
    methods: Annotated[
        str,
        typer.Option(
            help="Comma list of elastic-net, ridge, best-variant (near-: only variants that heads see), linear-head, "
            "transformer-head (random-: untrained encoder; pooled-: one for all genes), each also with shuffled-."
        ),
    ] = "elastic-net,ridge,best-variant,near-ridge,linear-head",
    window: WindowOption = 100_000,
    around: AroundOption = 11_004,
    layers: LayersOption = "-1",
    pool: PoolOption = "variants",
    frequency: FrequencyOption = 0.01,
    normalise: NormaliseOption = "rank",
    folds: FoldsOption = 5,
    seeds: Annotated[str, typer.Option(help="Comma list; each is a repetition with folds of its own.")] = "0,1,2",
    hold_out: Annotated[
        str, typer.Option(help="people, groups (of --groups, one after the other), or genes (for pooled- only).")
    ] = "people",
    groups: Annotated[
        Path | None,
        typer.Option(help="Lines of a person and a group, for everybody."),
    ] = None,
    predicted: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TABLE", help="Another program's predictions, a table as EXPRESSION; judged too. Repeatable."
        ),
    ] = None,
    pairwise: PairwiseOption = 0.0,
    steps: StepsOption = 200,
    annotation: AnnotationOption = None,
    unphased: UnphasedOption = "error",
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Judge methods on people, or genes, that are held out.

    Correlations across individuals, gene by gene, with permutation p; in pairs; and, apart, across genes.
    """
    from hexamer.expression import Study, evaluate_expression, read_groups, read_predictions
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model

    check_folder(out)
    chosen: dict[str, Any] = {"methods": split_names(methods), "seeds": [_number(text) for text in split_names(seeds)]}
    chosen |= {"folds": folds, "hold_out": hold_out}
    settings = _settings(chosen, window, frequency, normalise, around, layers, pool, pairwise, steps)
    if (hold_out == "groups") != (groups is not None):
        raise SettingsError("--groups FILE and --hold-out groups: both, or neither, would work")
    tables = [_named_table(text) for text in predicted or ()]
    taken = [*settings.methods, "gene mean", *(name for name, _ in tables)]
    if clash := next((name for name, _ in tables if taken.count(name) > 1), ""):
        raise SettingsError(f"--predicted {clash}: is the name of a method, or there twice; another would work")
    given = {name: read_predictions(path) for name, path in tables}
    encoder = _load(settings, model, device)
    with _measured_people(expression, people, genome, annotation, unphased) as (measured, cohort):
        told = read_groups(groups, cohort.samples) if groups is not None else None
        make_folder(out)
        known: list[bool] = []

        def tell(count: int, there: bool) -> None:
            known.append(there)
            advance(count)

        study = Study(measured, cohort, settings, model=encoder, groups=told, given=given)
        with study, counter("genes", goes_on=True) as advance:
            advance.expect(len(measured.genes))
            found = evaluate_expression(study, out, advance=tell)
    if any(known):
        say(f"{sum(known):,} genes were there from a run before")
    _write_study(found, settings, out, told, measured.samples)
    facts: dict[str, Any] = {"settings": settings, "unphased": unphased, "skipped": found.skipped}
    facts |= {"annotation": describe_file(annotation)} if annotation else {}
    facts |= {"expression": describe_file(expression), "people": describe_file(people), "genome": describe_file(genome)}
    facts |= {"predicted": {name: describe_file(path) for name, path in tables}}
    facts |= {"model": describe_model(encoder)} if encoder else {}
    write_manifest(out / "manifest.json", **facts, samples=measured.samples, haplotypes=found.counts)
    _say_skipped(found.skipped)
    _say_haplotypes(found.counts)
    say(f"wrote {out}")


@topic.command(
    epilog=examples(
        "hexamer predict-expression fit expression.tsv --people cohort.vcf.gz --genome hg38.fa --out models/",
        "hexamer predict-expression fit e.bed -p c.vcf.gz -g hg38.fa -o m/ --predictdb blood.db --build b38",
    )
)
def fit(
    expression: ExpressionArgument,
    people: PeopleOption,
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the models.")],
    method: Annotated[
        str, typer.Option(help="elastic-net, ridge, best-variant, linear-head or transformer-head.")
    ] = "elastic-net",
    window: WindowOption = 100_000,
    around: AroundOption = 11_004,
    layers: LayersOption = "-1",
    pool: PoolOption = "variants",
    frequency: FrequencyOption = 0.01,
    normalise: NormaliseOption = "rank",
    folds: Annotated[int, typer.Option(help="To tell how well people who are held out are predicted; 0 for none.")] = 5,
    pairwise: PairwiseOption = 0.0,
    steps: StepsOption = 200,
    predictdb: Annotated[
        Path | None, typer.Option(help="Also write weights of alleles as a PredictDB file (SQLite), for MetaXcan.")
    ] = None,
    build: Annotated[str, typer.Option(help="Of the reference, such as b38: ends the varID of --predictdb.")] = "",
    seed: Annotated[int, typer.Option(help="Of folds, and of first weights.")] = 0,
    annotation: AnnotationOption = None,
    unphased: UnphasedOption = "error",
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Fit a model of each gene, for new people.

    Each gene's correlation in people who were held out is kept with it.
    """
    from hexamer.expression import fit_expression, write_predictdb
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.report import write_table

    check_folder(out)
    chosen: dict[str, Any] = {"methods": [method], "seeds": [seed]} | ({"folds": folds} if folds else {})
    settings = _settings(chosen, window, frequency, normalise, around, layers, pool, pairwise, steps)
    if predictdb is not None:
        if predictdb.is_dir():
            raise SettingsError(f"--predictdb {predictdb}: is a folder; a file name would work")
        check_parent(predictdb if predictdb.absolute().parent != out.absolute() else out)
        check_not_input(predictdb, expression, people, genome, *([annotation] if annotation else []))
        if settings.wants_encoder:
            raise SettingsError(f"--predictdb: {method} has no weights of alleles; elastic-net would work")
    encoder = _load(settings, model, device)
    with (
        _measured_people(expression, people, genome, annotation, unphased) as (measured, cohort),
        counter("genes", goes_on=True) as advance,
    ):
        advance.expect(len(measured.genes))
        fitted = fit_expression(
            measured, cohort, settings, model=encoder, judge=folds > 0, folder=out, advance=lambda count: advance(count)
        )
    table = fitted.table()
    write_table(_shorter(table), out / "genes.tsv")
    facts: dict[str, Any] = {"settings": settings, "unphased": unphased, "skipped": fitted.skipped}
    facts |= {"annotation": describe_file(annotation)} if annotation else {}
    facts |= {"expression": describe_file(expression), "people": describe_file(people), "genome": describe_file(genome)}
    write_manifest(out / "manifest.json", **facts, samples=measured.samples, encoder=fitted.origin)
    say(f"{len(fitted.genes):,} genes have a model; {int((table['places'] > 0).sum()):,} of them read any variant")
    if folds:
        r = table["pearson"]
        say(f"people held out, across individuals: mean r {r.mean():.3f}, above 0.2 in {int((r > 0.2).sum()):,} genes")
    if predictdb is not None:
        genes = write_predictdb(fitted, predictdb, build=build)
        say(f"wrote {predictdb}: {genes:,} genes, those that are predicted badly too; filter by pred.perf.R2 and pval")
    _say_skipped(fitted.skipped)
    say(f"wrote {out}")


@topic.command(
    epilog=examples(
        "hexamer predict-expression predict models/ --people new.vcf.gz --genome hg38.fa --out expression.tsv",
        "hexamer predict-expression predict models/ -p new.bcf -g hg38.fa -o expression.parquet --unphased random",
    )
)
def predict(
    models: Annotated[Path, typer.Argument(help="Folder that fit wrote.")],
    people: PeopleOption,
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .tsv, .tsv.gz or .parquet.")],
    unphased: UnphasedOption = "error",
    device: DeviceOption = "auto",
) -> None:
    """Predict people's expression with models of genes.

    A row for each gene and person; beside it a table of how many of each model's variants these people's file has.
    """
    from hexamer.expression import load_expression_model, predict_expression
    from hexamer.genome import Cohort, Genome
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.report import check_table_path, write_table

    check_table_path(out)
    check_not_input(out, people, genome, *(models.iterdir() if models.is_dir() else ()))
    fitted = load_expression_model(models)
    encoder = fitted.load_encoder(device=device) if fitted.origin else None
    with Cohort(people, Genome(genome), unphased=unphased) as cohort, counter("genes") as advance:  # type: ignore[arg-type]
        advance.expect(len(fitted.genes))
        table, genes = predict_expression(fitted, cohort, model=encoder, advance=lambda count: advance(count))
        samples = cohort.samples
    write_table(_shorter(table), out)
    matched = out.with_name(out.name + ".genes.tsv")
    write_table(genes.round(4), matched)
    facts = {"models": str(models), "method": fitted.method, "people": describe_file(people)}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, genome=describe_file(genome), unphased=unphased)
    with_places = genes[genes["places"] > 0]
    share = with_places["matched"].sum() / max(1, with_places["places"].sum())
    kind = "rows over a site at which somebody varies" if fitted.origin else "variants that this file has"
    say(f"{share:.1%} of the models' places are {kind} ({int(with_places['matched'].sum()):,} of "
        f"{int(with_places['places'].sum()):,}); by gene in {matched}")  # fmt: skip
    if few := int((with_places["share"] < _ENOUGH).sum()):
        say(
            f"warning: {few:,} of {len(with_places):,} genes have less than {_ENOUGH:.0%} of theirs; alleles without a "
            "record count as the reference, so that levels are not those of the people learnt from"
        )
    if seen := _learnt_from(models) & set(samples):
        say(f"warning: {len(seen):,} of these people were learnt from: use predictions.parquet of evaluate for them")
    say_reasons(sorted(Counter(genes["reason"]).items()))
    say(f"wrote {out}")


@contextmanager
def _measured_people(
    expression: Path, people: Path, genome: Path, annotation: Path | None, unphased: str
) -> Iterator[tuple["Expression", "Cohort"]]:
    """Expression and genotypes of those who have both, in one order; says who has not."""
    from hexamer.expression import match_people, read_expression
    from hexamer.genome import Annotation, Cohort, Genome

    reference = Genome(genome)
    with Cohort(people, reference) as everybody:
        places = Annotation(annotation, reference) if annotation is not None else None
        measured = read_expression(expression, samples=everybody.samples, annotation=places)
        matched = match_people(measured, everybody.samples)
    for names, file, lacking in (
        (measured.passed_over, expression, people),
        (matched.genotyped_only, people, expression),
    ):
        if names:
            told = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
            say(f"{len(names):,} of {file.name} not in {lacking.name}, passed over: {told}")
    if annotation is not None:
        rest = len(measured.genes) - measured.annotated
        say(f"{measured.annotated:,} genes placed by {annotation.name}, {rest:,} by {expression.name}")
    say(f"{len(matched.both):,} people, {len(measured.genes):,} genes")
    with Cohort(people, reference, samples=matched.both, unphased=unphased) as cohort:  # type: ignore[arg-type]
        yield measured.take(matched.both), cohort


def _write_study(
    found: "StudyRun", settings: "StudySettings", out: Path, groups: list[str] | None, samples: tuple[str, ...]
) -> None:
    """Write the tables and the figure of a comparison, and print what it comes to."""
    import pandas as pd

    from hexamer.report import draw_expression, write_table

    judged = [name for name in settings.methods if name in set(found.genes["method"])]
    reference = "elastic-net" if "elastic-net" in judged else judged[0]
    summary, differences = found.summary(), found.differences(reference)
    skipped = pd.DataFrame(found.skipped.items(), columns=["gene_id", "reason"])
    for name, table in (
        ("genes", pd.concat([found.genes.assign(reason=""), skipped], ignore_index=True)),
        ("summary", summary),
        ("differences", differences),
        ("across_genes", found.across),
    ):
        write_table(_shorter(table), out / f"{name}.tsv")
    write_table(_shorter(found.predictions), out / "predictions.parquet")
    if groups is not None:
        write_table(_shorter(found.by_group(groups, samples)), out / "groups.tsv")
    title = f"{found.genes['gene_id'].nunique()} genes in {len(samples)} people, held out"
    draw_expression(found.means(), out / "methods.png", reference=reference, title=title)
    typer.echo(summary.to_string(index=False, float_format=lambda x: f"{x:.3f}"))
    if len(differences):
        typer.echo(f"\nminus {reference}, gene by gene")
        typer.echo(differences.to_string(index=False, float_format=lambda x: f"{x:.3g}"))


def _learnt_from(models: Path) -> set[str]:
    """People that models were fitted on, by their manifest."""
    import json

    try:
        return set(json.loads((models / "manifest.json").read_text(encoding="utf-8"))["samples"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _settings(
    chosen: dict[str, Any],
    window: int,
    frequency: float,
    normalise: str,
    around: int,
    layers: str,
    pool: str,
    pairwise: float,
    steps: int,
) -> "StudySettings":
    from dataclasses import asdict, replace

    from hexamer.expression import HeadSettings, StudySettings
    from hexamer.manifest import make_settings

    features: dict[str, Any] = {
        "frequency": frequency,
        "window": around,
        "layers": [_number(text) for text in split_names(layers)],
        "pool": pool,
    }
    chosen = chosen | {"window": window, "frequency": frequency, "normalise": normalise, "features": features}
    chosen["head"] = {"pairwise": pairwise, "fit": asdict(replace(HeadSettings().fit, steps=steps))}
    return make_settings(StudySettings, chosen, "predict-expression")


def _load(settings: "StudySettings", model: str, device: str) -> Any:
    """Load the encoder where a method reads embeddings."""
    if not settings.wants_encoder:
        return None
    from hexamer.model import load_model

    return load_model(model, device=device)


def _shorter(table: "pd.DataFrame") -> "pd.DataFrame":
    """Write numbers with the digits of float32, whatever their size."""
    return table.astype({name: "float32" for name in table if table[name].dtype == "float64"})


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no whole number; a comma list such as 2,4,6 would work") from None


def _named_table(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise SettingsError(f"--predicted {text}: NAME=TABLE, such as enformer=enformer.tsv, would work")
    return name, Path(path)


def _say_skipped(skipped: dict[str, str]) -> None:
    from hexamer.errors import REASONS

    if skipped:
        say("not judged:")
    for reason, count in sorted(Counter(skipped.values()).items()):
        names = [gene for gene, why in skipped.items() if why == reason]
        told = ", ".join(names[:_MOST_NAMED]) + (", ..." if count > _MOST_NAMED else "")
        say(f"{count:>12,}  {reason:<20} {REASONS[reason]}: {told}")


def _say_haplotypes(counts: dict[str, int]) -> None:
    if not counts.get("haplotypes"):
        return
    say(
        f"{counts['haplotypes']:,} haplotypes in the encoder's windows, {counts['distinct']:,} of them distinct; "
        f"{counts.get('embedded', 0):,} embedded, {counts.get('recalled', 0):,} recalled from this run or another"
    )
    for name, what in (("unphased", "heterozygous calls had no phase"), ("missing_call", "calls are missing")):
        if counts.get(name):
            say(f"{counts[name]:,} {what}; counted once for each window")
