import gzip
import sys

import numpy as np
import pandas as pd
import pytest

from hexamer.errors import InputError, SequenceError
from hexamer.genome import reverse_complement
from hexamer.interpretation.motifs import ORDER, Motif, match_motifs, read_motifs
from hexamer.interpretation.seqlets import find_seqlets

# Counts of JASPAR 2024 (CC BY 4.0), newest versions of their matrices.
JASPAR = """\
>MA0001.3	AGL3	taxid=3702
A [ 0 0 82 40 56 35 65 25 64 0 ]
C [ 92 79 1 4 0 0 1 4 0 0 ]
G [ 0 0 2 3 1 0 4 3 28 92 ]
T [ 3 16 10 48 38 60 25 63 3 3 ]
>MA0002.3	Runx1	taxid=10090
A [ 123 57 0 87 0 17 10 131 500 ]
C [ 1072 0 75 127 0 42 400 463 158 ]
G [ 149 7 1872 70 1987 1848 251 81 289 ]
T [ 656 1936 53 1716 13 93 1339 1325 1053 ]
"""
MEME = """\
MEME version 4

ALPHABET= ACGT

strands: + -

MOTIF MA1 first
letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0
 0.25 0.25  0.5 0
 1 0 0 0
URL http://example.org

MOTIF second
letter-probability matrix: alength= 4 w= 1 nsites= 20 E= 0
0 0 0 1
"""


def test_counts_of_jaspar(tmp_path):
    (tmp_path / "m.pfm").write_text(JASPAR)
    (tmp_path / "m.gz").write_bytes(gzip.compress(JASPAR.encode()))
    plain = "\n".join(line.lstrip("ACGT").strip(" []") if line[0] in "ACGT" else line for line in JASPAR.splitlines())
    (tmp_path / "plain").write_text(plain)
    for name in ("m.pfm", "m.gz", "plain"):
        first, second = read_motifs(tmp_path / name)
        assert (first.id, first.name, second.name) == ("MA0001.3", "AGL3", "Runx1")
        np.testing.assert_allclose(first.letters[:, 0], [0, 92 / 95, 0, 3 / 95])
        assert second.letters.shape == (4, 9)
        np.testing.assert_allclose(second.letters.sum(axis=0), 1)


def test_motifs_of_meme(tmp_path):
    (tmp_path / "m.meme").write_text(MEME)
    first, second = read_motifs(tmp_path / "m.meme")
    assert (first.id, first.name, second.id, second.name) == ("MA1", "first", "second", "second")
    np.testing.assert_allclose(first.letters, [[0.25, 1], [0.25, 0], [0.5, 0], [0, 0]])
    np.testing.assert_allclose(second.letters[:, 0], [0, 0, 0, 1])


