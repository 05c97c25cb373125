from dataclasses import replace

import numpy as np
import torch

from hexamer.tokens import Sampler, Tokenizer, Windows, build_corpus
from hexamer.training.batches import draw_batches, make_batches
from hexamer.training.parallel import Processes

ALONE = Processes(0, 1, torch.device("cpu"))


def test_batches_are_a_function_of_settings_and_step(config, tmp_path):
    corpus = build_corpus(config.genomes, tmp_path / "corpus")
    sampler = Sampler(corpus, Tokenizer(), tokens=config.tokens, rows=config.rows, seed=config.seed)
    first, again, other = (draw_batches(sampler, ALONE, step, batch=2) for step in (4, 4, 5))
    assert all(torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not torch.equal(first[0][0], other[0][0])
    assert (len(first), first[0][0].shape) == (2, (2, 40))
    # Three processes share four rows: as many batches each, and blank rows have no weight.
    shared = [draw_batches(sampler, replace(ALONE, rank=rank, count=3), 4, batch=2) for rank in range(3)]
    assert [len(batches) for batches in shared] == [1, 1, 1]
    rows = [row for batches in shared for ids, _, weights in batches for row in ids[weights.any(1)].tolist()]
    assert sorted(rows) == sorted(row for ids, _, _ in first for row in ids.tolist())


def test_a_missing_row_is_blank():
    ids = np.full((1, 4), 9, dtype=np.int32)
    windows = Windows(ids, ids, np.ones((1, 4), dtype=np.float32))
    (batch,) = make_batches(windows, Processes(2, 3, torch.device("cpu")), rows=5, batch=8)
    assert [len(tensor) for tensor in batch] == [2, 2, 2]
    assert batch[2].any(1).tolist() == [True, False]
