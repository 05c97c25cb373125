"""Sections of a report: what is said, drawn and laid out of each kind of result.

A section is made of a `Finding`, in the function that bears its kind's name. Not here: scored variants and the genome
browser, which the page itself draws (`page`).
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import InputError
from hexamer.interpretation.element_windows import ELEMENTS
from hexamer.report.attribution import draw_attribution
from hexamer.report.blocks import Blocks, Grid, Section, Text, draw, make_grid
from hexamer.report.distributions import FREQUENCY_CLASSES, draw_by_frequency, draw_distributions
from hexamer.report.figures import draw_evaluation
from hexamer.report.folders import FOLDERS, show_folder
from hexamer.report.inputs import Finding, read_result
from hexamer.report.interpretation import (
    draw_attention_elements,
    draw_attention_maps,
    draw_dependency,
)
from hexamer.report.mutagenesis import draw_mutagenesis, number_along
from hexamer.report.projections import draw_projection
from hexamer.report.scored import Scored

_MOST_REGIONS = 8  # that are drawn of one file
_MOST_MAPS = 12
_LONGEST_MAP = 2000  # bases


def make_section(finding: Finding, number: int) -> Section:
    """Make the section of a result.

    Parameters
    ----------
    finding : Finding
    number : int
        For its anchor.

    Returns
    -------
    Section

    Raises
    ------
    HexamerError
        If it cannot be read, or is of a kind that has no section.
    """
    maker = _MAKERS.get(finding.kind)
    if finding.path.is_dir():
        title, lead = FOLDERS.get(finding.kind, (finding.kind, "Figures and tables of a run."))
        blocks = show_folder(finding.path, title)
    elif maker is not None:
        title, lead, make = maker
        blocks = make(finding)
    else:
        raise InputError(f"{finding.path}: a report has no section for results of {finding.kind}")
    return Section(f"part-{number}", f"{title}: {finding.path.name}", lead, blocks, finding.command)


def describe_scored(found: Scored) -> Blocks:
    """Make what is said of scored variants above their table: counts with reasons, and distributions.

    Parameters
    ----------
    found : Scored

    Returns
    -------
    list of Picture, Grid or Text
    """
    total = max(1, found.total)
    counts = [[reason or "scored", f"{n:,}", f"{n / total:.1%}"] for reason, n in found.reasons.most_common()]
    blocks: Blocks = [
        Grid(["", "alleles", "share"], counts, "Alleles, and why some have no score", (False, True, True))
    ]
    known = {name: values for name, values in found.values.items() if len(values)}
    if known:
        medians = ", ".join(f"{name} {np.median(values):.3g}" for name, values in known.items())
        alt = f"Histograms of {len(known)} scores of {found.total:,} alleles; medians: {medians}."
        blocks.append(draw(draw_distributions, known, alt=alt, caption="Distribution of each score; dotted: median."))
    score = found.scores[0]
    if len(found.frequencies) and score in known:
        values = found.values[score]
        told = []
        for name, (low, high) in FREQUENCY_CLASSES.items():
            own = values[(found.frequencies > low) & (found.frequencies <= high)]
            told.append(f"{name}: {np.median(own):.3g} ({len(own):,})" if len(own) else f"{name}: none")
        alt = f"Median {score} by frequency of the alternate allele: {'; '.join(told)}."
        caption = f"{score} by allele frequency: median, middle half and middle nine tenths."
        blocks.append(draw(draw_by_frequency, values, found.frequencies, score=score, alt=alt, caption=caption))
    return blocks


def _find_score(table: pd.DataFrame) -> str:
    """Find the first column of scores of a table; InputError if there is none."""
    plain = {"pos", "inserted"}
    numbers = [name for name in table if name not in plain and pd.api.types.is_numeric_dtype(table[name])]
    if not numbers:
        raise InputError("the table has no column of scores")
    return "llr" if "llr" in numbers else str(numbers[0])


def _regions(table: pd.DataFrame) -> tuple[list[tuple[str, pd.DataFrame]], Blocks]:
    groups = [(str(region), rows) for region, rows in table.groupby("name", sort=False)]
    left = len(groups) - _MOST_REGIONS
    return groups[:_MOST_REGIONS], [Text(f"{left:,} more regions are in the file.")] if left > 0 else []


def _mutagenesis(finding: Finding) -> Blocks:
    table = read_result(finding.path)
    score = _find_score(table)
    blocks: Blocks = []
    if isinstance(told := finding.manifest.get("agreement"), Mapping) and told.get("pearson") is not None:
        numbers = f"Pearson {told['pearson']:.4f}, Spearman {told['spearman']:.4f}, mean difference "
        numbers += f"{told['difference']:.3f} nats"
        blocks.append(Text(f"Fast mode; against the exact one on {told['changes']:.0f} substitutions: {numbers}."))
    shown, more = _regions(table)
    for region, rows in shown:
        single = number_along(rows[(rows["ref"].str.len() == 1) & (rows["alt"].str.len() == 1)])
        if single[score].notna().sum() == 0:
            blocks.append(Text(f"{region}: no substitution has a score."))
            continue
        largest = single.iloc[int(single[score].abs().argmax())]
        alt = (
            f"Saturation mutagenesis of {region}: {score} of {len(single):,} substitutions as a heat map, and the "
            f"importance of {single['pos'].nunique():,} bases as letters. "
            f"Largest: {largest['ref']}{largest['pos']}{largest['alt']}, {largest[score]:.3g}."
        )
        blocks.append(draw(draw_mutagenesis, rows, score=score, title=region, alt=alt, caption=region))
    return blocks + more


def _attention_elements(finding: Finding) -> Blocks:
    table = read_result(finding.path)
    counts = table.groupby("element", sort=False)
    best = table.loc[counts["z"].idxmax().dropna()] if table["z"].notna().any() else table.iloc[:0]
    told = [
        f"{name}: {int(rows['enriched'].sum())} of {len(rows)} heads, background {rows['background'].iloc[0]:.1%}"
        for name, rows in counts
    ]
    alt = f"Heat maps of layers and heads, one for each class of elements. Heads that look at it: {'; '.join(told)}."
    caption = "log2 of the share of attention over the background; dot: enriched, grey: too few pairs to say."
    columns = [name for name in ("element", "layer", "head", "share", "background", "z", "p_adjusted") if name in best]
    return [
        draw(draw_attention_elements, table, alt=alt, caption=caption),
        make_grid(best[columns], caption="The head of each class with the highest z"),
    ]


def _attention_maps(finding: Finding) -> Blocks:
    try:
        opened = np.load(finding.path, allow_pickle=False)
    except (zipfile.BadZipFile, ValueError, EOFError) as problem:
        raise InputError(f"{finding.path}: cannot be read as a NumPy archive ({problem})") from None
    with opened as archive:
        names = [name for name in archive.files if name.startswith("0/layer") and not name.endswith("_cls")]
        if not names:
            raise InputError(f"{finding.path}: no map of a stretch in it; a file of attention-map would work")
        maps = {_name_head(name): archive[name] for name in names[:_MOST_MAPS]}
        stretch = str(archive["0/name"])
    tokens = len(next(iter(maps.values())))
    alt = (
        f"Attention maps of {stretch}, {tokens} tokens, of {len(maps)} heads: {'; '.join(maps)}; rows look at columns."
    )
    left = f" The first {len(maps)} of {len(names)} maps." if len(names) > len(maps) else ""
    caption = f"{stretch}: rows look at columns.{left}"
    return [draw(draw_attention_maps, maps, alt=alt, caption=caption)]


def _name_head(name: str) -> str:
    """Write 0/layer3_head1 as a person would."""
    layer, _, head = name.removeprefix("0/layer").partition("_head")
    return f"layer {layer}, head {head}"


def _dependency(finding: Finding) -> Blocks:
    table = read_result(finding.path)
    if "name" not in table:
        table = table.assign(name=finding.path.name)
    shown, more = _regions(table)
    blocks: Blocks = []
    for region, rows in shown:
        changed, expected = (_bases(rows, name) for name in ("pos_changed", "pos_expected"))
        bases = changed.append(expected).unique().sort_values()
        if len(bases) > _LONGEST_MAP:
            raise InputError(f"{region}: a dependency map of {len(bases):,} bases; up to {_LONGEST_MAP:,} would work")
        strengths = np.full((len(bases), len(bases)), np.nan)
        strengths[bases.get_indexer(changed), bases.get_indexer(expected)] = rows["strength"]
        first, size = int(bases.get_level_values(0)[0]), len(bases)
        most = rows.iloc[int(rows["strength"].argmax())]
        alt = (
            f"Dependency map of {region}, {size} bases. Strongest: base {most['pos_changed']:.0f} on what is expected "
            f"at {most['pos_expected']:.0f}, {most['strength']:.3g} of log odds."
        )
        letters = " " * size
        blocks.append(draw(draw_dependency, strengths, letters, first=first - 1, alt=alt, caption=region))
    return blocks + more


def _bases(rows: pd.DataFrame, column: str) -> pd.MultiIndex:
    """Name each base of a dependency map by its place, and which inserted base it is."""
    inserted = rows.get(f"{column}_inserted", pd.Series(0, index=rows.index))
    return pd.MultiIndex.from_arrays([rows[column], inserted])


def _projection(finding: Finding) -> Blocks:
    table = read_result(finding.path) if not finding.path.name.endswith(".h5ad") else _read_placed(finding.path)
    settings: Any = finding.manifest.get("settings") or {}
    colours = [str(name) for name in settings.get("colour") or () if name in table]
    colours = colours or [name for name in ("element", "kind", "label", "class") if name in table][:1]
    method = str(settings.get("method", "tsne"))
    if "element" in table and set(table["element"]) <= set(ELEMENTS):
        table["element"] = pd.Categorical(table["element"], categories=ELEMENTS).remove_unused_categories()
    one = table[table["layer"] == table["layer"].iloc[0]] if "layer" in table else table
    counts = [] if not colours else [f"{name}: {n:,}" for name, n in one[colours[0]].value_counts().head(30).items()]
    told = "; ".join(counts) or f"{len(one):,} rows"
    alt = f"{method} of {len(one):,} embeddings, a dot each. {told}."
    blocks: Blocks = [draw(draw_projection, table, colour=colours, method=method, alt=alt, caption=f"{method}: {told}")]
    separation = pd.DataFrame(finding.manifest.get("separation") or [])
    if len(separation):
        columns = [name for name in separation if separation[name].nunique() > 1 or name in ("silhouette", "purity")]
        caption = "How far classes are apart in the vectors themselves, not in the picture; purity beside chance"
        blocks.append(make_grid(separation[columns], caption=caption))
    return blocks


def _read_placed(path: Path) -> pd.DataFrame:
    """Read where vectors of an h5ad file lie; of several layers the last one's place."""
    import anndata

    found = anndata.read_h5ad(path)
    name = [name for name in found.obsm if name.startswith("X_")][-1]
    places = np.asarray(found.obsm[name])
    return found.obs.reset_index(drop=True).assign(x=places[:, 0], y=places[:, 1])


