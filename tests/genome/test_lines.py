import gzip
import io
import os
import sys
import threading
from pathlib import Path

import pysam
import pytest

from hexamer.errors import InputError
from hexamer.genome.lines import BGZIP_END, Input, storage_of

LINES = [b"line %d\n" % i for i in range(20_000)]


def bgzip(content: bytes, folder: Path) -> bytes:
    with pysam.BGZFile(str(folder / "made.gz"), "wb", None) as out:
        out.write(content)
    return (folder / "made.gz").read_bytes()


def stored(kind: str, folder: Path) -> bytes:
    content = b"".join(LINES)
    return {"plain": bytes, "gzip": gzip.compress, "bgzip": lambda x: bgzip(x, folder)}[kind](content)


@pytest.mark.parametrize("kind", ["plain", "gzip", "bgzip"])
def test_the_same_lines_from_a_file_standard_input_and_a_pipe(tmp_path: Path, monkeypatch, kind: str):
    data = stored(kind, tmp_path)
    path = tmp_path / "x"
    path.write_bytes(data)
    assert storage_of(data) == kind

    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(data))

    monkeypatch.setattr(sys, "stdin", Stdin)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    for place in (path, "-", pipe):
        with Input(place, InputError) as source:
            assert source.storage == kind
            assert source.first_bytes.startswith(b"line 0\n")
            assert list(source) == list(enumerate(LINES, start=1))
    writer.join()
    assert not Stdin.buffer.closed


def test_a_bgzip_cut_between_blocks_is_told_on_opening_and_from_a_pipe_at_the_end(tmp_path: Path, monkeypatch):
    cut = stored("bgzip", tmp_path).removesuffix(BGZIP_END)
    (tmp_path / "x").write_bytes(cut)
    with pytest.raises(InputError, match=r"cut short \(bgzip without its end block"):
        Input(tmp_path / "x", InputError)

    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(cut))

    monkeypatch.setattr(sys, "stdin", Stdin)
    with Input("-", InputError) as source, pytest.raises(InputError, match="<stdin>: the file is cut short"):
        list(source)


def test_a_cut_inside_a_block_names_the_line(tmp_path: Path):
    (tmp_path / "x").write_bytes(stored("gzip", tmp_path)[:-100])
    with (
        Input(tmp_path / "x", InputError) as source,
        pytest.raises(InputError, match=r"x:1[0-9]{4}: .* cut short here"),
    ):
        list(source)


def test_no_permission(tmp_path: Path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); check its permissions"):
        Input(tmp_path / "x", InputError)
