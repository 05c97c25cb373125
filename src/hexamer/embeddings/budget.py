"""How many tokens go through the encoder at a time: the one number that belongs to the machine, not to the question."""

import torch

from hexamer.errors import SettingsError

CPU_TOKENS = 8192  # larger ones gain little more, and take memory (docs/speed.md)
GPU_TOKENS = 65_536  # enough to fill a GPU, little of its memory


def check_budget(token_budget: int | None) -> None:
    """Raise SettingsError for a budget that holds no token.

    Parameters
    ----------
    token_budget : int, optional
    """
    if token_budget is not None and token_budget < 1:
        raise SettingsError(f"token_budget {token_budget}; at least 1, or 8192, would work")


def choose_budget(device: torch.device, token_budget: int | None = None) -> int:
    """Tokens that go through the encoder at a time.

    Parameters
    ----------
    device : torch.device
        Of the model.
    token_budget : int, optional
        What was asked for; by default what suits the device.

    Returns
    -------
    int

    Raises
    ------
    SettingsError
        If the budget is less than one token.

    Examples
    --------
    >>> choose_budget(torch.device("cpu")), choose_budget(torch.device("cuda")), choose_budget(torch.device("cuda"), 10)
    (8192, 65536, 10)
    """
    check_budget(token_budget)
    if token_budget is not None:
        return token_budget
    return CPU_TOKENS if device.type == "cpu" else GPU_TOKENS
