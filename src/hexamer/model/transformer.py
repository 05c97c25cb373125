"""The Nucleotide Transformer, whole: token ids in, hidden states, attention maps and logits out.

One encoder, two published kinds, told apart by `ModelConfig.layout`:

* v1: learned positions counted from 2, token dropout (word vectors scaled by 0.88 / (1 - share of masks)), exact GELU
  feed-forward with biases;
* v2: rotary positions (base 10000, halves rotated against each other), SwiGLU feed-forward without biases.

Both are pre-norm, with biases in attention, and have a two-layer language-model head that is not tied to the
embedding. Written from the description in Dalla-Torre et al., Nature Methods 22:287-297 (2025), and the published
configurations; proved against the original's numbers in tests/parity.

Letters in comments: B batch, L tokens, D width, H heads, E = D / H, V vocabulary.
Not here: loading, key names, devices, windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.errors import SequenceError, SettingsError
from hexamer.model.attention import Turn, attend, attention_weights, rotary_turn
from hexamer.model.config import ModelConfig
from hexamer.model.elementwise import LayerNorm, swiglu
from hexamer.model.linear import Linear
from hexamer.tokens.tokenizer import MASK_ID, PAD_ID, Tokenizer

# Share of tokens that read <mask> in published pre-training, 0.15 selected x 0.8 masked: what v1 rescales for.
TOKEN_DROPOUT = 0.15 * 0.8


@dataclass(frozen=True)
class ModelOutput:
    """What a forward pass was asked for.

    Attributes
    ----------
    logits : float tensor [B, L, V], or [M, V] where M positions were asked for, or None
    hidden : dict of int to float tensor [B, L, D]
        By layer, from 0 (-1 comes back as the last's number): 0 is the embedding, i the output of block i, the last
        one after the final LayerNorm.
    attentions : dict of (layer, head) to float tensor [B, L, L]
        Layers are counted from 1, heads from 0.
    """

    logits: Tensor | None = None
    hidden: dict[int, Tensor] = field(default_factory=dict)
    attentions: dict[tuple[int, int], Tensor] = field(default_factory=dict)


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
        self, x: Tensor, keep: Tensor | None, turn: Turn | None, heads: Sequence[int]
    ) -> tuple[Tensor, Tensor | None]:
        """Mixed tokens [B, L, D], and the maps [B, len(heads), L, L] of the heads that were asked for."""
        query, key, value = (part(x).unflatten(-1, (self.heads, -1)) for part in (self.query, self.key, self.value))
        chosen = list(heads)
        maps = attention_weights(query[:, :, chosen], key[:, :, chosen], keep, turn) if heads else None
        mixed = attend(query, key, value, keep, turn).flatten(-2)
        return self.out(mixed), maps


class FeedForward(nn.Module):
    """GELU with biases (v1) or SwiGLU without (v2), whose first half is the gate."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gated = config.layout == "v2"
        self.up = Linear(config.width, config.ffn * (2 if self.gated else 1), bias=not self.gated)
        self.down = Linear(config.ffn, config.width, bias=not self.gated)

    def forward(self, x: Tensor) -> Tensor:
        """Change each token [B, L, D] by itself."""
        x = self.up(x)
        if self.gated:
            return self.down(swiglu(x))
        return self.down(F.gelu(x))


class Block(nn.Module):
    """Pre-norm residual block."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(config.width, eps=config.norm_eps)
        self.attention = SelfAttention(config)
        self.ffn_norm = LayerNorm(config.width, eps=config.norm_eps)
        self.ffn = FeedForward(config)

    def forward(
        self, x: Tensor, keep: Tensor | None, turn: Turn | None, heads: Sequence[int]
    ) -> tuple[Tensor, Tensor | None]:
        """Next hidden state [B, L, D], and the maps of the heads that were asked for."""
        mixed, maps = self.attention(self.attention_norm(x), keep, turn, heads)
        x = x + mixed
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
            Positions whose logits are wanted; logits are then [M, V], in row-major order of the positions.

        Returns
        -------
        ModelOutput

        Raises
        ------
        SequenceError
            If v1 is given more than `config.max_tokens` tokens.
        SettingsError
            If a layer or head does not exist.
        """
        out = self.encode(input_ids, layers=(*layers, -1), attentions=attentions)
        last = out.hidden[self.config.layers]
        wanted = {self.layer_number(layer) for layer in layers}
        hidden = {layer: x for layer, x in out.hidden.items() if layer in wanted}
        return ModelOutput(self.lm_head(last if where is None else last[where]), hidden, out.attentions)

    def encode(
        self, input_ids: Tensor, layers: Sequence[int] = (-1,), attentions: Sequence[tuple[int, int]] = ()
    ) -> ModelOutput:
        """Run the encoder alone, no further than the last layer that is asked for; parameters as `forward`."""
        wanted = {self.layer_number(layer) for layer in layers}
        heads = self._heads_by_layer(attentions)
        real = input_ids != PAD_ID
        keep = None if bool(real.all()) else real
        x = self._embed(input_ids, real)
        turn = None
        if self.config.layout == "v2":
            turn = rotary_turn(input_ids.shape[1], self.config.width // self.config.heads, x.device)
        hidden = {0: x} if 0 in wanted else {}
        maps: dict[tuple[int, int], Tensor] = {}
        for layer in range(1, max([*wanted, *heads, 0]) + 1):
            asked = heads.get(layer, ())
            x, found = self.blocks[layer - 1](x, keep, turn, asked)
            if found is not None:
                maps |= {(layer, head): found[:, i] for i, head in enumerate(asked)}
            if layer == self.config.layers:
                x = self.final_norm(x)
            if layer in wanted:
                hidden[layer] = x
        return ModelOutput(None, hidden, maps)

    def layer_number(self, layer: int) -> int:
        """Layer as 0 to the number of blocks, where -1 means the last; SettingsError if it does not exist."""
        found = layer + self.config.layers + 1 if layer < 0 else layer
        if not 0 <= found <= self.config.layers:
            raise SettingsError(f"layer {layer} does not exist; 0 (embedding) to {self.config.layers} would work")
        return found

    def _embed(self, ids: Tensor, real: Tensor) -> Tensor:
        """Layer 0 [B, L, D]."""
        x = self.embed_tokens(ids)
        if self.config.layout == "v2":
            return x
        if ids.shape[1] > self.config.max_tokens:
            raise SequenceError(f"{ids.shape[1]} tokens in a window; this model reads at most {self.config.max_tokens}")
        masked = (ids == MASK_ID)[..., None]
        share = masked.sum(1, keepdim=True) / real.sum(1)[:, None, None].clamp(min=1)
        x = x.masked_fill(masked, 0.0) * ((1 - TOKEN_DROPOUT) / (1 - share))
        # Real tokens count from 2; pads read row 1.
        return x + self.embed_positions(real.cumsum(1) * real + 1)

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


def _initialise(module: nn.Module) -> None:
    """Draw weights as the published models do: normal(0, 0.02), biases 0, norms 1 and 0 (torch's default)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
