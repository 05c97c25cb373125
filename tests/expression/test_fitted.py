from dataclasses import replace

import numpy as np
import pytest
from tests.expression.conftest import SETTINGS

from hexamer.errors import InputError
from hexamer.expression.fitted import load_expression_model, weights_of
from hexamer.expression.personal import fit_expression


def test_weights_come_back_to_the_last_bit_and_others_are_gone(study, tmp_path):
    expression, cohort = study
    made = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.tsv").write_text("of another model")
    again = load_expression_model(made.save(tmp_path / "m"))
    for one, two in zip(made.genes, again.genes, strict=True):
        np.testing.assert_array_equal(weights_of(one)["weight"], weights_of(two)["weight"])
        np.testing.assert_array_equal(one.known, two.known)
        assert one.reference == two.reference
    assert again.table()["places"].tolist() == [12, 12]


def test_weights_that_are_missing_are_no_weights_of_zero(study, tmp_path):
    expression, cohort = study
    made = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
    folder = made.save(tmp_path / "m")
    (folder / "weights.tsv").unlink()
    with pytest.raises(InputError, match=r"weights\.tsv"):
        load_expression_model(folder)
