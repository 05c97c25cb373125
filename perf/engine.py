"""How fast embedding and scoring are, beside what the field uses, in one run.

    python perf/engine.py            # all rows, about fifteen minutes on two cores
    python perf/engine.py --check    # exit 1 if a row is under its figure
    python perf/engine.py --only T   # rows whose name contains this

The peer is transformers: `EsmModel` on padded batches of 8, in float32 (its default) and bfloat16, ids made
beforehand; ours is what the commands run, from letters. Same weights, same threads. Samples of the sides alternate;
ratios are medians over pairs. Weights are random: speed does not depend on them. `busy` is the share of the machine
that other processes took meanwhile: above a few per cent the row should be run again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import add_gates, make_config

from hexamer.effects import score_variants
from hexamer.embeddings import embed
from hexamer.genome import Genome, Variant
from hexamer.model import ModelConfig, NucleotideTransformer, load_model, save_model, set_precision
from hexamer.tokens import Tokenizer, mask_tokens

T = ModelConfig(layers=6, width=256, heads=8, ffn=1024, layout="v1", max_tokens=1000, norm_eps=1e-5)
V2_50M = ModelConfig(layers=12, width=512, heads=16, ffn=2048, max_tokens=1000, norm_eps=1e-5)
V1_500M = ModelConfig(layers=24, width=1280, heads=20, ffn=5120, layout="v1", max_tokens=1000, norm_eps=1e-5)
SHAPES = {"T": T, "50M": V2_50M, "500M": V1_500M}
PEER_BATCH = 8


@dataclass(frozen=True)
class Row:
    """A line of the table: a job on a shape, and what it should reach over the peer's float32."""

    name: str
    shape: str
    job: str
    exact: float
    fast: float
    samples: int = 5


ROWS = (
    Row("embed, 50-1000 tokens", "T", "mixed", 4, 7),
    Row("embed, 50-1000 tokens", "50M", "mixed", 5, 9, 3),
    Row("embed, 1000 tokens", "T", "full", 2.5, 5),
    Row("embed, 1000 tokens", "50M", "full", 2, 4, 3),
    Row("embed, 1000 tokens, batch 1", "500M", "one", 2.3, 4, 3),
    Row("SNV, both alleles", "50M", "alleles", 2.5, 5, 3),
    Row("SNV, masked site, scattered", "50M", "scattered", 5, 10, 3),
    Row("SNV, saturation", "50M", "saturation", 75, 150, 3),
)
TOKENISE, MASKED = 50.0, 100.0
LOAD, LOAD_MEMORY, EXACT = 5.0, 1.2, 1e-4


def make_peer(model: NucleotideTransformer) -> Any:
    """Give transformers' encoder the weights of ours."""
    import transformers

    sizes, v1 = model.config, model.config.layout == "v1"
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, folder)
        if v1:
            return transformers.EsmModel.from_pretrained(folder, add_pooling_layer=False).eval()
    peer = transformers.EsmModel(make_config(sizes), add_pooling_layer=False).eval()
    add_gates(peer.encoder.layer, sizes)
    copy_weights(peer, model)
    return peer


def to_bfloat16(peer: Any) -> Any:
    """Cast the peer's weights; its rotary frequencies stay float32, as where it is loaded in bfloat16."""
    buffers = {name: buffer.clone() for name, buffer in peer.named_buffers() if buffer.dtype == torch.float32}
    peer.to(torch.bfloat16)
    for name, buffer in buffers.items():
        owner, _, own = name.rpartition(".")
        setattr(peer.get_submodule(owner), own, buffer)
    return peer


def copy_weights(peer: Any, model: NucleotideTransformer) -> None:
    """Give the peer's v2 encoder the weights of ours."""

    def copy(to: Any, source: Any) -> Any:
        to.load_state_dict(source.state_dict())
        return to

    copy(peer.embeddings.word_embeddings, model.embed_tokens)
    copy(peer.encoder.emb_layer_norm_after, model.final_norm)
    for theirs, ours in zip(peer.encoder.layer, model.blocks, strict=True):
        attention = theirs.attention
        copy(attention.LayerNorm, ours.attention_norm)
        copy(theirs.LayerNorm, ours.ffn_norm)
        for to, source in (("query", "query"), ("key", "key"), ("value", "value")):
            copy(getattr(attention.self, to), getattr(ours.attention, source))
        copy(attention.output.dense, ours.attention.out)
        copy(theirs.intermediate.dense, ours.ffn.up)
        copy(theirs.output.dense, ours.ffn.down)


