"""What an encoder is: its sizes and the few switches between NT v1 and NT v2.

`ModelConfig` says the same as a published `config.json`, in fewer words. Named sizes are the published models (their
hub names) and hexamer's own. Not here: weights (`checkpoint`), key names (`published`).
"""

from dataclasses import dataclass
from typing import Literal

from hexamer.errors import SettingsError
from hexamer.manifest import STRICT


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and switches of an encoder.

    Raises
    ------
    SettingsError
        If the width is not a multiple of the heads, or a number is out of its range.
    """

    __pydantic_config__ = STRICT

    layers: int
    """Blocks."""
    width: int
    """D, the length of a token's vector."""
    heads: int
    """H, attention heads per block; D / H must be even in v2."""
    ffn: int
    """Inner width of the feed-forward network."""
    layout: Literal["v1", "v2"] = "v2"
    """v1: learned positions, token dropout, GELU with biases. v2: rotary positions, SwiGLU without biases."""
    k: int = 6
    """Bases per token."""
    max_tokens: int = 2048
    """Longest window in tokens, `<cls>` included. v1 cannot read more; v2 was not trained on more."""
    norm_eps: float = 1e-12
    """LayerNorm epsilon: 1e-12 in the published PyTorch configs, 1e-5 in the JAX original."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "ffn", "max_tokens"):
            if getattr(self, name) < 1:
                raise SettingsError(f"model {name} = {getattr(self, name)}: a positive number would work")
        if self.layout not in ("v1", "v2"):
            raise SettingsError(f"model layout {self.layout!r}: 'v1' or 'v2' would work")
        if not 1 <= self.k <= 7:
            raise SettingsError(f"model k = {self.k}: 1 to 7 would work (published models have 6 or 3)")
        if not 0 < self.norm_eps < 1:
            raise SettingsError(f"model norm_eps = {self.norm_eps}: a small positive number such as 1e-5 would work")
        if self.width % self.heads or (self.layout == "v2" and (self.width // self.heads) % 2):
            raise SettingsError(
                f"model width {self.width} with {self.heads} heads: the width must be a multiple of the heads, "
                "and the width of a head even (rotary positions turn pairs)"
            )

    @property
    def vocabulary_size(self) -> int:
        """V, rows of embedding and logits: 4105 (v1), 4107 (v2), 75 (v2, k = 3)."""
        return (4 if self.layout == "v1" else 6) + 4**self.k + 5

    @property
    def position_rows(self) -> int:
        """Rows of the position table in a published file: two more than the longest window."""
        return self.max_tokens + 2

    @property
    def max_bases(self) -> int:
        """Longest window in bases that never exceeds `max_tokens` where it holds no N: 5,994 (v1), 12,282 (v2)."""
        return (self.max_tokens - 1) * self.k


def _v1(layers: int, width: int, ffn: int, max_tokens: int = 1000) -> ModelConfig:
    return ModelConfig(layers=layers, width=width, heads=20, ffn=ffn, layout="v1", max_tokens=max_tokens)


def _v2(layers: int, width: int, ffn: int, k: int = 6) -> ModelConfig:
    return ModelConfig(layers=layers, width=width, heads=16, ffn=ffn, k=k)


SIZES: dict[str, ModelConfig] = {
    "tiny": ModelConfig(layers=6, width=192, heads=3, ffn=512, norm_eps=1e-5),
    "nucleotide-transformer-500m-human-ref": _v1(24, 1280, 5120),
    "nucleotide-transformer-500m-1000g": _v1(24, 1280, 5120),
    "nucleotide-transformer-2.5b-1000g": _v1(32, 2560, 10240),
    "nucleotide-transformer-2.5b-multi-species": _v1(32, 2560, 10240),
    "nucleotide-transformer-v2-50m-multi-species": _v2(12, 512, 2048),
    "nucleotide-transformer-v2-100m-multi-species": _v2(22, 512, 2048),
    "nucleotide-transformer-v2-250m-multi-species": _v2(24, 768, 3072),
    "nucleotide-transformer-v2-500m-multi-species": _v2(29, 1024, 4096),
    "nucleotide-transformer-v2-50m-3mer-multi-species": _v2(12, 512, 2048, k=3),
    "agro-nucleotide-transformer-1b": _v1(40, 1500, 5120, max_tokens=1024),
}
"""Named sizes: "tiny" is hexamer's own, the others are the published models under their hub names."""


def named_size(name: str) -> ModelConfig:
    """Look a named size up.

    Parameters
    ----------
    name : str
        A key of `SIZES`.

    Returns
    -------
    ModelConfig

    Raises
    ------
    SettingsError
        If there is no such size.

    Examples
    --------
    >>> named_size("tiny").max_bases
    12282
    """
    if name not in SIZES:
        raise SettingsError(f"size {name!r} is unknown; known sizes: {', '.join(SIZES)}")
    return SIZES[name]
