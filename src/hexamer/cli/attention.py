"""Where heads look: `attention-map` and `attention-elements`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hexamer.cli.messages import examples, say
from hexamer.cli.options import DeviceOption, GenomeOption, ModelOption, UnphasedOption, check_parent
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
    parse_numbers,
)
from hexamer.errors import SettingsError

if TYPE_CHECKING:
    from hexamer.genome import Genome

commands = typer.Typer()


@commands.command(
    epilog=examples(
        "hexamer attention-map --genome hg38.fa --regions chr20:1,000,001-1,003,000 --out maps.npz --layers 6",
        "hexamer attention-map --fasta promoters.fa -o maps.npz --layers 3 --heads 0 --figure head.png",
    )
)
def attention_map(
    out: Annotated[Path, typer.Option("--out", "-o", help="NumPy archive to write, .npz.")],
    genome: OptionalGenomeOption = None,
    regions: RegionsOption = None,
    bed: BedOption = None,
    fasta: FastaOption = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    unphased: UnphasedOption = "error",
    layers: Annotated[str, typer.Option(help="Comma list, from 1, -1 is the last; all by default.")] = "",
    heads: Annotated[str, typer.Option(help="Comma list, from 0; all by default.")] = "",
    figure: FigureOption = None,
    memory: Annotated[int, typer.Option(help="MiB of maps that are held at a time.")] = 512,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Write which token looks at which, head by head.

    Maps of tokens with the places of their bases; rows look at columns. --figure draws the first map.
    """
    from hexamer.interpretation import attention_map as read_attention
    from hexamer.interpretation import choose_heads, write_attention
    from hexamer.manifest import write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, draw_attention

    check_parent(out)
    if figure is not None:
        check_figure_path(figure)
    sources = Sources(genome, regions, bed, fasta, people, person, unphased)
    sources.check()
    encoder = load_model(model, device=device)
    chosen: dict[str, Any] = {
        "layers": parse_numbers(layers, "--layers"),
        "heads": parse_numbers(heads, "--heads"),
        "memory": memory * 2**20,
    }
    each = len(choose_heads(encoder, chosen["layers"], chosen["heads"]))
    stretches = sources.read_stretches()
    with counter("maps") as advance:
        advance.expect(each * len(stretches))
        written = write_attention(out, encoder, stretches, **chosen, advance=lambda count: advance(count))
    if figure is not None:
        first = stretches[0]
        found = next(iter(read_attention(encoder, first, **chosen)))
        places = first.places[first.places >= 0]
        span = (
            {"first": int(places.min()) + 1, "last": int(places.max()) + 2}
            if len(places) and first.strand == "+"
            else {}
        )
        draw_attention(found.weights, figure, **span, title=f"{first.name}, layer {found.layer}, head {found.head}")
        say(f"wrote {figure}")
    facts: dict[str, Any] = {"model": describe_model(encoder), "settings": chosen} | sources.describe()
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, stretches=[s.name for s in stretches])
    maps, own = "map" if written == 1 else "maps", "stretch" if len(stretches) == 1 else "stretches"
    say(f"wrote {out}: {written:,} {maps} of {len(stretches):,} {own}")


