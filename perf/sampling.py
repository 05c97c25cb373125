"""How fast masked windows are drawn from a corpus: tokens/s of one thread.

    python perf/sampling.py runs/hexamer-tiny-short/corpus      # as `hexamer build-corpus` writes it

Prints best of five draws of 64 windows of 1,000 tokens for each way to lay windows.
"""

import sys
import time

from hexamer.tokens import Corpus, Sampler, Sampling, Tokenizer

ROWS, TOKENS = 64, 1000


def main() -> None:
    """Draw from the corpus named on the command line."""
    corpus, tokenizer = Corpus(sys.argv[1]), Tokenizer()
    for sampling in (Sampling(), Sampling(windows="chunks"), Sampling(soft_mask_weight=0.1)):
        sampler = Sampler(corpus, tokenizer, tokens=TOKENS, rows=ROWS, seed=1, sampling=sampling)
        sampler.draw(1, range(ROWS))
        best = float("inf")
        for step in range(2, 7):
            began = time.perf_counter()
            sampler.draw(step, range(ROWS))
            best = min(best, time.perf_counter() - began)
        kind = f"{sampling.windows}, soft-masked tokens weigh {sampling.soft_mask_weight}"
        print(f"{kind:<45} {ROWS * TOKENS / best / 1e6:5.1f} Mtokens/s")


if __name__ == "__main__":
    main()
