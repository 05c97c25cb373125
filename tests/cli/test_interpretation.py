import json
import random

import numpy as np
import pandas as pd
import pybigtools
import pytest
from tests.conftest import write_people

from hexamer.effects import score_variants
from hexamer.genome import Genome, Interval
from hexamer.interpretation.mutagenesis import list_changes
from hexamer.model import load_model

REGION = "20:1001-1060"


def test_every_change_has_the_score_of_score_variants(run, fasta, model_folder, tmp_path):
    out, figure = tmp_path / "s.tsv", tmp_path / "s.svg"
    options = ("-r", REGION, "--window", "300", "--phases", "1", "-m", model_folder)
    code, _, said = run("saturation-mutagenesis", "-g", fasta, "-o", out, *options, "--figure", figure)
    assert code == 0, said
    table = pd.read_csv(out, sep="\t", dtype={"chrom": str})
    assert len(table) == 60 * 4
    with Genome(fasta) as genome:
        changes = list_changes(genome, Interval("20", 1000, 1060))
        told = score_variants(load_model(model_folder), genome, changes, ("llr",), window=300, phases=1).table
    np.testing.assert_array_equal(table["llr"].to_numpy(np.float32), told["llr"].to_numpy(np.float32))
    assert figure.read_text().startswith("<?xml")
    code, _, said = run("saturation-mutagenesis", "-g", fasta, "-o", out, *options, "--fast")
    assert code == 0, said
    assert "fast against exact, 60 substitutions: Pearson" in said
    assert len(pd.read_csv(out, sep="\t")) == 60 * 3


def test_tracks_of_a_region_and_of_contigs(run, fasta, model_folder, tmp_path):
    options = ("--window", "300", "--phases", "1", "--strands", "forward", "-m", model_folder)
    code, _, said = run("write-tracks", "-g", fasta, "-r", REGION, "-o", tmp_path / "t", *options)
    assert code == 0, said
    assert said.count("wrote") == 6
    code, _, said = run("write-tracks", "-g", fasta, "--contigs", "short,tiny", "-o", tmp_path / "c", *options)
    assert code == 0, said
    manifest = json.loads((tmp_path / "c.manifest.json").read_text())
    assert manifest["regions"] == ["short:1-40", "tiny:1-4"]
    file = pybigtools.open(str(tmp_path / "c.entropy.bw"))
    assert sum(last - first for first, last, _ in file.records("short", 0, 40)) == 36


def test_a_dependency_map_and_its_figure(run, fasta, model_folder, tmp_path):
    out, figure = tmp_path / "d.tsv", tmp_path / "d.svg"
    options = ("--window", "300", "-m", model_folder, "--figure", figure)
    code, _, said = run("dependency-map", "-g", fasta, "-r", "20:3001-3030", "-o", out, *options)
    assert code == 0, said
    table = pd.read_csv(out, sep="\t")
    assert len(table) == 30 * 24
    assert table["strength"].min() >= 0
    assert "what is expected here" in figure.read_text()


