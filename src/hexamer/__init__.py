"""hexamer: the open, complete Nucleotide Transformer, from a genome file to scored variants.

The public names, each loaded when it is first used, so that `import hexamer` is quick.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_HOMES = {
    "Genome": "hexamer.genome",
    "HexamerError": "hexamer.errors",
    "Interval": "hexamer.genome",
    "ModelConfig": "hexamer.model",
    "NucleotideTransformer": "hexamer.model",
    "PretrainConfig": "hexamer.training",
    "Tokenizer": "hexamer.tokens",
    "Variant": "hexamer.genome",
    "annotate_variants": "hexamer.effects",
    "attention_elements": "hexamer.interpretation",
    "attention_map": "hexamer.interpretation",
    "attribute": "hexamer.interpretation",
    "audit": "hexamer.benchmark",
    "build_corpus": "hexamer.tokens",
    "build_splice_suite": "hexamer.benchmark",
    "calibrate": "hexamer.effects",
    "dependency_map": "hexamer.interpretation",
    "embed": "hexamer.embeddings",
    "evaluate_effects": "hexamer.effects",
    "evaluate_expression": "hexamer.expression",
    "evaluate_lm": "hexamer.training",
    "find_motifs": "hexamer.interpretation",
    "finetune": "hexamer.training",
    "fit_expression": "hexamer.expression",
    "haplotypes": "hexamer.genome",
    "load_model": "hexamer.model",
    "load_predictor": "hexamer.training",
    "merge": "hexamer.effects",
    "predict": "hexamer.training",
    "predict_expression": "hexamer.expression",
    "pretrain": "hexamer.training",
    "probe": "hexamer.training",
    "project": "hexamer.interpretation",
    "read_intervals": "hexamer.genome",
    "read_variants": "hexamer.genome",
    "run_benchmark": "hexamer.benchmark",
    "saturation_mutagenesis": "hexamer.interpretation",
    "save_model": "hexamer.model",
    "score_variants": "hexamer.effects",
    "train_variants": "hexamer.effects",
    "write_report": "hexamer.report",
    "write_tracks": "hexamer.interpretation",
}

__all__ = [*sorted(_HOMES)]

try:
    __version__ = version("hexamer")
except PackageNotFoundError:
    __version__ = "not installed"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hexamer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
