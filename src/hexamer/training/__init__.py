"""Changing weights: the objective, the optimiser, the loop, and pre-training with its baselines."""

from hexamer.training.baselines import MarkovModel, token_log_frequencies
from hexamer.training.checkpoints import export_checkpoint
from hexamer.training.evaluate import evaluate_lm
from hexamer.training.optimizer import Schedule
from hexamer.training.pretrain import pretrain
from hexamer.training.recipe import PretrainConfig

__all__ = [
    "MarkovModel",
    "PretrainConfig",
    "Schedule",
    "evaluate_lm",
    "export_checkpoint",
    "pretrain",
    "token_log_frequencies",
]
