import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hexamer.tokens import LetterReport, bases_to_codes, codes_to_bases, report_letters, reverse_complement

dna = st.text("ACGTN", max_size=60)
anything = st.text("ACGTNacgtnRYKMSWBDHVUu*-. \t\n\r\v\f", max_size=60)
PAIRS = dict(zip("ATCGN", "TAGCN", strict=True))


@given(dna)
def test_round_trip(sequence: str):
    assert codes_to_bases(bases_to_codes(sequence)) == sequence


@given(anything)
def test_any_letter_is_read(sequence: str):
    expected = "".join(b if b in "ACGT" else "N" for b in "".join(sequence.split()).upper())
    assert codes_to_bases(bases_to_codes(sequence)) == expected
    assert (bases_to_codes(sequence.encode()) == bases_to_codes(sequence)).all()


def test_the_order_is_a_t_c_g():
    assert bases_to_codes("ATCGNatcgnU").tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 4]
    assert bases_to_codes("AéC").tolist() == [0, 4, 2]
    assert bases_to_codes("").size == 0


@given(dna)
def test_reverse_complement(sequence: str):
    codes = bases_to_codes(sequence)
    other = reverse_complement(codes)
    assert codes_to_bases(other) == "".join(PAIRS[base] for base in reversed(sequence))
    assert (reverse_complement(other) == codes).all()


def test_reverse_complement_of_a_batch_turns_each_row():
    batch = np.stack([bases_to_codes("AACGN"), bases_to_codes("TTTTA")])
    assert [codes_to_bases(row) for row in reverse_complement(batch)] == ["NCGTT", "TAAAA"]
    assert codes_to_bases(batch[0]) == "AACGN", "the argument is left as it is"


@given(anything)
def test_report_counts_letter_by_letter(sequence: str):
    letters = "".join(sequence.split())
    expected = LetterReport(
        bases=len(letters),
        soft_masked=sum(letter.islower() for letter in letters),
        unknown=sum(letter in "Nn" for letter in letters),
        replaced=sum(letter not in "ACGTNacgtn" for letter in letters),
    )
    assert report_letters(sequence) == report_letters(sequence.encode()) == expected


@given(anything, anything)
def test_reports_add_up(one: str, two: str):
    assert report_letters(one) + report_letters(two) == report_letters(one + two)
    assert LetterReport() + report_letters(one) == report_letters(one)
