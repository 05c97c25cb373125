import numpy as np
import pytest

from hexamer.benchmark.weight_arrays import AFTER, BEFORE, WeightArrays
from hexamer.metrics import auprc


def planted(count, seed, length=300):
    """Sequences with GTAAGT behind a site of class 2 and TTTCAG before one of class 1, and classes of all bases."""
    rng = np.random.default_rng(seed)
    rows = ["".join(rng.choice(list("ACGT"), length)) for _ in range(count)]
    targets = np.zeros((count, length), dtype=np.int8)
    for number, row in enumerate(rows):
        one, two = 60, 200
        rows[number] = row[: one - 6] + "TTTCAG" + row[one : two + 1] + "GTAAGT" + row[two + 7 :]
        targets[number, [one, two]] = 1, 2
    targets[:, :10] = -100
    return rows, targets


@pytest.mark.parametrize("order", [0, 1, 2])
def test_planted_sites_are_found(order):
    found = WeightArrays(*planted(200, 1), 3, order=order)
    rows, targets = planted(50, 2)
    chances = found.predict(rows, 300)
    assert chances.shape == (50, 300, 3)
    np.testing.assert_allclose(chances.sum(-1), 1, atol=1e-5)
    known = targets >= 0
    for own in (1, 2):
        assert auprc(targets[known] == own, chances[known][:, own]) > 0.6


def test_a_matrix_of_order_0_is_the_one_written_out():
    rows, targets = planted(15, 3)
    found = WeightArrays(rows, targets, 3, order=0)
    places = [(row, place) for row in range(15) for place in np.flatnonzero(targets[row] == 2)]
    for offset, letter, code in ((1, "G", 3), (2, "T", 1), (-3, "A", 0)):
        count = sum(rows[row][place + offset] == letter for row, place in places)
        # Every base of class 0 was drawn: 15 rows have fewer than are wanted.
        others = [(r, p) for r in range(15) for p in np.flatnonzero(targets[r] == 0) if 0 <= p + offset < 300]
        behind = sum(rows[row][place + offset] == letter for row, place in others)
        wanted = np.log((count + 1) / (len(places) + 4)) - np.log((behind + 1) / (len(others) + 4))
        assert found.log_ratios[1, BEFORE + offset, code] == pytest.approx(wanted)
    assert found.log_ratios.shape == (2, BEFORE + 1 + AFTER, 5)
    assert (found.log_ratios[..., 4] == 0).all()
    assert found.log_odds.tolist() == pytest.approx(np.log([15 / 4320, 15 / 4320]))


def test_n_and_ends_say_nothing():
    found = WeightArrays(*planted(30, 3), 3, order=1)
    chances = found.predict(["N" * 50, "acgtn", ""], 60)
    odds = np.exp(found.log_odds)
    np.testing.assert_allclose(chances[0, :50], np.tile([1, *odds] / (1 + odds.sum()), (50, 1)), rtol=1e-5)
    assert not chances[0, 50:].any()
    assert not chances[1, 5:].any()
    assert not chances[2].any()
    np.testing.assert_array_equal(chances[1, :5], found.predict(["ACGTN"], 5)[0])


def test_chains_are_the_sums_written_out():
    """Order 1: log ratios of each base given the one before, over the places around a base, and the class's odds."""
    rows, targets = planted(15, 5)
    found = WeightArrays(rows, targets, 3, order=1)
    new = planted(1, 9)[0][0]

    def chain(own, offset, before, base):
        pairs = [
            rows[row][place + offset - 1 : place + offset + 1]
            for row in range(15)
            for place in np.flatnonzero(targets[row] == own)
            if 0 < place + offset < 300
        ]
        counts = {letter: sum(pair == before + letter for pair in pairs) for letter in "ACGT"}
        return np.log((counts[base] + 1) / (sum(counts.values()) + 4))

    for place in (60, 100, 200):
        scores = [0.0]
        for own in (1, 2):
            total = found.log_odds[own - 1]
            for offset in range(-BEFORE, AFTER + 1):
                pair = new[place + offset - 1 : place + offset + 1]
                total += chain(own, offset, *pair) - chain(0, offset, *pair)
            scores.append(total)
        odds = np.exp(np.array(scores) - max(scores))
        np.testing.assert_allclose(found.predict([new], 300)[0, place], odds / odds.sum(), rtol=1e-4)
