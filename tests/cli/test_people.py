import gzip
import json

import pytest
from tests.conftest import write_people

RECORDS = [
    "20\t3\t.\tG\tA,GTT\t.\t.\t.\tGT\t1|2\t0|1\t.|0",
    "20\t7\t.\tGTA\tG\t.\t.\t.\tGT\t0|0\t1|1\t0/1",
]


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "cache"))
    path, genome = write_people(tmp_path, RECORDS)
    genome.close()
    return path, tmp_path / "x.fa"


def test_sequences_of_people_as_fasta(run, people, tmp_path):
    path, fasta = people
    common = ("haplotypes", path, "-g", fasta, "--samples", "bob,ann")
    code, _, err = run(*common, "--regions", "20:1-12", "-o", tmp_path / "two.fa")
    assert code == 0, err
    rows = (tmp_path / "two.fa").read_text().split()
    assert rows[::2] == [f">{name}|{n}|20:1-12(+)" for name in ("bob", "ann") for n in (1, 2)]
    assert rows[1::2] == ["ACGTACGCGT", "ACATACGCGT", "ACATACGTACGT", "ACGTTTACGTACGT"]
    facts = json.loads((tmp_path / "two.fa.manifest.json").read_text())
    assert facts["samples"] == ["bob", "ann"]
    assert facts["alleles"] == {"applied": 5, "sequences": 4}
    assert "5  applied" in err
    (tmp_path / "a.bed").write_text("chr20\t1\t5\tp\t0\t-\n")
    code, _, err = run(*common, "--bed", tmp_path / "a.bed", "-o", tmp_path / "two.fa.gz")
    assert code == 0, err
    with gzip.open(tmp_path / "two.fa.gz", "rt") as file:
        assert file.readline() == ">bob|1|chr20:2-5(-)|p\n"


def test_what_is_done_without_phase(run, people, tmp_path):
    path, fasta = people
    common = ("haplotypes", path, "-g", fasta, "--samples", "cat", "--regions", "20:1-12", "-o", tmp_path / "one.fa")
    code, _, err = run(*common)
    assert code == 2
    assert "20:7, sample cat: a heterozygote without phase" in err
    assert not (tmp_path / "one.fa").exists()
    code, _, err = run(*common, "--unphased", "skip")
    assert code == 0, err
    assert "2  unphased" in err
    assert "1  missing call" in err
    found = set()
    for seed in range(6):
        assert run(*common, "--unphased", "random", "--seed", seed)[0] == 0
        found.add((tmp_path / "one.fa").read_text())
    assert len(found) == 2


MISTAKES = {
    "no interval": ("", "either --regions or --bed"),
    "both": ("--regions 20:1-5 --bed {folder}/a.bed", "either --regions or --bed"),
    "nobody of that name": ("--regions 20:1-5 --samples dan", "dan"),
    "a contig that is not there": ("--regions 7:1-5", "7"),
    "beyond the end": ("--regions 20:1-50", "20"),
    "a policy that does not exist": ("--regions 20:1-5 --unphased guess", "unphased 'guess'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case, run, people, tmp_path):
    options, part = MISTAKES[case]
    path, fasta = people
    words = options.format(folder=tmp_path).split()
    code, _, err = run("haplotypes", path, "-g", fasta, "-o", tmp_path / "out.fa", *words)
    assert code == 2, err
    assert [part in line for line in err.splitlines() if line.startswith("hexamer:")] == [True]
    assert not (tmp_path / "out.fa").exists()
