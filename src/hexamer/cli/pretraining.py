"""Making encoders: `pretrain`, `build-corpus` and `export-checkpoint`."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, is_first, say
from hexamer.cli.options import DeviceOption, HoldOutOption
from hexamer.cli.progress import counters
from hexamer.errors import OutputError, SettingsError

commands = typer.Typer()

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


@commands.command(
    epilog="\b\nSizes:\n"
    + "\n".join(f"  {name}" for name in SIZES)
    + "\n\n"
    + examples(
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
        if note and is_first():
            say(note)
    else:
        config = make_settings(PretrainConfig, {k: v for k, v in given.items() if v is not None}, "pretrain")
    base = recipes[0].parent if recipes and not files else Path()
    train(config, resume=resume, relative_to=base, device=device)
    if is_first():  # torchrun's other processes have nothing to add
        _end_run(Path(config.out), config.starting_at(base).corpus)


def _end_run(out: Path, corpus: str) -> None:
    """Draw the losses of a run that has ended, and say what it has come to and what may come next."""
    from hexamer.report import draw_training
    from hexamer.training.journal import read_log, summarise

    records = read_log(out / "log.jsonl")
    draw_training(records, out / "loss.png", title=str(out))
    say(summarise(records))
    say(f"wrote {out}/model and {out}/loss.png")
    if any("held_out" in record for record in records):
        say(f"next: {shlex.join(['hexamer', 'evaluate-lm', f'{out}/model', '--corpus', corpus or f'{out}/corpus'])}")
    else:
        say("nothing was held out: hold_out (or --hold-out) in another run would show whether it learns")


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


@commands.command(
    epilog=examples(
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
    from hexamer.report import explain_corpus, show_corpus
    from hexamer.tokens import build_corpus as build
    from hexamer.tokens import find_corpus

    genomes = _read_genomes(inputs, hold_out or [], variants or [])
    corpus = find_corpus(genomes, out)
    said = f"{out} holds this corpus already: nothing to do" if corpus else f"wrote {out}"
    if corpus is None:
        # Records of variant files are read before any base: there a count of them stands in the first line.
        kinds = ("records", "bases") if any(source.variant_files for source in genomes) else ("bases",)
        with counters(*kinds) as counts:
            bases, records = counts[-1], counts[0]
            corpus = build(genomes, out, replace=True, expect=bases.expect, advance=bases, advance_records=records)
    typer.echo(show_corpus(corpus))
    say(explain_corpus(corpus))
    say(said)


def _read_genomes(inputs: list[Path], hold_out: list[str], variants: list[str]) -> Any:
    """Read which genomes a corpus is of: of a recipe, of a table, or of FASTA files with options."""
    from hexamer.manifest import make_settings
    from hexamer.tokens import read_sources
    from hexamer.training import PretrainConfig
    from hexamer.training.recipe import read_recipe

    first = inputs[0]
    is_table = first.suffix in (".toml", ".tsv")
    if is_table and (len(inputs) > 1 or hold_out or variants):
        raise SettingsError(f"{first}: one recipe or manifest by itself, or FASTA files with options, would work")
    if first.suffix == ".toml":
        return read_recipe(first, out="corpus")[0].starting_at(first.parent).sources()
    if first.suffix == ".tsv":
        return read_sources(first)
    sources = _sources([str(path) for path in inputs], hold_out)
    if variants and len(sources) > 1:
        raise SettingsError("--variants belongs to a single FASTA; a manifest names variants for each genome")
    given = {"out": "corpus", "genomes": [source | {"variants": variants or ()} for source in sources]}
    return make_settings(PretrainConfig, given, "build-corpus").genomes


@commands.command(
    epilog=examples(
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
    say(f"wrote {out}")
