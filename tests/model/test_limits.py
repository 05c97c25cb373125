import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexamer.model import ModelConfig, NucleotideTransformer
from hexamer.model.limits import count_beyond


@pytest.fixture(scope="module")
def short():
    return NucleotideTransformer(ModelConfig(layers=1, width=8, heads=2, ffn=8, max_tokens=6))


@given(st.text("ACGTN", min_size=1, max_size=60))
def test_what_is_too_long_is_what_the_tokenizer_says(short, sequence):
    count = len(short.tokenizer.encode([sequence])[0])  # with <cls>
    assert count_beyond(short, sequence) == (count - 1 if count > 6 else 0)
