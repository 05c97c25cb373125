"""`score-variants`, `merge` and `calibrate`."""

import gzip
import json
import subprocess
import sys

import pandas as pd
import pytest
from tests.cli.conftest import HEADER, vcf


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


def test_standard_input(model_folder, genome, fasta, tmp_path):
    text = HEADER + f"20\t100\t.\t{genome.fetch('20', 99, 100)}\tN\t.\t.\t.\n"
    command = [sys.executable, "-m", "hexamer", "score-variants", "-", "-g", str(fasta), "-o", str(tmp_path / "o.tsv")]
    done = subprocess.run([*command, "-m", model_folder], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.tsv").read_text().endswith("\tiupac\n")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "no record was read: the file has none, or none where --regions or --shard asked for it"),
        (
            ("7\t100\t.\tA\tC", "7\t101\t.\tA\tC", "20\t100\t.\tA\t*"),
            "no allele has a score, mostly because the contig is not in the genome, nor under another common name; "
            "its own names would work: 20, short, tiny",
        ),
        (
            ("20\t9999\t.\tA\tC",),
            "no allele has a score, because the position is outside the contig; the assembly that the positions are of "
            "would work",
        ),
    ],
)
def test_score_variants_says_why_nothing_has_a_score(rows, said, run, model_folder, fasta, tmp_path):
    path = vcf(tmp_path / "v.vcf", *(f"{row}\t.\t.\t." for row in rows))
    code, _, err = run("score-variants", path, "-g", fasta, "-o", tmp_path / "o.vcf", "-m", model_folder)
    assert code == 0, err
    assert err.splitlines()[-2:] == [said, f"wrote {tmp_path / 'o.vcf'}"]
