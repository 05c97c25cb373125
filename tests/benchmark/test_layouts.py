from pathlib import Path

import pandas as pd
import pytest
from tests.benchmark.test_archives import archive

from hexamer.benchmark.layouts import Layout, Piece, find_pieces
from hexamer.errors import InputError

CSV = "sequence,label\nACGT,1\n"


def write(root: Path, *names: str, text: str = CSV) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def find(folder: Path, task: str = "H3", **layout) -> dict[str, list[str]]:
    """Find files of a task: by split their names, relative to the folder, and labels."""
    found = find_pieces(folder, task, "suite", Layout(**layout))

    def told(piece: Piece) -> str:
        path = piece.path.relative_to(folder) if folder in piece.path.parents else piece.path.name
        return f"{path}{':' if piece.label else ''}{piece.label}"

    return {split: [told(piece) for piece in pieces] for split, pieces in found.items()}


@pytest.mark.parametrize("ending", [".fna", ".fa", ".fasta", ".csv", ".tsv", ".txt", ".parquet", ".fna.gz", ".csv.gz"])
def test_one_file_a_split_in_a_folder_of_the_task(tmp_path: Path, ending: str):
    write(tmp_path, f"H3/train{ending}", f"H3/test{ending}", "H3K9ac/train.csv")
    expected = {"train": [f"train{ending}"], "test": [f"test{ending}"]}
    inside = {split: [f"H3/{name}" for name in names] for split, names in expected.items()}
    assert find(tmp_path) == inside
    assert find(tmp_path / "H3") == expected  # the task's own folder
    (tmp_path / "H3").rename(tmp_path / "Genomic_Benchmarks_H3")
    assert find(tmp_path / "Genomic_Benchmarks_H3") == expected


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_validation_has_many_names(tmp_path: Path, name: str):
    write(tmp_path, "EMP/H3/train.csv", f"EMP/H3/{name}.csv", "EMP/H3/test.csv")
    found = find(tmp_path, folders=("EMP/{task}",))
    assert list(found) == ["train", "validation", "test"]
    assert found["validation"] == [f"EMP/H3/{name}.csv"]


def test_a_split_that_is_not_there_has_no_key(tmp_path: Path):
    assert list(find(write(tmp_path, "H3/dev.csv", "H3/test.csv"))) == ["validation", "test"]


def test_one_of_several_forms_is_taken(tmp_path: Path):
    write(tmp_path, "H3/train.fna", "H3/train.parquet", "H3/test.fna")
    assert find(tmp_path) == {"train": ["H3/train.parquet"], "test": ["H3/test.fna"]}


def test_numbered_files_of_the_hub(tmp_path: Path):
    write(tmp_path, "H3/data/train-00000-of-00002.parquet", "H3/data/train-00001-of-00002.parquet")
    assert find(tmp_path) == {"train": [f"H3/data/train-0000{i}-of-00002.parquet" for i in (0, 1)]}


def test_a_folder_or_a_file_a_class(tmp_path: Path):
    write(tmp_path, "H3/train/negative/0.txt", "H3/train/positive/0.txt", "H3/train/.DS_Store")
    write(tmp_path, "H3/test/negative.csv.gz", "H3/test/positive.fa", "H3/test/metadata.yaml")
    assert find(tmp_path) == {
        "train": ["H3/train/negative:negative", "H3/train/positive:positive"],
        "test": ["H3/test/negative.csv.gz:negative", "H3/test/positive.fa:positive"],
    }


@pytest.mark.parametrize("place", ["", "data/"])
def test_tables_of_many_tasks_one_a_split(tmp_path: Path, place: str):
    (tmp_path / "data").mkdir()
    for split in ("train-00000-of-00001", "test-00000-of-00001"):
        pd.DataFrame({"task": ["H3"], "sequence": ["A"]}).to_parquet(tmp_path / f"{place}{split}.parquet")
    found = find_pieces(tmp_path, "H3", "suite", Layout())
    assert {split: [(p.path.parent, p.task) for p in pieces] for split, pieces in found.items()} == {
        split: [((tmp_path / place).absolute(), "H3")] for split in ("train", "test")
    }


