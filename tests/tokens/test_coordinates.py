import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.errors import SequenceError
from hexamer.tokens import Tokenizer, token_of_base, token_spans

TOKENIZERS = [Tokenizer("v1"), Tokenizer("v2"), Tokenizer("v2", 3)]
some_tokenizer = st.sampled_from(TOKENIZERS)
sequences = st.lists(st.one_of(st.text("ACGT", max_size=20), st.text("N", max_size=3)), max_size=6).map("".join)


@given(some_tokenizer, sequences)
def test_spans_are_the_letters_of_each_token(tokenizer: Tokenizer, sequence: str):
    (ids,) = tokenizer.encode([sequence])
    starts, ends = token_spans(tokenizer, ids)
    assert (starts[0], ends[0]) == (0, 0), "<cls> covers nothing"
    assert [sequence[s:e] for s, e in zip(starts[1:], ends[1:], strict=True)] == [
        tokenizer.vocabulary[i] for i in ids[1:]
    ]
    assert ends[-1] == len(sequence)


@given(some_tokenizer, sequences)
def test_both_ways_undo_each_other(tokenizer: Tokenizer, sequence: str):
    (ids,) = tokenizer.encode([sequence])
    starts, ends = token_spans(tokenizer, ids)
    tokens = token_of_base(tokenizer, ids, np.arange(len(sequence)))
    assert tokens.tolist() == [t for t in range(len(ids)) for _ in range(starts[t], ends[t])]
    # And from the token: its first and its last base lead back to it.
    assert token_of_base(tokenizer, ids, starts[1:]).tolist() == list(range(1, len(ids)))
    assert token_of_base(tokenizer, ids, ends[1:] - 1).tolist() == list(range(1, len(ids)))


def test_special_tokens_cover_nothing():
    tokenizer = Tokenizer()
    starts, ends = token_spans(tokenizer, np.array([3, 739, 2, 1, 1]))
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [(0, 0), (0, 6), (6, 6), (6, 6), (6, 6)]


def test_one_base_and_shaped_bases():
    tokenizer = Tokenizer()
    (ids,) = tokenizer.encode(["ACGTACNGT"])
    assert token_of_base(tokenizer, ids, 6) == 2
    assert token_of_base(tokenizer, ids, [[0, 5], [7, 8]]).tolist() == [[1, 1], [3, 4]]
    assert token_of_base(tokenizer, ids, []).size == 0


@pytest.mark.parametrize(("sequence", "bases"), [("ACGTAC", -1), ("ACGTAC", 6), ("ACGTAC", [0, 9]), ("", 0)])
def test_bases_outside_the_window(sequence: str, bases):
    tokenizer = Tokenizer()
    (ids,) = tokenizer.encode([sequence])
    with pytest.raises(SequenceError, match=f"outside the window of {len(sequence)} bases"):
        token_of_base(tokenizer, ids, bases)
    with pytest.raises(SequenceError, match="outside the window of 0 bases"):
        token_of_base(tokenizer, ids[:0], 0)
