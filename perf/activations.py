"""What the backward pass keeps of each token, in bytes a block: the counts behind the memory table of docs/scale.md.

    HEXAMER_NATIVE=0 python perf/activations.py      # torch's own operators, as on a GPU

Counts the storages that autograd saves under bfloat16 autocast on a CPU, in real blocks of each size, weights and
their bfloat16 copies left out. The difference between two blocks and one leaves out what lies around the blocks.
"""

from dataclasses import replace

import torch

from hexamer.model import NucleotideTransformer, named_size
from hexamer.training.objective import MaskedObjective

SIZES = ("nucleotide-transformer-500m-human-ref", "nucleotide-transformer-2.5b-multi-species")
TOKENS = 1000


def saved_bytes(name: str, layers: int) -> int:
    """Bytes that the backward pass of one window keeps."""
    model = NucleotideTransformer(replace(named_size(name), layers=layers))
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}  # holding them keeps their addresses from being used again

    def keep(saved: torch.Tensor) -> torch.Tensor:
        place = saved.untyped_storage().data_ptr()
        if place not in weights and TOKENS in saved.shape:
            kept[place] = saved
        return saved

    ids = torch.randint(6, 4100, (1, TOKENS))
    selected = (torch.rand(1, TOKENS) < 0.15).float()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved), torch.autocast("cpu", torch.bfloat16):
        MaskedObjective(model)(ids, ids, selected)
    return sum(saved.untyped_storage().nbytes() for saved in kept.values())


def main() -> None:
    """Print a line for each size."""
    for name in SIZES:
        size = named_size(name)
        block = (saved_bytes(name, 2) - saved_bytes(name, 1)) / TOKENS
        print(f"{name}: {block / 1e3:.1f} kB per token and block, with recompute {4 * size.width / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
