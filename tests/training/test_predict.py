import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hexamer.errors import InputError
from hexamer.genome import Interval, reverse_complement
from hexamer.training.finetune import Examples
from hexamer.training.predict import predict, score_predictor
from hexamer.training.predictor import Predictor
from hexamer.training.scores import all_scores
from hexamer.training.targets import NO_CLASS, make_target

module = sys.modules[predict.__module__]

NAMED = [("one", "ACGTGTACAGG"), ("two", ""), ("three", "TTTAAACCCGGGN"), ("four", "acgt")]
PLACES = [
    Interval("20", 10, 50),
    Interval("7", 0, 30, "+", "elsewhere"),
    Interval("chr20", 10, 50, "-", "turned"),
    Interval("short", 20, 41),
    Interval("short", 0, 40),
]


def predictor_of(model, kind="classes", names=("x", "y", "z")):
    seen = {"values": [[0.5], [1.5]], "bins": [[0.5], [1.5]]}.get(kind)
    target = make_target(kind, names)
    return Predictor(model, target.fitted(np.array(seen)) if seen else target).eval().requires_grad_(False)


def test_a_row_for_each_sequence_in_its_order(model):
    predictor, seen = predictor_of(model), []
    table = predict(predictor, iter(NAMED), advance=seen.append)
    assert list(table.columns) == ["name", "x", "y", "z", "prediction", "n", "reason"]
    assert table["name"].tolist() == ["one", "two", "three", "four"]
    assert table["reason"].tolist() == ["", "empty", "", ""]
    assert sum(seen) == 3
    found = np.stack(predictor.predict([bases for _, bases in NAMED if bases]))
    known = table[table["reason"] == ""]
    np.testing.assert_array_equal(known[["x", "y", "z"]].to_numpy(), found)
    assert table.dtypes[["x", "y", "z"]].tolist() == [np.float32] * 3
    assert known["prediction"].tolist() == [("x", "y", "z")[i] for i in found.argmax(1)]
    assert table.loc[1, ["x", "y", "z", "prediction"]].isna().all()


def test_intervals_with_strands_and_reasons(model, genome):
    predictor = predictor_of(model, "values", ("activity",))
    table = predict(predictor, PLACES, genome)
    assert list(table.columns) == ["name", "chrom", "start", "end", "strand", "activity", "n", "reason"]
    assert table["name"].tolist() == ["20:11-50", "elsewhere", "turned", "short:21-41", "short:1-40"]
    assert table["reason"].tolist() == ["", "contig_missing", "", "past_end", ""]
    assert table[["chrom", "start", "end", "strand"]].to_numpy().tolist()[2] == ["chr20", 10, 50, "-"]
    forward = genome.fetch("20", 10, 50)
    wanted = predictor.predict([forward, reverse_complement(forward), genome.fetch("short", 0, 40)])
    np.testing.assert_allclose(table["activity"].dropna(), np.concatenate(wanted), rtol=1e-6)
    assert table["activity"].isna().tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("kind", ["labels", "bins"])
def test_labels_and_bins_have_no_prediction_but_their_numbers(model, kind):
    names = ("x", "y") if kind == "labels" else ("x",)
    table = predict(predictor_of(model, kind, names), NAMED)
    assert list(table.columns) == ["name", *names, "n", "reason"]
    assert table[list(names)].notna().all(axis=1).tolist() == [True, False, True, True]


def test_a_row_for_each_base(model):
    predictor = predictor_of(model, "bases", ("none", "donor"))
    table = predict(predictor, NAMED)
    assert list(table.columns) == ["name", "offset", "none", "donor", "prediction", "n", "reason"]
    assert table["name"].value_counts().to_dict() == {"one": 11, "two": 1, "three": 13, "four": 4}
    assert table["offset"].dropna().tolist() == [*range(11), *range(13), *range(4)]
    assert table["offset"].dtype == "Int64"  # a whole number in files, though one is missing
    found = np.concatenate(predictor.predict([bases for _, bases in NAMED if bases]))
    known = table[table["reason"] == ""]
    np.testing.assert_array_equal(known[["none", "donor"]].to_numpy(), found)
    assert known["prediction"].tolist() == [("none", "donor")[i] for i in found.argmax(1)]


