"""`train-variants`, and what `score-variants` makes of it."""

import numpy as np
import pandas as pd


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
