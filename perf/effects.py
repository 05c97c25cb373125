"""Variants per hour, beside the script that the field uses, in one run.

    python perf/effects.py            # all rows, about ten minutes on two cores
    python perf/effects.py --check    # exit 1 if a row is under its figure

The peer is what published notebooks do: transformers, both alleles of an SNV in 6,000-bp windows, padded batches of
8, logits at every token, in float32; ids made beforehand. Ours is `score_variants`, from the genome to the table. Same
weights (random: speed does not depend on them), same threads; samples alternate, ratios are medians over pairs. For
n readings (phases x strands) the peer is charged n times what one takes it. `busy` is as in perf/engine.py.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from engine import SHAPES, Jobs, elapsed, machine_times, make_peer, peer_hidden

from hexamer.effects import ScoreSettings, score_variants
from hexamer.model import NucleotideTransformer, set_precision


@dataclass(frozen=True)
class Row:
    """A line of the table, and the figure that exact float32 should reach; none where it is only told."""

    name: str
    shape: str
    places: str
    options: dict[str, Any]
    figure: float | None = None


ONE: dict[str, Any] = {"phases": 1, "strands": "forward", "scores": ("llr",)}
EVERY: dict[str, Any] = {"phases": 6, "strands": "both"}
SHIPPED: dict[str, Any] = {}
ROWS = (
    Row("saturation of 48 bases", "T", "dense", ONE, 75),
    Row("saturation of 48 bases", "50M", "dense", ONE, 75),
    Row("scattered SNVs", "T", "apart", ONE, 5),
    Row("scattered SNVs", "50M", "apart", ONE, 5),
    Row("saturation, 6 phases, 2 strands", "T", "dense", EVERY),
    Row("scattered, 6 phases, 2 strands", "T", "apart", EVERY),
    Row("saturation, as shipped", "T", "dense", SHIPPED),
    Row("scattered, as shipped", "T", "apart", SHIPPED),
)
PEER_VARIANTS = 4


def measure(row: Row, folder: Path, samples: int) -> tuple[dict[str, float], dict[str, float], float]:
    """Variants per hour of each side, ratios over the peer, and the share of the machine that others took."""
    torch.manual_seed(0)
    model = NucleotideTransformer(SHAPES[row.shape]).eval().requires_grad_(False)
    fast = NucleotideTransformer(SHAPES[row.shape])
    fast.load_state_dict(model.state_dict())
    set_precision(fast.eval().requires_grad_(False), "fast")
    peer, head = make_peer(model), deepcopy(model.lm_head)
    jobs = Jobs(model, folder)
    places = range(30_000, 30_048) if row.places == "dense" else range(3_500, 3_500 + 8 * 6_500, 6_500)
    variants = jobs._variants(places, 3 if row.places == "dense" else 1)
    windows = []
    for place in list(places)[:PEER_VARIANTS]:
        start = place - place % 6 - 499 * 6
        window = jobs.letters[start : start + 5994]
        at = place - start
        windows += [window, window[:at] + ("A" if window[at] != "A" else "C") + window[at + 1 :]]
    ids = model.tokenizer.encode(windows)

    def ours(subject: NucleotideTransformer) -> Any:
        return score_variants(subject, jobs.genome, variants, **row.options)

    def theirs(subject: Any) -> Any:
        with torch.inference_mode():
            return [head(hidden) for hidden in peer_hidden(subject, ids, 8)]

    settings = ScoreSettings(**row.options)
    readings = settings.phases * (2 if settings.strands == "both" else 1)
    sides = {
        "exact": (ours, model, len(variants)),
        "peer": (theirs, peer, PEER_VARIANTS / readings),
        "fast": (ours, fast, len(variants)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    machine, own = machine_times()
    began = time.perf_counter()
    for sample in range(samples + 1):  # one to warm up
        for name, (job, subject, count) in sides.items():
            took = elapsed(job, subject) / count
            if sample:
                seconds[name].append(took)
    after = machine_times()
    cores = (os.cpu_count() or 1) * (time.perf_counter() - began)
    busy = max(after[0] - machine - (after[1] - own), 0.0) / cores
    speeds = {name: 3600 / statistics.median(each) for name, each in seconds.items()}
    ratios = {
        name: statistics.median(b / a for a, b in zip(each, seconds["peer"], strict=True))
        for name, each in seconds.items()
    }
    return speeds, ratios, busy


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--samples", type=int, default=3)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} processors\n")
    print("| variants/hour | model | peer | exact | fast | exact / peer | fast / peer | figure | busy |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    short = []
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            if arguments.only not in f"{row.name} {row.shape}":
                continue
            speeds, ratios, busy = measure(row, Path(folder), arguments.samples)
            cells = [row.name, row.shape, *(f"{speeds[name]:,.0f}" for name in ("peer", "exact", "fast"))]
            cells += [f"{ratios['exact']:.1f}", f"{ratios['fast']:.1f}", f"{row.figure or ''}", f"{busy:.0%}"]
            print("| " + " | ".join(cells) + " |", flush=True)
            if row.figure and ratios["exact"] < row.figure:
                short.append(f"{row.name} {row.shape}: {ratios['exact']:.1f}, figure {row.figure}")
    if short:
        print("\nunder the figure: " + "; ".join(short))
    if arguments.check and short:
        sys.exit(1)


if __name__ == "__main__":
    main()
