"""The reference genome: which base is at a place.

`Genome` answers by position from an indexed FASTA file; `read_sequences` reads the records of a FASTA file one after
the other, as they are written. In a `Genome` letters outside A, C, G, T become N (also U and the IUPAC codes) and lower
case (soft-masked repeats) becomes upper case; `Genome.count_letters` tells how many there are.
Not here: where indexes are kept (`hexamer.genome.index`), a person's own sequence
(`hexamer.genome.haplotypes`), numbers for the model (`hexamer.tokens`).
"""

import difflib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hexamer.errors import GenomeError
from hexamer.genome.contigs import ContigNames
from hexamer.genome.index import fasta_lines, index_fasta
from hexamer.genome.intervals import Interval
from hexamer.genome.lines import excerpt

_PLAIN = bytes(ord(chr(i).upper()) if chr(i) in "ACGTacgt" else ord("N") for i in range(256))
_COMPLEMENT = str.maketrans("ACGTacgt", "TGCAtgca")
_COUNTED_BASES = 4_000_000


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read from its own beginning; letters outside A, C, G, T stay as they are.

    Examples
    --------
    >>> reverse_complement("AACGTNg")
    'cNACGTT'
    """
    return sequence.translate(_COMPLEMENT)[::-1]


class Genome:
    r"""A reference genome, read by position from a FASTA file.

    The index is found or made on opening (`hexamer.genome.index` says where). An open genome may be pickled, forked
    and shared between threads: each process opens the file for itself.

    What an analysis may ask of a genome is `contigs`, `length`, `resolve`, ``in``, `fetch` and `fetch_interval`, and
    nothing else: a person's haplotype answers the same calls.

    Parameters
    ----------
    path : str or Path
        FASTA, plain, gzip or bgzip.
    cache : str or Path, optional
        Folder for indexes and copies that cannot lie beside the file; by default $HEXAMER_CACHE, else
        $XDG_CACHE_HOME/hexamer, else ~/.cache/hexamer.

    Attributes
    ----------
    path : Path
    contigs : dict of str to int
        Length in bases by name, in the order of the file.

    Raises
    ------
    GenomeError
        If the file is missing, is not FASTA, is damaged, or names a contig twice.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "tiny.fa"
    >>> path.write_text(">chr20\nACGTNacgtR\n>chrM\nGATTACA\n")
    32
    >>> with Genome(path) as genome:
    ...     genome.contigs, genome.resolve("MT"), genome.fetch("20", 3, 10)
    ...     genome.fetch_interval(Interval("chr20", 0, 4, "-"))
    ...     genome.count_letters("chr20")
    ({'chr20': 10, 'chrM': 7}, 'chrM', 'TNACGTN')
    'ACGT'
    {'acgt': 8, 'n': 1, 'iupac': 1, 'soft_masked': 4}
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path, *, cache: str | Path | None = None):
        self.path = Path(path)
        self._cache = cache
        self._files = index_fasta(self.path, cache=cache)
        self._handle = self._open()
        self.contigs: dict[str, int] = dict(zip(self._handle.references, self._handle.lengths, strict=True))
        self._names = ContigNames(self.contigs)

    def _open(self) -> Any:
        import pysam  # 30 ms: `import hexamer.genome` alone stays quick

        fasta, fai, gzi = self._files
        # htslib keeps one position per handle: a lock for threads, a handle for each process.
        self._lock, self._process = threading.Lock(), os.getpid()
        try:
            packed = str(gzi) if gzi.exists() else None
            return pysam.FastaFile(str(fasta), filepath_index=str(fai), filepath_index_compressed=packed)
        except (OSError, ValueError) as problem:
            raise GenomeError(
                f"{self.path}: cannot be opened with its index {fai} ({problem}); remove the index and try again"
            ) from None

    def length(self, chrom: str) -> int:
        """Return the number of bases of a contig; GenomeError if it is not in the file."""
        return self.contigs[self.resolve(chrom)]

    def __contains__(self, chrom: object) -> bool:
        return isinstance(chrom, str) and len(self._names.matches(chrom)) == 1

    def resolve(self, chrom: str) -> str:
        """Return the file's own name of a contig.

        Parameters
        ----------
        chrom : str
            The name itself, or another usual one: with or without "chr" (in any case), M or MT, or for human
            chromosomes the RefSeq accession (NC_000020.11). The exact name wins.

        Returns
        -------
        str

        Raises
        ------
        GenomeError
            If no contig is meant, or more than one; the message gives the nearest names.
        """
        names = self._names.matches(chrom)
        if len(names) == 1:
            return names[0]
        if names:
            raise GenomeError(
                f"contig {excerpt(chrom)} may be any of {', '.join(names)} in {self.path}; use one of them"
            )
        first = ", ".join(list(self.contigs)[:5]) + (", ..." if len(self.contigs) > 5 else "")
        near = difflib.get_close_matches(chrom, self.contigs, n=1)
        hint = f"did you mean {near[0]}?" if near else "use one of its names"
        raise GenomeError(
            f"contig {excerpt(chrom)} is not in {self.path} ({len(self.contigs)} contig(s): {first}); {hint}"
        )

    def fetch(self, chrom: str, start: int, end: int) -> str:
        """Read bases of the forward strand.

        Parameters
        ----------
        chrom : str
            Any name that `resolve` knows.
        start, end : int
            0-based, half-open; 0 <= start <= end <= length.

        Returns
        -------
        str
            ``end - start`` upper-case letters of A, C, G, T, N.

        Raises
        ------
        GenomeError
            If the contig is not in the file, the interval runs off it, or the file has changed under its index.
        """
        return self._read(self.resolve(chrom), start, end).translate(_PLAIN).decode("ascii")

    def fetch_interval(self, interval: Interval) -> str:
        """Read an interval on its own strand: for "-" the reverse complement.

        Returns
        -------
        str
            ``len(interval)`` letters, as `fetch`.

        Raises
        ------
        GenomeError
            As `fetch`.
        """
        sequence = self.fetch(interval.chrom, interval.start, interval.end)
        return reverse_complement(sequence) if interval.strand == "-" else sequence

    def fetch_as_written(self, chrom: str, start: int, end: int) -> bytes:
        """Read bases with the letters of the file: lower case (soft-masked) and IUPAC codes kept.

        Parameters
        ----------
        chrom, start, end
            As `fetch`.

        Returns
        -------
        bytes
            ``end - start`` letters.

        Raises
        ------
        GenomeError
            As `fetch`.
        """
        return self._read(self.resolve(chrom), start, end)

    def _read(self, name: str, start: int, end: int) -> bytes:
        length = self.contigs[name]
        if not 0 <= start <= end <= length:
            raise GenomeError(
                f"interval start {start} end {end} runs off contig {name} of {self.path}, "
                f"which has {length} bases; expected 0 <= start <= end <= {length}"
            )
        return self._read_letters(name, start, end) if start < end else b""

    def _read_letters(self, name: str, start: int, end: int) -> bytes:
        if self._process != os.getpid():
            self._handle = self._open()
        try:
            with self._lock:
                raw = self._handle.fetch(name, start, end).encode("latin-1")
        except (OSError, ValueError, KeyError) as problem:
            raise GenomeError(
                f"{self.path}: {name} cannot be read at {start} ({problem}); was it closed, or the file changed?"
            ) from None
        if len(raw) != end - start:
            raise GenomeError(
                f"{self.path}: {len(raw)} of {end - start} bases of {name} at {start}; "
                "the file is damaged or changed since it was opened"
            )
        return raw

    def count_letters(self, chrom: str) -> dict[str, int]:
        """Count the kinds of letters of a contig as the file has them, reading 4 Mb at a time.

        Returns
        -------
        dict of str to int
            ``acgt``, ``n`` and ``iupac`` (every other letter, U too) in either case, which add up to the length, and
            ``soft_masked``, the lower-case ones among all of them.

        Raises
        ------
        GenomeError
            If the contig is not in the file.
        """
        name = self.resolve(chrom)
        counts = dict.fromkeys(("acgt", "n", "iupac", "soft_masked"), 0)
        for start in range(0, self.contigs[name], _COUNTED_BASES):
            raw = self._read(name, start, min(start + _COUNTED_BASES, self.contigs[name]))
            other = raw.translate(None, b"ACGTacgt")
            n = other.count(b"N") + other.count(b"n")
            counts["acgt"] += len(raw) - len(other)
            counts["n"] += n
            counts["iupac"] += len(other) - n
            counts["soft_masked"] += len(raw) - len(raw.translate(None, b"abcdefghijklmnopqrstuvwxyz"))
        return counts

    def close(self) -> None:
        """Close the file; `fetch` fails from then on."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Genome({str(self.path)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.path, self._cache)


def _open_again(path: Path, cache: str | Path | None) -> Genome:
    return Genome(path, cache=cache)


class SequenceGenome(Genome):
    """Sequences in memory that answer the calls of a `Genome`; U and other letters than A, C, G, T are N there, too.

    Parameters
    ----------
    letters : dict of str to str
        Sequence by contig.
    path : Path
        The file that they come from, for errors and manifests.

    Examples
    --------
    >>> genome = SequenceGenome({"chr20": "ACGTNN"}, Path("ann.vcf.gz"))
    >>> genome.contigs, genome.fetch("20", 1, 5)
    ({'chr20': 6}, 'CGTN')
    """

    def __init__(self, letters: dict[str, str], path: Path):
        self.path = path
        self.contigs = {name: len(sequence) for name, sequence in letters.items()}
        self._names = ContigNames(self.contigs)
        self._letters = letters

    def _read_letters(self, name: str, start: int, end: int) -> bytes:
        return self._letters[name][start:end].encode("ascii")

    def close(self) -> None:
        """Do nothing: no file is open."""

    def __reduce__(self) -> tuple[Any, ...]:
        return SequenceGenome, (self._letters, self.path)


def read_sequences(path: str | Path) -> Iterator[tuple[str, str]]:
    r"""Read the records of a FASTA file one after the other, as they are written.

    Parameters
    ----------
    path : str or Path
        FASTA, plain, gzip or bgzip; ``-`` for standard input. One record at a time is in memory.

    Yields
    ------
    (name, sequence) : tuple of str
        The first word after ">" (empty if there is none; names may repeat), and the letters, white space removed, case
        and IUPAC codes kept.

    Raises
    ------
    GenomeError
        If the file is missing, empty, cut short or not FASTA; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b">one first\nACgt\nRN\n>two\n")
    ...     file.flush()
    ...     list(read_sequences(file.name))
    [('one', 'ACgtRN'), ('two', '')]
    """
    name: str | None = None
    parts: list[bytes] = []
    for _, line, _ in fasta_lines(path, unique=False):
        if line.startswith(b">"):
            if name is not None:
                yield name, b"".join(parts).decode("ascii")
            words = line[1:].split(maxsplit=1)
            name, parts = words[0].decode("utf-8", errors="replace") if words else "", []
        else:
            parts.append(b"".join(line.split()))
    if name is not None:
        yield name, b"".join(parts).decode("ascii")
