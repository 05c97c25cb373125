import hashlib
import random
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexamer.errors import CheckpointError, SettingsError
from hexamer.tokens import Tokenizer, bases_to_codes

KINDS = [("v1", 6), ("v2", 6), ("v2", 3)]
TOKENIZERS = {kind: Tokenizer(*kind) for kind in KINDS}
SPECIALS = {"v1": ["<unk>", "<pad>", "<mask>", "<cls>"], "v2": ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"]}
IDS = {
    (layout, k): {t: i for i, t in enumerate([*SPECIALS[layout], *map("".join, product("ATCG", repeat=k)), *"ATCGN"])}
    for layout, k in KINDS
}

# Runs of any length, so that remainders, runs of N, and both ends of a sequence vary.
letters = st.text("ACGTNacgtnRYKMU", max_size=40)
runs = st.lists(st.one_of(letters, st.text("ACGT", max_size=40), st.text("N", max_size=9)), max_size=8).map("".join)


def cut(sequence: str, k: int) -> list[str]:
    """The obvious twin: the published rule, word for word."""
    tokens = ["<cls>"]
    for segment in re.split("(N)", "".join(b if b in "ACGT" else "N" for b in sequence.upper())):
        while len(segment) >= k:
            tokens.append(segment[:k])
            segment = segment[k:]
        tokens += segment
    return tokens


def twin(sequence: str, kind: tuple[str, int]) -> list[int]:
    return [IDS[kind][token] for token in cut(sequence, kind[1])]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=300, deadline=None)
@given(sequence=runs)
def test_every_sequence_is_cut_by_the_rule(kind: tuple[str, int], sequence: str):
    tokenizer = TOKENIZERS[kind]
    (ids,) = tokenizer.encode([sequence])
    assert ids.tolist() == twin(sequence, kind)
    assert ids.dtype == np.int32
    assert tokenizer.encode([sequence.encode()])[0].tolist() == ids.tolist()
    assert tokenizer.decode(ids) == "".join(b if b in "ACGT" else "N" for b in sequence.upper())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", ["", "N", "NNNNNNN", "A"])
@pytest.mark.parametrize("tail", ["", "N", "NNNNNNNN", "ACGTA"])
def test_long_runs_and_short_runs_agree(kind: tuple[str, int], lead: str, tail: str):
    tokenizer = TOKENIZERS[kind]
    draw = random.Random(1)
    longest = "".join(draw.choice("ACGT") for _ in range(2003))
    middle = longest + "NNN" + longest[:1501] + "N"
    long = lead + middle + tail
    short = lead + "".join(draw.choice("ACGTACGTN") for _ in range(3001)) + tail
    ways = []
    for name in ("_encode_long_runs", "_encode_short_runs"):
        way = getattr(tokenizer, name)
        setattr(tokenizer, name, lambda *a, way=way, name=name: ways.append(name) or way(*a))
    try:
        for sequence in (long, short):
            assert tokenizer.encode([sequence])[0].tolist() == twin(sequence, kind)
    finally:
        del tokenizer._encode_long_runs, tokenizer._encode_short_runs
    assert ways == ["_encode_long_runs", "_encode_short_runs"], "each way ran once"


@pytest.mark.parametrize("kind", KINDS)
def test_more_bases_than_one_block(kind: tuple[str, int]):
    tokenizer = TOKENIZERS[kind]
    sequence = "".join(random.Random(2).choices("ACGT", k=(6 << 16) + 1003))
    assert tokenizer.encode([sequence])[0].tolist() == twin(sequence, kind)


@pytest.mark.parametrize(
    ("layout", "digest"),
    [
        ("v1", "f1b544e27897936b50bbd925850fa8a08b421c33bb9c26e3711c140c061d0d4c"),
        ("v2", "c00e0ad166d6ab3f7540ebc92270392e581bb3106763412f29034b49323e1052"),
    ],
)
def test_vocabulary_is_the_published_file(layout, digest: str):
    text = "\n".join(Tokenizer(layout).vocabulary).encode()
    assert len(text) == 28_718
    assert hashlib.sha256(text).hexdigest() == digest


