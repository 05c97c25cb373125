"""`run-benchmark` and `audit`."""

import json
import random

import pandas as pd
import pytest
from tests.benchmark.test_methods import drawn


@pytest.fixture
def tables(tmp_path):
    """`train.csv` and `test.csv`, whose third row is a training row."""
    draw = random.Random(0)
    rows = [("".join(draw.choice("ACGT") for _ in range(80)), i % 2) for i in range(60)]
    pd.DataFrame(rows[:50], columns=["sequence", "label"]).to_csv(tmp_path / "train.csv", index=False)
    rows[52] = rows[10]
    pd.DataFrame(rows[50:], columns=["sequence", "label"]).to_csv(tmp_path / "test.csv", index=False)
    return ["audit", "--train", tmp_path / "train.csv", "--test", tmp_path / "test.csv"]


def test_audit_shows_a_page(run, tables):
    code, out, err = run(*tables)
    assert code == 0, err
    assert out.splitlines()[1].split() == ["sequences", "50", "10"]
    assert out.splitlines()[-2:] == ["FAIL", "  FAIL  1 of 10 (10.00 %) test rows stand in training too"]


def test_audit_prints_json_and_writes_the_copies(run, tables, tmp_path):
    options = ["--json", "--out", tmp_path / "copies.tsv", "--threshold", 0.5, "--k", 10, "--distance", 5]
    code, out, err = run(*tables, "--label", "label", "--sequence", "sequence", *options)
    assert code == 0, err
    facts = json.loads(out)
    assert facts["verdict"] == "FAIL"
    assert facts["exact_duplicates"]["test_rows"] == 1
    assert {"reverse_complement_duplicates", "near_duplicates", "position_leakage"} <= facts.keys()
    assert facts["parameters"] == {"k": 10, "threshold": 0.5, "distance": 5}
    assert facts["inputs"]["train"]["bytes"] == (tmp_path / "train.csv").stat().st_size
    copies = pd.read_csv(tmp_path / "copies.tsv", sep="\t")
    assert copies[["test_row", "train_row", "kind"]].to_numpy().tolist() == [[2, 10, "exact"]]
    assert json.loads((tmp_path / "copies.tsv.manifest.json").read_text())["verdict"] == "FAIL"


AUDIT_MISTAKES = {
    "no such file": ("--train {tmp}/no.csv", "no.csv: no such file"),
    "no such column": ("--label kind", "no column of targets in 'sequence, label'; kind would work"),
    "an odd k": ("--k 11", "k = 11; an even number"),
    "an ending": ("--out {tmp}/copies.csv", ".parquet or .tsv"),
}


@pytest.mark.parametrize("case", AUDIT_MISTAKES)
def test_a_mistake_in_an_audit_is_one_line(case, run, tables, tmp_path):
    options, part = AUDIT_MISTAKES[case]
    before = sorted(tmp_path.iterdir())
    code, _, err = run(*tables, *options.format(tmp=tmp_path).split())
    assert code == 2, err
    assert [part in line for line in err.splitlines() if line.startswith("hexamer:")] == [True]
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def flies(tmp_path, monkeypatch):
    """A suite of one's own, with tasks of classes and of values."""
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "flies"
    folder.mkdir()
    tasks = [
        '[[tasks]]\nname = "eye"\nclasses = ["low", "high"]',
        '[[tasks]]\nname = "wing"\nkind = "values"\nclasses = ["gc"]\nmetric = "pearson"',
    ]
    (folder / "suite.toml").write_text("\n".join(['about = "Of flies."', *tasks, ""]))
    for task, kind in (("eye", "classes"), ("wing", "values")):
        write_task(folder / task, kind)
    return folder


def write_task(folder, kind="classes"):
    folder.mkdir(parents=True)
    for name, count, seed in (("train", 60, 1), ("test", 20, 2)):
        split = drawn(kind, count, seed)
        table = pd.DataFrame({"sequence": split.sequences, "label": split.targets.ravel()})
        table.to_csv(folder / f"{name}.csv", index=False)


SHORT = ("--folds", 2, "--steps", 2, "--evaluate-every", 1)


