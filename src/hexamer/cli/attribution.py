"""Which bases add to what a model says, and which motifs they look like: `attribute` and `find-motifs`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hexamer.cli.messages import examples, say
from hexamer.cli.options import DeviceOption, UnphasedOption, check_not_input
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
    from hexamer.interpretation import ScoredStretch, Stretch
    from hexamer.interpretation.answers import Model

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer attribute --genome hg38.fa --regions chr5:1,295,046-1,295,304 --out tert.tsv --figure tert.png",
        "hexamer attribute --fasta peaks.fa --model promoters/ --target promoter --out promoters.tsv",
    )
)
def attribute(
    out: TableOption,
    genome: OptionalGenomeOption = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: FastaOption = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    unphased: UnphasedOption = "error",
    model: Annotated[
        str, typer.Option("--model", "-m", help="hexamer-tiny, a folder of a model or of finetune, or a hub id.")
    ] = "hexamer-tiny",
    method: Annotated[str, typer.Option(help="integrated_gradients or gradient_x_input.")] = "integrated_gradients",
    target: Annotated[
        str | None, typer.Option(help="Output of a fine-tuned model; by default the most probable class.")
    ] = None,
    position: Annotated[
        int | None, typer.Option(help="Place on the contig, from 1: ask for this base's token, or output.")
    ] = None,
    baseline: Annotated[str, typer.Option(help="Where the path begins: mask, or mean of all 6-mers.")] = "mask",
    steps: Annotated[int, typer.Option(help="Of the path.")] = 50,
    figure: FigureOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Find what each base adds to what a model says.

    A row for each base; those of a region add up to the log likelihood (or the fine-tuned model's output) less that of
    a baseline. --figure draws the first region.
    """
    import pandas as pd

    from hexamer.interpretation import ScoredStretch, tabulate_scores
    from hexamer.interpretation import attribute as explain
    from hexamer.interpretation.attribution import check_attribution
    from hexamer.manifest import write_manifest
    from hexamer.report import check_figure_path, check_table_path, draw_attribution, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    sources = Sources(genome, regions, bed, fasta, people, person, unphased)
    sources.check()
    options: Any = {"method": method, "target": target, "baseline": baseline, "steps": steps}
    check_attribution(method, baseline, steps)
    asked, facts = _load(model, device)
    stretches = sources.read_stretches()
    tables: list[pd.DataFrame] = []
    sums: list[dict[str, Any]] = []
    with counter("bases") as advance:
        advance.expect(sum(len(each.sequence) for each in stretches))
        for each in stretches:
            found = explain(asked, each, offset=_offset(each, position), **options)
            tables.append(tabulate_scores(ScoredStretch(each, found.bases)))
            sums.append({"name": each.name, "value": found.value, "baseline": found.baseline, "rest": found.rest})
            advance(len(each.sequence))
    write_table(pd.concat(tables, ignore_index=True), out)
    write_manifest(
        out.with_name(out.name + ".manifest.json"),
        **facts, settings=options | {"position": position}, **sources.describe(), sums=sums,
    )  # fmt: skip
    if figure is not None:
        at = f", at {position:,}" if position is not None else ""
        draw_attribution(tables[0], figure, title=f"{stretches[0].name}, {Path(model).name}{at}")
        say(f"wrote {figure}")
    if method == "integrated_gradients":
        worst = max(sums, key=lambda each: abs(each["rest"]))
        say(
            f"what bases leave unexplained: at most {abs(worst['rest']):.2g} of "
            f"{abs(worst['value'] - worst['baseline']):.3g} ({worst['name']}); more --steps make it less"
        )
    say(f"wrote {out}: {sum(map(len, tables)):,} bases of {_count(len(tables), 'stretch', 'stretches')}")


