"""Vectors of sequences: `embed`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import BudgetOption, DeviceOption, ModelOption, PrecisionOption
from hexamer.cli.progress import counter
from hexamer.cli.remedies import explain_nothing
from hexamer.errors import SettingsError

commands = typer.Typer()


@commands.command(
    epilog=examples(
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
    choice: dict[str, Any] = {"layer": layer, "pool": pool, "token_budget": token_budget}
    with counter("sequences") as advance:
        found = embed_sequences(encoder, _count(items, advance), reference, **choice)
    write_embeddings(out, found)
    facts = {"model": describe_model(encoder), "settings": found.uns["hexamer"], "input": describe_file(sequences)}
    facts |= {"genome": describe_file(genome)} if genome is not None else {}
    facts |= {"reasons": {reason or "embedded": int(n) for reason, n in found.obs["reason"].value_counts().items()}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, rows=found.n_obs)
    _tell_vectors(found, reference.contigs if reference else ())
    say(f"wrote {out}")


def _count(items: Any, advance: Callable[[int], None]) -> Iterator[Any]:
    for item in items:
        yield item
        advance(1)


def _tell_vectors(found: Any, contigs: Any) -> None:
    """Say how many vectors there are, and why others are not."""
    reasons = {str(reason): int(count) for reason, count in found.obs["reason"].value_counts().items()}
    vectors, settings = reasons.get("", 0), found.uns["hexamer"]
    kind = f"{found.n_vars} components (layer {settings['layer']}, {settings['pool']})"
    if vectors:
        say(f"{vectors:,} {'vector' if vectors == 1 else 'vectors'} of {kind}")
    say_reasons(reasons.items())
    if not vectors:
        say(f"no row has a vector, {explain_nothing(reasons, contigs)}")
    if "n" in found.obs and (unknown := int(found.obs["n"].sum())):
        say(f"{unknown:>12,}  letters other than A, C, G, T, read as N")
