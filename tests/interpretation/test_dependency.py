import numpy as np
import pytest
import torch

from hexamer.errors import GenomeError, SettingsError
from hexamer.genome import Interval
from hexamer.interpretation.dependency import dependency_map
from hexamer.tokens.alphabet import BASES


def test_entries_are_the_largest_changes_of_log_odds(model, genome):
    """The slow way, for one base: three windows, the logits of one token, sums over its k-mers."""
    interval = Interval("20", 3000, 3030)
    seen = []
    found = dependency_map(model, genome, interval, window=300, advance=seen.append)
    assert sum(seen) == 90
    start = (3000 - (300 - 30) // 2) // 6 * 6
    letters = genome.fetch("20", start, start + 300)

    def odds(text, place):
        (ids,) = model.tokenizer.encode([text])
        token = 1 + (place - start) // 6
        logits = model(torch.as_tensor(ids)[None].long()).logits[0, token].float()
        shares = logits[model.tokenizer.first_kmer : model.tokenizer.first_letter].softmax(-1).double().numpy()
        digit = 5 - (place - start) % 6
        p = np.array([shares[(np.arange(4096) // 4**digit) % 4 == base].sum() for base in range(4)])
        return np.log(p / (1 - p))

    for row, column in ((3002, 3025), (3029, 3000), (3010, 3018)):
        at = row - start
        told = [
            np.abs(odds(letters[:at] + base + letters[at + 1 :], column) - odds(letters, column)).max()
            for base in BASES
            if base != letters[at]
        ]
        assert found.strengths[row - 3000, column - 3000] == pytest.approx(max(told), abs=1e-4)


def test_a_token_s_own_bases_and_n_have_no_entry(model, genome):
    found = dependency_map(model, genome, Interval("20", 3980, 4020), window=300)
    assert np.isnan(np.diag(found.strengths)).all()
    assert np.isnan(found.strengths[20:]).all()
    assert np.isnan(found.strengths[:, 20:]).all()
    assert np.isfinite(found.strengths[0, 6:12]).any()
    whole = dependency_map(model, genome, Interval("20", 3000, 3012), window=300).strengths
    same = np.isnan(whole)
    assert same.sum(axis=1).tolist() == [6] * 12


def test_what_cannot_be_mapped(model, genome):
    with pytest.raises(SettingsError, match="601 bases; 1 to 300 would work"):
        dependency_map(model, genome, Interval("20", 3000, 3601), window=300)
    with pytest.raises(GenomeError):
        dependency_map(model, genome, Interval("20", 8990, 9010), window=300)
