"""The encoder and its weights: sizes, the transformer itself, and the hub's folder layout in and out."""

from hexamer.model.backends import describe_backends, list_backends
from hexamer.model.checkpoint import describe_model, load_model, read_config, save_model
from hexamer.model.config import SIZES, ModelConfig, named_size
from hexamer.model.packed import Packed, batches, pack, pack_rows
from hexamer.model.precision import Precision, set_precision
from hexamer.model.transformer import ModelOutput, NucleotideTransformer, randomised

__all__ = [
    "SIZES",
    "ModelConfig",
    "ModelOutput",
    "NucleotideTransformer",
    "Packed",
    "Precision",
    "batches",
    "describe_backends",
    "describe_model",
    "list_backends",
    "load_model",
    "named_size",
    "pack",
    "pack_rows",
    "randomised",
    "read_config",
    "save_model",
    "set_precision",
]
