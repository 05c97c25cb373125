import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hexamer.errors import CheckpointError, HexamerError, OutputError, SequenceError, SettingsError
from hexamer.model import ModelConfig, NucleotideTransformer, load_model, save_model
from hexamer.model.adapters import AdapterSettings, add_adapter
from hexamer.tokens import token_of_base, token_spans
from hexamer.tokens.tokenizer import PAD_ID
from hexamer.training import predictor as predictors
from hexamer.training.predictor import PREDICTOR, Predictor, load_predictor
from hexamer.training.targets import NO_CLASS, TARGETS, make_target

ADAPTERS = ("ia3", "lora", "full", "head")
SEQUENCES = ["ACGTGTACAGGATT" * 5, "GGCN", "TTTAAACCC" * 20, "a", "ACGTACNNNGTACGTAAC" * 3]
SEEN = {
    "classes": np.array([0, 1, 2, 2]),
    "labels": np.array([[0.0, 1, 0], [1, 1, 1]]),
    "values": np.array([[0.5, 1, 2], [1.5, 4, 6]]),
    "bins": np.array([[0.5, 1, 2], [1.5, 4, 6]]),
    "bases": np.array([[0, 1, 2, NO_CLASS]]),
}

sequences = st.lists(st.text("ACGTN", min_size=1, max_size=60), min_size=1, max_size=5)


def target_of(kind):
    options = {"classes": {"balanced": True}, "bins": {"bins": 5}, "labels": {"positive_weight": 2.5}}.get(kind, {})
    return make_target(kind, ("x", "y", "z"), **options).fitted(SEEN[kind])


def make(encoder, kind="classes", adapter="head", **values):
    """A predictor whose trained weights are as after training: any numbers."""
    encoder, fit = deepcopy(encoder), AdapterSettings(kind=adapter, rank=2)
    add_adapter(encoder, fit)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        made = Predictor(encoder, target_of(kind), adapter=fit, **values)
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.data += 0.3 * torch.randn_like(parameter)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoder(model, tmp_path_factory):
    """As `model`, from a folder."""
    folder = save_model(model, tmp_path_factory.mktemp("encoder") / "m")
    return load_model(folder, device="cpu")


@pytest.fixture(scope="module", params=sorted(TARGETS))
def predictor(request, encoder):
    return make(encoder, request.param, "ia3", hidden=5)


def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=sequences, seed=st.integers(0, 99), budget=st.integers(1, 60))
def test_a_prediction_does_not_depend_on_company_or_order(predictor, given, seed, budget):
    order = np.random.default_rng(seed).permutation(len(given)).tolist()
    alone = [predictor.predict([each])[0] for each in given]
    seen = []
    found = predictor.predict([given[i] for i in order], token_budget=budget, advance=seen.append)
    for place, i in enumerate(order):
        np.testing.assert_allclose(found[place], alone[i], atol=1e-5, rtol=1e-5)
    assert sum(seen) == len(given)


def test_each_kind_gives_numbers_in_its_range(predictor):
    found, kind = predictor.predict(SEQUENCES), predictor.target.kind
    assert [each.dtype for each in found] == [np.float32] * 5
    if kind == "bases":
        assert [each.shape for each in found] == [(len(each), 3) for each in SEQUENCES]
    else:
        assert [each.shape for each in found] == [(3,)] * 5
        assert not np.array_equal(found[0], found[2])
    whole = np.concatenate([each.reshape(-1, 3) for each in found])
    if kind in ("classes", "bases"):
        np.testing.assert_allclose(whole.sum(1), 1, rtol=1e-5)
    if kind in ("classes", "bases", "labels"):
        assert ((whole > 0) & (whole < 1)).all()
    if kind == "bins":
        assert ((whole >= [0.5, 1, 2]) & (whole <= [1.5, 4, 6])).all()
    assert predictor.predict([]) == []


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.text("ACGTN", min_size=1, max_size=80), k=st.sampled_from([3, 6]))
def test_every_base_has_the_row_of_its_place_in_its_token(encoder, sequence, k):
    if k == 3:
        torch.manual_seed(1)
        encoder = NucleotideTransformer(ModelConfig(layers=1, width=16, heads=2, ffn=32, max_tokens=100, k=3)).eval()
    predictor = make(encoder, "bases")
    found = predictor.predict([sequence])[0]
    assert found.shape == (len(sequence), 3)
    (ids,) = predictor.tokenise([sequence])
    with torch.inference_mode():
        states = encoder(torch.as_tensor(ids)[None], layers=(-1,)).hidden[encoder.config.layers][0]
        of_tokens = predictor.head(states).softmax(-1).numpy()
    tokens = token_of_base(encoder.tokenizer, ids, np.arange(len(sequence)))
    places = np.arange(len(sequence)) - token_spans(encoder.tokenizer, ids)[0][tokens]
    assert (places < k).all()
    np.testing.assert_allclose(found, of_tokens[tokens, places], atol=1e-5, rtol=1e-5)


