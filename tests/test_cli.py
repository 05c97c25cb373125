"""The command line as a user meets it: in a process of its own where that matters, in this one where it is enough."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_vcf
from typer.testing import CliRunner

from hexamer import cli
from hexamer.embeddings import read_embeddings
from hexamer.model import save_model

PRETRAIN = import_module("hexamer.training.pretrain")  # the package has a function of this name
COMMANDS = [
    "score-variants",
    "merge",
    "calibrate",
    "train-variants",
    "embed",
    "pretrain",
    "build-corpus",
    "export-checkpoint",
    "evaluate-lm",
    "evaluate-effects",
    "doctor",
]
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def model_folder(model, tmp_path_factory) -> str:
    return str(save_model(model, tmp_path_factory.mktemp("model") / "small"))


@pytest.fixture
def run(capfd, monkeypatch):
    """Run a command in this process; gives exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hexamer", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return (code, *capfd.readouterr())

    return run


def vcf(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    return path


def test_help_needs_no_torch_and_names_every_command():
    code = "import sys; sys.argv = ['hexamer', '--help']\nfrom hexamer.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'pandas', 'numpy', 'pysam'} & set(sys.modules), 'a heavy part was imported'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_two_examples_that_parse(command):
    page = CliRunner().invoke(cli.app, [command, "--help"], terminal_width=200).output
    lines = [line.strip() for line in page.rstrip().splitlines()]
    assert lines[-3] == "Examples:"
    options = {
        word for line in lines[: lines.index("Examples:")] for word in line.replace(",", " ").split() if word[0] == "-"
    }
    for line in lines[-2:]:
        words = line.split("|")[-1].split()
        assert words[:2] == ["hexamer", command]
        assert {word for word in words if word.startswith("-") and word != "-"} <= options


def test_embed_fasta_and_bed(run, model_folder, fasta, tmp_path):
    for name in ("a.h5ad", "a.parquet"):
        assert run("embed", fasta, "--out", tmp_path / name, "--model", model_folder)[0] == 0
    found = read_embeddings(tmp_path / "a.h5ad")
    assert found.obs["name"].tolist() == ["20", "short", "tiny"]
    (tmp_path / "a.bed").write_text("chr20\t10\t40\tx\nchr20\t8990\t9100\ty\n")
    code, _, err = run("embed", tmp_path / "a.bed", "-g", fasta, "-o", tmp_path / "b.h5ad", "-m", model_folder)
    assert code == 0
    assert "past_end" in err
    assert read_embeddings(tmp_path / "b.h5ad").obs["chrom"].tolist() == ["chr20", "chr20"]


def test_score_variants_tells_what_became_of_every_allele(run, model_folder, genome, fasta, tmp_path):
    ref = genome.fetch("20", 99, 100)
    path = vcf(
        tmp_path / "v.vcf",
        f"20\t100\t.\t{ref}\t{'C' if ref != 'C' else 'G'}\t.\t.\t.",
        f"20\t100\t.\t{ref}\t{ref}A\t.\t.\t.",
    )
    code, _, err = run(
        "score-variants", path, "-g", fasta, "-o", tmp_path / "o.vcf.gz", "-m", model_folder, "--scores", "llr, l2"
    )
    assert code == 0, err
    assert "2  scored" in err
    assert (tmp_path / "o.vcf.gz.tbi").exists()
    assert b"HX_L2=" in gzip.decompress((tmp_path / "o.vcf.gz").read_bytes())


def test_score_variants_passes_its_options_on(run, model_folder, genome, fasta, tmp_path):
    ref = genome.fetch("20", 2504, 2505)
    path = vcf(tmp_path / "v.vcf", f"20\t2505\t.\t{ref}\t{'C' if ref != 'C' else 'G'}\t.\t.\t.")
    common = ["score-variants", path, "-g", fasta, "-m", model_folder, "--token-budget", "50"]
    scores = {}
    for name, options in {
        "plain": [],
        "fast": ["--precision", "fast"],
        "variant": ["--anchor", "variant"],
        "one": ["--strands", "forward"],
        "phases": ["--phases", "3"],
    }.items():
        code, _, err = run(*common, "-o", tmp_path / f"{name}.tsv", *options)
        assert code == 0, err
        scores[name] = pd.read_csv(tmp_path / f"{name}.tsv", sep="\t", comment="#")["llr"].item()
        written = json.loads((tmp_path / f"{name}.tsv.manifest.json").read_text())
        assert written["model"]["precision"] == ("fast" if name == "fast" else "exact")
        assert written["settings"]["anchor"] == ("variant" if name == "variant" else "grid")
        assert written["settings"]["strands"] == ("forward" if name == "one" else "both")
        assert written["settings"]["phases"] == (3 if name == "phases" else 2)
        assert written["settings"]["token_budget"] == 50
    assert len(set(scores.values())) == 5
    code, _, err = run(*common, "-o", tmp_path / "x.vcf", "--anchor", "gird")
    assert (code, "anchor" in err) == (2, True)


def test_embed_passes_its_precision_on(run, model_folder, fasta, tmp_path):
    for precision in ("exact", "fast"):
        out = tmp_path / f"{precision}.h5ad"
        code, _, err = run("embed", fasta, "-o", out, "-m", model_folder, "--precision", precision)
        assert code == 0, err
        assert read_embeddings(out).uns["hexamer"]["precision"] == precision
    first, second = (read_embeddings(tmp_path / f"{name}.h5ad").X for name in ("exact", "fast"))
    assert not np.array_equal(first, second)


def test_score_variants_in_shards_regions_and_twice(run, model_folder, genome, fasta, tmp_path):
    rows = []
    for pos in range(2001, 2601):
        ref = genome.fetch("20", pos - 1, pos)
        rows.append(f"20\t{pos}\t.\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t.\t.\t.")
    common = ["score-variants", vcf(tmp_path / "v.vcf", *rows), "-g", fasta, "-m", model_folder, "--window", "60"]
    common += ["--regions", "chr20:1-2,560", "--regions", "short"]
    assert run(*common, "-o", tmp_path / "o.vcf.gz")[0] == 0
    shards = [tmp_path / f"{index}.vcf.gz" for index in (1, 2)]
    for index, shard in enumerate(shards, start=1):
        assert run(*common, "-o", shard, "--shard", f"{index}/2", "--resume")[0] == 0
    code, out, err = run("merge", *shards, "--out", tmp_path / "m.vcf.gz")
    assert (code, out) == (0, ""), err
    assert (tmp_path / "m.vcf.gz").read_bytes() == (tmp_path / "o.vcf.gz").read_bytes()
    assert (tmp_path / "m.vcf.gz.tbi").read_bytes() == (tmp_path / "o.vcf.gz.tbi").read_bytes()
    assert "560 records, 560 alternate alleles" in err
    code, _, err = run(*common, "-o", tmp_path / "m.vcf.gz", "--resume")
    assert (code, "560 of the records had been scored by an earlier run" in err) == (0, True)


def test_only_variants_on_standard_output(run, model_folder, genome, fasta, tmp_path):
    path = vcf(tmp_path / "v.vcf", f"20\t100\t.\t{genome.fetch('20', 99, 100)}\tN\t.\t.\t.")
    code, out, err = run("score-variants", path, "-g", fasta, "-o", "-", "-m", model_folder)
    assert code == 0, err
    assert [line[:2] for line in out.splitlines()[:-2]] == ["##"] * (len(out.splitlines()) - 2)
    assert out.endswith("\tHX_REASON=iupac\n")
    assert "1  iupac" in err
    assert "wrote" not in err
    assert {found.name for found in tmp_path.iterdir()} == {"v.vcf"}


def test_a_reader_that_goes_away_is_no_fault(model_folder, genome, fasta, tmp_path):
    row = f"20\t100\t.\t{genome.fetch('20', 99, 100)}\tN\t.\t.\t{'X' * 300}"
    command = [sys.executable, "-m", "hexamer", "score-variants", vcf(tmp_path / "v.vcf", *[row] * 2000), "-o", "-"]
    with subprocess.Popen([*command, "-g", fasta, "-m", model_folder], stdout=-1, stderr=-1) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"##fileformat")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode != 0


