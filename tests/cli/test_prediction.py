"""`probe`, `finetune` and `predict`."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.benchmark.test_methods import drawn
from tests.cli.conftest import vcf

from hexamer.cli.progress import Count
from hexamer.genome import Genome
from hexamer.training.predictor import load_predictor

SHORT = ("--steps", 4, "--evaluate-every", 2, "--batch", 4)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HEXAMER_CACHE", str(folder))
    return folder


def write(path, split, **columns):
    if split.targets.ndim == 1:
        columns = {"label": split.targets} | columns
    else:
        columns = {
            name: split.targets[:, i] for i, name in enumerate(("one", "two")[: split.targets.shape[1]])
        } | columns
    pd.DataFrame({"sequence": split.sequences, **columns}).to_csv(path, index=False)
    return path


@pytest.fixture
def tables(tmp_path):
    """`train.csv` with 60 rows and `test.csv` with 30."""
    return [
        write(tmp_path / f"{name}.csv", drawn("classes", count, 1)) for name, count in (("train", 60), ("test", 30))
    ]


def test_probe_writes_a_table_a_figure_and_a_manifest(run, model_folder, tables, tmp_path, monkeypatch):
    train, test = tables
    common = ("probe", train, "--test", test, "-m", model_folder)
    code, out, err = run(*common, "--out", tmp_path / "p", "--names", "low,high", "--seed", 3)
    assert code == 0, err
    assert "54 rows to learn from, 6 to choose by, 30 to report on" in err
    table = pd.read_csv(tmp_path / "p" / "probes.tsv", sep="\t")
    assert table[["layer", "method"]].to_numpy().tolist() == [[i, m] for i in range(3) for m in ("logistic", "mlp")]
    assert out.splitlines()[0].split() == ["layer", "method", "setting", "validation", "test", "low", "high"]
    assert len(out.splitlines()) == 7
    assert (tmp_path / "p" / "layers.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((tmp_path / "p" / "manifest.json").read_text())
    assert facts["rows"] == [54, 6, 30]
    assert facts["names"] == ["low", "high"]
    assert facts["train"]["bytes"] == train.stat().st_size
    best = facts["best"]
    assert best["validation"] == table["validation"].max()
    assert best["test"] > 0.5
    assert f"best on the validation rows: layer {best['layer']}, {best['method']}: MCC {best['test']:.4f}" in err
    # Once more: vectors come from the cache, and numbers are the same.
    monkeypatch.setattr("hexamer.embeddings.layers._embed", lambda *_: 1 / 0)
    assert run(*common, "--out", tmp_path / "p", "--seed", 3)[1] == out


def test_probe_of_values_with_validation_rows_of_its_own(run, model_folder, tmp_path):
    parts = [write(tmp_path / f"{i}.csv", drawn("values", 40, i)) for i in range(3)]
    code, out, err = run(
        "probe", parts[0], "--validation", parts[1], "--test", parts[2], "-m", model_folder, "-o", tmp_path / "p",
        "--target", "values", "--label", "one", "--methods", "ridge", "--layers", "-1,0",
    )  # fmt: skip
    assert code == 0, err
    assert "40 rows to learn from, 40 to choose by, 40 to report on" in err
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["2", "ridge"], ["0", "ridge"]]
    assert float(err.split("ridge: mean Pearson r ")[1].split()[0]) > 0.5


def test_a_predictor_from_end_to_end(run, model_folder, tables, tmp_path):
    train, test = tables
    code, out, err = run(
        "finetune", train, "--test", test, "-o", tmp_path / "p", "-m", model_folder, "--names", "low,high",
        "--steps", 60, "--evaluate-every", 20, "--rate", 0.02, "--both-strands", "--balanced", "--hidden", 4,
    )  # fmt: skip
    assert code == 0, err
    assert [line.split("\t")[:2] for line in out.splitlines()] == [
        ["validation", "mcc"],
        *(["test", name] for name in ("mcc", "accuracy", "f1", "auroc", "auprc")),
    ]
    scores = [float(line.split("\t")[2]) for line in out.splitlines()]
    assert scores[1] > 0.3
    facts = json.loads((tmp_path / "p" / "manifest.json").read_text())
    assert [facts["scores"]["validation"], *facts["scores"]["test"].values()] == pytest.approx(scores, abs=1e-4)
    assert facts["best_step"] in (20, 40, 60)
    assert f"{facts['trained']:,} of {facts['weights']:,} weights trained" in err
    assert facts["settings"]["both_strands"]
    assert facts["target"] == "classes"
    assert not (tmp_path / "p" / "state").exists()

    rows = pd.read_csv(test)
    fasta = "".join(f">{i}\n{each}\n" for i, each in enumerate(rows["sequence"])) + ">none\n\n"
    (tmp_path / "new.fa").write_text(fasta)
    code, _, err = run("predict", tmp_path / "p", tmp_path / "new.fa", "-o", tmp_path / "new.tsv")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "new.tsv", sep="\t", dtype={"name": str})
    assert list(table.columns) == ["name", "low", "high", "prediction", "n", "reason"]
    assert table["name"].tolist() == [*map(str, range(30)), "none"]
    assert table["reason"].tolist()[-1] == "empty"
    predictor = load_predictor(tmp_path / "p", device="cpu")
    assert predictor.target.names == ("low", "high")
    found = np.stack(predictor.predict(rows["sequence"].tolist()))
    np.testing.assert_allclose(table[["low", "high"]].to_numpy()[:30], found, atol=1e-6)
    assert predictor.target.score(rows["label"], found) == pytest.approx(scores[1], abs=1e-4)
    facts = json.loads((tmp_path / "new.tsv.manifest.json").read_text())
    assert facts["rows"] == 31
    assert facts["encoder"] == predictor.origin


@pytest.mark.parametrize("target", ["labels", "values", "bins"])
def test_other_targets_and_intervals(run, model_folder, fasta, target, tmp_path):
    kind = "labels" if target == "labels" else "values"
    label = "one,two" if target == "labels" else "one"
    train = write(tmp_path / "train.csv", drawn(kind, 30, 1))
    code, out, err = run(
        "finetune", train, "-o", tmp_path / "p", "-m", model_folder, "--target", target, "--label", label, *SHORT
    )
    assert code == 0, err
    assert out.startswith(f"validation\t{'auroc' if target == 'labels' else 'pearson'}\t")
    (tmp_path / "a.bed").write_text("chr20\t10\t40\tx\t0\t-\n7\t1\t9\nshort\t20\t41\n")
    code, _, err = run("predict", tmp_path / "p", tmp_path / "a.bed", "-g", fasta, "-o", tmp_path / "a.parquet")
    assert code == 0, err
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == ["name", "chrom", "start", "end", "strand", *label.split(","), "n", "reason"]
    assert table["reason"].tolist() == ["", "contig_missing", "past_end"]
    assert table["strand"].tolist() == ["-", "+", "+"]


def test_classes_of_bases(run, model_folder, tmp_path):
    rows = drawn("classes", 30, 1).sequences
    digits = ["".join("1" if letter in "GC" else "0" for letter in row) for row in rows]
    pd.DataFrame({"seq": rows, "label": digits}).to_csv(tmp_path / "train.tsv", sep="\t", index=False)
    code, out, err = run(
        "finetune", tmp_path / "train.tsv", "--test", tmp_path / "train.tsv", "-o", tmp_path / "p", "-m", model_folder,
        "--target", "bases", "--names", "at,gc", "--adapter", "head", *SHORT,
    )  # fmt: skip
    assert code == 0, err
    assert "test\tauprc\t" in out
    (tmp_path / "new.fa").write_text(f">a\n{rows[0]}\n>b\nACGTN\n")
    code, _, err = run("predict", tmp_path / "p", tmp_path / "new.fa", "-o", tmp_path / "new.tsv")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "new.tsv", sep="\t")
    assert list(table.columns) == ["name", "offset", "at", "gc", "prediction", "n", "reason"]
    assert table["offset"].tolist() == [*range(len(rows[0])), *range(5)]


def weights(folder):
    names = ("predictor.json", "head.safetensors", "adapter/adapter_model.safetensors")
    return [(folder / name).read_bytes() for name in names]


def test_a_killed_run_goes_on_to_the_same_predictor(run, model_folder, tables, tmp_path, monkeypatch):
    def command(name, *more):
        return ("finetune", tables[0], "-o", tmp_path / name, "-m", model_folder, *SHORT, *more)

    assert run(*command("whole"))[0] == 0
    calls, call = [], Count.__call__

    def kill(self, count):
        calls.append(count)
        call(self, count)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Count, "__call__", kill)
        assert run(*command("killed"))[0] == 130
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["state"]
    code, _, err = run(*command("killed", "--rate", 0.1))
    assert code == 2
    assert "killed/state: a run of other settings; these, or another folder, would work" in err
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Count, "__call__", lambda self, count: calls.append(count))
        assert run(*command("killed"))[0] == 0
    assert len(calls) == 2, "only what was left"
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert not (tmp_path / "killed" / "state").exists()


def test_the_rate_is_the_published_one_of_each_adapter(run, model_folder, tables, tmp_path):
    found = {}
    for adapter in ("ia3", "full"):
        code, _, err = run(
            "finetune", tables[0], "-o", tmp_path / adapter, "-m", model_folder, "--adapter", adapter, *SHORT
        )
        assert code == 0, err
        found[adapter] = json.loads((tmp_path / adapter / "manifest.json").read_text())["settings"]["fit"]["rate"]
    assert found == {"ia3": 3e-3, "full": 1e-4}


def test_a_column_is_the_same_one_in_every_table(run, model_folder, tmp_path):
    """Where a table has both `label` and `value`, `label` is read, of the training and of the test rows."""
    split = drawn("values", 30, 1)
    paths = [tmp_path / "train.csv", tmp_path / "test.csv"]
    for path in paths:
        table = pd.DataFrame({"sequence": split.sequences, "label": split.targets[:, 0], "value": -split.targets[:, 0]})
        table.to_csv(path, index=False)
    found = []
    for options in ((), ("--label", "label")):
        code, out, err = run(
            "probe", paths[0], "--test", paths[1], "-o", tmp_path / "p", "-m", model_folder, "--target", "values",
            "--methods", "ridge", *options,
        )  # fmt: skip
        assert code == 0, err
        found.append(out)
    assert found[0] == found[1]


MISTAKES = {
    "a target that does not exist": (
        "finetune {tmp}/train.csv -o {tmp}/p --target class",
        "target 'class' is unknown; classes, labels, values, bins, bases would work",
    ),
    "no rows to report on": ("probe {tmp}/train.csv -o {tmp}/p", "probe: no rows to report on; --test FILE"),
    "probes of bases": (
        "probe {tmp}/train.csv --test {tmp}/test.csv -o {tmp}/p --target bases",
        "classes of bases need a fine-tuned head",
    ),
    "probes that do not exist": (
        "probe {tmp}/train.csv --test {tmp}/test.csv -o {tmp}/p --methods forest",
        "methods forest; logistic, ridge, mlp would work",
    ),
    "a layer that is no number": (
        "probe {tmp}/train.csv --test {tmp}/test.csv -o {tmp}/p --layers 1,last",
        "layers.1 = 'last'",
    ),
    "a layer that does not exist": (
        "probe {tmp}/train.csv --test {tmp}/test.csv -o {tmp}/p -m {model} --layers 7",
        "the model has 0 to 2",
    ),
    "balanced values": (
        "finetune {tmp}/train.csv -o {tmp}/p --target values --balanced",
        "--balanced: of no use with --target values; without would work",
    ),
    "an adapter that does not exist": ("finetune {tmp}/train.csv -o {tmp}/p --adapter ia4", "kind = 'ia4'"),
    "a rate of 0": ("finetune {tmp}/train.csv -o {tmp}/p --rate 0", "rate above 0"),
    "a seed below 0": ("probe {tmp}/train.csv --test {tmp}/test.csv -o {tmp}/p --seed -1", "--seed -1; 0 to 2^63 - 1"),
    "training rows of one class": ("finetune {tmp}/one.csv -o {tmp}/p", "are of one class"),
    "test rows of one class": (
        "finetune {tmp}/train.csv --test {tmp}/one.csv -o {tmp}/p",
        "one.csv: classes: all known targets are of one class",
    ),
    "test rows of another class": (
        "probe {tmp}/train.csv --test {tmp}/other.csv -o {tmp}/p",
        "are no class of the task, such as '7'",
    ),
    "a row without a class": ("finetune {tmp}/holes.csv -o {tmp}/p", "1 row(s) have no class, such as row 2"),
    "a sequence that is too long": (
        "finetune {tmp}/long.csv -o {tmp}/p -m {model}",
        "(595 bases) is 100 tokens; the model reads 99",
    ),
    "training rows that are not there": ("finetune {tmp}/no.csv -o {tmp}/p", "no.csv: no such file"),
    "intervals without a genome": ("finetune {tmp}/places.tsv -o {tmp}/p", "holds intervals without sequences"),
    "a file in the folder's place": ("finetune {tmp}/train.csv -o {tmp}/test.csv", "is a file; the name of a folder"),
    "no predictor": ("predict {tmp} {tmp}/new.fa -o {tmp}/new.tsv", "no predictor"),
    "BED without a genome": (
        "predict {tmp}/p {tmp}/a.bed.gz -o {tmp}/new.tsv",
        "a.bed.gz: intervals need a genome; --genome FASTA would work",
    ),
    "an ending that is not known": ("predict {tmp}/p {tmp}/new.fa -o {tmp}/new.csv", "as .parquet or .tsv"),
    "a folder that is not there": ("predict {tmp}/p {tmp}/new.fa -o {tmp}/no/new.tsv", "does not exist"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gives_one_line_and_exit_code_2_and_no_output(case, run, model_folder, tables, tmp_path):
    texts = {
        "one": ["ACGT,1", "ACGA,1", "GGGG,1"],
        "other": ["ACGT,1", "ACGA,7"],
        "holes": ["ACGT,1", "ACGA,", "GGGG,0"],
        "long": [f"{'ACGTG' * 119},{i % 2}" for i in range(60)],
    }
    for name, rows in texts.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["sequence,label", *rows, ""]))
    (tmp_path / "places.tsv").write_text("chrom\tstart\tend\tlabel\n20\t1\t9\t0\n20\t5\t9\t1\n")
    (tmp_path / "new.fa").write_text(">a\nACGT\n")
    before = sorted(tmp_path.iterdir())
    command, part = MISTAKES[case]
    code, _, err = run(*command.format(tmp=tmp_path, model=model_folder).split())
    lines = [line for line in err.splitlines() if line.startswith("hexamer:")]
    assert code == 2, err
    assert len(lines) == 1
    assert part in lines[0]
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_predictions_that_cannot_be_made_are_told_of_in_one_line(run, model_folder, tables, tmp_path):
    code, _, err = run("finetune", tables[0], "-o", tmp_path / "p", "-m", model_folder, *SHORT)
    assert code == 0, err
    for name, said in (("train.csv", "train.csv"), ("no.fa", "no.fa")):
        code, _, err = run("predict", tmp_path / "p", tmp_path / name, "-o", tmp_path / "new.tsv")
        assert code == 2, err
        assert said in err.splitlines()[-1]
        assert not (tmp_path / "new.tsv").exists()
    (tmp_path / "giant.fa").write_text(f">small\nACGT\n>giant\n{'ACGTG' * 119}\n")
    code, _, err = run("predict", tmp_path / "p", tmp_path / "giant.fa", "-o", tmp_path / "new.tsv")
    assert code == 0, err
    assert "beyond_model" in err
    assert pd.read_csv(tmp_path / "new.tsv", sep="\t", keep_default_na=False)["reason"].tolist() == ["", "beyond_model"]


def test_predict_both_alleles_of_variants(run, fasta, model_folder, tmp_path):
    train = write(tmp_path / "train.csv", drawn("classes", 30, 1))
    assert run("finetune", train, "-o", tmp_path / "p", "-m", model_folder, "--names", "low,high", *SHORT)[0] == 0
    with Genome(fasta) as genome:
        ref = genome.fetch("20", 2000, 2001)
    alt = "A" if ref != "A" else "C"
    calls = vcf(tmp_path / "calls.vcf", f"chr20\t2001\t.\t{ref}\t{alt},<DEL>\t.\t.\t.", "7\t5\t.\tA\tC\t.\t.\t.")
    common = ("predict", tmp_path / "p", calls, "-o", tmp_path / "calls.tsv")
    code, _, err = run(*common, "-g", fasta, "--window", 60)
    assert code == 0, err
    assert "symbolic" in err
    table = pd.read_csv(tmp_path / "calls.tsv", sep="\t", dtype={"chrom": str}, keep_default_na=False)
    assert list(table.columns) == ["chrom", "pos", "ref", "alt", "low_ref", "low_alt", "high_ref", "high_alt", "reason"]
    assert table["reason"].tolist() == ["", "symbolic", "contig_missing"]
    facts = json.loads((tmp_path / "calls.tsv.manifest.json").read_text())
    assert facts["reasons"] == {"predicted": 1, "symbolic": 1, "contig_missing": 1}
    for options, part in (
        ((), "variants need a genome"),
        (("-g", fasta), "variants, which need it"),
        (("-g", fasta, "--window", 595), "1 to 594 bases, multiples of 6, would work"),
    ):
        code, _, err = run(*common, *options)
        assert code == 2
        assert part in err


def test_a_finished_predictor_is_not_overwritten(run, model_folder, tables, tmp_path):
    common = ("finetune", tables[0], "-o", tmp_path / "p", "-m", model_folder, *SHORT)
    code, _, err = run(*common)
    assert code == 0, err
    assert "step 2: loss" in err
    assert "only 6 rows to choose by" in err
    before = weights(tmp_path / "p")
    code, _, err = run(*common, "--adapter", "head")
    assert code == 2
    assert "p: holds a finished predictor; another --out" in err
    assert weights(tmp_path / "p") == before


def test_letters_that_are_read_as_n_are_counted(run, model_folder, tables, tmp_path):
    assert run("finetune", tables[0], "-o", tmp_path / "p", "-m", model_folder, *SHORT)[0] == 0
    (tmp_path / "new.fa").write_text(">rna\nACGUUACG\n>nothing\nNNNN\n>dna\nACGTACG\n")
    code, _, err = run("predict", tmp_path / "p", tmp_path / "new.fa", "-o", tmp_path / "new.tsv")
    assert code == 0, err
    assert "6  letters other than A, C, G, T, read as N" in err
    table = pd.read_csv(tmp_path / "new.tsv", sep="\t", keep_default_na=False)
    assert table["n"].tolist() == [2, 4, 0]
    assert table["reason"].tolist() == ["", "empty", ""]


def test_what_is_known_of_rows_is_told_before_anything_is_learnt(run, model_folder, tables, tmp_path):
    rows = pd.read_csv(tables[0])
    common = ("-m", model_folder, "-o", tmp_path / "p", *SHORT)
    rows.assign(sequence=["hello ACGT world" if i == 3 else each for i, each in enumerate(rows["sequence"])]).to_csv(
        tmp_path / "words.csv", index=False
    )
    rows.assign(sequence=["N" * 40 if i == 5 else each for i, each in enumerate(rows["sequence"])]).to_csv(
        tmp_path / "n.csv", index=False
    )
    long = rows.assign(sequence=["ACGTG" * 119, *rows["sequence"][1:]])
    long.to_csv(tmp_path / "long.csv", index=False)
    for arguments, said in (
        ((tmp_path / "n.csv",), "n.csv: 1 row(s) have no base that is known, such as row 6; remove them"),
        ((tables[0], "--test", tmp_path / "long.csv"), "long.csv: ACGTGACGTGAC... (595 bases) is 100 tokens"),
        ((tables[0], "--names", "name,high"), "outputs called name, as columns of predictions are"),
    ):
        code, _, err = run("finetune", *arguments, *common)
        assert code == 2, err
        assert said in err.splitlines()[-1]
        assert not (tmp_path / "p" / "predictor.json").exists()
    code, _, err = run("finetune", tmp_path / "words.csv", *common)
    assert code == 0, err
    assert "letters other than A, C, G, T, read as N" in err


def test_files_of_others_in_a_state_folder_stay(run, model_folder, tables, tmp_path):
    (tmp_path / "p" / "state").mkdir(parents=True)
    (tmp_path / "p" / "state" / "thesis.txt").write_text("precious")
    code, _, err = run("finetune", tables[0], "-m", model_folder, "-o", tmp_path / "p", *SHORT)
    assert code == 0, err
    assert [path.name for path in (tmp_path / "p" / "state").iterdir()] == ["thesis.txt"]


def test_an_input_is_not_overwritten(run, model_folder, tables, tmp_path):
    assert run("finetune", tables[0], "-m", model_folder, "-o", tmp_path / "p", *SHORT)[0] == 0
    (tmp_path / "in.tsv").write_text(">a\nACGT\n")
    code, _, err = run("predict", tmp_path / "p", tmp_path / "in.tsv", "-o", tmp_path / "in.tsv")
    assert code == 2
    assert "in.tsv: is an input, too; another --out would work" in err
