"""The transformer on frozen embeddings: rows of a haplotype are weighed by each other, and both haplotypes averaged.

Sources: the study predicts expression by a transformer on frozen embeddings (Ramprasad, Pai and Pan, 2024, of which
only the abstract is known); its sizes here are ours, the pairwise loss is gLM2X-Tower's (0.7 smooth L1 and 0.3 of
differences between people). One head serves both haplotypes, so that their order means nothing.
Letters as in `features`; G genes, N people of a step.
Not here: what rows are (`features`), the small head (`linear_head`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hexamer.embeddings.pooling import Vectors
from hexamer.errors import SettingsError
from hexamer.expression.cohort import Mask, Places, Values
from hexamer.manifest import STRICT
from hexamer.training.fitting import FitSettings, Fitted, draw_examples, fit_weights


def _default_fit() -> FitSettings:
    return FitSettings(steps=200, rate=1e-3, batch=64, weight_decay=0.01, evaluate_every=10, patience=5)


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """Sizes of the transformer, and how it is fitted.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    __pydantic_config__ = STRICT

    width: int = 128
    """Of its vectors."""
    blocks: int = 2
    heads: int = 4
    ffn: int = 512
    """Units of a feed-forward layer."""
    dropout: float = 0.1
    pairwise: float = 0.0
    """Share of the loss that is of differences between people; 0.3 in gLM2X-Tower."""
    fit: FitSettings = field(default_factory=_default_fit)

    def __post_init__(self) -> None:
        sizes = (self.width, self.blocks, self.heads, self.ffn)
        if min(sizes) < 1 or self.width % self.heads or not 0 <= self.dropout < 1 or not 0 <= self.pairwise <= 1:
            raise SettingsError(
                f"width {self.width}, blocks {self.blocks}, heads {self.heads}, ffn {self.ffn}, dropout "
                f"{self.dropout}, pairwise {self.pairwise}: sizes from 1, width divisible by heads, dropout from 0 and "
                "below 1, pairwise from 0 to 1 would work"
            )


class TransformerHead(nn.Module):
    """Expression of a haplotype, from its rows.

    Parameters
    ----------
    features : int
        D of the rows.
    settings : HeadSettings

    Examples
    --------
    >>> head = TransformerHead(8, HeadSettings(width=16, heads=2, ffn=16))
    >>> head(torch.zeros(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)).shape
    torch.Size([3])
    """

    def __init__(self, features: int, settings: HeadSettings) -> None:
        super().__init__()
        self.enter = nn.Linear(features, settings.width)
        block = nn.TransformerEncoderLayer(
            settings.width, settings.heads, settings.ffn, settings.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, settings.blocks, enable_nested_tensor=False)
        self.leave = nn.Linear(settings.width, 1)

    def forward(self, rows: Tensor, real: Tensor) -> Tensor:
        """Answer for each haplotype, [U], from rows [U, P, D] and which of them are real, bool [U, P]."""
        states = self.blocks(self.enter(rows), src_key_padding_mask=~real)
        weights = real.to(states.dtype)[..., None]
        pooled = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        found: Tensor = self.leave(pooled)[:, 0]
        return found


def expression_loss(predicted: Tensor, values: Tensor, pairwise: float) -> Tensor:
    """Smooth L1 of expression, and of differences between all pairs of people.

    Parameters
    ----------
    predicted, values : float tensor [N]
        Of one gene.
    pairwise : float
        Share of the second.

    Returns
    -------
    float tensor, scalar

    Examples
    --------
    >>> expression_loss(torch.tensor([0.0, 2.0, 0.0]), torch.tensor([0.0, 0.0, 0.0]), 0.3)
    tensor(0.6500)
    """
    own = functional.smooth_l1_loss(predicted, values)
    if not pairwise or len(values) < 2:
        return own
    first, second = torch.triu_indices(len(values), len(values), offset=1, device=values.device)
    between = functional.smooth_l1_loss(predicted[first] - predicted[second], values[first] - values[second])
    return (1 - pairwise) * own + pairwise * between


class GeneExamples(NamedTuple):
    """What a head learns from of one gene."""

    vectors: Vectors
    """Haplotypes relative to the reference, float32 [U, P, D]."""
    rows: Places
    """Whose they are, int64 [S, 2]."""
    values: Values
    """Expression, float64 [S]."""