def test_standard_input(model_folder, genome, fasta, tmp_path):
    text = HEADER + f"20\t100\t.\t{genome.fetch('20', 99, 100)}\tN\t.\t.\t.\n"
    command = [sys.executable, "-m", "hexamer", "score-variants", "-", "-g", str(fasta), "-o", str(tmp_path / "o.tsv")]
    done = subprocess.run([*command, "-m", model_folder], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.tsv").read_text().endswith("\tiupac\n")


@pytest.fixture
def small(monkeypatch):
    """The size "tiny", made tinier, so that a run takes a second."""
    from hexamer.model import SIZES, ModelConfig

    monkeypatch.setitem(SIZES, "tiny", ModelConfig(layers=1, width=8, heads=2, ffn=8))


RECIPE = """
max_steps = 4
tokens = 40
step_tokens = 80
evaluate_every = 2
[schedule]
warmup = 2
cooldown = 1
[[genomes]]
name = "human"
fasta = "{fasta}"
hold_out = ["20:1-4,000"]
"""


@pytest.fixture
def recipe(small, fasta, tmp_path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(fasta=fasta))
    return path


def test_sizes_of_the_help_page_are_the_model_s():
    from hexamer.model import SIZES

    assert list(SIZES) == list(cli.SIZES)


OWN = ("embed", "pretrain", "build-corpus", "export-checkpoint", "evaluate-lm", "doctor")


@pytest.mark.parametrize("command", OWN)
def test_the_list_of_commands_has_whole_sentences(command):
    page = CliRunner().invoke(cli.app, ["--help"], terminal_width=80).output
    (line,) = [line for line in page.splitlines() if line.split()[:1] == [command]]
    assert line.endswith(".")
    assert not line.endswith("...")


def test_pretrain_says_what_came_of_it_and_what_is_next(run, recipe, tmp_path):
    out = tmp_path / "a run"
    code, _, err = run("pretrain", recipe, "--out", out)
    assert code == 0, err
    assert "step 4  held out: human 8." in err
    lines = err.splitlines()[-3:]
    assert lines[0].startswith("4 steps, 320 tokens; held out: human 8.")
    assert lines[1] == f"wrote {out}/model and {out}/loss.png"
    assert lines[2] == f"next: hexamer evaluate-lm '{out}/model' --corpus '{out}/corpus'"
    assert (out / "loss.png").exists()
    code, _, err = run("evaluate-lm", out / "model", "--corpus", out / "corpus", "-o", tmp_path / "lm.tsv")
    assert (code, "learn" in err) == (0, False), "its own corpus"
    assert "all 6-mers alike: 8.318" in err
    manifest = json.loads((tmp_path / "lm.tsv.manifest.json").read_text())
    assert manifest["held_out"]["model_learnt_from"] == "this corpus"


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


def test_pretrain_goes_on_without_its_recipe(run, recipe, tmp_path, monkeypatch):
    out = tmp_path / "run"
    for arguments in (["--out", out], [recipe, "--out", out]):
        code, _, err = run("pretrain", "--resume", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert f"{out}: holds no run to resume (no settings.toml); without --resume one would begin there" in err
    with monkeypatch.context() as patch:
        patch.setattr(PRETRAIN, "held_out_losses", stop)
        code, _, err = run("pretrain", recipe, "--out", out)
    assert (code, err.splitlines()[-1]) == (130, "hexamer: stopped")
    code, _, err = run("pretrain", "--resume", "--out", out)
    assert code == 0, err
    assert "no checkpoint in" in err
    code, _, err = run("pretrain", "--resume", "--out", out)
    assert code == 0, err
    assert "going on from checkpoints/step-00000004 (step 4 of 4)" in err
    code, _, err = run("pretrain", recipe, "--resume", "--out", out, "--seed", 3)
    assert code == 2
    assert "another seed (0, not 3); its own settings would work, and to train longer a new run: --from" in err


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_run_that_a_signal_ends_says_where_it_goes_on(run, recipe, tmp_path, monkeypatch):
    drawn = PRETRAIN.draw_batches

    def draw(sampler, processes, step, *, batch):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return drawn(sampler, processes, step, batch=batch)

    monkeypatch.setattr(PRETRAIN, "draw_batches", draw)
    code, _, err = run("pretrain", recipe, "--out", tmp_path / "run")
    assert code == 130
    assert re.search(
        r"^hexamer: stopped after step (\d); --resume goes on from checkpoints/step-0000000\1$", err, flags=re.MULTILINE
    )


def test_a_short_run_scales_the_warmup_of_its_recipe(run, recipe, tmp_path):
    code, _, err = run("pretrain", recipe, "--out", tmp_path / "run", "--max-steps", 1)
    assert code == 0, err
    assert "warm-up of 2 and cooldown of 1 steps scaled to 1 and 0, for 1 steps instead of 4" in err
    assert "1 step, 80 tokens" in err


def test_pretrain_takes_several_files_behind_genome(run, fasta, tmp_path, small):
    other = tmp_path / "other.fa"
    other.write_text(">x\n" + "ACGTTGCAAC" * 900 + "\n")
    code, _, err = run("pretrain", "--genome", fasta, other, "--out", tmp_path / "run", "--max-steps", 1)
    assert code == 0, err
    assert "nothing was held out" in err
    assert (tmp_path / "run" / "model" / "config.json").exists()
    code, _, err = run("evaluate-lm", tmp_path / "run/model", "--corpus", tmp_path / "run/corpus")
    assert code == 2
    assert "no genome has a held-out region" in err


def test_build_corpus_from_fasta_and_from_a_manifest(run, fasta, tmp_path):
    code, said, err = run("build-corpus", fasta, "--out", tmp_path / "one", "--hold-out", "20:1-600")
    assert code == 0, err
    assert said.splitlines()[0].split() == [
        "genome",
        "contigs",
        "bases",
        "n",
        "iupac",
        "soft_masked",
        "held_out",
        "share",
    ]
    assert "600" in said
    (tmp_path / "species.tsv").write_text(f"name\tfasta\tweight\nhuman\t{fasta}\t1\n")
    code, said, err = run("build-corpus", tmp_path / "species.tsv", "--out", tmp_path / "two")
    assert code == 0, err
    assert said.splitlines()[1].split()[0] == "human"


def test_build_corpus_refuses_to_replace_another_corpus(run, fasta, tmp_path):
    out = tmp_path / "corpus"
    code, first, err = run("build-corpus", fasta, "--out", out)
    assert code == 0, err
    assert "9,044" in first, "thousands stand apart"
    assert "nothing is held out: evaluate-lm would have nothing to ask" in err
    code, again, err = run("build-corpus", fasta, "--out", out)
    assert (code, again) == (0, first)
    assert err.splitlines()[-1] == f"{out} holds this corpus already: nothing to do"
    code, said, err = run("build-corpus", fasta, "--out", out, "--hold-out", "20:1-600")
    assert (code, said) == (2, "")
    assert f"{out}: holds another corpus (small); another folder, or removing it, would work" in err


def test_held_out_regions_are_given_one_by_one(run, fasta, tmp_path):
    for command in (["build-corpus", fasta], ["pretrain", "--genome", fasta]):
        code, _, err = run(*command, "--hold-out", "20:1-600", "short", "--out", tmp_path / "x")
        assert code == 2
        assert "short: no such file; if it is to be held out too, --hold-out 20:1-600 --hold-out short would" in err


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (("bases", 0, None, 0), "0.0 Mb"),
        (("bases", 77_700_000, 155_400_000, 1.0), "77.7 of 155.4 Mb  77.7 Mb/s  1 s left"),
        (("windows", 4, 400, 2.0), "4 of 400 windows  2.0 windows/s  3 min left"),
        (("windows", 400, 400, 200.0), "400 of 400 windows  2.0 windows/s"),
        (("records", 3000, None, 2.0), "3,000 records  1,500.0 records/s"),
    ],
)
def test_what_a_count_says(counted, said):
    assert cli._tell_count(*counted) == said


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


