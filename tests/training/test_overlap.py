import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import SettingsError
from hexamer.genome import reverse_complement
from hexamer.tokens import GenomeSource, bases_to_codes, build_corpus
from hexamer.training import overlap
from hexamer.training.overlap import hash_words, measure_overlap

DNA = st.text("ACGTN", max_size=200)


def words(text: str, k: int) -> list[str]:
    """Words without N, each as the lesser of it and its reverse complement."""
    found = [text[i : i + k] for i in range(len(text) - k + 1)]
    return [min(word, reverse_complement(word)) for word in found if "N" not in word]


@given(DNA, st.sampled_from([2, 4, 6, 22, 60, 62]))
@settings(deadline=None)
def test_words_and_their_reverse_complements_share_a_hash_and_others_do_not(text, k):
    hashes = hash_words(bases_to_codes(text), k)
    expected = words(text, k)
    assert len(hashes) == len(expected)
    assert len(set(zip(hashes.tolist(), expected, strict=True))) == len(set(hashes.tolist())) == len(set(expected))
    back = hash_words(bases_to_codes(reverse_complement(text)), k)
    assert back[::-1].tolist() == hashes.tolist()


def random_bases(rng: np.random.Generator, size: int) -> str:
    return "".join(rng.choice(list("ACGT"), size))


@pytest.fixture
def corpus(tmp_path):
    """Half of `one`'s held-out contig stands in its own training contig, turned; a fifth of it in `two`'s."""
    rng = np.random.default_rng(0)
    held = random_bases(rng, 1000)
    own = random_bases(rng, 700) + reverse_complement(held[:500]) + "N" * 5 + random_bases(rng, 300)
    other = random_bases(rng, 400) + held[800:]
    (tmp_path / "one.fa").write_text(f">train\n{own}\n>held\n{held}\n")
    (tmp_path / "two.fa").write_text(f">a\n{other}\n>b\n{random_bases(rng, 300)}\n")
    sources = [
        GenomeSource(fasta=str(tmp_path / "one.fa"), hold_out=("held",)),
        GenomeSource(fasta=str(tmp_path / "two.fa"), hold_out=("b",)),
    ]
    return build_corpus(sources, tmp_path / "corpus")


def test_shares_by_brute_force(corpus, monkeypatch):
    training = {
        name: {w for codes in corpus.training_codes(name) for w in words(text(codes), 60)} for name in corpus.genomes
    }
    expected = []
    for name in corpus.genomes:
        held = [w for span in corpus.spans(name, held_out=True) for w in words(text(corpus.read(span)), 60)]
        everything = set().union(*training.values())
        expected.append(
            [name, len(held), np.mean([w in everything for w in held]), np.mean([w in training[name] for w in held])]
        )
    assert expected[0][1:] == pytest.approx([941, (441 + 141) / 941, 441 / 941], abs=0.01), "as it is meant to be"
    for piece in (overlap._PIECE, 97):
        monkeypatch.setattr(overlap, "_PIECE", piece)
        assert measure_overlap(corpus).to_numpy().tolist() == expected


def text(codes) -> str:
    return "".join("ATCGN"[code] for code in codes)


def test_a_sample_where_there_are_too_many(corpus, monkeypatch):
    whole = measure_overlap(corpus, k=20)
    monkeypatch.setattr(overlap, "_MOST", 400)
    sampled = measure_overlap(corpus, k=20)
    assert sampled["words"].iloc[0] != whole["words"].iloc[0]
    assert sampled["words"].iloc[0] == pytest.approx(whole["words"].iloc[0], rel=0.2)
    assert sampled["seen"].iloc[0] == pytest.approx(whole["seen"].iloc[0], abs=0.1)


def test_no_held_out_word(tmp_path):
    (tmp_path / "a.fa").write_text(">a\n" + "ACGT" * 50 + "\n>b\n" + "N" * 100 + "\n")
    table = measure_overlap(build_corpus([GenomeSource(fasta=str(tmp_path / "a.fa"), hold_out=("b",))], tmp_path / "c"))
    assert table["words"].tolist() == [0]
    assert table["seen"].isna().all()


def test_mistakes(corpus, tmp_path):
    for k in (0, 61, 64):
        with pytest.raises(SettingsError, match=f"k = {k}; an even number from 2 to 62"):
            measure_overlap(corpus, k=k)
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    with pytest.raises(SettingsError, match="no genome has a held-out region"):
        measure_overlap(build_corpus([GenomeSource(fasta=str(tmp_path / "a.fa"))], tmp_path / "c"))
