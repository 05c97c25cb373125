"""The report: one HTML file that opens from disk, with the network off.

All that it shows is inside: figures, tables, the genome browser with slices of the reference and tracks as data. A
policy in the page forbids every connection, so nothing that it holds can leave by it. Of files it names names and
checksums, not folders; of people's genotypes it holds none. Not here: what sections say (`sections`).
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hexamer.errors import HexamerError, InputError
from hexamer.genome import Annotation, Genome
from hexamer.genome.contigs import ContigNames
from hexamer.manifest import package_versions, write_atomically
from hexamer.report.blocks import Grid, Section, make_grid, write_cell
from hexamer.report.browser import View, browse
from hexamer.report.inputs import Finding, Skipped, find_results, without_folder
from hexamer.report.scored import Scored, read_scored
from hexamer.report.sections import describe_scored, make_section
from hexamer.report.tables import check_ending

_TOP = 20  # variants that are printed, and to which the browser has a way
_LONGEST_MANIFEST = 200_000  # letters
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

    section: Section
    """Above the table."""
    data: dict[str, Any]
    """Columns of the table."""
    shown: str
    """How many there are."""
    top: Grid
    """For print."""


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
    order = {kind: i for i, kind in enumerate(_ORDER)}
    findings.sort(key=lambda finding: order.get(finding.kind, len(order)))
    found, sections = _read(findings, skipped)
    view: View | None = None
    genes: Annotation | None = None
    reference = _open_genome(genome, findings, skipped)
    if annotation is not None:
        genes = Annotation(annotation, dict.fromkeys(reference.contigs, _ENDLESS) if reference is not None else None)
    if reference is not None:
        with reference:
            view, notes = browse(reference, findings, found, genes)
            skipped += notes
    else:
        signals = [finding.path for finding in findings if finding.kind == "write-tracks"]
        skipped += [Skipped(path, "tracks are shown in the browser, which takes --genome") for path in signals]
    variants = [
        _show_variants(finding, found[finding.path], genes, number)
        for number, finding in enumerate(each for each in findings if each.path in found)
    ]
    if not variants and not sections and view is None:
        told = f" ({skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"there is nothing to show{told}; results of hexamer's commands would work")
    page = _render(title or f"hexamer: {out.stem.replace('_', ' ')}", findings, skipped, variants, sections, view)
    with write_atomically(out) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
    titles = [each.section.title for each in variants] + [each.title for each in sections]
    return Report(out, len(page.encode("utf-8", errors="replace")), titles, skipped)


def _read(findings: list[Finding], skipped: list[Skipped]) -> tuple[dict[Path, Scored], list[Section]]:
    """Read scored variants, and make the sections of the rest; what cannot be shown leaves the findings."""
    found: dict[Path, Scored] = {}
    sections: list[Section] = []
    for finding in list(findings):
        try:
            if finding.kind == "score-variants":
                found[finding.path] = read_scored(finding.path)
            elif finding.kind != "write-tracks":
                sections.append(make_section(finding, len(sections)))
        except Exception as problem:  # of whatever kind: one file that cannot be shown is no reason to show none
            findings.remove(finding)
            skipped.append(Skipped.of(finding.path, problem))
    return found, sections


def _open_genome(genome: str | Path | None, findings: Sequence[Finding], skipped: list[Skipped]) -> Genome | None:
    """Open the genome that was given, or one that a result was made from."""
    if genome is not None:
        return Genome(genome)
    try:
        source = _find_genome(findings)
        return Genome(source) if source is not None else None
    except HexamerError as problem:
        skipped.append(Skipped(Path("genome"), f"the browser: {problem}"))
        return None


def _find_genome(findings: Sequence[Finding]) -> Path | None:
    """Find the genome that a result was made from, if it is still there and of the same size."""
    for finding in findings:
        described = finding.manifest.get("genome")
        if isinstance(described, dict) and "path" in described:
            path = Path(str(described["path"]))
            if path.is_file() and path.stat().st_size == described.get("bytes"):
                return path
    return None


def _show_variants(finding: Finding, scored: Scored, genes: Annotation | None, number: int) -> _Variants:
    rows = scored.rows.copy()
    if genes is not None:
        rows.insert(2, "gene", _genes_of(rows, genes))
    score = scored.scores[0]
    top = rows.loc[scored.largest.index[:_TOP]]
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
    return _Variants(section, data, kept, make_grid(top[columns], digits=3))


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
        return float(f"{value:.5g}") if math.isfinite(value) else None
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
    runs = [_describe_run(finding) for finding in findings]
    script = (files("hexamer.report") / "templates" / "page.js").read_text(encoding="utf-8")
    others = {name: (vendor / name).read_text(encoding="utf-8") for name in _vendored(variants, view)}
    return environment.get_template("page.html").render(
        title=title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions=package_versions(),
        runs=runs,
        manifests=_describe_manifests(findings),
        skipped=[(each.path.name, each.reason) for each in skipped],
        variants=variants,
        sections=sections,
        view=view,
        data={"variants": {each.section.anchor: each.data for each in variants}, "view": view.config if view else None,
              "slices": [(each.chrom, each.start, each.end) for each in view.slices] if view else [],
              "places": view.places if view else [], "contigs": _match_contigs(variants, view)},
        vendor=others,
        script=script,
        policy=" ".join(_hash_script(text) for text in (script, *others.values())),
        licences=[(vendor / f"{name}.LICENSE").read_text(encoding="utf-8")
                  for name, there in (("igv", view), ("tabulator", variants)) if there],
    )  # fmt: skip


def _hash_script(text: str) -> str:
    """Hash a script of the page: its policy allows these, and none that some text of the data might smuggle in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _match_contigs(variants: Sequence[_Variants], view: View | None) -> dict[str, str]:
    """Find the browser's name of each contig that variants lie on."""
    if view is None:
        return {}
    known = ContigNames(dict.fromkeys(place.chrom for place in view.slices))
    names = dict.fromkeys(str(name) for each in variants for name in each.data["chrom"])
    return {name: known.matches(name)[0] for name in names if len(known.matches(name)) == 1}


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
            try:
                text = json.dumps(_without_folders(finding.manifest), indent=2, default=str)
            except (ValueError, RecursionError):
                text = "cannot be shown: too deep"
            text = text if len(text) <= _LONGEST_MANIFEST else f"{text[:_LONGEST_MANIFEST]} ... cut here"
            names.setdefault(text, []).append(finding.path.name)
    return [(", ".join(own), text) for text, own in names.items()]


def _without_folders(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {without_folder(str(name)): _without_folders(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(each) for each in value]
    return without_folder(value) if isinstance(value, str) else value


def _as_json(value: Any) -> Any:
    """Write JSON that may stand in a script of a page."""
    from markupsafe import Markup

    letters = json.dumps(value, separators=(",", ":"), allow_nan=False, default=write_cell)
    return Markup(letters.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
