from pathlib import Path

import pytest

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
