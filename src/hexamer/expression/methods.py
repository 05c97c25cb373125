"""Ways to predict one gene's expression, by name: models of genotypes, and heads on the encoder's vectors.

| name | what it reads |
|---|---|
| `elastic-net`, `ridge`, `best-variant` | copies of alleles near the gene (`baseline`) |
| `linear-head`, `transformer-head` | embeddings of both haplotypes around the transcription start |

Prefixes: `near-` gives a model of genotypes only the variants where heads read; `random-` gives a head an encoder of
the same size that never learnt; `shuffled-` exchanges people's expression, the control; `pooled-` makes one transformer
of all genes. Not here: who is held out (`study`, `pooled`), models kept on disk (`fitted`).
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from hexamer.embeddings.pooling import Vectors
from hexamer.errors import SettingsError
from hexamer.expression.baseline import MODELS, LinearModel
from hexamer.expression.cohort import Mask, Places, Values, split_people
from hexamer.expression.dosages import Dosages, common, read_dosages
from hexamer.expression.features import FeatureReader, GeneFeatures
from hexamer.expression.linear_head import LinearHead, fit_linear_head
from hexamer.expression.transformer_head import FittedHead, GeneExamples, HeadSettings, fit_transformer_head
from hexamer.genome import Cohort, Variant

HEADS = ("linear-head", "transformer-head")
NEAR, RANDOM, SHUFFLED, POOLED = "near-", "random-", "shuffled-", "pooled-"
PRETRAINED, UNTRAINED = "pre-trained", "untrained"
_KNOWN_BY = 500  # bases on either side that a gene's reference is known by, at least
_CHOOSE = 5  # one of so many people that are learnt from chooses the step, and the layer, of a transformer


class Gene(NamedTuple):
    """A gene's place."""

    gene_id: str
    chrom: str
    tss: int
    """0-based."""
    strand: str
    name: str = ""
    """Such as the symbol."""


class Method(NamedTuple):
    """A method's name, taken apart."""

    name: str
    """Without prefixes."""
    is_near: bool = False
    is_random: bool = False
    is_shuffled: bool = False
    is_pooled: bool = False

    @property
    def is_head(self) -> bool:
        """Whether it reads embeddings."""
        return self.name in HEADS

    @property
    def encoder(self) -> str:
        """Which encoder's, if so."""
        return UNTRAINED if self.is_random else PRETRAINED


def parse_method(text: str) -> Method:
    """Take a method's name apart.

    Parameters
    ----------
    text : str

    Returns
    -------
    Method

    Raises
    ------
    SettingsError
        If there is no such method.

    Examples
    --------
    >>> parse_method("shuffled-near-ridge")
    Method(name='ridge', is_near=True, is_random=False, is_shuffled=True, is_pooled=False)
    """
    name, seen = text, dict.fromkeys((NEAR, RANDOM, SHUFFLED, POOLED), False)
    while prefix := next((each for each in seen if name.startswith(each) and not seen[each]), ""):
        seen[prefix], name = True, name.removeprefix(prefix)
    method = Method(name, seen[NEAR], seen[RANDOM], seen[SHUFFLED], seen[POOLED])
    misplaced = method.is_near if method.is_head else method.is_random
    if name not in (*MODELS, *HEADS) or misplaced or (method.is_pooled and name != "transformer-head"):
        raise SettingsError(
            f"method {text!r} is unknown; {', '.join([*MODELS, *HEADS])}, models of genotypes with {NEAR}, heads with "
            f"{RANDOM}, {POOLED}transformer-head, and each with {SHUFFLED} before it would work"
        )
    return method


