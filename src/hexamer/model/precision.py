"""What numbers an encoder computes with: `exact`, float32 throughout, or `fast`, products of bfloat16.

In `fast` the linear maps of the blocks hold bfloat16 weights and read bfloat16 rows, and attention multiplies
bfloat16. What adds up over layers, tokens or the vocabulary stays float32: the residual stream, LayerNorm, rotary
positions, softmax, all sums, and the language-model head. How near it comes: docs/speed.md.
"""

from typing import Literal, get_args

import torch

from hexamer.errors import SettingsError
from hexamer.model.elementwise import LayerNorm
from hexamer.model.linear import Linear
from hexamer.model.transformer import NucleotideTransformer

Precision = Literal["exact", "fast"]


def set_precision(model: NucleotideTransformer, precision: Precision) -> None:
    """Make an encoder compute in a precision; weights are rounded for good by `fast`, which is for inference.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place; its `precision` says so.
    precision : {"exact", "fast"}

    Raises
    ------
    SettingsError
        If the precision is unknown, or "exact" is asked of a model that is "fast".

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> set_precision(model, "fast")
    >>> model.blocks[0].ffn.up.weight.dtype, model.lm_head.decoder.weight.dtype
    (torch.bfloat16, torch.float32)
    """
    check_precision(precision)
    if precision == "exact":
        if model.precision == "fast":
            raise SettingsError("the weights of a fast model are rounded; load it again for precision 'exact'")
        return
    for module in model.blocks.modules():
        if isinstance(module, Linear):
            module.to(torch.bfloat16)
        elif isinstance(module, LayerNorm):
            module.result = torch.bfloat16
    model.precision = precision


def check_precision(precision: str) -> None:
    """SettingsError if a precision is unknown."""
    if precision not in get_args(Precision):
        raise SettingsError(f"precision {precision!r} is unknown; 'exact' (float32) or 'fast' (bfloat16) would work")
