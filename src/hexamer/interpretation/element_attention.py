"""What heads look at: the share of attention that lands on genomic elements, against how much there is of them.

For a head and a class of elements: of all pairs of tokens of which one looks at the other with a weight above 0.3, the
share whose looked-at token lies on an element; a two-proportion z-test against the share of all tokens that do;
Bonferroni over heads. Windows hold an element of the class each, in a random place.
Source: Dalla-Torre et al. (2025), after Vig et al. (2021); left open there and chosen here: the looked-at token counts
(`side`), pairs with `<cls>` do not, a head needs 20 pairs. Not here: the maps (`attention_maps`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import AnnotationError, SettingsError
from hexamer.genome import Genome, Interval
from hexamer.interpretation.attention_maps import MEMORY, Tokens, choose_heads, read_maps, tokenise_stretch
from hexamer.interpretation.stretches import Places, read_stretch
from hexamer.manifest import STRICT
from hexamer.model import NucleotideTransformer

Side = Literal["key", "query"]
_FEWEST = 20  # pairs: with fewer the z-test's normal distribution is none


@dataclass(frozen=True, kw_only=True)
class AttentionSettings:
    """How attention is counted.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    __pydantic_config__ = STRICT

    window: int = 6000
    """Bases of a window; never more than the model reads."""
    windows: int = 100
    """For each class of elements; 10,000 in the paper."""
    above: float = 0.3
    """Weight from which on a token looks at another."""
    side: Side = "key"
    """Whether the token that is looked at (key), or the one that looks (query), has to lie on the element."""
    seed: int = 0
    """Of which elements, and where in their windows."""

    def __post_init__(self) -> None:
        if self.window < 12 or self.windows < 1 or not 0 < self.above < 1 or self.seed < 0:
            raise SettingsError(
                f"window {self.window}, windows {self.windows}, above {self.above}, seed {self.seed}: from 12, from 1, "
                "between 0 and 1, and from 0 would work"
            )
        if self.side not in get_args(Side):
            raise SettingsError(f"side {self.side!r}: {' or '.join(get_args(Side))} would work")


class Elements(NamedTuple):
    """Elements of one class on one contig, sorted and merged where they overlap."""

    starts: Places
    ends: Places


def merge_elements(table: pd.DataFrame) -> dict[str, Elements]:
    """Merge the elements of a class that overlap or touch, contig by contig.

    Parameters
    ----------
    table : DataFrame
        `chrom`, `start`, `end`, 0-based and half-open.

    Returns
    -------
    dict of str to Elements

    Examples
    --------
    >>> table = pd.DataFrame({"chrom": ["1", "1", "1"], "start": [5, 0, 20], "end": [9, 6, 30]})
    >>> merged = merge_elements(table)["1"]
    >>> merged.starts.tolist(), merged.ends.tolist()
    ([0, 20], [9, 30])
    """
    found = {}
    for chrom, own in table.groupby("chrom", sort=False):
        own = own.sort_values("start")
        starts, ends = own["start"].to_numpy(np.int64), np.maximum.accumulate(own["end"].to_numpy(np.int64))
        begins = np.append(True, starts[1:] > ends[:-1])
        found[str(chrom)] = Elements(starts[begins], ends[np.append(np.flatnonzero(begins)[1:] - 1, len(ends) - 1)])
    return found


