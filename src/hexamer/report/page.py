"""The report: one HTML file that opens from disk, with the network off.

All that it shows is inside: figures, tables, the genome browser with slices of the reference and tracks as data. A
policy in the page forbids every connection, so nothing that it holds can leave by it. Of files it names names and
checksums, not folders; of people's genotypes it holds none. Not here: what sections say (`sections`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hexamer.errors import HexamerError, InputError
from hexamer.genome import Annotation, Genome, Interval
from hexamer.manifest import package_versions, write_atomically
from hexamer.report.blocks import Section, make_grid, write_cell
from hexamer.report.browser import (
    Track,
    View,
    choose_slices,
    describe_view,
    find_signal,
    gene_track,
    letter_track,
    signal_track,
    variant_tracks,
)
from hexamer.report.figures import COLOURS
from hexamer.report.inputs import Finding, Skipped, find_results, read_result, without_folder
from hexamer.report.scored import Scored, read_scored
from hexamer.report.sections import describe_scored, importance, make_section
from hexamer.report.tables import check_ending

_TOP = 20  # variants that are printed, and to which the browser has a way
_ENDLESS = 2**40  # a slice of a genome is a genome, too: genes may lie beyond its end
_ORDER = ("saturation-mutagenesis", "attribute", "find-motifs", "dependency-map", "attention-elements", "attention-map",
          "project", "embed")  # fmt: skip


class Report(NamedTuple):
    """What was written."""

    path: Path
    size: int
    """Bytes."""
    sections: list[str]
    """Titles."""
    skipped: list[Skipped]
    """What is not shown, and why."""


class _Variants(NamedTuple):
    """A file of scored variants in the page."""

    anchor: str
    section: Section
    data: dict[str, Any]
    shown: str
    top: Any


def write_report(
    results: Iterable[str | Path],
    out: str | Path,
    *,
    genome: str | Path | None = None,
    annotation: str | Path | None = None,
    title: str = "",
) -> Report:
    """Write one page of all that was found.

    Parameters
    ----------
    results : iterable of str or Path
        Files and folders that commands have written, and folders that hold such files.
    out : str or Path
        `.html`.
    genome : str or Path, optional
        FASTA, for the genome browser; by default that which a result was made from, if it is where it was.
    annotation : str or Path, optional
        GTF or GFF3, for the browser's genes and the table's column of them.
    title : str

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If a path does not exist, or nothing among them can be shown.
    GenomeError, AnnotationError
        If these cannot be read.
    OutputError
        If the page cannot be written.
    """
    out = Path(out)
    check_ending(out, (".html",), "a report")
    findings, skipped = find_results(results)
    found: dict[Path, Scored] = {}
    sections: list[Section] = []
    for finding in list(findings):
        try:
            if finding.kind == "score-variants":
                found[finding.path] = read_scored(finding.path)
            elif finding.kind != "write-tracks":
                sections.append(make_section(finding, len(sections)))
        except (HexamerError, OSError, ValueError, KeyError) as problem:
            findings.remove(finding)
            skipped.append(Skipped.of(finding.path, problem))
    source = Path(genome) if genome is not None else _find_genome(findings)
    view: View | None = None
    genes: Annotation | None = None
    if source is not None:
        with Genome(source) as reference:
            if annotation is not None:
                genes = Annotation(annotation, dict.fromkeys(reference.contigs, _ENDLESS))
            view, notes = _browse(reference, findings, found, genes)
            skipped += notes
    elif annotation is not None:
        genes = Annotation(annotation)
    variants = [
        _show_variants(finding, found[finding.path], genes, number)
        for number, finding in enumerate(each for each in findings if each.path in found)
    ]
    if not variants and not sections and view is None:
        told = f" ({skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"there is nothing to show{told}; results of hexamer's commands would work")
    page = _render(title or f"hexamer: {out.stem.replace('_', ' ')}", findings, skipped, variants, sections, view)
    with write_atomically(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    titles = [each.section.title for each in variants] + [each.title for each in sections]
    return Report(out, len(page.encode("utf-8")), titles, skipped)


def _find_genome(findings: Sequence[Finding]) -> Path | None:
    """Find the genome that a result was made from, if it is still there and of the same size."""
    for finding in findings:
        described = finding.manifest.get("genome")
        if isinstance(described, dict) and "path" in described:
            path = Path(str(described["path"]))
            if path.is_file() and path.stat().st_size == described.get("bytes"):
                return path
    return None


def _browse(
    genome: Genome, findings: Sequence[Finding], found: dict[Path, Scored], genes: Annotation | None
) -> tuple[View | None, list[Skipped]]:
    """Choose slices of the genome, and fill the browser's tracks; what cannot be shown is told."""
    letters: list[tuple[str, str, pd.DataFrame]] = []
    signals: list[Path] = []
    wanted: list[Interval] = []
    skipped = []
    for finding in findings:
        try:
            if finding.kind in ("saturation-mutagenesis", "attribute"):
                table = read_result(finding.path)
                column = "importance" if finding.kind == "saturation-mutagenesis" else "attribution"
                table = importance(table) if column == "importance" else table
                letters.append((f"{column}, {finding.path.name}", column, table))
                wanted += _spans(table, finding.path.name)
            elif finding.kind == "write-tracks":
                signals.append(finding.path)
        except (HexamerError, ValueError, KeyError) as problem:
            skipped.append(Skipped.of(finding.path, problem))
    for scored in found.values():
        rows = scored.rows.reindex(scored.rows[scored.scores[0]].abs().sort_values(ascending=False).index)
        sites = zip(rows["chrom"].astype(str), rows["pos"].tolist(), strict=True)
        wanted += [Interval(chrom, pos - 1, pos) for chrom, pos in sites if pos > 0]
    if not wanted:
        wanted = [place for path in signals[:1] if (place := find_signal(path, genome)) is not None]
    slices = choose_slices(genome, wanted)
    if not slices:
        return None, skipped
    tracks: list[Track | None] = [gene_track(genes, slices)] if genes is not None else []
    for scored in found.values():
        tracks += variant_tracks(scored.rows, scored.scores, slices, genome)
    tracks += [letter_track(table, column, name, slices, genome) for name, column, table in letters]
    for number, path in enumerate(signals):
        try:
            tracks.append(signal_track(path, slices, genome, colour=COLOURS[number % len(COLOURS)]))
        except HexamerError as problem:
            skipped.append(Skipped.of(path, problem))
    places = [each for each in wanted if each.name and each.chrom in genome][:_TOP]
    return describe_view(genome, slices, [each for each in tracks if each], places, name=genome.path.name), skipped


