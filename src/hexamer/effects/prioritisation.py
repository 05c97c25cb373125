"""Training a classifier of variants from a table of labels, and saying how good it is.

Not here: what is learnt, on frozen features (`classifier`) or by fine-tuning (`tuned`); reading labels (`labels`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.effects.classifier import ClassifierSettings, VariantClassifier, fit_classifier
from hexamer.effects.features import read_features
from hexamer.effects.tuned import TunedClassifier, TunedSettings
from hexamer.effects.tuning import tune_classifier
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.genome.splits import count_neighbours, split_by_block, split_by_contig
from hexamer.model import NucleotideTransformer

CONTIG, BLOCK = "contig", "block"
RESERVED = ("fold", "reason", "probability", "llr")
"""Columns that are added to the labels."""


@dataclass(frozen=True)
class VariantTraining:
    """A trained classifier, and what it said of the variants that it had not seen.

    Attributes
    ----------
    classifier : VariantClassifier or TunedClassifier
    table : DataFrame
        The labels' rows that have a label, with `fold`, `reason` and `probability` (out of fold, calibrated); of a
        classifier on frozen features also `llr` as it is, and for each ablation a column of out-of-fold decisions:
        "only scores", "without scores", ...
    facts : dict
        How it went: `neighbours` (variants that lie within a window of one in another fold: what they share with it is
        no secret); `strength` (C of the final regression), or of fine-tuning `fits` (best step and score of each fold)
        and `weights` (how many are trained, and all).
    """

    classifier: VariantClassifier | TunedClassifier
    table: pd.DataFrame
    facts: dict[str, Any]


def train_variants(
    model: NucleotideTransformer,
    genome: Genome,
    table: pd.DataFrame,
    *,
    label: str,
    folds: str = CONTIG,
    count: int = 5,
    settings: ClassifierSettings | TunedSettings | None = None,
    folder: str | Path | None = None,
    advance: Callable[[int], None] | None = None,
) -> VariantTraining:
    """Train a classifier of variants on a table of labels.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    table : DataFrame
        `chrom`, `pos` (from 1), `ref`, `alt`, and the label's column: 1, 0, NaN where unknown (`read_labels`).
    label : str
        Column of labels.
    folds : str
        "contig" (whole contigs, as the paper), "block" (of 1 Mb), or a column of the table.
    count : int
        Folds, where they are made here.
    settings : ClassifierSettings or TunedSettings, optional
        A regression on frozen features, or fine-tuning.
    folder : str or Path, optional
        Where fine-tuning keeps what a killed run resumes from.
    advance : callable, optional
        Called with the number of variants of each finished piece or step.

    Returns
    -------
    VariantTraining

    Raises
    ------
    SettingsError
        As `fit_classifier` and `hexamer.genome.splits`; and if the column of folds does not exist or has gaps.
    """
    settings = settings or ClassifierSettings()
    if taken := sorted({*RESERVED} & set(map(str, table)) - {folds}):
        raise SettingsError(f"labels: columns {', '.join(taken)} have names of ours; other names would work")
    known = table[table[label].notna()]
    names = [genome.resolve(chrom) if chrom in genome else str(chrom) for chrom in known["chrom"]]
    starts = known["pos"].to_numpy(dtype=np.int64) - 1
    chosen = _choose_folds(known, names, starts, folds, count)
    columns = zip(known["chrom"], known["pos"], known["ref"], known["alt"], strict=True)
    variants = [Variant(str(chrom), int(pos), str(ref), str(alt)) for chrom, pos, ref, alt in columns]
    labels = known[label].to_numpy(dtype=float) > 0.5
    facts = {"neighbours": count_neighbours(names, starts, chosen, settings.scores.window)}
    if isinstance(settings, TunedSettings):
        tuned = tune_classifier(
            model, genome, variants, labels, names, starts, chosen, settings=settings, folder=folder, advance=advance
        )
        found = known.assign(fold=chosen, reason=tuned.reasons, probability=tuned.probabilities)
        fits = [{"best_step": fitted.best_step, "best_score": fitted.best_score} for fitted in tuned.fits]
        return VariantTraining(tuned.classifier, found, {"fits": fits, "weights": tuned.classifier.weights, **facts})
    features = read_features(model, genome, variants, settings.scores, advance=advance)
    trained = fit_classifier(model, features, labels, names, starts, chosen, settings=settings)
    found = known.assign(
        fold=chosen,
        reason=features.reasons,
        probability=trained.probabilities,
        llr=features.values["scores"][:, 0],
        **trained.ablation,
    )
    return VariantTraining(trained.classifier, found, {"strength": trained.strength, **facts})


def _choose_folds(
    known: pd.DataFrame, names: Sequence[str], starts: npt.NDArray[np.int64], folds: str, count: int
) -> npt.NDArray[np.int64]:
    if folds == CONTIG:
        return split_by_contig(names, count)
    if folds == BLOCK:
        return split_by_block(names, starts, count)
    if folds not in known:
        raise SettingsError(f"folds {folds!r}: {CONTIG}, {BLOCK}, or a column of the labels would work")
    if known[folds].isna().any():
        raise SettingsError(f"folds: column {folds!r} has no value for {int(known[folds].isna().sum())} variants")
    return pd.factorize(known[folds], sort=True)[0].astype(np.int64)
