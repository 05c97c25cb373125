"""Models of genes fitted to everybody at hand, and what they say of new people.

Not here: how well they predict (`study`), the folder that they are kept in (`fitted`).
"""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.expression.cohort import Expression
from hexamer.expression.features import FeatureReader
from hexamer.expression.fitted import ExpressionModel, GeneModel, load_expression_model
from hexamer.expression.methods import PRETRAINED, Region, fit_gene, parse_method
from hexamer.expression.normalisation import NORMALISATIONS, restore
from hexamer.expression.study import Study, StudySettings
from hexamer.genome import Cohort
from hexamer.manifest import open_parts
from hexamer.model import NucleotideTransformer
from hexamer.model.checkpoint import describe_origin


def fit_expression(
    expression: Expression,
    cohort: Cohort,
    settings: StudySettings,
    *,
    model: NucleotideTransformer | None = None,
    judge: bool = True,
    folder: str | Path | None = None,
    cache: bool = True,
    advance: Callable[[int], None] | None = None,
) -> ExpressionModel:
    """Fit a model of each gene to everybody.

    Parameters
    ----------
    expression : Expression
        Of the cohort's people, and perhaps of others, who are left out.
    cohort : Cohort
    settings : StudySettings
        With one method and one seed.
    model : NucleotideTransformer, optional
        For methods that read embeddings.
    judge : bool
        Also predict people who are held out, which takes as many fits more as there are folds.
    folder : str or Path, optional
        Where to save the models; until all are there, each gene's, from which a run that was killed goes on.
    cache : bool
        Keep vectors in the cache folder.
    advance : callable, optional
        Called with 1 for each gene.

    Returns
    -------
    ExpressionModel

    Raises
    ------
    SettingsError
        If there is more than one method or seed, the method is a control or a head of all genes, there is no model
        for one that reads embeddings, no gene has a model, or the folder is of another study.
    InputError
        If somebody of the cohort was not measured.
    VariantError
        If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
    OutputError
        If the folder cannot be written.
    """
    if len(settings.methods) != 1 or len(settings.seeds) != 1:
        raise SettingsError(f"methods {', '.join(settings.methods)}: one of them, and one seed, would work")
    method = parse_method(settings.methods[0])
    if method.is_shuffled or method.is_random or method.is_pooled:
        raise SettingsError(f"{settings.methods[0]}: is no model to keep; {method.name} would work")
    whole = ExpressionModel(settings, [], describe_origin(model) if model is not None and method.is_head else {})
    with Study(expression, cohort, settings, model=model, cache=cache) as study:
        parts = open_parts(Path(folder) / "parts", study.describe() | {"judge": judge}) if folder is not None else None
        for row in range(len(study.expression.genes)):
            place = parts / f"{row:06d}" if parts is not None else None
            if place is not None and place.exists():
                own = load_expression_model(place)
            else:
                own = _fit_gene(study, row, whole, judge=judge)
                if place is not None:
                    _keep(own, place)
            whole.genes.extend(own.genes)
            whole.skipped.update(own.skipped)
            if advance:
                advance(1)
    if not whole.genes:
        told = ", ".join(sorted(set(whole.skipped.values())))
        raise SettingsError(
            f"no gene has a model ({told}); genes with variants near them and expression that varies would work"
        )
    if folder is not None:
        whole.save(folder)
    if parts is not None:
        shutil.rmtree(parts)
    return whole


def _fit_gene(study: Study, row: int, whole: ExpressionModel, *, judge: bool) -> ExpressionModel:
    """Fit one gene: models of one gene or, where there is a reason, of none."""
    region, settings = study.region(row), study.settings
    made = ExpressionModel(settings, [], whole.origin)
    if reason := study.reason(row, region):
        made.skipped[region.gene.gene_id] = reason
        return made
    held_out = {}
    if judge:
        (scores,) = study.judge_gene(row, region).rows
        held_out = {name: scores[name] for name in ("pearson", "spearman", "p")}
    values, everybody = study.expression.values[row], np.ones(len(study.cohort.samples), dtype=bool)
    fitted = fit_gene(
        parse_method(whole.method),
        region,
        NORMALISATIONS[settings.normalise](values, everybody),
        everybody,
        frequency=settings.frequency,
        head=settings.head,
        seed=settings.seeds[0],
    )
    made.genes.append(GeneModel(region.gene, fitted, np.sort(values), region.reference, held_out))
    return made


def _keep(own: ExpressionModel, place: Path) -> None:
    """Save a gene's model, whole or not at all."""
    aside = place.with_name(f".{place.name}")
    shutil.rmtree(aside, ignore_errors=True)
    own.save(aside)
    aside.rename(place)


def predict_expression(
    fitted: ExpressionModel,
    cohort: Cohort,
    *,
    model: NucleotideTransformer | None = None,
    cache: bool = True,
    advance: Callable[[int], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict the expression of people from their genotypes.

    Parameters
    ----------
    fitted : ExpressionModel
    cohort : Cohort
    model : NucleotideTransformer, optional
        The encoder that heads were fitted on.
    cache : bool
        Keep vectors in the cache folder.
    advance : callable, optional
        Called with 1 for each gene.

    Returns
    -------
    people : DataFrame
        `gene_id`, `sample`, `predicted_normalised`, and `predicted` in the units of the table that was learnt from.
    genes : DataFrame
        `gene_id`, `places` that the model has weights for, `matched` (of them: alleles that the cohort's file has, or
        for heads rows over a site at which somebody varies), `share`, `weight_share` (of the sizes of alleles' weights,
        times copies' spread where they were learnt), and `reason` where a gene has no prediction.

    Raises
    ------
    SettingsError
        If heads are asked without an encoder.
    VariantError
        If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
    """
    settings = fitted.settings
    readers: dict[str, FeatureReader] = {}
    if parse_method(fitted.method).is_head:
        if model is None:
            raise SettingsError(f"{fitted.method}: heads need their encoder, {fitted.origin['source']}")
        readers = {PRETRAINED: FeatureReader(model, cohort, settings.features, cache=cache)}
    people, genes = [], []
    for each in fitted.genes:
        region = Region(each.gene, cohort, settings.window, settings.features.window, readers)
        facts: dict[str, Any] = {"gene_id": each.gene.gene_id, "places": 0, "matched": 0}
        facts |= {"share": math.nan, "weight_share": math.nan}
        facts["reason"] = _reason(each, region)
        if not facts["reason"]:
            found = each.fitted.predict(region)
            facts |= {"places": found.places, "matched": found.matched, "weight_share": found.weight_share}
            facts["share"] = found.matched / found.places if found.places else math.nan
            restored = restore(found.values, each.known, settings.normalise)
            said = {"gene_id": each.gene.gene_id, "sample": cohort.samples, "predicted_normalised": found.values}
            people.append(pd.DataFrame(said | {"predicted": restored}))
        genes.append(facts)
        if advance:
            advance(1)
    for reader in readers.values():
        reader.close()
    columns = ["gene_id", "sample", "predicted_normalised", "predicted"]
    table = pd.concat(people, ignore_index=True) if people else pd.DataFrame(columns=columns)
    return table, pd.DataFrame(genes, columns=["gene_id", "places", "matched", "share", "weight_share", "reason"])


def _reason(model: GeneModel, region: Region) -> str:
    """Say why a gene cannot be predicted on this genome; empty where it can."""
    genome = region.cohort.genome
    if model.gene.chrom not in genome:
        return "contig_missing"
    if model.gene.tss >= genome.length(model.gene.chrom):
        return "past_end"
    return "" if region.reference == model.reference else "other_reference"
