"""Classifying variants: `train-variants`."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.evaluation import write_effects
from hexamer.cli.messages import examples, say
from hexamer.cli.options import (
    BudgetOption,
    DeviceOption,
    GenomeOption,
    ModelOption,
    NegativeOption,
    PhasesOption,
    PositiveOption,
    StrandsOption,
    check_folder,
    split_names,
)
from hexamer.cli.progress import counter
from hexamer.errors import SettingsError

commands = typer.Typer()

STATE = "state"
"""Folder in which fine-tuning keeps what a killed run resumes from."""


@commands.command(
    epilog=examples(
        "hexamer train-variants clinvar.tsv -g hg38.fa --label-column significance --positive Pathogenic -o clinvar/",
        "hexamer train-variants mpra.vcf.gz -g hg38.fa --label-column ACTIVE --folds block -o mpra/",
    )
)
def train_variants(
    labels: Annotated[Path, typer.Argument(help="TSV, CSV, Parquet or VCF: chrom, pos, ref, alt and a label.")],
    genome: GenomeOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the classifier and its evaluation.")],
    label_column: Annotated[str, typer.Option(help="Column or INFO key of labels, 1 and 0.")] = "label",
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    adapter: Annotated[
        str, typer.Option(help="none: regression on frozen features. ia3, lora, full, head: fine-tuning.")
    ] = "none",
    folds: Annotated[str, typer.Option(help="contig, block (of 1 Mb), or a column of LABELS.")] = "contig",
    count: Annotated[int, typer.Option(help="Folds, of contigs or blocks.")] = 5,
    features: Annotated[
        str | None, typer.Option(help="Of the regression: comma list of scores,difference,reference; all by default.")
    ] = None,
    model: ModelOption = "hexamer-tiny",
    layer: Annotated[int | None, typer.Option(help="Of the regression's embeddings; by default the last.")] = None,
    window: Annotated[int | None, typer.Option(help="As for score-variants; 6000, or 600 for fine-tuning.")] = None,
    phases: PhasesOption = 2,
    strands: StrandsOption = "both",
    steps: Annotated[int | None, typer.Option(help="Most steps of fine-tuning, of 8 variants each; 1000.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate of fine-tuning; 3e-3, or 1e-4 for full.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of fine-tuning; 0.")] = None,
    token_budget: BudgetOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train a classifier of variants on labels."""
    from hexamer import effects
    from hexamer.genome import Genome
    from hexamer.manifest import describe_file, make_settings, write_manifest
    from hexamer.model import load_model
    from hexamer.report import write_table

    settings: Any
    reading: dict[str, Any] = {"phases": phases, "strands": strands, "scores": ("llr",)}
    if adapter == "none":
        _refuse("--adapter none", {"steps": steps, "rate": rate, "seed": seed})
        reading |= {"window": 6000 if window is None else window, "layer": -1 if layer is None else layer}
        reading["token_budget"] = token_budget
        families = split_names(features) if features is not None else tuple(effects.FAMILIES)
        settings = make_settings(
            effects.ClassifierSettings, {"features": families, "scores": reading}, "train-variants"
        )
    else:
        _refuse(f"--adapter {adapter}", {"features": features, "layer": layer, "token-budget": token_budget})
        reading["window"] = 600 if window is None else window
        fit: dict[str, Any] = {
            "adapter": {"kind": adapter},
            "steps": 1000 if steps is None else steps,
            "seed": seed or 0,
        }
        fit |= {"rate": (1e-4 if adapter == "full" else 3e-3) if rate is None else rate}
        fit |= {"evaluate_every": 50, "patience": 6}
        settings = make_settings(effects.TunedSettings, {"scores": reading, "fit": fit}, "train-variants")
    check_folder(out)
    table = effects.read_labels(labels, label=label_column, positive=positive or [], negative=negative or [])
    with Genome(genome) as reference:
        encoder = load_model(model, device=device)
        with counter("variants") as advance:
            trained = effects.train_variants(
                encoder,
                reference,
                table,
                label=label_column,
                folds=folds,
                count=count,
                settings=settings,
                folder=out / STATE,
                advance=advance,
            )
    trained.classifier.save(out)  # first: what follows must not cost it
    shutil.rmtree(out / STATE, ignore_errors=True)
    has_llr = "llr" in trained.table
    shown = ["probability", *(["llr"] if has_llr else [])]
    shown += [n for n in map(str, trained.table) if n.startswith(("only ", "without "))]
    with counter("estimates") as advance:
        found = effects.evaluate_effects(
            trained.table, scores=shown, label=label_column, signs={"llr": -1} if has_llr else {}, advance=advance
        )
    if near := trained.facts["neighbours"]:
        say(f"{near:,} variants lie within a window of one in another fold, with which they share sequence")
    if "weights" in trained.facts:
        say("{:,} of {:,} weights trained".format(*trained.facts["weights"]))
    write_effects(found, out, title=f"{labels.name}, out of fold")
    write_table(trained.table, out / "out_of_fold.tsv")
    inputs = {"labels": describe_file(labels), "genome": describe_file(genome)}
    facts = {"settings": settings, "folds": folds, **trained.facts, "encoder": trained.classifier.origin}
    write_manifest(out / "manifest.json", **inputs, **facts, evaluation=found.manifest)
    say(f"wrote {out}; score-variants --model {out} uses it")


def _refuse(where: str, options: dict[str, Any]) -> None:
    """Refuse options that mean nothing here."""
    if given := [f"--{name}" for name, value in options.items() if value is not None]:
        raise SettingsError(f"{', '.join(given)}: of no use with {where}; without would work")
