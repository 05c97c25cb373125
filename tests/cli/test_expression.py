import json
import sqlite3

import pandas as pd
import pytest
from tests.expression.conftest import study  # noqa: F401

OPTIONS = ("--around", "300", "--window", "400", "--steps", "10")


@pytest.fixture
def files(study, tmp_path):  # noqa: F811
    """Tables of the small study, one person of whom has no genotypes, and one no expression."""
    expression, cohort = study
    table = expression.genes.assign(tss=expression.genes["tss"] + 1)
    values = pd.DataFrame(expression.values, columns=expression.samples).drop(columns="p3").assign(stranger=1.0)
    path = tmp_path / "expression.tsv"
    pd.concat([table, values], axis=1).to_csv(path, sep="\t", index=False)
    return path, ("--people", cohort.file.path, "--genome", cohort.genome.path)


def test_methods_are_judged_and_a_second_call_reads_what_is_there(run, files, model_folder, tmp_path):
    path, inputs = files
    out = tmp_path / "s"
    methods = "elastic-net,ridge,linear-head,shuffled-ridge"
    more = ("--out", out, "--methods", methods, "--seeds", "0", "--model", model_folder, *OPTIONS)
    command = ("predict-expression", "evaluate", path, *inputs, *more)
    code, shown, said = run(*command)
    assert code == 0, said
    assert "1 of expression.tsv not in x.vcf.gz, passed over: stranger" in said
    assert "1 of x.vcf.gz not in expression.tsv, passed over: p3" in said
    assert "119 people, 6 genes" in said
    assert "the contig is not in the genome, nor under another common name: c" in said
    assert "haplotypes in the encoder's windows" in said
    assert [line.split()[0] for line in shown.splitlines()[1:5]] == methods.split(",")
    assert "minus elastic-net" in shown
    tables = {"across_genes.tsv", "differences.tsv", "genes.tsv", "summary.tsv", "predictions.parquet"}
    assert {each.name for each in out.iterdir()} == tables | {"manifest.json", "methods.png", "parts"}
    table = pd.read_csv(out / "genes.tsv", sep="\t", keep_default_na=False)
    assert set(table["gene_id"]) == set("abcdef")
    assert table.set_index("gene_id").loc["e", "reason"] == "missing_values"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["settings"]["features"]["window"] == 300
    assert len(manifest["samples"]) == 119
    assert manifest["model"]["files"]
    code, again, said = run(*command)
    assert (code, again) == (0, shown)
    assert "6 genes were there from a run before" in said


def test_predictions_of_others_groups_and_an_annotation(run, files, tmp_path):
    path, inputs = files
    table = pd.read_csv(path, sep="\t")
    (tmp_path / "genes.gtf").write_text(
        "".join(
            f'20\tx\texon\t{tss}\t800\t.\t+\t.\tgene_id "{name}.3"; transcript_id "t{name}";\n'
            for name, tss in (("a", 601), ("b", 602))
        )
    )
    table.drop(columns=["chrom", "tss", "strand"])[:2].to_csv(tmp_path / "bare.tsv", sep="\t", index=False)
    people = [name for name in table if name.startswith("p")]
    (tmp_path / "groups.txt").write_text("".join(f"{p} {'n' if i % 2 else 's'} 1\n" for i, p in enumerate(people)))
    more = ("-o", tmp_path / "s", "--methods", "ridge", "--seeds", "0", "--window", "400")
    extra = ("--hold-out", "groups", "--groups", tmp_path / "groups.txt", "--predicted", f"mine={path}")
    command = ("predict-expression", "evaluate", tmp_path / "bare.tsv", *inputs, *more, *extra)
    code, _, said = run(*command)
    assert code == 2
    assert "gene_id and an annotation would work" in said
    code, _, said = run(*command, "--annotation", tmp_path / "genes.gtf")
    assert code == 0, said
    found = pd.read_csv(tmp_path / "s" / "genes.tsv", sep="\t").set_index(["method", "gene_id"])
    assert found.loc[("mine", "a"), "pearson"] > 0.99
    assert found.loc[("ridge", "a"), "pearson"] > 0.3
    told = pd.read_parquet(tmp_path / "s" / "predictions.parquet")
    assert told["fold"].nunique() == 2
    groups = pd.read_csv(tmp_path / "s" / "groups.tsv", sep="\t").set_index(["method", "group"])
    assert set(groups["people"]) == {59, 60}
    assert groups.loc[("mine", "n"), "mean_r"] > 0.95
    assert "2 genes placed by genes.gtf, 0 by bare.tsv" in said


