import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from hexamer.errors import AnnotationError, SettingsError
from hexamer.tokens import MASK_ID, GenomeSource, build_corpus, mask_tokens
from hexamer.training import evaluate, evaluate_lm
from hexamer.training.baselines import Baselines
from hexamer.training.evaluate import BASELINES, bootstrap_mean
from hexamer.training.objective import masked_loss
from hexamer.training.reconstruction import mask_windows


def test_loss_is_that_of_the_masked_held_out_windows(model, species, tmp_path):
    corpus = build_corpus([GenomeSource(fasta=str(species), hold_out=("held",))], tmp_path)
    row = evaluate_lm(model, corpus, windows=5, tokens=40, seed=1).iloc[0]
    ids = np.stack([ids for _, ids in corpus.held_out_windows(model.tokenizer, "pattern", windows=5, tokens=40)])
    corrupted, _ = mask_tokens(model.tokenizer, ids, np.random.default_rng(1))
    selected = corrupted == MASK_ID
    selected[:, [1, -1]] = False  # without neighbours for the Markov chains
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


@pytest.fixture
def corpus(species, tmp_path):
    return build_corpus([GenomeSource(fasta=str(species), hold_out=("held",))], tmp_path / "corpus")


@pytest.fixture
def annotation(tmp_path):
    """Bases 90 to 300 of the held-out contig are an exon, whose last 33 are coding: bases 267 to 300."""
    path = tmp_path / "genes.gtf"
    rows = [("exon", 91, 300), ("CDS", 268, 300)]
    ids = 'gene_id "g"; transcript_id "t";'
    path.write_text("".join(f"held\tx\t{kind}\t{a}\t{b}\t.\t-\t.\t{ids}\n" for kind, a, b in rows))
    return path


def test_elements_share_the_tokens_out(model, corpus, annotation):
    table = evaluate_lm(model, corpus, windows=50, tokens=40, seed=4, annotations={"pattern": annotation})
    whole, parts = table.iloc[0], table.iloc[1:]
    assert whole["element"] == "all"
    assert parts["element"].tolist() == ["cds", "three_prime_utr", "promoter", "intergenic"]
    assert parts["tokens"].sum() == whole["tokens"]
    for column in ("loss", "accuracy", "base_accuracy", "base_loss", "token_frequency"):
        assert (parts[column] * parts["tokens"]).sum() / whole["tokens"] == pytest.approx(whole[column])
    alone = evaluate_lm(model, corpus, windows=50, tokens=40, seed=4)
    assert alone.iloc[0].to_dict() == whole.to_dict(), "an annotation changes nothing else"


def test_a_token_belongs_to_the_class_of_most_of_its_bases(model, corpus, annotation):
    """The middle token of 91 covers bases 264 to 270, half UTR and half CDS: a tie, and CDS wins."""
    for tokens, element in ((91, "cds"), (89, "three_prime_utr")):  # bases 264-270 and 258-264 of the first window
        row = evaluate_lm(
            model, corpus, windows=1, tokens=tokens, masking="central", annotations={"pattern": annotation}
        )
        assert row["element"].tolist() == ["all", element]
        assert row["tokens"].tolist() == [1, 1]


def test_central_masking_asks_for_one_token_a_window(model, corpus):
    row = evaluate_lm(model, corpus, windows=7, tokens=40, masking="central").iloc[0]
    assert (row["windows"], row["tokens"]) == (7, 7)
    assert row["window_perplexity"] != row["perplexity"]
    with pytest.raises(SettingsError, match="masking 'whole': random or central would work"):
        evaluate_lm(model, corpus, tokens=40, masking="whole")  # type: ignore[arg-type]


