import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import check_figure_path, draw_evaluation

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


def test_mistakes(tmp_path):
    with pytest.raises(OutputError, match=r"lm\.pdf: a figure is written as \.png or \.svg"):
        draw_evaluation(TABLE, tmp_path / "lm.pdf")
    with pytest.raises(OutputError, match="does not exist"):
        check_figure_path(tmp_path / "no" / "lm.png")
