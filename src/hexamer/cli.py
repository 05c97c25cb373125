"""The command line: one small function per command, over the public function of the same name.

Nothing here computes. Heavy parts (torch, pandas) are imported inside the commands, so that `--help` and mistakes in
options answer at once. A `HexamerError` becomes one line and exit code 2; any other crash one line and exit code 1,
with the traceback when HEXAMER_TRACEBACK is set.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.errors import REASONS, HexamerError, OutputError, SettingsError

app = typer.Typer(
    name="hexamer",
    help="DNA as 6-mers: embeddings, variant scores and pre-training with Nucleotide Transformers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

SIZES = (
    "tiny",
    "nucleotide-transformer-500m-human-ref",
    "nucleotide-transformer-500m-1000g",
    "nucleotide-transformer-2.5b-1000g",
    "nucleotide-transformer-2.5b-multi-species",
    "nucleotide-transformer-v2-50m-multi-species",
    "nucleotide-transformer-v2-100m-multi-species",
    "nucleotide-transformer-v2-250m-multi-species",
    "nucleotide-transformer-v2-500m-multi-species",
    "nucleotide-transformer-v2-50m-3mer-multi-species",
    "agro-nucleotide-transformer-1b",
)
"""Those of `hexamer.model`, which a help page does not wait for."""

ModelOption = Annotated[str, typer.Option("--model", "-m", help="hexamer-tiny, a model folder, or a hub id.")]
GenomeOption = Annotated[Path, typer.Option("--genome", "-g", help="Reference FASTA: plain, gzip or bgzip.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")]
BudgetOption = Annotated[
    int | None, typer.Option(help="Tokens that go through the encoder at a time; by default what suits the device.")
]
HoldOutOption = Annotated[
    list[str] | None,
    typer.Option(help="Contig or region (chr1:1-5,000, from 1, end included); repeatable."),
]
PrecisionOption = Annotated[
    Any, typer.Option(metavar="TEXT", parser=str, help="exact (float32), or fast (products in bfloat16).")
]


def _examples(*lines: str) -> str:
    r"""Two commands that can be pasted, as the end of a help page (\b keeps their line ends)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _is_first() -> bool:
    """Whether this is the first of torchrun's processes, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _say_once(text: str) -> None:
    """Say what every process of torchrun would say: the first prints it, the others leave it for torchrun's report."""
    if _is_first():
        _say(text)
    elif report := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        message = {"message": text, "extraInfo": {"timestamp": int(time.time())}}
        Path(report).write_text(json.dumps({"message": message}))


class _Count:
    """One count on stderr; told beforehand how many there will be, it shows what is left too."""

    def __init__(self, bar: Any, task: Any, kind: str) -> None:
        self.bar, self.task, self.kind = bar, task, kind

    def expect(self, total: int) -> None:
        self.bar.update(self.task, total=total)

    def __call__(self, count: int) -> None:
        state = self.bar.tasks[self.task]
        if not state.started:
            self.bar.start_task(self.task)
        self.bar.advance(self.task, count)
        told = _tell_count(self.kind, state.completed, state.total, state.elapsed or 0.0)
        self.bar.update(self.task, description=told, visible=True)


def _tell_count(kind: str, done: float, total: float | None, seconds: float) -> str:
    """Say how many of a kind are done, of how many, how fast, and how long the rest takes."""
    scale, unit = (1e6, "Mb") if kind == "bases" else (1.0, kind)
    form = "{:,.1f}" if unit == "Mb" else "{:,.0f}"
    said = form.format(done / scale) + (f" of {form.format(total / scale)}" if total else "") + f" {unit}"
    if not (seconds and done):
        return said
    said += f"  {done / scale / seconds:,.1f} {unit}/s"
    left = seconds * ((total or 0) / done - 1)
    return said + (f"  {left:.0f} s left" if 0 < left < 90 else f"  {left / 60:.0f} min left" if left > 0 else "")


@contextmanager
def _counter(what: str) -> Iterator[_Count]:
    """Count and speed on stderr."""
    with _counters(what) as (advance,):
        yield advance


