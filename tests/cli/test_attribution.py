import json

import numpy as np
import pandas as pd
import pytest
import torch
from tests.conftest import REFERENCE, write_people

from hexamer.genome import Genome
from hexamer.interpretation import attribute
from hexamer.model import load_model
from hexamer.training import Predictor, load_predictor, make_target

REGION = "20:1001-1060"
QUICK = ("--steps", "4")


def read(path):
    return pd.read_csv(path, sep="\t", dtype={"chrom": str, "name": str})


@pytest.fixture
def database(tmp_path):
    draw, lines = np.random.default_rng(0), []
    for number in range(30):
        counts = draw.multinomial(100, draw.dirichlet([0.3] * 4), size=8).T
        lines += [f">M{number} m{number}", *(" ".join(map(str, row)) for row in counts + 1)]
    (tmp_path / "m.pfm").write_text("\n".join(lines) + "\n")
    return tmp_path / "m.pfm"


def test_every_base_has_the_number_of_the_function(run, fasta, model_folder, tmp_path):
    out, figure = tmp_path / "a.tsv", tmp_path / "a.svg"
    options = ("-m", model_folder, *QUICK, "--figure", figure)
    code, _, said = run("attribute", "-g", fasta, "-r", REGION, "-r", "20:2001-2030", "-o", out, *options)
    assert code == 0, said
    table = read(out)
    assert list(table) == ["name", "chrom", "strand", "offset", "pos", "inserted", "base", "attribution"]
    with Genome(fasta) as genome:
        letters = genome.fetch("20", 1000, 1060)
    assert "".join(table["base"][:60]) == letters
    assert table["pos"].tolist() == [*range(1001, 1061), *range(2001, 2031)]
    told = attribute(load_model(model_folder), letters, steps=4)
    np.testing.assert_allclose(table["attribution"][:60], told.bases, atol=1e-5)
    assert figure.read_text().startswith("<?xml")
    manifest = json.loads((tmp_path / "a.tsv.manifest.json").read_text())
    assert manifest["settings"]["steps"] == 4
    assert manifest["sums"][0]["value"] == pytest.approx(told.value)
    assert "what bases leave unexplained" in said
    assert "90 bases of 2 stretches" in said


def test_bed_and_fasta_and_one_position(run, fasta, model_folder, tmp_path):
    (tmp_path / "a.bed").write_text("20\t1000\t1060\tmine\t0\t-\n")
    options = ("-m", model_folder, *QUICK, "--position", "1010")
    code, _, said = run("attribute", "-g", fasta, "--bed", tmp_path / "a.bed", "-o", tmp_path / "b.tsv", *options)
    assert code == 0, said
    table = read(tmp_path / "b.tsv")
    assert (table["name"][0], table["strand"][0], table["pos"].tolist()) == ("mine", "-", [*range(1060, 1000, -1)])
    (tmp_path / "s.fa").write_text(">mine\n" + "".join(table["base"]) + "\n")
    options = ("-m", model_folder, *QUICK, "--position", "51", "-o", tmp_path / "f.parquet")
    code, _, said = run("attribute", "--fasta", tmp_path / "s.fa", *options)
    assert code == 0, said
    same = pd.read_parquet(tmp_path / "f.parquet")
    np.testing.assert_allclose(same["attribution"], table["attribution"], atol=1e-6)


def test_a_person_s_inserted_bases_are_there(run, model_folder, tmp_path):
    rows = ["20\t5\t.\tA\tATT\t.\t.\t.\tGT\t1|0", "20\t9\t.\tAC\tA\t.\t.\t.\tGT\t1|0"]
    people, _ = write_people(tmp_path, rows, ["ann"])
    options = ("-m", model_folder, *QUICK, "--people", people, "--person", "ann:1")
    code, _, said = run("attribute", "-g", tmp_path / "x.fa", "-r", "20:1-20", "-o", tmp_path / "a.tsv", *options)
    assert code == 0, said
    table = read(tmp_path / "a.tsv")
    assert "".join(table["base"]) == REFERENCE[:5] + "TT" + REFERENCE[5:9] + REFERENCE[10:]
    assert table["pos"].tolist() == [1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, *range(11, 21)]
    assert table["inserted"].tolist() == [0] * 5 + [1, 2] + [0] * 14
    assert json.loads((tmp_path / "a.tsv.manifest.json").read_text())["person"] == "ann:1"


def test_a_fine_tuned_model(run, fasta, model_folder, tmp_path):
    torch.manual_seed(0)
    Predictor(load_model(model_folder), make_target("labels", ("open", "shut"))).save(tmp_path / "p")
    options = ("-m", tmp_path / "p", *QUICK, "--target", "shut", "--method", "gradient_x_input")
    code, _, said = run("attribute", "-g", fasta, "-r", REGION, "-o", tmp_path / "a.tsv", *options)
    assert code == 0, said
    with Genome(fasta) as genome:
        letters = genome.fetch("20", 1000, 1060)
    told = attribute(load_predictor(tmp_path / "p"), letters, target="shut", method="gradient_x_input")
    np.testing.assert_allclose(read(tmp_path / "a.tsv")["attribution"], told.bases, atol=1e-5)
    assert "unexplained" not in said


