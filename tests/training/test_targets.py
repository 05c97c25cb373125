import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hexamer.errors import InputError, SettingsError
from hexamer.manifest import make_settings
from hexamer.training.targets import NO_CLASS, TARGETS, make_target

NAN = float("nan")
THREE = ("x", "y", "z")
NUMBERS = ("labels", "values", "bins")

values = st.floats(-100, 100, width=32).map(lambda value: round(value, 2))
tables = hnp.arrays(np.float32, st.tuples(st.integers(2, 8), st.just(3)), elements=values)
masks = hnp.arrays(np.bool_, (8, 3))


def target_of(kind, names=THREE, seen=None):
    """A target that has seen some examples."""
    options = {"bins": {"bins": 7}, "labels": {"positive_weight": 3.0}}.get(kind, {})
    target = make_target(kind, names, **options)
    return target if seen is None else target.fitted(seen)


def drawn(rows, outputs, seed=0):
    return torch.randn(rows, outputs, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize("kind", NUMBERS)
@settings(deadline=None, max_examples=40)
@given(table=tables, unknown=masks, seed=st.integers(0, 99))
def test_the_loss_of_an_example_is_the_mean_over_what_is_known_of_it(kind, table, unknown, seed):
    table = (table > 0).astype(np.float32) if kind == "labels" else table
    target = target_of(kind, seen=table)
    holes = np.where(unknown[: len(table)], NAN, table).astype(np.float32)
    outputs = drawn(len(table), target.outputs, seed).requires_grad_()
    losses = target.losses(outputs, torch.as_tensor(holes))
    alone = [target_of(kind, (name,), table[:, [i]]) for i, name in enumerate(THREE)]
    of_each = outputs.detach().unflatten(1, (3, -1))
    parts = [one.losses(of_each[:, i], torch.as_tensor(table[:, [i]])) for i, one in enumerate(alone)]
    known = ~unknown[: len(table)]
    rows = torch.stack(parts, 1).numpy()
    wanted = [row[of].mean() if of.any() else 0.0 for row, of in zip(rows, known, strict=True)]
    np.testing.assert_allclose(losses.detach(), wanted, rtol=1e-4, atol=1e-5)
    losses.sum().backward()
    assert outputs.grad.isfinite().all()
    assert not outputs.grad.unflatten(1, (3, -1))[torch.as_tensor(~known)].any()


@settings(deadline=None, max_examples=50)
@given(classes=hnp.arrays(np.int64, (4, 6), elements=st.sampled_from([NO_CLASS, 0, 1, 2])), balanced=st.booleans())
def test_bases_without_a_class_have_no_loss(classes, balanced):
    target = make_target("bases", THREE, balanced=balanced).fitted(np.array([[0, 1, 2, 0, NO_CLASS]]))
    outputs = drawn(24, 3).reshape(4, 6, 3).requires_grad_()
    losses = target.losses(outputs, torch.as_tensor(classes))
    losses.sum().backward()
    none = torch.as_tensor(classes == NO_CLASS)
    assert losses.shape == classes.shape
    assert not losses[none].any()
    assert (losses[~none] > 0).all()
    assert not outputs.grad[none].any()


def test_cross_entropy_of_classes_and_of_bases():
    outputs, classes = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), torch.tensor([2, 0])
    wanted = [-1 + np.log(np.exp(-1) + 1 + np.exp(1)), np.log(3)]
    np.testing.assert_allclose(target_of("classes").losses(outputs, classes), wanted, rtol=1e-5)
    of_bases = target_of("bases").losses(outputs[None], classes[None])
    np.testing.assert_allclose(of_bases, [wanted], rtol=1e-5)
    weighted = replace(target_of("classes"), weights=(2.0, 1.0, 0.5)).losses(outputs, classes)
    np.testing.assert_allclose(weighted, [wanted[0] * 0.5, wanted[1] * 2], rtol=1e-5)
    weighted = replace(target_of("bases"), weights=(2.0, 1.0, 0.5)).losses(outputs[None], classes[None])
    np.testing.assert_allclose(weighted, [[wanted[0] * 0.5, wanted[1] * 2]], rtol=1e-5)