class FittedHead(NamedTuple):
    """A head, and the factor that its rows are multiplied with."""

    head: TransformerHead
    scale: float
    fitted: Fitted

    def predict(self, vectors: Vectors, rows: Places) -> Values:
        """Predict people's expression, float64 [S], from haplotypes [U, P, D] and whose they are [S, 2]."""
        used, places = np.unique(rows, return_inverse=True)
        found = []
        with torch.inference_mode():
            for part in np.array_split(used, max(1, len(used) // 64)):
                inputs = torch.from_numpy(vectors[part]) * self.scale
                found.append(self.head(inputs, torch.ones(inputs.shape[:2], dtype=torch.bool)).double().numpy())
        return np.asarray(np.concatenate(found)[places.reshape(rows.shape)].mean(axis=1))


def fit_transformer_head(
    genes: Sequence[GeneExamples], learn: Mask, choose: Mask, settings: HeadSettings
) -> FittedHead:
    """Fit one head to one gene or, pooled, to several.

    Parameters
    ----------
    genes : sequence of GeneExamples
        With at least one row each; values on one scale.
    learn, choose : bool array [S]
        Whom to learn from, and by whom to choose the step whose weights are kept.
    settings : HeadSettings

    Returns
    -------
    FittedHead

    Raises
    ------
    SettingsError
        As `fit_weights`.
    """
    power = [float(np.square(gene.vectors[gene.rows[learn]]).mean()) for gene in genes]
    scale = 1 / max(float(np.sqrt(np.mean(power))), 1e-12)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.fit.seed)
        head = TransformerHead(genes[0].vectors.shape[2], settings)
    learner = _Learner(head, genes, scale, settings)
    chosen = np.flatnonzero(choose)

    def score() -> float:
        made = FittedHead(head, scale, Fitted(0, 0.0, []))
        losses = [np.square(made.predict(gene.vectors, gene.rows[chosen]) - gene.values[chosen]) for gene in genes]
        return -float(np.mean(losses))

    fitted = fit_weights(learner, _Drawer(genes, np.flatnonzero(learn), settings.fit).draw, score, settings.fit)
    return FittedHead(head, scale, fitted)


class _Learner(nn.Module):
    """The head with its loss, over the genes of a step."""

    def __init__(
        self, head: TransformerHead, genes: Sequence[GeneExamples], scale: float, settings: HeadSettings
    ) -> None:
        super().__init__()
        self.head, self.pairwise = head, settings.pairwise
        self._vectors = [torch.from_numpy(gene.vectors) * scale for gene in genes]
        self._rows = [torch.from_numpy(gene.rows) for gene in genes]

    def forward(self, asked: Tensor, values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of people of genes, asked for as [N, 2] (gene, person)."""
        loss = values.new_zeros(())
        for gene in asked[:, 0].unique():
            mine = asked[:, 0] == gene
            used, places = self._rows[gene][asked[mine, 1]].unique(return_inverse=True)
            inputs = self._vectors[gene][used]
            of_haplotypes = self.head(inputs, torch.ones(inputs.shape[:2], dtype=torch.bool))
            predicted = of_haplotypes[places].mean(dim=1)
            loss = loss + expression_loss(predicted, values[mine], self.pairwise) * mine.sum()
        return loss, loss.new_zeros(())


class _Drawer:
    """People of a step, of one gene: a function of the seed and the step."""

    def __init__(self, genes: Sequence[GeneExamples], people: Places, fit: FitSettings) -> None:
        self.values = [gene.values for gene in genes]
        self.people, self.fit = people, replace(fit, batch=min(fit.batch, len(people)))

    def draw(self, step: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        (gene,) = draw_examples(len(self.values), 1, self.fit.seed, step).tolist()
        turn = (step - 1) // len(self.values) + 1
        people = self.people[draw_examples(len(self.people), self.fit.batch, self.fit.seed + gene, turn)]
        asked = np.stack([np.full(len(people), gene), people], axis=1)
        values = self.values[gene][people].astype(np.float32)
        return [(torch.from_numpy(asked), torch.from_numpy(values), torch.ones(len(people), 1))]
