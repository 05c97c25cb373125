from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.benchmark import copies
from hexamer.benchmark.copies import LEAST_WORDS, find_copies, group_copies
from hexamer.benchmark.sequences import Sequences
from hexamer.genome import reverse_complement
from hexamer.tokens import bases_to_codes

K = 8
# Few letters and few sequences to cut from: many are alike, in part, or have repeats.
SOURCES = ["".join(np.random.default_rng(seed).choice(list("ACGT"), 90)) for seed in range(3)] + ["ACG" * 30, "A" * 90]


@st.composite
def windows(draw):
    """A piece of one of few sequences, with changes, on either strand."""
    source = draw(st.sampled_from(SOURCES))
    start, length = draw(st.integers(0, 60)), draw(st.integers(0, 70))
    bases = list(source[start : start + length])
    for place in draw(st.lists(st.integers(0, 89), max_size=3)):
        if place < len(bases):
            bases[place] = draw(st.sampled_from("ACGTN"))
    text = "".join(bases)
    return reverse_complement(text) if draw(st.booleans()) else text


TABLE = st.lists(windows(), min_size=1, max_size=6)
quick = settings(deadline=None, max_examples=60)


def find(train, test, labels=None, **options):
    one, other = (Sequences.of([bases_to_codes(text) for text in texts]) for texts in (train, test))
    classes = labels or ([0] * len(train), [0] * len(test))
    return find_copies(one, other, tuple(np.array(part, dtype=np.int64) for part in classes), **{"k": K, **options})


def k_mers(text: str, k: int = K) -> Counter[str]:
    words = [text[i : i + k] for i in range(len(text) - k + 1)]
    return Counter(min(word, reverse_complement(word)) for word in words if "N" not in word)


def containment(one: str, other: str, k: int = K) -> float:
    a, b = k_mers(one, k), k_mers(other, k)
    least = min(a.total(), b.total())
    return (a & b).total() / least if least >= copies.LEAST_WORDS else 0.0


def expected(train: list[str], test: list[str], threshold: float) -> list[tuple[int, str, float]]:
    """The slow obvious twin: every pair, with dictionaries of k-mers."""
    found = []
    for row, text in enumerate(test):
        best = max((containment(text, other) for other in train), default=0.0)
        if not set(text) & set("ACGT"):
            continue
        if text in train:
            found.append((row, "exact", 1.0))
        elif reverse_complement(text) in train:
            found.append((row, "reverse_complement", 1.0))
        elif best >= threshold:
            found.append((row, "near", best))
    return found


def rows_of(table: pd.DataFrame) -> list[tuple[int, str, float]]:
    return list(table[["test_row", "kind", "containment"]].itertuples(index=False, name=None))


@given(TABLE, TABLE, st.sampled_from([0.2, 0.4, 0.9, 1.0]))
@quick
def test_by_brute_force(train, test, threshold):
    found = find(train, test, threshold=threshold)
    assert rows_of(found.table) == expected(train, test, threshold)
    for row in found.table[found.table["kind"] == "near"].itertuples():
        assert containment(train[row.train_row], test[row.test_row]) == row.containment


@given(TABLE, TABLE)
@quick
def test_sketches_make_no_false_pair(train, test):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "_sampling", lambda words: 4)
        found = find(train, test).table
    for row in found[found["kind"] == "near"].itertuples():
        assert 0.4 <= row.containment == containment(train[row.train_row], test[row.test_row])
    assert {row[:2] for row in rows_of(found)} <= {row[:2] for row in expected(train, test, 0.4)}


@given(TABLE, TABLE, st.data())
@quick
def test_strands_capitals_and_order_make_no_difference(train, test, data):
    before = find(train, test).table
    turned = [data.draw(st.booleans()) for _ in test]
    others = [reverse_complement(text) if turn else text for text, turn in zip(test, turned, strict=True)]
    order = data.draw(st.permutations(range(len(train))))
    after = find([train[i].lower() for i in order], others).table
    assert after["test_row"].tolist() == before["test_row"].tolist()
    assert after["containment"].tolist() == before["containment"].tolist()
    near = [
        table[table["kind"] == "near"][["test_row", "containment"]].to_numpy().tolist() for table in (before, after)
    ]
    assert near[0] == near[1]


@given(TABLE, TABLE, st.data())
@quick
def test_the_order_of_test_moves_rows_alone(train, test, data):
    order = data.draw(st.permutations(range(len(test))))
    before, after = find(train, test).table, find(train, [test[i] for i in order]).table
    after = after.assign(test_row=np.array(order, dtype=int)[after["test_row"]]).sort_values("test_row")
    assert after.to_numpy().tolist() == before.to_numpy().tolist()


@given(TABLE, TABLE, st.integers(0, 5))
@quick
def test_a_planted_copy_is_found(train, test, place):
    planted = test[min(place, len(test) - 1)]
    turned, known = reverse_complement(planted), bool(set(planted) & set("ACGT"))
    kinds = find([planted, *train], [*test, planted]).table.set_index("test_row")["kind"]
    assert kinds.get(len(test)) == ("exact" if known else None)
    kinds = find([turned], [planted]).table["kind"].tolist()
    assert kinds == (["exact" if turned == planted else "reverse_complement"] if known else [])