def padded(predictor, given):
    ids = predictor.tokenise(given)
    whole = np.full((len(ids), max(map(len, ids))), PAD_ID)
    for row, each in zip(whole, ids, strict=True):
        row[: len(each)] = each
    return torch.as_tensor(whole), ids


def test_the_loss_is_that_of_the_predictions(encoder):
    predictor = make(encoder)
    ids, _ = padded(predictor, SEQUENCES)
    classes, weights = np.array([0, 1, 2, 2, 1]), np.array([1.0, 0.5, 2.0, 0.0, 3.0])
    loss, right = predictor(ids, torch.as_tensor(classes), torch.as_tensor(weights, dtype=torch.float32)[:, None])
    chances = np.stack(predictor.predict(SEQUENCES))[np.arange(5), classes]
    of_classes = np.array(predictor.target.weights)[classes]
    assert float(loss) == pytest.approx(float((weights * of_classes * -np.log(chances)).sum()), rel=1e-4)
    assert int(right) == 0


def test_the_loss_of_bases_is_the_mean_over_those_that_have_a_class(encoder):
    predictor = make(encoder, "bases")
    rng = np.random.default_rng(0)
    classes = [rng.choice([NO_CLASS, 0, 1, 2], size=len(each)) for each in SEQUENCES]
    classes[1][:] = NO_CLASS
    ids, each = padded(predictor, SEQUENCES)
    targets = np.full((*ids.shape, 6), NO_CLASS)
    wanted = 0.0
    for row, tokens, known in zip(targets, each, classes, strict=True):
        starts, ends = token_spans(predictor.encoder.tokenizer, tokens)
        for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
            row[place, : end - start] = known[start:end]
    for found, known in zip(predictor.predict(SEQUENCES), classes, strict=True):
        there = known != NO_CLASS
        if there.any():
            wanted += -np.log(found[there, known[there]]).mean()
    loss, _ = predictor(ids, torch.as_tensor(targets), torch.ones(5, 1))
    assert float(loss) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_saved_with_any_adapter_and_loaded_it_says_the_same(encoder, adapter, tmp_path):
    made = make(encoder, "values", adapter, hidden=5, dropout=0.5)
    wanted = made.predict(SEQUENCES)
    plain = make(encoder, "values", "head", hidden=5)
    assert same(wanted, plain.predict(SEQUENCES)) == (adapter == "head")
    assert made.save(tmp_path / "new" / "p") == tmp_path / "new" / "p"
    again = load_predictor(tmp_path / "new" / "p", device="cpu")
    assert same(again.predict(SEQUENCES), wanted)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    assert (again.target, again.adapter, again.origin) == (made.target, made.adapter, made.origin)
    again.save(tmp_path / "q")
    assert same(load_predictor(tmp_path / "q", device="cpu").predict(SEQUENCES), wanted)


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_every_target_is_kept(encoder, kind, tmp_path):
    made = make(encoder, kind)
    again = load_predictor(made.save(tmp_path / "p"), device="cpu")
    assert again.target == made.target
    assert same(again.predict(SEQUENCES), made.predict(SEQUENCES))


def test_one_predictor_takes_the_place_of_another(encoder, tmp_path):
    for adapter in ADAPTERS:
        made = make(encoder, "labels", adapter)
        made.save(tmp_path)
        assert same(load_predictor(tmp_path, device="cpu").predict(SEQUENCES), made.predict(SEQUENCES))


