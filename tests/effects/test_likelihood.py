import numpy as np
import torch
from torch.nn import functional as F

from hexamer.effects.likelihood import masked_log_probabilities, window_losses
from hexamer.model import pack
from hexamer.tokens import MASK_ID


def test_masked_log_probabilities_equal_a_full_forward_pass(model):
    windows = model.tokenizer.encode(["ACGTTG" * 9, "TTGACCGAN" * 5])
    spans = [(4, 5), (2, 6)]
    got = masked_log_probabilities(model, windows, spans)
    for window, span, rows in zip(windows, spans, got, strict=True):
        ids = torch.as_tensor(window.copy())
        ids[slice(*span)] = MASK_ID
        np.testing.assert_allclose(rows, model(ids[None]).logits[0, slice(*span)].log_softmax(-1), atol=1e-4)
    assert windows[0][4] != MASK_ID, "the caller's window was changed"


def test_window_losses_leave_out_cls(model):
    windows = model.tokenizer.encode(["ACGTTG" * 9, "TTGACCGA" * 2])
    packed = pack(windows, torch.device("cpu"))
    got = window_losses(packed, model.lm_head(model.encode(packed).hidden[model.config.layers]))
    for window, loss in zip(windows, got, strict=True):
        one = torch.as_tensor(window)[None].long()
        expected = F.cross_entropy(model(one).logits[0, 1:], one[0, 1:])
        np.testing.assert_allclose(loss, expected, atol=1e-4)


def test_no_window_gives_no_row(model):
    assert masked_log_probabilities(model, [], []) == []
