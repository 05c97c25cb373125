"""What linear models predict for people who were held out, gene by gene.

Everything that is learnt, frequencies of alleles, scales of expression and penalties among it, is of the people who are
learnt from alone. Not here: the models (`baseline`), what correlations mean (`evaluate`).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.expression.baseline import MODELS, Fit
from hexamer.expression.cohort import Expression, Places, Values, iterate_folds, match_people, split_people
from hexamer.expression.dosages import Dosages, common, read_dosages
from hexamer.expression.evaluate import across_individuals
from hexamer.expression.normalisation import NORMALISATIONS
from hexamer.genome import Cohort

Scale = Callable[[Values, npt.NDArray[np.bool_]], Values]

SHUFFLED = "shuffled-people"
"""The control: ridge regression of expression that people have exchanged at random."""


class HeldOut(NamedTuple):
    """What was predicted, and how well."""

    table: pd.DataFrame
    """A row for each gene and method: `method`, `gene_id`, `variants` near it, `pearson`, `spearman`, `p`, `people`."""
    skipped: dict[str, str]
    """Genes that have no row, with the reason."""


def judge_linear_models(
    expression: Expression,
    cohort: Cohort,
    *,
    methods: Sequence[str] = ("elastic-net", "ridge", "best-variant", SHUFFLED),
    window: int = 100_000,
    frequency: float = 0.01,
    folds: int = 5,
    normalise: str = "rank",
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> HeldOut:
    """Predict each gene's expression from the variants near it, for people who are held out in turn.

    Parameters
    ----------
    expression : Expression
    cohort : Cohort
        Of genotypes; phases mean nothing here.
    methods : sequence of str
        Names out of `baseline.MODELS`, and the control.
    window : int
        Bases on either side of the transcription start.
    frequency : float
        Least frequency of an allele, among those who are learnt from.
    folds : int
        People are divided among.
    normalise : {"rank", "standard"}
        Of expression, by those who are learnt from; the predictions are compared with that of all.
    seed : int
        Of folds, penalties' folds and the control.
    advance : callable, optional
        Called with 1 for each gene.

    Returns
    -------
    HeldOut

    Raises
    ------
    SettingsError
        If a method or normalisation does not exist.
    InputError
        If nobody was both measured and genotyped.
    """
    wrong = [name for name in methods if name not in (*MODELS, SHUFFLED)]
    if wrong or normalise not in NORMALISATIONS:
        known = ", ".join([*MODELS, SHUFFLED]) if wrong else ", ".join(NORMALISATIONS)
        raise SettingsError(f"{', '.join(wrong) or normalise}: is unknown; {known} would work")
    people = match_people(expression, cohort.samples).both
    expression, rows = expression.take(people), [cohort.samples.index(name) for name in people]
    held, scale = split_people(len(people), folds, seed=seed), NORMALISATIONS[normalise]
    everyone = np.ones(len(people), dtype=bool)
    found: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    genes: Any = expression.genes.itertuples(index=False)
    for gene, values in zip(genes, expression.values, strict=True):
        if advance:
            advance(1)
        if gene.chrom not in cohort.genome:
            skipped[gene.gene_id] = "contig_missing"
            continue
        near = read_dosages(cohort, gene.chrom, max(0, gene.tss - window), gene.tss + window)
        if not near.variants or np.nanstd(values) == 0 or not np.isfinite(values).all():
            skipped[gene.gene_id] = "no variant near it" if not near.variants else "expression is constant or missing"
            continue
        near = Dosages(near.variants, near.values[rows])
        for method in methods:
            is_control = method == SHUFFLED
            order: Any = np.random.default_rng((seed, 1)).permutation(len(values)) if is_control else slice(None)
            own = values[order]
            said = _predict(own, near, held, MODELS["ridge" if is_control else method], scale, frequency, seed)
            scores = across_individuals(scale(own, everyone), said, held, seed=seed)
            found.append({"method": method, "gene_id": gene.gene_id, "variants": len(near.variants), **scores})
    return HeldOut(pd.DataFrame(found), skipped)


def _predict(
    values: Values, near: Dosages, held: Places, fit: Fit, scale: Scale, frequency: float, seed: int
) -> Values:
    """Predict each person while they are held out."""
    said = np.full(len(values), np.nan)
    for _, learn in iterate_folds(held):
        x = common(near, learn, frequency=frequency).values
        said[~learn] = fit(x[learn], scale(values, learn)[learn], seed).predict(x[~learn])
    return said
