"""Models of genes for people who were never seen: fitted on everybody at hand, kept in a folder, asked again.

`expression.json` has what was fitted, with which encoder, and each gene's facts; `weights.tsv` the weights of alleles
that models of genotypes have; `heads.safetensors` the heads on embeddings. Scales are kept as quantiles of expression.
Not here: how well they predict (`study`), the file that other programs read (`predictdb`).
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hexamer.errors import InputError, OutputError, SettingsError
from hexamer.expression.baseline import LinearModel
from hexamer.expression.cohort import Expression, Values
from hexamer.expression.features import FeatureReader
from hexamer.expression.linear_head import LinearHead
from hexamer.expression.methods import (
    FittedGene,
    FittedGenotypes,
    FittedRows,
    Gene,
    Region,
    fit_gene,
    parse_method,
)
from hexamer.expression.normalisation import NORMALISATIONS, restore
from hexamer.expression.study import POOLED, GeneResult, Study, StudySettings
from hexamer.expression.transformer_head import FittedHead, TransformerHead
from hexamer.genome import Cohort, Variant
from hexamer.manifest import make_settings, package_versions, write_atomically, write_json
from hexamer.model import NucleotideTransformer, load_model
from hexamer.model.checkpoint import describe_origin
from hexamer.training.fitting import Fitted

_FACTS, _WEIGHTS, _HEADS = "expression.json", "weights.tsv", "heads.safetensors"
_FORMAT = 1
_QUANTILES = np.linspace(0, 1, 101)


class GeneModel(NamedTuple):
    """The model of one gene."""

    gene: Gene
    fitted: FittedGene
    quantiles: Values
    """Of expression, 0 to 100 %, float64 [101], in the units of the table."""
    held_out: dict[str, float]
    """`pearson`, `spearman` and `p` of people who were held out; empty where that was not asked."""


@dataclass
class ExpressionModel:
    """Models of genes, all of one method.

    Attributes
    ----------
    settings : StudySettings
        With one method and one seed.
    genes : list of GeneModel
    origin : dict
        Which encoder, as `describe_origin`; empty for models of genotypes.
    """

    settings: StudySettings
    genes: list[GeneModel]
    origin: dict[str, Any]

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.settings.methods[0]

    def table(self) -> pd.DataFrame:
        """List the genes: `gene_id`, `chrom`, `tss` (from 0), `strand`, `places` with weights, correlations."""
        rows = []
        for each in self.genes:
            fitted = each.fitted
            linear = isinstance(fitted, FittedGenotypes)
            places = np.count_nonzero(fitted.model.weights) if linear else len(fitted.sites)  # type: ignore[attr-defined]
            rows.append(each.gene._asdict() | {"places": int(places), **each.held_out})
        facts = [*Gene._fields, "places", "pearson", "spearman", "p"]
        return pd.DataFrame(rows).reindex(columns=facts)

    def load_encoder(self, *, device: str = "auto") -> NucleotideTransformer:
        """Load the encoder that heads were fitted on.

        Parameters
        ----------
        device : str
            As `load_model`.

        Returns
        -------
        NucleotideTransformer

        Raises
        ------
        CheckpointError
            If it cannot be read.
        SettingsError
            If its weights are others by now.
        """
        encoder = load_model(self.origin["source"], device=device)
        if describe_origin(encoder)["files"] != self.origin["files"]:
            raise SettingsError(f"{encoder.source}: has other weights than the models of expression were fitted with")
        return encoder

    def save(self, folder: str | Path) -> Path:
        """Write the models into a folder, `expression.json` last.

        Parameters
        ----------
        folder : str or Path
            Models in it are replaced.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            If it cannot be written.
        SettingsError
            If the encoder is in no folder, so that the models could not be used again.
        """
        folder = Path(folder)
        if parse_method(self.method).is_head and not self.origin.get("files"):
            raise SettingsError(f"{folder}: the encoder is in no folder, and would be missing; a saved one would work")
        weights: list[pd.DataFrame] = []
        tensors: dict[str, torch.Tensor] = {}
        facts: list[dict[str, Any]] = []
        for number, model in enumerate(self.genes):
            about: dict[str, Any] = model.gene._asdict() | {"quantiles": model.quantiles.tolist()}
            about["held_out"] = model.held_out
            if isinstance(model.fitted, FittedGenotypes):
                weights.append(weights_of(model))
                about |= {"intercept": model.fitted.model.intercept, "penalty": model.fitted.model.penalty}
            elif isinstance(model.fitted, FittedRows):
                about |= _describe_head(model.fitted)
                tensors |= {f"{number}.{name}": tensor for name, tensor in _tensors_of(model.fitted).items()}
            facts.append(about)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _FACTS).unlink(missing_ok=True)
            if weights:
                with write_atomically(folder / _WEIGHTS) as temporary:
                    pd.concat(weights).to_csv(temporary, sep="\t", index=False)
            if tensors:
                with write_atomically(folder / _HEADS) as temporary:
                    save_file(tensors, temporary)
        except (OSError, SafetensorError) as problem:
            raise OutputError(f"{folder}: cannot be written ({problem}); another folder would work") from None
        whole = {"format": _FORMAT, "settings": asdict(self.settings), "encoder": self.origin, "genes": facts}
        with write_atomically(folder / _FACTS) as temporary:
            temporary.write_text(write_json(whole | {"versions": package_versions()}) + "\n", encoding="utf-8")
        return folder


def load_expression_model(folder: str | Path) -> ExpressionModel:
    """Load models of genes.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    ExpressionModel

    Raises
    ------
    InputError
        If the folder holds none, or they are damaged.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        settings = make_settings(StudySettings, facts["settings"], str(folder / _FACTS))
        weights = pd.read_csv(folder / _WEIGHTS, sep="\t", dtype={"chrom": str, "gene_id": str}, keep_default_na=False)
        by_gene = {str(gene): own for gene, own in weights.groupby("gene_id", sort=False)}
    except FileNotFoundError as problem:
        if Path(problem.filename).name == _FACTS:
            raise InputError(f"{folder}: no models of expression; hexamer predict-expression fit makes them") from None
        by_gene = {}
    except (OSError, KeyError, ValueError, TypeError) as problem:
        raise InputError(f"{folder}: models of expression that cannot be read ({_first_line(problem)})") from None
    try:
        is_head = parse_method(settings.methods[0].removeprefix(POOLED)).is_head
        tensors = load_file(folder / _HEADS) if is_head and facts["genes"] else {}
        genes = []
        for number, about in enumerate(facts["genes"]):
            gene = Gene(*(about[name] for name in Gene._fields))
            fitted = _read_head(about, tensors, number, settings) if is_head else _read_weights(about, by_gene)
            genes.append(GeneModel(gene, fitted, np.array(about["quantiles"]), about["held_out"]))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
        raise InputError(f"{folder}: models of expression that cannot be read ({_first_line(problem)})") from None
    return ExpressionModel(settings, genes, facts["encoder"])


