import gzip

import numpy as np
import pandas as pd
import pytest

from hexamer.benchmark.own_data import MOST_CLASSES, hold_out_rows, read_labelled
from hexamer.benchmark.task_data import Split
from hexamer.errors import InputError, SettingsError
from hexamer.training.targets import NO_CLASS

SEQUENCES = ["ACGTAC", "ggn", "TTTAA"]


def written(path, **columns):
    """A table of SEQUENCES and columns, in the form that the name says."""
    table = pd.DataFrame({"sequence": SEQUENCES, **columns})
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.name.endswith((".tsv", ".tsv.gz")):
        table.to_csv(path, sep="\t", index=False)
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.tsv.gz", "a.csv.gz", "a.parquet"])
def test_tables(tmp_path, name):
    found = read_labelled(written(tmp_path / name, label=["yes", "no", "yes"]), "classes")
    assert found.split.sequences == SEQUENCES
    assert found.names == ("no", "yes")
    np.testing.assert_array_equal(found.split.targets, [1, 0, 1])
    assert found.split.targets.dtype == np.int64
    assert found.split.regions is None


@pytest.mark.parametrize("packed", [False, True])
def test_fasta(tmp_path, packed):
    path = tmp_path / ("a.fa.gz" if packed else "a.fa")
    text = ">one more|chr1:5-11|1\nACG\nTAC\n>two|0\nggn\n>|1\nTTTAA\n"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found = read_labelled(path, "classes")
    assert found.split.sequences == SEQUENCES
    assert found.names == ("0", "1")
    np.testing.assert_array_equal(found.split.targets, [1, 0, 1])
    values = read_labelled(path, "values")
    assert values.names == ("value",)
    np.testing.assert_array_equal(values.split.targets, [[1], [0], [1]])


def test_fasta_with_several_values(tmp_path):
    (tmp_path / "a.fa").write_text(">one|0.5|-2\nACGT\n>two|nan|3\nGG\n")
    for options in ({"columns": ("dev", "hk")}, {"names": ("dev", "hk")}):
        found = read_labelled(tmp_path / "a.fa", "bins", **options)
        assert found.names == ("dev", "hk")
        np.testing.assert_array_equal(found.split.targets, [[0.5, -2], [np.nan, 3]])