def test_a_positive_counts_as_often_as_its_weight_says():
    one, eight = make_target("labels", ("x",), positive_weight=1.0), make_target("labels", ("x",))
    outputs, labels = torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])
    np.testing.assert_allclose(one.losses(outputs, labels), [np.log(2), np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(eight.losses(outputs, labels), [8 * np.log(2), np.log(2)], rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=6).filter(lambda counts: sum(map(bool, counts)) > 1))
def test_weights_make_classes_count_alike(counts):
    names = tuple(map(str, range(len(counts))))
    classes = np.repeat(np.arange(len(counts)), counts)
    for kind, targets in (("classes", classes), ("bases", np.append(classes, [NO_CLASS] * 3)[None])):
        weights = np.array(make_target(kind, names, balanced=True).fitted(targets).weights)
        shares = weights * counts
        np.testing.assert_allclose(shares[np.array(counts) > 0], sum(counts) / sum(map(bool, counts)), rtol=1e-9)
        assert weights[classes].mean() == pytest.approx(1)
        assert make_target(kind, names).fitted(targets).weights == ()


@settings(deadline=None, max_examples=50)
@given(table=tables, seed=st.integers(0, 99), size=st.sampled_from([0.1, 3.0, 200.0]), bins=st.integers(2, 60))
def test_the_expectation_of_bins_lies_between_low_and_high(table, seed, size, bins):
    target = make_target("bins", THREE, bins=bins).fitted(table)
    found = target.predictions(drawn(9, target.outputs, seed) * size).numpy()
    low, high = table.min(0), table.max(0)
    slack = 1e-5 * (np.abs(low) + np.abs(high))
    assert (found >= low - slack).all()
    assert (found <= high + slack).all()


@settings(deadline=None, max_examples=50)
@given(table=tables, bins=st.integers(2, 60), chosen=st.lists(st.integers(0, 59), min_size=3, max_size=3))
def test_one_bin_alone_gives_its_value_and_has_no_loss(table, bins, chosen):
    target, chosen = make_target("bins", THREE, bins=bins).fitted(table), np.array(chosen) % bins
    outputs = torch.full((1, 3, bins), -1e4)
    outputs[0, range(3), chosen] = 1e4
    low, high = table.min(0).astype(np.float64), table.max(0).astype(np.float64)
    wanted = low + (high - low) * chosen / (bins - 1)
    found = target.predictions(outputs.flatten(1))
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-4)
    losses = target.losses(outputs.flatten(1), torch.as_tensor(wanted[None], dtype=torch.float32))
    assert losses.item() == 0 or (low == high).any()


def test_values_are_rounded_to_the_nearest_bin_and_to_the_ends():
    target = make_target("bins", ("x",), bins=5).fitted([[10.0], [18.0]])
    outputs = torch.arange(5.0)[None].expand(6, 5)
    wanted = [0, 0, 1, 2, 4, 4]
    losses = target.losses(outputs, torch.tensor([[-5.0], [10.9], [11.1], [14.9], [18.0], [99.0]]))
    np.testing.assert_allclose(losses, np.log(np.exp(np.arange(5)).sum()) - wanted, rtol=1e-5)


