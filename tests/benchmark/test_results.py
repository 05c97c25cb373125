import math

import numpy as np
import pandas as pd
import pytest

from hexamer.benchmark.protocol import BenchmarkSettings, Cell, predictions_path
from hexamer.benchmark.results import (
    compare_methods,
    list_histories,
    list_scores,
    put_beside,
    resample_cells,
    summarise_cells,
)
from hexamer.benchmark.task_data import Split, TaskData
from hexamer.benchmark.tasks import METRICS, Suite, Task, read_suite
from hexamer.metrics import mcc, resample
from hexamer.tokens import LetterReport
from hexamer.training.scores import CHOSEN
from hexamer.training.targets import TARGETS


def cell(method, fold, test, task="H3K4me3", validation=0.5, seconds=1.5, **facts):
    return Cell(task, method, fold, test, validation, seconds, {"mcc": test, "f1": test / 2}, facts)


CELLS = [
    cell("ia3", 0, 0.5, validation=0.6, trained=194),
    cell("ia3", 1, 0.7, validation=0.8, trained=194),
    cell("kmer", 0, 0.4, k=5),
    cell("kmer", 1, 0.8, k=6),
    cell("kmer", 2, 0.9, k=6),
    cell("kmer", 0, 0.25, task="enhancers"),
]


def test_the_mean_over_folds_and_two_standard_deviations():
    table = summarise_cells(CELLS)
    assert table["task"].tolist() == ["H3K4me3", "H3K4me3", "enhancers"]
    assert table["method"].tolist() == ["ia3", "kmer", "kmer"]
    assert table["folds"].tolist() == [2, 3, 1]
    assert table["test"].tolist() == pytest.approx([0.6, 0.7, 0.25])
    # Of n - 1: half the difference times the root of two; the root of (0.09 + 0.01 + 0.04) / 2.
    assert table["sd2"].tolist()[:2] == pytest.approx([2 * 0.1 * math.sqrt(2), 2 * math.sqrt(0.07)])
    assert math.isnan(table["sd2"].iloc[2])
    assert table["validation"].tolist() == pytest.approx([0.7, 0.5, 0.5])
    assert table["trained"].tolist() == [194, 0, 0]
    assert table["seconds"].tolist() == [3.0, 4.5, 1.5]


def test_methods_are_compared_fold_by_fold():
    table = compare_methods(CELLS, reference="ia3")
    assert table[["task", "method", "folds", "better"]].to_numpy().tolist() == [["H3K4me3", "kmer", 2, 1]]
    assert table["difference"].item() == pytest.approx(0.0)
    assert table["sd2"].item() == pytest.approx(2 * 0.1 * math.sqrt(2))
    turned = compare_methods(CELLS, reference="kmer")
    assert turned[["task", "method", "folds", "better"]].to_numpy().tolist() == [["H3K4me3", "ia3", 2, 1]]
    one = compare_methods([*CELLS, cell("probe", 0, 0.5, task="enhancers")], reference="kmer").iloc[1]
    assert (one["method"], one["folds"], one["difference"], one["better"]) == ("probe", 1, 0.25, 1)
    assert math.isnan(one["sd2"])


def test_nothing_to_compare_with():
    for cells, reference in ((CELLS, "probe"), (CELLS[:2], "ia3"), ([], "ia3")):
        table = compare_methods(cells, reference=reference)
        columns = "task method reference folds difference sd2 better low high p"
        assert list(table.columns) == columns.split()
        assert table.empty


def test_histories_of_what_is_trained_in_steps():
    looks = [{"step": 2, "loss": 0.5, "score": 0.1}, {"step": 4, "loss": 0.4, "score": 0.2}]
    table = list_histories([*CELLS, cell("cnn", 1, 0.5, history=looks)])
    assert table.to_numpy().tolist() == [["H3K4me3", "cnn", 1, 2, 0.5, 0.1], ["H3K4me3", "cnn", 1, 4, 0.4, 0.2]]
    assert list_histories(CELLS).empty