def peer_hidden(peer: Any, windows: Sequence[Any], batch: int) -> list[torch.Tensor]:
    """Last hidden states, by padded batches as the model card has it."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(windows), batch):
            part = windows[start : start + batch]
            ids = torch.full((len(part), max(map(len, part))), 1)
            for row, window in zip(ids, part, strict=True):
                row[: len(window)] = torch.as_tensor(window)
            hidden = peer(ids, attention_mask=(ids != 1).long()).last_hidden_state
            found += [h[: len(w)] for h, w in zip(hidden, part, strict=True)]
    return found


class Jobs:
    """What is timed: each method gives a closure for ours and one for the peer, and how many items each of them does.

    Parameters
    ----------
    model : NucleotideTransformer
    """

    def __init__(self, model: NucleotideTransformer, folder: Path) -> None:
        self.model = model
        self.rng = np.random.default_rng(0)
        letters = self.rng.choice(np.frombuffer(b"ACGT", np.uint8), 60_000).tobytes().decode()
        fasta = folder / "perf.fa"
        fasta.write_text(f">1\n{letters}\n")
        self.letters, self.genome = letters, Genome(fasta)

    def _sequences(self, tokens: Sequence[int]) -> list[str]:
        return [self.letters[i : i + 6 * (count - 1)] for i, count in enumerate(tokens)]

    def _embed(self, tokens: Sequence[int], batch: int) -> tuple[Any, Any, int, int]:
        sequences = self._sequences(tokens)
        ids = self.model.tokenizer.encode(sequences)
        return (
            lambda model: torch.as_tensor(embed(model, sequences, pool="mean").X),
            lambda peer: torch.stack([h[1:].float().mean(0) for h in peer_hidden(peer, ids, batch)]),
            sum(tokens),
            sum(tokens),
        )

    def mixed(self) -> tuple[Any, Any, int, int]:
        """Two padded batches of unequal sequences."""
        return self._embed(self.rng.integers(50, 1001, 2 * PEER_BATCH).tolist(), PEER_BATCH)

    def full(self) -> tuple[Any, Any, int, int]:
        """One batch of whole windows."""
        return self._embed([1000] * PEER_BATCH, PEER_BATCH)

    def one(self) -> tuple[Any, Any, int, int]:
        """One whole window."""
        return self._embed([1000], 1)

    def _variants(self, places: Sequence[int], alts: int) -> list[Variant]:
        return [
            Variant("1", place + 1, self.letters[place], alt)
            for place in places
            for alt in [base for base in "ACGT" if base != self.letters[place]][:alts]
        ]

    def _score(self, variants: list[Variant], score: str, for_peer: int) -> tuple[Any, Any, int, int]:
        """Peer: both alleles' whole windows, and the cosine of the variant's token; what the usual script does."""
        pairs, tokens = [], []
        for variant in variants[:for_peer]:
            anchor = variant.start - variant.start % 6
            start, end = anchor - 499 * 6, anchor + 500 * 6
            window = self.letters[start:end]
            changed = window[: variant.start - start] + variant.alt + window[variant.start - start + 1 :]
            pairs += [window, changed]
            tokens += [500, 500]
        ids = self.model.tokenizer.encode(pairs)

        def theirs(peer: Any) -> torch.Tensor:
            hidden = [h[at].float() for h, at in zip(peer_hidden(peer, ids, PEER_BATCH), tokens, strict=True)]
            return torch.cosine_similarity(torch.stack(hidden[::2]), torch.stack(hidden[1::2]))

        def ours(model: NucleotideTransformer) -> torch.Tensor:
            table = score_variants(
                model, self.genome, variants, (score,), window=5994, phases=1, strands="forward"
            ).table
            return torch.as_tensor(table[score].to_numpy())

        return ours, theirs, len(variants), for_peer

    def alleles(self) -> tuple[Any, Any, int, int]:
        """SNVs far apart, the same score on both sides."""
        return self._score(self._variants(range(5000, 5000 + 4 * 5000, 5000), 1), "cosine", 4)

    def scattered(self) -> tuple[Any, Any, int, int]:
        """SNVs far apart, ours by one masked pass."""
        return self._score(self._variants(range(5000, 5000 + 4 * 5000, 5000), 1), "llr", 4)

    def saturation(self) -> tuple[Any, Any, int, int]:
        """All SNVs of some tokens."""
        return self._score(self._variants(range(30_000, 30_024), 3), "llr", 4)


def elapsed(job: Callable[[Any], Any], subject: Any) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    job(subject)
    return time.perf_counter() - began


def machine_times() -> tuple[float, float]:
    """Busy seconds of the whole machine, and of this process."""
    fields = [int(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:2])


@dataclass
class Found:
    """Medians of one row."""

    speeds: dict[str, float]
    ratios: dict[str, float]
    difference: float
    busy: float


def measure(row: Row, folder: Path) -> Found:
    """Alternate our two precisions and the peer's two."""
    torch.manual_seed(0)
    model = NucleotideTransformer(SHAPES[row.shape]).eval().requires_grad_(False)
    peer = make_peer(model)
    ours, theirs, items, peer_items = getattr(Jobs(model, folder), row.job)()
    same = row.job not in ("scattered", "saturation")
    difference = float((ours(model) - theirs(peer)).abs().max()) if same else float("nan")
    fast = NucleotideTransformer(SHAPES[row.shape])
    fast.load_state_dict(model.state_dict())
    set_precision(fast.eval().requires_grad_(False), "fast")
    half = to_bfloat16(make_peer(model))
    sides: dict[str, tuple[Any, Any, int]] = {
        "exact": (ours, model, items),
        "peer": (theirs, peer, peer_items),
        "fast": (ours, fast, items),
        "peer bf16": (theirs, half, peer_items),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    machine, own = machine_times()
    began = time.perf_counter()
    for sample in range(row.samples + 1):  # one to warm up
        for name, (job, subject, count) in sides.items():
            took = elapsed(job, subject) / count
            if sample:
                seconds[name].append(took)
    after = machine_times()
    cores = (os.cpu_count() or 1) * (time.perf_counter() - began)
    busy = max(after[0] - machine - (after[1] - own), 0.0) / cores
    ratios = {
        name: statistics.median(b / a for a, b in zip(seconds[name], seconds["peer"], strict=True)) for name in sides
    }
    return Found({name: 1 / statistics.median(s) for name, s in seconds.items()}, ratios, difference, busy)


def gemm_peaks() -> dict[str, float]:
    """GFLOP/s of the best large matrix product that torch does on this machine."""
    peaks = {}
    for name, dtype in (("exact", torch.float32), ("fast", torch.bfloat16)):
        a, b = torch.randn(2048, 2048, dtype=dtype), torch.randn(2048, 2048, dtype=dtype)
        ways = [lambda a=a, b=b: torch.nn.functional.linear(a, b)]
        if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            ways.append(lambda a=a, b=b: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
        best = min(elapsed(lambda _, way=way: way(), None) for way in ways for _ in range(8))
        peaks[name] = 2 * 2048**3 / best / 1e9
    return peaks


def flops_per_token(sizes: ModelConfig, tokens: int) -> float:
    """GFLOP of the forward pass of the encoder for a token of a window."""
    ffn = (3 if sizes.layout == "v2" else 2) * sizes.width * sizes.ffn
    return 2 * sizes.layers * (4 * sizes.width**2 + ffn + 2 * sizes.width * tokens) / 1e9


def tokenizer_rows() -> list[tuple[str, float, float, float]]:
    """Mb/s of 10 Mb and tokens/s of masked batches: ours, transformers', and the figure of the ratio."""
    import transformers

    letters = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), 10_000_000).tobytes().decode()
    strings = [letters[i * 5994 : (i + 1) * 5994] for i in range(64)]
    tokenizer, rng = Tokenizer(), np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("\n".join(tokenizer.vocabulary))
        peer = transformers.EsmTokenizer(Path(folder) / "vocab.txt", eos_token=None)
    collator = transformers.DataCollatorForLanguageModeling(peer, mlm_probability=0.15)
    jobs = {
        "whole": (lambda: tokenizer.encode([letters]), 10.0),
        "peer whole": (lambda: [peer(part) for part in strings[:16]], 16 * 5994 / 1e6),
        "masked": (lambda: mask_tokens(tokenizer, np.stack(tokenizer.encode(strings)), rng), 64e3),
        "peer masked": (lambda: collator([peer(part) for part in strings[:4]]), 4e3),
    }
    best = {
        name: max(size / elapsed(lambda _, job=job: job(), None) for _ in range(5))
        for name, (job, size) in jobs.items()
    }
    return [
        ("tokenise 10 Mb, Mb/s", best["whole"], best["peer whole"], TOKENISE),
        ("strings to masked batches, tokens/s", best["masked"], best["peer masked"], MASKED),
    ]