MISTAKES = {
    "a file that is not there": ("embed {tmp}/no.fa -o {tmp}/x.h5ad -m {model}", "no.fa"),
    "BED without a genome": ("embed {tmp}/a.bed -o {tmp}/x.h5ad", "--genome FASTA would work"),
    "an ending that is not known": ("embed {fasta} -o {tmp}/x.csv", ".h5ad or .parquet"),
    "a pool that does not exist": ("embed {fasta} -o {tmp}/x.h5ad --pool sum", "mean, max, cls, none"),
    "a model that does not exist": ("embed {fasta} -o {tmp}/x.h5ad -m hexamer-huge", "hexamer-huge"),
    "a budget without tokens": ("embed {fasta} -o {tmp}/x.h5ad --token-budget 0", "token_budget 0"),
    "a score that does not exist": ("score-variants {tmp}/v.vcf -g {fasta} -o {tmp}/o.vcf --scores lrr", "llr, llr_sd"),
    "an empty VCF": ("score-variants {tmp}/empty.vcf -g {fasta} -o {tmp}/o.vcf -m {model}", "empty.vcf"),
    "a VCF without header": ("score-variants {tmp}/bare.vcf -g {fasta} -o {tmp}/o.vcf -m {model}", "bare.vcf:1"),
    "a truncated gzip": ("score-variants {tmp}/cut.vcf.gz -g {fasta} -o {tmp}/o.vcf -m {model}", "cut.vcf.gz"),
    "a shard that does not exist": ("score-variants {tmp}/v.vcf -g {fasta} -o {tmp}/o.vcf --shard 3/2", "1/2 to 2/2"),
    "a shard of a pipe": ("score-variants {tmp}/v.vcf -g {fasta} -o - -m {model} --shard 1/2", "read once"),
    "a region that does not exist": (
        "score-variants {tmp}/v.vcf -g {fasta} -o {tmp}/o.vcf -m {model} --regions 99:1-5",
        "contig '99' is not in",
    ),
    "shards that are none": ("merge {tmp}/v.vcf -o {tmp}/o.vcf", "v.vcf.manifest.json is not beside it"),
    "a genome that is no FASTA": ("score-variants {tmp}/v.vcf -g {tmp}/v.vcf -o {tmp}/o.vcf", "v.vcf"),
    "a recipe with a wrong key": (
        "pretrain {tmp}/r.toml",
        "there is no setting 'max_step'; the nearest is 'max_steps'",
    ),
    "a manifest with a missing file": ("build-corpus {tmp}/s.tsv -o {tmp}/c", "s.tsv:2: there is no file"),
    "a recipe with options of FASTA files": ("build-corpus {tmp}/s.tsv -o {tmp}/c --hold-out 20", "by itself"),
    "a checkpoint that is none": ("export-checkpoint {tmp} -o {tmp}/m", "config.json: missing"),
    "a model to go on from that is none": ("pretrain -g {fasta} -o {tmp}/run --from {tmp}/no", "was not found"),
    "a model with a size of another": (
        "pretrain -g {fasta} -o {tmp}/run --from {model} --size tiny",
        "and size = 'tiny' given; a model to start from has its own sizes",
    ),
    "nothing to resume": ("pretrain --resume -o {tmp}/run", "holds no run to resume"),
    "a folder around a model": ("doctor --model {model}/..", "/small would work"),
    "no recipe and no genome": ("pretrain", "one TOML recipe, or --genome"),
    "a corpus that is none": ("evaluate-lm {model} --corpus {tmp}", "holds no corpus.json"),
    "a table of an unknown kind": ("evaluate-lm {model} -c {tmp} -o {tmp}/t.csv", ".parquet or .tsv"),
    "an annotation of nothing": ("evaluate-lm {model} -c {tmp} --annotation genes.gtf", "NAME=FILE would work"),
    "variants without a genome": ("evaluate-lm {model} -c {tmp} --variants {tmp}/v.vcf", "--genome FASTA belong"),
    "a device that does not exist": ("doctor --device tpu", "'tpu'"),
}


