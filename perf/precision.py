"""How near `fast` comes to `exact` on trained weights and real sequence, beside transformers' bfloat16.

    python perf/precision.py [MODEL] --genome FASTA [--region 20:1000000-2000000]

Vectors of 20 windows of 1,000 tokens, last layer, cosine per token; and llr of 200 random SNVs in the region. The
peer is transformers' encoder with the same weights cast to bfloat16, as its users do, against its own float32.
"""

import argparse

import numpy as np
import torch
from engine import make_peer, peer_hidden

from hexamer.effects import score_variants
from hexamer.genome import Genome, Interval, Variant
from hexamer.model import load_model, pack


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
    peers = make_peer(exact), make_peer(exact).to(torch.bfloat16)
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
    scores = [score_variants(model, genome, variants).table["llr"].to_numpy() for model in (exact, fast)]
    known = np.isfinite(scores[0])
    pearson = np.corrcoef(scores[0][known], scores[1][known])[0, 1]
    off = np.abs(scores[0][known] - scores[1][known]).max()
    print(f"llr of {known.sum()} SNVs: Pearson {pearson:.6f}, largest difference {off:.4f} nats")


if __name__ == "__main__":
    main()
