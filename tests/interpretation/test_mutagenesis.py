import numpy as np
import pandas as pd
import pytest

from hexamer.effects import ScoreSettings, score_variants
from hexamer.errors import SettingsError
from hexamer.genome import Interval
from hexamer.interpretation.mutagenesis import list_changes, measure_agreement, saturation_mutagenesis

REGION = Interval("chr20", 2500, 2512)
SETTINGS = ScoreSettings(scores=("llr", "cosine"), window=300, phases=1)


def test_changes_are_those_of_every_base(genome):
    found = list_changes(genome, REGION)
    assert len(found) == 12 * 4
    bases = genome.fetch("20", 2499, 2512)
    for i in range(12):
        some = found[4 * i : 4 * i + 4]
        assert [each.alt for each in some[:3]] == [base for base in "ACGT" if base != bases[i + 1]]
        assert (some[3].pos, some[3].ref, some[3].alt) == (2500 + i, bases[i : i + 2], bases[i])
    assert len(list_changes(genome, REGION, deletions=False)) == 36
    first = list_changes(genome, Interval("20", 0, 1))
    assert (first[-1].pos, first[-1].ref, first[-1].alt) == (1, genome.fetch("20", 0, 2), genome.fetch("20", 1, 2))
    assert list_changes(genome, Interval("20", 4000, 4050)) == []


def test_scores_are_those_of_score_variants_to_the_last_bit(model, genome):
    done = []
    found = saturation_mutagenesis(model, genome, REGION, settings=SETTINGS, advance=done.append)
    assert sum(done) == 48
    told = score_variants(model, genome, list_changes(genome, REGION), ("llr", "cosine"), window=300, phases=1)
    pd.testing.assert_frame_equal(found.table, told.table)
    assert found.manifest["reasons"] == {"": 48}


def test_the_fast_way_has_the_same_rows_and_says_how_far_it_agrees(model, genome):
    settings = ScoreSettings(scores=("llr",), window=300, phases=1)
    region = Interval("20", 3960, 4010)
    fast = saturation_mutagenesis(model, genome, region, deletions=False, fast=True, settings=settings).table
    exact = saturation_mutagenesis(model, genome, region, deletions=False, settings=settings).table
    pd.testing.assert_frame_equal(fast[["chrom", "pos", "ref", "alt"]], exact[["chrom", "pos", "ref", "alt"]])
    both = (fast["reason"] == "") & (exact["reason"] == "")
    assert both.sum() > 100
    r = np.corrcoef(fast["llr"][both], exact["llr"][both])[0, 1]
    assert r > 0.9
    told = measure_agreement(model, [(genome, fast.iloc[:40]), (genome, fast.iloc[40:])], settings=settings, count=1000)
    assert told["changes"] == (fast["reason"] == "").sum()
    assert told["pearson"] == pytest.approx(r, abs=0.02)
    few = measure_agreement(model, [(genome, fast[:2])], settings=settings)
    assert np.isnan(few["pearson"])


def test_what_the_fast_way_cannot_do(model, genome):
    for options in ({"deletions": True}, {"deletions": False, "settings": SETTINGS}):
        with pytest.raises(SettingsError, match="fast: substitutions, and llr, alone"):
            saturation_mutagenesis(model, genome, REGION, fast=True, **options)


def test_a_region_without_bases(model, genome):
    found = saturation_mutagenesis(model, genome, Interval("20", 4010, 4020), settings=SETTINGS)
    assert len(found.table) == 0
    assert list(found.table) == ["chrom", "pos", "ref", "alt", "llr", "cosine", "reason"]
