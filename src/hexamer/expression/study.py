"""How well methods predict expression for people, or genes, that are held out: one harness for all of them.

Everything that is learnt, frequencies of alleles, scales of expression, penalties, layers and steps among it, is of
those who are learnt from alone. Every gene, method and seed comes back with a row or with a reason.
Not here: the methods (`methods`), what correlations mean (`evaluate`), a model for new people (`fitted`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.expression.cohort import Expression, Places, Values, iterate_folds, split_people
from hexamer.expression.evaluate import across_individuals
from hexamer.expression.features import FeatureReader, FeatureSettings
from hexamer.expression.methods import Method, Region, fit_best_layer, fit_gene, gene_of, parse_method
from hexamer.expression.normalisation import NORMALISATIONS, restore
from hexamer.expression.transformer_head import GeneExamples, HeadSettings
from hexamer.genome import Cohort
from hexamer.manifest import STRICT
from hexamer.model import NucleotideTransformer, randomised

POOLED = "pooled-"
"""Prefix of a transformer head that is one for all genes."""
HoldOut = Literal["people", "groups", "genes"]

DEFAULT_METHODS = ("elastic-net", "ridge", "best-variant", "near-ridge", "linear-head")


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What is compared, and for whom.

    Raises
    ------
    SettingsError
        If a number is out of its range, or a method, normalisation or way of holding out does not exist.
    """

    __pydantic_config__ = STRICT

    methods: tuple[str, ...] = DEFAULT_METHODS
    """Names of `methods`; `pooled-transformer-head` is one head for all genes."""
    window: int = 100_000
    """Bases on either side of the transcription start, of models of genotypes."""
    frequency: float = 0.01
    """Least frequency of an allele among those who are learnt from, of models of genotypes."""
    folds: int = 5
    """Parts that people, or genes, are divided into."""
    hold_out: HoldOut = "people"
    """People; groups of them, such as populations; or genes, whose people are held out, too."""
    normalise: str = "rank"
    """Expression by gene, by those who are learnt from: rank (normal quantiles) or standard (mean 0, variance 1)."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of folds, penalties' folds, first weights and exchanges; each is a whole repetition."""
    features: FeatureSettings = field(default_factory=FeatureSettings)
    head: HeadSettings = field(default_factory=HeadSettings)

    def __post_init__(self) -> None:
        for method in self.methods:
            _parse(method)
        if self.normalise not in NORMALISATIONS:
            raise SettingsError(f"normalise {self.normalise!r}: {', '.join(NORMALISATIONS)} would work")
        if self.hold_out not in get_args(HoldOut):
            raise SettingsError(f"hold_out {self.hold_out!r}: {', '.join(get_args(HoldOut))} would work")
        if self.window < 1 or self.folds < 2 or not self.seeds or min(self.seeds) < 0 or not 0 <= self.frequency < 0.5:
            raise SettingsError(
                f"{self}: window from 1, 2 folds or more, a seed from 0 and a frequency from 0 and below 0.5 would work"
            )
        if self.hold_out == "genes" and not all(method.startswith(POOLED) for method in self.methods):
            raise SettingsError(f"hold_out genes: only heads of all genes ({POOLED}transformer-head) know unseen ones")

    @property
    def wants_encoder(self) -> bool:
        """Whether a method reads embeddings."""
        return any(_parse(name).is_head for name in self.methods)


class GeneResult(NamedTuple):
    """What came of one gene, or of all where one head is of all."""

    rows: list[dict[str, Any]]
    """For each method and seed: `method`, `seed`, `gene_id`, `pearson`, `spearman`, `p`, `people`."""
    predictions: pd.DataFrame
    """`method`, `seed`, `gene_id`, `sample`, `fold`, `measured`, `predicted` (both normalised), `expression` (the
    prediction in the table's units) for each person that was held out."""
    skipped: dict[str, str]
    """Genes that have no row, with the reason."""
    counts: dict[str, int]
    """Of haplotypes, as `GeneFeatures.counts`."""


