import numpy as np
import pytest

from hexamer.benchmark.leaderboard import COLUMNS, UNRESOLVED, published
from hexamer.benchmark.tasks import METRICS, read_suite
from hexamer.errors import SettingsError

FIGURE = "figure of the Nucleotide Transformer repository"
MEANS = {  # as the specification prints them below its tables
    ("nt-original", FIGURE): {
        "NT-MS-2.5B": 0.689,
        "NT-1000G-2.5B": 0.646,
        "NT-1000G-500M": 0.612,
        "NT-HumanRef-500M": 0.608,
        "Enformer": 0.548,
        "DNABERT-2": 0.669,
        "DNABERT-1": 0.586,
        "HyenaDNA-32k": 0.615,
        "HyenaDNA-1k": 0.693,
    },
    ("nt-revised", "GENERator, quoting the leaderboard"): {
        "Enformer": 0.630,
        "DNABERT-2": 0.635,
        "HyenaDNA": 0.586,
        "NT-MS-2.5B": 0.659,
        "NT-v2-500M": 0.672,
    },
    ("nt-revised", "re-run by another group, quoted in a third repository"): {
        "NT-v2 (re-run)": 0.668,
        "DNABERT-2 (re-run)": 0.628,
    },
}


@pytest.mark.parametrize(("suite", "source"), MEANS)
def test_the_numbers_have_the_means_that_their_tables_have(suite: str, source: str):
    table = published(suite)
    means = table[table["source"] == source].groupby("model")["value"].mean()
    expected = MEANS[suite, source]
    assert set(means.index) == set(expected)
    # The tables have two or three decimals, and so have their means.
    np.testing.assert_allclose(means[list(expected)], list(expected.values()), atol=6e-4)


def test_every_number_is_of_a_task_that_is_defined():
    table = published()
    assert tuple(table.columns) == COLUMNS
    assert not table.isna().to_numpy().any()
    assert table["value"].between(0, 1).all()
    assert not table.duplicated(["suite", "task", "model", "metric", "source"]).any()
    for name in ("nt-original", "nt-revised"):
        suite = read_suite(name)
        assert set(published(name)["task"]) == {task.name for task in suite.tasks}
        for row in published(name).itertuples():
            assert row.metric in METRICS[suite.task(str(row.task)).kind]
    assert set(published(UNRESOLVED)["task"]) == {"mean"}


def test_numbers_read_off_by_hand():
    def value(suite: str, task: str, model: str, source: str) -> float:
        table = published(suite, task)
        return table[(table["model"] == model) & table["source"].str.startswith(source)]["value"].item()

    assert value("nt-original", "splice_sites_acceptors", "NT-1000G-500M", FIGURE) == 0.93
    assert value("nt-original", "promoter_tata", "NT-MS-2.5B", "figure of the first release") == 0.96
    assert value("nt-original", "H3K79me3", "state of the art before NT", "figure of the first") == 0.65
    assert value("nt-original", "promoter_no_tata", "NT-v2-500M", "Caduceus") == 0.976
    assert value("nt-revised", "H3K4me3", "HyenaDNA", "GENERator") == 0.596
    assert value("nt-revised", "enhancers_types", "DNABERT-2 (re-run)", "re-run") == 0.528
    assert published(UNRESOLVED).set_index("model")["value"].to_dict() == {
        "BPNet (121 k)": 0.665,
        "BPNet (28 M)": 0.683,
        "NT-v2-250M": 0.769,
    }


def test_what_is_missing_in_a_table_is_no_row():
    models = published("nt-original", "splice_sites_donors")["model"]
    assert "DNABERT-1" not in set(models)


def test_uncertain_numbers_say_so():
    table = published("nt-revised", "splice_sites_all")
    old = table[table["model"] == "NT-MS-2.5B"]
    assert old["certainty"].item() == "recalled from a re-publication, uncertain; splice rows may be permuted"
    assert published("nt-original", "H3")["certainty"].str.contains("figure|re-published").all()


def test_metrics_of_the_first_release_are_those_of_the_tasks():
    table = published("nt-original")
    first = table[table["source"].str.contains("first release|Caduceus")]
    for row in first.itertuples():
        assert row.metric == read_suite("nt-original").task(str(row.task)).metric


def test_nothing_is_published_of_suites_of_ones_own():
    assert published("my-suite", "eye").empty
    assert tuple(published("my-suite").columns) == COLUMNS


def test_a_misspelt_task_is_told():
    with pytest.raises(SettingsError, match=r"no number of the task 'H3K36me' was published; of H3K36me3, .* some"):
        published("nt-original", "H3K36me")
    with pytest.raises(SettingsError, match="naming the suite too would work"):
        published(task="H3")
