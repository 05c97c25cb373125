"""How fast and how large our training step is, beside the script that the field uses, in one run.

    python perf/pretrain.py            # all rows, about fifteen minutes on two cores
    python perf/pretrain.py --check    # exit 1 if a row is under its figure

The script: transformers' EsmForMaskedLM with labels, DataCollatorForLanguageModeling, clipping and fused AdamW, as its
Trainer does; same shapes, same precision, same threads. Steps alternate between the two sides, medians of five are
compared, and peak memory is that of a fresh process for each side. Weights and tokens are random: speed does not
depend on them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import add_gates, make_config

from hexamer.model import ModelConfig, NucleotideTransformer
from hexamer.tokens import Tokenizer, mask_tokens
from hexamer.training.loop import Run, train_step
from hexamer.training.objective import MaskedObjective
from hexamer.training.optimizer import make_adamw
from hexamer.training.parallel import Processes


@dataclass(frozen=True)
class Shape:
    """An encoder and the batch that it is timed on."""

    model: ModelConfig
    rows: int
    tokens: int
    batch: int
    """Windows that ours takes at a time; gradients are added up, so that the step is the same."""


SHAPES = {
    "6 x 256 (v1)": Shape(
        ModelConfig(layers=6, width=256, heads=8, ffn=1024, layout="v1", max_tokens=512, norm_eps=1e-5), 8, 512, 4
    ),
    "NT-v2-50M": Shape(ModelConfig(layers=12, width=512, heads=16, ffn=2048, norm_eps=1e-5), 8, 512, 2),
    "tiny (6 x 192, v2)": Shape(ModelConfig(layers=6, width=192, heads=3, ffn=512, norm_eps=1e-5), 8, 512, 4),
}
GATED = ("6 x 256 (v1)", "NT-v2-50M")
"""Shapes that have figures to reach."""
FASTER = {"fp32": 3.5, "bf16": 1.6}
SMALLER, DATA, PIPELINE = 0.6, 100.0, 20.0
SAMPLES = 5


def ours(shape: Shape, *, bf16: bool) -> Callable[[], Any]:
    """One step of `hexamer pretrain`."""
    torch.manual_seed(0)
    model = NucleotideTransformer(shape.model)
    run = Run(model, MaskedObjective(model), make_adamw(model), Processes(0, 1, torch.device("cpu")))
    ids = np.random.default_rng(0).integers(6, 4102, (shape.rows, shape.tokens)).astype(np.int32)
    ids[:, 0] = 3
    corrupted, selected = mask_tokens(model.tokenizer, ids, np.random.default_rng(1))
    whole = (torch.as_tensor(ids), torch.as_tensor(corrupted), torch.as_tensor(selected).float())
    batches = list(zip(*(tensor.split(shape.batch) for tensor in whole), strict=True))
    return lambda: train_step(run, batches, 1e-4, clip=1.0, bf16=bf16)


def theirs(shape: Shape, *, bf16: bool) -> Callable[[], Any]:
    """One step of the common script."""
    import transformers

    torch.manual_seed(0)
    sizes = shape.model
    model = transformers.EsmForMaskedLM(make_config(sizes)).train()
    if sizes.layout == "v2":
        add_gates(model.esm.encoder.layer, sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
    ids = torch.randint(6, 4102, (shape.rows, shape.tokens))
    ids[:, 0] = 3
    labels = ids.where(torch.rand(ids.shape) < 0.15, -100)
    corrupted = ids.masked_fill(labels != -100, 2)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(corrupted, attention_mask=torch.ones_like(ids), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def compare(shape: Shape, *, bf16: bool) -> tuple[float, float, float]:
    """Tokens/s of both sides, medians of alternating steps, and the median of the paired ratios."""
    sides = (ours(shape, bf16=bf16), theirs(shape, bf16=bf16))
    seconds: tuple[list[float], list[float]] = ([], [])
    for sample in range(SAMPLES + 2):  # two to warm up
        for side, found in zip(sides, seconds, strict=True):
            began = time.perf_counter()
            side()
            if sample >= 2:
                found.append(time.perf_counter() - began)
    tokens = shape.rows * shape.tokens
    ratio = statistics.median(b / a for a, b in zip(*seconds, strict=True))
    return tokens / statistics.median(seconds[0]), tokens / statistics.median(seconds[1]), ratio


def memory(name: str, side: str, *, bf16: bool) -> tuple[float, float]:
    """Peak memory of a fresh process over four steps in MB, and its size after the imports."""
    command = [sys.executable, __file__, "--memory", name, side, "bf16" if bf16 else "fp32"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, base = json.loads(done.stdout.splitlines()[-1])
    return peak, base


def measure_memory(name: str, side: str, precision: str) -> None:
    """Print peak and base of this process."""
    if side == "theirs":
        import transformers

        assert transformers.EsmForMaskedLM  # lazy until named
    base = peak_memory()
    step = {"ours": ours, "theirs": theirs}[side](SHAPES[name], bf16=precision == "bf16")
    for _ in range(4):
        step()
    print(json.dumps([peak_memory(), base]))


def peak_memory() -> float:
    """Largest size of this process so far, MB; ru_maxrss would count the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def data_paths() -> tuple[float, float]:
    """Tokens/s from strings of 6 kb to masked batches, ours and theirs."""
    import transformers

    letters = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), 64 * 5994)
    strings = [letters[i * 5994 : (i + 1) * 5994].tobytes().decode() for i in range(64)]
    tokenizer, rng = Tokenizer(), np.random.default_rng(1)

    def our_way(chosen: list[str]) -> Any:
        return mask_tokens(tokenizer, np.stack(tokenizer.encode(chosen)), rng)

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("\n".join(tokenizer.vocabulary))
        peer = transformers.EsmTokenizer(Path(folder) / "vocab.txt", eos_token=None)
    collator = transformers.DataCollatorForLanguageModeling(peer, mlm_probability=0.15)

    def their_way(chosen: list[str]) -> Any:
        return collator([peer(string) for string in chosen])

    best = {"ours": float("inf"), "theirs": float("inf")}
    for _ in range(SAMPLES):
        for name, way, chosen in (("ours", our_way, strings), ("theirs", their_way, strings[:4])):
            began = time.perf_counter()
            way(chosen)
            best[name] = min(best[name], (time.perf_counter() - began) / len(chosen) / 1000)
    return 1 / best["ours"], 1 / best["theirs"]


