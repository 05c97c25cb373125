import numpy as np
import pytest
from tests.expression.conftest import SETTINGS

from hexamer.errors import SettingsError
from hexamer.expression.features import FeatureReader
from hexamer.expression.linear_head import LinearHead
from hexamer.expression.methods import PRETRAINED, FittedRows, Method, Region, fit_gene, gene_of, parse_method


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ridge", Method("ridge")),
        ("near-elastic-net", Method("elastic-net", is_near=True)),
        ("shuffled-random-linear-head", Method("linear-head", is_random=True, is_shuffled=True)),
        ("pooled-transformer-head", Method("transformer-head", is_pooled=True)),
        ("random-shuffled-linear-head", Method("linear-head", is_random=True, is_shuffled=True)),
    ],
)
def test_names_are_taken_apart(text, told):
    assert parse_method(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "lasso",
        "near-linear-head",
        "random-ridge",
        "near-near-ridge",
        "",
        "shuffled-",
        "pooled-ridge",
        "pooled-linear-head",
    ],
)
def test_names_that_mean_nothing(text):
    with pytest.raises(SettingsError, match="is unknown; elastic-net, ridge"):
        parse_method(text)


def test_models_of_near_variants_predict_with_those(study):
    """Even where the window of the others is smaller."""
    expression, cohort = study
    gene, learn = gene_of(expression.genes.iloc[0]), np.ones(120, dtype=bool)
    said = []
    for window in (20, 400):
        region = Region(gene, cohort, window, 300, {})
        values = expression.values[0]
        fitted = fit_gene(parse_method("near-ridge"), region, values, learn, frequency=0, head=SETTINGS.head, seed=0)
        said.append(fitted.predict(region))
    np.testing.assert_array_equal(said[0].values, said[1].values)
    assert (said[0].matched, said[0].places) == (12, 12)
    assert np.corrcoef(said[0].values, values)[0, 1] > 0.5


def test_rows_that_are_matched_are_those_over_a_varying_site(study, model):
    expression, cohort = study
    with FeatureReader(model, cohort, SETTINGS.features, cache=False) as reader:
        region = Region(gene_of(expression.genes.iloc[0]), cohort, 400, 300, {PRETRAINED: reader})
        assert region.varying[:, 0].tolist() == [549 + 10 * i for i in range(12)]
        sites = np.array(
            [[540, 549], [540, 550], [549, 550], [550, 559], [552, 562], [450, 700], [659, 660], [660, 700]]
        )
        head = LinearHead(np.zeros((8, 16), dtype=np.float32), 0.0, 0, "rows", 1.0)
        told = FittedRows(sites, 0, head).predict(region)
    slow = [any(a < end and start < b for a, b in region.varying) for start, end in sites]
    assert told.matched == sum(slow) == 5