@contextmanager
def _counters(*kinds: str) -> Iterator[list[_Count]]:
    """Several counts, each shown and timed from its first number on."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = [
            bar.add_task(_tell_count(kind, 0, None, 0), total=None, start=i == 0, visible=i == 0)
            for i, kind in enumerate(kinds)
        ]
        yield [_Count(bar, task, kind) for task, kind in zip(tasks, kinds, strict=True)]


@app.command(
    epilog=_examples(
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
    model: ModelOption = "hexamer-tiny",
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
        Path | None, typer.Option(help="From hexamer calibrate: adds percentiles of llr among random changes.")
    ] = None,
    annotation: Annotated[
        Path | None, typer.Option(help="GTF or GFF3, where the background was made with one.")
    ] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only this share of the records; see merge.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run that was stopped left off.")] = False,
    token_budget: BudgetOption = None,
    precision: PrecisionOption = "exact",
    device: DeviceOption = "auto",
) -> None:
    """Score the variants of a file; every record comes back, with scores or with a reason."""
    from hexamer.effects import (
        Background,
        ScoreSettings,
        Shard,
        VariantClassifier,
        annotate_variants,
        check_variants_path,
        is_classifier,
    )
    from hexamer.genome import Annotation, Genome
    from hexamer.manifest import make_settings
    from hexamer.model import load_model

    names = tuple(name.strip() for name in scores.split(","))
    table = {
        "scores": names,
        "window": window,
        "layer": layer,
        "pool": pool,
        "anchor": anchor,
        "phases": phases,
        "strands": strands,
        "token_budget": token_budget,
    }
    settings = make_settings(ScoreSettings, table, "score-variants")
    check_variants_path(out)
    part = Shard.parse(shard) if shard is not None else None
    with Genome(genome) as reference:
        classifier = VariantClassifier.load(model) if is_classifier(model) else None
        encoder = load_model(classifier.encoder["source"] if classifier else model, device=device, precision=precision)
        companions: list[Any] = [classifier] if classifier else []
        if background is not None:
            elements = Annotation(annotation, reference) if annotation is not None else None
            companions.append(Background.load(background, elements))
        choice: dict[str, Any] = {"regions": regions or (), "shard": part, "resume": resume, "companions": companions}
        try:
            with _counter("variants") as advance:
                summary = annotate_variants(
                    encoder, reference, variants, out, settings=settings, advance=advance, **choice
                )
        except KeyboardInterrupt:
            if out.with_name(out.name + ".partial").exists():
                _say(f"{out}.partial keeps the scores so far; --resume goes on")
            raise
    _tell_summary(summary, out, ", ".join(names))


def _tell_summary(summary: Any, out: Path, scored: str) -> None:
    """Say what became of all alleles, and what was written."""
    _say(f"{summary.records:,} records, {summary.alleles:,} alternate alleles, {summary.forwards}")
    if summary.kept:
        _say(f"{summary.kept:,} of the records had been scored by an earlier run")
    for reason, count in summary.reasons.most_common():
        _say(f"{count:>12,}  {reason or 'scored':<16} {REASONS.get(reason, scored)}")
    if out.name.endswith((".vcf.gz", ".bcf")) and not summary.indexed:
        _say(f"{out}: not indexed; an index wants sorted records (bcftools sort)")
    if str(out) != "-":
        _say(f"wrote {out}")


@app.command(
    epilog=_examples(
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


@app.command(
    epilog=_examples(
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
    sites: Annotated[int, typer.Option(help="6-mers, of which all 18 SNVs are scored.")] = 3000,
    indels: Annotated[int, typer.Option(help="Insertions and deletions of each class of length, each.")] = 150,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    window: Annotated[int, typer.Option(help="As for score-variants.")] = 6000,
    phases: Annotated[int, typer.Option(help="As for score-variants.")] = 2,
    strands: Annotated[str, typer.Option(help="As for score-variants.")] = "both",
    anchor: Annotated[str, typer.Option(help="As for score-variants.")] = "grid",
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
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist")
    with Genome(genome) as reference:
        elements = Annotation(annotation, reference) if annotation is not None else None
        encoder = load_model(model, device=device, precision=precision)
        with _counter("changes") as advance:
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
    _say(f"{sum(map(len, found.groups.values())):,} random changes in {len(found.groups)} groups")
    if small:
        _say(f"{len(small)} groups have fewer than 100 and give no percentile: {', '.join(sorted(small)[:8])}")
    _say(f"wrote {out}")


@app.command(
    epilog=_examples(
        "hexamer train-variants clinvar.tsv -g hg38.fa --label-column significance --positive Pathogenic -o clinvar/",
        "hexamer train-variants mpra.vcf.gz -g hg38.fa --label-column ACTIVE --folds block -o mpra/",
    )
)
def train_variants(
    labels: Annotated[Path, typer.Argument(help="TSV, CSV, Parquet or VCF: chrom, pos, ref, alt and a label.")],
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the classifier and its evaluation.")],
    label_column: Annotated[str, typer.Option(help="Column or INFO key of labels, 1 and 0.")] = "label",
    positive: Annotated[list[str] | None, typer.Option(help="Word of the label column that means 1.")] = None,
    negative: Annotated[list[str] | None, typer.Option(help="Word that means 0; by default all others.")] = None,
    folds: Annotated[str, typer.Option(help="contig, block (of 1 Mb), or a column of LABELS.")] = "contig",
    count: Annotated[int, typer.Option(help="Folds, of contigs or blocks.")] = 5,
    features: Annotated[
        str, typer.Option(help="Comma list of scores,difference,reference.")
    ] = "scores,difference,reference",
    model: ModelOption = "hexamer-tiny",
    layer: Annotated[int, typer.Option(help="Layer of the embeddings; -1 is the last.")] = -1,
    window: Annotated[int, typer.Option(help="As for score-variants.")] = 6000,
    phases: Annotated[int, typer.Option(help="As for score-variants.")] = 2,
    strands: Annotated[str, typer.Option(help="As for score-variants.")] = "both",
    token_budget: BudgetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train a classifier of variants on labels."""
    from hexamer import effects
    from hexamer.genome import Genome
    from hexamer.manifest import describe_file, make_settings, write_manifest
    from hexamer.model import load_model
    from hexamer.report import write_table

    reading = {"window": window, "phases": phases, "strands": strands, "layer": layer, "token_budget": token_budget}
    chosen = {"features": tuple(name.strip() for name in features.split(",")), "scores": reading}
    settings = make_settings(effects.ClassifierSettings, chosen, "train-variants")
    _check_folder(out)
    table = effects.read_labels(labels, label=label_column, positive=positive or [], negative=negative or [])
    with Genome(genome) as reference:
        encoder = load_model(model, device=device)
        with _counter("variants") as advance:
            trained = effects.train_variants(
                encoder,
                reference,
                table,
                label=label_column,
                folds=folds,
                count=count,
                settings=settings,
                advance=advance,
            )
    shown = ["probability", "llr", *(n for n in map(str, trained.table) if n.startswith(("only ", "without ")))]
    with _counter("estimates") as advance:
        found = effects.evaluate_effects(
            trained.table, scores=shown, label=label_column, signs={"llr": -1}, advance=advance
        )
    _write_effects(found, out, title=f"{labels.name}, out of fold")
    write_table(trained.table, out / "out_of_fold.tsv")
    trained.classifier.save(out)
    inputs = {"labels": describe_file(labels), "genome": describe_file(genome)}
    facts = {"settings": settings, "folds": folds, "penalty": trained.penalty, "encoder": trained.classifier.encoder}
    write_manifest(out / "manifest.json", **inputs, **facts, evaluation=found.manifest)
    _say(f"wrote {out}; score-variants --model {out} uses it")


