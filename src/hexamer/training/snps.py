"""SNP perplexity: how surprised an encoder is by the token that holds a SNP, by the SNP's frequency.

The token that holds the SNP is masked in the sequence of a carrier (`snp_windows`), and perplexity is exp(mean
-log p(true token)). Both alleles are asked for, each in somebody who carries it.
Source: Dalla-Torre et al. (2025), preprint v1 (spec section 5.3), there for HGDP genomes at 1, 5, 10 and 50 %.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hexamer.genome import Genome, Interval
from hexamer.model import NucleotideTransformer
from hexamer.tokens import MASK_ID
from hexamer.tokens.alphabet import Codes
from hexamer.training.baselines import Baselines
from hexamer.training.evaluate import bootstrap_mean
from hexamer.training.reconstruction import restore_tokens
from hexamer.training.snp_windows import FREQUENCIES, SnpWindows, draw_snp_windows


def snp_perplexity(
    model: NucleotideTransformer,
    genome: Genome,
    variants: str | Path,
    regions: Sequence[Interval],
    *,
    tokens: int = 1000,
    snps: int = 200,
    frequencies: Sequence[float] = FREQUENCIES,
    seed: int = 0,
    baselines: Baselines | None = None,
) -> pd.DataFrame:
    """Perplexity at the tokens that hold SNPs of a population.

    Parameters
    ----------
    model : NucleotideTransformer
    genome, variants, regions, tokens, snps, frequencies, seed
        As `draw_snp_windows`.
    baselines : Baselines, optional
        As `ask_snp_windows`.

    Returns
    -------
    DataFrame
        As `ask_snp_windows`.

    Raises
    ------
    VariantError, SettingsError
        As `draw_snp_windows`.
    """
    drawn = draw_snp_windows(
        model, genome, variants, regions, tokens=tokens, snps=snps, frequencies=frequencies, seed=seed
    )
    return ask_snp_windows(model, drawn, seed=seed, baselines=baselines)


def ask_snp_windows(
    model: NucleotideTransformer,
    drawn: Sequence[SnpWindows],
    *,
    seed: int = 0,
    baselines: Baselines | None = None,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Ask a model for the tokens that hold SNPs.

    Parameters
    ----------
    model : NucleotideTransformer
    drawn : sequence of SnpWindows
        As from `draw_snp_windows`.
    seed : int
        Of the resampling.
    baselines : Baselines, optional
        Scored at the same tokens, which then have their true neighbours.
    advance : callable, optional
        Told the number of windows after each batch, two for each SNP.

    Returns
    -------
    DataFrame
        Two rows for each frequency that has a SNP, over the same SNPs: those with a window for either allele.
        `frequency`, `allele` ("alternate", "reference"), `snps`, `mean_frequency`, `loss` (nats per token) with its
        95 % interval `loss_low`, `loss_high`, `perplexity`, and with baselines `token_frequency_species`,
        `markov_species`, `markov_species_two_sided`.
    """
    rows: list[dict[str, float | int | str]] = []
    for one in drawn:
        for name, codes in (("alternate", one.alternate), ("reference", one.reference)):
            row: dict[str, float | int | str] = {"frequency": one.frequency, "allele": name, "snps": len(codes)}
            rows.append({**row, "mean_frequency": one.met, **_ask(model, codes, baselines, seed, advance)})
    return pd.DataFrame(rows)


def _ask(
    model: NucleotideTransformer,
    windows: Sequence[Codes],
    baselines: Baselines | None,
    seed: int,
    advance: Callable[[int], None] | None,
) -> dict[str, float]:
    """Loss at the middle tokens."""
    head = model.tokenizer.encode([""])[0]
    ids = np.stack([np.concatenate([head, model.tokenizer.encode_codes(codes)]) for codes in windows])
    selected = np.zeros(ids.shape, dtype=bool)
    selected[:, ids.shape[1] // 2] = True
    corrupted = np.where(selected, MASK_ID, ids)
    losses = restore_tokens(model, ids, corrupted=corrupted, selected=selected, advance=advance).loss
    low, high = bootstrap_mean(losses, np.ones(len(losses), dtype=np.int64), seed=seed)
    row = {"loss": float(losses.mean()), "loss_low": low, "loss_high": high, "perplexity": float(np.exp(losses.mean()))}
    if baselines is not None:
        scores = [baselines.score(c, i, s, suffix="species") for c, i, s in zip(windows, ids, selected, strict=True)]
        row |= {name: float(np.concatenate([score[name] for score in scores]).mean()) for name in scores[0]}
    return row
