"""How well an encoder restores masked tokens of held-out sequence, beside models that need no network.

`evaluate_lm` masks the held-out windows of a corpus as in training and compares, at the same tokens: the encoder, token
frequencies, and 5th-order Markov chains fitted on all genomes (pooled) and on the same species. All in nats per token.
Source: reconstruction accuracy and perplexity in Dalla-Torre et al. (2025).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from hexamer.errors import SettingsError
from hexamer.model import NucleotideTransformer
from hexamer.tokens import Corpus, Tokenizer, mask_tokens
from hexamer.tokens.alphabet import Codes
from hexamer.training.baselines import Counts, MarkovModel, count_kmers, token_log_frequencies
from hexamer.training.objective import masked_loss

ORDER = 5


def evaluate_lm(
    model: NucleotideTransformer,
    corpus: Corpus,
    *,
    windows: int = 100,
    tokens: int = 1000,
    seed: int = 0,
    baselines: bool = True,
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
        Of the masks.
    baselines : bool
        Fit and score the baselines too.

    Returns
    -------
    DataFrame
        One row per genome that has held-out regions (NaN where they hold no window): `genome`, `windows`, `tokens`
        (masked ones), `loss` (nats per
        token), `perplexity`, `accuracy`, and with baselines `token_frequency`, `markov_pooled`, `markov_species`
        (given the five bases before), `markov_pooled_two_sided`, `markov_species_two_sided` (given five on each
        side), and `token_frequency_species`, all in nats per token.

    Raises
    ------
    SettingsError
        If nothing is held out, or `tokens` is more than the model reads.
    """
    if windows < 1 or seed < 0:
        raise SettingsError(f"windows = {windows}, seed = {seed}; windows from 1 and a seed from 0 would work")
    if not 4 <= tokens <= model.config.max_tokens:
        raise SettingsError(f"tokens = {tokens}; 4 to {model.config.max_tokens} (what the model reads) would work")
    held_out = [g for g in corpus.genomes if corpus.spans(g, held_out=True)]
    if not held_out:
        raise SettingsError(f"{corpus.folder}: no genome has a held-out region; set hold_out in the recipe")
    known = _fit_baselines(model.tokenizer, corpus) if baselines else {}
    rows: list[dict[str, float | int | str]] = []
    for genome in held_out:
        tiles = [
            (corpus.read(s), ids)
            for s, ids in corpus.held_out_windows(model.tokenizer, genome, windows=windows, tokens=tokens)
        ]
        if not tiles:  # too short, or N everywhere: the row says so
            rows.append({"genome": genome, "windows": 0, "tokens": 0, "loss": float("nan")})
            continue
        ids = np.stack([tile[1] for tile in tiles])
        corrupted, selected = mask_tokens(model.tokenizer, ids, np.random.default_rng(seed))
        row: dict[str, float | int | str] = {"genome": genome, "windows": len(ids)}
        row |= _restore(model, ids, corrupted, selected)
        if known:
            pooled, own = known[""], known[genome]
            codes = [tile[0] for tile in tiles]
            row |= pooled.score(codes, ids, selected, "pooled") | own.score(codes, ids, selected, "species")
        rows.append(row)
    return pd.DataFrame(rows)


def _restore(
    model: NucleotideTransformer,
    ids: npt.NDArray[np.int32],
    corrupted: npt.NDArray[np.int32],
    selected: npt.NDArray[np.bool_],
) -> dict[str, float | int]:
    """Loss and accuracy of the encoder."""
    total, correct, count = 0.0, 0, 0
    training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(ids), 4):
            part = slice(start, start + 4)
            batch = [torch.as_tensor(a[part]).to(model.device) for a in (ids, corrupted, selected)]
            loss = masked_loss(model, batch[0], batch[1], batch[2])
            total, correct, count = total + float(loss.total), correct + int(loss.correct), count + loss.asked
    model.train(training)
    return {
        "tokens": count,
        "loss": total / count,
        "perplexity": float(np.exp(total / count)),
        "accuracy": correct / count,
    }


def _fit_baselines(tokenizer: Tokenizer, corpus: Corpus) -> dict[str, "_Baselines"]:
    """Baselines of each genome by its name, and of all together under the empty name."""
    tables = {
        genome: [count_kmers(corpus.training_codes(genome), k) for k in {tokenizer.k, ORDER + 1}]
        for genome in corpus.genomes
    }
    tables[""] = [np.sum(counts, axis=0) for counts in zip(*tables.values(), strict=True)]
    # With 6-mers the tokens and the words of a chain of order 5 are the same: counted once, used twice.
    return {
        genome: _Baselines(tokenizer, _of(counts, tokenizer.k), _of(counts, ORDER + 1))
        for genome, counts in tables.items()
    }


def _of(counts: list[Counts], k: int) -> Counts:
    """Pick the table of words of k bases."""
    return next(table for table in counts if len(table) == 4**k)


class _Baselines:
    """Token frequencies and a Markov chain, from counts of words in some training sequence."""

    def __init__(self, tokenizer: Tokenizer, kmers: Counts, words: Counts) -> None:
        self.tokenizer = tokenizer
        self.frequencies = token_log_frequencies(tokenizer, kmers)
        self.markov = MarkovModel(words)

    def score(
        self, windows: list[Codes], ids: npt.NDArray[np.int32], selected: npt.NDArray[np.bool_], suffix: str
    ) -> dict[str, float]:
        """Mean loss in nats per token at the selected tokens."""
        before, around, plain = [], [], []
        k = self.tokenizer.k
        for codes, row, chosen in zip(windows, ids, selected, strict=True):
            places = (np.flatnonzero(chosen) - 1) * k  # windows hold no N: token i covers bases 6(i - 1) to 6i
            plain.append(self.frequencies[row[chosen]])
            inner = (places >= ORDER) & (places + k + ORDER <= codes.size)
            one, both = self.markov.score_tokens(codes, places[inner], k)
            before.append(one)
            around.append(both)
        name = "token_frequency" if suffix == "pooled" else "token_frequency_species"
        return {
            name: -float(np.concatenate(plain).mean()),
            f"markov_{suffix}": -float(np.concatenate(before).mean()),
            f"markov_{suffix}_two_sided": -float(np.concatenate(around).mean()),
        }