def test_a_benchmark_from_end_to_end(run, flies, model_folder, tmp_path, monkeypatch):
    common = ("run-benchmark", flies, flies, "-o", tmp_path / "out", "-m", model_folder, *SHORT)
    code, out, err = run(*common, "--methods", "probe,ia3,kmer")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "out" / "results.tsv", sep="\t")
    pairs = [[task, method] for task in ("eye", "wing") for method in ("probe", "ia3", "kmer")]
    assert table[["task", "method"]].to_numpy().tolist() == pairs
    assert set(table["source"]) == {"this run"}
    assert table["folds"].eq(2).all()
    assert table.loc[table["method"] == "kmer", "test"].gt(0.5).all()
    assert [line.split()[:2] for line in out.splitlines()[1:]] == pairs
    differences = pd.read_csv(tmp_path / "out" / "differences.tsv", sep="\t")
    assert differences[["task", "method"]].to_numpy().tolist() == [pair for pair in pairs if pair[1] != "probe"]
    tests = table.set_index(["task", "method"])["test"]
    wanted = [tests[task, method] - tests[task, "probe"] for task, method in pairs if method != "probe"]
    assert differences["difference"].tolist() == pytest.approx(wanted, abs=3e-6)  # of rounded numbers
    assert (tmp_path / "out" / "results.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["suite"] == "flies"
    assert facts["settings"]["methods"] == ["probe", "ia3", "kmer"]
    assert list(facts["audit"]) == ["eye", "wing"]
    for name, found in facts["audit"].items():
        assert f"{name}: audit {found['verdict']}" in err
        assert (found["train"]["rows"], found["test"]["rows"]) == (60, 20)
    assert len(facts["cells"]) == 12

    monkeypatch.setattr("hexamer.benchmark.protocol.Methods.run", lambda *_: 1 / 0)
    assert run(*common, "--methods", "probe,ia3,kmer")[:2] == (0, out), "finished cells are not run again"
    code, out, err = run(*common, "--methods", "kmer", "--tasks", "wing")
    assert code == 0, err
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["wing", "kmer"]]
    code, _, err = run(*common, "--methods", "kmer", "--seed", 1)
    assert code == 2
    assert "kmer.0.json: run with other settings, data or weights" in err


def test_a_benchmark_that_was_stopped_goes_on(run, flies, model_folder, tmp_path, monkeypatch):
    common = ("run-benchmark", flies, flies, "-m", model_folder, *SHORT, "--methods", "kmer", "-o")
    calls = []

    def kill(self, count):
        calls.append(count)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hexamer.cli.progress.Count.__call__", kill)
        assert run(*common, tmp_path / "out")[0] == 130
    assert len(list((tmp_path / "out" / "cells").glob("*/*.json"))) == 3
    assert not (tmp_path / "out" / "results.tsv").exists()
    for name in ("out", "whole"):
        assert run(*common, tmp_path / name)[0] == 0
    found = [
        pd.read_csv(tmp_path / name / "results.tsv", sep="\t").drop(columns="seconds") for name in ("out", "whole")
    ]
    pd.testing.assert_frame_equal(*found)


def test_published_numbers_and_a_failed_audit_are_told(run, model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data" / "enhancers"
    write_task(folder)
    (folder / "test.csv").write_bytes((folder / "train.csv").read_bytes())
    code, _, err = run(
        "run-benchmark", "nt-revised", tmp_path / "data", "-o", tmp_path / "out", "-m", model_folder, "--folds", 1,
        "--methods", "kmer", "--tasks", "enhancers", "--most", 30,
    )  # fmt: skip
    assert code == 0, err
    assert "enhancers: train: 60 rows here, " in err
    assert "audit FAIL: enhancers; their scores are higher than on new sequences" in err
    table = pd.read_csv(tmp_path / "out" / "results.tsv", sep="\t")
    assert table["method"].tolist()[0] == "kmer"
    assert len(table) == 8
    assert table["source"].notna().all()
    assert table["certainty"].notna().all()


BENCHMARK_MISTAKES = {
    "a suite that does not exist": ("nt-revise {flies}", "the nearest suites are nt-revised"),
    "a folder without a suite": ("{flies}/eye {flies}", "has no suite.toml"),
    "data that are not there": ("{flies} {flies}/no", "no: no such file or folder"),
    "data of other tasks": ("nt-revised {flies} --tasks enhancers", "holds no files of the task 'enhancers'"),
    "a task that does not exist": ("{flies} {flies} --tasks ear", "there is no task 'ear'"),
    "a method that does not exist": ("{flies} {flies} --methods forest", "methods forest; probe, mlp"),
    "too few rows": ("{flies} {flies} --most 0", "most from 10 would work"),
    "no folds": ("{flies} {flies} --folds 0", "folds from 1"),
    "no steps": ("{flies} {flies} --steps 0", "steps, batch"),
    "a file in the folder's place": ("{flies} {flies} -o {flies}/suite.toml", "is a file"),
}


@pytest.mark.parametrize("case", BENCHMARK_MISTAKES)
def test_a_mistake_in_a_benchmark_is_one_line(case, run, flies, model_folder, tmp_path):
    options, part = BENCHMARK_MISTAKES[case]
    words = options.format(flies=flies).split()
    code, _, err = run(
        "run-benchmark", *words, *([] if "-o" in words else ["-o", tmp_path / "out"]), "-m", model_folder
    )
    assert code == 2, err
    assert [part in line for line in err.splitlines() if line.startswith("hexamer:")] == [True]
    assert not (tmp_path / "out" / "results.tsv").exists()
