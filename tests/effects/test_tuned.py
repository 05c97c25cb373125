import numpy as np
import pytest
import torch

from hexamer.effects.score import ScoreSettings
from hexamer.effects.tuned import PairModel, TunedClassifier, TunedSettings, load_classifier, tune_classifier
from hexamer.errors import SettingsError
from hexamer.genome import Variant
from hexamer.metrics import auroc
from hexamer.model import NucleotideTransformer, load_model, save_model
from hexamer.model.adapters import AdapterSettings
from hexamer.training.fitting import FitSettings


def settings(kind="ia3", steps=60, **values):
    fit = FitSettings(adapter=AdapterSettings(kind=kind), steps=steps, rate=0.01, evaluate_every=20, **values)
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
    np.testing.assert_array_equal(np.argsort(first.probabilities[here]), np.argsort(second.probabilities[here]))


@pytest.mark.parametrize("kind", ["ia3", "lora", "full", "none"])
def test_saved_and_loaded(model, genome, drawn, kind, tmp_path):
    save_model(model, tmp_path / "m")
    encoder = load_model(tmp_path / "m", device="cpu")
    variants = [*drawn[0], Variant("20", 5, "N", "<DEL>")]
    found = tune_classifier(encoder, genome, *drawn, settings=settings(kind, steps=5))
    found.classifier.save(tmp_path / "c")
    again = load_classifier(tmp_path / "c", device="cpu")
    assert isinstance(again, TunedClassifier)
    columns = found.classifier.columns(encoder, genome, variants, {}, ScoreSettings())
    np.testing.assert_array_equal(again.columns(encoder, genome, variants, {}, ScoreSettings()), columns)
    assert np.isnan(columns[-1, 0])
    assert np.isfinite(columns[:-1]).all()
    np.testing.assert_array_equal(again.columns(encoder, genome, variants[7:8], {}, ScoreSettings()), columns[7:8])
    assert again.facts == found.classifier.facts
    assert again.weights == found.classifier.weights
    again.check(encoder)
    with pytest.raises(SettingsError, match="was trained on"):
        again.check(NucleotideTransformer(model.config))
    (tmp_path / "c" / "head.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(SettingsError, match="no fine-tuned classifier"):
        load_classifier(tmp_path / "c")


def test_mistakes(model, genome, drawn, tmp_path):
    variants, labels, chroms, starts, folds = drawn
    with pytest.raises(SettingsError, match="lies in two folds"):
        tune_classifier(model, genome, variants, labels, chroms, np.zeros(len(labels)), folds, settings=settings())
    with pytest.raises(SettingsError, match="2 folds with variants"):
        tune_classifier(model, genome, variants, labels, chroms, starts, folds % 2, settings=settings())
    with pytest.raises(SettingsError, match="no variant classifier"):
        load_classifier(tmp_path)