def memory(side: str) -> float:
    """Peak memory of a fresh process that embeds mixed windows with 50M, net of its imports, MB."""
    return float(json.loads(call_self("--memory", side)))


def read_peak() -> float:
    """Largest resident memory of this process so far, MB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> None:
    """Begin the peak anew, where the system permits it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def save_shape(shape: str, folder: str) -> None:
    """Save random weights as a model folder, and as torch.save has them."""
    model = NucleotideTransformer(SHAPES[shape])
    save_model(model, f"{folder}/m")
    torch.save(model.state_dict(), f"{folder}/m.pt")


def call_self(*arguments: str) -> str:
    """Run this script in a fresh process; gives what it printed last."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1] if done.stdout else ""


def measure_memory(side: str) -> None:
    """Print the peak of this process while it embeds, less what it had after its imports.

    Both sides read their weights from disk, and the peak begins anew when they are there: making transformers' encoder
    out of ours is no part of it.
    """
    import transformers

    assert transformers.EsmModel  # lazy until named
    with tempfile.TemporaryDirectory() as folder:
        call_self("--save", "50M", folder)
        with torch.device("meta"):
            shape = NucleotideTransformer(V2_50M)
        reset_peak()
        base = read_peak()
        subject = make_peer(load_model(f"{folder}/m")) if side == "peer" else load_model(f"{folder}/m", precision=side)
        reset_peak()
        ours, theirs, *_ = Jobs(shape, Path(folder)).mixed()
        (theirs if side == "peer" else ours)(subject)
        print(json.dumps(read_peak() - base))


def measure_load(side: str, folder: str) -> None:
    """Print seconds to load, and peak memory over the size of the weights in their precision."""
    reset_peak()
    base, began = read_peak(), time.perf_counter()
    if side == "torch":
        tensors = list(torch.load(f"{folder}/m.pt").values())
    else:
        tensors = list(load_model(f"{folder}/m", precision=side, device="cpu").parameters())
    seconds = time.perf_counter() - began
    sum(float(tensor.sum()) for tensor in tensors)  # mapped weights take memory once they are read
    size = sum(tensor.nbytes for tensor in tensors) / 2**20
    print(json.dumps([seconds, (read_peak() - base) / size]))


def loading(shape: str = "500M") -> dict[str, tuple[float, float]]:
    """Seconds and memory over weights of loading, each in fresh processes: medians of three, from a warm file cache."""
    with tempfile.TemporaryDirectory() as folder:
        call_self("--save", shape, folder)
        found: dict[str, list[Any]] = {"exact": [], "fast": [], "torch": []}
        for sample in range(4):
            for side, taken in found.items():
                one = json.loads(call_self("--load", side, folder))
                if sample:
                    taken.append(one)
    return {side: (statistics.median(s for s, _ in ones), max(m for _, m in ones)) for side, ones in found.items()}


_FIRST = """
import sys, torch
from transformers import EsmModel
model = EsmModel.from_pretrained(sys.argv[1], add_pooling_layer=False).eval()
with torch.inference_mode():
    model(torch.randint(11, 4000, (1, 167))).last_hidden_state.mean(1)