def _spans(table: pd.DataFrame, name: str) -> list[Interval]:
    """Find the intervals of a table of bases; those of a contig that follow each other closely are one."""
    found = []
    for chrom, rows in table.groupby("chrom", sort=False):
        places = np.sort(rows["pos"].unique())
        places = places[places > 0]
        for part in np.split(places, np.flatnonzero(np.diff(places) > 1000) + 1):
            if len(part):
                found.append(Interval(str(chrom), int(part[0]) - 1, int(part[-1]), name=name))
    return found


def _show_variants(finding: Finding, scored: Scored, genes: Annotation | None, number: int) -> _Variants:
    rows = scored.rows.copy()
    if genes is not None:
        rows.insert(2, "gene", _genes_of(rows, genes))
    score = scored.scores[0]
    top = rows[rows[score].notna()].reindex(rows[score].abs().sort_values(ascending=False).index).head(_TOP)
    top = top.dropna(subset=[score])
    kept = f"All {scored.total:,} alleles."
    if len(rows) < scored.total:
        kept = f"{len(rows):,} of {scored.total:,} alleles: those whose {score} is largest in size."
    if not rows["reason"].any():
        rows = rows.drop(columns="reason")
    data = {str(name): [_plain(value) for value in rows[name].tolist()] for name in rows}
    section = Section(
        f"variants-{number}",
        f"Variants: {finding.path.name}",
        "What each variant changes, in the model's eyes; scores are not probabilities of disease.",
        describe_scored(scored),
        finding.command,
    )
    columns = [name for name in rows if name != "reason"]
    return _Variants(f"variants-{number}", section, data, kept, make_grid(top[columns], digits=3))


