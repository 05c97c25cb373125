import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from tests.expression.conftest import SETTINGS

from hexamer.errors import SettingsError
from hexamer.expression.dosages import read_dosages
from hexamer.expression.personal import fit_expression, predict_expression
from hexamer.expression.predictdb import write_predictdb

WEIGHTS = "SELECT rsid, gene, weight, ref_allele, eff_allele FROM weights"
EXTRA = "SELECT gene, genename, `n.snps.in.model`, `pred.perf.R2`, `pred.perf.pval`, `pred.perf.qval` FROM extra"
"""What MetaXcan asks."""


def test_weights_are_of_copies_and_predict_the_same(study, tmp_path):
    expression, cohort = study
    fitted = fit_expression(expression, cohort, replace(SETTINGS, methods=("elastic-net",)))
    path = tmp_path / "blood.db"
    assert write_predictdb(fitted, path, build="b38") >= 1
    with sqlite3.connect(path) as file:
        rows, extra = file.execute(WEIGHTS).fetchall(), file.execute(EXTRA).fetchall()
        ids = dict(file.execute("SELECT rsid, varID FROM weights").fetchall())
    assert extra[0][:2] == ("a", "a")
    assert extra[0][2] == sum(row[1] == "a" for row in rows)
    assert extra[0][3] == pytest.approx(fitted.table()["pearson"][0] ** 2)
    assert all(0 < row[4] <= 1 and row[5] is None for row in extra)
    dosages = read_dosages(cohort, "20", 0, 1200)
    places = {f"chr20_{v.pos}_{v.ref}_{v.alt}_b38": i for i, v in enumerate(dosages.variants)}
    said = np.zeros(120)
    for name, gene, weight, ref, alt in rows:
        if gene == "a":
            variant = dosages.variants[places[ids[name]]]
            assert (variant.ref, variant.alt) == (ref, alt)
            said += weight * dosages.values[:, places[ids[name]]]
    people, _ = predict_expression(fitted, cohort)
    told = people.query("gene_id == 'a'")["predicted_normalised"].to_numpy()
    np.testing.assert_allclose(said - said.mean(), told - told.mean(), atol=1e-9)


def test_genes_without_a_weight_are_left_out_and_heads_refused(study, model, tmp_path):
    expression, cohort = study
    fitted = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
    fitted.genes[1].fitted.model.weights[:] = 0
    assert write_predictdb(fitted, tmp_path / "x.db") == 1
    with sqlite3.connect(tmp_path / "x.db") as file:
        (row,) = file.execute(EXTRA).fetchall()
        (name,) = file.execute("SELECT DISTINCT rsid FROM weights LIMIT 1").fetchone()
    assert row[:3] == ("a", "a", 12)
    assert name.startswith("chr20_550_")
    heads = fit_expression(
        expression, cohort, replace(SETTINGS, methods=("linear-head",)), model=model, judge=False, cache=False
    )
    with pytest.raises(SettingsError, match="linear-head has no weights of alleles"):
        write_predictdb(heads, tmp_path / "y.db")
    assert not (tmp_path / "y.db").exists()