def test_motifs_of_all_three_analyses(run, fasta, database, tmp_path):
    with Genome(fasta) as genome:
        letters = genome.fetch("20", 1000, 1060)
    scores = np.random.default_rng(1).normal(size=60)
    scores[20:30] += 8
    facts = {"chrom": "20", "pos": np.arange(1001, 1061)}
    base = pd.DataFrame(facts | {"base": list(letters), "attribution": scores})
    base = base.assign(name="mine", strand="+", offset=np.arange(60), inserted=0)
    mutated = pd.DataFrame(facts | {"ref": list(letters), "llr": -scores, "name": "mine", "alt": "N"})
    depends = pd.DataFrame({"name": "mine", "chrom": "20", "pos_changed": facts["pos"], "strength": scores})
    tables = {"a": base, "m": mutated, "d": depends.assign(pos_expected=1)}
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
        out, extra = tmp_path / f"{name}.hits.tsv", ("-g", fasta) if name == "d" else ()
        code, _, said = run("find-motifs", tmp_path / f"{name}.tsv", "--motifs", database, "-o", out, *extra)
        assert code == 0, said
        found = read(out)
        assert found["name"].tolist() == ["mine"] * 3
        assert abs(found["start"][0] - 1017) <= 1
        assert abs(found["end"][0] - 1033) <= 1
        assert letters[found["start"][0] - 1000 : found["end"][0] - 1000] == found["sequence"][0]
        assert {"motif", "motif_name", "p", "q", "motif_strand", "motif_offset", "score", "seqlet_p"} <= set(found)
        assert "1 seqlet in 1 stretch" in said
    assert json.loads((tmp_path / "d.hits.tsv.manifest.json").read_text())["settings"]["nearest"] == 3


def test_no_seqlet_and_few_motifs(run, database, tmp_path):
    flat = pd.DataFrame({"name": "mine", "chrom": "20", "strand": "+", "offset": np.arange(60), "pos": np.arange(60)})
    flat.assign(inserted=0, base="A", attribution=0.0).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    (tmp_path / "few.pfm").write_text("\n".join(database.read_text().splitlines()[:10]))
    code, _, said = run("find-motifs", tmp_path / "a.tsv", "--motifs", tmp_path / "few.pfm", "-o", tmp_path / "h.tsv")
    assert code == 0, said
    assert read(tmp_path / "h.tsv").empty
    assert "2 motifs; p are sound from 25 on" in said


MISTAKES = {
    "nothing to look into": ("attribute -o {t}/a.tsv", "--genome with --regions or --bed, or --fasta"),
    "a method that does not exist": ("attribute -g {f} -r 20:1-60 -o {t}/a.tsv --method lime", "'lime' is unknown"),
    "a baseline that does not exist": ("attribute -g {f} -r 20:1-60 -o {t}/a.tsv --baseline n", "mask or mean"),
    "a target of an encoder": ("attribute -g {f} -r 20:1-60 -o {t}/a.tsv --target x", "an encoder has no outputs"),
    "a position elsewhere": ("attribute -g {f} -r 20:1-60 -o {t}/a.tsv --position 61", "1 to 60 would work"),
    "a region that is too long": ("attribute -g {f} -r 20:1-2000 -o {t}/a.tsv", "tokens; 1 to 99"),
    "another ending": ("attribute -g {f} -r 20:1-60 -o {t}/a.csv", ".parquet or .tsv"),
    "motifs of no database": ("find-motifs {f} --motifs {f} -o {t}/h.tsv", "rows A, C, G, T in this order"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(run, fasta, model_folder, tmp_path, case):
    command, part = MISTAKES[case]
    model = ("-m", model_folder) if command.startswith("attribute") else ()
    code, _, said = run(*command.format(f=fasta, t=tmp_path).split(), *model)
    assert code == 2, said
    assert part in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_go_together(run, fasta, database, tmp_path):
    flat = pd.DataFrame({"name": "mine", "chrom": "20", "strand": "+", "offset": [0], "pos": [1], "inserted": [0]})
    flat.assign(base="A", attribution=0.0).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    for table, options, part in (
        ("a.tsv", ("--nearest", 0), "nearest 0; 1 or more"),
        ("a.tsv", ("--person", "ann:1"), "need --genome"),
        ("a.tsv", ("--level", 2), "level 2.0"),
        (fasta, (), "a table of attribute, saturation-mutagenesis (with llr) or dependency-map would work"),
    ):
        code, _, said = run("find-motifs", tmp_path / table, "--motifs", database, "-o", tmp_path / "h.tsv", *options)
        assert code == 2, said
        assert part in said
        assert not (tmp_path / "h.tsv").exists()
