"""One-hot sequences in: a wrapper with which tools made for one-hot models run unchanged, with gradients.

Tools such as tangermeme, captum and ledidi give a model one-hot sequences [B, 4, L] in the order A, C, G, T, change
them and take gradients. Here a token's embedding is the sum of all k-mers' embeddings, each times the product of its
letters' entries: the very row of the table for true one-hots, and linear in each column between them.

A column of zeros is N, and cuts the sequence as in the tokenizer; so it is no baseline ("nothing here"), and scaling
a sequence down to 0 jumps at its end. 1/4 everywhere is one: any base. Letters left over are tokens of their own.
Letters: B sequences, L bases, N tokens of all, M masked ones, K k-mers, D width, O outputs.
Not here: what is asked (`answers`), attributions by token (`attribution`).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hexamer.errors import SequenceError
from hexamer.interpretation.answers import (
    Model,
    ask_kmers,
    ask_outputs,
    encoder_of,
    find_base,
    mask_turns,
)
from hexamer.model import Packed, pack
from hexamer.tokens import CLS_ID, MASK_ID, token_spans
from hexamer.tokens.alphabet import BASES, N_CODE
from hexamer.tokens.tokenizer import Ids

ORDER = "ACGT"
"""Rows of a one-hot sequence."""
_ROWS = [ORDER.index(base) for base in BASES]  # of each of the tokenizer's bases


class OneHotModel(nn.Module):
    """A model that reads one-hot sequences.

    Parameters
    ----------
    model : NucleotideTransformer or Predictor
    offset : int, optional
        Base that is asked for, as `attribute`.

    Attributes
    ----------
    outputs : int
        O: 1 of an encoder, whose answer is the log likelihood, or that of one token; else one for each name of the
        fine-tuned model's target, log odds of classes and labels or values.

    Examples
    --------
    >>> from hexamer.model import ModelConfig, NucleotideTransformer
    >>> encoder = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8))
    >>> OneHotModel(encoder)(torch.eye(4)[None].repeat(2, 1, 5)).shape
    torch.Size([2, 1])
    """

    def __init__(self, model: Model, *, offset: int | None = None) -> None:
        super().__init__()
        self.model, self.offset = model, offset
        self.outputs = 1 if encoder_of(model) is model else len(model.target.names)  # type: ignore[union-attr, arg-type]
        self.train(model.training)

    def apply(self, fn: Callable[[nn.Module], None]) -> "OneHotModel":
        """Call a function on the wrapper alone: to rules by layer, as DeepLIFT's, it is one operation.

        Such rules tell sequences from references by halves of a layer's rows, which packed and masked rows are not.
        """
        fn(self)
        return self

    def forward(self, sequences: Tensor) -> Tensor:
        """Answers [B, O], float32, of one-hot sequences [B, 4, L] of any number type.

        Parameters
        ----------
        sequences : tensor [B, 4, L]
            Rows A, C, G, T. Between true one-hots an encoder's answer is the expected log likelihood of the
            sequence's own tokens, were its bases drawn.

        Returns
        -------
        float tensor [B, O]

        Raises
        ------
        SequenceError
            If the shape is another, or a sequence is longer than the encoder reads.
        SettingsError
            As `attribute`.
        """
        encoder = encoder_of(self.model)
        if sequences.ndim != 3 or sequences.shape[1] != len(ORDER):
            raise SequenceError(f"one-hot sequences of shape {tuple(sequences.shape)}; [B, 4, L], A C G T, would work")
        columns = sequences.to(encoder.device, torch.float32).transpose(1, 2)[:, :, _ROWS]
        ids = self._tokenise(columns)
        packed = pack(ids, encoder.device)
        vectors, weights = self._embed(columns, ids, packed)
        if encoder is not self.model:
            bases = None if self.offset is None else [find_base(encoder, each, self.offset) for each in ids]
            return ask_outputs(self.model, packed, vectors, bases)  # type: ignore[arg-type]
        return self._likelihood(ids, packed, vectors, weights)[:, None]

    def _tokenise(self, columns: Tensor) -> list[Ids]:
        """Cut sequences into tokens; where columns are no one-hots, the ids say what is cut how, no more."""
        encoder, head = encoder_of(self.model), np.array([CLS_ID], dtype=np.int32)
        known = columns.detach()
        codes = torch.where((known == 0).all(-1), N_CODE, known.argmax(-1)).to(torch.uint8).cpu().numpy()
        found = [np.concatenate([head, encoder.tokenizer.encode_codes(each)]) for each in codes]
        most = encoder.config.max_tokens
        for each in found:
            if not 1 < len(each) <= most:
                raise SequenceError(
                    f"{columns.shape[1]:,} bases are {len(each) - 1:,} tokens; 1 to {most - 1:,} (about "
                    f"{(most - 1) * encoder.config.k:,} bases) would work"
                )
        return found

    def _embed(self, columns: Tensor, ids: list[Ids], packed: Packed) -> tuple[Tensor, Tensor]:
        """Embeddings [N, D], and how much of each k-mer is in each whole token [whole tokens, K], in their order."""
        encoder = encoder_of(self.model)
        tokenizer, k = encoder.tokenizer, encoder.config.k
        every = np.concatenate(ids)
        starts = np.concatenate([token_spans(tokenizer, own)[0] + i * columns.shape[1] for i, own in enumerate(ids)])
        flat = columns.flatten(0, 1)
        table = encoder.embed_tokens.weight.float()

        def rows(mask: npt.NDArray[np.bool_]) -> Tensor:
            return torch.as_tensor(np.flatnonzero(mask), device=flat.device)

        whole = (every >= tokenizer.first_kmer) & (every < tokenizer.first_letter)
        letters = (every >= tokenizer.first_letter) & (every < tokenizer.n_id)
        first = torch.as_tensor(starts, device=flat.device)
        weights = flat[first[rows(whole)]]
        for place in range(1, k):
            weights = (weights[:, :, None] * flat[first[rows(whole)] + place][:, None]).flatten(1)
        singles = flat[first[rows(letters)]] @ table[tokenizer.first_letter : tokenizer.n_id]
        kmers = weights @ table[tokenizer.first_kmer : tokenizer.first_letter]
        vectors = table[packed.ids.long()].index_copy(0, rows(whole), kmers).index_copy(0, rows(letters), singles)
        return vectors, weights

    def _likelihood(self, ids: list[Ids], packed: Packed, vectors: Tensor, weights: Tensor) -> Tensor:
        """Log likelihood [B]: passes of all sequences, each turn masked at once."""
        encoder = encoder_of(self.model)
        turns = [mask_turns(encoder, own, self.offset) for own in ids]
        every, bounds = np.concatenate(ids), packed.bounds.cpu().numpy()
        tokenizer = encoder.tokenizer
        whole = (every >= tokenizer.first_kmer) & (every < tokenizer.first_letter)
        number = np.cumsum(whole) - 1  # of each whole token
        found = vectors.new_zeros(len(ids))
        for turn in range(max(map(len, turns))):
            asked = np.concatenate([own[turn] + bounds[i] for i, own in enumerate(turns) if turn < len(own)])
            where = torch.as_tensor(asked, device=vectors.device)
            masked = Packed(packed.ids.index_fill(0, where, MASK_ID), packed.lengths)
            hidden = encoder.embed_tokens.weight[MASK_ID].float().expand(len(where), -1)
            logs = ask_kmers(encoder, masked, vectors.index_copy(0, where, hidden), where)
            own = (logs * weights[torch.as_tensor(number[asked], device=vectors.device)]).sum(1)
            found = found.index_add(0, packed.sequence[where], own)
        return found