def _genes_of(rows: pd.DataFrame, genes: Annotation) -> list[str]:
    """Names of the genes that each variant lies in, with commas."""
    table = genes.genes
    found = [""] * len(rows)
    chroms = rows["chrom"].astype(str).to_numpy()
    places = rows["pos"].to_numpy(np.int64) - 1
    for chrom in dict.fromkeys(chroms):
        try:
            name = genes.resolve(chrom)
        except HexamerError:
            continue
        own = table[table["chrom"] == name]
        starts, ends = own["start"].to_numpy(), own["end"].to_numpy()
        names = [row.name or row.gene_id for row in own[["name", "gene_id"]].itertuples(index=False)]
        for i in np.flatnonzero(chroms == chrom):
            inside = np.flatnonzero((starts <= places[i]) & (places[i] < ends))
            found[i] = ", ".join(dict.fromkeys(str(names[j]) for j in inside))
    return found


def _plain(value: Any) -> Any:
    """Write a value as JSON can: numbers shortly, nothing for what is missing."""
    if isinstance(value, float):
        return None if value != value else float(f"{value:.5g}")
    return value


def _render(
    title: str,
    findings: Sequence[Finding],
    skipped: Sequence[Skipped],
    variants: Sequence[_Variants],
    sections: Sequence[Section],
    view: View | None,
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    vendor = files("hexamer.report") / "vendor"
    environment = Environment(
        loader=PackageLoader("hexamer.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["json"] = _as_json
    order = {kind: i for i, kind in enumerate(_ORDER)}
    kinds = {f"{each.path.name}": order.get(each.kind, len(order)) for each in findings}
    runs = [_describe_run(finding) for finding in findings]
    return environment.get_template("page.html").render(
        title=title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions=package_versions(),
        runs=runs,
        manifests=_describe_manifests(findings),
        skipped=[(each.path.name, " ".join(map(without_folder, each.reason.split(" ")))) for each in skipped],
        variants=variants,
        sections=sorted(sections, key=lambda section: kinds.get(section.title.rpartition(": ")[2], 0)),
        view=view,
        data={"variants": {each.anchor: each.data for each in variants}, "view": view.config if view else None,
              "slices": [(each.chrom, each.start, each.end) for each in view.slices] if view else [],
              "places": view.places if view else []},
        vendor={name: (vendor / name).read_text(encoding="utf-8") for name in _vendored(variants, view)},
        licences={name: (vendor / name).read_text(encoding="utf-8") for name in ("igv.LICENSE", "tabulator.LICENSE")},
    )  # fmt: skip


def _vendored(variants: Sequence[_Variants], view: View | None) -> list[str]:
    names = ["tabulator.min.js", "tabulator_simple.min.css"] if variants else []
    return [*names, *(["igv.min.js"] if view else [])]


def _describe_run(finding: Finding) -> dict[str, str]:
    described = finding.manifest.get("genome")
    genome = Path(str(described["path"])).name if isinstance(described, dict) and "path" in described else ""
    return {
        "name": finding.path.name,
        "kind": finding.kind,
        "command": finding.command,
        "model": finding.model,
        "genome": genome,
        "made": str(finding.manifest.get("made", ""))[:10],
    }


def _describe_manifests(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Write each manifest once, under the names of the results that it is of."""
    names: dict[str, list[str]] = {}
    for finding in findings:
        if finding.manifest:
            text = json.dumps(_without_folders(finding.manifest), indent=2, default=str)
            names.setdefault(text, []).append(finding.path.name)
    return [(", ".join(own), text) for text, own in names.items()]


def _without_folders(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_folders(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(each) for each in value]
    return without_folder(value) if isinstance(value, str) else value


def _as_json(value: Any) -> Any:
    """Write JSON that may stand in a script of a page."""
    from markupsafe import Markup

    letters = json.dumps(value, separators=(",", ":"), allow_nan=False, default=write_cell)
    return Markup(letters.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
