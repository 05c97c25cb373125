import json

import numpy as np
import pytest
import torch

from hexamer.effects.classifier import CLASSIFIER
from hexamer.effects.score import ScoreSettings
from hexamer.effects.tuned import PairModel, TunedClassifier, TunedSettings, load_classifier
from hexamer.errors import SettingsError
from hexamer.genome import Variant
from hexamer.model import NucleotideTransformer, load_model, save_model
from hexamer.model.adapters import AdapterSettings, add_adapter
from hexamer.model.checkpoint import describe_origin
from hexamer.training.fitting import FitSettings


def make(encoder, kind):
    """A classifier whose trained weights are any."""
    torch.manual_seed(1)
    own = load_model(encoder.source, device="cpu")
    add_adapter(own, AdapterSettings(kind=kind))
    model = PairModel(own)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.2 * torch.randn_like(parameter)
    reading = ScoreSettings(scores=("llr",), window=240, phases=1, strands="forward")
    settings = TunedSettings(scores=reading, fit=FitSettings(adapter=AdapterSettings(kind=kind)))
    model.eval().requires_grad_(False)
    return TunedClassifier(settings, describe_origin(encoder), model, slope=1.5, intercept=-0.2, positives=0.25)


@pytest.mark.parametrize("kind", ["ia3", "lora", "full", "head"])
def test_saved_and_loaded(model, genome, kind, tmp_path):
    save_model(model, tmp_path / "m")
    encoder = load_model(tmp_path / "m", device="cpu")
    bases = genome.fetch("20", 0, 9000)
    places = range(60, 3000, 500)
    variants = [Variant("20", place + 1, bases[place], bases[place] + "ACG") for place in places]
    variants += [Variant("20", 3500, bases[3499], other) for other in "ACGT" if other != bases[3499]]
    variants += [Variant("20", 5, "N", "<DEL>")]
    made = make(encoder, kind)
    made.save(tmp_path / "c")
    again = load_classifier(tmp_path / "c", device="cpu")
    assert isinstance(again, TunedClassifier)
    columns = made.columns(encoder, genome, variants, {}, ScoreSettings())
    np.testing.assert_array_equal(again.columns(encoder, genome, variants, {}, ScoreSettings()), columns)
    assert np.isnan(columns[-1, 0])
    assert np.isfinite(columns[:-1]).all()
    np.testing.assert_array_equal(again.columns(encoder, genome, variants[7:8], {}, ScoreSettings()), columns[7:8])
    assert again.facts == made.facts
    assert again.weights == made.weights
    assert "where 25% of variants are positive" in again.definitions["probability"]
    again.check(encoder)
    with pytest.raises(SettingsError, match="was trained on"):
        again.check(NucleotideTransformer(model.config))


def test_what_is_damaged_is_refused(model, tmp_path):
    save_model(model, tmp_path / "m")
    made = make(load_model(tmp_path / "m", device="cpu"), "ia3")
    made.save(tmp_path / "c")
    (tmp_path / "c" / "head.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(SettingsError, match="no fine-tuned classifier"):
        load_classifier(tmp_path / "c", device="cpu")
    made.save(tmp_path / "c")
    facts = json.loads((tmp_path / "c" / CLASSIFIER).read_text())
    (tmp_path / "c" / CLASSIFIER).write_text(json.dumps(facts | {"slope": "steep"}))
    with pytest.raises(SettingsError, match="no fine-tuned classifier"):
        load_classifier(tmp_path / "c", device="cpu")
    (tmp_path / "c" / CLASSIFIER).write_text(json.dumps(facts | {"format": "else"}))
    with pytest.raises(SettingsError, match="no variant classifier"):
        load_classifier(tmp_path / "c", device="cpu")
    with pytest.raises(SettingsError, match="no variant classifier"):
        load_classifier(tmp_path)