DAMAGED = {
    "something else": ("chr1\t5\t9\n", "MEME's format or JASPAR's counts would work"),
    "nothing": ("\n\n", "begins with ''"),
    "no motif": ("MEME version 4\n", "no line MOTIF"),
    "a motif without numbers": ("MEME version 4\nMOTIF a\nMOTIF b\n", ":2: 'MOTIF a' has no letter-probability"),
    "an empty matrix": ("MEME version 4\nMOTIF a\nletter-probability matrix: w= 0\n", "motif a: rows of nothing"),
    "three numbers": ("MEME version 4\nMOTIF a\nletter-probability matrix:\n0.5 0.5 0\n", ":4: '0.5 0.5 0'; four"),
    "a word": ("MEME version 4\nMOTIF a\nletter-probability matrix:\n0.5 0.5 0 x\n", ":4: .*; numbers would work"),
    "proteins": ("MEME version 4\nALPHABET= ACDEFGHIKLMNPQRSTVWY\nMOTIF a\n", "motifs of DNA"),
    "a row too few": (">a b\nA [ 1 2 ]\nC [ 1 2 ]\nG [ 1 2 ]\n", ":1: motif a: rows of 2, 2, 2; four of one length"),
    "rows of two lengths": (">a b\nA [ 1 2 ]\nC [ 1 ]\nG [ 1 2 ]\nT [ 1 2 ]\n", "rows of 2, 1, 2, 2"),
    "another order": (">a b\nA [ 1 2 ]\nG [ 1 ]\nC [ 1 2 ]\nT [ 1 2 ]\n", ":3: .*; rows A, C, G, T in this order"),
    "a column of zeros": (">a b\n1 0\n1 0\n1 0\n1 0\n", "in each column some above 0"),
    "a negative count": (">a b\n1 1\n-1 1\n1 1\n1 1\n", "numbers of 0 or more"),
    "a count that is none": (">a b\n1 1\nx 1\n1 1\n1 1\n", ":3: "),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_one_line(tmp_path, case):
    text, part = DAMAGED[case]
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(InputError, match=part) as error:
        read_motifs(tmp_path / "m.txt")
    assert str(error.value).startswith(str(tmp_path / "m.txt"))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        read_motifs(tmp_path / "none")


# ---- matching ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def motifs(tmp_path_factory):
    """Two of JASPAR, and 60 of which each place has a letter that is seen nine times of ten."""
    path = tmp_path_factory.mktemp("motifs") / "m.pfm"
    path.write_text(JASPAR)
    draw, made = np.random.default_rng(1), read_motifs(path)
    for number in range(60):
        letters = np.full((4, 10), 0.1 / 3)
        letters[draw.integers(0, 4, 10), np.arange(10)] = 0.9
        made.append(Motif(f"X{number}", f"x{number}", letters))
    return made


def best(motif):
    return "".join(ORDER[i] for i in motif.letters.argmax(axis=0))


def test_planted_motifs_are_recovered_where_they_are_and_random_bases_are_not(motifs):
    """From scores to motifs: bases of planted sites matter, on either strand, among bases that do not."""
    draw = np.random.default_rng(2)
    letters, scores, told = [], [], []
    for number in range(12):
        sequence = "".join(draw.choice(list(ORDER), 200))
        site = best(motifs[number]) if number % 2 else reverse_complement(best(motifs[number]))
        values = draw.normal(size=200)
        values[90 : 90 + len(site)] += 5
        letters.append(sequence[:90] + site + sequence[90 + len(site) :])
        scores.append(values)
        told.append((motifs[number].id, "+" if number % 2 else "-", len(site)))
    seqlets = find_seqlets(scores, level=0.01, flank=3)
    strong = seqlets[seqlets["score"] > 20].reset_index(drop=True)
    assert strong["sequence"].tolist() == list(range(12))
    rows = zip(strong["sequence"], strong["start"], strong["end"], strict=True)
    found = match_motifs([letters[i][start:end] for i, start, end in rows], motifs, nearest=1)
    assert found["motif"].tolist() == [ident for ident, _, _ in told]
    assert found["motif_strand"].tolist() == [strand for _, strand, _ in told]
    assert (strong["start"] + found["motif_offset"]).tolist() == [90] * 12
    assert found["overlap"].tolist() == [size for _, _, size in told]
    assert (found["q"][2:] < 0.01).all()  # JASPAR's two are less sharp than the others
    null = match_motifs(["".join(draw.choice(list(ORDER), 16)) for _ in range(12)], motifs, nearest=1)
    assert (null["q"] > 0.05).sum() >= 11


def test_every_seqlet_has_its_nearest_motifs_best_first(motifs):
    found = match_motifs(["ACGTNACG", "TTTTTTTT"], motifs, nearest=4)
    assert found["seqlet"].tolist() == [0] * 4 + [1] * 4
    assert all(own["p"].is_monotonic_increasing for _, own in found.groupby("seqlet"))
    assert (found["q"] >= found["p"]).all()
    assert list(match_motifs([], motifs).columns) == list(found.columns)
    assert len(match_motifs(["ACGTACG"], motifs[:3], nearest=9)) == 3


def test_bases_that_do_not_count_may_be_any(motifs):
    """Half of a motif, and noise that weighs nothing: surer than with the noise."""
    letters, weights = best(motifs[5])[:6] + "AAAAAA", [np.repeat([1.0, 0.0], 6)]
    plain, weighted = (match_motifs([letters], motifs, weights=w, nearest=1) for w in (None, weights))
    assert weighted["motif"].tolist() == [motifs[5].id]
    assert weighted["p"][0] < plain["p"][0]
    all_of_it = match_motifs([letters], motifs, weights=[np.ones(12)], nearest=1)
    assert all_of_it.equals(plain)


def test_what_cannot_be_matched(motifs, monkeypatch):
    with pytest.raises(SequenceError, match="sequence 1 has no base"):
        match_motifs(["ACGT", ""], motifs)
    with pytest.raises(InputError, match="no motif to compare with"):
        match_motifs(["ACGT"], [])
    monkeypatch.setitem(sys.modules, "memelite", None)
    with pytest.raises(InputError, match=r"package memelite; pip install 'hexamer\[interpret\]'"):
        match_motifs(["ACGT"], motifs)


def test_an_empty_result_is_a_table(motifs):
    assert isinstance(match_motifs([], motifs), pd.DataFrame)


def test_a_matrix_cut_short_is_no_motif(tmp_path):
    rows = "0.25 0.25 0.25 0.25\n" * 2
    head = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF M1 one\nletter-probability matrix: alength= 4 w= {}\n"
    (tmp_path / "short.meme").write_text(head.format(10) + rows)
    with pytest.raises(InputError, match="has 2 rows, not w= 10"):
        read_motifs(tmp_path / "short.meme")
    (tmp_path / "whole.meme").write_text(head.format(2) + rows)
    assert read_motifs(tmp_path / "whole.meme")[0].letters.shape == (4, 2)
