from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.expression.conftest import SETTINGS

from hexamer.errors import InputError, SettingsError
from hexamer.expression.run import evaluate_expression
from hexamer.expression.study import Study


def run(study, folder, settings=SETTINGS, **options):
    expression, cohort = study
    seen: list[bool] = []
    with Study(expression, cohort, settings, cache=False, **options) as made:
        return evaluate_expression(made, folder, advance=lambda count, there: seen.append(there)), seen


def test_a_run_that_was_killed_goes_on_to_the_same_tables(study, tmp_path, monkeypatch):
    whole, seen = run(study, tmp_path / "whole")
    assert seen == [False] * 6
    calls = []
    judge = Study.judge_gene

    def killed(self, row):
        calls.append(row)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(self, row)

    monkeypatch.setattr(Study, "judge_gene", killed)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "killed")
    again, seen = run(study, tmp_path / "killed")
    assert seen == [True, *[False] * 5]
    pd.testing.assert_frame_equal(again.genes, whole.genes)
    pd.testing.assert_frame_equal(again.predictions, whole.predictions)
    pd.testing.assert_frame_equal(again.across, whole.across)
    assert (
        again.skipped
        == whole.skipped
        == {
            "c": "contig_missing",
            "d": "constant_expression",
            "e": "missing_values",
            "f": "no_variants",
        }
    )


def test_summaries(study, tmp_path):
    found, _ = run(study, tmp_path / "s", replace(SETTINGS, seeds=(0, 1)))
    assert len(found.genes) == 2 * 2 * 2
    means = found.means().set_index(["method", "gene_id"])
    assert len(means) == 4
    mine = found.genes.query("method == 'ridge' and gene_id == 'a'")["pearson"]
    assert means.loc[("ridge", "a"), "pearson"] == pytest.approx(mine.mean())
    assert found.summary()["genes"].tolist() == [2, 2]
    assert found.differences("elastic-net")["method"].tolist() == ["ridge"]
    # Two genes are too few for correlations across them.
    assert found.across["method"].tolist() == ["elastic-net", "ridge", "gene mean"]
    assert found.across["people"].eq(0).all()


def test_across_genes_the_mean_alone_goes_far(study, tmp_path):
    """Genes of different means: nearly all of a correlation across genes says which gene it is, not whose."""
    expression, cohort = study
    rng = np.random.default_rng(0)
    genes = pd.DataFrame({"gene_id": list("abcdefgh"), "chrom": "20", "tss": 600, "strand": "+"})
    values = 10 * np.arange(8)[:, None] + rng.normal(size=(8, 120))
    found, _ = run(
        (replace(expression, values=values, genes=genes), cohort), tmp_path / "g", replace(SETTINGS, methods=("ridge",))
    )
    assert found.across.set_index("method")["pearson"].min() > 0.95
    assert found.summary()["mean_r"].abs().max() < 0.3


def test_a_folder_of_another_study_is_refused(study, tmp_path):
    run(study, tmp_path / "s")
    with pytest.raises(SettingsError, match=r"parts of another run \(settings differ\)"):
        run(study, tmp_path / "s", replace(SETTINGS, window=300))
    expression, cohort = study
    with pytest.raises(SettingsError, match="expression differ"):
        run((replace(expression, values=expression.values + 1), cohort), tmp_path / "s")
    for damage in ("{", "[]", '{"rows": [], "skipped": {}, "counts": {}}'):
        (tmp_path / "s" / "parts" / "000000.json").write_text(damage)
        with pytest.raises(InputError, match="without it the gene would be judged anew"):
            run(study, tmp_path / "s")
    (tmp_path / "s" / "parts" / "run.json").unlink()
    with pytest.raises(SettingsError, match="parts of another run"):
        run(study, tmp_path / "s")


def test_no_gene_at_all(study, tmp_path):
    expression, cohort = study
    none = expression.take_genes(np.array([2, 3]))
    with pytest.raises(SettingsError, match="1 contig_missing, 1 constant_expression"):
        run((none, cohort), tmp_path / "s")


def test_heads_of_all_genes_are_a_part_of_their_own(study, model, tmp_path):
    settings = replace(SETTINGS, methods=("ridge", "pooled-transformer-head"), folds=2)
    first, _ = run(study, tmp_path / "s", settings, model=model)
    again, seen = run(study, tmp_path / "s", settings, model=model)
    assert all(seen)
    assert set(first.genes["method"]) == {"ridge", "pooled-transformer-head"}
    pd.testing.assert_frame_equal(first.genes, again.genes)
