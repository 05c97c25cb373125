import math
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.interpretation.answers import ask_kmers, mask_turns
from hexamer.interpretation.attribution import _divide, attribute
from hexamer.interpretation.stretches import Stretch
from hexamer.model import ModelConfig, NucleotideTransformer, pack
from hexamer.tokens import MASK_ID
from hexamer.training import Predictor, make_target

SEQUENCE = "ACGTTACGGATTTACGTACGTCAGGCTAATCGGATCCAACTTGACGTAAGGCT" + "NACGTGCCA"


def encoder(layout, *, seed=3):
    torch.manual_seed(seed)
    model = NucleotideTransformer(ModelConfig(layers=2, width=16, heads=2, ffn=32, max_tokens=100, layout=layout))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 5
    return model.eval().requires_grad_(False)


def log_likelihood(model, sequence, offset=None):
    """The slow way: ids with masks, no vectors."""
    (ids,) = model.tokenizer.encode([sequence])
    total = 0.0
    for rows in mask_turns(model, ids, offset):
        masked = np.where(np.isin(np.arange(len(ids)), rows), MASK_ID, ids)
        logits = model(torch.as_tensor(masked)[None].long()).logits[0, rows]
        logs = logits[:, model.tokenizer.first_kmer : model.tokenizer.first_letter].log_softmax(-1)
        total += float(logs[np.arange(len(rows)), ids[rows] - model.tokenizer.first_kmer].sum())
    return total


@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize("baseline", ["mask", "mean"])
@pytest.mark.parametrize("offset", [None, 14])
def test_what_tokens_and_bases_add_is_the_difference_to_the_baseline(layout, baseline, offset):
    model = encoder(layout)
    found = attribute(model, SEQUENCE, baseline=baseline, offset=offset, steps=100)
    assert found.value == pytest.approx(log_likelihood(model, SEQUENCE, offset), abs=1e-3)
    assert abs(found.value - found.baseline) > 0.1
    assert abs(found.rest) < 0.01 * abs(found.value - found.baseline)
    assert found.bases.sum() == pytest.approx(found.tokens.sum(), abs=1e-9)
    np.testing.assert_allclose(found.bases[:48].reshape(-1, 6).sum(1), found.tokens[:8], atol=1e-9)
    assert found.bases[53] == 0  # N
    assert offset is None or found.tokens[2] == 0  # masked: nobody reads it


def test_of_v1_the_baseline_is_what_a_mask_gives():
    """All but one token replaced by zeros: the encoder's own dropout does the same to masks, but for the scale."""
    model = encoder("v1")
    (ids,) = model.tokenizer.encode([SEQUENCE[:48]])
    vectors = model.embed_tokens(torch.as_tensor(ids).long())
    vectors[1:] = 0
    packed = replace(pack([ids], model.device), ids=torch.as_tensor(np.where(np.arange(9) == 3, MASK_ID, ids)))
    told = ask_kmers(model, packed, vectors, torch.tensor([3]))[0, ids[3] - 4]
    assert attribute(model, SEQUENCE[:48], offset=14).baseline == pytest.approx(float(told), abs=1e-4)


def test_leaving_out_v1_s_scaling_breaks_the_sum(monkeypatch):
    """One of two tokens masked scales vectors by 0.88 / (1 - 1 / 3); without, the sum is off by a tenth and more."""
    model = encoder("v1")
    right = attribute(model, SEQUENCE[:12], offset=3, steps=100)

    def unscaled(packed, embeddings=None):
        x = model.embed_tokens(packed.ids) if embeddings is None else embeddings
        return x.masked_fill((packed.ids == MASK_ID)[:, None], 0.0) + model.embed_positions(packed.positions + 2)

    monkeypatch.setattr(model, "_embed", unscaled)
    wrong = attribute(model, SEQUENCE[:12], offset=3, steps=100)
    difference = right.value - right.baseline
    assert abs(right.tokens.sum() - difference) < 0.01 * abs(difference)
    assert abs(wrong.tokens.sum() - difference) > 0.1 * abs(difference)


def test_of_v1_a_baseline_of_masked_ids_is_no_number():
    """Why vectors are replaced, not ids: with all tokens masked the scale is 0.88 / 0."""
    ids = torch.full((1, 9), MASK_ID)
    assert not encoder("v1")(ids).logits.isfinite().any()


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_integrated_gradients_are_means_of_gradients_along_the_path(layout):
    """The slow way, for one token masked: gradients at 400 points in float64 of a model in float64."""
    model = encoder(layout)
    offset, steps = 20, 400
    (ids,) = model.tokenizer.encode([SEQUENCE[:48]])
    row = 1 + offset // 6
    table = model.embed_tokens.weight
    masked = torch.as_tensor(np.where(np.arange(len(ids)) == row, MASK_ID, ids)).long()
    vectors = table[torch.as_tensor(ids).long()]
    origin = vectors.clone()
    origin[1:] = 0 if layout == "v1" else table[MASK_ID]
    for x in (vectors, origin):
        x[row] = table[MASK_ID]
    total = torch.zeros_like(vectors)
    packed = pack([masked.numpy()], model.device)
    for i in range(steps):
        x = (origin + (i + 0.5) / steps * (vectors - origin)).requires_grad_()
        kmer = int(ids[row]) - model.tokenizer.first_kmer
        ask_kmers(model, packed, x, torch.tensor([row]))[0, kmer].backward()
        total += x.grad / steps
    found = attribute(model, SEQUENCE[:48], offset=offset, steps=100)
    told = ((vectors - origin) * total).sum(-1)[1:].numpy()
    np.testing.assert_allclose(found.tokens, told, atol=2e-3 * np.abs(told).max())


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_gradient_x_input_is_the_gradient_times_the_embedding(layout):
    model = encoder(layout)
    (ids,) = model.tokenizer.encode([SEQUENCE[:48]])
    masked = np.where(np.arange(len(ids)) == 4, MASK_ID, ids)
    x = model.embed_tokens(torch.as_tensor(masked).long()).requires_grad_()
    kmer = int(ids[4]) - model.tokenizer.first_kmer
    ask_kmers(model, pack([masked], model.device), x, torch.tensor([4]))[0, kmer].backward()
    told = (x.grad * x).sum(-1).detach().numpy()
    told[4] = 0
    found = attribute(model, SEQUENCE[:48], method="gradient_x_input", offset=20)
    np.testing.assert_allclose(found.tokens, told[1:], atol=1e-5)
    assert math.isnan(found.baseline)
    assert math.isnan(found.rest)


