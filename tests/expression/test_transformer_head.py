from dataclasses import replace

import numpy as np
import pytest
import torch

from hexamer.errors import SettingsError
from hexamer.expression.transformer_head import (
    GeneExamples,
    HeadSettings,
    TransformerHead,
    expression_loss,
    fit_transformer_head,
)
from hexamer.training.fitting import FitSettings

FIT = FitSettings(steps=60, rate=3e-3, batch=32, evaluate_every=10, patience=6)
SMALL = HeadSettings(width=16, blocks=1, heads=2, ffn=16, dropout=0.0, fit=FIT)


def gene(seed=0, people=150, noise=0.1):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(10, 3, 6)).astype(np.float32) * 1e-3
    rows = rng.integers(0, 10, (people, 2))
    values = vectors[:, 1, 2][rows].sum(axis=1) * 1e3
    return GeneExamples(vectors, rows, (values + noise * rng.normal(size=people)) / values.std())


def masks(people=150):
    place = np.arange(people) % 3
    return place == 0, place == 1, place == 2


def test_what_is_in_the_rows_is_found():
    learn, choose, test = masks()
    one = gene()
    fitted = fit_transformer_head([one], learn, choose, SMALL)
    assert np.corrcoef(fitted.predict(one.vectors, one.rows[test]), one.values[test])[0, 1] > 0.8
    assert fitted.fitted.best_step > 0


def test_whose_haplotype_is_which_does_not_matter():
    learn, choose, _ = masks()
    one = gene()
    fitted = fit_transformer_head([one], learn, choose, SMALL)
    said = fitted.predict(one.vectors, one.rows)
    np.testing.assert_allclose(said, fitted.predict(one.vectors, one.rows[:, ::-1]), atol=1e-6)
    np.testing.assert_allclose(said[:7], fitted.predict(one.vectors, one.rows[:7]), atol=1e-5)


def test_the_same_seed_gives_the_same_head_and_another_does_not():
    learn, choose, _ = masks()
    one = gene()
    state = torch.get_rng_state()
    settings = [SMALL, SMALL, replace(SMALL, fit=replace(FIT, seed=1))]
    said = [fit_transformer_head([one], learn, choose, each).predict(one.vectors, one.rows) for each in settings]
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(said[0], said[1])
    assert np.abs(said[0] - said[2]).max() > 1e-4


def test_one_head_of_several_genes():
    learn, choose, test = masks()
    genes = [gene(0), gene(1)]
    for each in genes:  # the same component matters in both
        each.vectors[:, 0] = 0
    pooled = fit_transformer_head(genes, learn, choose, replace(SMALL, fit=replace(FIT, steps=150)))
    for each in genes:
        assert np.corrcoef(pooled.predict(each.vectors, each.rows[test]), each.values[test])[0, 1] > 0.6


def test_who_is_tested_teaches_nothing():
    learn, choose, test = masks()
    one = gene()
    values = one.values.copy()
    values[test] = 99.0
    first, second = (
        fit_transformer_head([each], learn, choose, SMALL).predict(one.vectors, one.rows)
        for each in (one, one._replace(values=values))
    )
    np.testing.assert_array_equal(first, second)


def test_rows_that_are_not_real_are_not_read():
    torch.manual_seed(0)
    head = TransformerHead(6, SMALL).eval()
    rows = torch.randn(2, 5, 6)
    real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    with torch.inference_mode():
        told = head(rows, real)
        rows[1, 2:] = 99.0
        np.testing.assert_allclose(told, head(rows, real), atol=1e-6)
        np.testing.assert_allclose(told[1:], head(rows[1:, :2], real[1:, :2]), atol=1e-6)


def test_the_loss_of_three_people_by_hand():
    """Errors 0.5, 2, 0: smooth L1 0.125, 1.5, 0. Differences of pairs err by 1.5, 0.5, 2: 1, 0.125, 1.5."""
    predicted, values = torch.tensor([0.5, 3.0, 1.0]), torch.tensor([0.0, 1.0, 1.0])
    own, pairs = (0.125 + 1.5 + 0) / 3, (1.0 + 0.125 + 1.5) / 3
    assert expression_loss(predicted, values, 0.0).item() == pytest.approx(own)
    assert expression_loss(predicted, values, 0.3).item() == pytest.approx(0.7 * own + 0.3 * pairs)
    assert expression_loss(predicted[:1], values[:1], 0.3).item() == pytest.approx(0.125)


def test_settings_that_cannot_be():
    with pytest.raises(SettingsError, match="width divisible by heads"):
        HeadSettings(width=10)
    with pytest.raises(SettingsError, match="pairwise from 0 to 1"):
        HeadSettings(pairwise=2)


def test_the_sizes_that_the_docs_name():
    head = TransformerHead(192, HeadSettings())
    assert (head.enter.in_features, head.enter.out_features, len(head.blocks.layers)) == (192, 128, 2)
    first = head.blocks.layers[0]
    assert (first.self_attn.num_heads, first.linear1.out_features, first.norm_first) == (4, 512, True)
