"""The peer of the timing scripts: transformers' ESM with sizes of ours, and NT-v2's feed-forward, which it has not."""

from typing import Any

import torch

from hexamer.model import ModelConfig


def make_config(sizes: ModelConfig) -> Any:
    """Give transformers the sizes of an encoder."""
    import transformers

    v1 = sizes.layout == "v1"
    return transformers.EsmConfig(
        vocab_size=sizes.vocabulary_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.ffn,
        max_position_embeddings=sizes.position_rows,
        position_embedding_type="absolute" if v1 else "rotary",
        token_dropout=v1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=sizes.norm_eps,
        mask_token_id=2,
        pad_token_id=1,
        tie_word_embeddings=False,
    )


def add_gates(layers: Any, sizes: ModelConfig) -> None:
    """Put SwiGLU, with the residual behind it, in the place of each block's GELU."""
    for layer in layers:
        layer.intermediate, layer.output = Up(sizes), Down(sizes)


class Up(torch.nn.Module):
    """Gate and gated half."""

    def __init__(self, sizes: ModelConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(sizes.width, 2 * sizes.ffn, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Second half times SiLU of the first."""
        gate, passed = self.dense(x).chunk(2, dim=-1)
        return torch.nn.functional.silu(gate) * passed


class Down(torch.nn.Module):
    """Back to the width, and the residual."""

    def __init__(self, sizes: ModelConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(sizes.ffn, sizes.width, bias=False)

    def forward(self, x: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """Add the feed-forward's result to what went in."""
        return self.dense(x) + residual