def _attribution(finding: Finding) -> Blocks:
    table = read_result(finding.path)
    shown, more = _regions(table)
    blocks: Blocks = []
    for name, rows in shown:
        most = rows.iloc[int(rows["attribution"].abs().argmax())]
        alt = f"Attribution of {len(rows):,} bases of {name}; largest at {most['pos']:.0f}: {most['attribution']:.3g}."
        blocks.append(draw(draw_attribution, rows, title=name, alt=alt, caption=name))
    return blocks + more


def _motifs(finding: Finding) -> Blocks:
    table = read_result(finding.path).sort_values("q", kind="stable")
    if table.empty:
        return [Text("No seqlet was found.")]
    shown = ["name", "start", "end", "sequence", "motif_name", "p", "q", "motif", "motif_strand", "seqlet_p"]
    columns = [name for name in shown if name in table]
    return [make_grid(table[columns], caption="Motifs that seqlets look like, the surest first; start from 0")]


def _language_model(finding: Finding) -> Blocks:
    table = read_result(finding.path)
    k = int(((finding.manifest.get("model") or {}).get("config") or {}).get("k", 6))
    whole = table[table["element"] == "all"]
    told = "; ".join(f"{row.genome} {row.loss:.3f}" for row in whole.itertuples())
    alt = f"Loss in nats per masked token beside Markov chains and frequencies, by genome: {told}."
    return [draw(draw_evaluation, table, k=k, alt=alt, caption="Loss at masked tokens; lower is better.")]


