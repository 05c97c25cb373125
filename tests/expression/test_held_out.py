import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_people

from hexamer.errors import InputError, SettingsError
from hexamer.expression.cohort import Expression
from hexamer.expression.evaluate import summarise_genes
from hexamer.expression.held_out import SHUFFLED, judge_linear_models
from hexamer.genome import Cohort

PEOPLE = [f"p{i}" for i in range(120)]


@pytest.fixture
def study(tmp_path):
    """120 people, 9 variants; a gene that three of them move, one that none does, one elsewhere, one constant."""
    rng = np.random.default_rng(6)
    copies = rng.binomial(1, 0.4, (9, 120, 2))
    records = []
    for place, row in enumerate(copies):
        calls = "\t".join(f"{a}|{b}" for a, b in row)
        ref = "ACGT"[(2 * place) % 4]
        records.append(f"20\t{2 * place + 1}\t.\t{ref}\t{'T' if ref != 'T' else 'A'}\t.\t.\t.\tGT\t{calls}")
    path, genome = write_people(tmp_path, records, PEOPLE)
    x = copies.sum(2)
    moved = x[:3].sum(0) + rng.normal(size=120)
    values = np.stack([moved, rng.normal(size=120), rng.normal(size=120), np.ones(120)])
    genes = pd.DataFrame({"gene_id": list("abcd"), "chrom": ["chr20", "20", "7", "20"], "tss": 5, "strand": "+"})
    with Cohort(path, genome, cache=tmp_path) as cohort:
        yield Expression(values, genes, tuple(PEOPLE)), cohort


def test_genes_that_variants_move_are_predicted_and_others_are_not(study):
    expression, cohort = study
    seen = []
    found = judge_linear_models(expression, cohort, advance=seen.append)
    assert sum(seen) == 4
    assert found.skipped == {"c": "contig_missing", "d": "expression is constant or missing"}
    table = found.table.set_index(["gene_id", "method"])
    assert set(table["variants"]) == {9}
    for method in ("elastic-net", "ridge"):
        assert table.loc[("a", method), "pearson"] > 0.5
        assert table.loc[("a", method), "p"] < 0.01
    assert abs(table.loc[("a", SHUFFLED), "pearson"]) < 0.3
    assert abs(table.loc[("b", "ridge"), "pearson"]) < 0.3
    assert summarise_genes(found.table)["genes"].tolist() == [2] * 4
    standard = judge_linear_models(expression, cohort, methods=("ridge",), normalise="standard").table
    assert standard["pearson"].iloc[0] > 0.5


def test_what_is_held_out_teaches_nothing(study):
    expression, cohort = study
    one = judge_linear_models(expression, cohort, methods=("best-variant",), folds=2)
    two = judge_linear_models(expression, cohort, methods=("best-variant",), folds=2)
    pd.testing.assert_frame_equal(one.table, two.table)
    # Expression that is noise for everyone has no fold with a high correlation.
    assert one.table.set_index("gene_id").loc["b", "pearson"] < 0.4


def test_order_and_strangers_do_not_matter(study):
    expression, cohort = study
    more = Expression(
        np.hstack([np.full((4, 1), 9.0), expression.values]), expression.genes, ("stranger", *expression.samples)
    )
    one, two = (judge_linear_models(each, cohort, methods=("ridge",)).table for each in (expression, more))
    pd.testing.assert_frame_equal(one, two)


def test_mistakes(study):
    expression, cohort = study
    with pytest.raises(SettingsError, match="lasso: is unknown; elastic-net"):
        judge_linear_models(expression, cohort, methods=("lasso",))
    with pytest.raises(SettingsError, match="log: is unknown; standard, rank"):
        judge_linear_models(expression, cohort, normalise="log")
    strangers = Expression(expression.values, expression.genes, tuple(f"x{i}" for i in range(120)))
    with pytest.raises(InputError, match="no person was both measured"):
        judge_linear_models(strangers, cohort)