def test_a_token_is_divided_as_shapley_values_of_its_bases():
    """The slow way: every order in which bases become known, for a codon model."""
    torch.manual_seed(0)
    model = NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, k=3)).requires_grad_(False)
    (ids,) = model.tokenizer.encode(["GAT"])
    gradient = torch.randn(2, 8, dtype=torch.float64)
    said = (model.embed_tokens.weight[model.tokenizer.first_kmer :][:64].double() @ gradient[1]).numpy()
    words = [model.tokenizer.vocabulary[model.tokenizer.first_kmer + i] for i in range(64)]

    def worth(known):
        return np.mean([said[i] for i, word in enumerate(words) if all(word[j] == "GAT"[j] for j in known)])

    told = []
    for j in range(3):
        others = [i for i in range(3) if i != j]
        each = [(len(s), worth({*s, j}) - worth(s)) for n in range(3) for s in combinations(others, n)]
        told.append(sum(gain / 3 / math.comb(2, size) for size, gain in each))
    common = 0.6
    tokens = np.array([0.0, sum(told) + common])
    np.testing.assert_allclose(_divide(model, ids, tokens, gradient), np.array(told) + common / 3, atol=1e-12)


@pytest.mark.parametrize("kind", ["classes", "labels", "values", "bases"])
def test_outputs_of_a_fine_tuned_model(model, kind):
    torch.manual_seed(1)
    target = make_target(kind, ("x", "y", "z"))
    if kind == "values":
        target = target.fitted(np.array([[1.0, 2, 3], [4, 5, 9]]))
    predictor = Predictor(model, target)
    predictor.train()
    sequence = SEQUENCE[:48]
    offset = 20 if kind == "bases" else None
    found = attribute(predictor, sequence, target="z", offset=offset, steps=100)
    told = float(predictor.predict([sequence])[0][..., 2].reshape(-1)[offset or 0])
    assert found.value == pytest.approx(told if kind == "values" else math.log(told / (1 - told)), abs=1e-3)
    assert abs(found.rest) < 0.02 * abs(found.value - found.baseline) + 1e-3
    assert predictor.training
    assert all(parameter.grad is None for parameter in predictor.parameters())
    values = predictor.predict([sequence])[0]
    best = int((values[offset] if kind == "bases" else values).argmax()) if kind in ("classes", "bases") else 0
    default = attribute(predictor, sequence, offset=offset, steps=2).value
    assert default == attribute(predictor, sequence, target="xyz"[best], offset=offset, steps=2).value
    with pytest.raises(SettingsError, match="the model has x, y, z"):
        attribute(predictor, sequence, target="w", offset=offset)
    with pytest.raises(SettingsError, match="the model answers for"):
        attribute(predictor, sequence, offset=None if kind == "bases" else 4)


def test_a_stretch_and_its_letters_are_the_same(model):
    stretch = Stretch("a", "a", "-", SEQUENCE, np.arange(len(SEQUENCE))[::-1])
    first, second = (attribute(model, each, steps=3) for each in (stretch, SEQUENCE))
    np.testing.assert_array_equal(first.bases, second.bases)
    with torch.inference_mode():
        np.testing.assert_array_equal(attribute(model, SEQUENCE, steps=3).bases, first.bases)


MISTAKES = {
    "method": ({"method": "lime"}, "integrated_gradients or gradient_x_input would work"),
    "baseline": ({"baseline": "zero"}, "mask or mean would work"),
    "steps": ({"steps": 0}, "0 steps; 1 or more would work"),
    "target": ({"target": "x"}, "an encoder has no outputs"),
    "offset": ({"offset": 99}, "0 to 61 would work"),
    "an offset in no whole token": ({"offset": 53}, "is in no whole 6-mer"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_settings_that_cannot_be(model, case):
    options, part = MISTAKES[case]
    with pytest.raises(SettingsError, match=part):
        attribute(model, SEQUENCE, **options)


def test_sequences_that_cannot_be(model):
    with pytest.raises(SequenceError, match="100 tokens; 1 to 99"):
        attribute(model, "ACGTAC" * 100)
    with pytest.raises(SequenceError, match="no whole 6-mer"):
        attribute(model, "ACG")


def test_a_missing_package_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(InputError, match=r"package captum; pip install 'hexamer\[interpret\]'"):
        attribute(model, SEQUENCE)
