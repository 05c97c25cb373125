"""Scores of variants beside what is known of them: `evaluate-effects`."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say
from hexamer.cli.options import NegativeOption, PositiveOption, check_folder
from hexamer.cli.progress import counter
from hexamer.errors import REASONS, SettingsError

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer evaluate-effects calls.scored.tsv --labels clinvar.tsv --label-column pathogenic --out clinvar/",
        "hexamer evaluate-effects my.parquet -l mpra.tsv --effect-column log2 --other cadd=cadd.tsv.gz:PHRED -o mpra/",
    )
)
def evaluate_effects(
    scored: Annotated[Path, typer.Argument(help="What score-variants wrote: .vcf, .vcf.gz, .tsv or .parquet.")],
    labels: Annotated[Path, typer.Option("--labels", "-l", help="TSV, CSV, Parquet or VCF: what is known.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, figure and manifest.")],
    label_column: Annotated[str | None, typer.Option(help="Column or INFO key of labels, 1 and 0.")] = None,
    effect_column: Annotated[str | None, typer.Option(help="Column or INFO key of measured effects.")] = None,
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    score: Annotated[list[str] | None, typer.Option(help="Column of SCORED; by default all our scores.")] = None,
    other: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE:COLUMN", help="Score of others: indexed TSV or VCF, table; bigWig: NAME=FILE."),
    ] = None,
    sign: Annotated[
        list[str] | None, typer.Option(metavar="NAME=-1", help="Lower means more likely positive (llr: as it is).")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Column of --labels whose values are also evaluated apart; or kind.")
    ] = None,
    genome: Annotated[
        Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for the trinucleotide baseline.")
    ] = None,
    annotation: Annotated[
        Path | None, typer.Option(help="GTF or GFF3, to evaluate by element (CDS, intron, ...) too.")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Compare scores with labels, measured effects and severity (column consequence), and with scores of others."""
    from hexamer import effects
    from hexamer.manifest import describe_file, write_manifest

    signs, others = _signs(sign or []), _others(other or [])
    check_folder(out)
    groups, elements = group or [], ["element"] if annotation is not None else []
    columns = [name for name in dict.fromkeys(groups) if name not in ("kind", *elements)]
    words = {"positive": positive or [], "negative": negative or []}
    table = effects.read_labels(labels, label=label_column, effect=effect_column, columns=columns, **words)
    if "kind" in groups and "kind" not in table:
        table = effects.add_kinds(table)
    table = effects.join_scores(table, scored, scores=score)
    scores = score or [name for name in effects.SIGNS if name in table]
    table = _add_columns(table, genome, annotation, others)
    scores = [*scores, *others, *([effects.TRINUCLEOTIDE] if genome is not None else [])]
    with counter("estimates") as advance:
        found = effects.evaluate_effects(
            table,
            scores=scores,
            label=label_column,
            effect=effect_column,
            groups=list(dict.fromkeys([*groups, *elements])),
            signs=signs,
            resamples=resamples,
            seed=seed,
            advance=advance,
        )
    files = {"scored": scored, "labels": labels, "genome": genome, "annotation": annotation}
    inputs: dict[str, Any] = {name: describe_file(path) for name, path in files.items() if path is not None}
    inputs["others"] = {name: effects.describe_scores(path, column) for name, (path, column) in others.items()}
    write_effects(found, out, title=f"{scored.name}: {labels.name}")
    write_manifest(out / "manifest.json", **inputs, words=words, **found.manifest)
    say(f"wrote {out}")


def _add_columns(
    table: Any, genome: Path | None, annotation: Path | None, others: dict[str, tuple[Path, str | None]]
) -> Any:
    """Add the class of element, the scores of others and the trinucleotide baseline, where their files are given."""
    from hexamer import effects
    from hexamer.genome import Annotation, Genome

    with ExitStack() as stack:
        reference = stack.enter_context(Genome(genome)) if genome is not None else None
        if annotation is not None:
            table = effects.add_elements(table, Annotation(annotation, reference))
        for name, (path, column) in others.items():
            table = effects.add_scores(table, path, column, name=name)
        return effects.add_trinucleotides(table, reference) if reference is not None else table


def write_effects(found: Any, out: Path, *, title: str) -> None:
    """Show the evaluation, and write its tables and its figure into a folder."""
    from hexamer.effects import MISSING
    from hexamer.report import draw_effects, show_differences, show_effects, write_table

    typer.echo(show_effects(found.table))
    if differences := show_differences(_chief(found.differences)):
        typer.echo("\n" + differences)
    for name, reasons in found.manifest["missing"].items():
        for reason, count in reasons.items():
            say(f"{count:>12,}  without {name}: {reason}, {(REASONS | MISSING).get(reason, '')}".rstrip(", "))
    out.mkdir(exist_ok=True)
    write_table(found.table, out / "table.tsv")
    write_table(found.differences, out / "differences.tsv")
    for ending in ("png", "svg"):
        draw_effects(found.table, out / f"figure.{ending}", title=title)


def _chief(differences: Any) -> Any:
    """Differences to look at first: where a probability is evaluated its own, else all."""
    own = differences[(differences["score_a"] == "probability") & differences["metric"].isin(["auroc", "auprc"])]
    return own if len(own) else differences


def _signs(given: list[str]) -> dict[str, int]:
    """Signs by score, of NAME=-1 options."""
    found = {}
    for text in given:
        name, _, sign = text.rpartition("=")
        if not name or sign not in ("1", "+1", "-1"):
            raise SettingsError(f"--sign {text}: NAME=-1 or NAME=1 would work")
        found[name] = int(sign)
    return found


def _others(given: list[str]) -> dict[str, tuple[Path, str | None]]:
    """File and column by name, of NAME=FILE:COLUMN options; a bigWig has no column."""
    found: dict[str, tuple[Path, str | None]] = {}
    for text in given:
        name, _, place = text.partition("=")
        if not (name and place) or name in found:
            raise SettingsError(f"--other {text}: NAME=FILE:COLUMN would work, each NAME once")
        path, _, column = place.rpartition(":")
        found[name] = (Path(place), None) if Path(place).exists() or not path else (Path(path), column)
    return found