def test_three_mer_vocabulary():
    vocabulary = Tokenizer("v2", 3).vocabulary
    assert len("\n".join(vocabulary)) == 302
    assert vocabulary == (*SPECIALS["v2"], *map("".join, product("ATCG", repeat=3)), *"ATCGN")


@pytest.mark.parametrize(
    ("kind", "rows", "lines"), [(KINDS[0], 4105, 4107), (KINDS[1], 4107, 4107), (KINDS[2], 75, 75)]
)
def test_sizes(kind, rows: int, lines: int):
    tokenizer = Tokenizer(*kind)
    assert (tokenizer.size, len(tokenizer.vocabulary), len(tokenizer.token_lengths)) == (rows, lines, rows)
    assert tokenizer.n_id == rows - 1
    assert tokenizer.vocabulary[tokenizer.n_id] == "N"
    assert max(twin("G" * 7 + "N", kind)) < rows


@pytest.mark.parametrize(("layout", "acgtgt", "attccg", "letters"), [("v1", 737, 367, 4100), ("v2", 739, 369, 4102)])
def test_spot_ids(layout, acgtgt: int, attccg: int, letters: int):
    tokenizer = Tokenizer(layout)
    assert [tokenizer.kmer_id(kmer) for kmer in ("ACGTGT", "ATTCCG")] == [acgtgt, attccg]
    assert [tokenizer.kmer_id(base) for base in "ATCGN"] == list(range(letters, letters + 5))


def test_the_published_example():
    sequence = "ACGTGTACNTGCACGGANCGACTAGTCTGA"
    tokenizer = Tokenizer()
    (ids,) = tokenizer.encode([sequence])
    assert " ".join(tokenizer.vocabulary[i] for i in ids) == "<cls> ACGTGT A C N TGCACG G A N CGACTA GTCTGA"


def test_decode_writes_specials_except_cls_and_pad():
    tokenizer = Tokenizer()
    assert tokenizer.decode([3, 739, 2, 1, 1]) == "ACGTGT<mask>"
    assert tokenizer.decode([0, 4, 5, 4106]) == "<unk><eos><bos>N"


def test_empty_sequences_and_lists():
    tokenizer = Tokenizer()
    assert [ids.tolist() for ids in tokenizer.encode(["", " \n"])] == [[3], [3]]
    assert tokenizer.encode([]) == []
    assert tokenizer.encode_codes(bases_to_codes("")).size == 0


def test_the_codes_are_left_as_they_are():
    codes = bases_to_codes("ACGNACGTACG").copy()
    before = codes.copy()
    Tokenizer().encode_codes(codes)
    assert (codes == before).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_published_vocabulary_is_recognised(kind):
    tokenizer = Tokenizer.from_vocabulary(Tokenizer(*kind).vocabulary)
    assert (tokenizer.layout, tokenizer.k) == kind
    assert repr(tokenizer) == f"Tokenizer({kind[0]!r}, k={kind[1]})"


def test_another_vocabulary_is_refused():
    lines = list(Tokenizer().vocabulary)
    lines[10], lines[11] = lines[11], lines[10]
    for wrong in (lines, lines[:-1], [], ["A", "C"]):
        with pytest.raises(CheckpointError, match=rf"vocab.txt: {len(wrong)} lines that are no Nucleotide Transformer"):
            Tokenizer.from_vocabulary(wrong)


def test_mistakes_are_told():
    with pytest.raises(SettingsError, match=r"'v3': known layouts are 'v1' and 'v2'"):
        Tokenizer("v3")  # type: ignore[arg-type]
    for k in (0, 8):
        with pytest.raises(SettingsError, match=rf"k = {k}: 1 to 7 would work"):
            Tokenizer("v2", k)
    for one in ("ACGT", b"ACGT"):
        with pytest.raises(SettingsError, match=r"\[sequence\] would work"):
            Tokenizer().encode(one)
    for wrong in ("", "AC", "ACGTACG", "ACGTAN"):
        with pytest.raises(SettingsError, match="is no single token"):
            Tokenizer().kmer_id(wrong)
