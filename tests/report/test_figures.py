import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import check_figure_path, draw_effects, draw_evaluation, draw_training

ROWS = [
    {"genome": "A. thaliana", "element": "all", "loss": 8.0, "loss_low": 7.9, "loss_high": 8.1, "markov_species": 8.2},
    {
        "genome": "A. thaliana",
        "element": "five_prime_utr",
        "loss": 7.8,
        "loss_low": float("nan"),
        "markov_species": 8.1,
    },
    {"genome": "yeast", "element": "all", "loss": float("nan")},
    {"genome": "fly", "element": "all", "loss": 8.1, "loss_low": 8.0, "loss_high": 8.3, "markov_species": 8.0},
]
TABLE = pd.DataFrame(ROWS)


def test_an_svg_names_what_is_in_the_table(tmp_path):
    path = tmp_path / "lm.svg"
    draw_evaluation(TABLE, path, title="hexamer-tiny")
    text = path.read_text()
    for word in ("hexamer-tiny", "A. thaliana", "fly", "5' UTR", "Markov chain, 5 bases before", "nats per token"):
        assert f">{word}" in text or word in text, word
    assert ">whole region<" in text
    assert "all 6-mers alike: ln 4,096" in text
    assert "yeast" not in text, "nothing was measured"
    assert "both sides" not in text, "the table has no such column"
    again = tmp_path / "again.svg"
    draw_evaluation(TABLE, again, title="hexamer-tiny")
    assert again.read_text() == text, "the same table, the same file"


def test_tokens_of_three_bases_have_their_own_line(tmp_path):
    draw_evaluation(TABLE.assign(token_frequency_species=4.1), tmp_path / "lm.svg", k=3)
    text = (tmp_path / "lm.svg").read_text()
    assert "all 3-mers alike: ln 64" in text
    assert "3-mer frequencies" in text
    assert "6-mer" not in text


def test_regions_and_all_genomes_have_names_of_their_own(tmp_path):
    rows = [("fly", "all"), ("fly", "X:1-600"), ("fly", "X:901-1500"), ("yeast", "all"), ("all", "all")]
    table = pd.DataFrame(rows, columns=["genome", "region"]).assign(
        element="all", loss=8.0, loss_low=7.9, loss_high=8.1
    )
    draw_evaluation(table, tmp_path / "lm.svg")
    text = (tmp_path / "lm.svg").read_text()
    for name in ("fly", "X:1-600", "X:901-1500", "yeast", "all genomes"):
        assert text.count(f"{name}<") == 1, name
    assert "whole region" not in text, "no classes of elements"


def test_a_png_of_a_table_without_baselines(tmp_path):
    draw_evaluation(TABLE.drop(columns="markov_species"), tmp_path / "lm.png")
    assert (tmp_path / "lm.png").read_bytes().startswith(b"\x89PNG")


def test_the_losses_of_a_run(tmp_path):
    records = [{"step": step, "loss": 8.3 - step / 1000} for step in range(1, 251)]
    for step in (100, 250):
        records[step - 1]["held_out"] = {"yeast": 8.1, "A. thaliana": 8.0}
    draw_training(records, tmp_path / "loss.svg", title="runs/first")
    text = (tmp_path / "loss.svg").read_text()
    for word in ("runs/first", "yeast, held out", "A. thaliana, held out", "all 6-mers alike: ln 4,096", ">training ("):
        assert word in text, word
    records[99]["held_out"] = records[249]["held_out"] = {f"species {i}": 8.0 for i in range(20)}
    draw_training(records, tmp_path / "loss.svg")
    text = (tmp_path / "loss.svg").read_text()
    assert "mean of all genomes, held out" in text
    assert "species 3" not in text
    draw_training([{"step": 1, "loss": 8.3}], tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_mistakes(tmp_path):
    with pytest.raises(OutputError, match=r"lm\.pdf: a figure is written as \.png or \.svg"):
        draw_evaluation(TABLE, tmp_path / "lm.pdf")
    with pytest.raises(OutputError, match="does not exist"):
        check_figure_path(tmp_path / "no" / "lm.png")


def effects(scores=("llr", "cadd"), groups=(("all", "all"), ("kind", "snv"))):
    rows = []
    for group, value in groups:
        for i, score in enumerate(scores):
            place = {"group": group, "value": value, "score": score, "sign": -1 if score == "llr" else 1, "rows": "own"}
            sizes = {"n": 1234, "n_positive": 400, "low": 0.6, "high": 0.8}
            rows += [
                place | sizes | {"metric": metric, "estimate": 0.7 + i / 50}
                for metric in ("auroc", "auroc_shuffled", "auprc", "spearman_effect")
            ]
            rows.append(place | sizes | {"metric": "auroc", "rows": "common", "estimate": 0.1})
    return pd.DataFrame(rows)


def test_effects_have_a_panel_for_each_metric_and_a_mark_for_each_score(tmp_path):
    draw_effects(effects(), tmp_path / "e.svg", title="ClinVar")
    text = (tmp_path / "e.svg").read_text()
    for word in ("ClinVar", "AUROC", "AUPRC", "Spearman, effect with sign", "llr, sign -1", "cadd", "labels shuffled"):
        assert f">{word}" in text, word
    for word in (">all variants<", ">snv<"):
        assert text.count(word) == 1, "names stand beside the first panel alone"
    assert ">n = 1,234<" in text
    draw_effects(effects(), tmp_path / "again.svg", title="ClinVar")
    assert (tmp_path / "again.svg").read_text() == text


def test_many_scores_and_groups_and_none_at_all(tmp_path):
    scores = [f"score {i}" for i in range(11)]
    draw_effects(effects(scores, [("all", "all"), *(("k", f"v{i}") for i in range(30))]), tmp_path / "many.png")
    draw_effects(effects().assign(estimate=float("nan")), tmp_path / "none.svg")
    assert "no score has a value" in (tmp_path / "none.svg").read_text()
    with pytest.raises(OutputError, match=r"e\.pdf"):
        draw_effects(effects(), tmp_path / "e.pdf")


def test_figures_are_not_kept_in_memory(tmp_path):
    import gc

    from matplotlib.figure import Figure

    for _ in range(3):
        draw_effects(effects(), tmp_path / "e.svg")
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Figure]
