import numpy as np
import pytest
import torch

from hexamer.errors import SequenceError, SettingsError
from hexamer.interpretation.answers import ask_kmers, ask_outputs, asking, find_base, mask_turns
from hexamer.model import pack
from hexamer.training import Predictor, make_target


def one(model, sequence):
    (ids,) = model.tokenizer.encode([sequence])
    return ids, pack([ids], model.device), model.embed_tokens(torch.as_tensor(ids).long())


def test_turns_cover_each_whole_token_once(model):
    ids, _, _ = one(model, "ACGTAC" * 20 + "NACG" + "TTTTTT")
    turns = mask_turns(model, ids)
    masked = np.sort(np.concatenate(turns))
    assert masked.tolist() == [*range(1, 21), 22]  # behind N: ACGTTT, then TTT as letters
    assert all((np.diff(turn) == 7).all() for turn in turns)
    assert [rows.tolist() for rows in mask_turns(model, ids, 13)] == [[3]]
    with pytest.raises(SettingsError, match="base 120 is in no whole 6-mer"):
        mask_turns(model, ids, 120)
    with pytest.raises(SequenceError, match="no whole 6-mer in 'ACGTA'"):
        mask_turns(model, one(model, "ACGTA")[0])


def test_a_base_has_a_token_and_a_digit(model):
    ids, _, _ = one(model, "ACGTACGTACGTNA")
    assert [find_base(model, ids, offset) for offset in (0, 11, 12, 13)] == [(1, 0), (2, 5), (3, 0), (4, 0)]
    with pytest.raises(SettingsError, match="base 14 of a sequence of 14: 0 to 13 would work"):
        find_base(model, ids, 14)


def test_log_probabilities_of_kmers_are_the_model_s(model):
    ids, packed, vectors = one(model, "ACGTACGGATTTACGTAC")
    logs = ask_kmers(model, packed, vectors, torch.tensor([2]))
    logits = model(torch.as_tensor(ids)[None].long()).logits[0, 2, 6 : 6 + 4096]
    torch.testing.assert_close(logs[0], logits.log_softmax(-1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["classes", "labels", "values", "bases"])
def test_outputs_are_the_predictor_s(model, kind):
    torch.manual_seed(1)
    target = make_target(kind, ("x", "y", "z"))
    if kind == "values":
        target = target.fitted(np.array([[1.0, 2, 3], [4, 5, 9]]))
    predictor = Predictor(model, target).eval()
    sequence = "ACGTACGGATTTACGTACGTC"
    _, packed, vectors = one(model, sequence)
    told = predictor.predict([sequence])[0]
    found = ask_outputs(predictor, packed, vectors, [(3, 4)] if kind == "bases" else None)[0].detach().numpy()
    told = told[16] if kind == "bases" else told
    wanted = told if kind == "values" else np.log(told) - np.log1p(-told)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    with pytest.raises(SettingsError, match="would work"):
        ask_outputs(predictor, packed, vectors, None if kind == "bases" else [(3, 4)])


def test_a_model_gets_its_mode_back(model):
    model.train()
    try:
        with torch.inference_mode(), asking(model):
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            assert not model.training
        assert model.training
    finally:
        model.eval()
