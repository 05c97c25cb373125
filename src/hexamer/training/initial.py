"""Where a training from random weights begins.

As published, weights are drawn one by one, and the encoder has to find out from data that ACGTAC and ACGTAG are nearly
the same word, and that the words next to a mask matter most. `compose` says both from the start: the vector of a k-mer
is a sum of what its bases and pairs of bases contribute, at their places; and in each block one head looks at the
token before, one at the token behind, by biases of queries and keys that rotary positions turn into a preference for a
distance. Training may change all of it freely; nothing in the architecture differs. Our own; measured in docs/log.md,
2026-11-21.
"""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from hexamer.model import NucleotideTransformer
from hexamer.tokens.alphabet import BASES

Initial = Literal["published", "composed"]
SHARES = {1: 0.6, 2: 0.4}
"""Share of the variance that comes from bases (1) and from pairs of neighbours (2)."""
FREQUENCIES, STRENGTH = 10, 4.0
"""How many of the fastest rotary frequencies a looking head listens to, and the score that each gives."""


def compose(model: NucleotideTransformer) -> None:
    """Give an encoder of random weights composed k-mers and, if it is rotary, heads that look at neighbours.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=2, width=128, heads=2, ffn=8))
    >>> compose(model)
    >>> ids = torch.as_tensor(model.tokenizer.encode(["ACGTTGCATTGACCAGTAGTCA"])[0])[None]
    >>> [int(m[0, 2].argmax()) for m in model(ids, attentions=((1, 0), (1, 1))).attentions.values()]
    [1, 3]
    """
    compose_tokens(model)
    if model.config.layout == "v2" and model.config.heads >= 2:
        blocks: Any = model.blocks
        for block in blocks:
            look_at_neighbours(block.attention.query.bias, block.attention.key.bias, heads=model.config.heads)


def look_at_neighbours(query_bias: Tensor, key_bias: Tensor, *, heads: int) -> None:
    """Make head 0 of a rotary block look one token back, and head 1 one token ahead.

    Parameters
    ----------
    query_bias, key_bias : float tensors [D]
        Changed in place. Turned by their positions p and s, the biases alone give the score STRENGTH times the sum of
        cos((p - s + d) f) over the fastest frequencies f, which is highest at s = p + d.
    heads : int
    """
    width = len(query_bias) // heads
    frequencies = 1.0 / 10000.0 ** (torch.arange(0, width, 2) / width)
    size = torch.zeros(width // 2)
    size[:FREQUENCIES] = (STRENGTH * width**0.5) ** 0.5
    with torch.no_grad():
        for head, distance in ((0, -1), (1, 1)):
            turn = distance * frequencies
            query_bias[head * width :][:width] = torch.cat([size * turn.cos(), size * turn.sin()])
            key_bias[head * width :][:width] = torch.cat([size, torch.zeros(width // 2)])


def compose_tokens(model: NucleotideTransformer) -> None:
    """Draw the k-mers' rows of the embedding and of the decoder as sums over their bases.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place; the standard deviation of its weights stays. Numbers come from torch's generator.
    """
    vocabulary = model.tokenizer.vocabulary
    rows = [i for i, word in enumerate(vocabulary) if len(word) == model.config.k and set(word) <= set(BASES)]
    bases = torch.as_tensor(np.array([[BASES.index(base) for base in vocabulary[i]] for i in rows]))
    with torch.no_grad():
        for table in (model.embed_tokens.weight, model.lm_head.decoder.weight):
            table[rows] = _compose(bases, table.shape[1]) * table.std()


def _compose(bases: Tensor, width: int) -> Tensor:
    """Vectors [K, D] of variance 1 of k-mers whose base numbers are [K, k]."""
    k = bases.shape[1]
    found = torch.zeros(len(bases), width)
    for length, share in SHARES.items():
        places = k - length + 1
        parts = torch.randn(places, 4**length, width) * (share / places) ** 0.5
        for place in range(places):
            digits = bases[:, place : place + length]
            found += parts[place][(digits * 4 ** torch.arange(length)).sum(1)]
    return found
