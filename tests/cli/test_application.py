"""The command line as a user meets it: help, mistakes, exit codes."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import HEADER, vcf
from typer.testing import CliRunner

from hexamer import cli
from hexamer.cli import application

COMMANDS = [
    "score-variants",
    "merge",
    "calibrate",
    "train-variants",
    "embed",
    "probe",
    "finetune",
    "predict",
    "pretrain",
    "build-corpus",
    "export-checkpoint",
    "evaluate-lm",
    "evaluate-effects",
    "run-benchmark",
    "audit",
    "build-splice-suite",
    "haplotypes",
    "predict-expression",
    "attention-map",
    "attention-elements",
    "saturation-mutagenesis",
    "dependency-map",
    "write-tracks",
    "attribute",
    "find-motifs",
    "project",
    "write-report",
    "doctor",
]
GROUPED = ("evaluate", "fit", "predict")


def test_help_needs_no_torch_and_names_every_command():
    code = "import sys; sys.argv = ['hexamer', '--help']\nfrom hexamer.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'pandas', 'numpy', 'pysam'} & set(sys.modules), 'a heavy part was imported'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)


def test_the_order_of_commands_stays_and_no_topic_is_left_out():
    page = CliRunner().invoke(cli.app, ["--help"], terminal_width=80).output
    rows = page.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert [row.split()[0] for row in rows if row[2] != " "] == COMMANDS
    topics = {path.stem for path in Path(cli.__file__ or "").parent.glob("*.py") if "commands = " in path.read_text()}
    assert {topic.__name__.rpartition(".")[2] for topic in application.TOPICS} == topics


GROUP = "predict-expression"
PAGES = [*(command for command in COMMANDS if command != GROUP), *(f"{GROUP} {name}" for name in GROUPED)]


@pytest.mark.parametrize("command", PAGES)
def test_every_help_ends_with_two_examples_that_parse(command):
    page = CliRunner().invoke(cli.app, [*command.split(), "--help"], terminal_width=200).output
    lines = [line.strip() for line in page.rstrip().splitlines()]
    assert lines[-3] == "Examples:"
    options = {
        word for line in lines[: lines.index("Examples:")] for word in line.replace(",", " ").split() if word[0] == "-"
    }
    for line in lines[-2:]:
        words = line.split("|")[-1].split()
        assert " ".join(words).startswith(f"hexamer {command}")
        assert {word for word in words if word.startswith("-") and word != "-"} <= options


OWN = (
    "embed",
    "probe",
    "finetune",
    "predict",
    "pretrain",
    "build-corpus",
    "export-checkpoint",
    "evaluate-lm",
    "run-benchmark",
    "audit",
    "build-splice-suite",
    "haplotypes",
    "predict-expression",
    "attention-map",
    "attention-elements",
    "saturation-mutagenesis",
    "dependency-map",
    "write-tracks",
    "attribute",
    "find-motifs",
    "project",
    "write-report",
    "doctor",
)


@pytest.mark.parametrize("command", OWN)
def test_the_list_of_commands_has_whole_sentences(command):
    page = CliRunner().invoke(cli.app, ["--help"], terminal_width=80).output
    (line,) = [line for line in page.splitlines() if line.split()[:1] == [command]]
    assert line.endswith(".")
    assert not line.endswith("...")


def test_version(run):
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (0, "hexamer")


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