@commands.command(
    epilog=examples(
        "hexamer find-motifs tert.tsv --motifs JASPAR2024_CORE_vertebrates.meme --out hits.tsv",
        "hexamer find-motifs dependencies.tsv --genome hg38.fa --motifs jaspar.pfm.txt.gz --out hits.tsv --nearest 1",
    )
)
def find_motifs(
    table: Annotated[
        Path, typer.Argument(help="Of attribute, saturation-mutagenesis (llr) or dependency-map: .tsv, .parquet.")
    ],
    motifs: Annotated[Path, typer.Option(help="Database: MEME's format or JASPAR's counts, plain or gzip.")],
    out: TableOption,
    level: Annotated[float, typer.Option(help="Highest p of a seqlet.")] = 0.05,
    flank: Annotated[int, typer.Option(help="Bases by which seqlets are widened on both sides.")] = 3,
    nearest: Annotated[int, typer.Option(help="Motifs that are told of each seqlet.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the random orders of bases.")] = 0,
    genome: Annotated[
        Path | None, typer.Option("--genome", "-g", help="FASTA that was looked into, for dependency maps.")
    ] = None,
    fasta: Annotated[Path | None, typer.Option(help="Or the sequences that were looked into.")] = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    unphased: UnphasedOption = "error",
) -> None:
    """Find motifs in the bases that matter.

    Seqlets are windows of bases that matter more (or, with a negative score, less) than bases in random order would;
    each comes with the motifs that it looks most like, good or bad: q says how good.
    """
    from hexamer.interpretation import find_motifs as find
    from hexamer.interpretation import read_motifs
    from hexamer.interpretation.motifs import FEW
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.report import check_table_path, write_table

    check_table_path(out)
    check_not_input(out, table, motifs)
    known = read_motifs(motifs)
    scored = _read_scored(table, Sources(genome, None, None, fasta, people, person, unphased))
    say(f"{len(known):,} motifs; the first time on a machine, what compares them is compiled for about a minute")
    hits = find(scored, known, level=level, flank=flank, nearest=nearest, seed=seed)
    write_table(hits, out)
    settings = {"level": level, "flank": flank, "nearest": nearest, "seed": seed}
    facts: dict[str, Any] = {"settings": settings, "table": describe_file(table), "motifs": describe_file(motifs)}
    facts |= Sources(genome, None, None, fasta, people, person, unphased).describe()
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
    if len(known) < FEW:
        say(f"{motifs}: {len(known)} motifs; p are sound from {FEW} on, such as a whole database")
    say(
        f"{_count(hits['seqlet'].nunique(), 'seqlet', 'seqlets')} in {_count(len(scored), 'stretch', 'stretches')}; "
        f"{hits.loc[hits['q'] < 0.05, 'seqlet'].nunique():,} look like one of {len(known):,} motifs (q below 0.05)"
    )
    say(f"wrote {out}")


def _load(name: str, device: str) -> "tuple[Model, dict[str, Any]]":
    """Load an encoder, or the fine-tuned model of a folder, and describe it for a manifest."""
    from hexamer.model import describe_model, load_model
    from hexamer.training import load_predictor
    from hexamer.training.predictor import PREDICTOR

    if (Path(name) / PREDICTOR).exists():
        predictor = load_predictor(name, device=device)
        return predictor, {"predictor": name, "model": describe_model(predictor.encoder)}
    encoder = load_model(name, device=device)
    return encoder, {"model": describe_model(encoder)}


def _offset(stretch: "Stretch", position: int | None) -> int | None:
    """Find which base of a stretch lies at a place of the contig, from 1."""
    if position is None:
        return None
    found = (stretch.places == position - 1).nonzero()[0]
    if not len(found):
        known = stretch.places[stretch.places >= 0]
        would = f"{known.min() + 1:,} to {known.max() + 1:,}" if len(known) else "another region"
        raise SettingsError(f"--position {position:,} is not in {stretch.name}; {would} would work")
    return int(found[0])


def _read_scored(table: Path, sources: Sources) -> "list[ScoredStretch]":
    from hexamer.interpretation import read_scores

    if sources.genome is None and sources.fasta is None:
        if sources.people is not None or sources.person is not None:
            raise SettingsError("--people and --person need --genome; all three, or none, would work")
        return read_scores(table)
    with sources.open_genome() as source:
        return read_scores(table, source)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