def test_bases_of_intervals_have_their_place_on_the_forward_strand(model, genome):
    predictor = predictor_of(model, "bases", ("none", "donor"))
    table = predict(predictor, PLACES, genome)
    assert list(table.columns) == [
        "name",
        "chrom",
        "start",
        "end",
        "strand",
        "none",
        "donor",
        "prediction",
        "n",
        "reason",
    ]
    first, turned = (table[table["name"] == name] for name in ("20:11-50", "turned"))
    assert first["start"].tolist() == list(range(10, 50))
    assert turned["start"].tolist() == list(range(49, 9, -1))
    assert (table["end"] - table["start"])[table["reason"] == ""].eq(1).all()
    (wanted,) = predictor.predict([reverse_complement(genome.fetch("20", 10, 50))])
    np.testing.assert_allclose(turned[["none", "donor"]].to_numpy(), wanted, atol=1e-6)
    missing = table[table["reason"] != ""]
    assert missing[["start", "end"]].to_numpy().tolist() == [[0, 30], [20, 41]]


def test_columns_are_in_one_order_wherever_a_reason_stands(model):
    predictor = predictor_of(model)
    whole = predict(predictor, NAMED)
    for given in (NAMED[1:], NAMED[1:2], NAMED[::-1], []):
        assert list(predict(predictor, given).columns) == list(whole.columns)
    assert predict(predictor, NAMED[1:2])["reason"].tolist() == ["empty"]


def test_sequences_are_read_piece_by_piece(model, genome, monkeypatch):
    predictor = predictor_of(model)
    whole = predict(predictor, PLACES, genome)
    monkeypatch.setattr(module, "_PIECE", 2)
    parts = predict(predictor, PLACES, genome)
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-5)


@pytest.mark.parametrize("kind", ["classes", "bases"])
def test_a_sequence_that_is_too_long_comes_back_with_its_reason(model, kind):
    given = [*NAMED, ("giant", "ACGTG" * 119), ("unknown", "N" * 99), ("one more", "A" + "N" * 100)]
    table = predict(predictor_of(model, kind), given).drop_duplicates("name").set_index("name")
    assert table["reason"].to_dict() == {
        **{"one": "", "two": "empty", "three": "", "four": ""},
        **{"giant": "beyond_model", "unknown": "empty", "one more": "beyond_model"},
    }
    assert table["x"].isna().tolist() == [bool(reason) for reason in table["reason"]]


def test_scores_are_those_of_the_target(model):
    sequences = [bases for _, bases in NAMED if bases]
    predictor = predictor_of(model)
    classes = np.array([0, 1, 2])
    found = score_predictor(predictor, Examples(sequences, classes))
    assert found == all_scores(predictor.target, classes, np.stack(predictor.predict(sequences)))
    with pytest.raises(InputError, match="test: classes: all known targets are of one class"):
        score_predictor(predictor, Examples(sequences, np.zeros(3, dtype=int)))


def test_bases_that_nobody_knows_are_not_scored(model):
    predictor = predictor_of(model, "bases", ("none", "donor"))
    sequences = ["ACGTGT", "ACG"]
    targets = np.array([[0, 1, 0, NO_CLASS, 1, 0], [1, 0, 0, *[NO_CLASS] * 3]])
    chances = np.concatenate(predictor.predict(sequences))
    # A second answer for the unknown base changes nothing.
    wanted = predictor.target.score(
        np.delete(np.concatenate([targets[0], targets[1, :3]]), 3), np.delete(chances, 3, 0)
    )
    assert score_predictor(predictor, Examples(sequences, targets))["auprc"] == pytest.approx(wanted)


def test_perfect_predictions_have_the_score_1():
    target = make_target("values", ("x",))
    perfect = SimpleNamespace(target=target, predict=lambda given: [np.array([float(len(each))]) for each in given])
    examples = Examples(["A", "ACG", "ACGTT"], np.array([[1.0], [3], [5]]))
    found = score_predictor(perfect, examples)
    assert found == pytest.approx({"pearson": 1, "spearman": 1, "r2": 1, "mse": 0})