def test_a_background_gives_percentiles_and_a_classifier_probabilities(run, model_folder, genome, fasta, tmp_path):
    common = ("-g", fasta, "-m", model_folder, "--window", 60)
    code, _, err = run(
        "calibrate", *common, "-o", tmp_path / "b", "--sites", 300, "--indels", 110, "--regions", "20:1-9,000"
    )
    assert code == 0, err
    assert "random changes in" in err
    bases = genome.fetch("20", 0, 9000)
    places = [place for place in range(20, 8900, 90) if bases[place] != "N"]
    rows = [("20", place + 1, bases[place], "ACGT"["ACGT".index(bases[place]) - 1]) for place in places]
    rows += [("20", 2001, bases[2000], bases[2000] + "ACG")]
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt"])
    table["meaning"] = np.where(table["ref"].isin(["A", "C"]), "bad", "good")
    table["part"] = table["pos"] // 1500
    table.to_csv(tmp_path / "l.tsv", sep="\t", index=False)
    options = ("--label-column", "meaning", "--positive", "bad", "--folds", "part", "-o", tmp_path / "c")
    code, out, err = run("train-variants", tmp_path / "l.tsv", *common, *options)
    assert code == 0, err
    assert "only scores" in out
    assert {path.name for path in (tmp_path / "c").iterdir()} >= {"classifier.json", "out_of_fold.tsv", "figure.png"}
    code, _, err = run(
        "score-variants", tmp_path / "l.tsv", *common[:2], *common[4:], "-m", tmp_path / "c", "-o", tmp_path / "s.tsv",
        "--background", tmp_path / "b",
    )  # fmt: skip
    assert code == 0, err
    scored = pd.read_csv(tmp_path / "s.tsv", sep="\t", comment="#")
    assert scored["probability"].between(0, 1).all()
    assert scored["llr_percentile"].iloc[-1] <= 100
    assert 100 <= scored["llr_background"].iloc[-1] <= 110
    code, _, err = run(
        "score-variants", tmp_path / "l.tsv", *common, "-o", tmp_path / "t.tsv", "--background", tmp_path / "b",
        "--phases", 1,
    )  # fmt: skip
    assert code == 2
    assert "made with phases 2" in err


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gives_one_line_and_exit_code_2_and_no_output(case, run, model_folder, fasta, tmp_path):
    vcf(tmp_path / "v.vcf", "20\t1\t.\tA\tC\t.\t.\t.")
    (tmp_path / "empty.vcf").write_text("")
    (tmp_path / "bare.vcf").write_text("20\t1\t.\tA\tC\t.\t.\t.\n")
    (tmp_path / "cut.vcf.gz").write_bytes(gzip.compress((HEADER + "20\t1\t.\tA\tC\t.\t.\t.\n" * 500).encode())[:-20])
    (tmp_path / "a.bed").write_text("20\t1\t5\n")
    (tmp_path / "r.toml").write_text('out = "x"\nmax_step = 4\n[[genomes]]\nfasta = "a.fa"\n')
    (tmp_path / "s.tsv").write_text("name\tfasta\nx\tnone.fa\n")
    before = sorted(tmp_path.iterdir())
    command, part = MISTAKES[case]
    code, _, err = run(*command.format(tmp=tmp_path, fasta=fasta, model=model_folder).split())
    lines = [line for line in err.splitlines() if line.startswith("hexamer:")]
    assert code == 2, err
    assert len(lines) == 1
    assert part in lines[0]
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_fault_of_the_program_is_one_line_and_exit_code_1(run, monkeypatch, tmp_path):
    monkeypatch.setattr("hexamer.model.load_model", lambda *_, **__: 1 / 0)
    code, _, err = run("doctor")
    assert code == 1
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err