def test_a_save_that_fails_leaves_no_mixture(encoder, tmp_path, monkeypatch):
    make(encoder, "labels").save(tmp_path)

    def full_disk(*_):
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(predictors, "save_trained", full_disk)
        with pytest.raises(OutputError, match=r"cannot be written \(no space\)"):
            make(encoder, "labels", "ia3").save(tmp_path)
    with pytest.raises(SettingsError, match="no predictor"):
        load_predictor(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        make(encoder).save(tmp_path / "file")


def test_what_could_not_be_loaded_is_not_saved(model, tmp_path):
    with pytest.raises(SettingsError, match="the encoder is in no folder"):
        make(model, adapter="ia3").save(tmp_path / "p")
    made = make(model, adapter="full")
    made.save(tmp_path / "p")
    assert same(load_predictor(tmp_path / "p", device="cpu").predict(SEQUENCES), made.predict(SEQUENCES))


def edit(**values):
    def change(folder):
        facts = json.loads((folder / PREDICTOR).read_text())
        for name, value in values.items():
            facts[name] = value(facts[name]) if callable(value) else value
        (folder / PREDICTOR).write_text(json.dumps(facts))

    return change


DAMAGES = {
    "no folder": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "no description": lambda folder: (folder / PREDICTOR).unlink(),
    "half a description": lambda folder: (folder / PREDICTOR).write_text('{"format": '),
    "a list": lambda folder: (folder / PREDICTOR).write_text("[]"),
    "no key": lambda folder: (folder / PREDICTOR).write_text("{}"),
    "bytes": lambda folder: (folder / PREDICTOR).write_bytes(b"\xff\xfe"),
    "unknown target": edit(target=lambda of: {**of, "kind": "numbers"}),
    "target without names": edit(target={"kind": "values"}),
    "unknown field": edit(target=lambda of: {**of, "colour": 1}),
    "other outputs": edit(target=lambda of: {**of, "names": ["x", "y"]}),
    "other head": edit(hidden=7),
    "unknown adapter": edit(adapter=lambda of: {**of, "kind": "ia4"}),
    "no head": lambda folder: (folder / "head.safetensors").unlink(),
    "half a head": lambda folder: (folder / "head.safetensors").write_bytes(b"x" * 50),
    "no adapter": lambda folder: (folder / "adapter" / "adapter_model.safetensors").unlink(),
    "half an adapter": lambda folder: (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"x" * 50),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_told_of_in_one_line(encoder, damage, tmp_path):
    make(encoder, "values", "ia3").save(tmp_path / "p")
    DAMAGES[damage](tmp_path / "p")
    with pytest.raises((SettingsError, CheckpointError), match=r"/p[:/]") as caught:
        load_predictor(tmp_path / "p", device="cpu")
    assert "\n" not in str(caught.value)


def test_an_encoder_that_is_another_or_gone_is_told_of(model, tmp_path):
    save_model(model, tmp_path / "m")
    encoder = load_model(tmp_path / "m", device="cpu")
    for adapter in ADAPTERS:
        make(encoder, "values", adapter).save(tmp_path / adapter)
    wanted = make(encoder, "values", "full").predict(SEQUENCES)
    other = deepcopy(model)
    other.final_norm.weight.data += 0.1
    save_model(other, tmp_path / "m")
    for adapter in ("ia3", "lora", "head"):
        with pytest.raises(SettingsError, match=f"{adapter}: trained with other weights than .*m has now"):
            load_predictor(tmp_path / adapter, device="cpu")
    (tmp_path / "m").rename(tmp_path / "away")
    for adapter in ("ia3", "lora", "head"):
        with pytest.raises(HexamerError, match=r"/m\b"):
            load_predictor(tmp_path / adapter, device="cpu")
    assert same(load_predictor(tmp_path / "full", device="cpu").predict(SEQUENCES), wanted)


def test_sequences_that_cannot_be_read_are_named(encoder):
    predictor = make(encoder, dropout=0.5).train()
    with pytest.raises(SequenceError, match="sequence 2 of 3: 0 bases are 0 tokens; 1 to 99 tokens would work"):
        predictor.predict(["ACGT", "", "ACGT"])
    with pytest.raises(SequenceError, match="sequence 1 of 1: 595 bases are 100 tokens; 1 to 99"):
        predictor.predict(["ACGTG" * 119])
    with pytest.raises(SequenceError, match="sequence 1 of 1: 100 bases are 100 tokens"):
        predictor.predict(["N" * 100])
    assert len(predictor.predict(["ACGTGC" * 99, "N" * 99])) == 2
    with pytest.raises(SettingsError, match="not one string"):
        predictor.predict("ACGT")


def test_predicting_is_without_dropout_and_leaves_the_mode_as_it_is(encoder):
    predictor = make(encoder, dropout=0.5).train()
    assert same(predictor.predict(SEQUENCES), predictor.predict(SEQUENCES))
    assert predictor.training

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor.predict(SEQUENCES, advance=stop)
    assert predictor.training
    predictor.eval().predict(SEQUENCES)
    assert not predictor.training
