import pandas as pd
import pytest

from hexamer.errors import OutputError
from hexamer.report import check_table_path, show_evaluation, write_table

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


def test_mistakes(tmp_path):
    with pytest.raises(OutputError, match=r"t\.csv: a table is written as \.parquet or \.tsv"):
        check_table_path(tmp_path / "t.csv")
    with pytest.raises(OutputError, match=r"the folder .*no does not exist"):
        write_table(TABLE, tmp_path / "no" / "t.tsv")
    assert list(tmp_path.iterdir()) == []
