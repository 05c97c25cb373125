from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.expression.conftest import PEOPLE, SETTINGS

from hexamer.errors import InputError, SettingsError
from hexamer.expression.fitted import fit_expression, load_expression_model, predict_expression
from hexamer.genome import Cohort
from hexamer.model import load_model, save_model


@pytest.fixture(scope="module")
def encoder(model, tmp_path_factory):
    return load_model(save_model(model, tmp_path_factory.mktemp("model") / "small"))


@pytest.mark.parametrize("method", ["elastic-net", "ridge", "linear-head", "transformer-head"])
def test_what_was_saved_predicts_the_same(study, encoder, tmp_path, method):
    expression, cohort = study
    settings = replace(SETTINGS, methods=(method,))
    seen = []
    fitted, skipped = fit_expression(
        expression, cohort, settings, model=encoder, judge=method == "ridge", cache=False, advance=seen.append
    )
    assert sum(seen) == 6
    assert set(skipped) == set("cdef")
    asked = encoder if "head" in method else None
    people, genes = predict_expression(fitted, cohort, model=asked, cache=False)
    assert genes["gene_id"].tolist() == ["a", "b"]
    assert (genes["reason"] == "").all()
    assert (genes["matched"] == genes["places"]).all()
    assert len(people) == 2 * 120
    one = people[people["gene_id"] == "a"]
    assert np.corrcoef(one["normalised"], expression.values[0])[0, 1] > 0.5
    assert np.corrcoef(one["expression"], expression.values[0])[0, 1] > 0.5
    again = load_expression_model(fitted.save(tmp_path / "models"))
    assert again.settings == settings
    said, facts = predict_expression(again, cohort, model=asked, cache=False)
    pd.testing.assert_frame_equal(said, people, rtol=1e-5)
    pd.testing.assert_frame_equal(facts, genes)
    held_out = again.table().set_index("gene_id")["pearson"]
    assert (held_out["a"] > 0.4) if method == "ridge" else held_out.isna().all()
    if "head" in method:
        assert again.load_encoder().config == encoder.config
        with pytest.raises(SettingsError, match="heads need their encoder"):
            predict_expression(again, cohort)


@pytest.mark.parametrize("method", ["ridge", "linear-head", "transformer-head"])
def test_people_who_were_never_seen(study, encoder, method):
    expression, cohort = study
    some = PEOPLE[:80]
    settings = replace(SETTINGS, methods=(method,))
    with Cohort(cohort.file.path, cohort.genome, samples=some) as known:
        fitted, _ = fit_expression(expression.take(some), known, settings, model=encoder, judge=False, cache=False)
    with Cohort(cohort.file.path, cohort.genome, samples=PEOPLE[80:]) as new:
        people, _ = predict_expression(fitted, new, model=encoder, cache=False)
        alone, _ = predict_expression(fitted, new, model=encoder, cache=False)
    with Cohort(cohort.file.path, cohort.genome, samples=PEOPLE[90:91]) as one:
        single, _ = predict_expression(fitted, one, model=encoder, cache=False)
    assert np.corrcoef(people["normalised"][:40], expression.values[0, 80:])[0, 1] > 0.3
    pd.testing.assert_frame_equal(people, alone)
    told = people.query("sample == 'p90'")["normalised"].to_numpy()
    np.testing.assert_allclose(single["normalised"], told, atol=1e-5)


def test_variants_that_a_new_file_lacks_are_the_reference(study, tmp_path):
    import pysam

    expression, cohort = study
    fitted, _ = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
    lines = pysam.BGZFile(str(cohort.file.path)).read().decode().splitlines(keepends=True)
    kept = [line for line in lines if line[0] == "#" or int(line.split("\t")[1]) >= 600]
    (tmp_path / "few.vcf").write_text("".join(kept))
    pysam.tabix_compress(str(tmp_path / "few.vcf"), str(tmp_path / "few.vcf.gz"))
    with Cohort(tmp_path / "few.vcf.gz", cohort.genome, cache=tmp_path) as few:
        people, genes = predict_expression(fitted, few)
    assert genes["places"].tolist() == [12, 12]
    assert genes["matched"].tolist() == [7, 7]
    assert genes["share"].iloc[0] == pytest.approx(7 / 12)
    whole, _ = predict_expression(fitted, cohort)
    assert 0 < np.abs(people["normalised"] - whole["normalised"]).max() < 5


def test_genes_off_the_new_genome_have_a_reason(study):
    expression, cohort = study
    fitted, _ = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
    fitted.genes[0] = fitted.genes[0]._replace(gene=fitted.genes[0].gene._replace(chrom="7"))
    people, genes = predict_expression(fitted, cohort)
    assert genes["reason"].tolist() == ["contig_missing", ""]
    assert people["gene_id"].unique().tolist() == ["b"]


def test_mistakes(study, model, encoder, tmp_path):
    expression, cohort = study
    with pytest.raises(SettingsError, match="one of them, and one seed"):
        fit_expression(expression, cohort, SETTINGS)
    with pytest.raises(SettingsError, match="a control is no model to keep; ridge would work"):
        fit_expression(expression, cohort, replace(SETTINGS, methods=("shuffled-ridge",)))
    with pytest.raises(InputError, match="no models of expression"):
        load_expression_model(tmp_path)
    settings = replace(SETTINGS, methods=("linear-head",))
    fitted, _ = fit_expression(expression, cohort, settings, model=model, judge=False, cache=False)
    with pytest.raises(SettingsError, match="the encoder is in no folder"):
        fitted.save(tmp_path / "m")
    fitted, _ = fit_expression(expression, cohort, settings, model=encoder, judge=False, cache=False)
    folder = fitted.save(tmp_path / "m")
    (folder / "heads.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="cannot be read"):
        load_expression_model(folder)
    (folder / "expression.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        load_expression_model(folder)
