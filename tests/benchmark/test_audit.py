import gzip
import json
import tarfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.benchmark.audit import audit, read_sequences, show_audit
from hexamer.errors import InputError, SequenceError, SettingsError
from hexamer.genome import reverse_complement

KEYS = [
    "verdict",
    "reasons",
    "train",
    "test",
    "exact_duplicates",
    "reverse_complement_duplicates",
    "near_duplicates",
    "label_artefacts",
    "position_leakage",
    "parameters",
    "versions",
]


def draw(rows: int, seed: int, size: int = 60) -> pd.DataFrame:
    """Strangers of two classes in turn."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("ACGT"), size)) for _ in range(rows)]
    return pd.DataFrame({"sequence": texts, "label": np.arange(rows) % 2})


@pytest.fixture(scope="module")
def spoilt():
    """A test table with every sort of copy: 0-1 exact (1 with another label), 2 turned, 3-4 near; and a repeat, 5-6."""
    train, test = draw(100, 0), draw(40, 1)
    texts = test["sequence"].tolist()
    texts[0] = train["sequence"][10].lower()
    texts[1] = train["sequence"][12]
    texts[2] = reverse_complement(train["sequence"][14])
    texts[3] = train["sequence"][17][20:] + texts[3][:20]
    texts[4] = reverse_complement(train["sequence"][16][:40]) + texts[4][:20]
    texts[6] = texts[5]
    return train, test.assign(sequence=texts)


def test_every_sort_of_copy(spoilt):
    found = audit(*spoilt)
    facts = found.as_dict()
    assert list(facts) == KEYS
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    none = {"rows": 0, "other_label": 0}
    assert facts["exact_duplicates"] == {
        "test_rows": 2,
        "of": 40,
        "share": 0.05,
        "same_label": 1,
        "other_label": 1,
        "within_train": none,
        "within_test": {"rows": 1, "other_label": 2},
    }
    assert facts["reverse_complement_duplicates"]["test_rows"] == 1
    assert facts["reverse_complement_duplicates"]["within_test"] == none
    near = facts["near_duplicates"]
    assert (near["test_rows"], near["same_label"], near["other_label"]) == (2, 2, 0)
    assert near["by_containment"] == {"0.5": 2, "0.7": 0, "0.9": 0}
    assert found.verdict == "FAIL"
    assert {each["about"] for each in facts["reasons"]} == {name for name in KEYS if name.endswith("_duplicates")}
    assert found.copies["test_row"].tolist() == [0, 1, 2, 3, 4]
    assert found.copies["train_row"].tolist() == [10, 12, 14, 17, 16]
    assert found.copies["test_label"].tolist() == ["0", "1", "0", "1", "0"]
    assert found.copies["train_label"].tolist() == ["0", "0", "0", "1", "0"]
    kept = spoilt[1].drop(index=found.copies["test_row"]).drop(index=6)
    assert audit(spoilt[0], kept).verdict == "PASS", "without those rows all is well"


@given(st.integers(0, 99), st.integers(0, 39), st.booleans(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=10)
def test_a_planted_copy_fails_in_any_order(source, place, turn, random):
    train, test = draw(100, 0), draw(40, 1)
    assert audit(train, test).verdict == "PASS"
    text = train["sequence"][source]
    test.loc[place, "sequence"] = reverse_complement(text) if turn else text
    order = random.sample(range(100), 100)
    found = audit(train.iloc[order], test)
    assert found.verdict == "FAIL"
    assert found.copies[["test_row", "train_row"]].to_numpy().tolist() == [[place, order.index(source)]]
    assert found.copies["kind"].tolist() == ["reverse_complement" if turn else "exact"]
    assert found.copies["conflict"].tolist() == [source % 2 != place % 2]


def test_copies_within_a_table():
    train, test = draw(10, 0), draw(10, 1)
    text = train["sequence"][0]
    more = pd.DataFrame({"sequence": [text, text.lower(), reverse_complement(text)], "label": [0, 1, 1]})
    found = audit(pd.concat([train, more]), test).duplicates
    assert found["exact"]["within_train"] == {"rows": 2, "other_label": 3}
    assert found["reverse_complement"]["within_train"] == {"rows": 4, "other_label": 3}


def test_what_is_told_of_a_table():
    train, test = draw(6, 0), draw(4, 1)
    train.loc[0, "sequence"] = "acgtNRY"
    train.loc[1, "sequence"] = "N" * 9
    train.loc[2, "sequence"] = None
    found = audit(train, test)
    table = found.tables["train"]
    assert table["rows"] == 6
    assert table["classes"] == {"0": 3, "1": 3}
    assert (table["shortest"], table["longest"]) == (0, 60)
    assert table["without_bases"] == 2
    assert table["too_short"] == 1
    assert table["replaced_letters"] == 2 / 196
    assert found.verdict == "WARN"


def test_places_and_lengths_are_looked_at():
    train, test = draw(200, 0), draw(200, 1)
    train["sequence"] = [
        text[:50] if label else text for text, label in zip(train["sequence"], train["label"], strict=True)
    ]
    test["sequence"] = [
        text[:50] if label else text for text, label in zip(test["sequence"], test["label"], strict=True)
    ]
    train[["chrom", "start", "end"]] = [("1", 100 * i, 100 * i + 60) for i in range(200)]
    test[["chrom", "start", "end"]] = [("chr1", 100 * i + 70, 100 * i + 80) for i in range(200)]
    found = audit(train, test, distance=11)
    assert found.positions["overlapping"] == 0
    assert found.positions["nearby"] == 200
    assert [each.feature for each in found.artefacts] == ["length", "gc"]
    assert found.artefacts[0].auroc == 1
    assert [f"{each.level} {each.about}" for each in found.findings] == [
        "FAIL label_artefacts",
        "WARN position_leakage",
    ]
    assert audit(train, test, distance=10).positions["nearby"] == 0


def test_labels_are_the_same_however_they_are_written():
    texts = draw(4, 0)["sequence"]
    train = pd.DataFrame({"SEQ": texts, "Target": [1.0, 0.0, 1.0, 0.0]})
    test = pd.DataFrame({"seq": texts, "y": ["1", "0", " 1", "0.0"]})
    found = audit(train, test)
    assert found.tables["test"]["classes"] == found.tables["train"]["classes"] == {"0": 2, "1": 2}
    assert found.duplicates["exact"]["other_label"] == 0


def test_measurements_are_no_classes():
    train, test = (draw(200, seed).assign(label=np.linspace(seed, seed + 1, 200)) for seed in (0, 1))
    assert audit(train, test).artefacts == ()


MISTAKES = {
    "an empty table": ({"train": draw(0, 0)}, SettingsError, "train: the table has no row"),
    "no sequences": ({"test": draw(4, 0)[["label"]]}, SettingsError, "test: no column sequence or seq among 'label'"),
    "no labels": ({"test": draw(4, 0)[["sequence"]]}, SettingsError, "test: no column label"),
    "no such column": ({"label": "kind"}, SettingsError, "train: no column kind among 'sequence, label'"),
    "a missing label": (
        {"train": draw(4, 0).assign(label=["a", None, "b", ""])},
        SettingsError,
        "2 row.*first is row 2",
    ),
    "numbers for sequences": ({"sequence": "label"}, SequenceError, "train: row 1 has '0' for a sequence"),
    "a protein": (
        {"test": draw(4, 0).assign(sequence="MAGTKCLVEEFIQDLSRP")},
        SequenceError,
        "test: .* letters are not A, C",
    ),
    "no base": ({"test": draw(4, 0).assign(sequence=["N", "", None, "NN"])}, SequenceError, "no sequence has a base"),
    "an odd k": ({"k": 11}, SettingsError, "k = 11; an even number from 8 to 62"),
    "a long k": ({"k": 64}, SettingsError, "k = 64"),
    "no threshold": ({"threshold": 0}, SettingsError, "threshold 0"),
    "a distance below 0": ({"distance": -1}, SettingsError, "distance -1"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case):
    options, error, text = MISTAKES[case]
    given = {"train": draw(4, 0), "test": draw(4, 1), **options}
    with pytest.raises(error, match=text) as raised:
        audit(given.pop("train"), given.pop("test"), **given)
    assert "\n" not in str(raised.value)


def test_the_page(spoilt):
    train, test = (table.assign(chrom="1", start=range(len(table)), end=range(1, len(table) + 1)) for table in spoilt)
    page = show_audit(audit(train, test)).splitlines()
    assert page[1].split() == ["sequences", "100", "40"]
    assert "as they are                                  2        5.00 %             1" in page
    assert "overlapping                                 40      100.00 %" in page
    assert "FAIL" in page
    assert max(map(len, page[: page.index("FAIL")])) <= 80
    many = draw(60, 0).assign(label=range(60))
    assert "54 more classes" in show_audit(audit(many, many))


def test_files(spoilt, tmp_path):
    table = spoilt[1].assign(name=[f"1:{i}-{i + 60}" for i in range(40)])
    table.to_csv(tmp_path / "a.csv", index=False)
    table.rename(columns={"label": "y"}).to_csv(tmp_path / "a.tsv.gz", index=False, sep="\t")
    table.to_parquet(tmp_path / "a.parquet")
    lines = [f">{row.name}|{row.label}\n{row.sequence}\n" for row in table.itertuples(index=False)]
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress("".join(lines).encode()))
    for name in ("a.csv", "a.tsv.gz", "a.parquet", "a.fa.gz"):
        found = read_sequences(tmp_path / name)
        assert found["sequence"].tolist() == table["sequence"].tolist()
        assert found["label"].astype(str).tolist() == table["label"].astype(str).tolist()
        assert found["start"].tolist() == list(range(40))
        assert audit(spoilt[0], found).duplicates == audit(*spoilt).duplicates
    found = read_sequences(tmp_path / "a.csv", sequence="sequence", label="name")
    assert found["label"].iloc[0] == "1:0-60"
    with pytest.raises(InputError, match="no such file"):
        read_sequences(tmp_path / "b.csv")


REAL = {
    # Published files: the figures are those of this audit, and of pandas' isin for exact copies.
    "prom/prom_core_all": (43, 651, "WARN"),
    "splice/reconstructed": (32, 760, "FAIL"),
}


@pytest.fixture(scope="module")
def published(real_data, tmp_path_factory):
    """The unpacked files of GUE."""
    folder = tmp_path_factory.mktemp("gue")
    with tarfile.open(real_data / "benchmarks" / "GUE_yeast_promoter_tf_splice.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("task", REAL)
def test_published_tasks(task, published):
    files = {path.stem: path for path in (published / task).glob("*.csv")}
    train, test = read_sequences(files.get("train", files["dev"])), read_sequences(files["test"])
    found = audit(train, test)
    exact, near, verdict = REAL[task]
    assert found.duplicates["exact"]["test_rows"] == test["sequence"].isin(train["sequence"]).sum() == exact
    assert found.duplicates["near"]["test_rows"] == near
    assert found.verdict == verdict
