"""Attention maps: which token looks at which, head by head, in base coordinates.

Maps are computed a few heads at a time, as many as fit a budget of memory, so that all heads of a large encoder can be
had one after the other. They are the plain formula's; outputs of the encoder are equal with and without them (tested).
Letters: T tokens without `<cls>`, L with it. Not here: what heads look at, by element (`element_attention`).
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hexamer.embeddings.pooling import Vectors
from hexamer.errors import OutputError, SequenceError, SettingsError
from hexamer.interpretation.stretches import Places, Stretch
from hexamer.manifest import write_atomically
from hexamer.model import NucleotideTransformer, pack
from hexamer.tokens import token_spans
from hexamer.tokens.tokenizer import Ids

MEMORY = 512 * 2**20
"""Bytes of the maps that are held at a time."""


class AttentionMap(NamedTuple):
    """Where one head looks."""

    layer: int
    """From 1."""
    head: int
    """From 0."""
    weights: Vectors
    """float32 [T, T]: how much the token of a row looks at the token of a column. What goes to `<cls>` is left out, so
    rows add up to 1 less `to_cls`."""
    to_cls: Vectors
    """float32 [T]: how much each token looks at `<cls>`."""


class Tokens(NamedTuple):
    """The tokens of a stretch, without `<cls>`."""

    starts: Places
    ends: Places
    """Bases of the stretch that each covers, half-open, int64 [T]."""
    first: Places
    last: Places
    """Lowest and highest place on the contig of these bases; -1 for a token of inserted bases alone."""


def tokenise_stretch(model: NucleotideTransformer, stretch: Stretch) -> tuple[Ids, Tokens]:
    """Cut a stretch into tokens that the encoder reads at once.

    Parameters
    ----------
    model : NucleotideTransformer
    stretch : Stretch

    Returns
    -------
    ids : int32 array [L]
    Tokens

    Raises
    ------
    SequenceError
        If it has no base, or more tokens than the encoder reads.
    """
    (ids,) = model.tokenizer.encode([stretch.sequence])
    most = model.config.max_tokens
    if not 1 < len(ids) <= most:
        raise SequenceError(
            f"{stretch.name}: {len(stretch.sequence):,} bases are {len(ids) - 1:,} tokens; 1 to {most - 1:,} (about "
            f"{(most - 1) * model.config.k:,} bases) would work"
        )
    starts, ends = (edges[1:] for edges in token_spans(model.tokenizer, ids))
    known = [stretch.places[a:b][stretch.places[a:b] >= 0] for a, b in zip(starts, ends, strict=True)]
    first = np.array([places.min() if len(places) else -1 for places in known], dtype=np.int64)
    last = np.array([places.max() if len(places) else -1 for places in known], dtype=np.int64)
    return ids, Tokens(starts, ends, first, last)


def choose_heads(
    model: NucleotideTransformer, layers: Sequence[int] = (), heads: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """List (layer, head) of some layers and heads.

    Parameters
    ----------
    model : NucleotideTransformer
    layers : sequence of int
        From 1, -1 is the last; none means all.
    heads : sequence of int
        From 0, in each of the layers; none means all.

    Returns
    -------
    list of (int, int)

    Raises
    ------
    SettingsError
        If one does not exist.
    """
    deep = model.config.layers
    numbers = [layer + deep + 1 if layer < 0 else layer for layer in layers] or list(range(1, deep + 1))
    wanted = list(heads) or list(range(model.config.heads))
    for layer in numbers:
        for head in wanted:
            if not (1 <= layer <= deep and 0 <= head < model.config.heads):
                raise SettingsError(
                    f"layer {layer}, head {head}: layers 1 to {deep} and heads 0 to {model.config.heads - 1} would work"
                )
    return list(dict.fromkeys((layer, head) for layer in numbers for head in wanted))


def attention_map(
    model: NucleotideTransformer,
    stretch: Stretch,
    *,
    layers: Sequence[int] = (),
    heads: Sequence[int] = (),
    memory: int = MEMORY,
) -> Iterator[AttentionMap]:
    """Read where heads look in a stretch, one after the other.

    Parameters
    ----------
    model : NucleotideTransformer
    stretch : Stretch
        No longer than the encoder reads at once.
    layers, heads
        As `choose_heads`.
    memory : int
        Bytes of the maps that are held at a time; fewer mean more passes through the encoder.

    Returns
    -------
    iterator of AttentionMap

    Raises
    ------
    SequenceError
        As `tokenise_stretch`.
    SettingsError
        As `choose_heads`.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=2, width=8, heads=2, ffn=8))
    >>> stretch = Stretch("a", "a", "+", "ACGTAC" * 4, np.arange(24))
    >>> [(found.layer, found.head, found.weights.shape) for found in attention_map(model, stretch, layers=[2])]
    [(2, 0, (4, 4)), (2, 1, (4, 4))]
    """
    ids, _ = tokenise_stretch(model, stretch)
    wanted = choose_heads(model, layers, heads)
    for places, maps in read_maps(model, ids, wanted, memory=memory):
        for (layer, head), whole in zip(places, maps, strict=True):
            yield AttentionMap(layer, head, whole[1:, 1:], whole[1:, 0])


def read_maps(
    model: NucleotideTransformer, ids: Ids, wanted: Sequence[tuple[int, int]], *, memory: int = MEMORY
) -> Iterator[tuple[list[tuple[int, int]], npt.NDArray[np.float32]]]:
    """Read the maps of heads of one window, as many at a time as fit the memory.

    Parameters
    ----------
    model : NucleotideTransformer
    ids : int32 array [L]
        With `<cls>`.
    wanted : sequence of (int, int)
        Layer from 1, head from 0.
    memory : int
        Bytes; one head is read even if its map is larger.

    Yields
    ------
    places : list of (int, int)
    maps : float32 array [len(places), L, L]
    """
    at_once = max(1, memory // (4 * len(ids) ** 2))
    for start in range(0, len(wanted), at_once):
        some = list(wanted[start : start + at_once])
        with torch.inference_mode():
            packed = pack([ids], model.device)
            found = model.encode(packed, layers=(), attentions=some).attentions
            maps = torch.stack([found[place][0].float() for place in some]).cpu().numpy()
        yield some, maps


def write_attention(
    path: str | Path,
    model: NucleotideTransformer,
    stretches: Iterable[Stretch],
    *,
    layers: Sequence[int] = (),
    heads: Sequence[int] = (),
    memory: int = MEMORY,
    advance: Callable[[int], None] | None = None,
) -> int:
    """Write maps into a NumPy archive, one after the other.

    Parameters
    ----------
    path : str or Path
        `.npz`. For each stretch, which is numbered from 0: `0/name`, `0/tokens` (int64 [T, 4]: bases of the stretch
        that a token covers, and their places on the contig, both start and end, 0-based, half-open; -1 for a token of
        inserted bases alone), `0/layer3_head1` (float32
        [T, T]), `0/layer3_head1_cls` (float32 [T]).
    model, layers, heads, memory
        As `attention_map`.
    stretches : iterable of Stretch
    advance : callable, optional
        Called with 1 for each map.

    Returns
    -------
    int
        Maps written.

    Raises
    ------
    OutputError
        If the file cannot be written, or has another ending.
    SequenceError, SettingsError
        As `attention_map`.
    """
    if Path(path).suffix != ".npz":
        raise OutputError(f"{path}: attention is written as .npz; such a name would work")
    written = 0
    archive: Any = {"mode": "w", "compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with write_atomically(path) as temporary, zipfile.ZipFile(temporary, **archive) as zipped:
        for number, stretch in enumerate(stretches):
            _, tokens = tokenise_stretch(model, stretch)
            _add(zipped, f"{number}/name", np.array(stretch.name))
            behind = np.where(tokens.last >= 0, tokens.last + 1, -1)
            _add(zipped, f"{number}/tokens", np.stack([*tokens[:3], behind], axis=1))
            for found in attention_map(model, stretch, layers=layers, heads=heads, memory=memory):
                name = f"{number}/layer{found.layer}_head{found.head}"
                _add(zipped, name, found.weights)
                _add(zipped, f"{name}_cls", found.to_cls)
                written += 1
                if advance:
                    advance(1)
    return written


def _add(zipped: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    with zipped.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)
