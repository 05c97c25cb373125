"""Ways to predict one gene's expression, by name: models of genotypes, and heads on the encoder's vectors.

| name | what it reads |
|---|---|
| `elastic-net`, `ridge`, `best-variant` | copies of alleles near the gene (`baseline`) |
| `linear-head`, `transformer-head` | embeddings of both haplotypes around the transcription start |

Prefixes: `near-` gives a model of genotypes only the variants that heads see; `random-` gives a head an encoder of the
same size that never learnt; `shuffled-` exchanges people's expression, the control.
Not here: who is held out (`study`), models kept on disk (`fitted`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from hexamer.embeddings.pooling import Vectors
from hexamer.errors import SettingsError
from hexamer.expression.baseline import MODELS, LinearModel
from hexamer.expression.cohort import Places, Values, split_people
from hexamer.expression.dosages import Dosages, common, read_dosages
from hexamer.expression.features import FeatureReader, GeneFeatures
from hexamer.expression.linear_head import LinearHead, fit_linear_head
from hexamer.expression.transformer_head import FittedHead, GeneExamples, HeadSettings, fit_transformer_head
from hexamer.genome import Cohort, Variant

Mask = npt.NDArray[np.bool_]

HEADS = ("linear-head", "transformer-head")
NEAR, RANDOM, SHUFFLED = "near-", "random-", "shuffled-"
_CHOOSE = 5  # one of so many people that are learnt from chooses the step, and the layer, of a transformer


class Gene(NamedTuple):
    """A gene's place."""

    gene_id: str
    chrom: str
    tss: int
    """0-based."""
    strand: str


class Method(NamedTuple):
    """A method's name, taken apart."""

    name: str
    """Without prefixes."""
    is_near: bool = False
    is_random: bool = False
    is_shuffled: bool = False

    @property
    def is_head(self) -> bool:
        """Whether it reads embeddings."""
        return self.name in HEADS


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
    Method(name='ridge', is_near=True, is_random=False, is_shuffled=True)
    """
    name, seen = text, dict.fromkeys((NEAR, RANDOM, SHUFFLED), False)
    while prefix := next((each for each in seen if name.startswith(each) and not seen[each]), ""):
        seen[prefix], name = True, name.removeprefix(prefix)
    method = Method(name, seen[NEAR], seen[RANDOM], seen[SHUFFLED])
    if (
        name not in (*MODELS, *HEADS)
        or (method.is_near and method.is_head)
        or (method.is_random and not method.is_head)
    ):
        raise SettingsError(
            f"method {text!r} is unknown; {', '.join([*MODELS, *HEADS])}, models of genotypes with {NEAR}, heads with "
            f"{RANDOM}, and each with {SHUFFLED} before it would work"
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
    near_window : int
        Bases that heads see, half of them on either side.
    readers : mapping of bool to FeatureReader
        Of embeddings: the encoder's (False), and that of an encoder of random weights (True).
    """

    def __init__(
        self, gene: Gene, cohort: Cohort, window: int, near_window: int, readers: Mapping[bool, FeatureReader]
    ) -> None:
        self.gene, self.cohort, self.window, self.near_window, self._readers = (
            gene,
            cohort,
            window,
            near_window,
            readers,
        )
        self._features: dict[bool, GeneFeatures] = {}
        self._layers: dict[bool, list[tuple[Vectors, Places]]] = {}

    @cached_property
    def dosages(self) -> Dosages:
        """Copies of alleles within the window."""
        tss = self.gene.tss
        return read_dosages(self.cohort, self.gene.chrom, max(0, tss - self.window), tss + self.window)

    def near(self) -> Dosages:
        """Read copies of the alleles that heads see, too."""
        start, end = self.gene.tss - self.near_window // 2, self.gene.tss + self.near_window // 2
        return read_dosages(self.cohort, self.gene.chrom, max(0, start), end)

    def features(self, *, is_random: bool, sites: Places | None = None) -> GeneFeatures:
        """Vectors of the haplotypes around the transcription start; at the sites of a model that was fitted before."""
        known = self._features.get(is_random)
        if known is None or (sites is not None and not np.array_equal(known.sites, sites)):
            gene = self.gene
            known = self._readers[is_random].read(gene.chrom, gene.tss, gene.strand, sites=sites)
            self._features[is_random], self._layers[is_random] = known, known.of_layers()
        return known

    def layers(self, *, is_random: bool, sites: Places | None = None) -> list[tuple[Vectors, Places]]:
        """Differences of whole haplotypes to the reference, of each layer; parameters as `features`."""
        self.features(is_random=is_random, sites=sites)
        return self._layers[is_random]

    @property
    def counts(self) -> dict[str, int]:
        """Of haplotypes, as `GeneFeatures.counts`, over all encoders."""
        return dict(sum((Counter(each.counts) for each in self._features.values()), Counter()))


