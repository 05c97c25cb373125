import fcntl
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.effects.forwards import Forwards
from hexamer.effects.journal import Journal, differing, journal_path, spell
from hexamer.errors import OutputError

FACTS = {"window": 300, "scores": ("llr", "l2"), "weights": {"a": "b"}}
NAN = float("nan")


def record(*rows):
    return np.array([values for values, _ in rows], dtype=np.float32), [reason for _, reason in rows]


PIECES = [
    [record(([0.1, -3e-8], "")), record(([NAN, NAN], "symbolic"), ([1e30, float("inf")], ""))],
    [record(([NAN, 2.5], "")), record(([NAN, NAN], "star"))],
    [record(([-0.0, 16777216.0], ""))],
]


def journal(folder, *, resume=False, facts=FACTS):
    return Journal(folder / "o.vcf", facts, columns=2, resume=resume)


def as_bits(records):
    return [(values.view(np.uint32).tolist(), list(reasons)) for values, reasons in records]


def write(folder, pieces=PIECES, **options):
    with journal(folder, **options) as opened:
        for i, piece in enumerate(pieces):
            opened.append(piece, Forwards(i, 2 * i))


def test_what_was_written_is_read_back(tmp_path):
    write(tmp_path)
    with journal(tmp_path, resume=True) as opened:
        assert (opened.pieces, opened.records, opened.forwards) == (3, 5, Forwards(3, 6))
        assert as_bits(opened) == as_bits([found for piece in PIECES for found in piece])
        opened.remove()
    assert list(tmp_path.iterdir()) == []


@given(st.floats(width=32, allow_nan=False))
def test_a_number_is_read_back_to_the_bit(value):
    number = np.float32(value)
    assert np.float32(spell(number)).tobytes() == number.tobytes()
    row = np.zeros(1, dtype=np.float32)
    row[:] = [spell(number)]
    assert row.tobytes() == number.tobytes()


def test_whatever_is_cut_off_the_rest_goes_on(tmp_path):
    write(tmp_path)
    path = journal_path(tmp_path / "o.vcf")
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with journal(tmp_path, resume=True) as opened:
            done = opened.pieces
            for i, piece in enumerate(PIECES[done:], start=done):
                opened.append(piece, Forwards(i, 2 * i))
            assert (opened.pieces, opened.records, opened.forwards) == (3, 5, Forwards(3, 6))
        assert path.read_bytes() == whole
    assert done == 3


def test_a_damaged_piece_and_those_after_it_do_not_count(tmp_path):
    write(tmp_path)
    path = journal_path(tmp_path / "o.vcf")
    whole = path.read_bytes()
    second = whole.index(b"2.5")
    for text in (b"2.6", b"#.5", b"\n.5", b"\0\0\0"):
        path.write_bytes(whole[:second] + text + whole[second + 3 :])
        with journal(tmp_path, resume=True) as opened:
            assert opened.pieces == 1
        assert whole.startswith(path.read_bytes())


def test_an_earlier_journal_is_never_written_over(tmp_path):
    write(tmp_path)
    with pytest.raises(OutputError, match="--resume goes on with it, removing the file begins anew"):
        journal(tmp_path)


@pytest.mark.parametrize("line", [b"{}\n", b"no journal\n", b"[1]\n", b"\xff\n"])
def test_a_journal_of_another_run_is_refused(tmp_path, line):
    write(tmp_path)
    with pytest.raises(OutputError, match="a run with other window, weights"):
        journal(tmp_path, resume=True, facts=FACTS | {"window": 600, "weights": {}})
    journal_path(tmp_path / "o.vcf").write_bytes(line)
    with pytest.raises(OutputError, match="a run with other"):
        journal(tmp_path, resume=True)
    assert journal_path(tmp_path / "o.vcf").read_bytes() == line


def test_only_one_process_writes(tmp_path):
    write(tmp_path)
    with journal_path(tmp_path / "o.vcf").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another process is writing it"):
            journal(tmp_path, resume=True)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match=r"o\.vcf\.partial: cannot be written \(No such file"):
        journal(tmp_path / "none")


def test_a_full_disk_is_one_line(tmp_path):
    with journal(tmp_path) as opened:
        opened.close()
        opened._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115
        with pytest.raises(OutputError, match="No space left on device"):
            opened.append(PIECES[0], Forwards())


@pytest.mark.parametrize("pieces", [0, 1])
def test_a_run_that_fails_before_its_first_piece_leaves_nothing(tmp_path, pieces):
    opened = journal(tmp_path)
    for piece in PIECES[:pieces]:
        opened.append(piece, Forwards())
    opened.__exit__(ValueError, ValueError(), None)
    assert len(list(tmp_path.iterdir())) == pieces


def test_differing_facts_are_named():
    assert differing({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ["b", "c"]
