"""What a variant changes: windows around variants, likelihoods and distances of the two alleles, scored files."""

from hexamer.effects.annotate import Summary, annotate_variants, check_variants_path
from hexamer.effects.score import SCORES, ScoreSettings, VariantScores, score_variants

__all__ = [
    "SCORES",
    "ScoreSettings",
    "Summary",
    "VariantScores",
    "annotate_variants",
    "check_variants_path",
    "score_variants",
]
