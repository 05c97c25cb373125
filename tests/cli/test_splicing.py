import json
import re

import pandas as pd
import pytest


@pytest.fixture
def gtf(tmp_path):
    """Three spliced genes on contig 20, one of them within 20:1-2,000."""
    lines = []
    for name, strand, edges in (
        ("a", "+", (100, 300, 700, 900)),
        ("b", "-", (2500, 2700, 3000, 3300)),
        ("c", "+", (6000, 6200, 6900, 7100)),
    ):
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            names = f'gene_id "{name}"; transcript_id "{name}1";'
            lines.append(f"20\tx\texon\t{start + 1}\t{end}\t.\t{strand}\t.\t{names}\n")
    path = tmp_path / "genes.gtf"
    path.write_text("".join(lines))
    return path


@pytest.fixture
def suite(run, fasta, gtf, tmp_path):
    options = ("--hold-out", "20:1-2,000", "--window", 300, "--with-sites")
    code, out, err = run("build-splice-suite", "-g", fasta, "-a", gtf, *options, "-o", tmp_path / "splicing")
    assert code == 0, err
    table = [line.split() for line in out.splitlines()]
    assert table[0] == ["split", "windows", "acceptor", "donor", "bases"]
    assert table[1:] == [["train", "4", "2", "2", "1100"], ["test", "3", "1", "1", "800"]]
    assert re.search(r"^ +3 +without a site", err, re.MULTILINE)
    assert "3 transcripts, one of each spliced gene" in err
    return tmp_path / "splicing"


def test_a_suite_of_splice_sites_runs_as_a_benchmark(run, fasta, suite, model_folder, tmp_path):
    table = pd.read_parquet(suite / "splicing" / "test.parquet")
    assert list(table.columns) == ["chrom", "start", "end", "strand", "label"]
    assert json.loads((suite / "manifest.json").read_text())["settings"]["hold_out"] == ["20:1-2,000"]
    code, out, err = run(
        "run-benchmark", suite, suite, "-g", fasta, "-m", model_folder, "-o", tmp_path / "out", "--folds", 1,
        "--steps", 2, "--evaluate-every", 1, "--methods", "weight-array,ia3,cnn", "--rates", "ia3=0.01,cnn=0.1",
    )  # fmt: skip
    assert code == 0, err
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["splicing", name] for name in ("weight-array", "ia3", "cnn")
    ]
    scores = pd.read_csv(tmp_path / "out" / "scores.tsv", sep="\t")
    assert set(scores["metric"]) == {
        *("auprc", "auprc acceptor", "auprc donor"),
        *("top_k", "top_k acceptor", "top_k donor"),
    }
    facts = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert facts["settings"]["rates"] == {"ia3": 0.01, "cnn": 0.1}
    assert not facts["audit"]["splicing"]["label_artefacts"]


def test_its_tables_fine_tune_a_predictor(run, fasta, suite, model_folder, tmp_path):
    code, out, err = run(
        "finetune", suite / "splicing" / "train.parquet", "--test", suite / "splicing" / "test.parquet", "-g", fasta,
        "--target", "bases", "-m", model_folder, "-o", tmp_path / "out", "--steps", 2, "--evaluate-every", 1,
    )  # fmt: skip
    assert code == 0, err
    assert "test\ttop_k 2\t" in out


MISTAKES = {
    "nothing held out": ("", "nothing to test on; --hold-out"),
    "a region without genes": ("--hold-out 20:8,000-8,100", "test: no window has a splice site"),
    "everything held out": ("--hold-out 20", "train: no window has a splice site"),
    "a contig that is not there": ("--hold-out 7", "7"),
    "a long window": ("--hold-out 20:1-2,000 --window 9001", "contigs with genes have 9,000 bases; a shorter one"),
    "no window": ("--hold-out 20:1-2,000 --window 0", "window 0"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case, run, fasta, gtf, tmp_path):
    options, part = MISTAKES[case]
    code, _, err = run("build-splice-suite", "-g", fasta, "-a", gtf, "-o", tmp_path / "out", *options.split())
    assert code == 2, err
    assert [part in line for line in err.splitlines() if line.startswith("hexamer:")] == [True]
    assert not (tmp_path / "out" / "suite.toml").exists()