def test_intervals_of_a_genome(tmp_path, genome):
    rows = ["chr20\t10\t40\t+\t1.5", "20\t10\t40\t-\t2", "short\t0\t40\t+\t."]
    (tmp_path / "a.tsv").write_text("\n".join(["chrom\tstart\tend\tstrand\tvalue", *rows, ""]))
    found = read_labelled(tmp_path / "a.tsv", "values", genome=genome)
    forward = genome.fetch("20", 10, 40)
    turned = forward[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert found.split.sequences == [forward, turned, genome.fetch("short", 0, 40)]
    np.testing.assert_array_equal(found.split.targets, [[1.5], [2], [np.nan]])
    assert found.split.regions[["start", "end"]].to_numpy().tolist() == [[10, 40], [10, 40], [0, 40]]
    with pytest.raises(InputError, match="holds intervals without sequences; --genome"):
        read_labelled(tmp_path / "a.tsv", "values")


def test_classes_of_bases(tmp_path):
    path = written(tmp_path / "a.csv", label=["0012.9", "x1ä", "00000"])
    found = read_labelled(path, "bases")
    assert found.split.targets.tolist() == [
        [0, 0, 1, 2, NO_CLASS, 9],
        [NO_CLASS, 1, NO_CLASS, *[NO_CLASS] * 3],
        [0, 0, 0, 0, 0, NO_CLASS],
    ]
    assert found.names == tuple("0123456789")
    (tmp_path / "b.fa").write_text(">one|0010\nACGT\n")
    assert read_labelled(tmp_path / "b.fa", "bases").names == ("0", "1")
    named = read_labelled(tmp_path / "b.fa", "bases", names=("none", "donor", "acceptor"))
    assert named.names == ("none", "donor", "acceptor")
    np.testing.assert_array_equal(named.split.targets, [[0, 0, 1, 0]])
    with pytest.raises(InputError, match=r"row 2 has 2 classes \('01'\) for 3 bases; one digit a base"):
        read_labelled(written(tmp_path / "c.csv", label=["000000", "01", "00000"]), "bases")


NAMES = {
    "words, sorted": (["b", "a", "c"], (), ("a", "b", "c"), [1, 0, 2]),
    "numbers from 0, in their order": (["10", "2", "2"], (), tuple(map(str, range(11))), [10, 2, 2]),
    "numbers that name something": (["10090", "9606", "9606"], (), ("9606", "10090"), [1, 0, 0]),
    "with signs": (["-1", "1", "-1"], (), ("-1", "1"), [0, 1, 0]),
    "truth": (["True", "False", "True"], (), ("False", "True"), [1, 0, 1]),
    "names for numbers": (["1", "0", "1"], ("none", "enhancer"), ("none", "enhancer"), [1, 0, 1]),
    "names in an order of their own": (["b", "a", "a"], ("b", "a"), ("b", "a"), [0, 1, 1]),
    "a class that is not there": (["b", "a", "a"], ("a", "b", "c"), ("a", "b", "c"), [1, 0, 0]),
}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_of_classes(case, ending, tmp_path):
    words, given, names, wanted = NAMES[case]
    found = read_labelled(written(tmp_path / f"a.{ending}", label=words), "classes", names=given)
    assert found.names == names
    np.testing.assert_array_equal(found.split.targets, wanted)


def test_numbers_of_parquet_are_classes_too(tmp_path):
    found = read_labelled(written(tmp_path / "a.parquet", label=[1, 0, 1]), "classes")
    assert (found.names, found.split.targets.tolist()) == (("0", "1"), [1, 0, 1])


def test_columns_can_be_chosen(tmp_path):
    path = written(tmp_path / "a.csv", label=["x", "y", "x"], seq=["AAA"] * 3, dev=[1.5, 2, 3], hk=["", "4", "5"])
    found = read_labelled(path, "values", columns=("dev", "hk"))
    assert found.names == ("dev", "hk")
    np.testing.assert_array_equal(found.split.targets, [[1.5, np.nan], [2, 4], [3, 5]])
    assert read_labelled(path, "values", columns=("hk",), names=("housekeeping",)).names == ("housekeeping",)
    assert read_labelled(path, "values", names=("hk", "dev")).split.targets[1].tolist() == [4, 2]
    found = read_labelled(path, "classes", sequence="seq", columns=("label",))
    assert found.split.sequences == ["AAA"] * 3


def test_labels(tmp_path):
    path = written(tmp_path / "a.csv", one=["1", "0", ""], two=["0", "true", "1"])
    found = read_labelled(path, "labels", columns=("one", "two"))
    np.testing.assert_array_equal(found.split.targets, [[1, 0], [0, 1], [np.nan, 1]])
    lists = written(tmp_path / "b.csv", label=["1;0", "0;1", "1;1"])
    found = read_labelled(lists, "labels", names=("one", "two"))
    assert found.names == ("one", "two")
    assert found.split.targets.tolist() == [[1, 0], [0, 1], [1, 1]]


MISTAKES = {
    "1 row(s) have no class, such as row 2": ("classes", {"label": ["a", "", "b"]}, {}),
    "2 row(s) have no class, such as row 1": ("classes", {"label": ["nan", "a", None]}, {}),
    "are no class of the task, such as 'c'; 0 (a), 1 (b)": ("classes", {"label": list("abc")}, {"names": ("a", "b")}),
    "no column of targets in 'sequence, kind'": ("classes", {"kind": list("abc")}, {}),
    "speed would work": ("classes", {"label": list("abc")}, {"columns": ("speed",)}),
    "no column of sequences in": ("classes", {"label": list("abc")}, {"sequence": "dna"}),
    "2 columns of classes; one": ("classes", {"a": list("abc"), "b": list("abc")}, {"columns": ("a", "b")}),
    "target(s) are no numbers, such as 'c'": ("values", {"label": ["1", "2", "c"]}, {}),
    "neither 0 nor 1, such as 2": ("labels", {"label": ["1", "2", "0"]}, {}),
}


@pytest.mark.parametrize("said", MISTAKES)
def test_what_cannot_be_read_is_told_of(said, tmp_path):
    kind, columns, options = MISTAKES[said]
    with pytest.raises(InputError) as caught:
        read_labelled(written(tmp_path / "a.csv", **columns), kind, **options)
    assert said in str(caught.value)
    assert "a.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_measurements_are_no_classes(tmp_path):
    for count, scale, said in (
        (MOST_CLASSES + 1, 1, "1,001 different targets are no classes; --target values"),
        (20, 1 / 7, r"20 different numbers, such as 2\.714\d+: --target values"),
    ):
        table = pd.DataFrame({"sequence": ["ACGT"] * count, "label": np.arange(count) * scale})
        table.to_csv(tmp_path / "a.csv", index=False)
        with pytest.raises(InputError, match=said):
            read_labelled(tmp_path / "a.csv", "classes")
    half = pd.DataFrame({"sequence": ["ACGT"] * 4, "label": [0.5, 1, 0.5, 2]})
    half.to_csv(tmp_path / "a.csv", index=False)
    assert read_labelled(tmp_path / "a.csv", "classes").names == ("0.5", "1", "2")


def test_classes_that_differ_in_case_are_told_of(tmp_path):
    with pytest.raises(InputError, match="classes 'Yes' and 'yes' differ in case only; one spelling would work"):
        read_labelled(written(tmp_path / "a.csv", label=["Yes", "no", "yes"]), "classes")


@pytest.mark.parametrize("name", ["no.csv", "no.fa", "no.parquet"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(InputError, match=r"no such file|cannot be read"):
        read_labelled(tmp_path / name, "classes")


def test_rows_are_held_out_with_what_is_like_them():
    rng = np.random.default_rng(2)
    sources = ["".join(rng.choice(list("ACGT"), 120)) for _ in range(20)]
    sequences = [source[start : start + 100] for source in sources for start in (0, 10)]
    regions = pd.DataFrame({"chrom": np.repeat([f"chr{i}" for i in range(10)], 4), "start": 0, "end": 100})
    split = Split(sequences, np.zeros(40, dtype=np.int64), regions)
    assert hold_out_rows(split, seed=1).sum() == 4
    similar = hold_out_rows(split, by="similarity", seed=1)
    assert similar.sum() == 4
    np.testing.assert_array_equal(similar[::2], similar[1::2])
    contigs = hold_out_rows(split, by="contigs", seed=1)
    assert regions["chrom"][contigs].nunique() == 1
    assert contigs.sum() == 4
    with pytest.raises(SettingsError, match="rows have no place in a genome"):
        hold_out_rows(Split(sequences, split.targets), by="contigs")
    with pytest.raises(SettingsError, match="held out by 'luck'; rows, contigs, similarity would work"):
        hold_out_rows(split, by="luck")


def test_classes_of_another_file_are_found_by_name_never_by_place(tmp_path):
    """Numbers that a column of fractions holds are the same classes; numbers that are no class are told of."""
    names = read_labelled(written(tmp_path / "a.csv", label=[1.0, 2.0, 3.0]), "classes").names
    assert names == ("0", "1", "2", "3")
    found = read_labelled(written(tmp_path / "b.csv", label=["1", "2", "1"]), "classes", names=names)
    assert found.split.targets.tolist() == [1, 2, 1]
    signed = read_labelled(written(tmp_path / "c.csv", label=["-1", "1", "1"]), "classes").names
    assert signed == ("-1", "1")
    with pytest.raises(InputError, match="no class of the task, such as '0'; -1, 1 would work"):
        read_labelled(written(tmp_path / "d.csv", label=["0", "1", "1"]), "classes", names=signed)


@pytest.mark.parametrize("word", ["NA", "NaN", ".", "", "<NA>"])
def test_a_missing_class_is_told_of(tmp_path, word):
    with pytest.raises(InputError, match="1 row\\(s\\) have no class, such as row 2; remove them"):
        read_labelled(written(tmp_path / "a.csv", label=["a", word, "b"]), "classes")
