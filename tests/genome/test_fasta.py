import gzip
import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hexamer.errors import GenomeError
from hexamer.genome import Genome, Interval, read_sequences, reverse_complement

LETTERS = "ACGTNacgtnRYKMU"
KINDS = ("plain", "gzip", "bgzip", "uneven", "crlf")


def write(path: Path, sequences: dict[str, str], kind: str = "plain", width: int = 7) -> Path:
    """The obvious twin of the index: FASTA in each way it may be stored."""
    end = "\r\n" if kind == "crlf" else "\n"
    text = ""
    for name, sequence in sequences.items():
        lines = [sequence[i : i + width] for i in range(0, len(sequence), width)]
        if kind == "uneven" and lines:
            lines = ["", lines[0][:2], lines[0][2:], "", *lines[1:]]
        text += f">{name} a description{end}" + "".join(line + end for line in lines)
    if kind == "bgzip":
        with pysam.BGZFile(str(path), "wb", None) as out:
            # Small blocks, so that reads cross from one to the next.
            for start in range(0, len(text), 1000):
                out.write(text[start : start + 1000].encode())
                out.flush()
    else:
        path.write_bytes(gzip.compress(text.encode()) if kind == "gzip" else text.encode())
    return path


def plain(sequence: str) -> str:
    return "".join(base if base in "ACGT" else "N" for base in sequence.upper())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_fetch_is_a_slice_of_the_plain_string(tmp_path_factory: pytest.TempPathFactory, kind: str, data):
    folder = tmp_path_factory.mktemp("fasta")
    one = st.text(LETTERS, max_size=60)
    sequences = {"chr1": data.draw(one), "empty": "", "chr2": data.draw(one), "last": data.draw(one)}
    path = write(folder / "with space.fa", sequences, kind)
    with Genome(path, cache=folder / "cache") as genome:
        assert genome.contigs == {name: len(sequence) for name, sequence in sequences.items()}
        for name, sequence in sequences.items():
            start = data.draw(st.integers(0, len(sequence)))
            end = data.draw(st.integers(start, len(sequence)))
            assert genome.fetch(name, start, end) == plain(sequence)[start:end]
            if end > start:
                minus = genome.fetch_interval(Interval(name, start, end, "-"))
                assert minus == reverse_complement(plain(sequence)[start:end])
            counts = genome.count_letters(name)
            assert counts["acgt"] == sum(base in "ACGTacgt" for base in sequence)
            assert counts["n"] == sum(base in "Nn" for base in sequence)
            assert counts["acgt"] + counts["n"] + counts["iupac"] == len(sequence)
            assert counts["soft_masked"] == sum(base.islower() for base in sequence)
    assert list(read_sequences(path)) == list(sequences.items())


def test_many_bgzip_blocks(tmp_path: Path):
    sequence = "ACGTTGCANN" * 3_000
    with Genome(write(tmp_path / "x.fa.gz", {"a": sequence, "b": sequence[5:]}, "bgzip", width=61)) as genome:
        for start in range(0, len(sequence) - 200, 97):
            assert genome.fetch("a", start, start + 150) == sequence[start : start + 150]
        assert genome.fetch("b", 29_900, 29_995) == sequence[5:][29_900:]


# Names


def test_aliases(tmp_path: Path):
    sequences = dict.fromkeys(("chr20", "chrX", "chrM", "chr1_gl000191_random"), "ACGT")
    genome = Genome(write(tmp_path / "x.fa", sequences))
    for name in ("chr20", "20", "CHR20", "Chr20", "NC_000020.10", "NC_000020.11"):
        assert genome.resolve(name) == "chr20"
        assert name in genome
    for name in ("X", "chrx", "NC_000023.10", "NC_000023.11"):
        assert genome.resolve(name) == "chrX"
    for name in ("M", "MT", "chrMT", "mt", "NC_012920.1"):
        assert genome.resolve(name) == "chrM"
    assert genome.fetch("MT", 1, 3) == "CG"
    assert genome.length("20") == 4
    assert "NC_000067.6" not in genome  # chromosome 1 of the mouse
    assert 20 not in genome


