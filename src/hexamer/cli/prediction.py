"""Learning from labelled sequences: `probe`, `finetune` and `predict`."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import DeviceOption, ModelOption, check_folder, check_not_input, make_folder, split_names
from hexamer.cli.progress import counter
from hexamer.errors import InputError, SequenceError, SettingsError

commands = typer.Typer()

FEW_ROWS = 20
"""Rows to choose by, below which there is a warning."""
STATE = "state"
"""Folder in which fine-tuning keeps what a killed run resumes from."""

TrainArgument = Annotated[
    Path, typer.Argument(metavar="TRAIN", help="CSV, TSV, Parquet or FASTA (>name|label): sequences with labels.")
]
ValidationOption = Annotated[
    Path | None, typer.Option(help="Rows to choose by, as TRAIN; by default a tenth of TRAIN.")
]
TestOption = Annotated[Path | None, typer.Option(help="Rows to report on, as TRAIN.")]
LabelOption = Annotated[
    str | None, typer.Option(help="Column of labels, or a comma list of columns; by default label or target.")
]
NamesOption = Annotated[str | None, typer.Option(help="Comma list: what classes 0, 1, ... or outputs are called.")]
SequenceOption = Annotated[str, typer.Option(help="Column of sequences; by default sequence or seq.")]
HoldOutByOption = Annotated[
    str, typer.Option(help="How the tenth is drawn: rows, whole contigs, or similarity (near copies stay together).")
]
ReferenceOption = Annotated[
    Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for tables of chrom, start and end.")
]


@commands.command(
    epilog=examples(
        "hexamer probe train.csv --test test.csv --out probes/",
        "hexamer probe train.parquet --test test.parquet --target values --label activity --methods ridge,mlp -o p/",
    )
)
def probe(
    train: TrainArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the table, figure and manifest.")],
    validation: ValidationOption = None,
    test: Annotated[Path | None, typer.Option(help="Rows to report on, as TRAIN; needed.")] = None,
    target: Annotated[str, typer.Option(help="classes, labels or values.")] = "classes",
    label: LabelOption = None,
    names: NamesOption = None,
    sequence: SequenceOption = "",
    genome: ReferenceOption = None,
    hold_out_by: HoldOutByOption = "rows",
    methods: Annotated[str, typer.Option(help="Comma list of logistic, ridge, mlp.")] = "logistic,mlp",
    layers: Annotated[str | None, typer.Option(help="Comma list, -1 the last; all by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of the rows to choose by, and of perceptrons.")] = 0,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Fit simple models on every layer of an encoder."""
    import numpy as np

    from hexamer.embeddings.layers import embed_layers
    from hexamer.manifest import make_settings, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import draw_layers, write_table
    from hexamer.training.probe import ProbeSettings, Split
    from hexamer.training.probe import probe as fit_probes

    chosen: dict[str, Any] = {"methods": split_names(methods), "seed": seed}
    chosen["layers"] = split_names(layers) if layers else []
    settings = make_settings(ProbeSettings, chosen, "probe")
    check_folder(out)
    if test is None:
        raise SettingsError("probe: no rows to report on; --test FILE would work")
    if target == "bases":
        raise SettingsError("probe: classes of bases need a fine-tuned head; hexamer finetune would work")
    reading: dict[str, Any] = {"label": label, "names": names, "sequence": sequence, "genome": genome, "seed": seed}
    reading["hold_out_by"] = hold_out_by
    parts, meaning, facts = _read_parts(train, validation, test, target, **reading)
    encoder = load_model(model, device=device)
    with counter("sequences") as advance:
        vectors = np.concatenate([embed_layers(encoder, part.sequences, advance=advance) for part in parts])
    ends = np.cumsum([0, *(len(part) for part in parts)])
    split = Split(*(np.arange(start, end) for start, end in pairwise(ends)))
    with counter("probes") as advance:
        targets = np.concatenate([part.targets for part in parts])
        found = fit_probes(vectors, targets, split, meaning, settings=settings, intervals=True, advance=advance)
    make_folder(out)
    write_table(found.table.assign(seed=seed), out / "probes.tsv")
    draw_layers(found.table, out / "layers.png", title=train.name, metric=meaning.metric)
    best = {"layer": found.layer, "method": found.method, "validation": found.validation, "test": found.test}
    write_manifest(out / "manifest.json", **facts, model=describe_model(encoder), settings=settings, best=best)
    typer.echo(found.table.to_string(index=False, float_format=lambda x: f"{x:.4f}"))
    say(f"best on the validation rows: layer {found.layer}, {found.method}: {meaning.metric} {found.test:.4f} on test")
    say(f"wrote {out}")