class Study:
    """Expression, genotypes and encoder of a comparison.

    Parameters
    ----------
    expression : Expression
        Of the cohort's people, in their order.
    cohort : Cohort
    settings : StudySettings
    model : NucleotideTransformer, optional
        For methods that read embeddings.
    groups : sequence of str [S], optional
        To hold out groups of people.
    given : mapping of str to Expression, optional
        Predictions of other programs by name, such as of a track model; they are judged and not fitted.
    cache : bool
        Keep vectors in the cache folder.

    Raises
    ------
    SettingsError
        If there is no model or no groups for settings that need them, or fewer people or groups than folds.
    """

    def __init__(
        self,
        expression: Expression,
        cohort: Cohort,
        settings: StudySettings,
        *,
        model: NucleotideTransformer | None = None,
        groups: Sequence[str] | None = None,
        given: Mapping[str, Expression] | None = None,
        cache: bool = True,
    ) -> None:
        if settings.wants_encoder and model is None:
            raise SettingsError("methods that read embeddings need an encoder; --model hexamer-tiny would work")
        if (settings.hold_out == "groups") != (groups is not None):
            raise SettingsError("groups of people are needed to hold them out, and for nothing else")
        self.expression, self.cohort, self.settings, self.given = expression, cohort, settings, given or {}
        self.readers: dict[bool, FeatureReader] = {}
        if model is not None:
            encoders = {False: model}
            if any(_parse(name).is_random for name in settings.methods):
                encoders[True] = randomised(model)
            self.readers = {
                is_random: FeatureReader(encoder, cohort, settings.features, cache=cache)
                for is_random, encoder in encoders.items()
            }
        count = len(expression.samples)
        folds = len(set(groups)) if groups is not None else settings.folds
        self.folds = {seed: split_people(count, folds, seed=seed, groups=groups) for seed in settings.seeds}

    def judge_gene(self, row: int) -> GeneResult:
        """Judge the methods that have a model for each gene.

        Parameters
        ----------
        row : int
            Of the expression table.

        Returns
        -------
        GeneResult

        Raises
        ------
        VariantError
            If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
        """
        region = self.region(row)
        if reason := self.reason(row, region):
            return GeneResult([], pd.DataFrame(), {region.gene.gene_id: reason}, {})
        found = _Collector(region.gene.gene_id, self.expression.samples)
        values = self.expression.values[row]
        for seed in self.settings.seeds:
            held = self.folds[seed]
            for name in self.settings.methods:
                if not name.startswith(POOLED):
                    found.add(name, seed, held, *self._predict(parse_method(name), region, values, held, seed))
            for name, given in self.given.items():
                said = self._of_another(given, region.gene.gene_id)
                found.add(name, seed, held, self._normalise(values, held), said, said)
        return GeneResult(found.rows, found.predictions, {}, region.counts)

    def judge_pooled(self, advance: Callable[[int], None] | None = None) -> GeneResult:
        """Judge heads that are one for all genes.

        Parameters
        ----------
        advance : callable, optional
            Called with 1 for each gene that is read.

        Returns
        -------
        GeneResult
        """
        skipped: dict[str, str] = {}
        counts: Counter[str] = Counter()
        results: list[_Collector] = []
        names = [name for name in self.settings.methods if name.startswith(POOLED)]
        for is_random in sorted({_parse(name).is_random for name in names}):
            genes: list[int] = []
            read: list[list[GeneExamples]] = []
            for row in range(len(self.expression.genes)):
                region = self.region(row)
                if reason := self.reason(row, region, pooled=True):
                    skipped[region.gene.gene_id] = reason
                else:
                    layers = region.layers(is_random=is_random)
                    read.append([GeneExamples(vectors, whose, np.zeros(0)) for vectors, whose in layers])
                    genes.append(row)
                    counts.update(region.counts)
                if advance:
                    advance(1)
            for name in names:
                if genes and _parse(name).is_random == is_random:
                    results += self._predict_pooled(name, genes, read)
        tables = [each.predictions for each in results]
        rows = [row for each in results for row in each.rows]
        return GeneResult(rows, pd.concat(tables) if tables else pd.DataFrame(), skipped, dict(counts))

    def region(self, row: int) -> Region:
        """Give what models read of a gene, by its row of the expression table."""
        gene = gene_of(self.expression.genes.iloc[row])
        return Region(gene, self.cohort, self.settings.window, self.settings.features.window, self.readers)

    def reason(self, row: int, region: Region, *, pooled: bool = False) -> str:
        """Say why a gene cannot be judged, by its row; empty where it can."""
        gene, values = region.gene, self.expression.values[row]
        if not gene.chrom:
            return "no_place"
        if gene.chrom not in self.cohort.genome:
            return "contig_missing"
        if not 0 <= gene.tss < self.cohort.genome.length(gene.chrom):
            return "past_end"
        if np.isfinite(values).sum() < len(values):
            return "missing_values"
        if np.ptp(values) == 0:
            return "constant_expression"
        if pooled:
            is_random = next(iter(self.readers))
            return "" if len(region.features(is_random=is_random).sites) else "no_variants"
        return "" if region.dosages.variants else "no_variants"

    def _predict(
        self, method: Method, region: Region, values: Values, held: Places, seed: int
    ) -> tuple[Values, Values, Values]:
        """Predict each person while they are held out: what was measured, the prediction, and it in its units."""
        own = self._exchanged(values, seed) if method.is_shuffled else values
        normal, said, restored = np.empty(len(own)), np.empty(len(own)), np.empty(len(own))
        for _, learn in iterate_folds(held):
            scaled = NORMALISATIONS[self.settings.normalise](own, learn)
            frequency, head = self.settings.frequency, self.settings.head
            fitted = fit_gene(method, region, scaled, learn, frequency=frequency, head=head, seed=seed)
            found, _, _ = fitted.predict(region)
            normal[~learn], said[~learn] = scaled[~learn], found[~learn]
            restored[~learn] = restore(found[~learn], own[learn], self.settings.normalise)
        return normal, said, restored

    def _predict_pooled(self, name: str, genes: list[int], read: list[list[GeneExamples]]) -> Iterator["_Collector"]:
        """Fit one head to all genes, fold by fold; yield what was predicted of each gene."""
        method, way = _parse(name), self.settings.normalise
        for seed in self.settings.seeds:
            people = self.folds[seed]
            of_genes = split_people(len(genes), self.settings.folds, seed=seed) if self._by_genes else None
            measured = self.expression.values[genes]
            if method.is_shuffled:
                measured = np.stack([self._exchanged(values, seed) for values in measured])
            shape = (3, len(genes), measured.shape[1])
            found = np.full(shape, np.nan)
            for fold, everybody in iterate_folds(people if of_genes is None else of_genes):
                # Of unseen genes those people are judged who were not learnt from either: the first part.
                learn = people != 0 if of_genes is not None else everybody
                scaled = np.stack([NORMALISATIONS[way](values, learn) for values in measured])
                inside = np.flatnonzero(everybody) if of_genes is not None else np.arange(len(genes))
                asked = np.flatnonzero(of_genes == fold) if of_genes is not None else inside
                layers = [[read[i][layer]._replace(values=scaled[i]) for i in inside] for layer in range(len(read[0]))]
                head, best = fit_best_layer(layers, learn, self.settings.head, seed)
                for i in asked.tolist():
                    said = head.predict(*read[i][best][:2])
                    restored = restore(said, measured[i][learn], way)
                    found[:, i, ~learn] = np.stack([scaled[i], said, restored])[:, ~learn]
            for row, (normal, said, restored) in zip(genes, found.swapaxes(0, 1), strict=True):
                collector = _Collector(str(self.expression.genes.gene_id.iloc[row]), self.expression.samples)
                collector.add(name, seed, people, normal, said, restored)
                yield collector

    @property
    def _by_genes(self) -> bool:
        return self.settings.hold_out == "genes"

    def _exchanged(self, values: Values, seed: int) -> Values:
        return np.asarray(values[np.random.default_rng((seed, 1)).permutation(len(values))])

    def _normalise(self, values: Values, held: Places) -> Values:
        normal = np.empty(len(values))
        for _, learn in iterate_folds(held):
            normal[~learn] = NORMALISATIONS[self.settings.normalise](values, learn)[~learn]
        return normal

    def _of_another(self, given: Expression, gene_id: str) -> Values:
        """Find what another program predicts of a gene for the cohort's people; NaN where it says nothing."""
        rows = np.flatnonzero(given.genes["gene_id"] == gene_id)
        said = np.full(len(self.expression.samples), np.nan)
        if rows.size:
            places = {name: i for i, name in enumerate(given.samples)}
            for i, name in enumerate(self.expression.samples):
                if name in places:
                    said[i] = given.values[rows[0], places[name]]
        return said

    def close(self) -> None:
        """Close the files of kept vectors."""
        for reader in self.readers.values():
            reader.close()

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Collector:
    """Rows and predictions of one gene."""

    def __init__(self, gene_id: str, samples: Sequence[str]) -> None:
        self.gene_id, self.samples = gene_id, samples
        self.rows: list[dict[str, Any]] = []
        self._tables: list[pd.DataFrame] = []

    def add(self, method: str, seed: int, held: Places, measured: Values, said: Values, restored: Values) -> None:
        scores = across_individuals(measured, said, held, seed=seed)
        self.rows.append({"method": method, "seed": seed, "gene_id": self.gene_id, **scores})
        table = pd.DataFrame({"sample": self.samples, "fold": held, "measured": measured, "predicted": said})
        table = table.assign(expression=restored)[np.isfinite(said)]
        table.insert(0, "method", method)
        table.insert(1, "seed", seed)
        table.insert(2, "gene_id", self.gene_id)
        self._tables.append(table)

    @property
    def predictions(self) -> pd.DataFrame:
        return pd.concat(self._tables, ignore_index=True) if self._tables else pd.DataFrame()


def _parse(name: str) -> Method:
    """Take a method's name apart, that of a head of all genes too."""
    method = parse_method(name.removeprefix(POOLED))
    if name.startswith(POOLED) and method.name != "transformer-head":
        raise SettingsError(f"method {name!r}: only {POOLED}transformer-head, also random- and shuffled-, would work")
    return method
