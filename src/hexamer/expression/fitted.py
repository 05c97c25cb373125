"""Models of genes in a folder, for people who were never seen.

`expression.json` has what was fitted, with which encoder, and each gene's facts; `weights.tsv` the weights of alleles
that models of genotypes have; `tensors.safetensors` the heads on embeddings, and expression of those who were learnt
from, in no order, which is what predictions get their units from.
Not here: fitting and asking them (`personal`), the file that other programs read (`predictdb`).
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hexamer.errors import InputError, OutputError, SettingsError
from hexamer.expression.baseline import LinearModel
from hexamer.expression.cohort import Values
from hexamer.expression.linear_head import LinearHead
from hexamer.expression.methods import (
    FittedGene,
    FittedGenotypes,
    FittedRows,
    Gene,
    parse_method,
)
from hexamer.expression.study import StudySettings
from hexamer.expression.transformer_head import FittedHead, TransformerHead
from hexamer.genome import Variant
from hexamer.manifest import make_settings, package_versions, write_atomically, write_json
from hexamer.model import NucleotideTransformer, load_model
from hexamer.model.checkpoint import describe_origin
from hexamer.training.fitting import Fitted

_FACTS, _WEIGHTS, _TENSORS = "expression.json", "weights.tsv", "tensors.safetensors"
_FORMAT = 1


class GeneModel(NamedTuple):
    """The model of one gene."""

    gene: Gene
    fitted: FittedGene
    known: Values
    """Expression of those who were learnt from, sorted, in the units of the table; float64 [S]."""
    reference: str
    """SHA-256 of the reference around the transcription start, as `Region.reference`."""
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
    skipped : dict of str to str
        Genes that have no model, with the reason.
    """

    settings: StudySettings
    genes: list[GeneModel]
    origin: dict[str, Any]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.settings.methods[0]

    def table(self) -> pd.DataFrame:
        """List the genes: `gene_id`, `chrom`, `tss` (from 1), `strand`, `name`, `places` with weights, correlations."""
        rows = []
        for each in self.genes:
            fitted = each.fitted
            linear = isinstance(fitted, FittedGenotypes)
            places = np.count_nonzero(fitted.model.weights) if linear else len(fitted.sites)  # type: ignore[attr-defined]
            place = {"tss": each.gene.tss + 1, "places": int(places)}
            rows.append(each.gene._asdict() | place | each.held_out)
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
            about: dict[str, Any] = model.gene._asdict() | {"reference": model.reference, "held_out": model.held_out}
            tensors[f"{number}.known"] = torch.from_numpy(model.known)
            if isinstance(model.fitted, FittedGenotypes):
                weights.append(weights_of(model))
                about |= {"intercept": model.fitted.model.intercept, "penalty": model.fitted.model.penalty}
                about["weights"] = len(weights[-1])
            elif isinstance(model.fitted, FittedRows):
                about |= _describe_head(model.fitted)
                tensors |= {f"{number}.{name}": tensor for name, tensor in _tensors_of(model.fitted).items()}
            facts.append(about)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _FACTS).unlink(missing_ok=True)  # of others: its parts are replaced one by one
            (folder / _WEIGHTS).unlink(missing_ok=True)
            if weights:
                with write_atomically(folder / _WEIGHTS) as temporary:
                    pd.concat(weights).to_csv(temporary, sep="\t", index=False)
            with write_atomically(folder / _TENSORS) as temporary:
                save_file(tensors, temporary)
        except (OSError, SafetensorError) as problem:
            raise OutputError(f"{folder}: cannot be written ({problem}); another folder would work") from None
        whole = {"format": _FORMAT, "settings": asdict(self.settings), "encoder": self.origin, "genes": facts}
        whole["skipped"] = self.skipped
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
    if not (folder / _FACTS).exists():
        raise InputError(f"{folder}: no models of expression; hexamer predict-expression fit makes them")
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']}, and {_FORMAT} is known")
        settings = make_settings(StudySettings, facts["settings"], str(folder / _FACTS))
        is_head = parse_method(settings.methods[0]).is_head
        by_gene = {} if is_head or not facts["genes"] else _read_table(folder / _WEIGHTS)
        tensors: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for name, tensor in load_file(folder / _TENSORS).items():
            of, _, rest = name.partition(".")
            tensors[int(of)][rest] = tensor
        genes = []
        for number, about in enumerate(facts["genes"]):
            gene, own = Gene(str(about["gene_id"]), about["chrom"], int(about["tss"]), about["strand"]), tensors[number]
            gene = gene._replace(name=about["name"])
            known = own.pop("known").numpy()
            fitted = _read_head(about, own, settings) if is_head else _read_weights(about, by_gene, settings)
            genes.append(GeneModel(gene, fitted, known, about["reference"], about["held_out"]))
        origin = {name: facts["encoder"][name] for name in ("source", "files")} if is_head else {}
        return ExpressionModel(settings, genes, origin, facts["skipped"])
    except (OSError, KeyError, IndexError, ValueError, TypeError, RuntimeError, SafetensorError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise InputError(f"{folder}: models of expression that cannot be read ({reason})") from None


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
    fitted = model.fitted
    used = np.flatnonzero(fitted.model.weights)
    alleles = [(v.chrom, v.pos, v.ref, v.alt) for v in (fitted.variants[i] for i in used)]
    table = pd.DataFrame(alleles, columns=["chrom", "pos", "ref", "alt"])
    table.insert(0, "gene_id", model.gene.gene_id)
    names = [fitted.names[i] for i in used]
    return table.assign(name=names, weight=fitted.model.weights[used], mean=fitted.means[used])


def _read_table(path: Path) -> dict[str, pd.DataFrame]:
    """Read the weights of each gene."""
    texts: Any = dict.fromkeys(("gene_id", "chrom", "ref", "alt", "name"), str)
    table = pd.read_csv(path, sep="\t", dtype=texts, keep_default_na=False, float_precision="round_trip")
    return {str(gene): own for gene, own in table.groupby("gene_id", sort=False)}


def _read_weights(
    about: Mapping[str, Any], by_gene: Mapping[str, pd.DataFrame], settings: StudySettings
) -> FittedGenotypes:
    own = by_gene.get(about["gene_id"])
    is_near = parse_method(settings.methods[0]).is_near
    penalty = math.nan if about["penalty"] is None else about["penalty"]
    intercept, count = float(about["intercept"]), 0 if own is None else len(own)
    if count != about["weights"]:
        raise ValueError(f"{_WEIGHTS} has {count} weights of {about['gene_id']}, and {about['weights']} were written")
    if own is None:
        return FittedGenotypes([], LinearModel(np.zeros(0), intercept, penalty), np.zeros(0), [], is_near)
    places = zip(own["chrom"], own["pos"].astype(int), own["ref"], own["alt"], strict=True)
    linear = LinearModel(own["weight"].to_numpy(float), intercept, penalty)
    variants = [Variant(*each) for each in places]
    return FittedGenotypes(variants, linear, own["mean"].to_numpy(float), list(own["name"]), is_near)


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


def _read_head(about: Mapping[str, Any], own: dict[str, torch.Tensor], settings: StudySettings) -> FittedRows:
    sites = own.pop("sites").numpy()
    if not 0 <= about["layer"] < len(settings.features.layers):
        raise ValueError(f"layer {about['layer']} of {len(settings.features.layers)}")
    if about["kind"] == "linear":
        penalty = math.nan if about["penalty"] is None else about["penalty"]
        linear = LinearHead(own["weights"].numpy(), float(about["intercept"]), about["layer"], about["form"], penalty)
        return FittedRows(sites, about["layer"], linear)
    head = TransformerHead(own["enter.weight"].shape[1], settings.head)
    head.load_state_dict(own)
    fitted = FittedHead(head.eval().requires_grad_(False), about["scale"], Fitted(about["best_step"], 0.0, []))
    return FittedRows(sites, about["layer"], fitted)