@commands.command(
    epilog=examples(
        "hexamer finetune train.csv --test test.csv --out promoters/",
        "hexamer finetune starr.tsv --target bins --label dev,hk --adapter lora --steps 5000 -o starr/",
    )
)
def finetune(
    train: TrainArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the predictor; a run there is gone on with.")],
    validation: ValidationOption = None,
    test: TestOption = None,
    target: Annotated[
        str, typer.Option(help="classes, labels, values, bins (values in 50 classes), bases (a digit a base).")
    ] = "classes",
    label: LabelOption = None,
    names: NamesOption = None,
    sequence: SequenceOption = "",
    genome: ReferenceOption = None,
    hold_out_by: HoldOutByOption = "rows",
    adapter: Annotated[str, typer.Option(help="ia3, lora, full (all weights), or head (that alone).")] = "ia3",
    rank: Annotated[int, typer.Option(help="Of LoRA.")] = 1,
    steps: Annotated[
        int, typer.Option(help="Most steps; training ends early where validation stops improving.")
    ] = 2000,
    batch: Annotated[int, typer.Option(help="Sequences of a step.")] = 8,
    accumulate: Annotated[int, typer.Option(help="Parts that a step goes through the model in.")] = 1,
    rate: Annotated[float | None, typer.Option(help="Learning rate; 3e-3, or 1e-4 for full.")] = None,
    evaluate_every: Annotated[int, typer.Option(help="Steps from one look at the validation rows to the next.")] = 100,
    patience: Annotated[int, typer.Option(help="Looks without a better score, after which training ends.")] = 10,
    hidden: Annotated[int, typer.Option(help="Units of the head's inner layer; 0 for none.")] = 0,
    balanced: Annotated[bool, typer.Option("--balanced", help="Let all classes count alike.")] = False,
    both_strands: Annotated[bool, typer.Option("--both-strands", help="Also learn from reverse complements.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Products in bfloat16.")] = False,
    seed: Annotated[int, typer.Option(help="Of the rows to choose by, their order, and the head.")] = 0,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Teach an encoder from labelled sequences.

    What is predicted: classes, labels, values, or classes of bases.
    """
    from hexamer.manifest import make_settings, write_manifest
    from hexamer.model import load_model
    from hexamer.training.finetune import FinetuneSettings
    from hexamer.training.finetune import finetune as fit_predictor
    from hexamer.training.fitting import STATE as FITTING
    from hexamer.training.predict import score_predictor
    from hexamer.training.predictor import PREDICTOR
    from hexamer.training.scores import CHOSEN

    fit: dict[str, Any] = {"adapter": {"kind": adapter, "rank": rank}, "steps": steps, "batch": batch, "seed": seed}
    fit |= {"accumulate": accumulate, "bf16": bf16, "evaluate_every": evaluate_every, "patience": patience}
    fit |= {"rate": (1e-4 if adapter == "full" else 3e-3) if rate is None else rate}
    chosen = {"fit": fit, "hidden": hidden, "both_strands": both_strands}
    settings = make_settings(FinetuneSettings, chosen, "finetune")
    check_folder(out)
    if (out / PREDICTOR).exists() and not (out / STATE / FITTING).exists():
        raise SettingsError(f"{out}: holds a finished predictor; another --out, or this folder removed, would work")
    if (out / STATE / FITTING).exists():
        say(f"{out}: an unfinished run is resumed")
    reading: dict[str, Any] = {"label": label, "names": names, "sequence": sequence, "genome": genome, "seed": seed}
    reading["hold_out_by"] = hold_out_by
    parts, meaning, facts = _read_parts(train, validation, test, target, balanced=balanced, **reading)
    encoder = load_model(model, device=device)
    _check_lengths(encoder, parts, (train, validation or train, test or train))
    with counter("steps") as advance:
        advance.expect(steps)
        found = fit_predictor(
            encoder,
            parts[0].examples,
            parts[1].examples,
            meaning,
            settings=settings,
            folder=out / STATE,
            advance=lambda record: _tell_step(record, advance, CHOSEN[meaning.kind]),
        )
    found.predictor.save(out)
    scores: dict[str, Any] = {"validation": found.fitted.best_score}
    if len(parts[2]):
        scores["test"] = score_predictor(found.predictor, parts[2].examples)
    trained, whole = found.predictor.count_trained()
    facts |= {"settings": settings, "best_step": found.fitted.best_step, "scores": scores, "metric": meaning.metric}
    facts |= {"history": found.fitted.history, "trained": trained, "weights": whole, "encoder": found.predictor.origin}
    write_manifest(out / "manifest.json", **facts)
    (out / STATE / FITTING).unlink(missing_ok=True)
    with suppress(OSError):  # a folder with files of others stays
        (out / STATE).rmdir()
    say(f"{trained:,} of {whole:,} weights trained ({trained / whole:.2%}); best at step {found.fitted.best_step:,}")
    if found.fitted.best_step == steps:
        say("the last step was the best: more --steps may be better")
    typer.echo(f"validation\t{CHOSEN[meaning.kind]}\t{found.fitted.best_score:.4f}")
    for name, score in scores.get("test", {}).items():
        typer.echo(f"test\t{name}\t{score:.4f}")
    say(f"wrote {out}; hexamer predict {out} uses it")


def _check_lengths(encoder: Any, parts: list[Any], files: tuple[Path, ...]) -> None:
    """Raise SequenceError before anything is learnt if a row is longer than the encoder reads."""
    from hexamer.model.limits import count_beyond

    for part, path in zip(parts, files, strict=True):
        for sequence in part.sequences:
            if count := count_beyond(encoder, sequence):
                told = f"{path}: {sequence[:12]}... ({len(sequence):,} bases) is {count:,} tokens"
                most = encoder.config.max_tokens - 1
                raise SequenceError(f"{told}; the model reads {most:,}: shorter rows, or fewer N, would work")


def _tell_letters(part: Any, path: Path) -> None:
    from hexamer.tokens import report_letters

    if unknown := sum(report_letters(sequence).read_as_n for sequence in part.sequences):
        say(f"{path}: {unknown:,} letters other than A, C, G, T, read as N")


def _tell_step(record: dict[str, Any], advance: Callable[[int], None], metric: str) -> None:
    advance(1)
    if "score" in record:
        say(f"step {record['step']:,}: loss {record['loss']:.4f}, validation {metric} {record['score']:.4f}")


def _check_reading(kind: str, validation: Path | None, *, seed: int, hold_out_by: str, balanced: bool) -> None:
    """Raise SettingsError for options that do not go together."""
    from hexamer.benchmark import HOLD_OUTS
    from hexamer.training.targets import TARGETS

    if kind not in TARGETS:
        raise SettingsError(f"target {kind!r} is unknown; {', '.join(TARGETS)} would work")
    if balanced and kind not in ("classes", "bases"):
        raise SettingsError(f"--balanced: of no use with --target {kind}; without would work")
    if not 0 <= seed < 2**63:
        raise SettingsError(f"--seed {seed}; 0 to 2^63 - 1 would work")
    if validation is not None and hold_out_by != "rows":
        raise SettingsError("--hold-out-by: of no use with --validation; one of them would work")
    if hold_out_by not in HOLD_OUTS:
        raise SettingsError(f"--hold-out-by {hold_out_by}; {', '.join(HOLD_OUTS)} would work")


def _read_parts(
    train: Path,
    validation: Path | None,
    test: Path | None,
    kind: str,
    *,
    label: str | None,
    names: str | None,
    sequence: str,
    genome: Path | None,
    seed: int,
    hold_out_by: str,
    balanced: bool = False,
) -> tuple[list[Any], Any, dict[str, Any]]:
    """Rows to learn from, to choose by and to report on; what they mean; and what a manifest says of them."""
    import numpy as np

    from hexamer.benchmark import hold_out_rows, read_labelled
    from hexamer.genome import Genome
    from hexamer.manifest import describe_file
    from hexamer.training.finetune import check_targets
    from hexamer.training.predict import COLUMNS
    from hexamer.training.targets import make_target

    _check_reading(kind, validation, seed=seed, hold_out_by=hold_out_by, balanced=balanced)
    options: dict[str, Any] = {"columns": split_names(label) if label else (), "sequence": sequence}
    options["genome"] = Genome(genome) if genome is not None else None
    called = split_names(names) if names else ()
    first = read_labelled(train, kind, names=called, **options)
    learn, called = first.split, first.names if kind in ("classes", "bases") else called
    held, asked = (
        read_labelled(path, kind, names=called, **options).split if path is not None else None
        for path in (validation, test)
    )
    if held is None:
        chosen = hold_out_rows(learn, by=hold_out_by, seed=seed)
        learn, held = learn.take(np.flatnonzero(~chosen)), learn.take(np.flatnonzero(chosen))
    for part, path in ((first.split, train), (held, validation), (asked, test)):
        if path is not None:
            _tell_letters(part, path)
    parts = [learn, held, asked if asked is not None else learn.take([])]
    if taken := [name for name in first.names if name in COLUMNS]:
        raise SettingsError(f"outputs called {', '.join(taken)}, as columns of predictions are; --names would help")
    if kind == "classes":
        rare = [name for i, name in enumerate(first.names) if (first.split.targets == i).sum() == 1]
        if rare:
            say(f"{train}: class {', '.join(rare)} has one row only")
    target = make_target(kind, first.names, **({"balanced": True} if balanced else {}))
    check_targets(learn.examples, target, str(train))
    if validation is not None:
        check_targets(held.examples, target, str(validation))
    else:
        try:
            check_targets(held.examples, target, "rows to choose by")
        except InputError as error:
            raise InputError(f"{error}; or --validation FILE, or another --seed") from None
    if asked is not None:  # before anything is learnt, not behind it
        check_targets(asked.examples, target, str(test))
    files = {"train": train, "validation": validation, "test": test, "genome": genome}
    facts: dict[str, Any] = {name: describe_file(path) for name, path in files.items() if path is not None}
    facts |= {"target": kind, "names": first.names, "rows": [len(part) for part in parts], "seed": seed}
    facts |= {"columns": label or "", "sequence": sequence, "hold_out_by": hold_out_by if validation is None else None}
    if len(parts[1]) < FEW_ROWS:
        say(f"only {len(parts[1])} rows to choose by (the validation set): its scores are little more than chance")
    say(f"{len(parts[0]):,} rows to learn from, {len(parts[1]):,} to choose by, {len(parts[2]):,} to report on")
    return parts, target, facts


@commands.command(
    epilog=examples(
        "hexamer predict promoters/ new.fa --out new.tsv",
        "hexamer predict promoters/ calls.vcf.gz --genome hg38.fa --window 300 --out calls.tsv",
    )
)
def predict(
    predictor: Annotated[Path, typer.Argument(help="Folder that hexamer finetune wrote.")],
    sequences: Annotated[Path, typer.Argument(metavar="INPUT", help="FASTA; BED, VCF or BCF with --genome.")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".tsv or .parquet.")],
    genome: Annotated[
        Path | None, typer.Option("--genome", "-g", help="Reference FASTA, for BED and variants.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Bases around a variant, best as many as the predictor learnt from.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Predict with a fine-tuned encoder.

    The table has a row for each sequence, or for each base, or for each alternate allele with predictions for it and
    for the reference; every row of the input comes back.
    """
    from hexamer.effects.predicted import predict_variants
    from hexamer.genome import Genome, open_variants, read_intervals, read_sequences
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.report import check_table_path, write_table
    from hexamer.training.predict import predict as predict_table
    from hexamer.training.predictor import load_predictor

    check_table_path(out)
    check_not_input(out, sequences)
    is_vcf = sequences.name.removesuffix(".gz").endswith((".vcf", ".bcf"))
    is_bed = sequences.name.removesuffix(".gz").endswith((".bed", ".narrowPeak", ".broadPeak"))
    if (is_bed or is_vcf) and genome is None:
        what = "variants" if is_vcf else "intervals"
        raise SettingsError(f"{sequences}: {what} need a genome; --genome FASTA would work")
    if is_vcf != (window is not None):
        raise SettingsError("--window belongs to variants, which need it; the length of training sequences would work")
    reference = Genome(genome) if genome is not None else None
    model = load_predictor(predictor, device=device)
    if window is not None:
        assert reference is not None
        with open_variants(sequences, reference) as records, counter("variants") as advance:
            alleles = (variant for record in records for variant in record.variants)
            table = predict_variants(model, reference, alleles, window=window, advance=advance)
    else:
        items: Any = read_intervals(sequences) if is_bed else read_sequences(sequences)
        with counter("sequences") as advance:
            table = predict_table(model, items, reference, advance=advance)
    write_table(table, out)
    inputs: dict[str, Any] = {"input": describe_file(sequences), "predictor": str(predictor), "encoder": model.origin}
    reasons = Counter(table["reason"])
    inputs |= {"window": window, "reasons": {reason or "predicted": count for reason, count in reasons.items()}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **inputs, rows=len(table))
    say_reasons(reasons.items())
    if "n" in table and (unknown := int(table["n"].sum())):
        say(f"{unknown:>12,}  letters other than A, C, G, T, read as N")
    say(f"wrote {out}")
