import numpy as np
import pytest
import torch

from hexamer.errors import SettingsError
from hexamer.tokens import GenomeSource, build_corpus, mask_tokens
from hexamer.training import evaluate_lm
from hexamer.training.objective import masked_loss


def test_loss_is_that_of_the_masked_held_out_windows(model, species, tmp_path):
    corpus = build_corpus([GenomeSource(fasta=str(species), hold_out=("held",))], tmp_path)
    row = evaluate_lm(model, corpus, windows=5, tokens=40, seed=1).iloc[0]
    ids = np.stack([ids for _, ids in corpus.held_out_windows(model.tokenizer, "pattern", windows=5, tokens=40)])
    corrupted, selected = mask_tokens(model.tokenizer, ids, np.random.default_rng(1))
    loss = masked_loss(model, *(torch.as_tensor(a) for a in (ids, corrupted, selected)))
    assert row["loss"] == pytest.approx(float(loss.total) / loss.asked, rel=1e-5)
    assert (row["windows"], row["tokens"]) == (5, selected.sum())
    assert row["perplexity"] == pytest.approx(np.exp(row["loss"]))


def test_baselines_know_the_pattern(model, species, tmp_path):
    """Words of six bases in phase: a Markov chain of order 5 knows far more than token frequencies of all phases."""
    corpus = build_corpus([GenomeSource(fasta=str(species), hold_out=("held",))], tmp_path)
    row = evaluate_lm(model, corpus, windows=5, tokens=40).iloc[0]
    assert row["markov_species"] < row["token_frequency"] < np.log(4096)
    assert row["markov_species_two_sided"] <= row["markov_species"] + 0.1
    assert row["markov_pooled"] == pytest.approx(row["markov_species"]), "one species is the pool"


def test_mistakes(model, species, tmp_path):
    corpus = build_corpus([GenomeSource(fasta=str(species))], tmp_path)
    with pytest.raises(SettingsError, match="no genome has a held-out region"):
        evaluate_lm(model, corpus, tokens=40)
    with pytest.raises(SettingsError, match="tokens = 500; 4 to 100"):
        evaluate_lm(model, corpus, tokens=500)
