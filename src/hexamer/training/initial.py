"""Where a training from random weights begins.

As published, the vector of each k-mer is drawn by itself, and the encoder has to find out from data that ACGTAC and
ACGTAG are nearly the same word. Composed vectors say so from the start: each is a sum of what its bases, at their
places, and its pairs of neighbouring bases contribute, and of a part of its own. Training may change them freely. Our
own; measured in docs/log.md, 2026-11-21.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hexamer.model import NucleotideTransformer
from hexamer.tokens.alphabet import BASES

Initial = Literal["published", "composed"]
SHARES = {1: 0.5, 2: 0.25}
"""Share of the variance that comes from bases (1) and from pairs of neighbours (2); the rest is a k-mer's own."""


def compose_tokens(model: NucleotideTransformer) -> None:
    """Draw the k-mers' rows of the embedding and of the decoder as sums over their bases.

    Parameters
    ----------
    model : NucleotideTransformer
        Changed in place; the standard deviation of its weights stays. Numbers come from torch's generator.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=1, width=64, heads=2, ffn=8))
    >>> compose_tokens(model)
    >>> ids = [model.tokenizer.kmer_id(kmer) for kmer in ("ACGTAC", "ACGTAG", "TGCATT")]
    >>> first, near, far = model.embed_tokens.weight[ids]
    >>> bool(torch.dot(first, near) > torch.dot(first, far))
    True
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
    found = (1 - sum(SHARES.values())) ** 0.5 * torch.randn(len(bases), width)
    for length, share in SHARES.items():
        places = k - length + 1
        parts = torch.randn(places, 4**length, width) * (share / places) ** 0.5
        for place in range(places):
            digits = bases[:, place : place + length]
            found += parts[place][(digits * 4 ** torch.arange(length)).sum(1)]
    return found
