import numpy as np
import pytest
import torch
from tests.interpretation.test_attribution import encoder, log_likelihood

from hexamer.errors import SequenceError, SettingsError
from hexamer.interpretation.one_hot import ORDER, OneHotModel
from hexamer.model import pack
from hexamer.training import Predictor, make_target

SEQUENCES = ["ACGTTACGGATTTACGTACGTCAGGCTAATC", "GGATCCAACTTGNNGTAAGGCTTACGATTCA", "NNNN" + "ACGTTGCAA" * 3]


def one_hot(*sequences):
    rows = [[[float(base == letter) for base in sequence] for letter in ORDER] for sequence in sequences]
    return torch.tensor(rows)


@pytest.mark.parametrize("layout", ["v1", "v2"])
@pytest.mark.parametrize("offset", [None, 19])
def test_true_one_hots_give_what_ids_give(layout, offset):
    model = encoder(layout)
    found = OneHotModel(model, offset=offset)(one_hot(*SEQUENCES).to(torch.int8))
    assert found.shape == (3, 1)
    told = [log_likelihood(model, sequence, offset) for sequence in SEQUENCES]
    np.testing.assert_allclose(found[:, 0].detach(), told, rtol=1e-5)


@pytest.mark.parametrize("kind", ["classes", "bases"])
def test_outputs_of_a_fine_tuned_model(model, kind):
    torch.manual_seed(1)
    predictor = Predictor(model, make_target(kind, ("x", "y", "z"))).eval()
    offset = 20 if kind == "bases" else None
    found = OneHotModel(predictor, offset=offset)(one_hot(*SEQUENCES)).detach().numpy()
    told = [each[offset] if kind == "bases" else each for each in predictor.predict(SEQUENCES)]
    np.testing.assert_allclose(found, np.log(told) - np.log1p(-np.array(told)), atol=1e-4)


def test_between_one_hots_an_output_is_linear_in_each_column_s_embedding(model):
    """A column of two bases at a half each: the token's vector is the mean of both tokens' vectors."""
    first, second = "ACGTTACGGATTTA", "ACGTTACGTATTTA"
    wrapped = OneHotModel(model)
    columns = (one_hot(first) + one_hot(second)) / 2
    ids = wrapped._tokenise(columns.transpose(1, 2)[:, :, [0, 3, 1, 2]])
    vectors, weights = wrapped._embed(columns.transpose(1, 2)[:, :, [0, 3, 1, 2]], ids, pack(ids, model.device))
    both = [model.embed_tokens(torch.as_tensor(model.tokenizer.encode([each])[0]).long()) for each in (first, second)]
    torch.testing.assert_close(vectors, (both[0] + both[1]) / 2)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert (weights > 0).sum(1).tolist() == [1, 2]


def test_gradients_are_the_slope(model):
    columns = one_hot(SEQUENCES[0]).requires_grad_()
    wrapped = OneHotModel(model)
    (gradient,) = torch.autograd.grad(wrapped(columns).sum(), columns)
    assert gradient.isfinite().all()
    assert (gradient != 0).any(dim=1).all()
    step = torch.zeros_like(columns)
    step[0, :, 8] = torch.tensor([0.01, -0.01, 0.02, -0.01])
    with torch.no_grad():
        slope = (wrapped(columns + step) - wrapped(columns - step)).item() / 2
    assert float((gradient * step).sum()) == pytest.approx(slope, rel=0.02)


def test_what_cannot_be_read(model):
    with pytest.raises(SequenceError, match=r"shape \(4, 6\); \[B, 4, L\], A C G T, would work"):
        OneHotModel(model)(torch.eye(4, 6))
    with pytest.raises(SequenceError, match="600 bases are 100 tokens; 1 to 99"):
        OneHotModel(model)(one_hot("ACGTAC" * 100))
    with pytest.raises(SettingsError, match="0 to 5 would work"):
        OneHotModel(model, offset=6)(one_hot("ACGTAC"))


# ---- tools that were made for one-hot models, unchanged ------------------------------------------------------------


def test_tangermeme_mutates_and_puts_motifs_in(model):
    from tangermeme.marginalize import marginalize
    from tangermeme.predict import predict
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis
    from tangermeme.utils import one_hot_encode

    sequence, wrapped = SEQUENCES[0], OneHotModel(model)
    columns = one_hot_encode(sequence)[None]
    found = saturation_mutagenesis(wrapped, columns, start=4, end=10, raw_outputs=True, device="cpu")
    assert float(found.y0[0, 0]) == pytest.approx(log_likelihood(model, sequence), rel=1e-5)
    changed = sequence[:7] + "T" + sequence[8:]
    assert float(found.y_hat[0, 3, 3, 0]) == pytest.approx(log_likelihood(model, changed), rel=1e-5)
    assert predict(wrapped, columns, device="cpu").shape == (1, 1)
    before, after = marginalize(wrapped, columns, "TGACTCA", device="cpu")[:2]
    middle = (len(sequence) - 7) // 2
    planted = sequence[:middle] + "TGACTCA" + sequence[middle + 7 :]
    assert float(after[0, 0]) == pytest.approx(log_likelihood(model, planted), rel=1e-5)
    assert before.shape == after.shape


def test_tangermeme_s_deeplift_takes_the_wrapper_for_one_operation():
    from tangermeme.deep_lift_shap import deep_lift_shap, integrated_gradients_op
    from tangermeme.utils import one_hot_encode

    wrapped, other = OneHotModel(encoder("v1")), SEQUENCES[0][::-1]
    columns, references = (one_hot_encode(each)[None] for each in (SEQUENCES[0], other))
    rules = {OneHotModel: integrated_gradients_op(32)}
    found = deep_lift_shap(
        wrapped, columns, references=references[None].float(), additional_nonlinear_ops=rules, device="cpu",
        warning_threshold=0.05,
    )  # fmt: skip
    difference = (wrapped(columns) - wrapped(references)).item()
    assert float(found.sum()) == pytest.approx(difference, rel=0.01)
    assert not any(hasattr(module, "_NON_LINEAR_OPS") for module in wrapped.modules())


def test_captum_integrates_from_any_base(model):
    from captum.attr import IntegratedGradients

    wrapped, columns = OneHotModel(model, offset=8), one_hot(SEQUENCES[0])
    origin = torch.full_like(columns, 0.25)
    found = IntegratedGradients(wrapped).attribute(columns, origin, n_steps=64, internal_batch_size=16)
    difference = (wrapped(columns) - wrapped(origin)).item()
    assert float(found.sum()) == pytest.approx(difference, rel=0.02)


def test_ledidi_designs(model):
    from ledidi import ledidi

    torch.manual_seed(0)
    wrapped, columns = OneHotModel(model), one_hot(SEQUENCES[0])
    before = wrapped(columns).item()
    wanted = torch.tensor([[before + 20.0]])
    made = ledidi(
        wrapped, columns, wanted, max_iter=60, batch_size=4, lr=1.0, l=0.01, device="cpu", random_state=0, verbose=False
    )
    assert made.shape == (4, 4, 31)
    assert (made.sum(dim=1) == 1).all()
    assert wrapped(made).max().item() > before + 2
