import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from hexamer.benchmark.archives import is_archive, unpack
from hexamer.errors import InputError

FILES = {"EMP/H3/dev.csv": b"sequence,label\nACGT,1\n", "README.md": b"x"}


def archive(path: Path, files: dict[str, bytes] = FILES) -> Path:
    """Write an archive whose kind the name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            file.mkdir("EMP")
            for name, content in files.items():
                file.writestr(name, content)
        return path
    mode = {".tar": "w", ".xz": "w:xz", ".gz": "w:gz", ".bz2": "w:bz2", ".tgz": "w:gz"}[path.suffix]
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2", "a.zip"])
def test_every_kind_is_unpacked_into_the_cache(tmp_path: Path, cache: Path, name: str):
    path = archive(tmp_path / name)
    assert is_archive(path)
    folder = unpack(path)
    assert content(folder) == FILES
    assert cache in folder.parents
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]  # nothing unfinished is left


def test_it_is_unpacked_once_and_anew_when_it_changes(tmp_path: Path):
    path = archive(tmp_path / "a.tar.xz")
    first = unpack(path)
    (first / "mark").write_text("")
    assert (unpack(str(path)) / "mark").exists()
    archive(path, {"b.csv": b"2"})
    os.utime(path, (1, 1))
    assert content(unpack(path)) == {"b.csv": b"2"}


@pytest.mark.parametrize("name", ["../out.csv", "/out.csv", "a/../../out.csv", "..\\out.csv", "C:\\out.csv"])
@pytest.mark.parametrize("kind", ["a.tar", "a.zip"])
def test_a_member_that_leads_out_stops_it(tmp_path: Path, cache: Path, name: str, kind: str):
    path = archive(tmp_path / kind, {"in.csv": b"1", name: b"2"})
    with pytest.raises(InputError, match="leads out of the folder; an archive of relative names would work"):
        unpack(path)
    assert list((cache / "benchmarks").iterdir()) == []
    assert not list(tmp_path.rglob("out.csv"))


def test_links_are_not_followed(tmp_path: Path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for kind, name in ((tarfile.SYMTYPE, "soft"), (tarfile.LNKTYPE, "hard"), (tarfile.FIFOTYPE, "pipe")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert content(unpack(path)) == {}


@pytest.mark.parametrize("name", ["a.tar.xz", "a.tar.gz", "a.zip"])
def test_a_cut_archive_is_told(tmp_path: Path, cache: Path, name: str):
    path = archive(tmp_path / name, {"a.csv": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"a\.(tar\.xz|tar\.gz|zip): cannot be unpacked \(.*copy the archive again"):
        unpack(path)
    assert list((cache / "benchmarks").iterdir()) == []


def test_other_files_are_no_archives(tmp_path: Path):
    (tmp_path / "a.csv.gz").write_bytes(b"")
    (tmp_path / "a.tar").mkdir()
    assert not any(map(is_archive, (tmp_path / "a.csv.gz", tmp_path / "a.tar", tmp_path / "none.zip")))
