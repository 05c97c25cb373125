"""Benchmarks: `run-benchmark`, and what is wrong with one, `audit`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import DeviceOption, GenomeOption, HoldOutOption, ModelOption, check_folder, split_names
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
        typer.Option(help="Comma list of probe, mlp, head, ia3, lora, full (or random-...), kmer, cnn, cnn-large."),
    ] = "probe,ia3,random-probe,kmer",
    folds: Annotated[int, typer.Option(help="Reshuffles of the training rows; 10 in the paper.")] = 10,
    most: Annotated[int | None, typer.Option(help="Training rows used of each task; all by default.")] = None,
    steps: Annotated[int, typer.Option(help="Most steps of fine-tuning; 10,000 in the paper.")] = 10_000,
    batch: Annotated[int, typer.Option(help="Sequences of a step of fine-tuning; 8 in the paper.")] = 8,
    rates: Annotated[
        str | None,
        typer.Option(metavar="METHOD=RATE", help="Comma list of learning rates; 3e-3 for adapters, 1e-4 for full."),
    ] = None,
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
    from hexamer.manifest import make_settings, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import draw_benchmark, write_table
    from hexamer.training.targets import TARGETS

    fit = {"steps": steps, "batch": batch, "bf16": bf16}
    fit |= {"evaluate_every": evaluate_every, "patience": patience}
    chosen: dict[str, Any] = {"methods": split_names(methods), "folds": folds, "most": most, "seed": seed, "fit": fit}
    if rates:
        chosen["rates"] = dict(_named_rate(text) for text in split_names(rates))
    settings = make_settings(benchmark.BenchmarkSettings, chosen, "run-benchmark")
    check_folder(out)
    known = benchmark.read_suite(suite)
    asked = [known.task(name) for name in split_names(tasks)] if tasks else list(known.tasks)
    for task in asked:
        benchmark.check_methods(settings.methods, task.kind)
    reference = Genome(genome) if genome is not None else None
    encoder = load_model(model, device=device)
    out.mkdir(exist_ok=True)
    cells: list[Any] = []
    audits = {}
    with counter("cells") as advance:
        advance.expect(len(asked) * len(settings.methods) * folds)
        for task in asked:
            task_data = benchmark.load_task(task, data, genome=reference)
            for note in task_data.notes:
                say(f"{task.name}: {note}")
            audits[task.name] = benchmark.audit_task(task_data, settings)
            say(f"{task.name}: audit {audits[task.name]['verdict']}")
            cells += benchmark.run_task(encoder, task_data, out, settings, advance=lambda *_: advance(1))
    table = benchmark.summarise_cells(cells)
    write_table(benchmark.put_beside(cells, known), out / "results.tsv")
    write_table(benchmark.list_scores(cells), out / "scores.tsv")
    write_table(benchmark.compare_methods(cells, reference=settings.methods[0]), out / "differences.tsv")
    metric = " or ".join(dict.fromkeys(TARGETS[task.kind].metric for task in asked))
    draw_benchmark(table, out / "results.png", title=f"{known.name}, {model}", metric=metric)
    facts = {"suite": known.name, "settings": settings, "model": describe_model(encoder), "audit": audits}
    write_manifest(out / "manifest.json", **facts, cells=[cell._asdict() for cell in cells])
    typer.echo(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))
    failed = [name for name, found in audits.items() if found["verdict"] == "FAIL"]
    if failed:
        say(f"audit FAIL: {', '.join(failed)}; their scores are higher than on new sequences (manifest.json says why)")
    say(f"wrote {out}")


@commands.command(
    epilog=examples(
        "hexamer build-splice-suite -g hg38.fa -a gencode.gtf.gz --hold-out chr1 --hold-out chr9 --out splicing/",
        "hexamer run-benchmark splicing/ splicing/ -g hg38.fa --methods ia3,cnn,weight-array --folds 1 --out results/",
    )
)
def build_splice_suite(
    genome: GenomeOption,
    annotation: Annotated[
        list[Path], typer.Option("--annotation", "-a", help="GTF or GFF3 of the genome; repeatable.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the suite.")],
    hold_out: HoldOutOption = None,
    window: Annotated[int, typer.Option(help="Bases of a window.")] = 6000,
    most_unknown: Annotated[float, typer.Option(help="Share of N from which on a window is left out.")] = 0.05,
    biotype: Annotated[str, typer.Option(help="Of the genes, where the files tell it; '' for all.")] = "protein_coding",
    with_sites: Annotated[
        bool, typer.Option("--with-sites", help="Learn from windows only that hold a splice site.")
    ] = False,
) -> None:
    """Make a benchmark of splice sites.

    Windows of genes with a class for every base, those of --hold-out as test: a suite for run-benchmark, and tables for
    finetune --target bases.
    """
    from hexamer import benchmark
    from hexamer.genome import Annotation, Genome
    from hexamer.manifest import describe_file, write_manifest

    check_folder(out)
    if not hold_out:
        raise SettingsError("nothing to test on; --hold-out with a contig or region would work")
    reference = Genome(genome)
    genes = Annotation(annotation, reference)
    choice: dict[str, Any] = {"hold_out": hold_out, "window": window, "most_unknown": most_unknown}
    choice |= {"biotype": biotype, "with_sites": with_sites}
    made = benchmark.build_splice_suite(reference, genes, out, **choice)
    inputs = {"genome": describe_file(genome), "annotation": [describe_file(path) for path in annotation]}
    facts = {"transcripts": made.transcripts, "left_out": made.left_out, "splits": made.counts.to_dict("records")}
    write_manifest(out / "manifest.json", settings=choice, inputs=inputs, **facts)
    typer.echo(made.counts.to_string(index=False))
    say(f"{made.transcripts:,} transcripts, one of each spliced gene")
    say_reasons((reason, count) for reason, count in made.left_out.items() if count)
    if genes.skipped:
        say(f"{len(genes.skipped):,} contigs of the annotation are not in the genome, such as {genes.skipped[0]}")
    say(f"wrote {out}")


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
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.report import check_table_path, write_table

    if out is not None:
        check_table_path(out)
    tables = [benchmark.read_sequences(path, sequence=sequence, label=label) for path in (train, test)]
    with counter("training sequences") as advance:
        found = benchmark.audit(tables[0], tables[1], k=k, threshold=threshold, distance=distance, advance=advance)
    facts = {"inputs": {"train": describe_file(train), "test": describe_file(test)}, **found.as_dict()}
    typer.echo(json.dumps(facts, indent=2) if as_json else benchmark.show_audit(found))
    if out is not None:
        write_table(found.copies, out)
        write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
        say(f"wrote {out}")
