import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import (
    check_table_path,
    explain_evaluation,
    show_differences,
    show_effects,
    show_evaluation,
    write_table,
)

TABLE = pd.DataFrame({"genome": ["a", "a"], "element": ["all", "cds"], "loss": [8.25, 7.5], "tokens": [1500, 20]})


@pytest.mark.parametrize("ending", [".tsv", ".parquet"])
def test_a_table_is_read_back(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    write_table(TABLE, path)
    again = pd.read_parquet(path) if ending == ".parquet" else pd.read_csv(path, sep="\t")
    pd.testing.assert_frame_equal(again, TABLE)


def test_shown_rows_name_each_genome_once():
    table = TABLE.assign(loss_low=[8.0, float("nan")], loss_high=[8.5, float("nan")], perplexity=[3827.6, float("nan")])
    assert show_evaluation(table).splitlines() == [
        "genome element tokens  loss      95 % perplexity",
        "     a     all  1,500 8.250 8.00-8.50      3,828",
        "           cds     20 7.500                     ",
    ]


def test_what_the_numbers_of_an_evaluation_are():
    plain = explain_evaluation(TABLE)
    assert plain == "loss: nats per token, lower is better; all 6-mers alike: 8.318."
    assert explain_evaluation(TABLE, k=3).endswith("all 3-mers alike: 4.159.")
    own = {"base_accuracy": 0.3, "token_frequency_species": 8.0, "markov_species": 8.0, "markov_pooled": [8.0, 7.0]}
    text = explain_evaluation(TABLE.assign(**own))
    assert text.startswith("loss, frequency to pooled: nats per token")
    assert "bases: of right bases, about 0.25 by chance" in text
    assert "Empty" not in text
    assert "Empty: nothing to go by (no training sequence" in explain_evaluation(
        TABLE.assign(**own | {"markov_species": [8.0, float("nan")]})
    )


def test_mistakes(tmp_path):
    with pytest.raises(OutputError, match=r"t\.csv: a table is written as \.parquet or \.tsv or \.tsv\.gz"):
        check_table_path(tmp_path / "t.csv")
    with pytest.raises(OutputError, match=r"the folder .*no does not exist"):
        write_table(TABLE, tmp_path / "no" / "t.tsv")
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_of_effects_has_a_line_for_each_group_and_score():
    row = {"group": "all", "value": "all", "rows": "own", "n_missing": 2, "low": 0.6, "high": 0.8}
    rows = [
        row | {"score": "llr", "metric": "auroc", "estimate": 0.75, "n": 1000, "n_positive": 400},
        row | {"score": "llr", "metric": "auroc", "estimate": 0.11, "rows": "common", "n": 5, "n_positive": 4},
        row | {"score": "llr", "metric": "auroc_shuffled", "estimate": 0.55, "n": 1000, "n_positive": 400},
        row | {"score": "llr", "metric": "spearman_effect", "estimate": -0.3, "low": -0.4, "high": 0.1, "n": 900},
        row | {"group": "kind", "value": "snv", "score": "l2", "metric": "auroc", "estimate": float("nan"), "n": 0},
    ]
    lines = show_effects(pd.DataFrame(rows)).splitlines()
    assert lines[0].split() == ["group", "value", "score", "n", "positive", "missing", "AUROC", "rho", "effect"]
    assert lines[1].split() == ["llr", "900-1,000", "400", "2", "0.750", "0.60-0.80", "-0.300", "-0.40", "to", "0.10"]
    assert lines[2].split() == ["kind", "snv", "l2", "0", "2"]
    assert len(lines) == 3


def test_differences_over_all_variants_are_shown():
    row = {"group": "all", "metric": "auroc", "score_a": "llr", "score_b": "cadd", "n": 12345, "low": -0.1, "high": 0.2}
    rows = [row | {"difference": 0.05, "p": 0.04}, row | {"difference": 1.0, "p": 1.0, "group": "kind"}]
    shown = show_differences(pd.DataFrame(rows))
    assert shown.splitlines()[1].split() == [
        "llr",
        "-",
        "cadd",
        "AUROC",
        "12,345",
        "0.050",
        "-0.10",
        "to",
        "0.20",
        "0.04",
    ]
    assert len(shown.splitlines()) == 2
    assert show_differences(pd.DataFrame(rows).iloc[:0]) == ""