class Region:
    """What models of one gene read of a cohort, each read when it is first asked for.

    Parameters
    ----------
    gene : Gene
    cohort : Cohort
        S people.
    window : int
        Bases on either side of the transcription start, of genotypes.
    around : int
        Bases that heads read, half of them on either side.
    readers : mapping of str to FeatureReader
        Of embeddings, by encoder: PRETRAINED and UNTRAINED.
    """

    def __init__(
        self, gene: Gene, cohort: Cohort, window: int, around: int, readers: Mapping[str, FeatureReader]
    ) -> None:
        self.gene, self.cohort, self._readers = gene, cohort, readers
        self.window, self.around = window, around
        self._features: dict[str, GeneFeatures] = {}
        self._layers: dict[str, list[tuple[Vectors, Places]]] = {}

    def dosages(self, *, is_near: bool = False) -> Dosages:
        """Give copies of alleles within the window or, near, where heads read."""
        return self._near if is_near else self._far

    @cached_property
    def _far(self) -> Dosages:
        return read_dosages(self.cohort, self.gene.chrom, *self._span(self.window))

    @cached_property
    def _near(self) -> Dosages:
        return read_dosages(self.cohort, self.gene.chrom, *self._span(self.around // 2))

    @cached_property
    def varying(self) -> Places:
        """Sites at which somebody varies, where heads read; int64 [V, 2]."""
        start, end = self._span(self.around // 2)
        name = self.cohort.genome.resolve(self.gene.chrom)
        return self.cohort.varying(name, start, min(end, self.cohort.genome.length(name)))

    @cached_property
    def reference(self) -> str:
        """SHA-256 of the reference's bases around the transcription start."""
        name = self.cohort.genome.resolve(self.gene.chrom)
        start, end = self._span(max(self.around // 2, _KNOWN_BY))
        bases = self.cohort.genome.fetch(name, start, min(end, self.cohort.genome.length(name)))
        return hashlib.sha256(bases.encode()).hexdigest()

    def _span(self, reach: int) -> tuple[int, int]:
        return max(0, self.gene.tss - reach), self.gene.tss + reach

    def features(self, encoder: str, *, sites: Places | None = None) -> GeneFeatures:
        """Vectors of the haplotypes around the transcription start; at the sites of a model that was fitted before."""
        known = self._features.get(encoder)
        if known is None or (sites is not None and not np.array_equal(known.sites, sites)):
            gene = self.gene
            known = self._readers[encoder].read(gene.chrom, gene.tss, gene.strand, sites=sites)
            self._features[encoder], self._layers[encoder] = known, known.of_layers()
        return known

    def layers(self, encoder: str, *, sites: Places | None = None) -> list[tuple[Vectors, Places]]:
        """Differences of whole haplotypes to the reference, of each layer; parameters as `features`."""
        self.features(encoder, sites=sites)
        return self._layers[encoder]

    @property
    def counts(self) -> dict[str, int]:
        """Of haplotypes, as `GeneFeatures.counts`, over all encoders."""
        return dict(sum((Counter(each.counts) for each in self._features.values()), Counter()))


class Predicted(NamedTuple):
    """What a model says of a region's people."""

    values: Values
    """Expression, as it was normalised, float64 [S]."""
    matched: int
    """Places of the model that these people's file has."""
    places: int
    """All places of the model."""
    weight_share: float = math.nan
    """Of the sizes of alleles' weights, times the spread of copies, those matched; NaN for heads."""


class FittedGene(Protocol):
    """What predicts one gene."""

    def predict(self, region: Region) -> Predicted:
        """Predict a region's people."""
        ...


class FittedGenotypes(NamedTuple):
    """A linear model, and the alleles that it has weights for."""

    variants: list[Variant]
    model: LinearModel
    means: Values
    """Mean copies among those who were learnt from, for calls that are missing; float64 [V]."""
    names: list[str]
    """The file's own name of each variant; empty where it had none."""
    is_near: bool
    """Whether its alleles are those where heads read."""

    def predict(self, region: Region) -> Predicted:
        """Predict; of alleles that a cohort has no record of, everybody has 0 copies."""
        used = np.flatnonzero(self.model.weights)
        found, name = region.dosages(is_near=self.is_near), region.cohort.genome.resolve
        places = {(name(v.chrom), v.pos, v.ref, v.alt): i for i, v in enumerate(found.variants)}
        copies = np.zeros((len(region.cohort.samples), len(used)))
        matched = np.zeros(len(used), dtype=bool)
        for column, which in enumerate(used):
            variant = self.variants[which]
            place = places.get((name(variant.chrom), variant.pos, variant.ref, variant.alt))
            if place is not None:
                own = found.values[:, place]
                copies[:, column] = np.where(np.isnan(own), self.means[which], own)
                matched[column] = True
        shares = self.means[used] / 2
        sizes = np.abs(self.model.weights[used]) * np.sqrt(2 * shares * (1 - shares))
        weight = float(sizes[matched].sum() / sizes.sum()) if sizes.sum() > 0 else math.nan
        said = copies @ self.model.weights[used] + self.model.intercept
        return Predicted(said, int(matched.sum()), len(used), weight)


class FittedRows(NamedTuple):
    """A head, and the places of the rows that it reads."""

    sites: Places
    """int64 [P, 2]."""
    layer: int
    """Which of the settings' layers, from 0."""
    head: LinearHead | FittedHead
    encoder: str = PRETRAINED

    def predict(self, region: Region) -> Predicted:
        """Predict; where a person is as the reference throughout a piece, its rows are 0."""
        vectors, rows = region.layers(self.encoder, sites=self.sites)[self.layer]
        varying = region.varying
        behind = np.searchsorted(varying[:, 0], self.sites[:, 1], side="left")  # sites that begin before a row ends
        reach = np.maximum.accumulate(np.concatenate([[-1], varying[:, 1]]))
        matched = int((reach[behind] > self.sites[:, 0]).sum())
        return Predicted(self.head.predict(vectors, rows), matched, len(self.sites))


def fit_gene(
    method: Method, region: Region, values: Values, learn: Mask, *, frequency: float, head: HeadSettings, seed: int
) -> FittedGene:
    """Fit a method to one gene.

    Parameters
    ----------
    method : Method
        `is_shuffled` means nothing here.
    region : Region
    values : float64 array [S]
        Normalised expression.
    learn : bool array [S]
        Whom to learn from; penalties, layers, forms and steps are chosen among them. Rows of heads are at the sites
        at which anybody of the cohort varies.
    frequency : float
        Least frequency of an allele among them, of models of genotypes.
    head : HeadSettings
        Of transformers.
    seed : int

    Returns
    -------
    FittedGene
    """
    if not method.is_head:
        kept = common(region.dosages(is_near=method.is_near), learn, frequency=frequency)
        own = kept.values[learn]
        fitted = MODELS[method.name](own, values[learn], seed)
        return FittedGenotypes(kept.variants, fitted, own.mean(axis=0), kept.names, method.is_near)
    features, layers = region.features(method.encoder), region.layers(method.encoder)
    if method.name == "linear-head" or not layers[0][0].shape[1]:
        linear = fit_linear_head([(vectors, rows[learn]) for vectors, rows in layers], values[learn])
        return FittedRows(features.sites, linear.layer, linear, method.encoder)
    best, layer = fit_best_layer([[GeneExamples(vectors, rows, values)] for vectors, rows in layers], learn, head, seed)
    return FittedRows(features.sites, layer, best, method.encoder)


def fit_best_layer(
    layers: list[list[GeneExamples]], learn: Mask, settings: HeadSettings, seed: int
) -> tuple[FittedHead, int]:
    """Fit a transformer to each layer, and keep the one that predicts best for some of the people that are learnt from.

    Parameters
    ----------
    layers : list of list of GeneExamples
        Of each layer, the genes.
    learn : bool array [S]
    settings : HeadSettings
    seed : int
        Of who chooses, the order of people, and first weights.

    Returns
    -------
    FittedHead, int
        And which layer.
    """
    people = np.flatnonzero(learn)
    choose = np.zeros(len(learn), dtype=bool)
    choose[people[split_people(len(people), min(_CHOOSE, len(people)), seed=seed) == 0]] = True
    settings = replace(settings, fit=replace(settings.fit, seed=seed))
    fitted = [fit_transformer_head(genes, learn & ~choose, choose, settings) for genes in layers]
    best = int(np.argmax([each.fitted.best_score for each in fitted]))
    return fitted[best], best


def gene_of(row: "pd.Series[Any]") -> Gene:
    """Make a gene of a row of `Expression.genes`."""
    place = str(row["chrom"]), int(row["tss"]), str(row["strand"])
    return Gene(str(row["gene_id"]), *place, str(row.get("name", row["gene_id"])))
