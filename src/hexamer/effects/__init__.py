"""What a variant changes: windows around variants, likelihoods and distances, scored files, what scores are worth."""

from hexamer.effects.annotate import Summary, annotate_variants
from hexamer.effects.background import Background, find_background
from hexamer.effects.calibrate import Draw, calibrate
from hexamer.effects.classifier import ClassifierSettings, VariantClassifier, is_classifier
from hexamer.effects.evaluate import SIGNS, EffectEvaluation, evaluate_effects
from hexamer.effects.features import FAMILIES
from hexamer.effects.labels import add_elements, add_kinds, join_scores, read_labels
from hexamer.effects.merge import merge
from hexamer.effects.peers import MISSING, add_scores, describe_scores
from hexamer.effects.prioritisation import VariantTraining, train_variants
from hexamer.effects.score import SCORES, ScoreSettings, VariantScores, score_variants
from hexamer.effects.selection import Shard
from hexamer.effects.trinucleotides import TRINUCLEOTIDE, add_trinucleotides
from hexamer.effects.tuned import TunedClassifier, TunedSettings, load_classifier
from hexamer.effects.writers import check_variants_path

__all__ = [
    "FAMILIES",
    "MISSING",
    "SCORES",
    "SIGNS",
    "TRINUCLEOTIDE",
    "Background",
    "ClassifierSettings",
    "Draw",
    "EffectEvaluation",
    "ScoreSettings",
    "Shard",
    "Summary",
    "TunedClassifier",
    "TunedSettings",
    "VariantClassifier",
    "VariantScores",
    "VariantTraining",
    "add_elements",
    "add_kinds",
    "add_scores",
    "add_trinucleotides",
    "annotate_variants",
    "calibrate",
    "check_variants_path",
    "describe_scores",
    "evaluate_effects",
    "find_background",
    "is_classifier",
    "join_scores",
    "load_classifier",
    "merge",
    "read_labels",
    "score_variants",
    "train_variants",
]
