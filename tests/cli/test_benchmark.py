"""`audit`."""

import json
import random

import pandas as pd
import pytest


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
