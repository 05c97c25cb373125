"""Changing weights: the objective, the optimiser, the loop, and pre-training with its baselines."""

from hexamer.training.baselines import MarkovModel, fit_baselines, token_log_frequencies
from hexamer.training.checkpoints import export_checkpoint
from hexamer.training.evaluate import evaluate_lm
from hexamer.training.optimizer import Schedule
from hexamer.training.overlap import measure_overlap
from hexamer.training.pretrain import pretrain
from hexamer.training.provenance import judge_held_out
from hexamer.training.recipe import PretrainConfig
from hexamer.training.snp_windows import check_variants, draw_snp_windows, held_out_regions
from hexamer.training.snps import ask_snp_windows, snp_perplexity

__all__ = [
    "MarkovModel",
    "PretrainConfig",
    "Schedule",
    "ask_snp_windows",
    "check_variants",
    "draw_snp_windows",
    "evaluate_lm",
    "export_checkpoint",
    "fit_baselines",
    "held_out_regions",
    "judge_held_out",
    "measure_overlap",
    "pretrain",
    "snp_perplexity",
    "token_log_frequencies",
]