def test_accessions_of_two_assemblies_are_not_mixed(tmp_path: Path):
    genome = Genome(write(tmp_path / "x.fa", {"NC_000020.10": "ACGT"}))
    assert genome.resolve("chr20") == "NC_000020.10"
    with pytest.raises(GenomeError, match=r"'NC_000020.11' is not in .*did you mean NC_000020.10"):
        genome.resolve("NC_000020.11")


def test_the_exact_name_wins_and_a_doubtful_one_is_refused(tmp_path: Path):
    genome = Genome(write(tmp_path / "x.fa", {"20": "A", "chr20": "C", "chr7": "G"}))
    assert (genome.fetch("20", 0, 1), genome.fetch("chr20", 0, 1)) == ("A", "C")
    with pytest.raises(GenomeError, match=r"'CHR20' may be any of 20, chr20 in .*x\.fa; use one of them"):
        genome.resolve("CHR20")


def test_an_unknown_contig_names_file_and_neighbours(tmp_path: Path):
    genome = Genome(write(tmp_path / "x.fa", {f"chr{i}": "A" for i in range(1, 10)}))
    with pytest.raises(GenomeError) as caught:
        genome.fetch("chr77", 0, 1)
    for part in ("'chr77'", "x.fa", "9 contig(s): chr1, chr2, chr3, chr4, chr5, ...", "did you mean chr7?"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 5), (3, 2), (5, 5)])
def test_off_the_end(tmp_path: Path, start: int, end: int):
    genome = Genome(write(tmp_path / "x.fa", {"chr1": "ACGT"}))
    with pytest.raises(GenomeError, match=rf"start {start} end {end} runs off contig chr1 of .*has 4 bases; expected"):
        genome.fetch("1", start, end)
    assert genome.fetch("1", 4, 4) == ""


# Processes and threads


def test_an_open_genome_can_be_pickled_forked_and_shared_by_threads(tmp_path: Path):
    sequence = "ACGTTGCAAN" * 3_000
    genome = Genome(write(tmp_path / "x.fa", {"chr1": sequence}))
    assert pickle.loads(pickle.dumps(genome)).fetch("1", 5, 25) == sequence[5:25]
    expected = [sequence[i : i + 700] for i in range(0, 20_000, 50)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda i: genome.fetch("1", i, i + 700), range(0, 20_000, 50))) == expected
    genome._process = -1  # as a child of fork finds it
    assert genome.fetch("1", 5, 25) == sequence[5:25]
    genome.close()
    with pytest.raises(GenomeError, match="was it closed"):
        genome.fetch("1", 0, 1)


# Files that are not what they should be


MALFORMED = [
    (b"", ["the file is empty"]),
    (b"\n\n", ["not FASTA: no line begins with '>'"]),
    (b"ACGT\n", [":1: not FASTA", "begins with '>'", "'ACGT"]),
    (b"@read\nACGT\n+\nIIII\n", [":1: not FASTA"]),
    (b"\xef\xbb\xbf>chr1\nACGT\n", [":1:", "byte-order mark"]),
    (b">chr1\nAC\x00GT\n", [":2: byte 0x00 in a sequence"]),
    (gzip.compress(b">chr1\n" + bytes(range(65, 91)) * 500)[:-20], ["cut short", "download"]),
]


