from collections import Counter

import numpy as np
import pytest
from tests.effects.conftest import SMALL

from hexamer.effects.calibrate import Draw, draw_changes
from hexamer.effects.score import score_alleles
from hexamer.errors import SettingsError
from hexamer.genome import Interval, normalise


def test_a_draw_is_a_function_of_its_seed_and_its_variants_fit_the_genome(genome):
    regions = [Interval("20", 3000, 6000), Interval("20", 8000, 8500)]
    draw = Draw(sites=20, indels=10)
    changes = list(draw_changes(genome, regions, draw))
    assert changes == list(draw_changes(genome, regions, draw))
    assert changes != list(draw_changes(genome, regions, Draw(sites=20, indels=10, seed=1)))
    found = [normalise(genome, variant) for variant in changes]
    kinds = Counter(change.kind for change in found)
    assert kinds == {"snv": 20 * 18, "insertion": 60, "deletion": 60}
    assert all(any(r.start <= v.start < r.end for r in regions) for v in changes)
    assert len({v.start // 6 for v in changes[:360]}) <= 20


def test_a_background_holds_the_scores_of_what_was_drawn(background, model, genome):
    changes = list(draw_changes(genome, [Interval("20", 0, 9000)], Draw(sites=40, indels=6)))
    scores = score_alleles(model, genome, changes, SMALL).values[:, 0]
    assert sum(len(group) for group in background.groups.values()) == np.isfinite(scores).sum()
    for group in background.groups.values():
        assert (np.diff(group) >= 0).all()
    together = np.sort(np.concatenate(list(background.groups.values())))
    np.testing.assert_array_equal(together, np.sort(scores[np.isfinite(scores)]))


def test_mistakes(genome):
    with pytest.raises(SettingsError, match="sites -1"):
        Draw(sites=-1)
    with pytest.raises(SettingsError, match="none has 13 bases"):
        next(draw_changes(genome, [Interval("20", 0, 10)], Draw()))
    with pytest.raises(SettingsError, match="nearly all bases are N"):
        list(draw_changes(genome, [Interval("20", 4000, 4040)], Draw()))
