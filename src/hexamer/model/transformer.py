"""The Nucleotide Transformer, whole: token ids in, hidden states, attention maps and logits out.

One encoder, two published kinds, told apart by `ModelConfig.layout`:

* v1: learned positions counted from 2, token dropout (word vectors scaled by 0.88 / (1 - share of masks)), exact GELU
  feed-forward with biases;
* v2: rotary positions (base 10000, halves rotated against each other), SwiGLU feed-forward without biases.

Both are pre-norm, with biases in attention, and have a two-layer language-model head that is not tied to the
embedding. Written from the description in Dalla-Torre et al., Nature Methods 22:287-297 (2025), and the published
configurations; proved against the original's numbers in tests/parity.

Letters in comments: B batch, L tokens of a sequence, N of all, D width, H heads, E = D / H, V vocabulary.
Not here: loading, key names, devices, windows, kernels (`attention`, `linear`, `elementwise`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.errors import SequenceError, SettingsError
from hexamer.model.attention import Turn, attend, attention_weights, rotary_turn
from hexamer.model.config import ModelConfig
from hexamer.model.elementwise import LayerNorm, swiglu
from hexamer.model.linear import Linear, gelu_of
from hexamer.model.packed import Packed, pack_rows, pad_rows
from hexamer.tokens.tokenizer import MASK_ID, Tokenizer

# Share of tokens that read <mask> in published pre-training, 0.15 selected x 0.8 masked: what v1 rescales for.
TOKEN_DROPOUT = 0.15 * 0.8


@dataclass(frozen=True)
class ModelOutput:
    """What a forward pass was asked for; shapes for padded input, and in brackets for packed.

    Attributes
    ----------
    logits : float tensor [B, L, V], or [M, V] where M positions were asked for, or None
        0 at pads.
    hidden : dict of int to float tensor [B, L, D] ([N, D], or [M, D] of the last layer that M rows were asked of)
        By layer, from 0 (-1 comes back as the last's number): 0 is the embedding, i the output of block i, the last
        one after the final LayerNorm. 0 at pads.
    attentions : dict of (layer, head) to float tensor [B, L, L] (list of [L, L])
        Layers are counted from 1, heads from 0. 0 at pads.
    """

    logits: Tensor | None = None
    hidden: dict[int, Tensor] = field(default_factory=dict)
    attentions: dict[tuple[int, int], Any] = field(default_factory=dict)


class SelfAttention(nn.Module):
    """Multi-head attention with biases; rotary when a turn is given."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = Linear(config.width, config.width)
        self.key = Linear(config.width, config.width)
        self.value = Linear(config.width, config.width)
        self.out = Linear(config.width, config.width)

    def forward(
        self,
        x: Tensor,
        packed: Packed,
        turn: Turn | None,
        heads: Sequence[int] = (),
        rows: Tensor | None = None,
        *,
        maps_only: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Mixed tokens [N, D], or [M, D] of M rows; and each sequence's maps [len(heads), L, L] of asked heads."""
        query, key = (part(x).unflatten(-1, (self.heads, -1)) for part in (self.query, self.key))
        chosen = list(heads)
        maps = attention_weights(query[:, chosen], key[:, chosen], packed, turn) if heads else []
        if maps_only:
            return x, maps
        value = self.value(x).unflatten(-1, (self.heads, -1))
        mixed = attend(query, key, value, packed, turn).flatten(-2)
        return self.out(mixed if rows is None else mixed[rows]), maps


class FeedForward(nn.Module):
    """GELU with biases (v1) or SwiGLU without (v2), whose first half is the gate."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gated = config.layout == "v2"
        self.up = Linear(config.width, config.ffn * (2 if self.gated else 1), bias=not self.gated)
        self.down = Linear(config.ffn, config.width, bias=not self.gated)

    def forward(self, x: Tensor) -> Tensor:
        """Change each token [N, D] by itself."""
        return self.down(swiglu(self.up(x)) if self.gated else gelu_of(self.up, x))


class Block(nn.Module):
    """Pre-norm residual block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.width, eps=config.norm_eps)
        self.attention = SelfAttention(config)
        self.ffn_norm = LayerNorm(config.width, eps=config.norm_eps)
        self.ffn = FeedForward(config)

    def forward(
        self,
        x: Tensor,
        packed: Packed,
        turn: Turn | None,
        heads: Sequence[int] = (),
        rows: Tensor | None = None,
        *,
        maps_only: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Next hidden state [N, D], or [M, D] of M rows; and each sequence's maps of the heads that were asked for.

        With `maps_only` the block stops after its maps, and the state comes back as it was.
        """
        mixed, maps = self.attention(self.attention_norm(x), packed, turn, heads, rows, maps_only=maps_only)
        if maps_only:
            return x, maps
        x = (x if rows is None else x[rows]) + mixed
        return x + self.ffn(self.ffn_norm(x)), maps


class LanguageModelHead(nn.Module):
    """From a token's vector to a score for each token of the vocabulary."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.decoder = Linear(config.width, config.vocabulary_size)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [..., V] of hidden states [..., D]."""
        return self.decoder(self.norm(F.gelu(self.dense(x))))


class NucleotideTransformer(nn.Module):
    """An encoder of DNA tokens with its language-model head.

    Parameters
    ----------
    config : ModelConfig
        Sizes; weights are drawn as published (normal, standard deviation 0.02) from torch's generator.

    Attributes
    ----------
    config : ModelConfig
    tokenizer : Tokenizer
        The tokenizer that the ids must come from.
    source : str
        Folder that the weights were loaded from; empty for random weights.
    precision : str
        "exact" or "fast" (`set_precision`).

    Examples
    --------
    >>> model = NucleotideTransformer(ModelConfig(layers=2, width=32, heads=4, ffn=64))
    >>> ids = torch.as_tensor(model.tokenizer.encode(["ACGTGTAC"])[0])[None]
    >>> out = model(ids, layers=(0, 2), attentions=((1, 3),))
    >>> out.logits.shape, out.hidden[2].shape, out.attentions[(1, 3)].shape
    (torch.Size([1, 4, 4107]), torch.Size([1, 4, 32]), torch.Size([1, 4, 4]))
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = Tokenizer(config.layout, config.k)
        self.source = ""
        self.precision = "exact"
        self.embed_tokens = nn.Embedding(config.vocabulary_size, config.width)
        if config.layout == "v1":
            self.embed_positions = nn.Embedding(config.position_rows, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.final_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.lm_head = LanguageModelHead(config)
        self.apply(_initialise)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embed_tokens.weight.device

    def forward(
        self,
        input_ids: Tensor,
        layers: Sequence[int] = (),
        attentions: Sequence[tuple[int, int]] = (),
        *,
        where: Tensor | None = None,
    ) -> ModelOutput:
        """Run the encoder and the language-model head.

        Parameters
        ----------
        input_ids : int tensor [B, L]
            Token ids, `<cls>` first, right-padded with 1; pads are never looked at.
        layers : sequence of int
            Hidden states to return, 0 (embedding) to the number of blocks; -1 is the last.
        attentions : sequence of (int, int)
            Attention maps to return: (layer from 1, head from 0).
        where : bool tensor [B, L], optional
            Positions whose logits are wanted, none of them a pad; logits are then [M, V], in row-major order of the
            positions.

        Returns
        -------
        ModelOutput

        Raises
        ------
        SequenceError
            If v1 is given more than `config.max_tokens` tokens, or `where` asks for pads.
        SettingsError
            If a layer or head does not exist.
        """
        packed, real = pack_rows(input_ids)
        if where is not None and bool((where & ~real).any()):
            raise SequenceError(f"where asks for {int((where & ~real).sum())} pads; only tokens have logits")
        rows = None if where is None else where[real].nonzero()[:, 0]
        wanted = {self.layer_number(layer) for layer in layers}
        last = self.config.layers
        only = None if last in wanted else rows  # the last block need not run elsewhere
        out = self.encode(packed, layers=(*wanted, last), attentions=attentions, rows=only)
        found = out.hidden[last] if rows is None or only is not None else out.hidden[last][rows]
        logits = self.lm_head(found)
        return ModelOutput(
            pad_rows(logits, real) if rows is None else logits,
            {layer: pad_rows(x, real) for layer, x in out.hidden.items() if layer in wanted},
            {place: _pad_maps(maps, real) for place, maps in out.attentions.items()},
        )

    def encode(
        self,
        packed: Packed,
        layers: Sequence[int] = (-1,),
        attentions: Sequence[tuple[int, int]] = (),
        *,
        rows: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> ModelOutput:
        """Run the encoder alone on packed sequences, no further than the last layer that is asked for.

        A last block of which only maps are asked stops after them.

        Parameters
        ----------
        packed : Packed
        layers, attentions
            As `forward`.
        rows : int tensor [M], optional
            Tokens whose state is wanted of the last of `layers`: [M, D]. If no map of a later layer is asked for, that
            block runs only there.
        embeddings : float tensor [N, D], optional
            Vectors in place of the rows of `embed_tokens`; v1 still counts, zeroes and scales by the ids' masks.

        Returns
        -------
        ModelOutput
            Without logits.

        Raises
        ------
        SequenceError, SettingsError
            As `forward`.
        """
        wanted = {self.layer_number(layer) for layer in layers}
        heads = self._heads_by_layer(attentions)
        x = self._embed(packed, embeddings)
        turn = None
        if self.config.layout == "v2":
            turn = rotary_turn(packed.longest, self.config.width // self.config.heads, x.device)
        deepest = max(wanted, default=0)
        last = max([deepest, *heads])
        hidden = {0: x} if 0 in wanted else {}
        maps: dict[tuple[int, int], list[Tensor]] = {}
        for layer in range(1, last + 1):
            asked = heads.get(layer, ())
            only = rows if layer == last == deepest else None
            x, found = self.blocks[layer - 1](x, packed, turn, asked, only, maps_only=layer == last > deepest)
            maps |= {(layer, head): [of[i] for of in found] for i, head in enumerate(asked)}
            if layer in wanted:
                hidden[layer] = self.final_norm(x) if layer == self.config.layers else x
        if rows is not None and deepest in hidden and (last > deepest or last == 0):
            hidden[deepest] = hidden[deepest][rows]
        return ModelOutput(None, hidden, maps)

    def layer_number(self, layer: int) -> int:
        """Layer as 0 to the number of blocks, where -1 means the last; SettingsError if it does not exist."""
        found = layer + self.config.layers + 1 if layer < 0 else layer
        if not 0 <= found <= self.config.layers:
            raise SettingsError(f"layer {layer} does not exist; 0 (embedding) to {self.config.layers} would work")
        return found

    def _embed(self, packed: Packed, embeddings: Tensor | None = None) -> Tensor:
        """Layer 0 [N, D]."""
        x = self.embed_tokens(packed.ids) if embeddings is None else embeddings
        if self.config.layout == "v2":
            return x
        if packed.longest > self.config.max_tokens:
            raise SequenceError(
                f"{packed.longest} tokens in a window; this model reads at most {self.config.max_tokens}"
            )
        masked = packed.ids == MASK_ID
        counts = torch.zeros(len(packed.lengths), device=x.device).index_add_(0, packed.sequence, masked.float())
        share = (counts / torch.tensor(packed.lengths, device=x.device).clamp(min=1))[packed.sequence]
        x = x.masked_fill(masked[:, None], 0.0) * ((1 - TOKEN_DROPOUT) / (1 - share))[:, None].to(x.dtype)
        return x + self.embed_positions(packed.positions + 2)

    def _heads_by_layer(self, attentions: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
        heads: dict[int, list[int]] = {}
        for layer, head in attentions:
            if not (1 <= layer <= self.config.layers and 0 <= head < self.config.heads):
                raise SettingsError(
                    f"attention map (layer {layer}, head {head}) does not exist; "
                    f"layers 1 to {self.config.layers} and heads 0 to {self.config.heads - 1} would work"
                )
            heads.setdefault(layer, []).append(head)
        return heads


def randomised(model: NucleotideTransformer, seed: int = 0) -> NucleotideTransformer:
    """Make an encoder of the same size that never learnt anything: the control of what is said of an encoder.

    Parameters
    ----------
    model : NucleotideTransformer
    seed : int

    Returns
    -------
    NucleotideTransformer
        On the same device, frozen; the same for a seed.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return NucleotideTransformer(model.config).to(model.device).eval().requires_grad_(False)


def _pad_maps(maps: Sequence[Tensor], real: Tensor) -> Tensor:
    """Stack the maps [L, L] of each sequence as one tensor [B, L, L]."""
    if not maps:
        return torch.zeros(0, real.shape[1], real.shape[1], device=real.device)
    blank = maps[0].new_zeros(real.shape[1], real.shape[1])
    pairs = real[:, :, None] & real[:, None, :]
    return torch.stack([blank.masked_scatter(seen, found) for seen, found in zip(pairs, maps, strict=True)])


def _initialise(module: nn.Module) -> None:
    """Draw weights as the published models do: normal(0, 0.02), biases 0, norms 1 and 0 (torch's default)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
