"""The encoder and its weights: sizes, the transformer itself, and the hub's folder layout in and out."""

from hexamer.model.checkpoint import describe_model, load_model, read_config, save_model
from hexamer.model.config import SIZES, ModelConfig, named_size
from hexamer.model.transformer import ModelOutput, NucleotideTransformer

__all__ = [
    "SIZES",
    "ModelConfig",
    "ModelOutput",
    "NucleotideTransformer",
    "describe_model",
    "load_model",
    "named_size",
    "read_config",
    "save_model",
]
