import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from hexamer.embeddings.layers import embed_layers
from hexamer.errors import CheckpointError, InputError, OutputError, SequenceError, SettingsError
from hexamer.genome import reverse_complement
from hexamer.model import load_model, save_model
from hexamer.model.adapters import AdapterSettings, count_trained
from hexamer.tokens.tokenizer import PAD_ID
from hexamer.training.finetune import Examples, FinetuneSettings, finetune, stack_predictions
from hexamer.training.fitting import STATE, FitSettings
from hexamer.training.predictor import Predictor, load_predictor
from hexamer.training.targets import NO_CLASS, TARGETS, make_target

NAN = float("nan")
ADAPTERS = ("ia3", "lora", "full", "head")
LETTERS = {"A": 0, "C": 1, "G": 2, "T": 3, "N": NO_CLASS}


def drawn(count, seed):
    """Random sequences of any share of G and C, of 40 to 80 bases."""
    draw = random.Random(seed)
    shares = [draw.random() for _ in range(count)]
    return [
        "".join(draw.choice("GC" if draw.random() < s else "AT") for _ in range(draw.randint(40, 80))) for s in shares
    ]


def share_of_gc(sequences):
    return np.array([[(each.count("G") + each.count("C")) / len(each)] for each in sequences], dtype=np.float32)


def bases_of(sequences):
    """Of each base, which it is; none of N."""
    found = np.full((len(sequences), max(map(len, sequences)) + 3), NO_CLASS)
    for row, each in zip(found, sequences, strict=True):
        row[: len(each)] = [LETTERS[letter] for letter in each]
    return found


def examples(kind, count, seed):
    sequences = drawn(count, seed)
    if kind == "bases":
        sequences = [f"{each[:20]}N{each[20:]}" for each in sequences]
        return Examples(sequences, bases_of(sequences))
    values = share_of_gc(sequences)
    turned = {"classes": (values[:, 0] > 0.5).astype(int), "labels": (values > 0.5).astype(np.float32)}
    return Examples(sequences, turned.get(kind, values))


def target_of(kind, **values):
    names = {"classes": ("low", "high"), "bases": ("A", "C", "G", "T")}
    return make_target(kind, names.get(kind, ("gc",)), **values)


TARGET = target_of("values")
TRAIN, VALIDATION = examples("values", 24, 1), examples("values", 10, 2)


def settings_of(adapter="ia3", steps=6, *, hidden=0, dropout=0.0, both_strands=False, **values):
    values = {"rate": 0.02, "evaluate_every": 2, "batch": 4} | values
    fit = FitSettings(adapter=AdapterSettings(kind=adapter), steps=steps, **values)
    return FinetuneSettings(fit=fit, hidden=hidden, dropout=dropout, both_strands=both_strands)


def weights(predictor):
    return torch.cat([parameter.detach().flatten() for parameter in predictor.parameters()])


@pytest.fixture
def batches(monkeypatch):
    """What goes through the model in training: rows of token ids, and targets."""
    seen, forward = [], Predictor.forward

    def spy(self, ids, targets, weights):
        seen.append((ids.numpy().copy(), targets.numpy().copy()))
        return forward(self, ids, targets, weights)

    monkeypatch.setattr(Predictor, "forward", spy)
    return seen


LEARNT = {
    "classes": (0.01, 0.5),
    "labels": (0.01, 0.8),
    "values": (0.01, 0.75),
    "bins": (0.01, 0.4),
    "bases": (0.02, 0.4),
}
"""Of each kind, a rate, and a score that is not reached without learning."""


@pytest.mark.parametrize("kind", sorted(LEARNT))
def test_what_can_be_learnt_is_learnt(model, kind):
    rate, least = LEARNT[kind]
    count = 60 if kind == "bases" else 200
    train, validation = examples(kind, count, 1), examples(kind, 40, 2)
    settings = settings_of("full", 75, rate=rate, evaluate_every=25, batch=8)
    found = finetune(model, train, validation, target_of(kind), settings=settings)
    assert found.fitted.best_score > least
    losses = [look["loss"] for look in found.fitted.history]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("adapter", ["ia3", "lora", "head"])
