import pytest
import torch

from hexamer.embeddings import choose_budget
from hexamer.errors import SettingsError


def test_the_default_suits_the_device_and_a_given_budget_stays():
    assert choose_budget(torch.device("cpu")) == 8192
    assert choose_budget(torch.device("cuda", 1)) == 65_536
    assert [choose_budget(torch.device(kind), 7) for kind in ("cpu", "cuda")] == [7, 7]


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_without_tokens_is_a_mistake(budget):
    with pytest.raises(SettingsError, match=f"token_budget {budget}; at least 1"):
        choose_budget(torch.device("cpu"), budget)
