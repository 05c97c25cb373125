"""One transformer for all genes: what it predicts for people, or for genes, that it never saw.

Genes whose windows overlap are held out together, since one's sequence is the other's. Not here: a model for each gene
(`study`), the transformer (`transformer_head`).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.expression.cohort import Mask, Places, iterate_folds
from hexamer.expression.methods import Method, fit_best_layer, parse_method
from hexamer.expression.normalisation import NORMALISATIONS, restore
from hexamer.expression.study import Collector, GeneResult, Study
from hexamer.expression.transformer_head import GeneExamples, HeadSettings


class _Genes(NamedTuple):
    """The genes that one head learns from: rows of the table, and of each layer what it reads of each."""

    rows: list[int]
    layers: list[list[GeneExamples]]


def judge_pooled(study: Study, advance: Callable[[int], None] | None = None) -> GeneResult:
    """Judge heads that are one for all genes.

    Parameters
    ----------
    study : Study
        Haplotypes of all genes are held in memory: those that differ, at the rows that are read.
    advance : callable, optional
        Called with 1 for each gene that is read.

    Returns
    -------
    GeneResult
        Of all genes. Where genes are held out, predictions have no units, which an unseen gene cannot know.

    Raises
    ------
    SettingsError
        If there are fewer genes than folds.
    VariantError
        As `Study.judge_gene`.
    """
    skipped: dict[str, str] = {}
    counts: Counter[str] = Counter()
    results: list[Collector] = []
    names = [name for name in study.settings.methods if parse_method(name).is_pooled]
    for encoder in dict.fromkeys(parse_method(name).encoder for name in names):
        rows: list[int] = []
        read: list[list[GeneExamples]] = []
        for row in range(len(study.expression.genes)):
            region = study.region(row)
            if reason := study.reason(row, region) or ("" if len(region.varying) else "no_variants"):
                skipped[region.gene.gene_id] = reason
            else:
                layers = region.layers(encoder)
                read.append([GeneExamples(vectors, whose, np.zeros(0)) for vectors, whose in layers])
                rows.append(row)
                counts.update(region.counts)
            if advance:
                advance(1)
        genes = _Genes(rows, [list(each) for each in zip(*read, strict=True)])
        for name in names:
            if rows and parse_method(name).encoder == encoder:
                results += _predict(study, name, genes)
    tables = [each.predictions for each in results]
    found = [row for each in results for row in each.rows]
    return GeneResult(found, pd.concat(tables) if tables else pd.DataFrame(), skipped, dict(counts))


def _predict(study: Study, name: str, genes: _Genes) -> Iterator[Collector]:
    """Fit one head, fold by fold; yield what was predicted of each gene."""
    method, settings = parse_method(name), study.settings
    facts = study.expression.genes.iloc[genes.rows].reset_index(drop=True)
    by_genes = settings.hold_out == "genes"
    for seed in settings.seeds:
        people = study.folds[seed]
        folds = fold_genes(facts, settings.features.window, settings.folds, seed=seed) if by_genes else people
        found = np.full((3, len(genes.rows), len(people)), np.nan)
        for fold, others in iterate_folds(folds):
            # Of genes that were never seen those people are asked who were not either: the first part.
            learn = people != 0 if by_genes else others
            known = np.flatnonzero(others) if by_genes else np.arange(len(genes.rows))
            asked = np.flatnonzero(folds == fold) if by_genes else known
            found[:, asked] = np.where(learn, found[:, asked], _fit(study, method, genes, known, asked, learn, seed))
        for gene_id, (measured, said, restored) in zip(facts["gene_id"], found.swapaxes(0, 1), strict=True):
            collector = Collector(str(gene_id), study.expression.samples)
            collector.add(name, seed, people, measured, said, restored * (np.nan if by_genes else 1))
            yield collector


def _fit(
    study: Study, method: Method, genes: _Genes, known: Places, asked: Places, learn: Mask, seed: int
) -> np.ndarray:
    """Learn from some genes and people, and predict genes for everybody: measured, predicted, restored [3, G, S]."""
    way, ids = study.settings.normalise, study.expression.genes["gene_id"]
    own = study.expression.values[genes.rows]
    if method.is_shuffled:
        own = np.stack([study.exchanged(x, str(ids.iloc[row]), seed) for x, row in zip(own, genes.rows, strict=True)])
    scaled = np.stack([NORMALISATIONS[way](values, learn) for values in own])
    layers = [[layer[i]._replace(values=scaled[i]) for i in known.tolist()] for layer in genes.layers]
    head, best = fit_best_layer(layers, learn, _longer(study.settings.head, len(known)), seed)
    said = np.stack([head.predict(*genes.layers[best][i][:2]) for i in asked.tolist()])
    restored = np.stack([restore(x, own[i][learn], way) for x, i in zip(said, asked.tolist(), strict=True)])
    return np.stack([scaled[asked], said, restored])


def _longer(settings: HeadSettings, genes: int) -> HeadSettings:
    """Count steps by gene: each step is of one."""
    fit = settings.fit
    return replace(settings, fit=replace(fit, steps=fit.steps * genes, evaluate_every=fit.evaluate_every * genes))


def fold_genes(genes: pd.DataFrame, window: int, folds: int, *, seed: int = 0) -> Places:
    """Divide genes among folds, those whose windows overlap together.

    Parameters
    ----------
    genes : DataFrame
        `chrom` and `tss`.
    window : int
        Bases, half of them on either side of a transcription start.
    folds : int
    seed : int

    Returns
    -------
    int64 array [G]
        Fold of each gene.

    Raises
    ------
    SettingsError
        If there are fewer stretches without overlap than folds.

    Examples
    --------
    >>> table = pd.DataFrame({"chrom": ["20"] * 4, "tss": [100, 150, 900, 5000]})
    >>> found = fold_genes(table, 200, 3)
    >>> bool(found[0] == found[1]), len(set(found))
    (True, 3)
    """
    order = np.lexsort((genes["tss"], genes["chrom"].astype(str)))
    chrom, tss = genes["chrom"].astype(str).to_numpy()[order], genes["tss"].to_numpy()[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (chrom[1:] != chrom[:-1]) | (np.diff(tss) >= window)
    stretch = np.empty(len(order), dtype=np.int64)
    stretch[order] = begins.cumsum() - 1
    sizes = np.bincount(stretch)
    if len(sizes) < folds:
        raise SettingsError(f"{folds} folds of {len(sizes)} stretches of genes that do not overlap; as many would work")
    found, full = np.empty(len(sizes), dtype=np.int64), np.zeros(folds)
    for each in np.random.default_rng(seed).permutation(len(sizes)):
        found[each] = full.argmin()
        full[full.argmin()] += sizes[each]
    return found[stretch]