def test_an_adapter_learns_and_the_encoders_own_weights_stay(model, adapter):
    train, validation = examples("values", 40, 1), examples("values", 20, 2)
    settings = settings_of(adapter, 60, rate=0.01, evaluate_every=20, batch=8)
    found = finetune(model, train, validation, TARGET, settings=settings)
    losses = [look["loss"] for look in found.fitted.history]
    assert losses[-1] < 0.9 * losses[0]
    before, after = model.state_dict(), found.predictor.encoder.state_dict()
    kept = {name: t for name, t in after.items() if ".ia3_" not in name and ".lora_" not in name}
    assert {name.replace(".base_layer.", ".") for name in kept} == before.keys()
    assert all(torch.equal(tensor, before[name.replace(".base_layer.", ".")]) for name, tensor in kept.items())
    first = {"ia3": 1.0, "lora": 0.0}.get(adapter)
    moved = [name for name, t in after.items() if (".ia3_" in name or ".lora_B" in name) and (t != first).all()]
    assert len(moved) == {"ia3": 6, "lora": 4, "head": 0}[adapter]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_callers_encoder_and_random_numbers_stay_as_they_are(model, adapter):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    found = finetune(model, TRAIN, VALIDATION, TARGET, settings=settings_of(adapter))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not found.predictor.training
    assert count_trained(found.predictor)[0] == 0


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_the_step_that_does_best_on_validation_is_kept(model, kind):
    train, validation = examples(kind, 24, 1), examples(kind, 10, 2)
    seen = []
    found = finetune(
        model, train, validation, target_of(kind), settings=settings_of("full", 16, rate=0.05), advance=seen.append
    )
    fitted, predictor = found.fitted, found.predictor
    scores = [look["score"] for look in fitted.history]
    assert fitted.best_score == max(scores)
    assert fitted.best_step == fitted.history[int(np.argmax(scores))]["step"]
    assert [record["step"] for record in seen] == list(range(1, 17))
    assert [record["score"] for record in seen if "score" in record] == scores
    stacked = stack_predictions(predictor.predict(validation.sequences), validation.targets)
    assert predictor.target.score(validation.targets, stacked) == pytest.approx(fitted.best_score, rel=1e-6)
    assert len(set(scores)) > 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_killed_anywhere_it_goes_on_to_the_same_weights(model, adapter, tmp_path):
    settings = settings_of(adapter, 10, evaluate_every=3, hidden=4, dropout=0.2, both_strands=True, accumulate=2)
    wanted = finetune(model, TRAIN, VALIDATION, TARGET, settings=settings)

    class StopError(Exception):
        pass

    def kill_at(step):
        def kill(record):
            if record["step"] == step:
                raise StopError

        return kill

    folder = tmp_path / "new" / "run"
    for step in (2, 3, 8):  # before the first look, at one, and between two
        with pytest.raises(StopError):
            finetune(model, TRAIN, VALIDATION, TARGET, settings=settings, folder=folder, advance=kill_at(step))
    seen = []
    found = finetune(model, TRAIN, VALIDATION, TARGET, settings=settings, folder=folder, advance=seen.append)
    assert [record["step"] for record in seen] == [7, 8, 9, 10]
    assert found.fitted == wanted.fitted
    assert torch.equal(weights(found.predictor), weights(wanted.predictor))
    again = finetune(model, TRAIN, VALIDATION, TARGET, settings=settings, folder=folder, advance=kill_at(10))
    assert torch.equal(weights(again.predictor), weights(wanted.predictor))  # finished: nothing is done again


def test_the_seed_decides_and_no_other_random_number(model):
    settings, found = settings_of("lora", hidden=3, dropout=0.1), []
    with torch.random.fork_rng():
        for number in range(2):
            torch.manual_seed(number)
            found.append(finetune(model, TRAIN, VALIDATION, TARGET, settings=settings))
    one, other = found
    assert torch.equal(weights(one.predictor), weights(other.predictor))
    settings = replace(settings, fit=replace(settings.fit, seed=1))
    other = finetune(model, TRAIN, VALIDATION, TARGET, settings=settings)
    assert not torch.equal(weights(one.predictor), weights(other.predictor))


