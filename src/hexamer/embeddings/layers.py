"""Mean vectors of every layer in one pass, kept by content: what probes are fitted on.

A probe of each layer needs the same forward pass; here it is run once for all of them, and the result is kept in the
cache folder under a name made of the weights, the settings and the sequences, so that it is never of something else.
Not here: one layer of long sequences in windows (`extract`).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from hexamer.embeddings.budget import choose_budget
from hexamer.embeddings.pooling import Vectors
from hexamer.errors import OutputError, SequenceError
from hexamer.genome.index import cache_folder
from hexamer.manifest import write_atomically
from hexamer.model import NucleotideTransformer, batches, describe_model, pack
from hexamer.model.adapters import has_adapter
from hexamer.model.heads import mean_of_tokens


def embed_layers(
    model: NucleotideTransformer,
    sequences: Sequence[str],
    *,
    token_budget: int | None = None,
    cache: bool = True,
    advance: Callable[[int], None] | None = None,
) -> Vectors:
    """Mean token vectors of every layer.

    Parameters
    ----------
    model : NucleotideTransformer
    sequences : sequence of str [N]
        Each no longer than the model reads at once.
    token_budget : int, optional
        Tokens that go through the encoder at a time.
    cache : bool
        Look in the cache folder first, and leave the result there. A model whose weights are in no folder, or that
        has an adapter, is never cached.
    advance : callable, optional
        Called with the number of sequences that are done.

    Returns
    -------
    float32 array [N, layers + 1, D]
        Layer 0 is the embedding, the last after the final LayerNorm; `<cls>` is left out of the means.

    Raises
    ------
    SequenceError
        If a sequence has no base, or more than the model reads.

    Examples
    --------
    >>> from hexamer.model import ModelConfig
    >>> model = NucleotideTransformer(ModelConfig(layers=2, width=8, heads=2, ffn=8))
    >>> embed_layers(model, ["ACGTAC" * 3, "ACGT"]).shape
    (2, 3, 8)
    """
    kept = _place(model, sequences) if cache and model.source and not has_adapter(model) else None
    shape = (len(sequences), model.config.layers + 1, model.config.width)
    if kept is not None and (known := _recall(kept, shape)) is not None:
        if advance:
            advance(len(sequences))
        return known
    found = _embed(model, sequences, choose_budget(model.device, token_budget), advance)
    if kept is not None:
        with suppress(OSError, OutputError):  # no cache is no error
            kept.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(kept) as temporary, temporary.open("wb") as file:
                np.save(file, found)
    return found


def _recall(kept: Path, shape: tuple[int, int, int]) -> Vectors | None:
    """Read vectors of before; None where there are none, or the file is damaged."""
    try:
        found = np.load(kept, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _embed(
    model: NucleotideTransformer, sequences: Sequence[str], budget: int, advance: Callable[[int], None] | None
) -> Vectors:
    ids = model.tokenizer.encode(list(sequences))
    for place, each in enumerate(ids):
        if not 1 < len(each) <= model.config.max_tokens:
            raise SequenceError(
                f"sequence {place + 1} of {len(ids)}: {len(sequences[place]):,} bases are {len(each) - 1:,} tokens; "
                f"1 to {model.config.max_tokens - 1:,} would work"
            )
    layers = tuple(range(model.config.layers + 1))
    found = np.zeros((len(ids), len(layers), model.config.width), dtype=np.float32)
    order = np.argsort([len(each) for each in ids], kind="stable")
    for batch in batches([len(ids[i]) for i in order], budget):
        rows = order[batch.start : batch.stop]
        with torch.inference_mode():
            packed = pack([ids[i] for i in rows], model.device)
            hidden = model.encode(packed, layers=layers).hidden
            means = [mean_of_tokens(hidden[layer].float(), packed) for layer in layers]
        found[rows] = torch.stack(means, dim=1).cpu().numpy()
        if advance:
            advance(len(rows))
    return found


def _place(model: NucleotideTransformer, sequences: Sequence[str]) -> Path:
    """File of the cache that holds, or will hold, these vectors."""
    facts = describe_model(model)
    digest = hashlib.sha256(json.dumps([facts["files"], facts["precision"], "mean"], sort_keys=True).encode())
    for sequence in sequences:
        digest.update(sequence.encode() + b"\n")
    return cache_folder() / "layers" / f"{digest.hexdigest()[:32]}.npy"