def fit_expression(
    expression: Expression,
    cohort: Cohort,
    settings: StudySettings,
    *,
    model: NucleotideTransformer | None = None,
    judge: bool = True,
    cache: bool = True,
    advance: Callable[[int], None] | None = None,
) -> tuple[ExpressionModel, dict[str, str]]:
    """Fit a model of each gene to everybody.

    Parameters
    ----------
    expression : Expression
        Of the cohort's people, in their order.
    cohort : Cohort
    settings : StudySettings
        With one method and one seed.
    model : NucleotideTransformer, optional
        For methods that read embeddings.
    judge : bool
        Also predict people who are held out, which takes as many fits more as there are folds.
    cache : bool
        Keep vectors in the cache folder.
    advance : callable, optional
        Called with 1 for each gene.

    Returns
    -------
    ExpressionModel
    dict of str to str
        Genes that have no model, with the reason.

    Raises
    ------
    SettingsError
        If there is more than one method or seed, the method is a control or a head of all genes, or there is no model
        for one that reads embeddings.
    VariantError
        If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
    """
    if len(settings.methods) != 1 or len(settings.seeds) != 1:
        raise SettingsError(f"methods {', '.join(settings.methods)}: one of them, and one seed, would work")
    (name,) = settings.methods
    method = parse_method(name)
    if method.is_shuffled or method.is_random:
        raise SettingsError(f"{name}: a control is no model to keep; {method.name} would work")
    made: list[GeneModel] = []
    skipped: dict[str, str] = {}
    everybody = np.ones(len(expression.samples), dtype=bool)
    with Study(expression, cohort, settings, model=model, cache=cache) as study:
        for row, values in enumerate(expression.values):
            region = study.region(row)
            if reason := study.reason(row, region):
                skipped[region.gene.gene_id] = reason
            else:
                result = study.judge_gene(row) if judge else GeneResult([], pd.DataFrame(), {}, {})
                scaled = NORMALISATIONS[settings.normalise](values, everybody)
                fitted = fit_gene(
                    method,
                    region,
                    scaled,
                    everybody,
                    frequency=settings.frequency,
                    head=settings.head,
                    seed=settings.seeds[0],
                )
                held_out = {key: result.rows[0][key] for key in ("pearson", "spearman", "p")} if result.rows else {}
                made.append(GeneModel(region.gene, fitted, np.quantile(values, _QUANTILES), held_out))
            if advance:
                advance(1)
    origin = describe_origin(model) if model is not None and method.is_head else {}
    return ExpressionModel(settings, made, origin), skipped


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
        `gene_id`, `sample`, `normalised`, and `expression` in the units of the table that was learnt from.
    genes : DataFrame
        `gene_id`, `places` that the model has weights for, `matched` (of them: alleles that the cohort's file has, or
        for heads places at which somebody varies), `share`, and `reason` where a gene has no prediction.

    Raises
    ------
    SettingsError
        If heads are asked without an encoder.
    VariantError
        If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
    """
    settings = fitted.settings
    readers: dict[bool, FeatureReader] = {}
    if parse_method(fitted.method).is_head:
        if model is None:
            raise SettingsError(f"{fitted.method}: heads need their encoder, {fitted.origin['source']}")
        readers = {False: FeatureReader(model, cohort, settings.features, cache=cache)}
    people, genes = [], []
    for each in fitted.genes:
        facts: dict[str, Any] = {"gene_id": each.gene.gene_id, "places": 0, "matched": 0, "share": math.nan}
        if each.gene.chrom not in cohort.genome:
            genes.append(facts | {"reason": "contig_missing"})
        else:
            near = settings.features.window
            region = Region(each.gene, cohort, settings.window, near, readers)
            said, matched, places = each.fitted.predict(region)
            share = matched / places if places else math.nan
            genes.append(facts | {"places": places, "matched": matched, "share": share, "reason": ""})
            restored = restore(said, each.quantiles, settings.normalise)
            facts = {"gene_id": each.gene.gene_id, "sample": cohort.samples, "normalised": said, "expression": restored}
            people.append(pd.DataFrame(facts))
        if advance:
            advance(1)
    for reader in readers.values():
        reader.close()
    columns = ["gene_id", "sample", "normalised", "expression"]
    table = pd.concat(people, ignore_index=True) if people else pd.DataFrame(columns=columns)
    return table, pd.DataFrame(genes, columns=["gene_id", "places", "matched", "share", "reason"])


def weights_of(model: GeneModel) -> pd.DataFrame:
    """Weights of one gene's alleles, those of 0 left out.

    Parameters
    ----------
    model : GeneModel
        Of genotypes.

    Returns
    -------
    DataFrame
        `gene_id`, `chrom`, `pos`, `ref`, `alt`, `name`, `weight` (of one copy of `alt`), `mean` (copies).
    """
    assert isinstance(model.fitted, FittedGenotypes)
    variants, linear, means, names = model.fitted
    used = np.flatnonzero(linear.weights)
    alleles = [(v.chrom, v.pos, v.ref, v.alt) for v in (variants[i] for i in used)]
    table = pd.DataFrame(alleles, columns=["chrom", "pos", "ref", "alt"])
    table.insert(0, "gene_id", model.gene.gene_id)
    return table.assign(name=[names[i] for i in used], weight=linear.weights[used], mean=means[used])


def _read_weights(about: Mapping[str, Any], by_gene: Mapping[str, pd.DataFrame]) -> FittedGenotypes:
    own = by_gene.get(about["gene_id"])
    penalty = math.nan if about["penalty"] is None else about["penalty"]
    if own is None:
        return FittedGenotypes([], LinearModel(np.zeros(0), about["intercept"], penalty), np.zeros(0), [])
    places = zip(own["chrom"], own["pos"].astype(int), own["ref"], own["alt"], strict=True)
    linear = LinearModel(own["weight"].to_numpy(float), about["intercept"], penalty)
    return FittedGenotypes([Variant(*each) for each in places], linear, own["mean"].to_numpy(float), list(own["name"]))


def _describe_head(fitted: FittedRows) -> dict[str, Any]:
    head = fitted.head
    about: dict[str, Any] = {"layer": fitted.layer, "kind": "linear" if isinstance(head, LinearHead) else "transformer"}
    if isinstance(head, LinearHead):
        return about | {"intercept": head.intercept, "form": head.form, "penalty": head.penalty}
    return about | {"scale": head.scale, "best_step": head.fitted.best_step}


def _tensors_of(fitted: FittedRows) -> dict[str, torch.Tensor]:
    tensors = {"sites": torch.from_numpy(fitted.sites.copy())}
    if isinstance(fitted.head, LinearHead):
        return tensors | {"weights": torch.from_numpy(fitted.head.weights.copy())}
    return tensors | {name: tensor.contiguous() for name, tensor in fitted.head.head.state_dict().items()}


def _read_head(
    about: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], number: int, settings: StudySettings
) -> FittedRows:
    own = {name.partition(".")[2]: t for name, t in tensors.items() if name.partition(".")[0] == str(number)}
    sites = own.pop("sites").numpy()
    if about["kind"] == "linear":
        penalty = math.nan if about["penalty"] is None else about["penalty"]
        linear = LinearHead(own["weights"].numpy(), about["intercept"], about["layer"], about["form"], penalty)
        return FittedRows(sites, about["layer"], linear)
    head = TransformerHead(own["enter.weight"].shape[1], settings.head)
    head.load_state_dict(own)
    fitted = FittedHead(head.eval().requires_grad_(False), about["scale"], Fitted(about["best_step"], 0.0, []))
    return FittedRows(sites, about["layer"], fitted)


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__
