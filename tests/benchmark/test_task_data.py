from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.benchmark.test_tasks import suite

from hexamer.benchmark.layouts import Layout
from hexamer.benchmark.task_data import Split, load_task
from hexamer.benchmark.tasks import Task, list_suites, read_suite
from hexamer.errors import InputError
from hexamer.genome import Genome
from hexamer.tokens import LetterReport

PLACES = {"mpra-samples": "mpra", "yeast-promoters": "mpra"}
WITHOUT_FILES = {"nt-original", "nt-revised", "genomic-benchmarks"}


def eye(**settings) -> Task:
    return Task(suite="fly", name="eye", classes=("none", "enhancer"), **settings)


def write(path: Path, *rows: str, header: str = "sequence,label") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows, ""]))


def test_a_task_of_classes(tmp_path: Path):
    write(tmp_path / "eye/train.csv", "ACGT,1", "acgN,0", "ARGT,enhancer")
    write(tmp_path / "eye/dev.csv", "ACGT,0", "ACGT,1")
    write(tmp_path / "eye/test.csv", "TTTT,1", "TTTA,0")
    data = load_task(eye(length=4, train=3, validation=2, test=2), tmp_path)
    assert list(data.splits) == ["train", "validation", "test"]
    assert data.train.sequences == ["ACGT", "acgN", "ARGT"]  # as they are
    np.testing.assert_array_equal(data.train.targets, [1, 0, 1])
    assert data.train.targets.dtype == np.int64
    assert data.test is not None
    assert data.test.sequences == ["TTTT", "TTTA"]
    assert data.letters == LetterReport(bases=28, soft_masked=3, unknown=1, replaced=1)
    assert data.notes == ("1 letter(s) are neither A, C, G, T nor N; they are read as N",)
    table = data.describe()
    assert table["rows"].tolist() == [3, 2, 2]
    assert table["balance"].tolist() == ["none 1, enhancer 2", "none 1, enhancer 1", "none 1, enhancer 1"]


def test_what_is_not_as_published_is_told(tmp_path: Path):
    write(tmp_path / "eye/train.csv", "ACG,0", "ACGT,0")
    data = load_task(eye(length=4, train=30_000, test=5), tmp_path)
    assert data.test is None
    assert data.notes == (
        "train: 2 rows here, 30,000 published",
        "test: 0 rows here, 5 published",
        "1 sequence(s) are not of 4 bases; they are of 3 to 4",
        "train: no row is of class enhancer",
    )
    assert load_task(eye(), tmp_path).notes[0] == "no test rows were published: some of train are held out"


def test_validation_serves_as_training_set_where_there_is_none(tmp_path: Path):
    write(tmp_path / "eye/dev.csv", "ACGT,0", "ACGT,1")
    write(tmp_path / "eye/test.csv", "TTTT,1", "TTTA,0")
    data = load_task(eye(train=9, validation=2, test=2), tmp_path)
    assert list(data.splits) == ["train", "test"]
    assert data.notes == (
        "no train rows here: the 2 for validation are used for training",
        "train: 2 rows here, 9 published",
    )


def test_test_rows_alone_are_no_task(tmp_path: Path):
    write(tmp_path / "eye/test.csv", "TTTT,1")
    with pytest.raises(InputError, match="'eye' it holds test rows only; train rows would help"):
        load_task(eye(), tmp_path)


def test_labels_outside_the_classes_stop_it(tmp_path: Path):
    write(tmp_path / "eye/train.csv", "ACGT,2")
    with pytest.raises(InputError, match=r"train.csv: 1 label\(s\) are no class .* '2'; 0 \(none\), 1 \(enhancer\)"):
        load_task(eye(), tmp_path)


def test_a_file_or_folder_a_class(tmp_path: Path):
    for split in ("train", "test"):
        for label, bases in (("none", "AAAA"), ("enhancer", "CCCC")):
            for number in range(2):
                write(tmp_path / "eye" / split / label / f"{number}.txt", header=bases)
    data = load_task(eye(), tmp_path)
    assert data.train.sequences == ["CCCC", "CCCC", "AAAA", "AAAA"]  # folders by name, ids as the task has them
    np.testing.assert_array_equal(data.train.targets, [1, 1, 0, 0])
    (tmp_path / "eye/train/none").rename(tmp_path / "eye/train/nothing")
    with pytest.raises(InputError, match="nothing: no class of the task 'eye'; none, enhancer would work"):
        load_task(eye(), tmp_path)


