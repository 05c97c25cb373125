"""`evaluate-lm`."""

import json

import pandas as pd
from tests.conftest import write_vcf


def test_evaluate_lm_says_whether_the_model_may_have_seen_it(run, recipe, fasta, model_folder, tmp_path):
    assert run("pretrain", recipe, "--out", tmp_path / "run")[0] == 0
    assert run("build-corpus", fasta, "--hold-out", "20:5,000-9,000", "--out", tmp_path / "rep.corpus")[0] == 0
    trained = tmp_path / "run" / "model"
    expected = {
        trained: f"{trained} learnt from another corpus than {tmp_path}/rep.corpus; its held-out regions may have been "
        "training sequence",
        model_folder: f"held out of the corpus; nothing says that {model_folder} did not learn from it",
    }
    for model, line in expected.items():
        code, _, err = run("evaluate-lm", model, "-c", tmp_path / "rep.corpus", "-o", tmp_path / "t.tsv")
        assert code == 0, err
        assert err.splitlines().count(line) == 1
        said = json.loads((tmp_path / "t.tsv.manifest.json").read_text())["held_out"]
        assert said["model_learnt_from"] == ("another corpus" if model == trained else "unknown")


def test_evaluate_lm_writes_tables_and_a_figure(run, fasta, genome, model_folder, tmp_path):
    build = ("build-corpus", fasta, "--hold-out", "20:1-4,000", "--out", tmp_path / "corpus")
    assert run(*build)[0] == 0
    (tmp_path / "a.gtf").write_text('chr20\tx\texon\t1201\t2400\t.\t+\t.\tgene_id "g"; transcript_id "t";\n')
    rows = []
    for pos in range(700, 3300, 200):
        ref = genome.fetch("20", pos - 1, pos)
        rows.append(f"20\t{pos}\t.\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t.\t.\t.\tGT\t0|1")
    write_vcf(tmp_path / "a.vcf.gz", rows, ["ann"])
    options = ["--annotation", f"small={tmp_path}/a.gtf", "--variants", tmp_path / "a.vcf.gz", "-g", fasta]
    options += ["--duplicates", "--out", tmp_path / "lm.tsv", "--figure", tmp_path / "lm.svg"]
    code, out, err = run("evaluate-lm", model_folder, "-c", tmp_path / "corpus", *options)
    assert code == 0, err
    assert out.split()[:4] == ["genome", "element", "tokens", "loss"]
    for name, column in (("lm", "element"), ("lm.snps", "frequency"), ("lm.duplicates", "seen_own")):
        assert column in (tmp_path / f"{name}.tsv").read_text().splitlines()[0].split("\t")
    elements = pd.read_csv(tmp_path / "lm.tsv", sep="\t")["element"].tolist()
    assert elements == ["all", "exon", "promoter", "intergenic"]
    assert "<svg" in (tmp_path / "lm.svg").read_text()
    assert "no SNP near 1%, 5%, 10% with a whole window in the held-out regions; frequencies are counted from" in err
    assert '"masking": "random"' in (tmp_path / "lm.tsv.manifest.json").read_text()


def test_evaluate_lm_looks_at_all_files_before_it_evaluates(run, fasta, genome, model_folder, tmp_path, monkeypatch):
    assert run("build-corpus", fasta, "--hold-out", "20:1-4,000", "--out", tmp_path / "corpus")[0] == 0
    monkeypatch.setattr("hexamer.training.evaluate.fit_baselines", lambda *_: 1 / 0)
    row = f"\t100\t.\t{genome.fetch('20', 99, 100)}\tN\t.\t.\t.\tGT\t0|1"
    here, there = (write_vcf(tmp_path / f"{c}.vcf.gz", [c + row], ["ann"]) for c in ("20", "short"))
    plain = write_vcf(tmp_path / "plain.vcf", ["20" + row], ["ann"])
    snps = [genome.fetch("20", place, place + 1) for place in (1999, 2009)]
    first, second = ([ref, "ACGT"["ACGT".index(ref) - 1]] for ref in snps)
    for name, alleles, call in (("mismatch", second[::-1], "1|1"), ("unphased", second, "0/1")):
        lines = [
            "\t".join(["20", str(pos), ".", *pair, ".", ".", ".", "GT", gt])
            for pos, pair, gt in ((2000, first, "0|1"), (2010, alleles, call))
        ]
        write_vcf(tmp_path / f"{name}.vcf.gz", lines, ["ann"])
    (tmp_path / "other.fa").write_text(">20\nACGT\n")
    (tmp_path / "a.gtf").write_text('chr9\tx\texon\t1\t4\t.\t+\t.\tgene_id "g"; transcript_id "t";\n')
    for options, part in (
        (["--variants", tmp_path / "no.vcf.gz", "-g", fasta], "no.vcf.gz: no such file"),
        (["--variants", plain, "-g", fasta], "not compressed with bgzip"),
        (["--variants", there, "-g", fasta], "no record on 20, where the held-out regions lie"),
        (["--variants", here, "-g", tmp_path / "no.fa"], "no.fa"),
        (["--variants", tmp_path / "mismatch.vcf.gz", "-g", fasta], "give the reference that the variants were called"),
        (
            ["--variants", tmp_path / "unphased.vcf.gz", "-g", fasta],
            "instance with shapeit or Beagle\n",
        ),
        (["--variants", here, "-g", tmp_path / "other.fa"], "no contig of it has a held-out region"),
        (["--annotation", f"small={tmp_path}/no.gtf"], "no.gtf: no such file"),
        (["--annotation", f"small={tmp_path}/a.gtf"], "is it of another assembly?"),
        (["--masking", "whole"], "random or central would work"),
    ):
        code, _, err = run("evaluate-lm", model_folder, "-c", tmp_path / "corpus", "-o", tmp_path / "t.tsv", *options)
        assert code == 2, err
        assert part in err
        assert "Traceback" not in err
    assert not list(tmp_path.glob("t.*"))


def test_evaluate_lm_writes_each_table_as_soon_as_it_is_made(run, fasta, model_folder, tmp_path, monkeypatch):
    assert run("build-corpus", fasta, "--hold-out", "20:1-4,000", "--out", tmp_path / "corpus")[0] == 0
    monkeypatch.setattr("hexamer.training.measure_overlap", lambda *_, **__: 1 / 0)
    options = ["--duplicates", "-o", tmp_path / "t.tsv", "--figure", tmp_path / "t.svg"]
    assert run("evaluate-lm", model_folder, "-c", tmp_path / "corpus", *options)[0] == 1
    assert {path.name for path in tmp_path.glob("t.*")} == {"t.tsv", "t.svg", "t.tsv.manifest.json"}
