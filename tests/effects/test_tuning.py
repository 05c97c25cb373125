import numpy as np
import pytest
import torch

from hexamer.effects.score import ScoreSettings
from hexamer.effects.tuned import PairModel, TunedSettings
from hexamer.effects.tuning import tune_classifier
from hexamer.errors import SettingsError
from hexamer.genome import Variant
from hexamer.metrics import auroc
from hexamer.training.fitting import FitSettings


def settings(steps=60, **values):
    fit = FitSettings(steps=steps, rate=0.01, evaluate_every=20, **values)
    return TunedSettings(scores=ScoreSettings(scores=("llr",), window=240, phases=1, strands="forward"), fit=fit)


@pytest.fixture
def drawn(genome):
    """Insertions of one sequence are positive, of another negative."""
    bases = genome.fetch("20", 0, 9000)
    places = [place for place in range(30, 8900, 60) if "N" not in bases[place - 30 : place + 30]]
    rng = np.random.default_rng(0)
    labels = rng.random(len(places)) < 0.5
    alts = [bases[place] + 4 * ("AACCAC" if one else "GTTGGT") for place, one in zip(places, labels, strict=True)]
    variants = [Variant("20", place + 1, bases[place], alt) for place, alt in zip(places, alts, strict=True)]
    return variants, labels, ["20"] * len(places), np.array(places), np.arange(len(places)) * 4 // len(places)


def test_what_can_be_learnt_is_learnt(model, genome, drawn):
    seen = []
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = tune_classifier(model, genome, *drawn, settings=settings(steps=100), advance=seen.append)
    assert auroc(drawn[1], found.probabilities) > 0.75
    assert len(found.fits) == 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    trained, whole = found.classifier.weights
    assert trained == 2 * (16 + 16 + 32) + sum(p.numel() for p in PairModel(model).head.parameters())
    assert trained < whole
    assert sum(seen) > 0


def test_labels_of_a_fold_have_no_part_in_its_encoder(model, genome, drawn):
    variants, labels, chroms, starts, folds = drawn
    few = settings(steps=20)
    first = tune_classifier(model, genome, variants, labels, chroms, starts, folds, settings=few)
    turned = np.where(folds == 2, ~labels, labels)
    second = tune_classifier(model, genome, variants, turned, chroms, starts, folds, settings=few)
    here = folds == 2
    np.testing.assert_array_equal(first.probabilities[here], second.probabilities[here])
    assert not np.array_equal(first.probabilities[~here], second.probabilities[~here])


def test_killed_and_resumed_it_is_the_same(model, genome, drawn, tmp_path):
    class StopError(Exception):
        pass

    seen = []

    def stop(count):
        seen.append(count)
        if len(seen) == 70:  # in the second fold
            raise StopError

    few = settings(steps=40)
    wanted = tune_classifier(model, genome, *drawn, settings=few)
    with pytest.raises(StopError):
        tune_classifier(model, genome, *drawn, settings=few, folder=tmp_path, advance=stop)
    found = tune_classifier(model, genome, *drawn, settings=few, folder=tmp_path)
    np.testing.assert_array_equal(found.probabilities, wanted.probabilities)
    assert found.classifier.facts == wanted.classifier.facts
    with pytest.raises(SettingsError, match="a run of other examples or another model; another folder would work"):
        tune_classifier(model, genome, drawn[0], ~drawn[1], *drawn[2:], settings=few, folder=tmp_path)


def test_mistakes(model, genome, drawn):
    variants, labels, chroms, starts, folds = drawn
    with pytest.raises(SettingsError, match="lies in two folds"):
        tune_classifier(model, genome, variants, labels, chroms, np.zeros(len(labels)), folds, settings=settings())
    with pytest.raises(SettingsError, match="2 folds with variants"):
        tune_classifier(model, genome, variants, labels, chroms, starts, folds % 2, settings=settings())