@settings(deadline=None, max_examples=50)
@given(table=tables, unknown=masks)
def test_values_are_standardised_for_the_head_and_turned_back(table, unknown):
    holes = np.where(unknown[: len(table)] & (np.arange(len(table)) > 0)[:, None], NAN, table)
    target = make_target("values", THREE).fitted(holes)
    outputs = (torch.as_tensor(table) - torch.tensor(target.means)) / torch.tensor(target.scales)
    np.testing.assert_allclose(target.predictions(outputs), table, rtol=1e-4, atol=1e-4)
    of_known = torch.as_tensor(holes, dtype=torch.float32)
    # Constants have a scale of 1; the mean loss of always saying the mean is the variance of what is left.
    varied = np.nanstd(holes, axis=0) > 1e-6
    np.testing.assert_allclose(np.array(target.scales)[varied], np.nanstd(holes, axis=0)[varied], rtol=1e-4)
    assert (target.losses(outputs, of_known) < 1e-4).all()


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_outputs_in_bfloat16_lose_nothing_but_their_own_digits(kind):
    """The means, ranges and weights that they meet stay float32."""
    if kind in ("classes", "bases"):
        target, seen = make_target(kind, THREE, balanced=True), np.array([0, 1, 2, 2, 1, 2, 2])
    else:
        target, seen = target_of(kind), np.linspace(1000.0, 1001.0, 21, dtype=np.float32).reshape(7, 3)
        seen = (seen > 1000.5).astype(np.float32) if kind == "labels" else seen
    target = target.fitted(seen)
    outputs, wanted = drawn(len(seen), target.outputs).bfloat16(), torch.as_tensor(seen)
    assert torch.equal(target.losses(outputs, wanted), target.losses(outputs.float(), wanted))
    assert torch.equal(target.predictions(outputs), target.predictions(outputs.float()))
    assert target.losses(outputs, wanted).dtype == torch.float32


def test_probabilities():
    outputs = drawn(4, 3)
    assert torch.equal(target_of("classes").predictions(outputs), outputs.softmax(-1))
    assert torch.equal(target_of("labels").predictions(outputs), outputs.sigmoid())
    of_bases = target_of("bases").predictions(outputs.reshape(2, 2, 3))
    assert torch.equal(of_bases, outputs.softmax(-1).reshape(2, 2, 3))


def test_scores():
    assert target_of("classes").score([0, 1, 2, 2], np.eye(3)[[0, 1, 2, 2]]) == pytest.approx(1)
    assert target_of("classes").score([0, 1, 2, 2], np.eye(3)[[2, 2, 2, 2]]) == 0
    table = np.array([[0, 1, NAN], [1, 0, NAN], [1, NAN, NAN]])
    assert target_of("labels").score(table, np.array([[1, 2, 7], [3, 1, 7], [0, 9, 7]])) == pytest.approx(0.75)
    rising = np.array([[1, 1, 5], [2, 2, 5], [NAN, 3, 5]])
    for kind in ("values", "bins"):
        found = np.array([[1.0, 3.0, 1.0], [2.0, 2.0, 2.0], [0.0, 1.0, 3.0]])
        assert target_of(kind).score(rising, found) == pytest.approx(0)  # 1 and -1; a constant has none
        assert np.isnan(target_of(kind).score(np.full((3, 3), NAN), found))
        with pytest.raises(InputError, match="the same would work"):
            target_of(kind).score(rising, found[:, :2])


def test_the_score_of_bases_leaves_out_unknown_bases_and_classes_that_do_not_occur():
    classes = np.array([[1, 0, 0, NO_CLASS], [1, 0, NO_CLASS, NO_CLASS]])
    found = np.eye(3)[np.where(classes == NO_CLASS, 1, classes)]
    assert target_of("bases").score(classes, found) == pytest.approx(1)
    # The second of two positives is found third of five: (1/1 + 2/3) / 2.
    found[..., 1] = [[0.9, 0.1, 0.6, 1.0], [0.5, 0.2, 1.0, 1.0]]
    assert target_of("bases").score(classes, found) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(target_of("bases").score(np.zeros((1, 4)), np.ones((1, 4, 3))))


