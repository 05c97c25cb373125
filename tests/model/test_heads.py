import numpy as np
import torch

from hexamer.model import pack
from hexamer.model.heads import BaseHead, PairHead, SequenceHead, mean_of_tokens

CPU = torch.device("cpu")


def packed(*lengths):
    return pack([np.full(length, 3, dtype=np.int32) for length in lengths], CPU)


def test_the_mean_leaves_out_cls_and_keeps_sequences_apart():
    states = torch.arange(12.0).reshape(6, 2)
    found = mean_of_tokens(states, packed(3, 1, 2))
    assert found.tolist() == [[3.0, 4.0], [0.0, 0.0], [10.0, 11.0]]


def test_a_sequence_has_the_same_answer_in_any_company():
    torch.manual_seed(0)
    for hidden in (0, 5):
        head, states = SequenceHead(8, 3, hidden=hidden, dropout=0.5).eval(), torch.randn(9, 8)
        both = head(states, packed(4, 5))
        assert both.shape == (2, 3)
        torch.testing.assert_close(both[1:], head(states[4:], packed(5)))


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    head, states = SequenceHead(64, 1, dropout=0.5), torch.randn(3, 64)
    assert head.train()(states, packed(3)) != head.train()(states, packed(3))
    assert head.eval()(states, packed(3)) == head.eval()(states, packed(3))


def test_a_pair_of_equal_alleles_differs_from_one_of_others():
    torch.manual_seed(0)
    head = PairHead(8)
    ref, alt = torch.randn(2, 8), torch.randn(2, 8)
    assert head(ref, alt).shape == (2,)
    assert (head(ref, ref) != head(ref, alt)).all()


def test_every_base_of_a_token_has_outputs():
    assert BaseHead(8, 3, bases=6)(torch.randn(5, 8)).shape == (5, 6, 3)
    assert BaseHead(8, 2, bases=3, hidden=4)(torch.randn(5, 8)).shape == (5, 3, 2)
