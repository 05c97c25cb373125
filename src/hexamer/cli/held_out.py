"""What an encoder makes of held-out sequence: `evaluate-lm`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say
from hexamer.cli.options import DeviceOption
from hexamer.cli.progress import counter
from hexamer.errors import SettingsError

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer evaluate-lm hexamer-tiny --corpus runs/hexamer-tiny/corpus",
        "hexamer evaluate-lm runs/mine/model -c runs/mine/corpus --annotation yeast=my.gtf -o lm.tsv --figure lm.png",
    )
)
def evaluate_lm(
    model: Annotated[str, typer.Argument(help="hexamer-tiny, a model folder, or a hub id.")],
    corpus: Annotated[Path, typer.Option("--corpus", "-c", help="Corpus folder; its held-out regions are read.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Table to write, .parquet or .tsv.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Figure to write, .png or .svg.")] = None,
    annotation: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="GTF or GFF3 of a genome, for rows by class of element; repeatable."),
    ] = None,
    variants: Annotated[
        Path | None, typer.Option(help="Phased VCF or BCF, for SNP perplexity by frequency; needs --genome.")
    ] = None,
    genome: Annotated[Path | None, typer.Option("--genome", "-g", help="Reference FASTA of --variants.")] = None,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Also the share of held-out 60-mers that training has seen.")
    ] = False,
    windows: Annotated[int, typer.Option(help="Held-out windows per genome, at most; SNPs per frequency.")] = 100,
    tokens: Annotated[int | None, typer.Option(help="Tokens of a window; by default all that the model reads.")] = None,
    masking: Annotated[
        str, typer.Option(help="random, as in training, or central: the middle token alone.")
    ] = "random",
    seed: Annotated[int, typer.Option(help="Of the masks.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Restore masked tokens of held-out sequence.

    Losses stand beside those of token frequencies and Markov chains, in nats per token.
    """
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.tokens import Corpus
    from hexamer.training import evaluate_lm as evaluate
    from hexamer.training import judge_held_out

    files = _named_files(annotation or [])
    _check_outputs(out, figure)
    snps = _named_snps(variants, genome)
    read = Corpus(corpus)
    if snps:
        _check_snps(read, *snps)
    encoder = load_model(model, device=device)
    learnt_from, warning = judge_held_out(model, encoder.source, read)
    if warning:
        say(warning)
    length = encoder.config.max_tokens if tokens is None else tokens
    options: dict[str, Any] = {"windows": windows, "tokens": length, "seed": seed}
    # Before the long work: what is wrong with single records is met here.
    drawn = _draw_snps(encoder, read, *snps, options) if snps else []
    given: dict[str, Any] = {**options, "masking": masking, "annotations": files}
    with counter("windows") as advance:
        table = evaluate(encoder, read, **given, expect=advance.expect, advance=advance)
    # Each table is written as soon as it is made: what comes after it may fail.
    _tell_evaluation(table, encoder.tokenizer.k, out, figure, title=model)
    if first := out or figure:
        inputs = {name: [describe_file(path) for path in paths] for name, paths in files.items()}
        facts = {"model": describe_model(encoder), "corpus": describe_file(corpus / "corpus.json"), **options}
        facts |= {"masking": masking, "annotations": inputs}
        facts |= {"held_out": {"corpus_digest": read.digest, "model_learnt_from": learnt_from}}
        facts |= {"variants": describe_file(snps[0]), "genome": describe_file(snps[1])} if snps else {}
        write_manifest(first.with_name(first.name + ".manifest.json"), **facts)
    if snps:
        _tell_table(_ask_snps(encoder, read, *snps, drawn, seed), out, "snps")
    if duplicates:
        _tell_table(_measure_overlap(read), out, "duplicates")


def _check_outputs(out: Path | None, figure: Path | None) -> None:
    """Raise OutputError, before any work is done, if the table or the figure cannot be written."""
    from hexamer.report import check_figure_path, check_table_path

    if out is not None:
        check_table_path(out)
    if figure is not None:
        check_figure_path(figure)


