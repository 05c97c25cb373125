from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"NOT TESTED: the published files of the benchmarks; there is no folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for unpacked archives, so that each is unpacked once in a session."""
    return tmp_path_factory.mktemp("benchmark-cache")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the cache of the person who runs it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HEXAMER_CACHE", str(folder))
    return folder
