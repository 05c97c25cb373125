import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hexamer.model import batches, pack, pack_rows
from hexamer.model.packed import pad_rows

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 50), max_size=30)


@given(LENGTHS, st.integers(1, 100))
def test_batches_hold_each_window_once_in_order_within_the_budget(lengths: list[int], budget: int):
    found = list(batches(lengths, budget))
    assert [i for batch in found for i in batch] == list(range(len(lengths)))
    sizes = [sum(lengths[i] for i in batch) for batch in found]
    assert all(size <= budget or len(batch) == 1 for size, batch in zip(sizes, found, strict=True))
    assert all(size + lengths[after[0]] > budget for size, after in zip(sizes, found[1:], strict=False)), "a full batch"


@given(LENGTHS)
def test_every_row_knows_its_sequence_and_its_place(lengths: list[int]):
    packed = pack([np.arange(length) for length in lengths], CPU)
    assert packed.ids.tolist() == packed.positions.tolist() == [i for length in lengths for i in range(length)]
    assert packed.sequence.tolist() == [s for s, length in enumerate(lengths) for _ in range(length)]
    assert [end - start for start, end in packed.spans.tolist()] == list(packed.lengths) == lengths
    assert packed.bounds[-1] == len(packed.ids)
    assert packed.longest == max(lengths, default=0)


@pytest.mark.parametrize("lengths", [(3, 3), (1, 4, 2), (2, 0, 1)])
def test_padding_goes_out_and_in(lengths: tuple[int, ...]):
    ids = torch.ones(len(lengths), max(lengths), dtype=torch.int32)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.arange(10, 10 + length)
    packed, real = pack_rows(ids)
    assert packed.lengths == lengths
    assert len(packed.ids) == sum(lengths)
    back = pad_rows(packed.ids[:, None].float(), real)
    assert torch.equal(back[..., 0].int(), ids.masked_fill(~real, 0))


@given(LENGTHS)
def test_rows_are_sorted_by_their_sequences_length(lengths: list[int]):
    packed = pack([np.arange(length) for length in lengths], CPU)
    assert [length for count, length in packed.alike for _ in range(count)] == sorted(lengths)
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    assert packed.order.tolist() == [row for i in order for row in range(*packed.spans[i].tolist())]
