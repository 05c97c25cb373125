import json

import numpy as np
import pandas as pd
from tests.conftest import write_people

REGION = "20:1001-1060"


def test_maps_of_regions_and_their_figure(run, fasta, model_folder, tmp_path):
    out = tmp_path / "m.npz"
    command = ("attention-map", "--genome", fasta, "-m", model_folder, "-o", out)
    figure = tmp_path / "m.png"
    code, _, said = run(*command, "-r", REGION, "-r", "20:2,001-2,090", "--layers", "2", "--figure", figure)
    assert code == 0, said
    assert "4 maps of 2 stretches" in said
    with np.load(out) as found:
        assert str(found["1/name"]) == "20:2001-2090"
        assert found["0/layer2_head1"].shape == (10, 10)
        assert found["0/tokens"][0].tolist() == [0, 6, 1000, 1006]
        whole = found["1/layer2_head0"].sum(axis=1) + found["1/layer2_head0_cls"]
        np.testing.assert_allclose(whole, 1, atol=1e-5)
    assert figure.stat().st_size > 5000
    manifest = json.loads((tmp_path / "m.npz.manifest.json").read_text())
    assert manifest["stretches"] == ["20:1001-1060", "20:2001-2090"]


def test_maps_of_a_file_and_of_a_person(run, fasta, model_folder, tmp_path):
    (tmp_path / "s.fa").write_text(">a\n" + "ACGTTGCA" * 9 + "\n>b\nACGTAC\n")
    out = tmp_path / "m.npz"
    code, _, said = run("attention-map", "--fasta", tmp_path / "s.fa", "-m", model_folder, "-o", out, "--heads", "0")
    assert (code, "4 maps of 2 stretches" in said) == (0, True), said
    letters = "ACGTACGTACGTACGTACGT" * 9
    path, genome = write_people(tmp_path, ["20\t5\t.\tA\tATTTTTT\t.\t.\t.\tGT\t0|1"], ["ann"], letters)
    (tmp_path / "p.bed").write_text("20\t0\t60\tmine\t0\t-\n")
    person = ("--people", path, "--person", "ann:2")
    code, _, said = run(
        "attention-map", "-g", genome.path, "--bed", tmp_path / "p.bed", *person, "-m", model_folder, "-o", out
    )
    assert code == 0, said
    with np.load(out) as found:
        assert found["0/layer1_head0"].shape == (11, 11)
        places = found["0/tokens"][:, 2:]
    assert places[0].tolist() == [54, 60]
    assert -1 not in places[:9]


def test_elements_under_attention(run, fasta, model_folder, tmp_path):
    (tmp_path / "g.gtf").write_text(
        "".join(
            f'20\tx\texon\t{s}\t{s + 99}\t.\t+\t.\tgene_id "g{s}"; transcript_id "t{s}";\n'
            for s in range(501, 9000, 900)
        )
    )
    (tmp_path / "e.bed").write_text("20\t100\t200\n20\t7000\t7100\n9\t1\t2\n")
    out, figure = tmp_path / "e.tsv", tmp_path / "e.svg"
    options = ("--windows", "4", "--window", "300", "--above", "0.02", "--elements", f"mine={tmp_path / 'e.bed'}")
    code, _, said = run(
        "attention-elements",
        "-g",
        fasta,
        "-a",
        tmp_path / "g.gtf",
        "-o",
        out,
        "-m",
        model_folder,
        "--figure",
        figure,
        *options,
    )
    assert code == 0, said
    table = pd.read_csv(out, sep="\t")
    assert list(dict.fromkeys(table["element"])) == ["exon", "promoter", "mine"]
    assert len(table) == 3 * 4
    assert "heads look at mine" in said
    text = figure.read_text()
    assert all(name in text for name in ("exon", "promoter", "mine"))
