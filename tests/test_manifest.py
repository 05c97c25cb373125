import hashlib
import json
import os
import platform
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import OutputError, SettingsError
from hexamer.manifest import (
    STRICT,
    checksum,
    describe_file,
    make_settings,
    open_parts,
    package_versions,
    read_settings,
    write_atomically,
    write_manifest,
    write_settings,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    __pydantic_config__ = STRICT

    start: float = 1e-4
    warmup: int = 10


@dataclass(frozen=True, kw_only=True)
class Part:
    __pydantic_config__ = STRICT

    fasta: str | tuple[str, ...]
    weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    __pydantic_config__ = STRICT

    out: str
    seed: int = 0
    rate: float = 0.15
    both: bool = True
    limit: float | None = None
    schedule: Inner = Inner()
    parts: tuple[Part, ...] = ()


# Files


def test_checksum_is_sha256_of_the_bytes(tmp_path: Path):
    content = bytes(range(256)) * 5000
    path = tmp_path / "x"
    path.write_bytes(content)
    assert checksum(path) == checksum(str(path)) == hashlib.sha256(content).hexdigest()


def test_inputs_are_described(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert describe_file(path) == {"path": str(path), "bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert describe_file("-") == {"path": "-"}
    assert describe_file(tmp_path / "none") == {"path": str(tmp_path / "none")}


def test_versions_of_the_parts():
    found = package_versions()
    assert found["python"] == platform.python_version()
    assert {"hexamer", "torch", "numpy", "pysam", "safetensors"} < found.keys()
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_manifest_says_what_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["hexamer", "embed"])
    path = write_manifest(tmp_path / "x.manifest.json", settings=Outer(out="x"), counts={"scored": 3}, folder=tmp_path)
    record = json.loads(path.read_text())
    assert path == tmp_path / "x.manifest.json"
    assert record["command"] == ["hexamer", "embed"]
    assert record["versions"] == package_versions()
    assert record["settings"]["schedule"] == {"start": 1e-4, "warmup": 10}
    assert (record["counts"], record["folder"]) == ({"scored": 3}, str(tmp_path))
    assert record["made"].endswith("Z")
    assert path.read_bytes().endswith(b"}\n")


def test_a_file_is_written_whole(tmp_path: Path):
    path = tmp_path / "x.tar.gz"
    with write_atomically(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".x.tar.gz"), "writers choose by the ending"
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["x.tar.gz"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_mode_is_an_ordinary_file_s(tmp_path: Path, umask: int):
    before = os.umask(umask)
    try:
        with write_atomically(tmp_path / "x") as temporary:
            temporary.write_text("x")
        assert os.umask(umask) == umask, "the umask is as it was"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file(tmp_path: Path, stop):
    path = tmp_path / "x"
    path.write_text("old")

    def fail():
        with write_atomically(path) as temporary:
            temporary.write_text("half")
            raise stop

    with pytest.raises(stop):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_places_that_cannot_be_written(tmp_path: Path):
    def write(path: Path):
        with write_atomically(path):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="is a folder; a file name would work"):
        write(tmp_path)
    with pytest.raises(OutputError, match=r"none/x: cannot be written .*; does the folder exist\?"):
        write(tmp_path / "none" / "x")
    with pytest.raises(OutputError, match=r"x: cannot be written .*No space left on device"):
        write(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


# Settings


settings = st.builds(
    Outer,
    out=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20),
    seed=st.integers(-(2**62), 2**62),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    both=st.booleans(),
    limit=st.none() | st.floats(0, 1),
    schedule=st.builds(Inner, start=st.floats(0, 1), warmup=st.integers(0, 100)),
    parts=st.lists(
        st.builds(Part, fasta=st.sampled_from(["a.fa", ("a.fa", "b.fa")]), weight=st.none() | st.floats(0, 9)),
        max_size=3,
    ).map(tuple),
)


@given(settings)
def test_settings_round_trip(tmp_path_factory: pytest.TempPathFactory, given_settings: Outer):
    path = tmp_path_factory.mktemp("settings") / "run.toml"
    write_settings(path, given_settings)
    assert read_settings(Outer, path) == given_settings


def test_overrides_replace_the_file_s(tmp_path: Path):
    path = tmp_path / "x.toml"
    path.write_text('out = "a"\nseed = 3\n[schedule]\nwarmup = 7\n')
    assert read_settings(Outer, path) == Outer(out="a", seed=3, schedule=Inner(warmup=7))
    assert read_settings(Outer, path, seed=4, out=None) == Outer(out="a", seed=4, schedule=Inner(warmup=7))
    assert read_settings(Outer, path, seed=0).seed == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('out = "a"\nsede = 1', "there is no setting 'sede'; the nearest is 'seed'"),
        ('out = "a"\n[schedule]\nwarmpu = 1', "there is no setting 'schedule.warmpu'; the nearest is 'warmup'"),
        (
            'out = "a"\n[[parts]]\nfasta = "x"\nwieght = 1',
            "there is no setting 'parts.0.wieght'; the nearest is 'weight'",
        ),
        ("seed = 1", "the setting 'out' is missing"),
        ('out = "a"\n[[parts]]\nweight = 1', "the setting 'parts.0.fasta' is missing"),
        ('out = "a"\nseed = "many"', "seed = 'many': "),
        ('out = "a"\nseed = 1.5', "seed = 1.5: "),
        ('out = "a"\nseed = ', "not readable as TOML"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, text: str, message: str):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings(Outer, path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_recipes_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(SettingsError, match="there is no such recipe"):
        read_settings(Outer, tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="not readable as TOML"):
        read_settings(Outer, tmp_path)
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not readable as TOML"):
        read_settings(Outer, tmp_path / "x.toml")


def test_tables_need_no_file():
    assert make_settings(Outer, {"out": "x", "schedule": {"start": 1}}, "here") == Outer(
        out="x", schedule=Inner(start=1.0)
    )
    with pytest.raises(SettingsError, match=r"^here: the setting 'out' is missing"):
        make_settings(Outer, {}, "here")


def test_numbers_that_are_none_are_null(tmp_path):
    facts = {"auroc": float("nan"), "loss": [float("inf"), 1.5], "folder": tmp_path}
    text = write_manifest(tmp_path / "m.json", **facts).read_text()
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (found["auroc"], found["loss"]) == (None, [None, 1.5])


def test_parts_of_another_run_are_refused(tmp_path):
    parts = open_parts(tmp_path / "s" / "parts", {"a": (1,), "b": None})
    (parts / "0.json").write_text("1")
    assert open_parts(str(parts), {"a": [1], "b": None}) == parts
    with pytest.raises(SettingsError, match=r"parts of another run \(a differ\)"):
        open_parts(parts, {"a": 2, "b": None})
    for damage in ("{", "[]", None):
        if damage is None:
            (parts / "run.json").unlink()
        else:
            (parts / "run.json").write_text(damage)
        with pytest.raises(SettingsError, match="another run"):
            open_parts(parts, {"a": 1})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        open_parts(tmp_path / "file" / "parts", {"a": 1})