def test_files_of_a_class_named_by_the_suite(tmp_path: Path):
    (tmp_path / "real.fa").write_text(">a\nACGT\n")
    (tmp_path / "decoy.txt").write_text("ACGTACGTAC\nACGTACGTAA\n")  # sequences alone
    layout = Layout(train={"none": "decoy.txt", "enhancer": "real.fa"})
    data = load_task(eye(layout=layout), tmp_path)
    assert [len(s) for s in data.train.sequences] == [10, 10, 4]
    np.testing.assert_array_equal(data.train.targets, [0, 0, 1])


def test_intervals_of_genomic_benchmarks(tmp_path: Path, genome: Genome):
    for label in ("none", "enhancer"):
        write(tmp_path / f"eye/train/{label}.csv", "0,20,10,30,-", header="id,region,start,end,strand")
    data = load_task(eye(), tmp_path, genome=genome)
    assert data.train.regions is not None
    assert data.train.regions["start"].tolist() == [10, 10]
    assert len(set(data.train.sequences)) == 1
    with pytest.raises(InputError, match="holds intervals without sequences"):
        load_task(eye(), tmp_path)


def test_a_table_in_the_folder_of_a_split_has_its_own_labels(tmp_path: Path):
    (tmp_path / "eye/train").mkdir(parents=True)
    pd.DataFrame({"seq": ["ACGT", "AC"], "label": [1, 0]}).to_parquet(tmp_path / "eye/train/0000.parquet")
    np.testing.assert_array_equal(load_task(eye(), tmp_path).train.targets, [1, 0])


def test_regions_are_kept_where_all_are_known(tmp_path: Path):
    for split in ("train", "test"):
        write(tmp_path / f"eye/{split}.csv", "ACGT,1,chr1:4-8|1", "AC,0,chr2:7-9|0", header="sequence,label,name")
    data = load_task(eye(), tmp_path)
    assert data.train.regions is not None
    assert data.train.regions.to_dict("list") == {"chrom": ["chr1", "chr2"], "start": [4, 7], "end": [8, 9]}
    picked = data.train.take([1, 1, 0])
    assert picked.sequences == ["AC", "AC", "ACGT"]
    np.testing.assert_array_equal(picked.targets, [0, 0, 1])
    assert picked.regions is not None
    assert picked.regions["chrom"].tolist() == ["chr2", "chr2", "chr1"]
    assert list(picked.regions.index) == [0, 1, 2]
    assert Split(["A"], np.zeros(1)).take([0]).regions is None


def test_labels_and_values(tmp_path: Path):
    names = ("dev", "hk")
    write(tmp_path / "eye/train.csv", "ACGT,1,0", "AC,0,", header="sequence,dev,hk")
    labels = Task(suite="fly", name="eye", kind="labels", classes=names, metric="auroc", test=1)
    data = load_task(labels, tmp_path)
    np.testing.assert_array_equal(data.train.targets, [[1, 0], [0, np.nan]])
    assert data.notes == ("test: 0 rows here, 1 published", "train: 1 labels are missing")
    assert data.describe()["balance"].item() == "dev 0.500, hk 0.000"
    write(tmp_path / "eye/train.csv", "ACGT,1,", header="sequence,dev,hk")
    assert load_task(labels, tmp_path).describe()["balance"].item() == "dev 1.000, hk unknown"
    values = Task(suite="fly", name="eye", kind="values", classes=names, metric="pearson", test=1)
    write(tmp_path / "eye/train.csv", "ACGT,1.5,0", "AC,2.5,-1", header="sequence,dev,hk")
    data = load_task(values, tmp_path)
    np.testing.assert_array_equal(data.train.targets, [[1.5, 0], [2.5, -1]])
    assert data.describe()["balance"].item() == "dev 2.000 ± 0.500, hk -0.500 ± 0.500"


