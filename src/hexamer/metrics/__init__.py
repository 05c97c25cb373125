"""How well numbers agree with the truth, and how sure that is: statistics of arrays, and resampled rows."""

from hexamer.metrics.grouped import resample_groups
from hexamer.metrics.resampling import (
    Difference,
    Estimate,
    Resampled,
    bootstrap,
    paired_bootstrap,
    resample,
    shuffled_auroc,
)
from hexamer.metrics.statistics import auprc, auroc, mcc, pearson, spearman, top_k, why_undefined

__all__ = [
    "Difference",
    "Estimate",
    "Resampled",
    "auprc",
    "auroc",
    "bootstrap",
    "mcc",
    "paired_bootstrap",
    "pearson",
    "resample",
    "resample_groups",
    "shuffled_auroc",
    "spearman",
    "top_k",
    "why_undefined",
]
