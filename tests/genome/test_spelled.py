import pickle

import numpy as np
import pytest
from tests.conftest import REFERENCE, write_people

from hexamer.errors import GenomeError
from hexamer.genome import Cohort, Interval, SequenceGenome, spell

RECORDS = [
    "20\t3\t.\tG\tGTT\t.\t.\t.\tGT\t1|0\t0|0\t0|0",
    "20\t6\t.\tCGT\tC\t.\t.\t.\tGT\t1|0\t0|0\t0|0",
]


@pytest.fixture
def ann(tmp_path):
    with Cohort(*write_people(tmp_path, RECORDS)) as cohort:
        yield cohort.haplotype("ann", 1)


def test_a_region_and_what_lies_around_it(ann):
    found = spell(ann, Interval("20", 4, 12, "-", "here"), margin=2)
    assert found.genome.contigs == {"chr20": 12}
    assert found.genome.fetch("20", 0, 12) == "GTTTACACGTAC"
    assert (found.interval.start, found.interval.end) == (4, 10)
    assert (found.interval.strand, found.interval.name) == ("-", "here")


def test_places_and_insertions(ann):
    found = spell(ann, Interval("20", 0, 20), margin=5)
    assert found.genome.fetch("20", 0, 20) == ann.fetch("20", 0, 20)
    reference, inserted = found.to_reference(np.arange(12))
    assert reference.tolist() == [0, 1, 2, 2, 2, 3, 4, 5, 8, 9, 10, 11]
    assert inserted.tolist() == [0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0]
    own = inserted == 0
    sequence = found.genome.fetch("20", 0, 12)
    assert all(sequence[i] == REFERENCE[place] for i, place in zip(np.flatnonzero(own), reference[own], strict=True))


def test_beginnings_lie_on_a_grid_from_both_ends(ann):
    for start, end in ((9, 10), (13, 15), (18, 20)):
        found = spell(ann, Interval("20", start, end), margin=2, step=6)
        first, last = int(found.places[0]), int(found.places[-1]) + 1
        assert first % 6 == 0
        assert (20 - last) % 6 == 0
        assert max(0, start - 2) - 6 < first <= max(0, start - 2)
        assert min(20, end + 2) <= last < min(20, end + 2) + 6


def test_what_is_deleted_has_no_place(ann):
    assert spell(ann, Interval("20", 6, 8), margin=4).interval is None
    with pytest.raises(GenomeError, match="runs off"):
        spell(ann, Interval("20", 6, 28), margin=4)


def test_letters_answer_as_a_genome(tmp_path):
    genome = SequenceGenome({"chr20": "ACGTNN"}, tmp_path / "x.fa")
    again = pickle.loads(pickle.dumps(genome))
    assert again.fetch_interval(Interval("20", 1, 5, "-")) == "NACG"
    assert again.count_letters("20")["n"] == 2
    with again, pytest.raises(GenomeError, match=r"x\.fa, which has 6 bases"):
        again.fetch("20", 4, 7)