def test_doctor_says_what_runs_and_why(run, model_folder, monkeypatch):
    monkeypatch.setenv("HEXAMER_NATIVE", "0")
    code, out, err = run("doctor", "--model", model_folder, "--device", "cpu")
    assert code == 0, err
    said = [line.split(maxsplit=1) for line in out.splitlines()]
    assert [part for part, _ in said[-8::2]] == ["attention", "SwiGLU", "LayerNorm", "linear"]
    assert ["SwiGLU", "bf16: torch (HEXAMER_NATIVE=0)"] in said


def test_version(run):
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (0, "hexamer")


@pytest.fixture
def effects(model_folder, genome, fasta, tmp_path, run):
    """60 scored SNVs with labels: `scored.tsv`, `labels.tsv`, and `peer.tsv.gz` with its index."""
    import pysam

    rows, labels, peer = [], ["chrom\tpos\tref\talt\ty\tlog2\tword\tconsequence"], ["#Chrom\tPos\tRef\tAlt\tPHRED"]
    for i, pos in enumerate(range(700, 3700, 50)):
        ref = genome.fetch("20", pos - 1, pos)
        alt = "ACGT"[("ACGT".index(ref) + 1 + i % 3) % 4]
        rows.append(f"20\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.")
        term = ("intron_variant", "missense_variant", "stop_gained")[i % 3]
        labels.append(f"chr20\t{pos}\t{ref}\t{alt}\t{i % 2}\t{(i % 7) - 3}\t{'bad' if i % 2 else 'good'}\t{term}")
        peer.append(f"20\t{pos}\t{ref}\t{alt}\t{i % 2 + i % 5}")
    vcf(tmp_path / "v.vcf", *rows)
    (tmp_path / "labels.tsv").write_text("\n".join(labels) + "\n")
    (tmp_path / "peer.tsv").write_text("\n".join(peer) + "\n")
    index = {"seq_col": 0, "start_col": 1, "end_col": 1, "meta_char": "#"}
    pysam.tabix_index(str(tmp_path / "peer.tsv"), force=True, **index)
    out = tmp_path / "scored.tsv"
    options = ["--scores", "llr,l2", "--window", "120"]
    assert run("score-variants", tmp_path / "v.vcf", "-g", fasta, "-m", model_folder, "-o", out, *options)[0] == 0
    return tmp_path


