"""How well an encoder restores masked tokens of held-out sequence, beside models that need no network.

`evaluate_lm` masks the held-out windows of a corpus and compares, at the same tokens: the encoder, token frequencies,
and 5th-order Markov chains fitted on all genomes (pooled) and on the same species. All in nats per token, over all
tokens of a genome and by the class of element that most of a token's bases belong to; of classes with equally many
bases the one that comes first in `hexamer.genome.annotation.CLASSES`. Masked tokens at the ends of a window, which
have no neighbours for a chain to read (`baselines.has_neighbours`), are not asked for, not of the encoder either.
Source: reconstruction accuracy and perplexity in Dalla-Torre et al. (2025), spec section 5.3.
Not here: the records of single tokens (`reconstruction`), the baselines (`baselines`), SNPs (`snps`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from hexamer.errors import SettingsError
from hexamer.genome import Annotation
from hexamer.model import NucleotideTransformer
from hexamer.tokens import Corpus, Span
from hexamer.tokens.alphabet import Codes
from hexamer.tokens.tokenizer import Ids
from hexamer.training.baselines import Baselines, fit_baselines, has_neighbours
from hexamer.training.reconstruction import MaskingKind, check_kind, mask_windows, restore_tokens

ALL = "all"
"""Genome, region or element of the rows that hold all of them."""
BASELINES = (
    "token_frequency",
    "token_frequency_species",
    "markov_pooled",
    "markov_species",
    "markov_pooled_two_sided",
    "markov_species_two_sided",
)
"""Columns of the baselines."""
_RESAMPLES = 1000

Files = str | Path | Sequence[str | Path]


def evaluate_lm(
    model: NucleotideTransformer,
    corpus: Corpus,
    *,
    windows: int = 100,
    tokens: int = 1000,
    seed: int = 0,
    baselines: bool = True,
    masking: MaskingKind = "random",
    annotations: Mapping[str, Files] | None = None,
    expect: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Restore masked tokens of the held-out regions.

    Parameters
    ----------
    model : NucleotideTransformer
    corpus : Corpus
        Its held-out regions are read, its other regions fit the baselines.
    windows : int
        At most so many windows per genome, spread evenly, without N.
    tokens : int
        L, `<cls>` included.
    seed : int
        Of the masks, and of the resampling.
    baselines : bool
        Fit and score the baselines too.
    masking : {"random", "central"}
        As in training, or the middle token of each window alone.
    annotations : mapping of str to path or paths, optional
        GTF or GFF3 files of some of the genomes, for rows by class of element.
    expect : callable, optional
        Told the number of windows of all genomes beforehand.
    advance : callable, optional
        Told the number of windows after each batch.

    Returns
    -------
    DataFrame
        One row per genome that has held-out regions (NaN where they hold no window), followed by those of its regions,
        where it has several, and of its classes; last, one row for all genomes together, where there are several:
        `genome`, `region` ("all" or as `chr20:1-600`), `element` ("all" or a class), `windows`, `tokens` (masked
        ones), `loss` (nats per token) with its 95 %
        interval `loss_low`, `loss_high` (bootstrap over windows), `perplexity`, `accuracy`, the medians over windows
        `window_accuracy` and `window_perplexity`, `base_accuracy` and `base_loss` (nats per base), and with baselines
        `token_frequency`, `token_frequency_species`, `markov_pooled`, `markov_species` (given the five bases before),
        `markov_pooled_two_sided`, `markov_species_two_sided` (given five on each side), all in nats per token; NaN
        for a species without training sequence.

    Raises
    ------
    SettingsError
        If nothing is held out, `tokens` is more than the model reads or too few for the baselines, there is no such
        masking, or an annotation is of no genome of the corpus.
    AnnotationError
        If an annotation cannot be read or is of another assembly.
    """
    if windows < 1 or seed < 0:
        raise SettingsError(f"windows = {windows}, seed = {seed}; windows from 1 and a seed from 0 would work")
    if tokens > model.config.max_tokens:
        raise SettingsError(f"tokens = {tokens}; {model.config.max_tokens} or fewer (what the model reads) would work")
    has_neighbours(tokens, model.tokenizer.k)
    check_kind(masking)
    held_out = [g for g in corpus.genomes if corpus.spans(g, held_out=True)]
    if not held_out:
        raise SettingsError(f"{corpus.folder}: no genome has a held-out region; set hold_out in the recipe")
    known = _open_annotations(corpus, annotations or {}, held_out)
    tiles_of = {
        genome: list(corpus.held_out_windows(model.tokenizer, genome, windows=windows, tokens=tokens))
        for genome in held_out
    }
    if expect is not None:
        expect(sum(map(len, tiles_of.values())))
    fitted = fit_baselines(model.tokenizer, corpus) if baselines else {}
    rows: list[dict[str, float | int | str]] = []
    tables: list[pd.DataFrame] = []
    for genome, tiles in tiles_of.items():
        opponents = {"pooled": fitted[""], "species": fitted[genome]} if fitted else {}
        pairs = [(corpus.read(span), ids) for span, ids in tiles]
        table = _restore_windows(model, pairs, opponents, masking, seed, advance) if pairs else pd.DataFrame()
        if table.empty:  # too short, N everywhere, or by chance no token masked: the row says so
            nothing = {"windows": 0, "tokens": 0, "loss": float("nan")}
            rows.append({"genome": genome, "region": ALL, "element": ALL, **nothing})
            continue
        spans = [span for span, _ in tiles]
        groups = {(ALL, ALL): table}
        region = _regions(corpus, genome, spans)[table["window"].to_numpy()]
        if len(names := list(dict.fromkeys(region.tolist()))) > 1:
            groups |= {(name, ALL): table[region == name] for name in names}
        if genome in known:
            element = _elements(known[genome], spans, table, model.tokenizer.k)
            groups |= {(ALL, name): table[element == name] for name in known[genome].classes}
        rows += [
            {"genome": genome, "region": region, "element": element, **_summarise(group, seed)}
            for (region, element), group in groups.items()
            if len(group)
        ]
        tables.append(table.assign(window=table["window"] + sum(t["window"].nunique() for t in tables)))
    if len(tables) > 1:
        rows.append({"genome": ALL, "region": ALL, "element": ALL, **_summarise(pd.concat(tables), seed)})
    return pd.DataFrame(rows)


