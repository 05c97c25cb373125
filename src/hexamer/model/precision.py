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
    """Make an encoder compute in a precision; weights are rounded for good by `fast`.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place; its `precision` says so.
    precision : {"exact", "fast"}

    Raises
    ------
    SettingsError
        If the precision is unknown.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> set_precision(model, "fast")
    >>> model.blocks[0].ffn.up.weight.dtype, model.lm_head.decoder.weight.dtype
    (torch.bfloat16, torch.float32)
    """
    if precision not in get_args(Precision):
        raise SettingsError(f"precision {precision!r} is unknown; 'exact' (float32) or 'fast' (bfloat16) would work")
    products = torch.bfloat16 if precision == "fast" else torch.float32
    for module in model.blocks.modules():
        if isinstance(module, Linear):
            module.to(products)
        elif isinstance(module, LayerNorm):
            module.result = products
    model.precision = precision
