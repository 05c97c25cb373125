import numpy as np
import pytest

from hexamer.effects.classifier import ClassifierSettings, VariantClassifier, fit_classifier, is_classifier
from hexamer.effects.features import Features
from hexamer.errors import SettingsError
from hexamer.model import NucleotideTransformer, load_model, save_model


def drawn(count=600, informative=1.5, seed=0):
    """Features of which the first score tells the label, the rest noise."""
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.4
    scores = rng.normal(size=(count, 4))
    scores[:, 0] += informative * labels
    values = {"scores": scores, "difference": rng.normal(size=(count, 6)), "reference": rng.normal(size=(count, 6))}
    places = np.arange(count) * 10
    return Features(values, [""] * count), labels, ["20"] * count, places, np.arange(count) * 5 // count


def auroc(labels, scores):
    ranks = np.argsort(np.argsort(scores)) + 1
    return (ranks[labels].sum() - labels.sum() * (labels.sum() + 1) / 2) / (labels.sum() * (~labels).sum())


def test_what_can_be_learnt_is_learnt_and_what_cannot_is_not(model):
    trained = fit_classifier(model, *drawn())
    assert auroc(drawn()[1], trained.probabilities) == pytest.approx(0.855, abs=0.03)  # of the one feature itself
    noise = fit_classifier(model, *drawn(informative=0))
    assert auroc(drawn(informative=0)[1], noise.probabilities) == pytest.approx(0.5, abs=0.07)


def test_a_label_has_no_part_in_its_own_probability(model):
    """Turning all labels of one fold around leaves that fold's regressions, calibration and ablation as they were."""
    features, labels, chroms, starts, folds = drawn()
    first = fit_classifier(model, features, labels, chroms, starts, folds)
    turned = np.where(folds == 2, ~labels, labels)
    second = fit_classifier(model, features, turned, chroms, starts, folds)
    here = folds == 2
    np.testing.assert_array_equal(first.probabilities[here], second.probabilities[here])
    for name, found in first.ablation.items():
        np.testing.assert_array_equal(found[here], second.ablation[name][here])
    assert not np.allclose(first.probabilities[~here], second.probabilities[~here])


def test_ablation_names_each_family_alone_and_left_out(model):
    features, labels, *rest = drawn()
    found = fit_classifier(model, features, labels, *rest).ablation
    assert set(found) == {f"{how} {name}" for how in ("only", "without") for name in features.values}
    assert auroc(labels, found["only scores"]) > 0.8 > 0.6 > auroc(labels, found["without scores"])
    one = fit_classifier(model, features, labels, *rest, settings=ClassifierSettings(features=("scores",)))
    assert one.ablation == {}


def test_variants_with_a_reason_are_left_out_and_stay_empty(model):
    features, labels, *rest = drawn()
    gaps = {name: values.copy() for name, values in features.values.items()}
    for values in gaps.values():
        values[::7] = np.nan
    reasons = ["symbolic" if i % 7 == 0 else "" for i in range(len(labels))]
    found = fit_classifier(model, Features(gaps, reasons), labels, *rest)
    assert np.isnan(found.probabilities).tolist() == [bool(reason) for reason in reasons]


def test_saved_and_loaded(model, genome, tmp_path):
    save_model(model, tmp_path / "m")
    encoder = load_model(tmp_path / "m")
    features, labels, *rest = drawn()
    classifier = fit_classifier(encoder, features, labels, *rest).classifier
    (tmp_path / "c").mkdir()
    classifier.save(tmp_path / "c")
    assert is_classifier(tmp_path / "c")
    assert not is_classifier(tmp_path / "m")
    again = VariantClassifier.load(tmp_path / "c")
    np.testing.assert_array_equal(again.predict(features), classifier.predict(features))
    assert f"where {labels.mean():.0%} of variants are positive" in again.definitions["probability"]
    alone = Features({name: values[7:8] for name, values in features.values.items()}, [""])
    assert again.predict(alone) == again.predict(features)[7]
    assert again.settings == classifier.settings
    again.check(encoder)
    with pytest.raises(SettingsError, match="was trained on"):
        again.check(NucleotideTransformer(model.config))
    (tmp_path / "c" / "classifier.json").write_text("{")
    with pytest.raises(SettingsError, match="no variant classifier"):
        VariantClassifier.load(tmp_path / "c")


def test_mistakes(model):
    features, labels, chroms, starts, folds = drawn(60)
    with pytest.raises(SettingsError, match="lies in two folds"):
        fit_classifier(model, features, labels, chroms, np.zeros(60), folds)
    with pytest.raises(SettingsError, match="2 folds with variants"):
        fit_classifier(model, features, labels, chroms, starts, folds % 2)
    with pytest.raises(SettingsError, match="one class only in fold 3"):
        fit_classifier(model, features, labels | (folds == 3), chroms, starts, folds)
    with pytest.raises(SettingsError, match="features size; scores, difference, reference"):
        ClassifierSettings(features=("size",))
