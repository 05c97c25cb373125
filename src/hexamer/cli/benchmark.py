"""Benchmarks: `run-benchmark`, and what is wrong with one, `audit`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say
from hexamer.cli.options import DeviceOption, ModelOption, check_folder, check_not_input, make_folder, split_names
from hexamer.cli.progress import counter
from hexamer.errors import SettingsError

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer run-benchmark gue GUE/ --out gue/ --methods probe,ia3,random-probe,kmer,cnn",
        "hexamer run-benchmark nt-revised data/ -o nt/ --tasks H3K4me3,enhancers --folds 3 --most 5000 --steps 2000",
    )
)
def run_benchmark(
    suite: Annotated[str, typer.Argument(help="Name of a suite, or a folder with a suite.toml of yours.")],
    data: Annotated[Path, typer.Argument(help="Folder, archive or table with the suite's published files.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results; finished cells there are kept.")],
    tasks: Annotated[str | None, typer.Option(help="Comma list; all by default.")] = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Comma list of probe, mlp, head, ia3, lora, full (or random-...), kmer, weight-array, cnn, cnn-large."
        ),
    ] = "probe,ia3,random-probe,kmer",
    folds: Annotated[int, typer.Option(help="Reshuffles of the training rows; 10 in the paper.")] = 10,
    most: Annotated[int | None, typer.Option(help="Training rows used of each task; all by default.")] = None,
    steps: Annotated[int, typer.Option(help="Most steps of fine-tuning; 10,000 in the paper.")] = 10_000,
    batch: Annotated[int, typer.Option(help="Sequences of a step of fine-tuning; 8 in the paper.")] = 8,
    rates: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD=RATE", help="Comma list of learning rates; 3e-3 for adapters, 1e-4 for full, 1e-3 for cnn."
        ),
    ] = None,
    hold_out_by: Annotated[
        str, typer.Option(help="Where no test is published: rows, contigs, or similarity; by default contigs if known.")
    ] = "",
    bf16: Annotated[bool, typer.Option(help="Fine-tune with products in bfloat16.")] = False,
    evaluate_every: Annotated[int, typer.Option(help="Steps from one look at the validation rows to the next.")] = 200,
    patience: Annotated[int, typer.Option(help="Looks without a better score, after which fine-tuning ends.")] = 5,
    genome: Annotated[
        Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for suites of intervals.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of folds, rows and weights.")] = 0,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Run the paper's benchmark, or another.

    Probes, fine-tuning and baselines on every task, fold by fold.
    """
    from hexamer import benchmark
    from hexamer.genome import Genome
    from hexamer.manifest import describe_file, make_settings, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import draw_benchmark, draw_curves, write_table
    from hexamer.training.targets import TARGETS

    fit = {"steps": steps, "batch": batch, "bf16": bf16}
    fit |= {"evaluate_every": evaluate_every, "patience": patience}
    chosen: dict[str, Any] = {"methods": split_names(methods), "folds": folds, "most": most, "seed": seed, "fit": fit}
    chosen["hold_out_by"] = hold_out_by
    if rates:
        chosen["rates"] = dict(_named_rate(text) for text in split_names(rates))
    settings = make_settings(benchmark.BenchmarkSettings, chosen, "run-benchmark")
    check_folder(out)
    named = split_names(tasks) if tasks else ()
    known = benchmark.read_suite(suite)
    reference = Genome(genome) if genome is not None else None
    encoder = load_model(model, device=device)
    make_folder(out)
    with counter("cells") as advance:
        advance.expect(len(named or known.tasks) * len(settings.methods) * folds)
        found = benchmark.run_benchmark(
            encoder, suite, data, out, tasks=named, settings=settings, genome=reference,
            advance=lambda cell, there: _tell_cell(cell, there, advance), tell=say,
        )  # fmt: skip
    table = found.summary()
    for name, rows in (
        ("results", found.table()),
        ("scores", found.scores()),
        ("differences", found.differences(settings.methods[0])),
    ):
        whole = rows.astype({column: "Int64" for column in ("folds", "trained") if column in rows})
        write_table(whole.round(6).assign(seed=seed), out / f"{name}.tsv")
    kinds = {task.name: task.kind for task in known.tasks}
    metric = " or ".join(dict.fromkeys(TARGETS[kinds[name]].metric for name in found.audits))
    title = f"{known.name}, {model}"
    draw_benchmark(table, out / "results.png", title=title, metric=metric)
    if len(histories := found.histories()):
        draw_curves(histories, out / "curves.png", methods=settings.methods, title=title, metric=metric)
    facts = {"suite": known.name, "settings": settings, "model": describe_model(encoder), "audit": found.audits}
    facts |= {"data": describe_file(data) if data.is_file() else str(data), "tasks": list(found.audits)}
    facts |= {"genome": describe_file(genome)} if genome is not None else {}
    write_manifest(out / "manifest.json", **facts, cells=[cell._asdict() for cell in found.cells])
    shown = [name for name in table.columns if name not in ("validation", "low", "high")]
    typer.echo(table[shown].to_string(index=False, float_format=lambda x: f"{x:.3f}"))
    if found.failed:
        names = ", ".join(found.failed)
        say(f"audit FAIL: {names}; their scores are higher than on new sequences (manifest.json says why)")
    say(f"wrote {out}")