class FittedGene(Protocol):
    """What predicts one gene."""

    def predict(self, region: Region) -> tuple[Values, int, int]:
        """Expression of a region's people [S], as it was normalised; places of the model that they vary in; and all."""
        ...


class FittedGenotypes(NamedTuple):
    """A linear model, and the alleles that it has weights for."""

    variants: list[Variant]
    model: LinearModel
    means: Values
    """Mean copies among those who were learnt from, for calls that are missing; float64 [V]."""
    names: list[str]
    """The file's own name of each variant; empty where it had none."""

    def predict(self, region: Region) -> tuple[Values, int, int]:
        """Predict; alleles that a cohort has no record of are its reference's, 0 copies."""
        used = np.flatnonzero(self.model.weights)
        found, name = region.dosages, region.cohort.genome.resolve
        places = {(name(v.chrom), v.pos, v.ref, v.alt): i for i, v in enumerate(found.variants)}
        copies = np.zeros((len(region.cohort.samples), len(used)))
        matched = 0
        for column, which in enumerate(used):
            variant = self.variants[which]
            place = places.get((name(variant.chrom), variant.pos, variant.ref, variant.alt))
            if place is not None:
                own = found.values[:, place]
                copies[:, column] = np.where(np.isnan(own), self.means[which], own)
                matched += 1
        return copies @ self.model.weights[used] + self.model.intercept, matched, len(used)


class FittedRows(NamedTuple):
    """A head, and the places of the rows that it reads."""

    sites: Places
    """int64 [P, 2]."""
    layer: int
    """Which of the settings' layers, from 0."""
    head: LinearHead | FittedHead
    is_random: bool = False

    def predict(self, region: Region) -> tuple[Values, int, int]:
        """Predict; where a person is as the reference, the row is 0."""
        vectors, rows = region.layers(is_random=self.is_random, sites=self.sites)[self.layer]
        varied = np.abs(vectors).max(axis=(0, 2), initial=0) > 0
        return self.head.predict(vectors, rows), int(varied.sum()), len(self.sites)


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
        Whom to learn from; all that is chosen is chosen among them.
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
        near = common(region.near() if method.is_near else region.dosages, learn, frequency=frequency)
        own = near.values[learn]
        fitted = MODELS[method.name](own, values[learn], seed)
        return FittedGenotypes(near.variants, fitted, own.mean(axis=0), near.names)
    features, layers = region.features(is_random=method.is_random), region.layers(is_random=method.is_random)
    if method.name == "linear-head" or not layers[0][0].shape[1]:
        linear = fit_linear_head([(vectors, rows[learn]) for vectors, rows in layers], values[learn])
        return FittedRows(features.sites, linear.layer, linear, method.is_random)
    best, layer = fit_best_layer([[GeneExamples(vectors, rows, values)] for vectors, rows in layers], learn, head, seed)
    return FittedRows(features.sites, layer, best, method.is_random)


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
    choose[people[split_people(len(people), _CHOOSE, seed=seed) == 0]] = True
    settings = replace(settings, fit=replace(settings.fit, seed=seed))
    fitted = [fit_transformer_head(genes, learn & ~choose, choose, settings) for genes in layers]
    best = int(np.argmax([each.fitted.best_score for each in fitted]))
    return fitted[best], best


def gene_of(row: Any) -> Gene:
    """Make a gene of a row of `Expression.genes`."""
    return Gene(str(row.gene_id), str(row.chrom), int(row.tss), str(row.strand))