def _embeddings(finding: Finding) -> Blocks:
    reasons: Any = finding.manifest.get("reasons") or {}
    counts = [[str(reason), f"{int(n):,}"] for reason, n in reasons.items()]
    blocks: Blocks = [Grid(["", "rows"], counts, "Rows, and why some have no vector", (False, True))] if counts else []
    return [*blocks, Text("hexamer project draws these vectors; its table makes a section of its own.")]


_MAKERS: dict[str, tuple[str, str, Callable[[Finding], Blocks]]] = {
    "saturation-mutagenesis": (
        "Saturation mutagenesis",
        "Every change of a region: scores as a heat map, and the importance of each base as a letter.",
        _mutagenesis,
    ),
    "attribute": ("Attribution", "How much each base adds to what the model says, by its gradients.", _attribution),
    "find-motifs": ("Motifs", "Stretches of important bases, beside known motifs.", _motifs),
    "dependency-map": (
        "Dependency map",
        "Which base, if it were another, changes what is expected where.",
        _dependency,
    ),
    "attention-elements": (
        "Attention on genomic elements",
        "Heads whose attention above the threshold lands on a class of elements more than on other tokens.",
        _attention_elements,
    ),
    "attention-map": ("Attention maps", "Which token looks at which.", _attention_maps),
    "project": ("Projection", "Embeddings in two dimensions; near points have like vectors.", _projection),
    "evaluate-lm": (
        "Language modelling",
        "What the model expects where a mask stands, on held-out sequence.",
        _language_model,
    ),
    "embed": ("Embeddings", "One vector for each sequence or interval.", _embeddings),
}
"""Title, what it is, and how it is made, of results that are files."""
