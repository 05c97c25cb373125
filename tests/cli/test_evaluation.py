"""`evaluate-effects`."""

import json

import pandas as pd
import pytest
from tests.cli.conftest import vcf


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