@commands.command(
    epilog=examples(
        "hexamer attention-elements --genome sacCer3.fa --annotation sacCer3.gtf --out elements.tsv --figure heads.png",
        "hexamer attention-elements -g hg38.fa -a genes.gtf --elements ctcf=ctcf.bed -o e.tsv --windows 1000",
    )
)
def attention_elements(
    genome: GenomeOption,
    out: TableOption,
    annotation: Annotated[Path | None, typer.Option("--annotation", "-a", help="GTF or GFF3 of genes.")] = None,
    elements: Annotated[
        list[str] | None, typer.Option(metavar="NAME=BED", help="Another class of elements. Repeatable.")
    ] = None,
    windows: Annotated[int, typer.Option(help="Of each class; 10,000 in the paper.")] = 100,
    window: Annotated[int, typer.Option(help="Bases of a window, at most what the model reads.")] = 6000,
    above: Annotated[float, typer.Option(help="Attention from which on a token looks at another.")] = 0.3,
    side: Annotated[str, typer.Option(help="Which token has to lie on the element: key (looked at) or query.")] = "key",
    seed: Annotated[int, typer.Option(help="Of which elements, and where in their windows.")] = 0,
    figure: FigureOption = None,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Find heads that look at genomic elements.

    The share of attention above 0.3 that lands on a class of elements, against their share of all tokens, with a z-test
    corrected for the number of heads.
    """
    from hexamer.genome import Genome
    from hexamer.interpretation import AttentionSettings
    from hexamer.interpretation import attention_elements as count_attention
    from hexamer.manifest import describe_file, make_settings, write_manifest
    from hexamer.model import describe_model, load_model
    from hexamer.report import check_figure_path, check_table_path, draw_attention_elements, write_table

    check_table_path(out)
    if figure is not None:
        check_figure_path(figure)
    table = {"window": window, "windows": windows, "above": above, "side": side, "seed": seed}
    settings = make_settings(AttentionSettings, table, "attention-elements")
    reference = Genome(genome)
    classes = _classes(reference, annotation, elements or [])
    encoder = load_model(model, device=device)
    with counter("windows") as advance:
        found = count_attention(encoder, reference, classes, settings=settings, advance=lambda count: advance(count))
    write_table(found, out)
    if figure is not None:
        draw_attention_elements(found, figure, title=f"{model}, {genome.name}")
        say(f"wrote {figure}")
    for name in classes:
        own: Any = found[found["element"] == name]
        told = ""
        if own["z"].notna().any():
            best = own.loc[own["z"].idxmax()]
            told = f"; most by layer {best['layer']}, head {best['head']}: {best['share']:.1%}"
        say(
            f"{int(own['enriched'].sum()):>4} of {len(own)} heads look at {name} more than at the rest "
            f"({own['background'].iloc[0]:.1%} of tokens, {own['windows'].iloc[0]} windows){told}"
        )
    facts: dict[str, Any] = {"settings": settings, "model": describe_model(encoder), "genome": describe_file(genome)}
    facts |= {"annotation": describe_file(annotation)} if annotation is not None else {}
    facts |= {"elements": {name: describe_file(path) for name, path in map(_named_bed, elements or [])}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts)
    say(f"wrote {out}")


def _classes(reference: "Genome", annotation: Path | None, elements: list[str]) -> dict[str, Any]:
    """Elements by class: those of genes, and of BED files."""
    import pandas as pd

    from hexamer.genome import Annotation, read_intervals

    found: dict[str, Any] = {}
    if annotation is not None:
        known = Annotation(annotation, reference)
        painted = pd.concat([known.elements(chrom).assign(chrom=chrom) for chrom in known.contigs])
        exonic = ("cds", "five_prime_utr", "three_prime_utr", "exon")
        for name, members in (
            ("five_prime_utr", ("five_prime_utr",)),
            ("three_prime_utr", ("three_prime_utr",)),
            ("exon", exonic),
            ("intron", ("intron",)),
            ("promoter", ("promoter",)),
        ):
            if len(own := painted[painted["element"].isin(members)]):
                found[name] = own[["chrom", "start", "end"]]
            else:
                say(f"{name}: the annotation has none")
    for name, path in map(_named_bed, elements):
        if name in found:
            raise SettingsError(f"--elements {name}={path}: there is a class {name}; another name would work")
        rows = [(reference.resolve(i.chrom), i.start, i.end) for i in read_intervals(path) if i.chrom in reference]
        found[name] = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    if not found:
        raise SettingsError("no elements: --annotation GTF, or --elements NAME=BED, would work")
    return found


def _named_bed(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise SettingsError(f"--elements {text}: NAME=BED, such as ctcf=ctcf.bed, would work")
    return name, Path(path)