def _regions(corpus: Corpus, genome: str, spans: Sequence[Span]) -> npt.NDArray[np.str_]:
    """Held-out region of each window, as a region string that counts from 1, [W]."""
    regions = corpus.spans(genome, held_out=True)
    first = np.searchsorted([region.offset for region in regions], [span.offset for span in spans], side="right") - 1
    names = np.array([f"{region.chrom}:{region.start + 1}-{region.end}" for region in regions])
    return names[first]


def _open_annotations(corpus: Corpus, files: Mapping[str, Files], held_out: Sequence[str]) -> dict[str, Annotation]:
    """Annotations on the contigs of the corpus."""
    if unknown := [name for name in files if name not in held_out]:
        raise SettingsError(
            f"annotation of {unknown[0]!r}, which is no genome of {corpus.folder} with a held-out region; "
            f"{', '.join(held_out)} would work"
        )
    contigs = {e["name"]: {c["chrom"]: int(c["length"]) for c in e["contigs"]} for e in corpus.entries}
    return {name: Annotation(paths, contigs[name]) for name, paths in files.items()}


def _restore_windows(
    model: NucleotideTransformer,
    windows: Sequence[tuple[Codes, Ids]],
    opponents: Mapping[str, Baselines],
    masking: MaskingKind,
    seed: int,
    advance: Callable[[int], None] | None,
) -> pd.DataFrame:
    """One row per masked token: what the encoder made of it, and what the baselines did."""
    ids = np.stack([row for _, row in windows])
    corrupted, selected = mask_windows(model.tokenizer, ids, kind=masking, seed=seed)
    selected &= has_neighbours(ids.shape[1], model.tokenizer.k)
    found = restore_tokens(model, ids, corrupted=corrupted, selected=selected, advance=advance)
    table = pd.DataFrame(found._asdict())
    for suffix, opponent in opponents.items():
        scores = [
            opponent.score(codes, row, chosen, suffix=suffix)
            for (codes, row), chosen in zip(windows, selected, strict=True)
        ]
        table = table.assign(**{name: np.concatenate([score[name] for score in scores]) for name in scores[0]})
    return table


def _elements(annotation: Annotation, spans: Sequence[Span], table: pd.DataFrame, k: int) -> npt.NDArray[np.str_]:
    """Class of each restored token, that of most of its bases, [M]."""
    labels = np.stack([annotation.label(span.chrom, span.start, span.end) for span in spans])
    # Windows hold no N: token i covers bases 6(i - 1) to 6i.
    own = labels.reshape(len(spans), -1, k)[table["window"].to_numpy(), table["place"].to_numpy() - 1]
    counts = (own[:, :, None] == np.arange(len(annotation.classes))).sum(axis=1)
    return np.array(annotation.classes)[counts.argmax(axis=1)]  # argmax takes the first of equals


def _summarise(table: pd.DataFrame, seed: int) -> dict[str, float | int]:
    """One row of means over tokens, and of medians over windows."""
    by_window = table.groupby("window")
    counts = np.asarray(by_window.size(), dtype=np.int64)
    low, high = bootstrap_mean(by_window["loss"].sum().to_numpy(), counts, seed=seed)
    loss = float(table["loss"].mean())
    summary: dict[str, float | int] = {
        "windows": by_window.ngroups,
        "tokens": len(table),
        "loss": loss,
        "loss_low": low,
        "loss_high": high,
        "perplexity": float(np.exp(loss)),
        "accuracy": float(table["correct"].mean()),
        "window_accuracy": float(by_window["correct"].mean().median()),
        "window_perplexity": float(np.exp(by_window["loss"].mean().median())),
        "base_accuracy": float(table["base_accuracy"].mean()),
        "base_loss": float(table["base_loss"].mean()),
    }
    # A baseline that is missing at some tokens is missing: a mean over others could not be compared.
    return summary | {name: float(table[name].mean(skipna=False)) for name in BASELINES if name in table}


def bootstrap_mean(
    sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], *, seed: int, share: float = 0.95
) -> tuple[float, float]:
    """Interval of a mean over values that come in groups, from groups drawn with replacement.

    Parameters
    ----------
    sums : float64 array [G]
        Sum of each group's values.
    counts : int64 array [G]
        Number of each group's values.
    seed : int
    share : float
        Probability that the interval covers.

    Returns
    -------
    low, high : float
        Percentiles of 1,000 draws; NaN of a single group, which says nothing about its spread.

    Examples
    --------
    >>> bootstrap_mean(np.array([2.0, 2.0]), np.array([1, 1]), seed=0)
    (2.0, 2.0)
    """
    if len(sums) < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_RESAMPLES)
    low, high = np.quantile(draws @ sums / (draws @ counts), [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
