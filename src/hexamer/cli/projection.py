"""Pictures of embeddings: `project`."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hexamer.cli.messages import examples, say, say_reasons
from hexamer.cli.options import DeviceOption, ModelOption, UnphasedOption, check_not_input
from hexamer.cli.progress import Count, counter
from hexamer.cli.sources import FigureOption, PeopleOption, PersonOption, open_source, parse_numbers
from hexamer.errors import InputError, SettingsError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from hexamer.genome import Annotation, Genome, Haplotype
    from hexamer.interpretation import Projection
    from hexamer.model import NucleotideTransformer

commands = typer.Typer()

WRITTEN = (".h5ad", ".parquet")
"""Endings of embeddings that are there."""
BED = (".bed", ".narrowPeak", ".broadPeak")
Read = Callable[["NucleotideTransformer", tuple[int, ...], Count], "list[AnnData]"]
"""Embeds what was asked for with an encoder: of each layer the same rows."""


@commands.command(
    epilog=examples(
        "hexamer project --genome sacCer3.fa --annotation sacCer3.gtf --out elements.tsv --figure elements.png",
        "hexamer project promoters.h5ad --colour kind --method umap --out placed.h5ad --figure promoters.png",
    )
)
def project(
    out: Annotated[Path, typer.Option("--out", "-o", help="Table (.tsv, .parquet), or .h5ad with the vectors.")],
    sequences: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="Embeddings (.h5ad, .parquet), FASTA, or BED with --genome."),
    ] = None,
    genome: Annotated[Path | None, typer.Option("--genome", "-g", help="Reference FASTA.")] = None,
    annotation: Annotated[
        Path | None, typer.Option("--annotation", "-a", help="GTF or GFF3: draw windows of its elements.")
    ] = None,
    people: PeopleOption = None,
    person: PersonOption = None,
    unphased: UnphasedOption = "error",
    colour: Annotated[
        list[str] | None, typer.Option("--colour", "-c", help="Column to colour by, with a panel each. Repeatable.")
    ] = None,
    figure: FigureOption = None,
    method: Annotated[str, typer.Option(help="tsne, pca or umap.")] = "tsne",
    layers: Annotated[
        str, typer.Option(help="Comma list, with a panel each; the last, and of elements the first and middle too.")
    ] = "",
    windows: Annotated[int, typer.Option(help="Of each class of elements.")] = 500,
    length: Annotated[int, typer.Option(help="Bases of these windows.")] = 600,
    share: Annotated[float, typer.Option(help="Of a window that its element covers at least.")] = 0.5,
    perplexity: Annotated[float, typer.Option(help="Of t-SNE: about how many neighbours count.")] = 30,
    control: Annotated[bool, typer.Option("--control", help="Measure an encoder of random weights, too.")] = False,
    seed: Annotated[int, typer.Option(help="Of windows, pictures, samples and random weights.")] = 0,
    model: ModelOption = "hexamer-tiny",
    device: DeviceOption = "auto",
) -> None:
    """Lay embeddings out on a plane.

    By t-SNE, PCA or UMAP, in the colours of a column; says how far its classes are apart. Silhouette and purity (share
    of a row's 15 nearest rows that are of its class) are of the vectors, not of the picture.
    """
    from hexamer.interpretation import project as place
    from hexamer.interpretation.projection import check_method
    from hexamer.interpretation.separation import choose_column
    from hexamer.manifest import describe_file, write_manifest
    from hexamer.model import describe_model, load_model, randomised
    from hexamer.report import check_figure_path, draw_projection, show_separation
    from hexamer.report.tables import TABLES, check_ending

    check_ending(out, (*TABLES, ".h5ad"), "a projection")
    check_method(method)
    if figure is not None:
        check_figure_path(figure)
    given = {"input": sequences, "genome": genome, "annotation": annotation, "people": people}
    facts: dict[str, Any] = {name: describe_file(path) for name, path in given.items() if path is not None}
    check_not_input(out, *(path for path in given.values() if path is not None))
    found: dict[str, list[AnnData]] = {}
    if sequences is not None and sequences.suffix in WRITTEN:
        if layers or control or annotation is not None or people is not None:
            raise SettingsError(
                f"{sequences}: is embedded; --layers, --control, --annotation and --people are of what is not"
            )
        found["model"] = [_read_written(sequences)]
    else:
        encoder = load_model(model, device=device)
        wanted = _choose_layers(encoder, parse_numbers(layers, "--layers"), of_elements=annotation is not None)
        with ExitStack() as opened:
            if genome is None and (people is not None or person is not None):
                raise SettingsError("--people and --person are read over a genome; --genome FASTA would work")
            source = opened.enter_context(open_source(genome, people, person, unphased)) if genome is not None else None
            read = _open_input(sequences, source, annotation, encoder.config.max_bases, (windows, length, share, seed))
            with counter("sequences") as advance:
                found["model"] = read(encoder, wanted, advance)
                if control:
                    found["random"] = read(randomised(encoder, seed), wanted, advance)
        facts |= {"person": person} if person else {}
        facts |= {"model": describe_model(encoder)}
    first = found["model"][0]
    names = colour or (["element"] if annotation is not None else [])
    columns = {name: choose_column(first.obs, name) for name in names}
    separation = _measure(found, columns, seed)
    with counter("pictures") as advance:
        advance.expect(len(found["model"]))
        placed = []
        for own in found["model"]:
            placed.append(place(own, method=method, perplexity=perplexity, seed=seed))  # type: ignore[arg-type]
            advance(1)
    table = _write(out, found["model"], placed, method)
    if figure is not None:
        title = ", ".join([Path(model).name] * ("model" in facts) + [(sequences or genome or out).name])
        notes = _notes(found["model"], separation, names)
        draw_projection(table, figure, colour=names, method=method, notes=notes, title=title)
    facts |= {"settings": placed[0].settings | {"colour": names}, "missing": placed[0].missing}
    if annotation is not None:
        facts |= {"windows": {"count": windows, "length": length, "share": share, "seed": seed}}
    write_manifest(out.with_name(out.name + ".manifest.json"), **facts, separation=separation.to_dict("records"))
    if len(separation):
        typer.echo(show_separation(separation))
    _tell(first, placed[0], columns, perplexity)
    for path in filter(None, (figure, out)):
        say(f"wrote {path}")


def _read_written(path: Path) -> "AnnData":
    """Embeddings of a file, of `embed` or of other tools."""
    from hexamer.embeddings import read_embeddings

    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        found = read_embeddings(path)
    except (OSError, KeyError, ValueError, TypeError) as problem:
        told = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise InputError(f"{path}: is not read as embeddings ({told}); a file of `hexamer embed` would work") from None
    if taken := {"layer", "x", "y"} & set(found.obs):
        raise InputError(f"{path}: has a column {min(taken)}, which is the picture's; another name would work")
    return found


def _choose_layers(encoder: "NucleotideTransformer", layers: tuple[int, ...], *, of_elements: bool) -> tuple[int, ...]:
    """Layers that are asked for, or the last, or for elements the first, the middle and the last."""
    deep = encoder.config.layers
    asked = layers or ((1, max(1, deep // 2), deep) if of_elements else (deep,))
    return tuple(dict.fromkeys(encoder.layer_number(layer) for layer in asked))


def _open_input(
    sequences: Path | None,
    source: "Genome | Haplotype | None",
    annotation: Path | None,
    longest: int,
    drawn: tuple[int, int, float, int],
) -> Read:
    """Open what is to be embedded; gives what reads it with an encoder, a list of a layer each."""
    from hexamer.genome import Annotation, Haplotype, read_intervals, read_sequences

    if annotation is not None:
        if source is None or sequences is not None:
            raise SettingsError(f"{annotation}: elements are of a genome; --genome FASTA without INPUT would work")
        if drawn[1] > longest:
            raise SettingsError(f"--length {drawn[1]:,}: {longest:,} or fewer (what the model reads) would work")
        reference = source.cohort.genome if isinstance(source, Haplotype) else source
        return _read_elements(source, reference, Annotation(annotation, reference, promoter=0), *drawn)
    if sequences is None:
        raise SettingsError(
            "nothing to lay out: INPUT (embeddings, FASTA, or BED with --genome), or --genome with --annotation, "
            "would work"
        )
    is_bed = sequences.name.removesuffix(".gz").endswith(BED)
    if is_bed and source is None:
        raise SettingsError(f"{sequences}: intervals need a genome; --genome FASTA would work")
    items: list[Any] = list(read_intervals(sequences) if is_bed else read_sequences(sequences))

    def read(encoder: "NucleotideTransformer", layers: tuple[int, ...], advance: Count) -> "list[AnnData]":
        from hexamer.embeddings import embed

        found = []
        for layer in layers:
            found.append(embed(encoder, items, source, layer=layer))
            advance(len(items))
        return found

    return read


def _read_elements(
    source: "Genome | Haplotype",
    reference: "Genome",
    known: "Annotation",
    windows: int,
    length: int,
    share: float,
    seed: int,
) -> Read:
    """Draw windows of elements, and say of which classes there are few."""
    from hexamer.interpretation import embed_windows, sample_elements
    from hexamer.interpretation.element_windows import count_windows

    places = sample_elements(reference, known, count=windows, length=length, share=share, seed=seed)
    counts = count_windows(places)
    if "exon" in counts:
        say("the annotation has no CDS: exons are one class, and UTRs are not known")
    for name, count in counts.items():
        if count < windows and not ("exon" in counts and name.endswith("utr")):
            say(f"{name}: {count:,} of {windows:,} windows; no more elements cover {share:.0%} of {length:,} bases")

    def read(encoder: "NucleotideTransformer", layers: tuple[int, ...], advance: Count) -> "list[AnnData]":
        return embed_windows(encoder, source, places, layers=layers, advance=lambda count: advance(count))

    return read


def _measure(found: "dict[str, list[AnnData]]", columns: "dict[str, pd.Series]", seed: int) -> "pd.DataFrame":
    """How far the classes of each column are apart, by weights and layer."""
    import pandas as pd

    from hexamer.interpretation import measure_separation

    tables = [
        pd.DataFrame({"weights": weights, "layer": _layer(own), "colour": name}, index=table.index).join(table)
        for weights, layers in found.items()
        for own in layers
        for name, column in columns.items()
        if _has_classes(column)
        for table in [measure_separation(own, column, seed=seed)]
    ]
    empty = ["weights", "layer", "colour", "class", "rows", "silhouette", "purity", "chance"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=empty)


def _has_classes(column: "pd.Series") -> bool:
    return column.dtype.kind != "f" and column.nunique() > 1


def _layer(own: "AnnData") -> Any:
    """Layer that vectors are of; None where the file does not tell."""
    return own.uns.get("hexamer", {}).get("layer")


def _write(out: Path, found: "list[AnnData]", placed: "list[Projection]", method: str) -> "pd.DataFrame":
    """Write where rows lie, or the vectors of the last layer with it; gives the table."""
    import pandas as pd

    from hexamer.embeddings import write_embeddings
    from hexamer.report import write_table

    tables = []
    last = found[-1].copy()
    for own, projection in zip(found, placed, strict=True):
        layer = _layer(own)
        places = dict(zip("xy", projection.coordinates.T, strict=True))
        tables.append(own.obs.reset_index(drop=True).assign(**{"layer": layer} if layer is not None else {}, **places))
        last.obsm[f"X_{method}" + (f"_layer{layer}" if len(found) > 1 else "")] = projection.coordinates
    table = pd.concat(tables, ignore_index=True)
    if out.suffix == ".h5ad":
        last.uns["hexamer_projection"] = placed[-1].settings
        write_embeddings(out, last)
    else:
        write_table(table, out)
    return table


def _notes(found: "list[AnnData]", separation: "pd.DataFrame", names: list[str]) -> list[str]:
    """Write the purity of each panel's classes, nothing of numbers."""
    whole = separation[separation["class"].eq("all") & separation["weights"].eq("model")]
    told = {(row.layer, row.colour): f"purity {row.purity:.2f} (chance {row.chance:.2f})" for row in whole.itertuples()}
    return [told.get((_layer(own), name), "") for own in found for name in names]


def _tell(first: "AnnData", placed: "Projection", columns: "dict[str, pd.Series]", perplexity: float) -> None:
    """Say what the numbers are, and what could not be had."""
    from hexamer.interpretation.separation import MOST, NEIGHBOURS

    if any(map(_has_classes, columns.values())):
        say(f"purity: share of the {NEIGHBOURS} nearest rows that are of a row's class; chance: if they were any rows")
        say("silhouette (-1 to 1) and purity are of the vectors, standardised, not of the picture")
    if placed.settings["rows"] > MOST:
        say(f"measured on {MOST:,} of {placed.settings['rows']:,} rows")
    for name, column in columns.items():
        if column.nunique() < 2:
            say(f"{name}: a single class, {column.dropna().unique()[0] if column.notna().any() else 'not known'}")
    if not columns:
        say(f"--colour would colour by {', '.join(map(str, first.obs.columns))}")
    if "reason" in first.obs:
        say_reasons((str(reason), int(count)) for reason, count in first.obs["reason"].value_counts().items())
    elif placed.missing:
        say(f"{placed.missing:,} rows have no vector, and no place")
    used = placed.settings.get("perplexity", perplexity)
    if used < perplexity:
        say(f"perplexity {perplexity:g} is too large for {placed.settings['rows']:,} rows; {used:.3g} was used")
