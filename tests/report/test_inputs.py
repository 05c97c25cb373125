import json

import pandas as pd
import pytest

from hexamer.errors import InputError
from hexamer.report.inputs import TABLES, find_results, read_result

WORDS = {"chrom", "ref", "alt", "reason", "element", "name", "genome", "base", "motif"}


def write(path, columns):
    pd.DataFrame({name: ["20" if name in WORDS else 1] for name in columns}).to_csv(path, sep="\t", index=False)
    return path


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_a_table_is_known_by_its_columns(kind, ending, tmp_path):
    path = write(tmp_path / "t.tsv", sorted(TABLES[kind]))
    if ending == "parquet":
        table = pd.read_csv(path, sep="\t", dtype=dict.fromkeys(WORDS, str))
        path = tmp_path / "t.parquet"
        table.to_parquet(path)
    (found,), skipped = find_results([path])
    assert (found.kind, skipped) == (kind, [])


def test_a_folder_of_files_and_one_of_a_run(tmp_path):
    write(tmp_path / "s.tsv", ["chrom", "pos", "ref", "alt", "llr", "reason"])
    (tmp_path / "s.tsv.manifest.json").write_text(
        json.dumps({"command": ["x", "score-variants", "/a/b/c.vcf", "-g", "g"]})
    )
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text(json.dumps({"command": ["x", "run-benchmark", "s"]}))
    (tmp_path / "c").mkdir()
    found, skipped = find_results([tmp_path, tmp_path / "s.tsv"])
    assert [(each.kind, each.path.name) for each in found] == [("run-benchmark", "b"), ("score-variants", "s.tsv")]
    assert found[1].command == "hexamer score-variants c.vcf -g g"
    assert [(each.path.name, each.reason) for each in skipped] == [
        ("notes.txt", "not a kind of file that a report shows")
    ]


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no\.tsv: no such file or folder"):
        find_results([tmp_path / "no.tsv"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tsv", b"", "the file is empty"),
        ("a.tsv", b"u\tv\n1\t2\n", "those of no result"),
        ("a.parquet", b"PAR1xx", "cannot be read as Parquet"),
        ("a.tsv.gz", b"\x1f\x8b\x08\x00broken", "a.tsv.gz"),
    ],
)
def test_a_bad_file_is_named(name, content, reason, tmp_path):
    (tmp_path / name).write_bytes(content)
    found, (skipped,) = find_results([tmp_path / name])
    assert not found
    assert reason in skipped.reason
    assert "\n" not in skipped.reason
    assert not skipped.reason.startswith(str(tmp_path))


def test_a_broken_manifest_is_named(tmp_path):
    path = write(tmp_path / "s.tsv", ["chrom", "pos", "ref", "alt", "llr", "reason"])
    (tmp_path / "s.tsv.manifest.json").write_text("{")
    assert "is no manifest" in find_results([path])[1][0].reason


def test_text_stays_text(tmp_path):
    (tmp_path / "m.tsv").write_text("name\tchrom\tpos\tref\talt\tllr\treason\n1\t01\t5\tA\tC\t0.5\t\n")
    table = read_result(tmp_path / "m.tsv")
    assert table.iloc[0].tolist() == ["1", "01", 5, "A", "C", 0.5, ""]
    (tmp_path / "d.tsv").write_text("## a\nname\tchrom\tpos_changed\tpos_expected\tstrength\nX:1-2\t01\t1\t2\t0.5\n")
    assert read_result(tmp_path / "d.tsv").iloc[0].tolist() == ["X:1-2", "01", 1, 2, 0.5]
