from collections.abc import Iterator
from pathlib import Path

import pytest

from hexamer.genome import Genome

DEMO = Path(__file__).parents[2] / "demo"
SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"NOT CHECKED ON REAL DATA: there is no folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for copies of real genomes, so that each is made once in a session."""
    return tmp_path_factory.mktemp("genome-cache")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the cache of the person who runs it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HEXAMER_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def demo() -> Iterator[Genome]:
    with Genome(DEMO / "chr20.fa.gz") as genome:
        yield genome


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Genome]:
    """A contig whose ends are near: 1-based 1 A, 2 C, 3 G, 4 T, 5 T, 6 A."""
    (tmp_path / "tiny.fa").write_text(">20\nACGTTA\n")
    with Genome(tmp_path / "tiny.fa") as genome:
        yield genome
