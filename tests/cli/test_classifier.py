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


def test_a_fine_tuned_classifier_from_end_to_end(run, model_folder, genome, fasta, tmp_path):
    bases = genome.fetch("20", 0, 9000)
    places = [place for place in range(30, 8900, 150) if "N" not in bases[place - 30 : place + 30]]
    rows = [
        ("20", place + 1, bases[place], bases[place] + ("AACC" if i % 2 else "GTTG")) for i, place in enumerate(places)
    ]
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt"])
    table["label"], table["part"] = np.arange(len(table)) % 2, np.arange(len(table)) * 3 // len(table)
    table.to_csv(tmp_path / "l.tsv", sep="\t", index=False)
    common = ("-g", fasta, "-m", model_folder, "--window", 120, "--phases", 1, "--strands", "forward")
    options = ("--folds", "part", "--adapter", "ia3", "--steps", 4)
    code, out, err = run("train-variants", tmp_path / "l.tsv", *common, *options, "-o", tmp_path / "c")
    assert code == 0, err
    assert "weights trained" in err
    assert "probability" in out
    assert not (tmp_path / "c" / "state").exists()
    scored = ("-g", fasta, "-m", tmp_path / "c", "--window", 120, "--phases", 1, "--strands", "forward")
    code, _, err = run("score-variants", tmp_path / "l.tsv", *scored, "-o", tmp_path / "s.tsv")
    assert code == 0, err
    assert pd.read_csv(tmp_path / "s.tsv", sep="\t", comment="#")["probability"].between(0, 1).all()
    # A regression that is trained into the same folder takes its place.
    code, _, err = run("train-variants", tmp_path / "l.tsv", *common, "--folds", "part", "-o", tmp_path / "c")
    assert code == 0, err
    code, _, err = run("score-variants", tmp_path / "l.tsv", *scored, "-o", tmp_path / "t.tsv")
    assert code == 0, err


def test_options_and_columns_that_mean_nothing_are_refused(run, model_folder, fasta, tmp_path):
    (tmp_path / "l.tsv").write_text("chrom\tpos\tref\talt\tlabel\tllr\n20\t5\tA\tC\t1\t0\n")
    common = ("train-variants", tmp_path / "l.tsv", "-g", fasta, "-m", model_folder, "-o", tmp_path / "c")
    for options, message in (
        (("--steps", 5), "--steps: of no use with --adapter none"),
        (("--adapter", "ia3", "--features", "scores"), "--features: of no use with --adapter ia3"),
        (("--adapter", "ia4"), "'ia3', 'lora', 'full' or 'head'"),
        (("--window", 0), "window 0; at least 12"),
        (("--count", 0), "columns llr have names of ours"),
    ):
        code, _, err = run(*common, *options)
        assert code == 2, options
        assert message in err
