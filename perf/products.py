"""How fast products of the published shapes are: torch's choice, oneDNN, oneDNN with weights laid out anew.

    python perf/products.py

GFLOP/s, best of six. Threads: OMP_NUM_THREADS.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

SHAPES = ((256, 1024), (512, 512), (512, 4096), (2048, 512), (1280, 5120), (5120, 1280))


def seconds(job: Callable[[], Any]) -> float:
    """Best of six runs, after one to warm up."""
    job()
    best = float("inf")
    for _ in range(6):
        began = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Print a line for each number of rows, shape and type."""
    torch.set_grad_enabled(False)
    ask = torch.ops.mkldnn._linear_pointwise
    print(f"{torch.get_num_threads()} threads; rows x inputs x outputs: torch, oneDNN, oneDNN laid out (gain)")
    for rows in (1000, 4096):
        for inputs, outputs in SHAPES:
            for dtype in (torch.float32, torch.bfloat16):
                x, weight, bias = (
                    torch.randn(*s, dtype=dtype) for s in ((rows, inputs), (outputs, inputs), (outputs,))
                )
                laid = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
                ways = (
                    lambda x=x, w=weight, b=bias: torch.nn.functional.linear(x, w, b),
                    lambda x=x, w=weight, b=bias: ask(x, w, b, "none", [], ""),
                    lambda x=x, w=laid, b=bias: ask(x, w, b, "none", [], ""),
                )
                plain, onednn, packed = (2e-9 * rows * inputs * outputs / seconds(way) for way in ways)
                name = f"{rows} x {inputs} x {outputs} {str(dtype).removeprefix('torch.')}"
                print(f"{name:<30}{plain:6.0f} {onednn:6.0f} {packed:6.0f} ({100 * (packed / onednn - 1):+.0f} %)")


if __name__ == "__main__":
    main()
