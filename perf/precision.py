"""How near `fast` comes to `exact` on trained weights and real sequence, beside transformers' bfloat16.

    python perf/precision.py [MODEL] --genome FASTA [--region 20:1000000-2000000]

Vectors of 20 windows of 1,000 tokens, last layer, cosine per token; and llr of 200 random SNVs in the region. The
peer is transformers' encoder with the same weights in bfloat16, as `from_pretrained(dtype=torch.bfloat16)` gives it,
against its own float32; its llr takes our language-model head, in the same type.
"""

import argparse
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from engine import make_peer, peer_hidden, to_bfloat16

from hexamer.effects import score_variants
from hexamer.effects.window import WindowReader
from hexamer.genome import Change, Genome, Interval, Variant, normalise
from hexamer.model import NucleotideTransformer, load_model, pack
from hexamer.tokens import MASK_ID


def peer_scores(
    peer: Any, model: NucleotideTransformer, genome: Genome, variants: Sequence[Variant]
) -> npt.NDArray[np.float64]:
    """Llr [N] of SNVs by the peer's encoder, one masked window each; NaN where there is none."""
    head = deepcopy(model.lm_head).to(next(peer.parameters()).dtype)
    reader = WindowReader(model, genome, model.config.max_bases)
    found = []
    for variant in variants:
        change = normalise(genome, variant)
        readings = reader.read(change) if isinstance(change, Change) else []
        if not readings:
            found.append(float("nan"))
            continue
        (reading,) = readings
        masked = reading.ref.copy()
        masked[slice(*reading.span)] = MASK_ID
        (hidden,) = peer_hidden(peer, [masked], 1)
        with torch.inference_mode():
            logs = head(hidden[reading.span[0]][None])[0].float().log_softmax(-1)
        found.append(float(logs[int(reading.alt_span[0])] - logs[int(reading.ref_span[0])]))
    return np.array(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="hexamer-tiny")
    parser.add_argument("--genome", required=True)
    parser.add_argument("--region", default="20:1,000,001-2,000,000")
    arguments = parser.parse_args()
    exact, fast = (load_model(arguments.model, precision=precision) for precision in ("exact", "fast"))
    genome, region = Genome(arguments.genome), Interval.parse(arguments.region)
    rng = np.random.default_rng(0)
    length = exact.config.max_bases
    starts = rng.integers(region.start, region.end - length, 20)
    windows = exact.tokenizer.encode([genome.fetch(region.chrom, start, start + length) for start in starts.tolist()])
    packed = pack(windows, exact.device)
    layer = exact.config.layers
    with torch.inference_mode():
        ours = [model.encode(packed).hidden[layer] for model in (exact, fast)]
    peers = make_peer(exact), to_bfloat16(make_peer(exact))
    theirs = [torch.cat(peer_hidden(peer, windows, 4)).float() for peer in peers]
    print(f"exact against transformers' float32: largest difference {float((ours[0] - theirs[0]).abs().max()):.1e}")
    for name, (a, b) in (("fast", ours), ("transformers bfloat16", theirs)):
        cosine = torch.cosine_similarity(a, b, dim=-1)
        print(f"{name:<24} cosine per token, least {float(cosine.min()):.5f}, mean {float(cosine.mean()):.6f}")
    variants = []
    while len(variants) < 200:
        place = int(rng.integers(region.start, region.end))
        ref = genome.fetch(region.chrom, place, place + 1)
        if ref in "ACGT":
            variants.append(Variant(region.chrom, place + 1, ref, str(rng.choice(sorted(set("ACGT") - {ref})))))
    scores = [
        score_variants(model, genome, variants, phases=1, strands="forward").table["llr"].to_numpy()
        for model in (exact, fast)
    ]
    peer = [peer_scores(side, exact, genome, variants) for side in peers]
    known = np.isfinite(scores[0])
    off = np.abs(scores[0] - peer[0])[known].max()
    print(f"llr of {known.sum()} SNVs; exact against transformers' float32: largest difference {off:.1e}")
    for name, (a, b) in (("fast", scores), ("transformers bfloat16", peer)):
        pearson, off = np.corrcoef(a[known], b[known])[0, 1], np.abs(a - b)[known].max()
        print(f"{name:<24} llr, Pearson {pearson:.6f}, largest difference {off:.4f} nats")


if __name__ == "__main__":
    main()
