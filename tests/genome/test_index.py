import gzip
import multiprocessing
import os
from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import GenomeError
from hexamer.genome import Genome
from hexamer.genome.index import fai_rows, fasta_lines


def write(path: Path, sequences: dict[str, str], kind: str = "plain", width: int = 7) -> Path:
    text = ""
    for name, sequence in sequences.items():
        lines = [sequence[i : i + width] for i in range(0, len(sequence), width)]
        if kind == "uneven":
            lines = [lines[0], "", *lines[1:]]
        text += f">{name} a description\n" + "".join(line + "\n" for line in lines)
    if kind == "bgzip":
        with pysam.BGZFile(str(path), "wb", None) as out:
            out.write(text.encode())
    else:
        path.write_bytes(gzip.compress(text.encode()) if kind == "gzip" else text.encode())
    return path


@given(st.lists(st.text("ACGTNacgt", min_size=1, max_size=60), min_size=1, max_size=5), st.integers(1, 20))
def test_rows_are_those_of_samtools(tmp_path_factory: pytest.TempPathFactory, sequences: list[str], width: int):
    folder = tmp_path_factory.mktemp("fai")
    path = write(folder / "x.fa", {f"chr{i}": sequence for i, sequence in enumerate(sequences)}, width=width)
    pysam.faidx(str(path), "--fai-idx", str(folder / "twin.fai"))
    assert fai_rows(fasta_lines(path)) == (folder / "twin.fai").read_text().splitlines()


def test_the_index_is_the_one_of_samtools(tmp_path: Path):
    path = write(tmp_path / "x.fa.gz", {"a": "ACGT" * 50_000, "b": "GATTACA" * 10_000}, "bgzip", width=60)
    Genome(path).close()
    pysam.faidx(str(path), "--fai-idx", str(tmp_path / "s.fai"), "--gzi-idx", str(tmp_path / "s.gzi"))
    assert (tmp_path / "x.fa.gz.fai").read_bytes() == (tmp_path / "s.fai").read_bytes()
    assert (tmp_path / "x.fa.gz.gzi").read_bytes() == (tmp_path / "s.gzi").read_bytes()


def test_the_index_lies_beside_the_file(tmp_path: Path, cache: Path):
    path = write(tmp_path / "x.fa", {"chr1": "ACGT"})
    Genome(path).close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.fa", "x.fa.fai"]
    before = (tmp_path / "x.fa.fai").stat().st_mtime_ns
    Genome(path).close()
    assert (tmp_path / "x.fa.fai").stat().st_mtime_ns == before


@pytest.mark.parametrize("kind", ["plain", "bgzip", "gzip", "uneven"])
def test_a_folder_without_write_bit_is_left_alone(tmp_path: Path, cache: Path, capsys, kind: str):
    folder = tmp_path / "read-only"
    folder.mkdir()
    path = write(folder / "x.fa", {"chr1": "ACGTAC" * 9, "chr2": "GG"}, kind)
    folder.chmod(0o555)
    try:
        for _ in range(2):
            with Genome(path) as genome:
                assert genome.fetch("chr1", 50, 54) == "GTAC"
        assert [file.name for file in folder.iterdir()] == ["x.fa"]
    finally:
        folder.chmod(0o755)
    assert not [file for file in cache.iterdir() if file.name.startswith(".")]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == (kind in ("gzip", "uneven"))
    for line in said:
        assert str(path) in line
        assert ("plain gzip" in line) or ("uneven, blank or spaced lines at line 4" in line)
        assert str(cache) in line


def test_a_changed_file_is_indexed_anew(tmp_path: Path):
    path = write(tmp_path / "x.fa", {"chr1": "ACGT"})
    Genome(path).close()
    write(path, {"chr1": "GGGGGGGGGG", "chr2": "T"})
    os.utime(tmp_path / "x.fa.fai", (1, 1))
    with Genome(path) as genome:
        assert genome.contigs == {"chr1": 10, "chr2": 1}


@pytest.mark.parametrize("index", ["", "chr1\n", "chr1\tx\t6\t7\t8\n", "chr1\t4000\t6\t7\t8\n"])
def test_a_broken_index_is_made_anew(tmp_path: Path, index: str):
    path = write(tmp_path / "x.fa", {"chr1": "ACGT"})
    (tmp_path / "x.fa.fai").write_text(index)
    assert Genome(path).contigs == {"chr1": 4}


def test_the_environment_chooses_the_cache(tmp_path: Path, monkeypatch):
    path = write(tmp_path / "x.fa.gz", {"chr1": "ACGT"}, "gzip")
    monkeypatch.delenv("HEXAMER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    Genome(path).close()
    assert list((tmp_path / "xdg" / "hexamer").glob("x.fa.gz.*.fa.gz"))
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Genome(path).close()
    assert list((tmp_path / "home" / ".cache" / "hexamer").glob("x.fa.gz.*.fa.gz.fai"))


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch):
    path = write(tmp_path / "x.fa.gz", {"chr1": "ACGT"}, "gzip")
    monkeypatch.setenv("HEXAMER_CACHE", str(path / "below-a-file"))
    with pytest.raises(GenomeError, match=r"x.fa.gz: its index cannot be written .*set HEXAMER_CACHE to a folder"):
        Genome(path)


def _open_and_read(path: Path) -> str:
    with Genome(path) as genome:
        return genome.fetch("chr1", 0, 30_000)


def test_processes_may_make_the_same_copy_at_once(tmp_path: Path, cache: Path):
    sequence = "ACGTTGCAAN" * 3_000
    path = write(tmp_path / "x.fa.gz", {"chr1": sequence}, "gzip")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert set(pool.map(_open_and_read, [path] * 8)) == {sequence}
    assert len(list(cache.iterdir())) == 3