SEEN = {
    "classes": np.array([0, 1, 2, 2]),
    "labels": np.array([[0, 1, NAN], [1, 1, 0]]),
    "values": np.array([[0.1, 1 / 3, NAN], [1, 5, -2e7]]),
    "bins": np.array([[0.1, 1 / 3, NAN], [1, 5, -2e7]]),
    "bases": np.array([[0, 1, 2, NO_CLASS]]),
}


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_records_are_equal_after_they_were_written_and_read(kind):
    options = {"classes": {"balanced": True}, "bases": {"balanced": True}, "bins": {"bins": 9}}.get(kind, {})
    for target in (make_target(kind, THREE, **options), make_target(kind, THREE, **options).fitted(SEEN[kind])):
        again = make_settings(TARGETS[kind], json.loads(json.dumps(asdict(target))), "here")
        assert again == target
        assert again.kind == kind


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_what_is_right_is_given_back_in_the_type_that_is_learnt(kind):
    found = target_of(kind).check(SEEN[kind].tolist())
    assert found.dtype == (np.int64 if kind in ("classes", "bases") else np.float32)
    np.testing.assert_array_equal(found, SEEN[kind].astype(found.dtype))
    if kind == "classes":
        np.testing.assert_array_equal(target_of(kind).check(np.array([1.0, 0.0])), [1, 0])
        np.testing.assert_array_equal(target_of(kind).check([True, False]), [1, 0])
    if kind == "labels":
        assert target_of(kind).check(np.array([[True, False, True], [False] * 3])).dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "targets", "message"),
    [
        ("classes", [0, 1, 3], "1 of 3 targets are no class: 3; whole numbers .N. from 0 to 2 would work"),
        ("classes", [0, 1, -1], "no class: -1"),
        ("classes", [0, 1, NO_CLASS], "no class: -100"),
        ("classes", [0, 1, NAN], "no class: nan"),
        ("classes", [0, 1, 0.5], "no class: 0.5"),
        ("classes", [[0], [1]], r"shape \(2, 1\) and type int64; whole numbers"),
        ("classes", ["x", "y"], "type <U1; whole numbers"),
        ("classes", [2, 2], "all known targets are of one class"),
        ("classes", [], "all known targets are of one class"),
        ("bases", [0, 1], r"shape \(2,\)"),
        ("bases", [[0, 1, 3]], "no class: 3; .* or -100"),
        ("bases", [[0, 0, NO_CLASS]], "all known targets are of one class"),
        ("bases", [[NO_CLASS]], "all known targets are of one class"),
        ("labels", [0, 1], r"shape \(2,\) and type int64; numbers .N, 3., NaN where unknown, would work"),
        ("labels", [[0, 1, 2.0], [0, 1, 0]], "1 of 6 targets are neither 0, 1 nor NaN"),
        ("labels", [[0, 1, NAN], [0, 1, 1]], "all known targets are alike"),
        ("labels", [[NAN] * 3] * 2, "or none is known"),
        ("values", [1.0, 2.0], r"shape \(2,\) and type float64"),
        ("values", [[1.0, 2.0]], r"shape \(1, 2\)"),
        ("values", [["1", "2", "3"]], "type <U1"),
        ("values", [[1, 2, np.inf], [1, 3, -np.inf]], "2 of 6 targets are infinite"),
        ("values", [[1, 2, 1e300], [1, 3, 4]], "1 of 6 targets are infinite"),
        ("values", [[1, 2, 3]] * 4, "all known targets are alike"),
        ("bins", [[NAN] * 3], "or none is known"),
        ("bins", np.zeros((0, 3)), "or none is known"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused_in_one_line(kind, targets, message):
    with pytest.raises(InputError, match=message) as caught:
        target_of(kind).check(targets)
    assert str(caught.value).startswith(kind)
    assert str(caught.value).endswith("would work")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["values", "bins"])
def test_an_output_of_which_no_value_is_known_is_named(kind):
    with pytest.raises(InputError, match=f"{kind}: no value of y is known"):
        target_of(kind).fitted([[1, NAN, 3], [2, NAN, 4]])


@pytest.mark.parametrize(
    ("kind", "names", "options"),
    [
        ("classes", ("one",), {}),
        ("bases", ("one",), {}),
        ("values", (), {}),
        ("labels", ("x", "x"), {}),
        ("labels", ("x",), {"positive_weight": 0.0}),
        ("labels", ("x",), {"positive_weight": NAN}),
        ("bins", ("x",), {"bins": 1}),
        ("numbers", ("x",), {}),
    ],
)
def test_targets_that_do_not_exist(kind, names, options):
    with pytest.raises(SettingsError, match="would work"):
        make_target(kind, names, **options)