def _tell_cell(cell: Any, there: bool, advance: Callable[[int], None]) -> None:
    advance(1)
    kept = ", kept" if there else f" in {cell.seconds:g} s"
    say(f"{cell.task} {cell.method} fold {cell.fold}: {cell.test:.3f} (validation {cell.validation:.3f}){kept}")


def _named_rate(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise SettingsError(f"--rates {text}: METHOD=RATE, such as ia3=0.01, would work") from None


@commands.command(
    epilog=examples(
        "hexamer audit --train train.csv --test test.csv",
        "hexamer audit --train train.tsv.gz --test test.tsv.gz --threshold 0.8 --out copies.tsv --json > audit.json",
    )
)
def audit(
    train: Annotated[Path, typer.Option(help="CSV, TSV, Parquet or FASTA (>name|label): sequences with labels.")],
    test: Annotated[Path, typer.Option(help="As --train.")],
    sequence: Annotated[str, typer.Option(help="Column of sequences; by default sequence or seq.")] = "",
    label: Annotated[str, typer.Option(help="Column of labels; by default label, target, class or y.")] = "",
    k: Annotated[int, typer.Option("--k", help="Bases of the k-mers that near copies share; even.")] = 12,
    threshold: Annotated[
        float, typer.Option(help="Share of k-mers from which on two sequences are near copies.")
    ] = 0.4,
    distance: Annotated[int, typer.Option(help="Bases from a training row that make a test row its neighbour.")] = 1000,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Table of the copies in test, .parquet or .tsv.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find copies and artefacts in training and test.

    Before any model is trained: what makes a benchmark easier than it seems, with PASS, WARN or FAIL. Where the tables
    have chrom, start and end (0-based), also which test rows overlap training rows or lie beside them.
    """
    from hexamer import benchmark
    from hexamer.manifest import describe_file, write_json, write_manifest
    from hexamer.report import check_table_path, write_table

    if out is not None:
        check_table_path(out)
        check_not_input(out, train, test)
    tables = [benchmark.read_sequences(path, sequence=sequence, label=label) for path in (train, test)]
    for table in tables:
        if note := table.attrs.get("note"):
            say(note)
    with counter("training sequences") as advance:
        found = benchmark.audit(tables[0], tables[1], k=k, threshold=threshold, distance=distance, advance=advance)
    facts = {"inputs": {"train": describe_file(train), "test": describe_file(test)}, **found.as_dict()}
    typer.echo(write_json(facts) if as_json else benchmark.show_audit(found))
    if out is not None:
        write_table(found.copies, out)
        write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
        say(f"wrote {out}")
