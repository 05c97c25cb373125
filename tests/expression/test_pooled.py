from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.expression.conftest import PEOPLE, SETTINGS

from hexamer.errors import SettingsError
from hexamer.expression.pooled import fold_genes, judge_pooled
from hexamer.expression.study import Study


@pytest.fixture
def genes(study):
    """Three genes, two of them far enough apart; no variant is near the third."""
    expression, cohort = study
    keep = expression.take_genes(np.array([True, True, False, False, False, True]))
    places = keep.genes.assign(tss=[560, 660, 600])
    return replace(keep, genes=places), cohort


def test_one_head_for_all_genes_and_one_of_random_weights(genes, model):
    settings = replace(SETTINGS, methods=("pooled-transformer-head", "pooled-random-transformer-head"), folds=2)
    seen = []
    with Study(*genes, settings, model=model, cache=False) as made:
        found = judge_pooled(made, seen.append)
    assert sum(seen) == 6
    assert found.skipped == {"f": "no_variants"}
    assert [(row["method"], row["gene_id"]) for row in found.rows] == [
        (name, gene) for name in settings.methods for gene in "ab"
    ]
    assert set(found.predictions["sample"]) == set(PEOPLE)
    assert found.predictions["predicted"].notna().all()


def test_genes_that_it_never_saw_are_predicted_for_people_who_were_not_seen_either(genes, model):
    """And have no units: nothing of theirs was seen."""
    features = replace(SETTINGS.features, window=100)
    settings = replace(SETTINGS, methods=("pooled-transformer-head",), folds=2, hold_out="genes", features=features)
    with Study(*genes, settings, model=model, cache=False) as made:
        found = judge_pooled(made)
        strangers = {name for name, fold in zip(PEOPLE, made.folds[0], strict=True) if fold == 0}
        made.expression = replace(made.expression, values=made.expression.values * np.array([[1.0], [-9.0], [1.0]]))
        other = judge_pooled(made)
    assert set(found.predictions["sample"]) == strangers
    assert {row["people"] for row in found.rows} == {60}
    assert found.predictions["predicted"].isna().all()
    # Of the gene that was changed the head that is asked about it knows nothing.
    one, two = (each.predictions.query("gene_id == 'b'")["predicted_normalised"].to_numpy() for each in (found, other))
    np.testing.assert_array_equal(one, two)


@given(
    st.lists(st.tuples(st.sampled_from(["1", "2"]), st.integers(0, 2000)), min_size=1, max_size=30), st.integers(2, 4)
)
def test_genes_whose_windows_overlap_share_a_fold(places, folds):
    table = pd.DataFrame(places, columns=["chrom", "tss"])
    try:
        found = fold_genes(table, 100, folds)
    except SettingsError:
        return
    assert set(found) == set(range(folds))
    for i, (chrom, tss) in enumerate(places):
        for j, (other, place) in enumerate(places):
            if chrom == other and abs(tss - place) < 100:
                assert found[i] == found[j]