"""


def first_results(folder: Path) -> tuple[float, float]:
    """Seconds from the shell to one vector of 1,000 bases with shape T: `hexamer embed`, and a transformers script."""
    save_model(NucleotideTransformer(T), folder / "first")
    (folder / "one.fa").write_text(">1\n" + "ACGTTGCA" * 125 + "\n")
    ours = [sys.executable, "-m", "hexamer", "embed", folder / "one.fa", "-o", folder / "one.h5ad"]
    commands = [[*ours, "-m", folder / "first"], [sys.executable, "-c", _FIRST, folder / "first"]]
    taken: list[list[float]] = [[], []]
    for sample in range(4):
        for command, seconds in zip(commands, taken, strict=True):
            took = elapsed(lambda c: subprocess.run(c, check=True, capture_output=True), command)
            if sample:
                seconds.append(took)
    return statistics.median(taken[0]), statistics.median(taken[1])


def budgets(folder: Path) -> None:
    """Print tokens/s of mixed windows against the token budget."""
    torch.manual_seed(0)
    for precision in ("exact", "fast"):
        model = NucleotideTransformer(T).eval().requires_grad_(False)
        set_precision(model, precision)
        jobs = Jobs(model, folder)
        tokens = jobs.rng.integers(50, 1001, 64).tolist()
        sequences = jobs._sequences(tokens)
        line = []
        for budget in (512, 1024, 2048, 4096, 8192, 16384, 32768):
            took = min(elapsed(lambda m, b=budget, s=sequences: embed(m, s, token_budget=b), model) for _ in range(3))
            line.append(f"{budget}: {sum(tokens) / took:,.0f}")
        print(f"T, mixed, {precision}, tokens/s by token budget  {'  '.join(line)}", flush=True)


def main() -> None:
    """Measure all rows, and compare them with the figures if asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--save", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.save:
        save_shape(*arguments.save)
        return
    if arguments.load:
        measure_load(*arguments.load)
        return
    if arguments.memory:
        measure_memory(arguments.memory)
        return
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    short, peaks = [], gemm_peaks()
    print(f"{torch.get_num_threads()} threads; largest product here {peaks['exact']:.0f} GFLOP/s in float32, ", end="")
    print(f"{peaks['fast']:.0f} in bfloat16")
    print(f"{'job':<36}{'exact':>18}{'fast':>18}{'peer bf16':>11}   per second: ours, peer; share of peak")
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            name = f"{row.name}, {row.shape}"
            if arguments.only not in name:
                continue
            found = measure(row, Path(folder))
            cells = []
            for precision, figure in (("exact", row.exact), ("fast", row.fast)):
                ratio = found.ratios[precision]
                cells.append(f"{ratio:6.2f} x (>= {figure:g})")
                if ratio < figure:
                    short.append(f"{name}, {precision}: {ratio:.2f} x, {figure:g} wanted")
            if found.difference > EXACT:
                short.append(f"{name}, exact: {found.difference:.1e} from transformers, {EXACT:g} allowed")
            speeds = found.speeds
            share = ""
            if row.job in ("full", "one"):
                work = flops_per_token(SHAPES[row.shape], 1000)
                share = "; " + ", ".join(f"{100 * speeds[p] * work / peaks[p]:.0f} %" for p in ("exact", "fast"))
            print(
                f"{name:<36}{cells[0]:>18}{cells[1]:>18}{found.ratios['peer bf16']:9.2f} x   "
                f"{speeds['exact']:,.1f} {speeds['fast']:,.1f}, {speeds['peer']:,.1f} {speeds['peer bf16']:,.1f}{share}"
                f"   difference {found.difference:.0e}, busy {100 * found.busy:.0f} %",
                flush=True,
            )
        if not arguments.only:
            for name, mine, theirs, figure in tokenizer_rows():
                print(f"{name:<36}{mine / theirs:6.0f} x (>= {figure:g})   {mine:,.1f}, {theirs:,.2f}")
                if mine < figure * theirs:
                    short.append(f"{name}: {mine / theirs:.0f} x, {figure:g} wanted")
            used = {side: memory(side) for side in ("exact", "fast", "peer")}
            print("50M, mixed, peak memory net of imports, MB: ", end="")
            print(", ".join(f"{side} {size:,.0f}" for side, size in used.items()))
            mine, theirs = first_results(Path(folder))
            print(f"from the shell to the first vector, s: {mine:.1f}, transformers {theirs:.1f}")
            if mine > theirs:
                short.append(f"first vector from the shell: {mine:.1f} s, transformers {theirs:.1f}")
            loads = loading()
            for side in ("exact", "fast"):
                ratio, room = loads["torch"][0] / loads[side][0], loads[side][1]
                print(
                    f"load 500M, {side}: {ratio:.1f} x torch.load (>= {LOAD:g}), memory {room:.2f} (<= {LOAD_MEMORY:g})"
                )
                if ratio < LOAD or room > LOAD_MEMORY:
                    short.append(f"load 500M, {side}: {ratio:.1f} x, memory {room:.2f} x the weights")
            budgets(Path(folder))
    for line in short:
        print(f"under its figure: {line}")
    sys.exit(1 if arguments.check and short else 0)


if __name__ == "__main__":
    main()