@pytest.mark.parametrize(("content", "parts"), MALFORMED)
def test_malformed_fasta_says_where_and_what(tmp_path: Path, content: bytes, parts: list[str]):
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    for read in (Genome, lambda path: list(read_sequences(path))):
        with pytest.raises(GenomeError) as caught:
            read(path)
        message = str(caught.value)
        assert "\n" not in message
        assert all(part in message for part in ["x.fa", *parts]), message
    assert not (tmp_path / "x.fa.fai").exists()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b">chr1 a\nAC\n>chr2\nA\n>chr1 b\nGT\n", [":5: contig 'chr1' was already on line 1"]),
        (b">\nACGT\n", [":1: a sequence without a name"]),
        (b">chr1\rACGT\r", [":1: lines end in a lone carriage return", "tr '\\r' '\\n'"]),
        (">chré\nACGT\n".encode(), [":1: the name", "not ASCII"]),
    ],
)
def test_names_that_a_genome_cannot_have(tmp_path: Path, content: bytes, parts: list[str]):
    for store in (bytes, gzip.compress):
        path = tmp_path / "x.fa"
        path.write_bytes(store(content))
        with pytest.raises(GenomeError) as caught:
            Genome(path)
        assert all(part in str(caught.value) for part in parts), caught.value
        list(read_sequences(path))  # as they are


def test_a_cut_bgzip(tmp_path: Path):
    path = write(tmp_path / "x.fa.gz", {"chr1": "ACGT" * 1_000}, "bgzip")
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(GenomeError, match="bgzip without its end block"):
        Genome(path)


def test_a_file_changed_after_opening(tmp_path: Path):
    path = write(tmp_path / "x.fa", {"chr1": "ACGT" * 5_000})
    genome = Genome(path)
    path.write_text(">chr1\nAC\n")
    with pytest.raises(GenomeError, match=r"changed"):
        genome.fetch("chr1", 10_000, 10_100)


def test_no_file_a_directory_and_a_pipe(tmp_path: Path):
    with pytest.raises(GenomeError, match=r"none.fa: no such file"):
        Genome(tmp_path / "none.fa")
    with pytest.raises(GenomeError, match="this is a directory"):
        Genome(tmp_path)
    with pytest.raises(GenomeError, match="cannot come through a pipe"):
        Genome("-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">a\nAC GT\n\nTT\n>b\n", {"a": "ACGTTT", "b": ""}),
        ("\n> a one\nACGT\r\nTT\n", {"a": "ACGTTT"}),
        (">a\nACG\nACGT\n", {"a": "ACGACGT"}),
        (">a\nACGT\r\nACGT\nAC", {"a": "ACGTACGTAC"}),
        (">a\nACGT", {"a": "ACGT"}),
        (">a\nACGT\n\n\n>b\nAC\n\n", {"a": "ACGT", "b": "AC"}),
    ],
)
def test_untidy_files_are_read_right(tmp_path: Path, text: str, expected: dict[str, str]):
    path = tmp_path / "x.fa"
    path.write_bytes(text.encode())
    with Genome(path) as genome:
        assert {name: genome.fetch(name, 0, length) for name, length in genome.contigs.items()} == expected
    assert [sequence for _, sequence in read_sequences(path)] == list(expected.values())


# Real genomes


def test_the_reference_chromosome_has_its_published_checksum(real_data: Path, session_cache: Path):
    with Genome(real_data / "genomes" / "hs37d5.chr20.fa.gz", cache=session_cache) as genome:
        sequence = genome.fetch("NC_000020.10", 0, genome.length("chr20"))
        assert hashlib.md5(sequence.encode()).hexdigest() == "0dec9660ec1efaaf33281c0d5ea2560f"
        assert genome.count_letters("20")["n"] == len(sequence) - 59_505_520


def test_small_real_genomes(real_data: Path, session_cache: Path):
    lengths = {"sacCer3.fa.gz": (17, 12_157_105), "lambda_NC_001416.fa.gz": (1, 48_502)}
    for name, (contigs, total) in lengths.items():
        path = real_data / "genomes" / name
        with Genome(path, cache=session_cache) as genome:
            assert (len(genome.contigs), sum(genome.contigs.values())) == (contigs, total)
            for contig, sequence in read_sequences(path):
                assert genome.fetch(contig, 0, len(sequence)) == plain(sequence)
