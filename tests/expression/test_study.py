from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.expression.conftest import PEOPLE, SETTINGS

from hexamer.errors import InputError, SettingsError
from hexamer.expression.pooled import judge_pooled
from hexamer.expression.study import Study
from hexamer.manifest import write_json
from hexamer.model import NucleotideTransformer


def judge(study, settings, **options):
    expression, cohort = study
    with Study(expression, cohort, settings, cache=False, **options) as made:
        return [made.judge_gene(row) for row in range(len(expression.genes))]


def test_every_gene_has_rows_or_a_reason(study, model):
    methods = ("elastic-net", "ridge", "near-ridge", "shuffled-ridge", "linear-head", "random-linear-head")
    found = judge(study, replace(SETTINGS, methods=methods), model=model)
    assert [bool(each.rows) for each in found] == [True, True, False, False, False, False]
    assert {**found[2].skipped, **found[3].skipped, **found[4].skipped, **found[5].skipped} == {
        "c": "contig_missing",
        "d": "constant_expression",
        "e": "missing_values",
        "f": "no_variants",
    }
    table = pd.DataFrame(found[0].rows).set_index("method")
    assert list(table.index) == list(methods)
    for name in ("elastic-net", "ridge", "near-ridge", "linear-head", "random-linear-head"):
        assert table.loc[name, "pearson"] > 0.4, name
        assert table.loc[name, "p"] < 0.01
    assert abs(table.loc["shuffled-ridge", "pearson"]) < 0.3
    noise = pd.DataFrame(found[1].rows).set_index("method")
    assert noise["pearson"].abs().max() < 0.35
    assert found[0].counts["haplotypes"] == 2 * 240  # an encoder, and one of random weights
    told = found[0].predictions
    assert len(told) == len(methods) * 120
    assert told.groupby("method")["sample"].nunique().eq(120).all()


def test_predictions_are_those_that_were_judged_and_have_units(study):
    (found, *_) = judge(study, replace(SETTINGS, methods=("ridge",), seeds=(0, 1)))
    assert [row["seed"] for row in found.rows] == [0, 1]
    one = found.predictions[found.predictions["seed"] == 0]
    within = one.groupby("fold")[["measured_normalised", "predicted_normalised"]].apply(
        lambda part: part.corr().iloc[0, 1]
    )
    assert within.mean() == pytest.approx(found.rows[0]["pearson"], abs=1e-6)  # folds are of one size
    values = study[0].values[0]
    assert values.min() <= one["predicted"].min() <= one["predicted"].max() <= values.max()


@pytest.mark.parametrize("normalise", ["standard", "rank"])
@pytest.mark.parametrize(
    "method", ["elastic-net", "ridge", "best-variant", "linear-head", "transformer-head", "pooled-transformer-head"]
)
def test_what_is_held_out_teaches_nothing(study, model, method, normalise):
    """Expression of the people of one fold changes predictions of the others only."""
    expression, cohort = study
    features = replace(SETTINGS.features, layers=(1, 2))
    settings = replace(SETTINGS, methods=(method,), folds=2, normalise=normalise, features=features)
    keep = expression.take_genes(np.array([True, True, False, False, False, False]))
    said = []
    for change in (0.0, 50.0):
        with Study(keep, cohort, settings, model=model, cache=False) as made:
            values = keep.values + change * (made.folds[0] == 0) * np.arange(120) ** 2
            made.expression = replace(keep, values=values)
            found = judge_pooled(made) if method.startswith("pooled") else made.judge_gene(0)
        said.append(found.predictions.set_index(["gene_id", "sample"]))
    for fold, same in ((0, True), (1, False)):
        one, two = (each["predicted_normalised"][each["fold"] == fold] for each in said)
        assert np.allclose(one, two) == same


