"""What is asked of a model, as a number that has gradients: a likelihood, or an output of a fine-tuned model.

Attributions (`attribution`) and the wrapper for one-hot sequences (`one_hot`) ask the same, here. Vectors of tokens go
in behind `embed_tokens`, so v1 zeroes and scales them by the share of masks as it does in every other pass.
Letters: S sequences of a batch, N tokens of all, M masked ones, K k-mers, D width, O outputs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from hexamer.errors import SequenceError, SettingsError
from hexamer.interpretation.profiles import STRIDE
from hexamer.interpretation.stretches import Places
from hexamer.model import NucleotideTransformer, Packed
from hexamer.tokens import token_of_base, token_spans
from hexamer.tokens.tokenizer import Ids
from hexamer.training import Predictor

Model = NucleotideTransformer | Predictor
"""An encoder, or a fine-tuned model."""


def encoder_of(model: Model) -> NucleotideTransformer:
    """Give the encoder of a fine-tuned model, or an encoder itself."""
    return model.encoder if isinstance(model, Predictor) else model


@contextmanager
def asking(model: Model) -> Iterator[None]:
    """Put a model in eval mode, with gradients on, and give its mode back afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        model.train(training)


def find_base(encoder: NucleotideTransformer, ids: Ids, offset: int) -> tuple[int, int]:
    """Find the token of a base, and which of the token's bases it is.

    Parameters
    ----------
    encoder : NucleotideTransformer
    ids : int32 array [L]
        With `<cls>`, nothing masked.
    offset : int
        From the sequence's first base, 0-based.

    Returns
    -------
    token, digit : int

    Raises
    ------
    SettingsError
        If there is no such base.
    """
    starts, ends = token_spans(encoder.tokenizer, ids)
    if not 0 <= offset < ends[-1]:
        raise SettingsError(f"base {offset} of a sequence of {ends[-1]}: 0 to {ends[-1] - 1} would work")
    token = int(token_of_base(encoder.tokenizer, ids, offset))
    return token, int(offset - starts[token])


def mask_turns(encoder: NucleotideTransformer, ids: Ids, offset: int | None = None) -> list[Places]:
    """List which tokens are masked in each pass: every seventh whole one in turn, or the one of a base.

    Parameters
    ----------
    encoder : NucleotideTransformer
    ids : int32 array [L]
        With `<cls>`, nothing masked.
    offset : int, optional
        As `find_base`.

    Returns
    -------
    list of int64 array

    Raises
    ------
    SequenceError
        If there is no whole token.
    SettingsError
        As `find_base`, or if the base is in no whole token.
    """
    tokenizer, k = encoder.tokenizer, encoder.config.k
    whole = np.flatnonzero((ids >= tokenizer.first_kmer) & (ids < tokenizer.first_letter))
    if not len(whole):
        raise SequenceError(f"no whole {k}-mer in {tokenizer.decode(ids)[:40]!r}; {k} known bases or more would work")
    if offset is None:
        return [rows for turn in range(STRIDE) if len(rows := whole[whole % STRIDE == turn])]
    token, _ = find_base(encoder, ids, offset)
    if token not in whole:
        raise SettingsError(f"base {offset} is in no whole {k}-mer, and is never masked; one that is would work")
    return [np.array([token], dtype=np.int64)]


def ask_kmers(encoder: NucleotideTransformer, packed: Packed, vectors: Tensor, rows: Tensor) -> Tensor:
    """Ask for the log probability of each k-mer at some tokens.

    Parameters
    ----------
    encoder : NucleotideTransformer
    packed : Packed
    vectors : float tensor [N, D]
        What stands for the rows of `embed_tokens`.
    rows : int64 tensor [M]

    Returns
    -------
    float32 tensor [M, K]
        Natural logarithms, in the tokenizer's order.
    """
    tokenizer = encoder.tokenizer
    states = encoder.encode(packed, rows=rows, embeddings=vectors).hidden[encoder.config.layers]
    return encoder.lm_head(states).float()[:, tokenizer.first_kmer : tokenizer.first_letter].log_softmax(dim=-1)


def ask_outputs(
    predictor: Predictor, packed: Packed, vectors: Tensor, bases: Sequence[tuple[int, int]] | None = None
) -> Tensor:
    """Ask for the outputs of a fine-tuned model: log odds of classes and labels, or values.

    Parameters
    ----------
    predictor : Predictor
    packed : Packed
    vectors : float tensor [N, D]
        As `ask_kmers`.
    bases : sequence of (int, int) [S], optional
        Token and digit of the base that is asked for in each sequence, for models that answer for every base.

    Returns
    -------
    float32 tensor [S, O]
        Nats (log p - log(1 - p)), or the values' unit.

    Raises
    ------
    SettingsError
        If a model answers for every base and none is asked for, or the other way round.
    """
    if (predictor.target.kind == "bases") != (bases is not None):
        own = "every base: one place" if bases is None else "the whole sequence: no place"
        raise SettingsError(f"the model answers for {own} would work")
    states = predictor.encoder.encode(packed, embeddings=vectors).hidden[predictor.encoder.config.layers]
    if bases is None:
        return _log_odds(predictor, predictor.head(states, packed))
    tokens, digits = torch.as_tensor(bases, dtype=torch.int64, device=states.device).unbind(1)
    return _log_odds(predictor, predictor.head(states[packed.bounds[:-1].long() + tokens])[range(len(bases)), digits])


def _log_odds(predictor: Predictor, outputs: Tensor) -> Tensor:
    kind = predictor.target.kind
    if kind in ("values", "bins"):
        return predictor.target.predictions(outputs)
    if kind == "labels":
        return outputs.float()
    outputs = outputs.float()
    others = torch.eye(outputs.shape[-1], dtype=torch.bool, device=outputs.device)
    return outputs - outputs[:, None].masked_fill(others, -torch.inf).logsumexp(dim=-1)