def random_bases(rng: np.random.Generator, size: int) -> str:
    return "".join(rng.choice(list("ACGT"), size))


@pytest.fixture(scope="module")
def long_windows():
    """Windows of 1,000 bases: 100 of training, and of test 20 strangers and 30 that half overlap the first ones."""
    rng = np.random.default_rng(1)
    contigs = [random_bases(rng, 1500) for _ in range(100)]
    test = [random_bases(rng, 1000) for _ in range(20)] + [contig[500:] for contig in contigs[:30]]
    return [contig[:1000] for contig in contigs], test


def test_windows_that_half_overlap_are_found_by_sketches(long_windows):
    train, test = long_windows
    assert copies._sampling(np.full(100, 989)) == 8, "as it is meant to be: one k-mer of eight"
    found = find(train, test, k=12).table
    assert found["test_row"].tolist() == list(range(20, 50))
    assert found["train_row"].tolist() == list(range(30))
    assert found["containment"].to_numpy() == pytest.approx(489 / 989, abs=0.002)
    assert set(found["kind"]) == {"near"}


def test_no_way_of_cutting_the_work_changes_the_result(long_windows, monkeypatch):
    train, test = long_windows
    whole = find(train, test, k=12).table
    for name, value in {"_CELLS": 50, "_KEPT": 1}.items():
        monkeypatch.setattr(copies, name, value)
        pd.testing.assert_frame_equal(find(train, test, k=12).table, whole)
    counted = []
    find(train, test, k=12, advance=counted.append)
    assert sum(counted) == len(train)
    assert len(counted) > 1


def test_substitutions_on_the_other_strand_are_near():
    rng = np.random.default_rng(2)
    text = random_bases(rng, 400)
    changed = list(text)
    for place in range(20, 400, 40):
        changed[place] = "ACGT"[("ACGT".index(changed[place]) + 1) % 4]
    (found,) = rows_of(find([random_bases(rng, 400), reverse_complement("".join(changed))], [text], k=12).table)
    assert found[:2] == (0, "near")
    assert found[2] == pytest.approx(0.7, abs=0.01), "each change breaks twelve 12-mers of forty"


def test_repeats_of_one_motif_are_alike_by_their_length():
    rng = np.random.default_rng(3)
    repeat = "CA" * 100
    train = [random_bases(rng, 170) + "CA" * 15]
    assert find(train, [repeat], k=12).table.empty
    (found,) = rows_of(find(["CA" * 80 + random_bases(rng, 40)], [repeat], k=12).table)
    assert found[2] == pytest.approx(149 / 189, abs=0.01)


def test_of_several_copies_the_first_row_and_any_other_label():
    one, other = SOURCES[:2]
    train = [other, one, one, reverse_complement(one), one[:60], other]
    found = find(train, [one, other, reverse_complement(other), one[10:70]], ([0, 0, 1, 0, 0, 0], [0, 0, 1, 0])).table
    assert found["train_row"].tolist() == [1, 0, 0, 1]
    assert found["kind"].tolist() == ["exact", "exact", "reverse_complement", "near"]
    assert found["conflict"].tolist() == [True, False, True, True]


def test_sequences_without_bases_or_k_mers():
    rows = ["", "NNNNNNNNNN", "ACGTAC", "acgtac", "ACGTNACGTNACGTN" * 4]
    found = find(rows, rows[:-1])
    assert rows_of(found.table) == [(2, "exact", 1.0), (3, "exact", 1.0)]
    assert found.too_short == (3, 2)
    assert found.groups[0][:2].tolist() == [-1, -1]
    assert find(["N"], ["ACGT" * 20]).table.empty
    assert find(["ACGT" * 20], ["N"]).table.empty


@quick
@given(st.lists(windows(), min_size=1, max_size=9))
def test_groups_are_chains_of_copies(texts):
    sequences = Sequences.of([bases_to_codes(text) for text in texts])
    found = group_copies(sequences, k=K, threshold=0.4)
    sizes = [sum(k_mers(text).values()) for text in texts]
    near = np.eye(len(texts), dtype=bool)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            same = one.upper() in (other.upper(), reverse_complement(other.upper()))
            alike = min(sizes[i], sizes[j]) >= LEAST_WORDS and containment(one, other) >= 0.4
            near[i, j] |= (same and any(base in "ACGT" for base in one)) or alike
    for _ in texts:
        near = near @ near
    np.testing.assert_array_equal(found[:, None] == found[None, :], near)


def test_groups_of_many_rows_with_sketches():
    rng = np.random.default_rng(1)
    sources = ["".join(rng.choice(list("ACGT"), 400)) for _ in range(30)]
    rows = [source[start : start + 300] for source in sources for start in (0, 40, 80)]
    order = rng.permutation(len(rows))
    found = group_copies(Sequences.of([bases_to_codes(rows[i]) for i in order]))
    wanted = order // 3
    assert len(set(zip(found.tolist(), wanted.tolist(), strict=True))) == len(set(found.tolist())) == 30
