"""How well methods predict expression for people, or genes, that are held out: one harness for all of them.

Everything that is learnt, frequencies of alleles, scales of expression, penalties, layers and steps among it, is of
those who are learnt from alone; only the sites of heads' rows are those at which anybody varies. Every gene, method and
seed comes back with a row or with a reason.
Not here: the methods (`methods`), one head of all genes (`pooled`), what correlations mean (`evaluate`).
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from hexamer.errors import InputError, SettingsError
from hexamer.expression.cohort import Expression, Mask, Places, Values, iterate_folds, split_people
from hexamer.expression.evaluate import across_individuals
from hexamer.expression.features import FeatureReader, FeatureSettings
from hexamer.expression.methods import PRETRAINED, Method, Region, fit_gene, gene_of, parse_method
from hexamer.expression.normalisation import NORMALISATIONS, restore
from hexamer.expression.transformer_head import HeadSettings
from hexamer.genome import Cohort
from hexamer.manifest import STRICT, checksum
from hexamer.model import NucleotideTransformer, randomised
from hexamer.model.checkpoint import describe_origin

HoldOut = Literal["people", "groups", "genes"]

_FEWEST = 3  # people that a correlation is of
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
            parse_method(method)
        if self.normalise not in NORMALISATIONS:
            raise SettingsError(f"normalise {self.normalise!r}: {', '.join(NORMALISATIONS)} would work")
        if self.hold_out not in get_args(HoldOut):
            raise SettingsError(f"hold_out {self.hold_out!r}: {', '.join(get_args(HoldOut))} would work")
        for name, given in (("methods", self.methods), ("seeds", self.seeds)):
            if not given or len(set(given)) < len(given):
                raise SettingsError(
                    f"{name} {', '.join(map(str, given)) or 'none'}: one or more, each once, would work"
                )
        if not all(0 <= seed < 2**32 for seed in self.seeds):
            raise SettingsError(f"seeds {', '.join(map(str, self.seeds))}: from 0 to {2**32 - 1} would work")
        if self.window < 1 or self.folds < 2 or not 0 <= self.frequency < 0.5:
            raise SettingsError(
                f"window {self.window}, folds {self.folds}, frequency {self.frequency}: from 1, from 2, and from 0 and "
                "below 0.5 would work"
            )
        if self.hold_out == "genes" and not all(parse_method(name).is_pooled for name in self.methods):
            raise SettingsError("hold_out genes: only heads of all genes (pooled-transformer-head) know unseen ones")

    @property
    def wants_encoder(self) -> bool:
        """Whether a method reads embeddings."""
        return any(parse_method(name).is_head for name in self.methods)


class GeneResult(NamedTuple):
    """What came of one gene, or of all where one head is of all."""

    rows: list[dict[str, Any]]
    """For each method and seed: `method`, `seed`, `gene_id`, `pearson`, `spearman`, `p`, `people`."""
    predictions: pd.DataFrame
    """`method`, `seed`, `gene_id`, `sample`, `fold`, `measured_normalised`, `predicted_normalised`, and `predicted` in
    the table's units, for each person that was held out."""
    skipped: dict[str, str]
    """Genes that have no row, with the reason."""
    counts: dict[str, int]
    """Of haplotypes, as `GeneFeatures.counts`."""


