import numpy as np
import pytest
import torch

from hexamer.errors import SequenceError, SettingsError
from hexamer.genome import Interval
from hexamer.interpretation.attention_maps import attention_map, choose_heads, tokenise_stretch
from hexamer.interpretation.stretches import Stretch, read_stretch
from hexamer.model import pack


def test_maps_are_the_model_s_and_rows_add_up(model, genome):
    stretch = read_stretch(genome, Interval("20", 600, 900))
    ids, _ = tokenise_stretch(model, stretch)
    every = [(layer, head) for layer in (1, 2) for head in (0, 1)]
    out = model(torch.as_tensor(ids)[None].long(), attentions=every)
    found = list(attention_map(model, stretch))
    assert [(each.layer, each.head) for each in found] == every
    for each in found:
        whole = out.attentions[each.layer, each.head][0].numpy()
        np.testing.assert_allclose(each.weights, whole[1:, 1:], atol=1e-6)
        np.testing.assert_allclose(each.weights.sum(axis=1) + each.to_cls, 1, atol=1e-5)


def test_memory_changes_nothing_but_the_number_of_passes(model, genome, monkeypatch):
    stretch = read_stretch(genome, Interval("20", 600, 900))
    passes = []
    encode = type(model).encode
    monkeypatch.setattr(
        type(model), "encode", lambda self, *a, **b: passes.append(len(b["attentions"])) or encode(self, *a, **b)
    )
    whole = list(attention_map(model, stretch))
    one = list(attention_map(model, stretch, memory=1))
    assert passes == [4, 1, 1, 1, 1]
    for a, b in zip(whole, one, strict=True):
        np.testing.assert_allclose(a.weights, b.weights, atol=1e-6)


def test_the_fast_path_gives_the_same_states_with_and_without_maps(model, genome):
    stretch = read_stretch(genome, Interval("20", 600, 900))
    ids, _ = tokenise_stretch(model, stretch)
    packed = pack([ids], model.device)
    with torch.inference_mode():
        fast = model.encode(packed, layers=(1, 2)).hidden
        slow = model.encode(packed, layers=(1, 2), attentions=[(1, 0), (2, 1)]).hidden
    for layer in (1, 2):
        torch.testing.assert_close(fast[layer], slow[layer], rtol=0, atol=1e-5)


def test_tokens_have_places_on_the_contig(model):
    places = np.array([10, 11, 12, -1, -1, 13, 14, 15, 16, 17, 18, 19, -1, -1, -1, -1, -1, -1])
    _, tokens = tokenise_stretch(model, Stretch("s", "1", "+", "ACGTAC" * 3, places))
    assert tokens.starts.tolist() == [0, 6, 12]
    assert tokens.first.tolist() == [10, 14, -1]
    assert tokens.last.tolist() == [13, 19, -1]


def test_what_cannot_be_mapped(model):
    with pytest.raises(SequenceError, match="100 tokens; 1 to 99"):
        tokenise_stretch(model, Stretch("s", "1", "+", "ACGTAC" * 100, np.arange(600)))
    with pytest.raises(SequenceError, match="0 tokens"):
        tokenise_stretch(model, Stretch("s", "1", "+", "", np.arange(0)))
    for layers, heads in (([0], []), ([3], []), ([1], [2])):
        with pytest.raises(SettingsError, match="would work"):
            choose_heads(model, layers, heads)
    assert choose_heads(model, [-1], [1]) == [(2, 1)]