def test_evaluate_effects_writes_tables_a_figure_and_a_manifest(run, fasta, effects):
    (effects / "a.gtf").write_text('chr20\tx\texon\t1201\t2400\t.\t+\t.\tgene_id "g"; transcript_id "t";\n')
    options = ["--label-column", "word", "--positive", "bad", "--effect-column", "log2", "--group", "kind"]
    options += ["--other", f"peer={effects}/peer.tsv.gz:PHRED", "--sign", "l2=-1", "--resamples", 20]
    options += ["-g", fasta, "--annotation", effects / "a.gtf", "-o", effects / "out"]
    code, out, err = run("evaluate-effects", effects / "scored.tsv", "-l", effects / "labels.tsv", *options)
    assert code == 0, err
    assert out.split()[:7] == ["group", "value", "score", "n", "positive", "missing", "AUROC"]
    assert "llr - peer" in out
    assert {path.name for path in (effects / "out").iterdir()} == {
        "table.tsv",
        "differences.tsv",
        "figure.png",
        "figure.svg",
        "manifest.json",
    }
    table = pd.read_csv(effects / "out" / "table.tsv", sep="\t")
    assert table["score"].unique().tolist() == ["llr", "l2", "peer", "trinucleotide"]
    assert table["group"].unique().tolist() == ["all", "kind", "element"]
    assert {"auroc", "auroc_shuffled", "spearman_effect", "severity_spearman"} <= set(table["metric"])
    peer = table[(table["score"] == "peer") & (table["metric"] == "auroc") & (table["group"] == "all")]
    assert peer["n"].tolist() == [60, 60]
    assert peer["estimate"].iloc[0] > 0.6
    assert len(pd.read_csv(effects / "out" / "differences.tsv", sep="\t")) > 0
    facts = json.loads((effects / "out" / "manifest.json").read_text())
    assert facts["signs"] == {"llr": -1, "l2": -1, "peer": 1, "trinucleotide": -1}
    assert facts["severity"] == {"intron_variant": 1, "missense_variant": 2, "stop_gained": 3}
    assert facts["others"]["peer"]["column"] == "PHRED"
    assert facts["words"]["positive"] == ["bad"]