def test_published_numbers_stand_beside_ours_with_their_source():
    table = put_beside(CELLS, read_suite("nt-revised"))
    ours, others = table[table["source"] == "this run"], table[table["source"] != "this run"]
    pd.testing.assert_frame_equal(ours[["method", "test"]], summarise_cells(CELLS)[["method", "test"]])
    assert set(ours["certainty"]) == {"measured"}
    assert set(others["task"]) == {"H3K4me3", "enhancers"}
    assert others["test"].between(-1, 1).all()
    assert others[["method", "source", "certainty"]].notna().all(axis=None)
    assert others["folds"].isna().all()
    assert "NT-v2-500M" in set(others["method"])
    assert len(others) == 14


def test_numbers_in_another_metric_stand_beside_ours_in_it():
    suite = read_suite("nt-original")
    assert suite.task("promoter_all").metric == "f1"
    table = put_beside([cell("kmer", 0, 0.8, task="promoter_all")], suite)
    ours = table[table["source"] == "this run"]
    assert ours[["metric", "test"]].to_numpy().tolist() == [["mcc", 0.8], ["f1", 0.4]]
    counts = table[table["source"] != "this run"]["metric"].value_counts()
    assert counts.to_dict() == {"mcc": 9, "f1": 6}
    assert not table.duplicated(["method", "source", "metric"]).any()


def test_every_statistic_has_its_mean_over_folds():
    table = list_scores(CELLS).set_index(["task", "method", "metric"])
    assert len(table) == 6
    row = table.loc["H3K4me3", "kmer", "f1"]
    assert (row["folds"], row["test"]) == (3, pytest.approx(0.35))
    assert row["sd2"] == pytest.approx(math.sqrt(0.07))


@pytest.mark.parametrize(
    "suite", [read_suite("gue"), Suite(name="mine", tasks=(Task(suite="m", name="H3K4me3", classes=("a", "b")),))]
)
def test_a_suite_of_which_nothing_was_published(suite):
    table = put_beside(CELLS, suite)
    assert len(table) == 3
    assert set(table["source"]) == {"this run"}


def test_what_is_measured_is_known_of_every_kind_of_task():
    assert METRICS.keys() <= CHOSEN.keys() == TARGETS.keys()
    assert all(CHOSEN[kind] in metrics for kind, metrics in METRICS.items())
    assert all(CHOSEN[kind] in TARGETS[kind].metric.lower() for kind in CHOSEN)


def test_intervals_over_test_rows(tmp_path):
    """Two methods, one of which is always right, on the same draws."""
    task = Task(suite="fly", name="eye", classes=("low", "high"))
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 80)
    split = Split(["ACGT"] * 80, classes)
    data = TaskData(task=task, train=split, validation=None, test=split, letters=LetterReport(), notes=())
    cells = [cell(method, fold, 0.0, task="eye") for method in ("right", "noisy") for fold in (0, 1)]
    for each in cells:
        said = classes if each.method == "right" else np.where(rng.random(80) < 0.3, 1 - classes, classes)
        path = predictions_path(tmp_path, "eye", each.method, each.fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.eye(2)[said].astype(np.float32))
    draws = resample_cells(cells, data, tmp_path, BenchmarkSettings(folds=2))
    right, noisy = draws["eye", "right"], draws["eye", "noisy"]
    assert (right.draws == 1).all()
    singles = []
    for fold in (0, 1):
        said = np.load(predictions_path(tmp_path, "eye", "noisy", fold)).argmax(1)
        singles.append(resample(mcc, classes, said).draws)
    np.testing.assert_allclose(noisy.draws, np.mean(singles, axis=0))
    table = summarise_cells(cells, draws).set_index("method")
    assert table.loc["right", ["low", "high"]].tolist() == [1, 1]
    assert table.loc["noisy", "low"] < noisy.estimate < table.loc["noisy", "high"] < 1
    found = compare_methods(cells, reference="right", draws=draws).iloc[0]
    assert (found["low"], found["high"]) == pytest.approx(np.quantile(noisy.draws - 1, [0.025, 0.975]))
    assert found["p"] < 0.01
    assert summarise_cells(cells)["low"].isna().all()
    assert compare_methods(cells, reference="right")["p"].isna().all()