def test_counts_are_kept_beside_the_corpus_while_it_is_the_same(model, corpus, species, tmp_path):
    kept = corpus.folder / "counts-6.npz"
    first = evaluate_lm(model, corpus, windows=2, tokens=40)
    content = kept.read_bytes()
    evaluate_lm(model, corpus, windows=2, tokens=40)
    assert kept.read_bytes() == content
    kept.write_bytes(content[: len(content) // 2])  # a damaged one is made again
    assert evaluate_lm(model, corpus, windows=2, tokens=40).equals(first)
    assert kept.read_bytes() == content
    other = build_corpus([GenomeSource(fasta=str(species), hold_out=("train",))], corpus.folder, replace=True)
    evaluate_lm(model, other, windows=2, tokens=40)
    assert kept.read_bytes() != content


def test_bootstrap_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(5, 2, (400, 10))
    low, high = bootstrap_mean(values.sum(axis=1), np.full(400, 10), seed=0)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / np.sqrt(4000), rel=0.2)
    assert np.isnan(bootstrap_mean(np.array([3.0]), np.array([1]), seed=0)).all()


def test_mistakes(model, species, tmp_path):
    corpus = build_corpus([GenomeSource(fasta=str(species))], tmp_path)
    with pytest.raises(SettingsError, match="no genome has a held-out region"):
        evaluate_lm(model, corpus, tokens=40)
    with pytest.raises(SettingsError, match="tokens = 500; 100 or fewer"):
        evaluate_lm(model, corpus, tokens=500)
    with pytest.raises(SettingsError, match="tokens = 3; 4 or more"):
        evaluate_lm(model, corpus, tokens=3)


def test_annotations_of_another_genome(model, corpus, annotation):
    with pytest.raises(SettingsError, match=r"annotation of 'yeast', which is no genome of .*; pattern would work"):
        evaluate_lm(model, corpus, tokens=40, annotations={"yeast": annotation})
    annotation.write_text(annotation.read_text().replace("held", "chr9"))
    with pytest.raises(AnnotationError, match="contigs chr9 are none of the genome's, train, held"):
        evaluate_lm(model, corpus, tokens=40, annotations={"pattern": annotation})


def test_regions_share_the_tokens_of_a_genome_out_and_genomes_those_of_all(model, species, tmp_path):
    regions = ("held:1-1,200", "held:5,001-9,000", "train:1-600")
    sources = [
        GenomeSource(fasta=str(species), name="one", hold_out=regions),
        GenomeSource(fasta=str(species), name="two", hold_out=("held",)),
    ]
    table = evaluate_lm(model, build_corpus(sources, tmp_path / "corpus"), windows=50, tokens=40, baselines=False)
    assert table["genome"].tolist() == ["one"] * 4 + ["two", "all"]
    assert table["region"].tolist() == ["all", "train:1-600", "held:1-1200", "held:5001-9000", "all", "all"]
    parts, whole = table.iloc[1:4], table.iloc[0]
    assert (parts["windows"].sum(), parts["tokens"].sum()) == (whole["windows"], whole["tokens"])
    assert (parts["loss"] * parts["tokens"]).sum() / whole["tokens"] == pytest.approx(whole["loss"])
    both, together = table.iloc[[0, 4]], table.iloc[5]
    assert together["windows"] == both["windows"].sum()
    assert (both["loss"] * both["tokens"]).sum() / together["tokens"] == pytest.approx(together["loss"])


def test_a_species_without_training_sequence_has_no_baseline_of_its_own(model, species, tmp_path):
    sources = [
        GenomeSource(fasta=str(species), name="trained", hold_out=("held",)),
        GenomeSource(fasta=str(species), name="unseen", hold_out=("all",)),
    ]
    table = evaluate_lm(model, build_corpus(sources, tmp_path / "corpus"), windows=3, tokens=40).set_index("genome")
    table = table[table["region"] == "all"]
    own = [name for name in BASELINES if "species" in name]
    pooled = [name for name in BASELINES if "species" not in name]
    assert table.loc["trained", own].notna().all()
    assert table.loc["unseen", own].isna().all()
    assert table.loc["all", own].isna().all(), "a mean over the other genome's tokens could not be compared"
    assert table[pooled].notna().all(axis=None)
    nothing = build_corpus([replace(sources[1], name="alone")], tmp_path / "alone")
    assert evaluate_lm(model, nothing, windows=3, tokens=40)[list(BASELINES)].isna().all(axis=None)


@pytest.mark.parametrize("masking", ["random", "central"])
def test_losses_and_perplexities_of_windows_by_hand(model, corpus, masking):
    """Each window by itself, each probability looked up: nothing shared with the code under test but the masks."""
    row = evaluate_lm(model, corpus, windows=4, tokens=40, seed=2, masking=masking).iloc[0]
    windows = [ids for _, ids in corpus.held_out_windows(model.tokenizer, "pattern", windows=4, tokens=40)]
    corrupted, selected = mask_windows(model.tokenizer, np.stack(windows), kind=masking, seed=2)
    means, losses = [], []
    for ids, read, asked in zip(windows, corrupted, selected, strict=True):
        with torch.inference_mode():
            shares = torch.exp(model(torch.as_tensor(read)[None]).logits[0].double())
        own = [
            -math.log(float(shares[place, ids[place]] / shares[place].sum()))
            for place in range(2, 39)  # neither <cls>, nor the first and the last 6-mer
            if asked[place]
        ]
        losses += own
        means.append(sum(own) / len(own))
    assert row["tokens"] == len(losses)
    assert row["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert row["perplexity"] == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-4)
    second, third = sorted(means)[1:3]
    assert row["window_perplexity"] == pytest.approx(math.exp((second + third) / 2), rel=1e-4)


def test_encoder_and_baselines_are_asked_for_the_same_tokens(model, corpus, monkeypatch):
    asked: list[list[int]] = []
    score = Baselines.score
    monkeypatch.setattr(
        Baselines, "score", lambda self, *a, **k: asked.append(np.flatnonzero(a[2]).tolist()) or score(self, *a, **k)
    )
    tables: list[pd.DataFrame] = []
    monkeypatch.setattr(evaluate, "_summarise", lambda table, seed: tables.append(table) or {})
    evaluate_lm(model, corpus, windows=5, tokens=40)
    of_encoder = tables[0].groupby("window")["place"].agg(list).tolist()
    assert asked == of_encoder * 2, "pooled, and of the species"
    assert tables[0].notna().all(axis=None)


def test_windows_in_which_no_token_is_asked_for(model, species, tmp_path):
    """Of three 6-mers only the middle one has neighbours, and a seed may leave it alone."""
    corpus = build_corpus([GenomeSource(fasta=str(species), hold_out=("held:1-18",))], tmp_path / "corpus")
    rows = [evaluate_lm(model, corpus, windows=1, tokens=4, seed=seed).iloc[0] for seed in range(8)]
    assert {(row["windows"], row["tokens"]) for row in rows} == {(0, 0), (1, 1)}
    assert all(np.isnan(row["loss"]) == (row["tokens"] == 0) for row in rows)