def test_a_folder_of_another_run_is_refused(model, tmp_path):
    settings = settings_of(steps=2)
    finetune(model, TRAIN, VALIDATION, TARGET, settings=settings, folder=tmp_path)
    swapped = Examples([TRAIN.sequences[1], TRAIN.sequences[0], *TRAIN.sequences[2:]], TRAIN.targets)
    for train, validation, target, other in [
        (swapped, VALIDATION, TARGET, settings),
        (Examples(TRAIN.sequences, TRAIN.targets + 1e-3), VALIDATION, TARGET, settings),
        (TRAIN, Examples(VALIDATION.sequences, VALIDATION.targets + 1e-3), TARGET, settings),
        (TRAIN, VALIDATION.take(np.arange(9)), TARGET, settings),
        (TRAIN, VALIDATION, make_target("values", ("at",)), settings),
        (TRAIN, VALIDATION, make_target("bins", ("gc",), bins=2), settings),
        (TRAIN, VALIDATION, TARGET, replace(settings, both_strands=True)),
        (TRAIN, VALIDATION, TARGET, replace(settings, dropout=0.1)),
    ]:
        with pytest.raises(SettingsError, match="a run of other examples or another model; another folder would work"):
            finetune(model, train, validation, target, settings=other, folder=tmp_path)
    with pytest.raises(SettingsError, match="a run of other settings"):
        finetune(model, TRAIN, VALIDATION, TARGET, settings=settings_of(steps=4), folder=tmp_path)
    (tmp_path / STATE).write_bytes(b"x" * 50)
    with pytest.raises(CheckpointError, match="cannot be gone on from"):
        finetune(model, TRAIN, VALIDATION, TARGET, settings=settings, folder=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be made"):
        finetune(model, TRAIN, VALIDATION, TARGET, settings=settings, folder=tmp_path / "file")


def test_another_encoder_in_its_place_is_another_run(model, tmp_path):
    encoders = []
    for scale in (1.0, 1.1):
        model.final_norm.weight.data *= scale
        save_model(model, tmp_path / f"{scale}")
        model.final_norm.weight.data /= scale
        encoders.append(load_model(tmp_path / f"{scale}", device="cpu"))
    settings = settings_of("head", 2)
    finetune(encoders[0], TRAIN, VALIDATION, TARGET, settings=settings, folder=tmp_path / "run")
    with pytest.raises(SettingsError, match="another model"):
        finetune(encoders[1], TRAIN, VALIDATION, TARGET, settings=settings, folder=tmp_path / "run")


def test_every_example_is_seen_once_in_an_epoch_with_its_target(model, batches):
    finetune(model, TRAIN, VALIDATION, TARGET, settings=settings_of(steps=6))
    decode = model.tokenizer.decode
    seen = [(decode(row), float(value)) for ids, targets in batches for row, (value,) in zip(ids, targets, strict=True)]
    assert sorted(seen) == sorted(zip(TRAIN.sequences, TRAIN.targets[:, 0].tolist(), strict=True))


def test_each_base_meets_its_own_class(model, batches):
    train = examples("bases", 8, 3)
    finetune(model, train, train, target_of("bases"), settings=settings_of(steps=4))
    tokenizer, count = model.tokenizer, 0
    for ids, targets in batches:
        assert targets.shape == (*ids.shape, 6)
        for token, classes in zip(ids.ravel(), targets.reshape(-1, 6), strict=True):
            letters = tokenizer.decode([token]) if token != PAD_ID else ""
            wanted = [LETTERS[letter] for letter in letters]
            assert classes.tolist() == wanted + [NO_CLASS] * (6 - len(wanted))
            count += len(letters)
    assert count == 2 * sum(map(len, train.sequences))


def test_both_strands_are_read(model, batches):
    finetune(model, TRAIN, VALIDATION, TARGET, settings=settings_of(steps=12, both_strands=True))
    reads = [model.tokenizer.decode(row) for ids, _ in batches for row in ids]
    turned = [reverse_complement(each) in TRAIN.sequences for each in reads]
    assert all(read in TRAIN.sequences or back for read, back in zip(reads, turned, strict=True))
    assert 0.2 < np.mean(turned) < 0.8
    values = dict(zip(TRAIN.sequences, TRAIN.targets[:, 0].tolist(), strict=True))
    values |= {reverse_complement(each): value for each, value in values.items()}
    assert [values[read] for read in reads] == [value for _, targets in batches for (value,) in targets.tolist()]


def test_strands_make_no_difference_where_both_read_alike(model):
    halves = drawn(12, 5)
    palindromes = [each + reverse_complement(each) for each in halves]
    train = Examples(palindromes, share_of_gc(palindromes))
    one, both = (
        finetune(model, train, VALIDATION, TARGET, settings=settings_of("head", both_strands=strands)).predictor
        for strands in (False, True)
    )
    assert torch.equal(weights(one), weights(both))


@pytest.mark.parametrize("kind", ["values", "bases"])
def test_accumulated_parts_take_the_same_step(model, kind, batches):
    train, validation = examples(kind, 24, 1), examples(kind, 10, 2)
    whole, parts = (
        finetune(model, train, validation, target_of(kind), settings=settings_of("ia3", 4, rate=1e-3, accumulate=count))
        for count in (1, 3)
    )
    assert [len(ids) for ids, _ in batches] == [4] * 4 + [2, 1, 1] * 4
    torch.testing.assert_close(weights(whole.predictor), weights(parts.predictor), atol=1e-4, rtol=1e-4)


def test_unknown_targets_teach_nothing(model):
    """Sequences of which nothing is known may stand for any others: they change no weight."""
    known = np.arange(len(TRAIN.sequences)) % 2 == 0
    targets = np.where(known[:, None], TRAIN.targets, NAN).astype(np.float32)
    other = [each if here else "ACGTAC" * 5 for each, here in zip(TRAIN.sequences, known, strict=True)]
    one, two = (
        finetune(model, Examples(sequences, targets), VALIDATION, TARGET, settings=settings_of("head")).predictor
        for sequences in (TRAIN.sequences, other)
    )
    torch.testing.assert_close(weights(one), weights(two), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_in_bfloat16_it_runs_and_stays_near(model, kind):
    train, validation = examples(kind, 24, 1), examples(kind, 10, 2)
    target = target_of(kind, balanced=True) if kind in ("classes", "bases") else target_of(kind)
    one, other = (
        finetune(model, train, validation, target, settings=settings_of("head", 2, rate=1e-3, bf16=bf16))
        for bf16 in (False, True)
    )
    losses = [[look["loss"] for look in found.fitted.history] for found in (one, other)]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)


def test_what_was_learnt_is_saved_and_loaded(model, tmp_path):
    save_model(model, tmp_path / "m")
    encoder = load_model(tmp_path / "m", device="cpu")
    for adapter in ADAPTERS:
        found = finetune(
            encoder, TRAIN, VALIDATION, TARGET, settings=settings_of(adapter, hidden=4, dropout=0.1)
        ).predictor
        found.save(tmp_path / adapter)
        again = load_predictor(tmp_path / adapter, device="cpu")
        for one, other in zip(again.predict(VALIDATION.sequences), found.predict(VALIDATION.sequences), strict=True):
            np.testing.assert_array_equal(one, other)
        assert again.target == found.target
        assert again.target.means == pytest.approx(TRAIN.targets.mean(0).tolist(), rel=1e-6)


def test_predictions_of_bases_are_stacked_to_the_targets_width():
    found = stack_predictions([np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)], np.zeros((2, 5)))
    assert found.shape == (2, 5, 3)
    assert found.sum(axis=(1, 2)).tolist() == [6, 12]
    assert stack_predictions([np.ones(2, np.float32)] * 3, np.zeros((3, 2))).shape == (3, 2)