def _tell_evaluation(table: Any, k: int, out: Path | None, figure: Path | None, *, title: str) -> None:
    """Show the losses, and write them as a table and as a figure."""
    from hexamer.report import draw_evaluation, explain_evaluation, show_evaluation

    typer.echo(show_evaluation(table))
    say(explain_evaluation(table, k=k))
    _write(table, out)
    if figure is not None:
        draw_evaluation(table, figure, title=title, k=k)
        say(f"wrote {figure}")


def _tell_table(table: Any, out: Path | None, name: str) -> None:
    """Show one more table, and write it beside the first."""
    typer.echo("\n" + table.to_string(index=False, float_format="{:.4f}".format))
    _write(table, out.with_name(f"{out.stem}.{name}{out.suffix}") if out is not None else None)


def _write(table: Any, path: Path | None) -> None:
    from hexamer.report import write_table

    if path is not None:
        write_table(table, path)
        say(f"wrote {path}")


def _named_files(given: list[str]) -> dict[str, list[str]]:
    """Files by name, of NAME=FILE options; a name may come several times."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not (name.strip() and path):
            raise SettingsError(f"--annotation {text}: NAME=FILE would work, where NAME is a genome of the corpus")
        found.setdefault(name.strip(), []).append(path)
    return found


def _named_snps(variants: Path | None, genome: Path | None) -> tuple[Path, Path] | None:
    """Variants and the genome that they were called on, if both are given; SettingsError if only one is."""
    if (variants is None) != (genome is None):
        raise SettingsError("--variants FILE and --genome FASTA belong together: the genome that they were called on")
    return (variants, genome) if variants is not None and genome is not None else None


def _check_snps(corpus: Any, variants: Path, genome: Path) -> None:
    """Raise VariantError, before any work is done, if a file has no SNP perplexity for this corpus."""
    from hexamer.genome import Genome
    from hexamer.training import check_variants, held_out_regions

    with Genome(genome) as reference:
        check_variants(variants, reference, held_out_regions(corpus, reference)[1])


def _draw_snps(encoder: Any, corpus: Any, variants: Path, genome: Path, options: dict[str, Any]) -> Any:
    """Windows at SNPs in the held-out regions of the corpus that lie on a genome."""
    from hexamer.genome import Genome
    from hexamer.training import draw_snp_windows, held_out_regions

    given = {"tokens": options["tokens"], "snps": options["windows"], "seed": options["seed"]}
    with Genome(genome) as reference, counter("records") as advance:
        regions = held_out_regions(corpus, reference)[1]
        return draw_snp_windows(encoder, reference, variants, regions, **given, advance=advance)


def _ask_snps(encoder: Any, corpus: Any, variants: Path, genome: Path, drawn: Any, seed: int) -> Any:
    """SNP perplexity at these windows; says which frequencies have none."""
    from hexamer.genome import Genome
    from hexamer.training import ask_snp_windows, fit_baselines, held_out_regions
    from hexamer.training.snp_windows import FREQUENCIES

    with Genome(genome) as reference:
        name, _ = held_out_regions(corpus, reference)
    baselines = fit_baselines(encoder.tokenizer, corpus)[name]
    with counter("windows") as advance:
        advance.expect(2 * sum(len(one.alternate) for one in drawn))
        table = ask_snp_windows(encoder, drawn, seed=seed, baselines=baselines, advance=advance)
    if missing := [f"{one:.0%}" for one in FREQUENCIES if one not in {found.frequency for found in drawn}]:
        say(
            f"no SNP near {', '.join(missing)} with a whole window in the held-out regions; frequencies are counted "
            f"from the genotypes of {variants}"
        )
    return table


def _measure_overlap(corpus: Any) -> Any:
    """Share of the held-out 60-mers that training has seen."""
    from hexamer.training import measure_overlap

    with counter("bases") as advance:
        return measure_overlap(corpus, expect=advance.expect, advance=advance)