def test_files_without_a_column_of_tasks_are_of_no_task(tmp_path: Path):
    with pytest.raises(InputError, match="holds no files of the task 'H3' of suite"):
        find(write(tmp_path, "train.csv", "test.csv"))
    assert find(tmp_path, folders=("{task}", ".")) == {"train": ["train.csv"], "test": ["test.csv"]}


def test_one_table_of_many_tasks(tmp_path: Path):
    write(tmp_path, "x.csv", "test-x.csv", text="dataset,sequence,label\n")
    write(tmp_path, "y.csv", text="task,split,sequence,label\n")
    layout = Layout()
    assert find_pieces(tmp_path / "x.csv", "H3", "suite", layout) == {"train": [Piece(tmp_path / "x.csv", task="H3")]}
    assert list(find_pieces(tmp_path / "test-x.csv", "H3", "suite", layout)) == ["test"]
    path = tmp_path / "y.csv"
    expected = {split: [Piece(path, task="H3", split=split)] for split in ("train", "validation", "test")}
    assert find_pieces(path, "H3", "suite", layout) == expected
    assert find_pieces(tmp_path, "H3", "suite", Layout(places=("y.csv",))) == expected
    write(tmp_path, "z.csv")
    with pytest.raises(InputError, match=r"z.csv: has no column that tells tasks apart; one called 'task' would work"):
        find_pieces(tmp_path / "z.csv", "H3", "suite", layout)
    assert list(find_pieces(tmp_path / "z.csv", "H3", "suite", Layout(folders=(".",)))) == ["train"]


def test_named_files(tmp_path: Path):
    write(tmp_path, "a.txt", "b.txt", "decoy.fa", "H3/train.csv")
    assert find(tmp_path, train="a.txt", test="b.txt") == {"train": ["a.txt"], "test": ["b.txt"]}
    assert find(tmp_path, train="a.txt", test="none.txt") == {"train": ["a.txt"]}
    classes = {"real": "a.txt", "decoy": "decoy.fa"}
    assert find(tmp_path, train=classes) == {"train": ["a.txt:real", "decoy.fa:decoy"]}
    assert list(find_pieces(tmp_path / "a.txt", "H3", "suite", Layout(train=classes))) == ["train"]
    with pytest.raises(InputError, match=r"none.fa: no such file; the other classes of the train rows lie beside it"):
        find(tmp_path, train={"real": "a.txt", "decoy": "none.fa"})
    with pytest.raises(InputError, match=r"'H3' of suite; none.txt would work"):
        find(tmp_path, train="none.txt")


@pytest.mark.parametrize("name", ["GUE.tar.xz", "GUE.zip", "suite.tar.gz", "H3.tgz"])
@pytest.mark.parametrize("above", ["", "GUE/"])
def test_archives_are_as_good_as_folders(tmp_path: Path, name: str, above: str):
    path = archive(tmp_path / name, {f"{above}H3/{split}.csv": CSV.encode() for split in ("train", "test")})
    for folder in (tmp_path, path):
        found = find_pieces(folder, "H3", "suite", Layout(places=("GUE.tar.xz", "GUE.zip")))
        assert {split: piece.path.read_text() for split, (piece,) in found.items()} == {"train": CSV, "test": CSV}


def test_folders_come_before_archives(tmp_path: Path, cache: Path):
    archive(tmp_path / "H3.zip")
    write(tmp_path, "H3/train.csv")
    assert find(tmp_path) == {"train": ["H3/train.csv"]}
    assert not cache.exists()


def test_other_archives_are_left_alone(tmp_path: Path, cache: Path):
    archive(tmp_path / "large.zip", {"H3/train.csv": CSV.encode()})
    with pytest.raises(InputError, match="holds no files of the task 'H3'"):
        find(tmp_path)
    assert not cache.exists()


def test_nothing_found_says_what_would_work(tmp_path: Path):
    with pytest.raises(InputError, match=r"none: no such file or folder; check the path"):
        find(tmp_path / "none")
    message = (
        r"a folder EMP/H3 with train and test files \(such as train.csv; .*\), or a table .*'task', GUE would work"
    )
    with pytest.raises(InputError, match=message):
        find(tmp_path, folders=("EMP/{task}",), places=("GUE",))
