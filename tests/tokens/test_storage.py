from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.tokens import bases_to_codes
from hexamer.tokens.storage import SOFT, BaseReader, BaseWriter, join_runs, runs_of


def write(folder: Path, contigs: list[bytes], piece: int) -> list[int]:
    with BaseWriter(folder) as out:
        places = []
        for letters in contigs:
            places.append(out.start_contig())
            for start in range(0, len(letters), piece):
                out.write(letters[start : start + piece], last=start + piece >= len(letters))
            out.end_contig()
    return places


@settings(max_examples=100, deadline=None)
@given(
    contigs=st.lists(st.text("ACGTNacgtnR", min_size=1, max_size=50).map(str.encode), min_size=1, max_size=4),
    piece=st.sampled_from([4, 8, 64]),
    data=st.data(),
)
def test_what_is_read_is_what_was_written(tmp_path_factory, contigs: list[bytes], piece: int, data):
    folder = tmp_path_factory.mktemp("bases")
    places = write(folder, contigs, piece)
    bases = BaseReader(folder)
    for place, letters in zip(places, contigs, strict=True):
        start = data.draw(st.integers(0, len(letters)))
        length = data.draw(st.integers(0, len(letters) - start))
        part = letters[start : start + length]
        assert (bases.read(place + start, length) == bases_to_codes(part)).all()
        soft = bases.read(place + start, length, soft=True)
        assert (soft & (SOFT - 1) == bases_to_codes(part)).all()
        known = [chr(b) for b in letters if chr(b) in "ACGTacgt"]
        masked = any(b.isupper() for b in known)  # else the contig was written in lower case throughout
        assert ((soft >= SOFT) == [masked and chr(letter).islower() for letter in part]).all()
        counted = bases.count_n(np.array([place + start]), np.array([place + start + length]))
        assert counted.tolist() == [int((bases_to_codes(part) == 4).sum())]


def test_a_base_takes_two_bits(tmp_path: Path):
    write(tmp_path, [b"ACGT" * 250, b"ACG"], 400)
    assert (tmp_path / "bases.u2").stat().st_size == 251


def test_a_failure_leaves_nothing(tmp_path: Path):
    out = BaseWriter(tmp_path)
    out.start_contig()
    out.write(b"ACGT", last=True)
    out.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bases.u2", "n.npy", "soft.npy"])
def test_missing_files(tmp_path: Path, name: str):
    write(tmp_path, [b"ACGT"], 4)
    (tmp_path / name).unlink()
    with pytest.raises(SettingsError, match=r"missing or damaged .*; build again"):
        BaseReader(tmp_path)


@given(flags=st.lists(st.booleans(), max_size=30), cut=st.integers(0, 30))
def test_runs_in_pieces_are_the_runs(flags: list[bool], cut: int):
    whole = np.array(flags, dtype=bool)
    joined = join_runs([runs_of(whole[:cut]), runs_of(whole[cut:]) + min(cut, len(flags))])
    assert joined.tolist() == runs_of(whole).tolist()
    again = np.zeros(len(flags), dtype=bool)
    for start, end in joined.T:
        again[start:end] = True
    assert (again == whole).all()
