import numpy as np
import pytest
from tests.conftest import REFERENCE, write_people

from hexamer.errors import GenomeError, SequenceError
from hexamer.genome import Cohort, Interval, reverse_complement
from hexamer.interpretation.stretches import read_stretch, read_stretches


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_stretch_knows_where_its_bases_lie(genome, strand):
    found = read_stretch(genome, Interval("chr20", 100, 160, strand, "mine"))
    assert found.sequence == genome.fetch_interval(Interval("20", 100, 160, strand))
    assert (found.name, found.chrom, found.strand) == ("mine", "20", strand)
    assert found.places.tolist() == (list(range(100, 160)) if strand == "+" else list(range(159, 99, -1)))
    with pytest.raises(GenomeError):
        read_stretch(genome, Interval("20", 8990, 9010))


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_person_s_stretch_has_inserted_bases_without_a_place(tmp_path, strand):
    path, genome = write_people(
        tmp_path, ["20\t5\t.\tA\tATT\t.\t.\t.\tGT\t1|0", "20\t9\t.\tAC\tA\t.\t.\t.\tGT\t1|0"], ["ann"]
    )
    with Cohort(path, genome, cache=tmp_path) as cohort:
        found = read_stretch(cohort.haplotype("ann", 1), Interval("20", 3, 12, strand))
    letters = REFERENCE[3:5] + "TT" + REFERENCE[5:9] + REFERENCE[10:12]
    places = [3, 4, -1, -1, 5, 6, 7, 8, 10, 11]
    assert found.sequence == (letters if strand == "+" else reverse_complement(letters))
    assert found.places.tolist() == (places if strand == "+" else places[::-1])
    for base, place in zip(letters, places, strict=True):
        assert place < 0 or base == REFERENCE[place]


def test_sequences_of_a_file(tmp_path):
    path = tmp_path / "s.fa"
    path.write_text(">a b\nacgUN\nR\n>c\nAA\n")
    first, second = read_stretches(path)
    assert (first.name, first.sequence) == ("a", "ACGTNN")
    np.testing.assert_array_equal(second.places, [0, 1])
    path.write_text(">a\n>b\nAC\n")
    with pytest.raises((SequenceError, GenomeError), match=r"s\.fa"):
        list(read_stretches(path))