def test_evaluate_effects_of_one_score_says_why_others_have_none(run, effects):
    lines = (effects / "scored.tsv").read_text().splitlines()
    (effects / "scored.tsv").write_text("\n".join(lines[:-3]) + "\n")
    given = [effects / "scored.tsv", "-l", effects / "labels.tsv", "-o", effects / "out", "--label-column", "y"]
    code, out, err = run("evaluate-effects", *given, "--score", "llr", "--resamples", 5)
    assert code == 0, err
    assert "difference" not in out
    assert "3  without llr: not_scored, the scored file has no such variant" in err


EFFECT_MISTAKES = {
    "nothing known": ("", "no column 'consequence'|nothing is known"),
    "no such column": ("--label-column z", "there is no column 'z'"),
    "words": ("--label-column word", "neither 0 nor 1"),
    "a score": ("--label-column y --score l1", "there is no column 'l1'"),
    "a sign": ("--label-column y --sign llr", "--sign llr: NAME=-1"),
    "a sign of nothing": ("--label-column y --sign x=-1", "sign x = -1"),
    "a column that is not named": ("--label-column y --other peer={tmp}/peer.tsv.gz", "FILE:COLUMN would work"),
    "no other": ("--label-column y --other peer", "NAME=FILE:COLUMN would work"),
    "no other file": ("--label-column y --other peer={tmp}/no.tsv:PHRED", "no.tsv: no such file"),
    "a group": ("--label-column y --group gene", "there is no column 'gene'"),
    "a folder": ("--label-column y -o {tmp}/no/out", "does not exist"),
    "a file for a folder": ("--label-column y -o {tmp}/v.vcf", "is a file"),
}


@pytest.mark.parametrize("case", EFFECT_MISTAKES)
def test_a_mistake_in_evaluating_effects_is_one_line(case, run, effects):
    options, part = EFFECT_MISTAKES[case]
    if not options:
        text = (effects / "labels.tsv").read_text().replace("consequence", "term")
        (effects / "labels.tsv").write_text(text)
    before = sorted(effects.iterdir())
    words = options.format(tmp=effects).split()
    given = [effects / "scored.tsv", "-l", effects / "labels.tsv", "-o", effects / "out", *words]
    code, _, err = run("evaluate-effects", *given)
    assert code == 2, err
    lines = [line for line in err.splitlines() if line.startswith("hexamer:")]
    assert len(lines) == 1
    assert any(wanted in lines[0] for wanted in part.split("|")), lines
    assert sorted(effects.iterdir()) == before
