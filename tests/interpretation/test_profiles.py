from dataclasses import replace

import numpy as np
import pytest
import torch

from hexamer.effects import ScoreSettings, score_variants
from hexamer.errors import GenomeError, SettingsError
from hexamer.genome import Interval, Variant
from hexamer.interpretation import profiles
from hexamer.interpretation.profiles import profile_region
from hexamer.tokens import MASK_ID
from hexamer.tokens.alphabet import BASES

SETTINGS = ScoreSettings(scores=("llr",), window=300, phases=2)


def test_one_mask_at_a_time_is_the_exact_score(model, genome, monkeypatch):
    """In windows of which the middle token alone is read, and masked."""
    monkeypatch.setattr(profiles, "KEPT", 0.0)
    for place in (3000, 3001, 3005):
        settings = replace(SETTINGS, strands="forward", phases=1)
        found = profile_region(model, genome, Interval("20", place, place + 1), settings=settings)
        ref = genome.fetch("20", place, place + 1)
        for base in "ACGT":
            if base != ref:
                variant = Variant("20", place + 1, ref, base)
                told = score_variants(model, genome, [variant], ("llr",), window=300, phases=1, strands="forward")
                assert found.ratios[0, BASES.index(base)] == pytest.approx(float(told.table["llr"][0]), abs=1e-5)


@pytest.mark.parametrize("phases", [1, 2, 6])
@pytest.mark.parametrize("strands", ["forward", "both"])
def test_every_base_is_read_once_in_each_way(model, genome, phases, strands):
    settings = replace(SETTINGS, phases=phases, strands=strands)
    done = []
    found = profile_region(model, genome, Interval("20", 1000, 1700), settings=settings, advance=done.append)
    ways = phases * (2 if strands == "both" else 1)
    assert (found.readings == ways).all()
    assert sum(done) == ways * 700
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    rows = np.arange(700)
    own = [BASES.index(base) for base in found.sequence]
    np.testing.assert_allclose(found.ratios[rows, own], 0, atol=1e-9)
    assert ((found.entropy > 0) & (found.entropy <= 2)).all()


def test_masks_are_many_and_apart(model, genome, monkeypatch):
    seen = []
    encode = type(model).encode

    def watch(self, packed, **options):
        seen.extend(part.numpy() for part in packed.ids.split(packed.lengths))
        return encode(self, packed, **options)

    monkeypatch.setattr(type(model), "encode", watch)
    profile_region(model, genome, Interval("20", 1998, 2598), settings=replace(SETTINGS, phases=1, strands="forward"))
    for ids in seen:
        masked = np.flatnonzero(ids == MASK_ID)
        assert len(masked) >= 1
        assert (np.diff(masked) == 7).all()
    assert len(seen) == 7 * 5  # windows of the grid


def test_a_base_gets_the_same_whatever_the_region(model, genome):
    whole = profile_region(model, genome, Interval("20", 1000, 1700), settings=SETTINGS)
    for start, end in ((1000, 1001), (1003, 1260), (1333, 1700)):
        part = profile_region(model, genome, Interval("20", start, end), settings=SETTINGS)
        np.testing.assert_allclose(part.ratios, whole.ratios[start - 1000 : end - 1000], atol=1e-5)
        np.testing.assert_allclose(part.probabilities, whole.probabilities[start - 1000 : end - 1000], atol=1e-6)


def test_both_strands_are_one_question(model, tmp_path):
    """A region and its reverse complement have the same profile, base for complement, if both strands are read."""
    from hexamer.genome import Genome, reverse_complement

    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 600))
    (tmp_path / "a.fa").write_text(f">1\n{letters}\n>2\n{reverse_complement(letters)}\n")
    with Genome(tmp_path / "a.fa") as genome:
        one = profile_region(model, genome, Interval("1", 200, 260), settings=SETTINGS)
        two = profile_region(model, genome, Interval("2", 340, 400), settings=SETTINGS)
    turned = two.ratios[::-1][:, [BASES.index(base) for base in "TAGC"]]
    np.testing.assert_allclose(one.ratios, turned, atol=1e-4)


def test_n_and_the_ends_of_contigs(model, genome):
    found = profile_region(model, genome, Interval("20", 3980, 4070), settings=SETTINGS)
    assert np.isnan(found.ratios[20:70]).all()
    assert (found.readings[:12] == 4).all()
    assert np.isfinite(found.probabilities[80:]).all()
    ends = profile_region(model, genome, Interval("short", 0, 40), settings=SETTINGS)
    assert (ends.readings[6:34] >= 2).all()
    none = profile_region(model, genome, Interval("tiny", 0, 4), settings=SETTINGS)
    assert np.isnan(none.entropy).all()
    with pytest.raises(GenomeError):
        profile_region(model, genome, Interval("20", 8990, 9100))


def test_settings_that_cannot_be(model, genome):
    with pytest.raises(SettingsError, match="grid, and a divisor of 6"):
        profile_region(model, genome, Interval("20", 0, 9), settings=replace(SETTINGS, anchor="variant"))


def test_probabilities_are_sums_over_kmers(model):
    logs = torch.randn(3, 4096, generator=torch.Generator().manual_seed(0)).log_softmax(-1).numpy()
    ratios, expected = profiles._of_bases(np.array([0, 77, 4095]), logs, 6)
    kmers = [[(q // 4 ** (5 - j)) % 4 for j in range(6)] for q in range(4096)]
    for t, own in enumerate((0, 77, 4095)):
        for j in range(6):
            for base in range(4):
                mine = [q for q in range(4096) if kmers[q][j] == base]
                assert expected[t, j, base] == pytest.approx(np.exp(logs[t, mine]).sum(), rel=1e-5)
                (other,) = [q for q in mine if all(kmers[q][i] == kmers[own][i] for i in range(6) if i != j)]
                assert ratios[t, j, base] == pytest.approx(logs[t, other] - logs[t, own], abs=1e-6)


def test_a_logo_has_the_letters_of_the_sequence(model, genome):
    found = profiles.profile_region(model, genome, Interval("20", 3990, 4060), settings=ScoreSettings(window=300))
    for i in (0, 3, 65, 69):
        own = found.probabilities[i, BASES.index(found.sequence[i])]
        assert found.logo[i] == pytest.approx(own * (2 - found.entropy[i]))
        assert 0 <= found.logo[i] <= 2
    assert np.isnan(found.logo[10:60]).all()
