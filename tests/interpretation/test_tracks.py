from dataclasses import replace

import numpy as np
import pybigtools
import pytest

from hexamer.effects import ScoreSettings
from hexamer.errors import GenomeError, SettingsError
from hexamer.genome import Interval
from hexamer.interpretation import tracks
from hexamer.interpretation.profiles import profile_region
from hexamer.interpretation.tracks import TRACKS, merge_intervals, write_tracks
from hexamer.tokens.alphabet import BASES

SETTINGS = ScoreSettings(window=300, phases=1, strands="forward")


def read(path, chrom, start, end):
    found = np.full(end - start, np.nan)
    for first, last, value in pybigtools.open(str(path)).records(chrom, start, end):
        found[first - start : last - start] = value
    return found


def test_every_base_has_what_its_profile_says(model, genome, tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "_PIECE", 100)
    seen = []
    intervals = [Interval("20", 1150, 1300), Interval("chr20", 1000, 1200), Interval("short", 0, 40)]
    written = write_tracks(model, genome, intervals, tmp_path / "t", settings=SETTINGS, advance=seen.append)
    assert [path.name for path in written] == [f"t.{name}.bw" for name in TRACKS]
    assert sum(seen) == 340
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(path.name for path in written)
    told = profile_region(model, genome, Interval("20", 1000, 1300), settings=SETTINGS)
    entropy = read(written[4], "20", 1000, 1300)
    np.testing.assert_allclose(entropy, told.entropy, atol=1e-5)
    np.testing.assert_allclose(read(written[5], "20", 1000, 1300), told.logo, atol=1e-5)
    shares = np.stack([read(path, "20", 1000, 1300) for path in written[:4]])
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(shares[2], told.probabilities[:, BASES.index("G")], atol=1e-5)


def test_a_run_that_was_killed_goes_on_and_another_is_refused(model, genome, tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "_PIECE", 100)
    region = [Interval("20", 1000, 1300)]
    whole = write_tracks(model, genome, region, tmp_path / "whole", settings=SETTINGS)
    seen = []

    def stop(count):
        seen.append(count)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tracks(model, genome, region, tmp_path / "t", settings=SETTINGS, advance=stop)
    with pytest.raises(SettingsError, match=r"parts of another run \(settings differ"):
        write_tracks(model, genome, region, tmp_path / "t", settings=replace(SETTINGS, window=240))
    calls = []
    monkeypatch.setattr(tracks, "profile_region", lambda *a, **b: calls.append(a) or profile_region(*a, **b))
    again = write_tracks(model, genome, region, tmp_path / "t", settings=SETTINGS)
    assert len(calls) == 1
    for one, two in zip(whole, again, strict=True):
        np.testing.assert_array_equal(read(one, "20", 1000, 1300), read(two, "20", 1000, 1300))


def test_bases_without_a_token_have_no_value(model, genome, tmp_path):
    written = write_tracks(model, genome, [Interval("20", 3990, 4060)], tmp_path / "n", settings=SETTINGS)
    entropy = read(written[4], "20", 3990, 4060)
    assert np.isnan(entropy[12:58]).all()
    assert np.isfinite(entropy[:3]).all()


def test_intervals_are_joined_and_have_to_be_there(genome):
    found = merge_intervals(genome, [Interval("short", 5, 9), Interval("20", 50, 60, "-"), Interval("chr20", 10, 50)])
    assert [each.region for each in found] == ["20:11-60", "short:6-9"]
    with pytest.raises(GenomeError):
        merge_intervals(genome, [Interval("20", 8000, 9999)])


def test_nothing_to_write(model, genome, tmp_path):
    with pytest.raises(SettingsError, match="no interval has a base"):
        write_tracks(model, genome, [], tmp_path / "t", settings=SETTINGS)


def test_bases_without_a_value_make_no_file(model, genome, tmp_path):
    with pytest.raises(SettingsError, match="all are N, or deleted"):
        write_tracks(model, genome, [Interval("20", 4010, 4030)], tmp_path / "n")
    assert list(tmp_path.iterdir()) == []