@app.command(
    epilog=_examples(
        "hexamer embed promoters.fa --out promoters.h5ad",
        "hexamer embed peaks.bed --genome hg38.fa --out peaks.parquet --layer 4 --pool max",
    )
)
def embed(
    sequences: Annotated[
        Path, typer.Argument(metavar="INPUT", help="FASTA (plain, gzip, bgzip), or BED with --genome.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help=".h5ad or .parquet.")],
    genome: Annotated[Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for BED.")] = None,
    model: ModelOption = "hexamer-tiny",
    layer: Annotated[int, typer.Option(help="0 (token embedding) to the number of blocks; -1 is the last.")] = -1,
    pool: Annotated[
        Any, typer.Option(metavar="TEXT", parser=str, help="mean, max, cls, or none (one row per token).")
    ] = "mean",
    token_budget: BudgetOption = None,
    precision: PrecisionOption = "exact",
    device: DeviceOption = "auto",
) -> None:
    """Turn sequences or genomic intervals into vectors."""
    from hexamer.embeddings import check_budget, check_embeddings_path
    from hexamer.embeddings import embed as embed_sequences
    from hexamer.embeddings.pooling import check_pool
    from hexamer.embeddings.store import write_embeddings
    from hexamer.genome import Genome, read_intervals, read_sequences
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model

    check_embeddings_path(out)
    check_pool(pool)
    check_budget(token_budget)
    is_bed = sequences.name.removesuffix(".gz").endswith((".bed", ".narrowPeak", ".broadPeak"))
    if is_bed and genome is None:
        raise SettingsError(f"{sequences}: intervals need a genome; --genome FASTA would work")
    reference = Genome(genome) if genome is not None else None
    items: Any = read_intervals(sequences) if is_bed else read_sequences(sequences)
    encoder = load_model(model, device=device, precision=precision)
    with _counter("sequences") as advance:
        found = embed_sequences(
            encoder,
            _count(items, advance),
            reference,
            layer=layer,
            pool=pool,
            token_budget=token_budget,
        )
    write_embeddings(out, found)
    facts = {"model": describe_model(encoder), "settings": found.uns["hexamer"], "input": describe_file(sequences)}
    facts |= {"genome": describe_file(genome)} if genome is not None else {}
    facts |= {"reasons": {reason or "embedded": int(n) for reason, n in found.obs["reason"].value_counts().items()}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, rows=found.n_obs)
    _say(f"{found.n_obs:,} vectors of {found.n_vars} components (layer {found.uns['hexamer']['layer']}, {pool})")
    for reason, count in found.obs["reason"].value_counts().items():
        if reason:
            _say(f"{count:>12,}  {reason:<16} {REASONS[reason]}")
    if "n" in found.obs and (unknown := int(found.obs["n"].sum())):
        _say(f"{unknown:>12,}  letters other than A, C, G, T, read as N")
    _say(f"wrote {out}")


def _count(items: Any, advance: Callable[[int], None]) -> Iterator[Any]:
    for item in items:
        yield item
        advance(1)


@app.command(
    epilog="\b\nSizes:\n"
    + "\n".join(f"  {name}" for name in SIZES)
    + "\n\n"
    + _examples(
        "hexamer pretrain recipes/first-try.toml --out runs/first",
        "hexamer pretrain --genome yeast.fa.gz fly.fa.gz --hold-out chrIV --out runs/quick --max-steps 200",
    )
)
def pretrain(
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="RECIPE", help="TOML recipe; options replace its values.")
    ] = None,
    genome: Annotated[
        list[str] | None,
        typer.Option("--genome", "-g", metavar="FASTA ...", help="FASTA files in place of a recipe's genomes."),
    ] = None,
    hold_out: HoldOutOption = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Folder of the run; a recipe's by default.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Named size of the encoder, as listed below; a recipe's, or tiny.")
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            help="Optimiser steps; a recipe's, or 1000. A recipe's warm-up and cooldown are shortened if need be."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, windows and masks; a recipe's, or 0.")] = None,
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Begin with this model's weights; all else begins anew."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, whose settings need not be given again.")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Train an encoder on genomes, by masked tokens.

    The run writes into --out: corpus/, settings.toml, log.jsonl, checkpoints/, and at its end model/, manifest.json and
    loss.png. Ctrl-C ends it after its step, with a checkpoint; a second one at once.
    """
    from hexamer.manifest import make_settings
    from hexamer.training import PretrainConfig
    from hexamer.training import pretrain as train
    from hexamer.training.recipe import SETTINGS, find_model, read_recipe

    given: dict[str, Any] = {"out": out, "size": size, "max_steps": max_steps, "seed": seed}
    # A recipe's paths start at its folder, those of the command line here.
    given["start_from"] = find_model(start_from, Path()) if start_from else None
    # `--genome a.fa b.fa`: what follows the first file arrives as an argument.
    recipes = [path for path in inputs or [] if path.suffix == ".toml" or not genome]
    files = [*(genome or []), *(str(path) for path in inputs or [] if path not in recipes)]
    if resume and out and not (recipes or files):
        recipes = [Path(out) / SETTINGS]
        if not recipes[0].exists():
            raise OutputError(f"{out}: holds no run to resume (no {SETTINGS}); without --resume one would begin there")
    if len(recipes) > 1 or not (recipes or (files and out)):
        raise SettingsError("pretrain: one TOML recipe, or --genome FASTA with --out FOLDER, would work")
    if files:
        given["genomes"] = _sources(files, hold_out or [])
    elif hold_out:
        raise SettingsError("--hold-out belongs to --genome; in a recipe, hold_out stands under [[genomes]]")
    if recipes:
        config, note = read_recipe(recipes[0], **given)
        if note and _is_first():
            _say(note)
    else:
        config = make_settings(PretrainConfig, {k: v for k, v in given.items() if v is not None}, "pretrain")
    base = recipes[0].parent if recipes and not files else Path()
    train(config, resume=resume, relative_to=base, device=device)
    if _is_first():  # torchrun's other processes have nothing to add
        _end_run(Path(config.out), config.starting_at(base).corpus)


def _end_run(out: Path, corpus: str) -> None:
    """Draw the losses of a run that has ended, and say what it has come to and what may come next."""
    from hexamer.report import draw_training
    from hexamer.training.journal import read_log, summarise

    records = read_log(out / "log.jsonl")
    draw_training(records, out / "loss.png", title=str(out))
    _say(summarise(records))
    _say(f"wrote {out}/model and {out}/loss.png")
    if any("held_out" in record for record in records):
        _say(f"next: {shlex.join(['hexamer', 'evaluate-lm', f'{out}/model', '--corpus', corpus or f'{out}/corpus'])}")
    else:
        _say("nothing was held out: hold_out (or --hold-out) in another run would show whether it learns")


def _sources(files: list[str], hold_out: list[str]) -> list[dict[str, Any]]:
    """One corpus entry per FASTA file; a held-out region belongs to each file that has its contig."""
    from hexamer.genome import Genome
    from hexamer.tokens import has_region

    sources, unknown = [], set(hold_out)
    if hold_out and (missing := [file for file in files if not Path(file).exists()]):
        raise _no_files(missing, hold_out)
    for file in files:
        with Genome(file) as genome:
            own = [region for region in hold_out if has_region(genome, region)]
        unknown -= set(own)
        sources.append({"fasta": file, "hold_out": own})
    if unknown:
        raise SettingsError(f"--hold-out {', '.join(sorted(unknown))}: no such contig in {', '.join(files)}")
    return sources


def _no_files(missing: list[str], hold_out: list[str]) -> SettingsError:
    """Say what is wrong with `--hold-out a b`, whose second word arrives as a file."""
    options = " ".join(f"--hold-out {region}" for region in [*hold_out, *missing])
    return SettingsError(f"{', '.join(missing)}: no such file; if it is to be held out too, {options} would work")


@app.command(
    epilog=_examples(
        "hexamer build-corpus recipes/hexamer-tiny.toml --out runs/corpus",
        "hexamer build-corpus species.tsv --out /scratch/corpus",
    )
)
def build_corpus(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="RECIPE | MANIFEST | FASTA ...", help="TOML recipe, TSV of genomes, or FASTA files."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the corpus.")],
    hold_out: HoldOutOption = None,
    variants: Annotated[
        list[str] | None, typer.Option(help="Phased VCF or BCF of a population, of a single FASTA; repeatable.")
    ] = None,
) -> None:
    """Write genomes as a memory-mapped corpus.

    A table says what it holds. A genome of a FASTA file is named after the file, up to the first dot. A folder that
    holds another corpus is refused.
    """
    from hexamer.manifest import make_settings
    from hexamer.report import explain_corpus, show_corpus
    from hexamer.tokens import build_corpus as build
    from hexamer.tokens import find_corpus, read_sources
    from hexamer.training import PretrainConfig
    from hexamer.training.recipe import read_recipe

    first = inputs[0]
    is_table = first.suffix in (".toml", ".tsv")
    if is_table and (len(inputs) > 1 or hold_out or variants):
        raise SettingsError(f"{first}: one recipe or manifest by itself, or FASTA files with options, would work")
    if first.suffix == ".toml":
        genomes = read_recipe(first, out="corpus")[0].starting_at(first.parent).sources()
    elif first.suffix == ".tsv":
        genomes = read_sources(first)
    else:
        sources = _sources([str(path) for path in inputs], hold_out or [])
        if variants and len(sources) > 1:
            raise SettingsError("--variants belongs to a single FASTA; a manifest names variants for each genome")
        given = {"out": "corpus", "genomes": [source | {"variants": variants or ()} for source in sources]}
        genomes = make_settings(PretrainConfig, given, "build-corpus").genomes
    corpus = find_corpus(genomes, out)
    said = f"{out} holds this corpus already: nothing to do" if corpus else f"wrote {out}"
    if corpus is None:
        # Records of variant files are read before any base: there a count of them stands in the first line.
        kinds = ("records", "bases") if any(source.variant_files for source in genomes) else ("bases",)
        with _counters(*kinds) as counts:
            bases, records = counts[-1], counts[0]
            corpus = build(genomes, out, replace=True, expect=bases.expect, advance=bases, advance_records=records)
    typer.echo(show_corpus(corpus))
    _say(explain_corpus(corpus))
    _say(said)


@app.command(
    epilog=_examples(
        "hexamer export-checkpoint runs/mine/checkpoints/best --out my-model",
        "hexamer export-checkpoint runs/mine/checkpoints/step-00001000 --out my-model",
    )
)
def export_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a run, of one process or sharded.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model folder to write.")],
) -> None:
    """Make a model folder of a training checkpoint.

    It has the hub's layout. The end of a run makes one by itself, `model/`, of the last step.
    """
    from hexamer.training import export_checkpoint as export

    export(checkpoint, out)
    _say(f"wrote {out}")


@app.command(
    epilog=_examples(
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
    from typing import cast

    from hexamer.genome import Genome
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import (
        check_figure_path,
        check_table_path,
        draw_evaluation,
        explain_evaluation,
        show_evaluation,
        write_table,
    )
    from hexamer.tokens import Corpus
    from hexamer.training import check_variants, held_out_regions, judge_held_out, measure_overlap
    from hexamer.training import evaluate_lm as evaluate
    from hexamer.training.reconstruction import MaskingKind

    files = _named_files(annotation or [])
    if out is not None:
        check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    if (variants is None) != (genome is None):
        raise SettingsError("--variants FILE and --genome FASTA belong together: the genome that they were called on")
    read = Corpus(corpus)
    if variants is not None and genome is not None:
        with Genome(genome) as reference:
            check_variants(variants, reference, held_out_regions(read, reference)[1])
    encoder = load_model(model, device=device)
    learnt_from, warning = judge_held_out(model, encoder.source, read)
    if warning:
        _say(warning)
    length = encoder.config.max_tokens if tokens is None else tokens
    options: dict[str, Any] = {"windows": windows, "tokens": length, "seed": seed}
    # Before the long work: what is wrong with single records is met here.
    drawn = _draw_snps(encoder, read, variants, genome, options) if variants and genome else []

    def finish(table: Any, name: str = "") -> None:
        """Write a table as soon as it is made: what comes after it may fail."""
        typer.echo(
            "\n" + table.to_string(index=False, float_format="{:.4f}".format) if name else show_evaluation(table)
        )
        if not name:
            _say(explain_evaluation(table, k=encoder.tokenizer.k))
        if out is not None:
            path = out.with_name(f"{out.stem}.{name}{out.suffix}") if name else out
            write_table(table, path)
            _say(f"wrote {path}")

    with _counter("windows") as advance:
        kind = cast(MaskingKind, masking)
        given = {**options, "masking": kind, "annotations": files}
        table = evaluate(encoder, read, **given, expect=advance.expect, advance=advance)
    finish(table)
    if figure is not None:
        draw_evaluation(table, figure, title=model, k=encoder.tokenizer.k)
        _say(f"wrote {figure}")
    if first := out or figure:
        inputs = {name: [describe_file(path) for path in paths] for name, paths in files.items()}
        facts = {"model": describe_model(encoder), "corpus": describe_file(corpus / "corpus.json"), **options}
        facts |= {"masking": masking, "annotations": inputs}
        facts |= {"held_out": {"corpus_digest": read.digest, "model_learnt_from": learnt_from}}
        facts |= {"variants": describe_file(variants), "genome": describe_file(genome)} if variants and genome else {}
        write_manifest(first.with_name(first.name + ".manifest.json"), **facts)
    if variants is not None and genome is not None:
        finish(_ask_snps(encoder, read, variants, genome, drawn, seed), "snps")
    if duplicates:
        with _counter("bases") as advance:
            table = measure_overlap(read, expect=advance.expect, advance=advance)
        finish(table, "duplicates")


def _named_files(given: list[str]) -> dict[str, list[str]]:
    """Files by name, of NAME=FILE options; a name may come several times."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not (name.strip() and path):
            raise SettingsError(f"--annotation {text}: NAME=FILE would work, where NAME is a genome of the corpus")
        found.setdefault(name.strip(), []).append(path)
    return found


def _draw_snps(encoder: Any, corpus: Any, variants: Path, genome: Path, options: dict[str, Any]) -> Any:
    """Windows at SNPs in the held-out regions of the corpus that lie on a genome."""
    from hexamer.genome import Genome
    from hexamer.training import draw_snp_windows, held_out_regions

    given = {"tokens": options["tokens"], "snps": options["windows"], "seed": options["seed"]}
    with Genome(genome) as reference, _counter("records") as advance:
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
    with _counter("windows") as advance:
        advance.expect(2 * sum(len(one.alternate) for one in drawn))
        table = ask_snp_windows(encoder, drawn, seed=seed, baselines=baselines, advance=advance)
    if missing := [f"{one:.0%}" for one in FREQUENCIES if one not in {found.frequency for found in drawn}]:
        _say(
            f"no SNP near {', '.join(missing)} with a whole window in the held-out regions; frequencies are counted "
            f"from the genotypes of {variants}"
        )
    return table


@app.command(
    epilog=_examples(
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
    positive: Annotated[list[str] | None, typer.Option(help="Word of the label column that means 1.")] = None,
    negative: Annotated[list[str] | None, typer.Option(help="Word that means 0; by default all others.")] = None,
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
    from hexamer.genome import Annotation, Genome
    from hexamer.manifest import describe_file, write_manifest

    signs, others = _signs(sign or []), _others(other or [])
    _check_folder(out)
    groups = list(dict.fromkeys(group or []))
    computed = ["kind", *(["element"] if annotation is not None else [])]
    table = effects.read_labels(
        labels,
        label=label_column,
        effect=effect_column,
        columns=[name for name in groups if name not in computed],
        positive=positive or [],
        negative=negative or [],
    )
    if "kind" in groups and "kind" not in table:
        table = effects.add_kinds(table)
    table = effects.join_scores(table, scored, scores=score)
    scores = score or [name for name in effects.SIGNS if name in table]
    with ExitStack() as stack:
        reference = stack.enter_context(Genome(genome)) if genome is not None else None
        if annotation is not None:
            table = effects.add_elements(table, Annotation(annotation, reference))
            groups = list(dict.fromkeys([*groups, "element"]))
        for name, (path, column) in others.items():
            table = effects.add_scores(table, path, column, name=name)
        if reference is not None:
            table = effects.add_trinucleotides(table, reference)
    scores = [*scores, *others, *([effects.TRINUCLEOTIDE] if genome is not None else [])]
    with _counter("estimates") as advance:
        found = effects.evaluate_effects(
            table,
            scores=scores,
            label=label_column,
            effect=effect_column,
            groups=groups,
            signs=signs,
            resamples=resamples,
            seed=seed,
            advance=advance,
        )
    files = {"scored": scored, "labels": labels, "genome": genome, "annotation": annotation}
    inputs: dict[str, Any] = {name: describe_file(path) for name, path in files.items() if path is not None}
    inputs["others"] = {name: effects.describe_scores(path, column) for name, (path, column) in others.items()}
    inputs["words"] = {"positive": positive or [], "negative": negative or []}
    _write_effects(found, out, title=f"{scored.name}: {labels.name}")
    write_manifest(out / "manifest.json", **inputs, **found.manifest)
    _say(f"wrote {out}")


def _write_effects(found: Any, out: Path, *, title: str) -> None:
    """Show the evaluation, and write its tables and its figure into a folder."""
    from hexamer.effects import MISSING
    from hexamer.report import draw_effects, show_differences, show_effects, write_table

    typer.echo(show_effects(found.table))
    if differences := show_differences(found.differences):
        typer.echo("\n" + differences)
    for name, reasons in found.manifest["missing"].items():
        for reason, count in reasons.items():
            _say(f"{count:>12,}  without {name}: {reason}, {(REASONS | MISSING).get(reason, '')}".rstrip(", "))
    out.mkdir(exist_ok=True)
    write_table(found.table, out / "table.tsv")
    write_table(found.differences, out / "differences.tsv")
    for ending in ("png", "svg"):
        draw_effects(found.table, out / f"figure.{ending}", title=title)


def _check_folder(out: Path) -> None:
    """Raise OutputError, before any work is done, if a folder cannot be made here."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; the name of a folder would work")
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist")


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


@app.command(epilog=_examples("hexamer doctor", "hexamer doctor --model my-model/"))
def doctor(model: ModelOption = "hexamer-tiny", device: DeviceOption = "auto") -> None:
    """Say what is installed and where it would run.

    On which kernels and why, and whether the model loads.
    """
    import torch

    from hexamer.manifest import package_versions
    from hexamer.model import list_backends, load_model

    for part, version in package_versions().items():
        typer.echo(f"{part:<12} {version}")
    began = time.perf_counter()
    encoder = load_model(model, device=device)
    typer.echo(f"{'device':<12} {encoder.device}, {torch.get_num_threads()} threads")
    size = sum(parameter.numel() for parameter in encoder.parameters())
    typer.echo(f"{'model':<12} {model}: {size:,} weights, loaded in {time.perf_counter() - began:.2f} s")
    typer.echo(f"{'window':<12} {encoder.config.max_tokens} tokens, {encoder.config.max_bases:,} bases")
    head_width = encoder.config.width // encoder.config.heads
    for backend in list_backends(encoder.device, head_width=head_width):
        typer.echo(f"{backend.part:<12} {backend}")


def _show_version(shown: bool) -> None:
    if shown:
        import hexamer

        typer.echo(f"hexamer {hexamer.__version__}")
        raise typer.Exit


@app.callback(
    epilog=_examples(
        "hexamer score-variants calls.vcf.gz --genome hg38.fa --out calls.scored.vcf.gz",
        "hexamer embed promoters.fa --out promoters.h5ad",
    )
)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """DNA as 6-mers: embeddings, variant scores and pre-training with Nucleotide Transformers."""


def _reason_of(stop: SystemExit) -> str:
    """Find what a run said when a signal ended it; empty where it said nothing."""
    cause: BaseException | None = stop
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return str(cause or "")


def main() -> None:
    """Run a command and turn what goes wrong into one line and an exit code."""
    try:
        app()
    except HexamerError as error:
        _say_once(f"hexamer: {error}")
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == 130:  # typer's, of a KeyboardInterrupt
            _say_once(f"hexamer: {_reason_of(stop) or 'stopped'}")
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("HEXAMER_TRACEBACK"):
            raise
        _say(f"hexamer: a fault of the program: {type(error).__name__}: {error} (HEXAMER_TRACEBACK=1 shows where)")
        sys.exit(1)