def main() -> None:
    """Measure all rows, and compare them with the figures if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--memory", nargs=3, metavar=("SHAPE", "SIDE", "PRECISION"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        measure_memory(*arguments.memory)
        return
    short = []
    slowest = float("inf")
    print(f"{torch.get_num_threads()} threads; tokens/s (medians), ratio of alternating steps, peak memory in MB")
    print("steps of 8 x 512 tokens; ours takes 4 windows at a time, of NT-v2-50M 2, and adds gradients up")
    for name, shape in SHAPES.items():
        for precision, figure in FASTER.items():
            bf16 = precision == "bf16"
            mine, peer, ratio = compare(shape, bf16=bf16)
            slowest = mine if bf16 and "tiny" in name else slowest
            (peak, base), (their_peak, their_base) = (memory(name, side, bf16=bf16) for side in ("ours", "theirs"))
            print(
                f"{name:<20} {precision}  {mine:>9,.0f} / {peer:>8,.0f} = {ratio:5.2f} x   "
                f"{peak:6,.0f} / {their_peak:6,.0f} = {peak / their_peak:4.2f}   "
                f"without imports {peak - base:6,.0f} / {their_peak - their_base:6,.0f} = "
                f"{(peak - base) / (their_peak - their_base):4.2f}",
                flush=True,
            )
            if name in GATED and ratio < figure:
                short.append(f"{name} {precision}: {ratio:.2f} x, {figure} wanted")
            if name in GATED and peak > SMALLER * their_peak:
                short.append(f"{name} {precision}: memory {peak / their_peak:.2f}, at most {SMALLER} wanted")
    mine, peer = data_paths()
    print(f"strings to masked batches: {mine / 1e6:.1f} / {peer / 1e6:.3f} Mtokens/s = {mine / peer:,.0f} x")
    print(f"that is {mine / slowest:,.0f} times what tiny trains at")
    if mine < DATA * peer:
        short.append(f"strings to masked batches: {mine / peer:.0f} x, {DATA:.0f} wanted")
    if mine < PIPELINE * slowest:
        short.append(f"data: {mine / slowest:.0f} times the training, {PIPELINE:.0f} wanted")
    for line in short:
        print(f"under its figure: {line}")
    sys.exit(1 if arguments.check and short else 0)


if __name__ == "__main__":
    main()