MISTAKES = {
    "a region that is too long": ("dependency-map -g {f} -r 20:1-700 -o {t}/d.tsv", "700 bases; 1 to"),
    "contigs and regions": ("write-tracks -g {f} -r 20:1-60 --contigs all -o {t}/x", "one of them would work"),
    "a contig that does not exist": ("write-tracks -g {f} --contigs 99 -o {t}/x", "99"),
    "nothing to look into": ("attention-map -o {t}/m.npz", "--genome with --regions or --bed, or --fasta"),
    "a genome without regions": ("attention-map -g {f} -o {t}/m.npz", "either --regions or --bed"),
    "another ending": ("attention-map -g {f} -r 20:1-60 -o {t}/m.h5", "written as .npz"),
    "a head that does not exist": ("attention-map -g {f} -r 20:1-60 -o {t}/m.npz --heads 9", "heads 0 to"),
    "a head that is no number": ("attention-map -g {f} -r 20:1-60 -o {t}/m.npz --heads all", "a comma list of numbers"),
    "a stretch that is too long": ("attention-map -g {f} -r 20:1-9000 -o {t}/m.npz", "would work"),
    "a person without a file": ("attention-map -g {f} -r 20:1-60 -o {t}/m.npz --person ann:1", "belong together"),
    "no elements": ("attention-elements -g {f} -o {t}/e.tsv", "--annotation GTF, or --elements NAME=BED"),
    "elements without a name": ("attention-elements -g {f} -o {t}/e.tsv --elements {f}", "NAME=BED"),
    "a score that does not exist": ("saturation-mutagenesis -g {f} -r 20:1-60 -o {t}/s.tsv --scores x", "is unknown"),
    "other scores, fast": ("saturation-mutagenesis -g {f} -r 20:1-60 -o {t}/s.tsv --scores l2 --fast", "llr, alone"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(run, fasta, model_folder, tmp_path, case):
    command, part = MISTAKES[case]
    code, _, said = run(*command.format(f=fasta, t=tmp_path).split(), "-m", model_folder)
    assert code == 2, said
    assert part in said
    assert list(tmp_path.iterdir()) == []


LETTERS = "".join(random.Random(3).choices("ACGT", k=1500))
INSERTED = LETTERS[599] + "GATTACA"
RECORDS = [
    f"20\t600\t.\t{LETTERS[599]}\t{INSERTED}\t.\t.\t.\tGT\t0|0\t1|0",
    f"20\t620\t.\t{LETTERS[619:623]}\t{LETTERS[619]}\t.\t.\t.\tGT\t0|0\t1|0",
]


@pytest.fixture
def people(tmp_path):
    vcf, genome = write_people(tmp_path, RECORDS, ("ann", "bob"), LETTERS)
    with genome:
        return vcf, genome.path


WAYS = {
    "saturation-mutagenesis": ("--window", 300, "--phases", 2),
    "dependency-map": ("--window", 300),
}


@pytest.mark.parametrize("command", WAYS)
def test_a_person_who_is_the_reference_has_its_numbers(run, people, model_folder, tmp_path, command):
    vcf, genome = people
    asked = (command, "--genome", genome, "-m", model_folder, "-r", "20:581-640", *WAYS[command])
    one, two = tmp_path / "one.tsv", tmp_path / "two.tsv"
    code, _, said = run(*asked, "-o", one)
    assert code == 0, said
    code, _, said = run(*asked, "-o", two, "--people", vcf, "--person", "ann:1")
    assert code == 0, said
    reference, person = pd.read_csv(one, sep="\t"), pd.read_csv(two, sep="\t")
    counts = [name for name in person if "inserted" in name]
    assert counts
    assert not person[counts].to_numpy().any()
    assert person["name"].unique().tolist() == ["20:581-640 ann:1"]
    pd.testing.assert_frame_equal(person.drop(columns=[*counts, "name"]), reference.drop(columns="name"))


def test_changes_of_what_a_person_has_inserted(run, people, model_folder, tmp_path):
    vcf, genome = people
    out, figure = tmp_path / "p.tsv", tmp_path / "p.png"
    asked = ("saturation-mutagenesis", "-g", genome, "-m", model_folder, "-r", "20:591-640", "--window", 300)
    code, _, said = run(*asked, "-o", out, "--people", vcf, "--person", "bob:1", "--figure", figure)
    assert code == 0, said
    table = pd.read_csv(out, sep="\t").query("ref.str.len() == 1 and alt.str.len() == 1")
    bases = table.drop_duplicates(["pos", "inserted"])
    assert "".join(bases["ref"]) == LETTERS[590:599] + INSERTED + LETTERS[600:620] + LETTERS[623:640]
    assert bases.query("pos == 600")["inserted"].tolist() == list(range(8))
    assert not set(table["pos"]) & {621, 622, 623}  # deleted
    # The same as of a FASTA file of the person's sequence.
    own = LETTERS[:599] + INSERTED + LETTERS[600:620] + LETTERS[623:]
    (tmp_path / "own.fa").write_text(f">20\n{own}\n")
    told = tmp_path / "told.tsv"
    asked = ("saturation-mutagenesis", "-g", tmp_path / "own.fa", "-m", model_folder, "-r", "20:591-644")
    code, _, said = run(*asked, "--window", 300, "-o", told)
    assert code == 0, said
    same = pd.read_csv(told, sep="\t").query("ref.str.len() == 1 and alt.str.len() == 1")
    np.testing.assert_array_equal(table["llr"], same["llr"])
    code, _, said = run(*asked[:1], "--fasta", tmp_path / "own.fa", *asked[3:5], "--window", 300, "-o", told, "--fast")
    assert code == 0, said
    assert len(pd.read_csv(told, sep="\t")) == 3 * len(own)


def test_tracks_of_a_person_lie_on_the_reference(run, people, model_folder, tmp_path):
    vcf, genome = people
    asked = ("write-tracks", "-g", genome, "-m", model_folder, "-r", "20:501-700", "--window", 300, "--phases", 1)
    found = {}
    for name, options in (("ref", ()), ("ann", ("ann:2",)), ("bob", ("bob:1",))):
        more = ("--people", vcf, "--person", *options) if options else ()
        code, _, said = run(*asked, "-o", tmp_path / name, *more)
        assert code == 0, said
        with pybigtools.open(str(tmp_path / f"{name}.entropy.bw")) as file:
            found[name] = np.full(200, np.nan)
            for start, end, value in file.records("chr20", 500, 700):
                found[name][start - 500 : end - 500] = value
    np.testing.assert_array_equal(found["ann"], found["ref"])
    assert np.flatnonzero(np.isnan(found["bob"])).tolist() == [120, 121, 122]
    assert (found["bob"] != found["ref"])[~np.isnan(found["bob"])].any()


def test_names_are_told_apart(run, fasta, model_folder, tmp_path):
    (tmp_path / "p.bed").write_text("20\t100\t112\tp\n20\t700\t712\tp\n20\t700\t712\tp\n20\t50\t60\tq\n")
    given = ("-g", fasta, "-m", model_folder, "--bed", tmp_path / "p.bed", "--window", 300, "-o", tmp_path / "p.tsv")
    code, _, said = run("saturation-mutagenesis", *given, "--fast")
    assert code == 0, said
    names = pd.read_csv(tmp_path / "p.tsv", sep="\t")["name"].unique().tolist()
    assert names == ["p 20:101-112", "p 20:701-712", "p 20:701-712_2", "q"]
    (tmp_path / "r.fa").write_text(">a\nACGUACGUACGU\n>a\nacgtnnACGTAC\n")
    code, _, said = run("saturation-mutagenesis", "--fasta", tmp_path / "r.fa", *given[2:4], *given[6:], "--fast")
    assert code == 0, said
    table = pd.read_csv(tmp_path / "p.tsv", sep="\t").drop_duplicates(["name", "pos"])
    assert table.groupby("name")["ref"].sum().to_dict() == {"a": "ACGTACGTACGT", "a_2": "ACGTACGTAC"}


def test_fast_has_no_deletions(run, fasta, model_folder, tmp_path):
    given = ("-g", fasta, "-m", model_folder, "-r", "20:1-10", "-o", tmp_path / "p.tsv", "--fast", "--deletions")
    code, _, said = run("saturation-mutagenesis", *given)
    assert (code, "--no-deletions, or no --fast" in said) == (2, True), said