def test_models_are_fitted_and_asked(run, files, model_folder, tmp_path):
    path, inputs = files
    db = tmp_path / "m.db"
    code, _, said = run(
        "predict-expression", "fit", path, *inputs, "-o", tmp_path / "m", "--window", "400", "--predictdb", db
    )
    assert code == 0, said
    assert "2 genes have a model" in said
    assert "mean r" in said
    with sqlite3.connect(db) as file:
        assert file.execute("SELECT count(*) FROM extra").fetchone()[0] >= 1
    code, _, said = run("predict-expression", "predict", tmp_path / "m", *inputs, "-o", tmp_path / "new.tsv")
    assert code == 0, said
    assert "100.0% of the models' places are variants that this file has" in said
    assert "warning: 119 of these people were learnt from" in said
    assert "less than 80%" not in said
    table = pd.read_csv(tmp_path / "new.tsv", sep="\t")
    assert list(table) == ["gene_id", "sample", "predicted_normalised", "predicted"]
    assert len(table) == 2 * 120
    assert pd.read_csv(tmp_path / "new.tsv.genes.tsv", sep="\t")["gene_id"].tolist() == ["a", "b"]
    head = ("--method", "linear-head", "--folds", "0", "--model", model_folder)
    code, _, said = run("predict-expression", "fit", path, *inputs, "-o", tmp_path / "h", *OPTIONS, *head)
    assert code == 0, said
    assert "mean r" not in said
    code, _, said = run("predict-expression", "predict", tmp_path / "h", *inputs, "-o", tmp_path / "new.parquet")
    assert code == 0, said
    assert "rows over a site at which somebody varies" in said


def test_a_command_that_was_stopped_says_that_it_goes_on(run, files, tmp_path, monkeypatch):
    path, inputs = files
    options = ("--methods", "ridge", "--seeds", "0", "--window", "400")

    def stop(self, row):
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("hexamer.expression.study.Study.judge_gene", stop)
        code, _, said = run("predict-expression", "evaluate", path, *inputs, "-o", tmp_path / "s", *options)
    assert (code, said.splitlines()[-1]) == (130, "hexamer: stopped; the same command goes on from here")
    assert run("predict-expression", "evaluate", path, *inputs, "-o", tmp_path / "s", *options)[0] == 0


MISTAKES = {
    "a method that does not exist": ("evaluate {e} {i} -o {t}/s --methods lasso", "elastic-net, ridge"),
    "a layer that is no number": ("evaluate {e} {i} -o {t}/s --layers last", "2,4,6"),
    "groups without their file": ("evaluate {e} {i} -o {t}/s --hold-out groups", "--groups FILE"),
    "predictions without a name": ("evaluate {e} {i} -o {t}/s --predicted {e}", "NAME=TABLE"),
    "predictions called as a method": ("evaluate {e} {i} -o {t}/s --predicted ridge={e}", "another would work"),
    "weights of a head": ("fit {e} {i} -o {t}/m --method linear-head --predictdb {t}/x.db", "elastic-net would work"),
    "models that are none": ("predict {t} {i} -o {t}/x.tsv", "hexamer predict-expression fit makes them"),
    "an ending that is not known": ("predict {t} {i} -o {t}/x.csv", ".parquet or .tsv"),
    "a table that is none": ("fit {t}/none.tsv {i} -o {t}/m", "no such file"),
    "an unphased policy": ("fit {e} {i} -o {t}/m --unphased guess", "error, skip, random"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(run, files, tmp_path, case):
    command, part = MISTAKES[case]
    path, inputs = files
    words = command.format(e=path, i=" ".join(map(str, inputs)), t=tmp_path).split()
    code, _, said = run("predict-expression", *words)
    assert code == 2
    assert part in said
    assert len(said.splitlines()[-1]) > 20
    assert not (tmp_path / "s" / "genes.tsv").exists()