@pytest.mark.parametrize("name", ["nt-original", "nt-revised"])
def test_the_layouts_of_the_hub(tmp_path: Path, name: str):
    """FASTA a task, Parquet a task, and one table of all tasks give the same."""
    task = read_suite(name).task("splice_sites_all")
    table = pd.DataFrame({"sequence": ["ACGT", "CCCC", "GG"], "name": ["a|1", "b|0", "c|2"], "label": [1, 0, 2]})
    table["task"] = task.name
    other = table.assign(task="H3", sequence="TTTT")
    fasta, parquet, whole = (tmp_path / kind for kind in ("fasta", "parquet", "whole"))
    for folder in (fasta / task.name, parquet / task.name, whole / "data"):
        folder.mkdir(parents=True)
    for split in ("train", "test"):
        rows = zip(table["name"], table["sequence"], strict=True)
        (fasta / task.name / f"{split}.fna").write_text("".join(f">{row}\n{text}\n" for row, text in rows))
        table.to_parquet(parquet / task.name / f"{split}.parquet")
        pd.concat([other, table]).to_parquet(whole / "data" / f"{split}-00000-of-00001.parquet")
    (tmp_path / "nucleotide_transformer_downstream_tasks").symlink_to(fasta)
    for folder in (fasta, parquet, whole, *([tmp_path] if name == "nt-original" else [])):
        data = load_task(task, folder)
        for part in (data.train, data.test):
            assert part is not None
            assert part.sequences == ["ACGT", "CCCC", "GG"]
            np.testing.assert_array_equal(part.targets, [1, 0, 2])


def test_a_suite_of_ones_own_with_files_beside_it(tmp_path: Path):
    folder = suite(tmp_path / "fly", '[[tasks]]\nname = "eye"\nclasses = ["none", "enhancer"]\n')
    write(folder / "train.csv", "ACGT,1", "AAAA,0")
    found = read_suite(folder)
    assert load_task(found.tasks[0], found.folder).train.sequences == ["ACGT", "AAAA"]


def tasks() -> list[Task]:
    return [task for suite in list_suites() if suite.name not in WITHOUT_FILES for task in suite.tasks]


@pytest.mark.parametrize("task", tasks(), ids=lambda task: f"{task.suite}-{task.name}")
def test_published_files_load(task: Task, real_data: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEXAMER_CACHE", str(session_cache))
    data = load_task(task, real_data / PLACES.get(task.suite, "benchmarks"))
    assert not [note for note in data.notes if "no row is of" in note or "missing" in note or "letter" in note]
    for split, part in data.splits.items():
        assert len(part) == len(part.targets)
        if split in task.published and not (task.suite == "gue" and split == "train"):
            assert len(part) == task.published[split]
    if task.suite in ("genomic-benchmarks-cut", "nt-revised-sample"):
        assert data.train.regions is not None
        lengths = data.train.regions["end"] - data.train.regions["start"]
        assert lengths.tolist() == [len(sequence) for sequence in data.train.sequences]


def test_every_row_of_the_files_is_in_a_task(real_data: Path):
    folder = real_data / "benchmarks"
    counts = {
        suite: sum(len(part) for task in read_suite(suite).tasks for part in load_task(task, folder).splits.values())
        for suite in ("nt-revised-sample", "genomic-benchmarks-cut")
    }
    # The 2,124 rows of the set of which one class alone is there are in no task of the cut.
    assert counts == {"nt-revised-sample": 1_500, "genomic-benchmarks-cut": 35_004 - 2_124}
    table = folder / "genomic_benchmarks_chr20_chr22_chrX_sequences.tsv.gz"
    data = load_task(read_suite("genomic-benchmarks").task("demo_coding_vs_intergenomic_seqs"), table)
    assert sum(len(part) for part in data.splits.values()) == 2_124
    assert "train: no row is of class coding_seqs" in data.notes


def test_the_measured_meaning_of_splice_labels(real_data: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Nobody published which id is which; the sequences tell."""
    monkeypatch.setenv("HEXAMER_CACHE", str(session_cache))

    def share(task: str, suite: str, label: str, at: int, *words: str) -> float:
        found = read_suite(suite).task(task)
        train = load_task(found, real_data / "benchmarks").train
        rows = train.take(np.flatnonzero(train.targets == found.classes.index(label)))
        middle = [len(sequence) // 2 + at for sequence in rows.sequences]
        return float(np.mean([s[m : m + 2] in words for s, m in zip(rows.sequences, middle, strict=True)]))

    assert share("splice_reconstructed", "gue", "acceptor", -2, "AG") > 0.98
    assert share("splice_reconstructed", "gue", "donor", 0, "GT") > 0.95
    assert share("splice_reconstructed", "gue", "none", 0, "GT") < 0.7
    # Rows of both strands: AG before the middle, or CT behind it.
    task = ("splice_sites_all", "nt-revised-sample")
    assert share(*task, "acceptor", -2, "AG") + share(*task, "acceptor", 1, "CT") > 0.95
    assert share(*task, "donor", 1, "GT") + share(*task, "donor", -2, "AC") > 0.95
