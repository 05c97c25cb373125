import pandas as pd
import pytest
from tests.conftest import write_vcf

REGION = "20:1001-1060"


@pytest.fixture
def results(run, fasta, model_folder, tmp_path):
    """Results of many commands in one folder, as a person has them."""
    folder = tmp_path / "results"
    folder.mkdir()
    vcf = write_vcf(tmp_path / "v.vcf", [f"20\t{pos}\t.\tA\tC,G,T\t.\t.\t." for pos in range(1001, 1010)])
    given = ("-g", fasta, "-m", model_folder)
    for command in (
        ("score-variants", vcf, *given, "-o", folder / "scored.vcf.gz", "--window", 300),
        ("saturation-mutagenesis", *given, "-r", REGION, "--window", 300, "--fast", "-o", folder / "satmut.parquet"),
        ("attribute", *given, "-r", REGION, "-o", folder / "attribution.tsv"),
        ("dependency-map", *given, "-r", REGION, "-o", folder / "dependency.tsv.gz"),
        ("attention-map", *given, "-r", REGION, "-o", folder / "maps.npz"),
        ("write-tracks", *given, "-r", REGION, "--window", 300, "--phases", 1, "-o", folder / "sites"),
    ):
        code, _, said = run(*command)
        assert code == 0, said
    return folder


def test_a_folder_of_results_is_one_page(run, results, tmp_path):
    page = tmp_path / "report.html"
    code, _, said = run("write-report", results, "-o", page, "--title", "Mine")
    assert code == 0, said
    assert said.splitlines()[-1].startswith(f"wrote {page}: 5 sections, ")
    assert "not shown" not in said
    text = page.read_text()
    for title in ("Variants: scored.vcf.gz", "Saturation mutagenesis: satmut.parquet", "Attribution: attribution.tsv",
                  "Dependency map: dependency.tsv.gz", "Attention maps: maps.npz", "In the genome"):  # fmt: skip
        assert f"<h2>{title}</h2>" in text
    assert "ref_mismatch" in text
    assert str(tmp_path) not in text


def test_what_cannot_be_shown_is_named(run, results, tmp_path):
    (results / "empty.tsv").write_text("")
    pd.DataFrame({"a": [1]}).to_csv(results / "other.tsv", sep="\t", index=False)
    code, _, said = run("write-report", results, "-o", tmp_path / "r.html")
    assert code == 0, said
    assert f"not shown: {results}/empty.tsv: the file is empty" in said
    assert f"not shown: {results}/other.tsv: its columns ('a') are those of no result" in said


def test_mistakes_are_one_line(run, results, tmp_path):
    for words, told in (
        (("write-report", tmp_path / "no", "-o", tmp_path / "r.html"), "no such file or folder"),
        (("write-report", results, "-o", tmp_path / "r.pdf"), "a report is written as .html"),
        (("write-report", results, "-o", tmp_path / "r.html", "-g", tmp_path / "no.fa"), "no.fa"),
        (("write-report", results, "-o", tmp_path / "r.html", "-a", tmp_path / "no.gtf"), "no.gtf"),
    ):
        code, _, said = run(*words)
        assert (code, told in said, len(said.strip().splitlines())) == (2, True, 1), said
    assert not (tmp_path / "r.html").exists()
