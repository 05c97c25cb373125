"""Changing weights, or fitting on frozen ones: pre-training with its baselines, fine-tuning, probes."""

from hexamer.training.baselines import MarkovModel, fit_baselines, token_log_frequencies
from hexamer.training.checkpoints import export_checkpoint
from hexamer.training.evaluate import evaluate_lm
from hexamer.training.finetune import Examples, FinetuneSettings, finetune
from hexamer.training.fitting import FitSettings
from hexamer.training.optimizer import Schedule
from hexamer.training.overlap import measure_overlap
from hexamer.training.predict import predict, score_predictor
from hexamer.training.predictor import Predictor, load_predictor
from hexamer.training.pretrain import pretrain
from hexamer.training.probe import ProbeSettings, probe
from hexamer.training.provenance import judge_held_out
from hexamer.training.recipe import PretrainConfig
from hexamer.training.scores import all_scores
from hexamer.training.snp_windows import check_variants, draw_snp_windows, held_out_regions
from hexamer.training.snps import ask_snp_windows, snp_perplexity
from hexamer.training.targets import make_target

__all__ = [
    "Examples",
    "FinetuneSettings",
    "FitSettings",
    "MarkovModel",
    "Predictor",
    "PretrainConfig",
    "ProbeSettings",
    "Schedule",
    "all_scores",
    "ask_snp_windows",
    "check_variants",
    "draw_snp_windows",
    "evaluate_lm",
    "export_checkpoint",
    "finetune",
    "fit_baselines",
    "held_out_regions",
    "judge_held_out",
    "load_predictor",
    "make_target",
    "measure_overlap",
    "predict",
    "pretrain",
    "probe",
    "score_predictor",
    "snp_perplexity",
    "token_log_frequencies",
]
