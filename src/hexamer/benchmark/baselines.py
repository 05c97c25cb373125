"""What a pre-trained encoder has to beat: regression on k-mer counts, and convolutional networks from scratch.

The networks are of the BPNet kind: a wide convolution, nine dilated ones with residual connections, the mean over
places (none for classes of bases), a linear layer; 64 channels (118 thousand weights) or 1,024 (28 million): the
paper's have 121 thousand and 28 million.
Source: Avsec et al. 2021 (BPNet); Dalla-Torre et al. (2025), Methods. Not here: who wins (`protocol`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hexamer.tokens import bases_to_codes
from hexamer.tokens.alphabet import N_CODE
from hexamer.training.fitting import FitSettings, Fitted, draw_examples, fit_weights
from hexamer.training.targets import NO_CLASS, Target

CHANNELS = {"cnn": 64, "cnn-large": 1024}
"""Channels of the networks by name."""
DILATIONS = tuple(2**i for i in range(1, 10))
_PIECE = 2**17  # bases that are predicted at a time

Found = npt.NDArray[np.float32]


def count_kmers(sequences: Sequence[str], k: int) -> Any:
    """Count overlapping k-mers.

    Parameters
    ----------
    sequences : sequence of str [N]
    k : int
        1 to 8.

    Returns
    -------
    scipy.sparse.csr_array, float32 [N, 4^k]
        In the tokenizer's order of bases, A, T, C, G; k-mers with other letters are left out.

    Examples
    --------
    >>> count_kmers(["ACAC", "TTN"], 1).toarray().tolist()
    [[2.0, 0.0, 2.0, 0.0], [0.0, 2.0, 0.0, 0.0]]
    """
    from scipy.sparse import csr_array

    columns, counts, ends = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [0]
    for sequence in sequences:
        codes = bases_to_codes(sequence).astype(np.int64)
        words = np.lib.stride_tricks.sliding_window_view(codes, k) if len(codes) >= k else np.zeros((0, k), np.int64)
        words = words[(words < N_CODE).all(1)] @ (4 ** np.arange(k - 1, -1, -1))
        found, number = np.unique(words, return_counts=True)
        columns.append(found)
        counts.append(number)
        ends.append(ends[-1] + len(found))
    shape = (len(sequences), 4**k)
    return csr_array((np.concatenate(counts).astype(np.float32), np.concatenate(columns), ends), shape=shape)


class ConvolutionalNetwork(nn.Module):
    """A BPNet-type network on one-hot bases.

    Parameters
    ----------
    target : Target
    channels : int
    """

    def __init__(self, target: Target, channels: int = 64) -> None:
        super().__init__()
        self.target = target
        self.first = nn.Conv1d(4, channels, 25, padding="same")
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding="same", dilation=dilation) for dilation in DILATIONS
        )
        self.out = nn.Linear(channels, target.outputs)

    def outputs(self, bases: Tensor) -> Tensor:
        """Answer [B, O], of bases [B, L, C], for int64 [B, L]: 0 to 3, 4 for other letters, 5 behind the end."""
        hot = F.one_hot(bases, 6)[..., :4].float().transpose(1, 2)
        there = (bases < 5).float()[:, None]
        x = F.relu(self.first(hot)) * there
        for layer in self.dilated:
            x = (x + F.relu(layer(x))) * there
        pooled = x.transpose(1, 2) if self.target.kind == "bases" else x.sum(-1) / there.sum(-1).clamp(min=1)
        found: Tensor = self.out(pooled)
        return found

    def forward(self, bases: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sum of the losses, and 0 (nothing is counted right)."""
        losses = self.target.losses(self.outputs(bases), targets)
        if self.target.kind == "bases":
            losses = losses.sum(-1) / (targets != NO_CLASS).sum(-1).clamp(min=1)
        return (losses * weights[:, 0]).sum(), torch.zeros((), dtype=torch.int64, device=bases.device)

    def predict(self, bases: npt.NDArray[np.int64]) -> Found:
        """Predictions [N, O], of bases [N, L, C]."""
        device, rows = self.out.weight.device, max(1, _PIECE // bases.shape[1])
        with torch.inference_mode():
            parts = [
                self.target.predictions(self.outputs(torch.as_tensor(bases[i : i + rows], device=device))).cpu()
                for i in range(0, len(bases), rows)
            ]
        return torch.cat(parts).numpy()


def as_numbers(sequences: Sequence[str], width: int = 1) -> npt.NDArray[np.int64]:
    """Bases as numbers, int64 [N, longest, or width if that is more]: 0 to 3, 4 for other letters, 5 behind the end."""
    found = np.full((len(sequences), max([width, *map(len, sequences)])), 5, dtype=np.int64)
    for row, sequence in zip(found, sequences, strict=True):
        codes = bases_to_codes(sequence)
        row[: len(codes)] = codes
    return found


def fit_network(
    train: tuple[Sequence[str], npt.NDArray[Any]],
    validation: tuple[Sequence[str], npt.NDArray[Any]],
    target: Target,
    settings: FitSettings,
    *,
    channels: int = 64,
    device: torch.device | str = "cpu",
    advance: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[ConvolutionalNetwork, Fitted]:
    """Train a network from random weights.

    Parameters
    ----------
    train, validation : (sequences, targets)
    target : Target
    settings : FitSettings
        Its adapter means nothing here.
    channels : int
    device : torch.device or str
    advance : callable, optional
        As `fit_weights`.

    Returns
    -------
    ConvolutionalNetwork, Fitted
    """
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = ConvolutionalNetwork(target.fitted(train[1]), channels).to(device)
    # Classes of bases are as wide as the longest sequence of all, which may be in another part.
    widths = [part[1].shape[1] if target.kind == "bases" else 1 for part in (train, validation)]
    bases, held = (as_numbers(part[0], width) for part, width in zip((train, validation), widths, strict=True))

    def draw(step: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        rows = draw_examples(len(bases), settings.batch, settings.seed, step)
        parts = (torch.as_tensor(bases[rows]), torch.as_tensor(train[1][rows]), torch.ones(len(rows), 1))
        return list(zip(*(part.to(device).chunk(settings.accumulate) for part in parts), strict=True))

    def score() -> float:
        return network.target.score(validation[1], network.predict(held))

    return network, fit_weights(network, draw, score, settings, advance=advance)