def test_groups_of_people_and_predictions_of_others(study):
    expression = study[0]
    groups = ["north"] * 40 + ["south"] * 80
    settings = replace(SETTINGS, methods=("ridge",), hold_out="groups")
    track = replace(expression, values=-expression.values).take(PEOPLE[:100])
    (found, *_) = judge(study, settings, groups=groups, given={"track": track})
    table = pd.DataFrame(found.rows).set_index("method")
    assert table.loc["track", "pearson"] < -0.9
    assert table.loc["track", "people"] == 100
    assert found.predictions.query("method == 'ridge' and fold == 0")["sample"].tolist() == list(PEOPLE[:40])


def test_order_of_people_does_not_matter(study):
    """Folds are by place in the cohort, so the cohort's order is one thing, the table's another."""
    expression, cohort = study
    turned = expression.take(PEOPLE[::-1])
    one, two = (judge((each, cohort), SETTINGS)[0] for each in (expression, turned))
    pd.testing.assert_frame_equal(one.predictions, two.predictions)
    assert one.rows == two.rows


def test_the_control_exchanges_each_gene_by_itself_and_groups_within(study):
    expression, cohort = study
    with Study(expression, cohort, SETTINGS) as made:
        one, two = (made.exchanged(expression.values[0], gene, 0) for gene in "ab")
    assert sorted(one) == sorted(two) == sorted(expression.values[0])
    assert (one != two).mean() > 0.9
    groups = ["north"] * 40 + ["south"] * 80
    with Study(expression, cohort, replace(SETTINGS, hold_out="groups"), groups=groups) as made:
        found = made.exchanged(expression.values[0], "a", 0)
    assert sorted(found[:40]) == sorted(expression.values[0, :40])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ("lasso",)}, "lasso"),
        ({"methods": ("pooled-ridge",)}, "pooled-transformer-head"),
        ({"normalise": "log"}, "standard, rank"),
        ({"hold_out": "cats"}, "people, groups, genes"),
        ({"folds": 1}, "folds 1, frequency 0.01: from 1, from 2"),
        ({"seeds": ()}, "seeds none: one or more"),
        ({"seeds": (1, 1)}, "seeds 1, 1: one or more, each once"),
        ({"seeds": (2**32,)}, "from 0 to 4294967295"),
        ({"methods": ("ridge", "ridge")}, "each once"),
        ({"hold_out": "genes"}, "only heads of all genes"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(SettingsError, match=message):
        replace(SETTINGS, **settings)


def test_what_a_study_lacks(study):
    expression, cohort = study
    with pytest.raises(SettingsError, match="need an encoder"):
        Study(expression, cohort, replace(SETTINGS, methods=("linear-head",)))
    with pytest.raises(SettingsError, match="groups of people are needed"):
        Study(expression, cohort, replace(SETTINGS, hold_out="groups"))
    with pytest.raises(InputError, match="p0 was not measured, nor 39 others"):
        Study(expression.take(PEOPLE[40:]), cohort, SETTINGS)
    with pytest.raises(SettingsError, match="folds of 120 people"):
        Study(expression, cohort, replace(SETTINGS, folds=121))


def test_what_results_depend_on(study):
    expression, cohort = study
    facts = []
    for settings, options in (
        (SETTINGS, {}),
        (replace(SETTINGS, seeds=(1,)), {}),
        (SETTINGS, {"given": {"track": expression}}),
        (SETTINGS, {"given": {"track": expression.take(expression.samples[::-1])}}),
    ):
        with Study(expression, cohort, settings, **options) as made:
            facts.append(write_json(made.describe()))
    assert len(set(facts)) == 4


def test_an_encoder_of_random_weights_is_told_by_its_sizes(study, model):
    expression, cohort = study
    settings = replace(SETTINGS, methods=("random-linear-head",))
    other = NucleotideTransformer(replace(model.config, width=8))
    told = []
    for encoder in (model, other):
        with Study(expression, cohort, settings, model=encoder, cache=False) as made:
            told.append(write_json(made.describe()))
    assert told[0] != told[1]
