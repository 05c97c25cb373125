import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from hexamer.model import native_library
from hexamer.model.native_library import INSTRUCTIONS, SOURCES, _build, _find_compiler, load_library
from hexamer.model.processor import Processor

try:
    COMPILER = _find_compiler()
except native_library.UnusableError:
    COMPILER = ""
needs_compiler = pytest.mark.skipif(not COMPILER, reason="NATIVE KERNELS NOT BUILT: no C++ compiler")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """As if nothing had been built or loaded, on a processor that has all."""
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path))
    monkeypatch.setattr(native_library, "this_processor", lambda: Processor("", frozenset(INSTRUCTIONS)))
    return load_library.__wrapped__


def small(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """Build something that takes no time."""
    source = folder / "native.cpp"
    source.write_text(text)
    monkeypatch.setattr(native_library, "SOURCES", (source,))


def test_the_sources_lie_beside_the_module():
    assert [source.name for source in SOURCES] == ["native.h", "native_attention.cpp", "native_elementwise.cpp"]


@needs_compiler
def test_a_library_is_built_once_per_source_and_found_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    small(monkeypatch, tmp_path, "int one() { return 1; }")
    first = _build(COMPILER, tmp_path / "cache")
    written = first.stat().st_mtime_ns
    assert _build(COMPILER, tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == written
    small(monkeypatch, tmp_path, "int two() { return 2; }")
    assert _build(COMPILER, tmp_path / "cache") != first
    assert len(list((tmp_path / "cache").iterdir())) == 2, "nothing half-made is left"


def build(folder: Path) -> Path:
    native_library.SOURCES = (folder / "native.cpp",)
    return _build(COMPILER, folder / "cache")


@needs_compiler
def test_processes_may_build_at_once(tmp_path: Path):
    (tmp_path / "native.cpp").write_text("int one() { return 1; }")
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert len(set(pool.map(build, [tmp_path] * 3))) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


@needs_compiler
def test_a_library_that_was_built_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh):
    small(monkeypatch, tmp_path, 'extern "C" int one() { return 1; }')
    library, reason = fresh()
    assert reason == ""
    assert library.one() == 1


@needs_compiler
def test_a_compiler_that_fails_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh):
    small(monkeypatch, tmp_path, "this is not C++")
    library, reason = fresh()
    assert library is None
    assert "could not build it" in reason
    assert "error" in reason
    assert list((tmp_path / "native").iterdir()) == []


@needs_compiler
def test_a_cache_that_cannot_be_written_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEXAMER_CACHE", str(tmp_path / "file"))
    library, reason = fresh()
    assert library is None
    assert "file" in reason


def test_no_compiler_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fresh() == (None, "no C++ compiler (c++, g++ or clang++)")


def test_an_older_processor_is_a_reason(monkeypatch: pytest.MonkeyPatch, fresh):
    monkeypatch.setattr(native_library, "this_processor", lambda: Processor("", frozenset({"fma", "avx512f"})))
    assert fresh() == (None, "the processor has no avx512bw, avx512dq, avx512vl")


def test_a_torch_without_openmp_is_a_reason(monkeypatch: pytest.MonkeyPatch, fresh):
    monkeypatch.setattr(Path, "read_text", lambda _: "7f00-7f01 r-xp 00000000 00:00 0 /lib/libc.so.6\n")
    assert fresh() == (None, "torch runs without OpenMP")


@pytest.mark.skipif(load_library()[0] is None, reason=f"NATIVE KERNELS NOT LOADED: {load_library()[1]}")
def test_the_library_brings_no_second_pool_of_threads():
    code = (
        "import torch\n"
        "maps = lambda: {line.split()[-1] for line in open('/proc/self/maps') if 'omp' in line.split('/')[-1]}\n"
        "from hexamer.model import native_library\n"
        "torch.ones(1000, 1000) @ torch.ones(1000, 1000)\n"
        "before = maps(); assert native_library.load_library()[0]; print(before == maps(), len(before))"
    )
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True).stdout.split()
    assert said[0] == "True"
