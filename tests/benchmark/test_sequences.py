import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hexamer.benchmark import sequences
from hexamer.benchmark.sequences import Sequences
from hexamer.tokens import bases_to_codes, codes_to_bases

TEXTS = st.lists(st.text("ACGTN", max_size=12), max_size=8)


def join(texts: list[str]) -> Sequences:
    return Sequences.of([bases_to_codes(text) for text in texts])


@given(TEXTS)
def test_rows_come_back_and_are_counted(texts):
    found = join(texts)
    assert [codes_to_bases(found[row]) for row in range(len(found))] == texts
    assert found.count(2, 3).tolist() == [text.count("C") + text.count("G") for text in texts]
    assert found.count(4).tolist() == [text.count("N") for text in texts]
    chosen = np.arange(len(texts))[::-2]
    assert [codes_to_bases(row) for row in map(found.take(chosen).__getitem__, range(len(chosen)))] == texts[::-1][::2]


@given(TEXTS, st.integers(1, 4))
def test_pieces_are_all_rows_in_order(texts, most):
    pieces = list(join(texts).pieces(most))
    rows = [codes_to_bases(piece[row]) for _, piece in pieces for row in range(len(piece))]
    assert rows == texts
    assert [first for first, _ in pieces] == list(range(0, len(texts), most))


def test_a_piece_has_so_many_bases_or_a_single_row(monkeypatch):
    monkeypatch.setattr(sequences, "_PIECE", 10)
    sizes = [(first, len(piece)) for first, piece in join(["A" * 4, "C" * 4, "G" * 30, "T", "A"]).pieces()]
    assert sizes == [(0, 2), (2, 1), (3, 2)]
