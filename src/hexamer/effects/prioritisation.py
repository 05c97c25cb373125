"""Training a classifier of variants from a table of labels, and saying how good it is.

Not here: features and the regression itself (`classifier`), reading labels (`labels`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hexamer.effects.classifier import ClassifierSettings, VariantClassifier, fit_classifier, read_features
from hexamer.errors import SettingsError
from hexamer.genome import Genome, Variant
from hexamer.genome.splits import split_by_block, split_by_contig
from hexamer.model import NucleotideTransformer

CONTIG, BLOCK = "contig", "block"


@dataclass(frozen=True)
class VariantTraining:
    """A trained classifier, and what it said of the variants that it had not seen.

    Attributes
    ----------
    classifier : VariantClassifier
    table : DataFrame
        The labels' rows, with `fold` (-1 where a row has no label), `reason`, `probability` (out of fold, calibrated),
        `llr` as it is, and for each ablation a column of out-of-fold decisions: "only scores", "without scores", ...
    penalty : float
        C of the final regression.
    """

    classifier: VariantClassifier
    table: pd.DataFrame
    penalty: float


def train_variants(
    model: NucleotideTransformer,
    genome: Genome,
    table: pd.DataFrame,
    *,
    label: str,
    folds: str = CONTIG,
    count: int = 5,
    settings: ClassifierSettings | None = None,
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
    settings : ClassifierSettings, optional
    advance : callable, optional
        Called with the number of variants of each finished piece.

    Returns
    -------
    VariantTraining

    Raises
    ------
    SettingsError
        As `fit_classifier` and `hexamer.genome.splits`; and if the column of folds does not exist or has gaps.
    """
    settings = settings or ClassifierSettings()
    known = table[table[label].notna()]
    names = [genome.resolve(chrom) if chrom in genome else str(chrom) for chrom in known["chrom"]]
    starts = known["pos"].to_numpy(dtype=np.int64) - 1
    if folds == CONTIG:
        chosen = split_by_contig(names, count)
    elif folds == BLOCK:
        chosen = split_by_block(names, starts, count)
    elif folds not in known:
        raise SettingsError(f"folds {folds!r}: {CONTIG}, {BLOCK}, or a column of the labels would work")
    elif known[folds].isna().any():
        raise SettingsError(f"folds: column {folds!r} has no value for {int(known[folds].isna().sum())} variants")
    else:
        chosen = pd.factorize(known[folds], sort=True)[0].astype(np.int64)
    columns = zip(known["chrom"], known["pos"], known["ref"], known["alt"], strict=True)
    variants = [Variant(str(chrom), int(pos), str(ref), str(alt)) for chrom, pos, ref, alt in columns]
    features = read_features(model, genome, variants, settings.scores, advance=advance)
    labels = known[label].to_numpy(dtype=float) > 0.5
    trained = fit_classifier(model, features, labels, names, starts, chosen, settings=settings)
    found = known.assign(
        fold=chosen,
        reason=features.reasons,
        probability=trained.probabilities,
        llr=features.values["scores"][:, 0],
        **trained.ablation,
    )
    return VariantTraining(trained.classifier, found, trained.penalty)
