import sqlite3

import numpy as np
import pytest

from hexamer.embeddings.kept import KeptVectors


def arrays(count, seed=0):
    rng = np.random.default_rng(seed)
    return {bytes([i, seed]): rng.normal(size=(2, i + 1, 3)).astype(np.float32) for i in range(count)}


def test_vectors_come_back_from_the_next_run(tmp_path):
    path, made = tmp_path / "deep" / "v.sqlite", arrays(4)
    with KeptVectors(path) as kept:
        assert kept.recall(made) == {}
        kept.keep(made)
        kept.keep(made)
    with KeptVectors(path) as kept, KeptVectors(path) as other:
        other.keep(arrays(3, seed=1))
        found = kept.recall([*made, *arrays(3, seed=1), b"none"])
    assert len(found) == 7
    for name, array in made.items():
        np.testing.assert_array_equal(found[name], array)


def test_more_names_than_sqlite_takes_at_once(tmp_path):
    with KeptVectors(tmp_path / "v.sqlite") as kept:
        names = [str(i).encode() for i in range(2500)]
        kept.keep(dict.fromkeys(names, np.zeros((1, 2), dtype=np.float32)))
        assert set(kept.recall(names)) == set(names)


@pytest.mark.parametrize("damage", [b"no database" * 500, b""])
def test_a_file_that_is_damaged_is_made_anew(tmp_path, damage):
    path = tmp_path / "v.sqlite"
    path.write_bytes(damage)
    with KeptVectors(path) as kept:
        kept.keep(arrays(2))
        assert len(kept.recall(arrays(2))) == 2
    with KeptVectors(path) as kept:
        assert len(kept.recall(arrays(2))) == 2


@pytest.mark.parametrize(
    "damage", ["data = substr(data, 1, 5)", "data = zeroblob(24)", "shape = 'x y'", "shape = NULL"]
)
def test_a_damaged_array_is_none_until_it_is_kept_again(tmp_path, damage):
    path = tmp_path / "v.sqlite"
    with KeptVectors(path) as kept:
        kept.keep(arrays(1))
    with sqlite3.connect(path) as file:
        file.execute(f"UPDATE kept SET {damage}")
    with KeptVectors(path) as kept:
        assert kept.recall(arrays(1)) == {}
        kept.keep(arrays(1))
        assert len(kept.recall(arrays(1))) == 1


def test_nothing_is_kept_without_a_place(tmp_path):
    for place in (None, tmp_path / "file" / "v.sqlite"):
        (tmp_path / "file").write_text("not a folder")
        with KeptVectors(place) as kept:
            kept.keep(arrays(1))
            assert kept.recall(arrays(1)) == {}


def test_a_file_that_another_holds_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("hexamer.embeddings.kept._PATIENCE", 0.01)
    path = tmp_path / "v.sqlite"
    with KeptVectors(path) as kept:
        kept.keep(arrays(2))
    node = path.stat().st_ino
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    with KeptVectors(path) as kept:
        kept.keep(arrays(3))
        assert kept.recall(arrays(3)) == {}
    holder.close()
    assert path.stat().st_ino == node
    with KeptVectors(path) as kept:
        assert len(kept.recall(arrays(3))) == 2
