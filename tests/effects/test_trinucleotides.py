import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from hexamer.effects import trinucleotides
from hexamer.effects.trinucleotides import add_trinucleotides, count_trinucleotides
from hexamer.errors import SettingsError
from hexamer.genome import reverse_complement
from hexamer.tokens import bases_to_codes

KEYS = ["chrom", "pos", "ref", "alt"]


def slow_counts(sequence: str) -> Counter[str]:
    words = [sequence[i : i + 3] for i in range(len(sequence) - 2)]
    words = [word for word in words if "N" not in word]
    return Counter(words) + Counter(map(reverse_complement, words))


@pytest.mark.parametrize("chunk", [7, 1000, 4_000_000])
def test_scores_are_those_of_counting_words(genome, monkeypatch, chunk):
    monkeypatch.setattr(trinucleotides, "_CHUNK", chunk)
    sequence = genome.fetch("20", 0, genome.length("20"))
    counts = slow_counts(sequence)
    rows = []
    for pos in (2, 7, 8, 14, 700, 999, 1000, 1001, 8999):
        for alt in set("ACGT") - {sequence[pos - 1]}:
            rows.append(("chr20", pos, sequence[pos - 1], alt))
    found = add_trinucleotides(pd.DataFrame(rows, columns=KEYS), genome)
    for (_, pos, ref, alt), score in zip(rows, found["trinucleotide"], strict=True):
        left, right = sequence[pos - 2], sequence[pos]
        expected = math.log((counts[left + alt + right] + 1) / (counts[left + ref + right] + 1))
        assert score == pytest.approx(expected, abs=1e-12)
    assert set(found["reason:trinucleotide"]) == {""}


def test_what_has_no_score_has_a_reason(genome):
    base = genome.fetch("20", 99, 100)
    rows = {
        ("9", 5, "A", "C"): "contig_missing",
        ("20", 100, base, base + "A"): "not_snv",
        ("20", 100, base, "R"): "not_snv",
        ("20", 100, "ACGT"[("ACGT".index(base) + 1) % 4], base): "ref_mismatch",
        ("20", 4010, "A", "C"): "non_acgt_window",
        ("20", 1, genome.fetch("20", 0, 1), "N"): "not_snv",
        ("tiny", 4, "T", "A"): "non_acgt_window",
        ("tiny", 9, "T", "A"): "past_end",
    }
    found = add_trinucleotides(pd.DataFrame(list(rows), columns=KEYS), genome)
    assert found["reason:trinucleotide"].tolist() == list(rows.values())
    assert found["trinucleotide"].isna().all()
    with pytest.raises(SettingsError, match="another assembly"):
        add_trinucleotides(pd.DataFrame([("9", 5, "A", "C")], columns=KEYS), genome)


def test_a_sequence_shorter_than_a_trinucleotide_has_none():
    assert count_trinucleotides(bases_to_codes("ACG")).sum() == 1
    assert np.array_equal(count_trinucleotides(bases_to_codes("NNNN")), np.zeros(64))