class Study:
    """Expression, genotypes and encoder of a comparison.

    Parameters
    ----------
    expression : Expression
        Of the cohort's people, and perhaps of others, who are left out.
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
    InputError
        If somebody of the cohort was not measured.
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
        measured = set(expression.samples)
        if missing := [name for name in cohort.samples if name not in measured]:
            told = f"{missing[0]} was not measured, nor {len(missing) - 1:,} others" if missing[1:] else missing[0]
            raise InputError(f"expression of the cohort: {told}; a cohort of those in both files would work")
        self.expression, self.cohort, self.settings = expression.take(cohort.samples), cohort, settings
        self.given, self._groups = given or {}, np.array(groups if groups is not None else [], dtype=object)
        self._model, self.readers = model, dict[str, FeatureReader]()
        wanted = {parse_method(name).encoder for name in settings.methods if parse_method(name).is_head}
        if model is not None:
            encoders = {name: model if name == PRETRAINED else randomised(model) for name in sorted(wanted)}
            self.readers = {
                name: FeatureReader(encoder, cohort, settings.features, cache=cache)
                for name, encoder in encoders.items()
            }
        count = len(cohort.samples)
        folds = len(set(groups)) if groups is not None else settings.folds
        self.folds = {seed: split_people(count, folds, seed=seed, groups=groups) for seed in settings.seeds}
        least = min(int(np.bincount(held).min()) for held in self.folds.values())
        if least < _FEWEST:
            raise SettingsError(
                f"{count} people in {folds} folds: one fold has {least}, which no correlation is of; {_FEWEST} or more "
                "in each would work"
            )
        for name, other in self.given.items():
            if not set(other.samples) & set(cohort.samples) or not set(other.genes["gene_id"]) & set(
                expression.genes["gene_id"]
            ):
                raise InputError(
                    f"predictions {name}: have no gene or no person of the study; the same names would work"
                )

    def judge_gene(self, row: int, region: Region | None = None) -> GeneResult:
        """Judge the methods that have a model for each gene.

        Parameters
        ----------
        row : int
            Of the expression table.
        region : Region, optional
            What models read of it, if that is at hand.

        Returns
        -------
        GeneResult

        Raises
        ------
        VariantError
            If a record cannot be read, REF is not the genome's, or a heterozygote is unphased where that is an error.
        """
        region = region or self.region(row)
        if reason := self.reason(row, region):
            return GeneResult([], pd.DataFrame(), {region.gene.gene_id: reason}, {})
        found = Collector(region.gene.gene_id, self.expression.samples)
        values = self.expression.values[row]
        for seed in self.settings.seeds:
            held = self.folds[seed]
            for name in self.settings.methods:
                if not (method := parse_method(name)).is_pooled:
                    found.add(name, seed, held, *self._predict(method, region, values, held, seed))
            for name, given in self.given.items():
                said = self._of_another(given, region.gene.gene_id)
                found.add(name, seed, held, self._normalise(values, held), said, said)
        return GeneResult(found.rows, found.predictions, {}, region.counts)

    def region(self, row: int) -> Region:
        """Give what models read of a gene, by its row of the expression table."""
        gene = gene_of(self.expression.genes.iloc[row])
        return Region(gene, self.cohort, self.settings.window, self.settings.features.window, self.readers)

    def reason(self, row: int, region: Region) -> str:
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
        if not len(region.varying) and (self._are_pooled or not region.dosages().variants):
            return "no_variants"
        return ""

    @property
    def _are_pooled(self) -> bool:
        return all(parse_method(name).is_pooled for name in self.settings.methods)

    def _is_in(self, group: str) -> Mask:
        return np.asarray(self._groups == group, dtype=bool)

    def _predict(
        self, method: Method, region: Region, values: Values, held: Places, seed: int
    ) -> tuple[Values, Values, Values]:
        """Predict each person while they are held out: what was measured, the prediction, and it in its units."""
        own = self.exchanged(values, region.gene.gene_id, seed) if method.is_shuffled else values
        normal, said, restored = np.empty(len(own)), np.empty(len(own)), np.empty(len(own))
        for _, learn in iterate_folds(held):
            scaled = NORMALISATIONS[self.settings.normalise](own, learn)
            frequency, head = self.settings.frequency, self.settings.head
            fitted = fit_gene(method, region, scaled, learn, frequency=frequency, head=head, seed=seed)
            found = fitted.predict(region).values
            normal[~learn], said[~learn] = scaled[~learn], found[~learn]
            restored[~learn] = restore(found[~learn], own[learn], self.settings.normalise)
        return normal, said, restored

    def exchanged(self, values: Values, gene_id: str, seed: int) -> Values:
        """Exchange a gene's expression between people, of groups that are held out within each: the control."""
        rng = np.random.default_rng((seed, zlib.crc32(gene_id.encode())))
        found = values.copy()
        for group in [slice(None)] if self.settings.hold_out != "groups" else map(self._is_in, np.unique(self._groups)):
            found[group] = rng.permutation(values[group])
        return found

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

    def describe(self) -> dict[str, Any]:
        """Tell all that results depend on."""
        digest = hashlib.sha256(self.expression.values.tobytes())
        digest.update(self.expression.genes.to_csv(index=False).encode() + "\n".join(self.expression.samples).encode())
        for name, given in self.given.items():
            digest.update(name.encode() + given.values.tobytes() + "\n".join(given.samples).encode())
            digest.update(given.genes.to_csv(index=False).encode())
        cohort, model = self.cohort, self._model
        facts: dict[str, Any] = {"settings": asdict(self.settings), "expression": digest.hexdigest()}
        facts |= {"people": checksum(cohort.file.path), "genome": checksum(cohort.genome.path)}
        facts |= {"unphased": cohort.unphased, "seed": cohort.seed}
        facts |= {
            "encoder": describe_origin(model) | {"config": asdict(model.config)} if model and self.readers else {}
        }
        facts |= {"folds": {str(seed): held.tolist() for seed, held in self.folds.items()}}
        return facts

    def close(self) -> None:
        """Close the files of kept vectors."""
        for reader in self.readers.values():
            reader.close()

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Collector:
    """Gathers the rows and predictions of one gene."""

    def __init__(self, gene_id: str, samples: Sequence[str]) -> None:
        self.gene_id, self.samples = gene_id, samples
        self.rows: list[dict[str, Any]] = []
        self._tables: list[pd.DataFrame] = []

    def add(self, method: str, seed: int, held: Places, measured: Values, said: Values, restored: Values) -> None:
        """Take what a method predicts, NaN for nobody; float64 [S] each, `restored` in the table's units."""
        scores = across_individuals(measured, said, held, seed=seed)
        self.rows.append({"method": method, "seed": seed, "gene_id": self.gene_id, **scores})
        table = pd.DataFrame({"sample": self.samples, "fold": held, "measured_normalised": measured})
        table = table.assign(predicted_normalised=said, predicted=restored)[np.isfinite(said)]
        table.insert(0, "method", method)
        table.insert(1, "seed", seed)
        table.insert(2, "gene_id", self.gene_id)
        self._tables.append(table)

    @property
    def predictions(self) -> pd.DataFrame:
        """As `GeneResult.predictions`."""
        return pd.concat(self._tables, ignore_index=True) if self._tables else pd.DataFrame()