def attention_elements(
    model: NucleotideTransformer,
    genome: Genome,
    elements: Mapping[str, pd.DataFrame],
    *,
    settings: AttentionSettings | None = None,
    memory: int = MEMORY,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Count how much of each head's attention lands on elements.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
    elements : mapping of str to DataFrame
        Of each class: `chrom`, `start`, `end`.
    settings : AttentionSettings, optional
    memory : int
        As `attention_map`.
    advance : callable, optional
        Called with 1 for each window.

    Returns
    -------
    DataFrame
        For each class, layer and head: `element`, `layer`, `head`, `windows`, `pairs` above the weight, those `on` an
        element, `share`, `background` (share of tokens on one), `z`, `p` (two-sided), `p_adjusted` (Bonferroni over
        heads), `enriched` (adjusted p below 0.05 and a share above the background). With fewer than 20 pairs z and p
        are NaN.

    Raises
    ------
    AnnotationError
        If a class has no element of which a window fits.
    SettingsError
        As `AttentionSettings`.
    """
    settings = settings or AttentionSettings()
    wanted = choose_heads(model)
    bases = min(settings.window, model.config.max_bases) // model.config.k * model.config.k
    tables = []
    for number, (name, table) in enumerate(elements.items()):
        merged = merge_elements(table)
        windows = _draw_windows(name, merged, genome, bases, settings, number)
        pairs, on = np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=np.int64)
        tokens = covered = 0
        for window in windows:
            stretch = read_stretch(genome, window)
            ids, cut = tokenise_stretch(model, stretch)
            inside = _on_elements(cut, merged[window.chrom])
            tokens, covered = tokens + len(inside), covered + int(inside.sum())
            done = 0
            for _, maps in read_maps(model, ids, wanted, memory=memory):
                high = maps[:, 1:, 1:] > settings.above
                by_token = high.sum(axis=1 if settings.side == "key" else 2)  # [heads, T]
                pairs[done : done + len(maps)] += by_token.sum(axis=1)
                on[done : done + len(maps)] += by_token[:, inside].sum(axis=1)
                done += len(maps)
            if advance:
                advance(1)
        rows = pd.DataFrame(wanted, columns=["layer", "head"])
        rows.insert(0, "element", name)
        rows = rows.assign(windows=len(windows), pairs=pairs, on=on)
        tables.append(rows.join(compare_shares(on, pairs, covered, tokens)))
    return pd.concat(tables, ignore_index=True)


def compare_shares(on: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64], covered: int, tokens: int) -> pd.DataFrame:
    """Test each head's share of attention on elements against the share of tokens there.

    Parameters
    ----------
    on, pairs : int64 array [H]
        Pairs on an element, and all of them.
    covered, tokens : int
        Tokens on an element, and all of them.

    Returns
    -------
    DataFrame
        `share`, `background`, `z`, `p`, `p_adjusted`, `enriched`.

    Examples
    --------
    >>> found = compare_shares(np.array([300, 5]), np.array([1000, 10]), 2000, 10000)
    >>> found["z"].round(2).tolist(), found["enriched"].tolist()
    ([7.41, nan], [True, False])
    """
    from scipy.stats import norm

    share = np.divide(on, pairs, out=np.full(len(on), np.nan), where=pairs > 0)
    background = covered / max(tokens, 1)
    pooled = (on + covered) / (pairs + max(tokens, 1))
    spread = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(pairs, 1) + 1 / max(tokens, 1)))
    z = np.divide(share - background, spread, out=np.full(len(on), np.nan), where=(spread > 0) & (pairs >= _FEWEST))
    p = 2 * norm.sf(np.abs(z))
    adjusted = np.minimum(p * len(p), 1)
    table = {"share": share, "background": background, "z": z, "p": p, "p_adjusted": adjusted}
    return pd.DataFrame(table | {"enriched": (adjusted < 0.05) & (share > background)})


def _draw_windows(
    name: str, merged: Mapping[str, Elements], genome: Genome, bases: int, settings: AttentionSettings, number: int
) -> list[Interval]:
    """Draw elements of a class without replacement, each in a random place of its window; windows have no N."""
    rng = np.random.default_rng((settings.seed, number))
    known = [chrom for chrom in merged if chrom in genome and genome.length(chrom) >= bases]
    every = [(chrom, i) for chrom in known for i in range(len(merged[chrom].starts))]
    if not every:
        raise AnnotationError(f"{name}: no element lies on a contig of {bases:,} bases or more; others would work")
    windows: list[Interval] = []
    for i in rng.permutation(len(every)):
        if len(windows) == settings.windows:
            break
        chrom, place = every[i]
        start, end = int(merged[chrom].starts[place]), int(merged[chrom].ends[place])
        # Of an element that is longer than the window, some of it.
        low, high = sorted((end - bases, start))
        first = int(rng.integers(low, high + 1))
        first = max(0, min(first, genome.length(chrom) - bases))
        if "N" not in genome.fetch(chrom, first, first + bases):  # each N is a token: too many for the model
            windows.append(Interval(chrom, first, first + bases))
    if not windows:
        raise AnnotationError(f"{name}: every window of {bases:,} bases on an element holds N; shorter ones would work")
    return windows


def _on_elements(cut: Tokens, elements: Elements) -> npt.NDArray[np.bool_]:
    """Whether each token overlaps an element, bool [T]."""
    which = np.searchsorted(elements.starts, cut.last, side="right") - 1
    reach = np.where(which >= 0, elements.ends[np.maximum(which, 0)], -1)
    return np.asarray((reach > cut.first) & (cut.first >= 0))