BASES = examples("bases", 6, 1)
CLASSES = examples("classes", 12, 1)
NONE = Examples([], np.zeros((0, 1)))

REFUSED = {
    "no example": (NONE, VALIDATION, TARGET, SequenceError, "no sequence to learn from"),
    "nothing to choose by": (TRAIN, NONE, TARGET, SequenceError, "or to choose by"),
    "an empty sequence": (
        Examples(["ACGT", ""], np.array([[0.0], [1.0]])), VALIDATION, TARGET, SequenceError,
        "train sequence 2 of 2: 0 bases",
    ),
    "a long sequence to choose by": (
        TRAIN, Examples(["ACGT", "ACGTG" * 119], np.array([[0.0], [1.0]])), TARGET, SequenceError,
        "validation sequence 2 of 2: 595 bases",
    ),
    "a target too few": (
        Examples(TRAIN.sequences, TRAIN.targets[1:]), VALIDATION, TARGET, InputError,
        "train: 24 sequences and 23 targets",
    ),
    "a flat array": (
        TRAIN, Examples(VALIDATION.sequences, VALIDATION.targets[:, 0]), TARGET, InputError,
        r"validation: values: targets of shape \(10,\)",
    ),
    "values as classes": (TRAIN, VALIDATION, target_of("classes"), InputError, r"train: classes: .* shape \(24, 1\)"),
    "values as labels": (TRAIN, VALIDATION, target_of("labels"), InputError, "train: labels: .* neither 0, 1 nor NaN"),
    "a class too many": (
        Examples(CLASSES.sequences, CLASSES.targets + 1), CLASSES, target_of("classes"), InputError,
        "train: .*no class: 2",
    ),
    "a single class": (
        Examples(CLASSES.sequences, 0 * CLASSES.targets), CLASSES, target_of("classes"), InputError,
        "train: .*one class",
    ),
    "a single class to choose by": (
        CLASSES, CLASSES.take(np.flatnonzero(CLASSES.targets)), target_of("classes"), InputError,
        "validation: .*one class",
    ),
    "nothing known": (
        Examples(TRAIN.sequences, NAN * TRAIN.targets), VALIDATION, TARGET, InputError, "train: .*none is known",
    ),
    "a label that is not known": (
        Examples(["ACGT", "AC"], np.array([[0, 1], [1, NAN]])), Examples(["ACGT", "AC"], np.full((2, 2), NAN)),
        make_target("labels", ("x", "y")), InputError, "validation: labels: .*none is known",
    ),
    "an output of which nothing is known": (
        Examples(["ACGT", "AC"], np.array([[0, NAN], [1, NAN]])), Examples(["ACGT", "AC"], np.eye(2)),
        make_target("values", ("x", "y")), InputError, "values: no value of y is known",
    ),
    "classes of too few bases": (
        Examples(BASES.sequences, BASES.targets[:, :30]), BASES, target_of("bases"), InputError,
        "train: a sequence of .* classes of 30",
    ),
    "classes of bases behind the end": (
        BASES, Examples(BASES.sequences, np.where(BASES.targets == NO_CLASS, 0, BASES.targets)), target_of("bases"),
        InputError, "validation: classes of bases behind a sequence's end; -100 there would work",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_examples_that_cannot_be_learnt_are_refused_before_the_first_step(model, case):
    train, validation, target, error, message = REFUSED[case]
    seen = []
    with pytest.raises(error, match=message) as caught:
        finetune(model, train, validation, target, settings=settings_of(), advance=seen.append)
    assert not seen
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("would work")


def test_settings_that_do_not_go_together(model):
    with pytest.raises(SettingsError, match="classes of bases belong to a strand"):
        finetune(model, BASES, BASES, target_of("bases"), settings=settings_of(both_strands=True))
    for values in ({"hidden": -1}, {"dropout": 1.0}, {"dropout": NAN}, {"accumulate": 5}, {"seed": -1}):
        with pytest.raises(SettingsError, match="would work"):
            settings_of(**values)
    tuned = finetune(model, TRAIN, VALIDATION, TARGET, settings=settings_of(steps=2)).predictor.encoder
    with pytest.raises(SettingsError, match="the encoder has an adapter"):
        finetune(tuned, TRAIN, VALIDATION, TARGET)


def test_an_encoder_that_learnt_more_has_vectors_of_its_own(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    encoder = load_model(save_model(model, tmp_path / "m"), device="cpu")
    sequences = ["ACGTACGTACGT", "TTTTTTA", "GGGGGGCC", "ACACACAC"]
    before = embed_layers(encoder, sequences)
    fit = FitSettings(adapter=AdapterSettings(kind="full"), steps=3, rate=0.1, evaluate_every=1, batch=2)
    examples = Examples(sequences, np.array([0, 1, 0, 1]))
    target = make_target("classes", ("a", "b"))
    found = finetune(encoder, examples, examples, target, settings=FinetuneSettings(fit=fit))
    assert not np.array_equal(embed_layers(found.predictor.encoder, sequences), before)
    np.testing.assert_array_equal(embed_layers(encoder, sequences), before)
