"""How fast sequences become tokens: ours, the rule written plainly, and transformers' EsmTokenizer, in one run.

    taskset -c 0 python perf/tokenizer.py

Prints Mb/s of each and the ratios; the ids are compared first.
"""

import re
import tempfile
import time
from pathlib import Path

import numpy as np

from hexamer.tokens import Tokenizer


def plain(tokenizer: Tokenizer, index: dict[str, int], sequence: str) -> list[int]:
    """Tokenise by the rule, word by word."""
    words = ["<cls>"]
    for run in re.split("(N)", sequence):
        whole = len(run) // 6 * 6
        words += [run[i : i + 6] for i in range(0, whole, 6)] + list(run[whole:])
    return [index[word] for word in words]


def rate(function, bases: int, repeats: int = 5) -> float:
    """Best of some runs, in Mb/s."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - began)
    return bases / 1e6 / best


def main() -> None:
    """Measure on 10 Mb of random bases, as one sequence and in pieces of 6 kb."""
    tokenizer = Tokenizer("v1")
    index = {word: i for i, word in enumerate(tokenizer.vocabulary)}
    letters = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), 10_000_000)
    whole = letters.tobytes().decode()
    gaps = letters.copy()
    gaps[2_000_000:2_100_000] = gaps[5_000_000] = ord("N")
    with_n = gaps.tobytes().decode()
    pieces = [whole[i : i + 6000] for i in range(0, len(whole), 6000)]
    small = pieces[:50]
    assert [ids.tolist() for ids in tokenizer.encode(small)] == [plain(tokenizer, index, s) for s in small]
    rows = {
        "hexamer, 10 Mb at once": rate(lambda: tokenizer.encode([whole]), len(whole)),
        "hexamer, 10 Mb with runs of N": rate(lambda: tokenizer.encode([with_n]), len(whole)),
        "hexamer, 6 kb pieces": rate(lambda: tokenizer.encode(pieces), len(whole)),
        "the rule, word by word": rate(lambda: [plain(tokenizer, index, s) for s in small], 300_000),
    }
    try:
        from transformers import EsmTokenizer
    except ImportError:
        print("transformers is not installed: its row is left out")
    else:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "vocab.txt").write_text("\n".join(tokenizer.vocabulary))
            peer = EsmTokenizer(Path(folder) / "vocab.txt", eos_token=None)
        assert [ids.tolist() for ids in tokenizer.encode(small)] == [peer(s)["input_ids"] for s in small]
        rows["transformers EsmTokenizer, 6 kb pieces"] = rate(lambda: [peer(s) for s in small], 300_000, 2)
    ours = rows["hexamer, 6 kb pieces"]
    for name, speed in rows.items():
        print(f"{name:<40} {speed:9.1f} Mb/s   {ours / speed:8.1f} x slower than our 6 kb pieces")


if __name__ == "__main__":
    main()
