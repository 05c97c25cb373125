import pandas as pd
import pytest
from tests.genome.test_splicing import write_gtf

from hexamer.benchmark import build_splice_suite, load_task, read_suite
from hexamer.errors import GenomeError, SettingsError
from hexamer.genome import Annotation, Genome

ROWS = [
    ("a", "a1", "+", 100, 300),
    ("a", "a1", "+", 700, 900),
    ("b", "b1", "-", 2500, 2700),
    ("b", "b1", "-", 3000, 3300),
]

NONE = {"too many N": 0, "on a contig shorter than a window": 0}


@pytest.fixture
def genes(tmp_path):
    (tmp_path / "one.fa").write_text(">1\n" + "ACGTTGCATC" * 500 + "\n>2\n" + "ACGTTGCATC" * 50 + "\n")
    with Genome(tmp_path / "one.fa") as genome:
        yield genome, Annotation(write_gtf(tmp_path / "one.gtf", ROWS), genome)


def test_what_is_written_is_a_task(genes, tmp_path):
    genome, annotation = genes
    made = build_splice_suite(genome, annotation, tmp_path / "s", hold_out=("1:1-2,000",), window=200)
    assert made.transcripts == 2
    assert made.left_out == {**NONE, "across the edge of a held-out region": 0, "without a site": 0}
    counts = made.counts.set_index("split")
    assert counts.loc["train"].tolist() == [4, 1, 1, 800]
    assert counts.loc["test"].tolist() == [4, 1, 1, 800]
    suite = read_suite(tmp_path / "s")
    data = load_task(suite.task("splicing"), tmp_path / "s", genome=genome)
    assert data.notes == ()
    assert data.task.classes == ("none", "acceptor", "donor")
    place = int((data.test.targets[0] == 2).argmax())
    assert (data.test.regions.iloc[0]["start"] + place) == 299
    told = data.describe()["balance"].tolist()
    assert told[0] == "none 798, acceptor 1, donor 1"


def test_windows_across_an_edge_and_without_sites_are_left_out_and_counted(genes, tmp_path):
    genome, annotation = genes
    made = build_splice_suite(
        genome, annotation, tmp_path / "s", hold_out=("1:1-2,000", "1:3,250-4,000"), window=200, with_sites=True
    )
    assert made.left_out == {**NONE, "across the edge of a held-out region": 1, "without a site": 1}
    table = pd.read_parquet(tmp_path / "s" / "splicing" / "train.parquet")
    assert table["label"].str.contains("[12]").all()
    assert len(pd.read_parquet(tmp_path / "s" / "splicing" / "test.parquet")) == 4


def test_short_windows_to_learn_from(genes, tmp_path):
    genome, annotation = genes
    build_splice_suite(genome, annotation, tmp_path / "s", hold_out=("1:1-2,000",), window=200, train_window=50)
    data = load_task(read_suite(tmp_path / "s").task("splicing"), tmp_path / "s", genome=genome)
    assert {len(each) for each in data.train.sequences} == {50}
    assert {len(each) for each in data.test.sequences} == {200}
    assert (data.train.targets > 0).any(axis=1).all()
    assert (len(data.train), len(data.test)) == (2, 4)
    assert data.task.length is None


def test_mistakes_leave_nothing_behind(genes, tmp_path):
    genome, annotation = genes
    for regions, part in ((("2",), "test: no window"), (("1",), "train: no window")):
        with pytest.raises(SettingsError, match=part):
            build_splice_suite(genome, annotation, tmp_path / "s", hold_out=regions, window=200)
    with pytest.raises(GenomeError):
        build_splice_suite(genome, annotation, tmp_path / "s", hold_out=("7",), window=200)
    single = Annotation(write_gtf(tmp_path / "b.gtf", ROWS[:1]), genome)
    with pytest.raises(SettingsError, match="no gene of protein_coding is spliced"):
        build_splice_suite(genome, single, tmp_path / "s", hold_out=("1",), window=200)
    assert not (tmp_path / "s").exists()
