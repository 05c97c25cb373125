from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.expression.conftest import PEOPLE, SETTINGS

from hexamer.errors import InputError, SettingsError
from hexamer.expression.fitted import load_expression_model
from hexamer.expression.normalisation import restore
from hexamer.expression.personal import fit_expression, predict_expression
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
    fitted = fit_expression(
        expression, cohort, settings, model=encoder, judge=method == "ridge", cache=False, advance=seen.append
    )
    assert sum(seen) == 6
    assert set(fitted.skipped) == set("cdef")
    asked = encoder if "head" in method else None
    people, genes = predict_expression(fitted, cohort, model=asked, cache=False)
    assert genes["gene_id"].tolist() == ["a", "b"]
    assert (genes["reason"] == "").all()
    assert (genes["matched"] == genes["places"]).all()
    assert len(people) == 2 * 120
    one = people[people["gene_id"] == "a"]
    assert np.corrcoef(one["predicted_normalised"], expression.values[0])[0, 1] > 0.5
    told = restore(one["predicted_normalised"].to_numpy(), expression.values[0], "rank")
    np.testing.assert_allclose(one["predicted"], told)
    again = load_expression_model(fitted.save(tmp_path / "models"))
    assert again.settings == settings
    assert again.skipped == fitted.skipped
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
        fitted = fit_expression(expression.take(some), known, settings, model=encoder, judge=False, cache=False)
    with Cohort(cohort.file.path, cohort.genome, samples=PEOPLE[80:]) as new:
        people, _ = predict_expression(fitted, new, model=encoder, cache=False)
    with Cohort(cohort.file.path, cohort.genome, samples=PEOPLE[90:91]) as one:
        single, _ = predict_expression(fitted, one, model=encoder, cache=False)
    assert np.corrcoef(people["predicted_normalised"][:40], expression.values[0, 80:])[0, 1] > 0.3
    told = people.query("sample == 'p90'")["predicted_normalised"].to_numpy()
    np.testing.assert_allclose(single["predicted_normalised"], told, atol=1e-5)


def test_variants_that_a_new_file_lacks_are_the_reference(study, tmp_path):
    import pysam

    expression, cohort = study
    fitted = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
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
    assert 0 < np.abs(people["predicted_normalised"] - whole["predicted_normalised"]).max() < 5


def test_genes_of_another_genome_have_a_reason(study):
    expression, cohort = study
    fitted = fit_expression(expression, cohort, replace(SETTINGS, methods=("ridge",)), judge=False)
    first, second = fitted.genes
    moved = [
        first._replace(gene=first.gene._replace(**change)) for change in ({"chrom": "7"}, {"tss": 1200}, {"tss": 610})
    ]
    fitted.genes = [*moved, second]
    people, genes = predict_expression(fitted, cohort)
    assert genes["reason"].tolist() == ["contig_missing", "past_end", "other_reference", ""]
    assert people["gene_id"].unique().tolist() == ["b"]


def test_a_fit_that_was_killed_goes_on(study, tmp_path, monkeypatch):
    expression, cohort = study
    settings = replace(SETTINGS, methods=("ridge",))
    whole = fit_expression(expression, cohort, settings, folder=tmp_path / "whole")
    seen = []

    def stop(count):
        seen.append(count)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_expression(expression, cohort, settings, folder=tmp_path / "killed", advance=stop)
    monkeypatch.setattr("hexamer.expression.personal.fit_gene", None)  # both genes are there
    fit_expression(expression, cohort, settings, folder=tmp_path / "killed")
    again = load_expression_model(tmp_path / "killed")
    assert not (tmp_path / "killed" / "parts").exists()
    assert again.skipped == whole.skipped
    pd.testing.assert_frame_equal(again.table(), whole.table())
    for name in ("expression.json", "weights.tsv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    monkeypatch.undo()
    other = fit_expression(expression, cohort, replace(settings, window=60), folder=tmp_path / "killed")
    assert load_expression_model(tmp_path / "killed").settings == other.settings


def test_mistakes(study, model, encoder, tmp_path):
    expression, cohort = study
    with pytest.raises(SettingsError, match="one of them, and one seed"):
        fit_expression(expression, cohort, SETTINGS)
    with pytest.raises(SettingsError, match="is no model to keep; ridge would work"):
        fit_expression(expression, cohort, replace(SETTINGS, methods=("shuffled-ridge",)))
    with pytest.raises(InputError, match="no models of expression"):
        load_expression_model(tmp_path)
    settings = replace(SETTINGS, methods=("linear-head",))
    fitted = fit_expression(expression, cohort, settings, model=model, judge=False, cache=False)
    with pytest.raises(SettingsError, match="the encoder is in no folder"):
        fitted.save(tmp_path / "m")
    fitted = fit_expression(expression, cohort, settings, model=encoder, judge=False, cache=False)
    folder = fitted.save(tmp_path / "m")
    (folder / "tensors.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="cannot be read"):
        load_expression_model(folder)
    (folder / "expression.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        load_expression_model(folder)
