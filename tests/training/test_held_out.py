from dataclasses import replace

import numpy as np
import pytest
import torch

from hexamer.tokens import Masking, Sampler, Tokenizer, build_corpus
from hexamer.tokens.tokenizer import MASK_ID
from hexamer.training.held_out import held_out_losses, held_out_windows

from .test_loop import new_run


@pytest.fixture
def sampler(config, tmp_path) -> Sampler:
    corpus = build_corpus(config.genomes, tmp_path / "corpus")
    return Sampler(corpus, Tokenizer(), tokens=32, rows=4, seed=1, masking=Masking(rate=0.5, mask=1.0, random=0.0))


def test_windows_are_masked_as_the_run_s_are(sampler):
    (windows,) = held_out_windows(sampler, windows=6).values()
    selected = windows.weights > 0
    assert windows.ids.shape == (6, 32)
    assert selected.sum(axis=1).tolist() == [16] * 6, "half of the 31 tokens"
    assert (windows.corrupted[selected] == MASK_ID).all()
    again = held_out_windows(sampler, windows=6)["pattern"]
    assert all(np.array_equal(a, b) for a, b in zip(windows, again, strict=True))


def test_the_loss_is_that_of_the_windows_in_any_batches(sampler):
    run, held_out = new_run(), held_out_windows(sampler, windows=5)
    (windows,) = held_out.values()
    with torch.no_grad():
        loss = float(run.module.eval()(*map(torch.as_tensor, windows))[0]) / windows.weights.sum()
    for batch in (1, 3, 8):
        assert held_out_losses(run, held_out, batch=batch, bf16=False) == {"pattern": pytest.approx(loss, abs=2e-5)}


def test_genomes_without_room_are_left_out(config, tmp_path):
    (source,) = config.genomes
    corpus = build_corpus([replace(source, hold_out=("held:1-50",))], tmp_path / "corpus")
    assert held_out_windows(Sampler(corpus, Tokenizer(), tokens=32, rows=4, seed=1), windows=6) == {}
