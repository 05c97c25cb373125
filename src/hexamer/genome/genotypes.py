r"""Genotypes: which alleles each person carries, from a VCF or BCF file read by region.

`read_alleles` reads the GT column of one line; `GenotypeFile` finds the lines of a region through the file's index
(`.tbi` or `.csi`). A missing index is made in the cache folder, never beside the file.
Not here: what alleles do to a sequence (`haplotypes`).

Source: the VCF 4.3 specification, section 1.6.2, https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

import difflib
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from hexamer.errors import OutputError, VariantError
from hexamer.genome.index import cache_folder, file_key
from hexamer.genome.lines import STANDARD_INPUT, Input, excerpt
from hexamer.genome.variants import Record, VariantFile
from hexamer.manifest import write_atomically

MISSING = -1
"""Allele that was not called (``.``)."""
ABSENT = -2
"""Second allele of a haploid call."""

_TAB, _COLON, _PIPE, _SLASH = b"\t:|/"
_OTHER = -9
# The allele that one byte writes.
_ALLELE = np.full(256, _OTHER, dtype=np.int16)
_ALLELE[ord("0") : ord("9") + 1] = np.arange(10)
_ALLELE[ord(".")] = MISSING


class Alleles(NamedTuple):
    """The genotypes of one record."""

    alleles: npt.NDArray[np.int16]
    """int16 [S, 2]: 0 the reference, k the k-th alternate allele, -1 missing, -2 no second copy (haploid)."""
    phased: npt.NDArray[np.bool_]
    """bool [S]: whether the order of the two has a meaning; true of a haploid call."""

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """Whether it is unknown which haplotype has an alternate allele: unphased and not alike, bool [S]."""
        first, second = self.alleles.T
        found: npt.NDArray[np.bool_] = ~self.phased & (first != second) & (np.maximum(first, second) > 0)
        return found


def read_alleles(text: str, *, samples: int, alternates: int) -> Alleles:
    r"""Read the genotypes of one line.

    Parameters
    ----------
    text : str
        The line, as `Record.text`.
    samples : int
        S, the samples of the header.
    alternates : int
        How many alternate alleles the line has.

    Returns
    -------
    Alleles
        Of a call with more than two alleles, the first two.

    Raises
    ------
    VariantError
        If the line has no GT, another number of samples, or an allele that does not exist.

    Examples
    --------
    >>> read_alleles("20\t5\t.\tA\tC\t.\t.\t.\tGT:DP\t0|1:7\t1/.\t1", samples=3, alternates=1)
    Alleles(alleles=array([[ 0,  1],
           [ 1, -1],
           [ 1, -2]], dtype=int16), phased=array([ True, False,  True]))
    """
    columns = text.split("\t", 9)
    if len(columns) < 10 or columns[8].partition(":")[0] != "GT":
        raise VariantError("no genotypes: FORMAT does not begin with GT; give a file with phased calls (GT)")
    raw = columns[9].encode("utf-8", "surrogateescape")
    found = _read_panel(raw, samples) or _read_calls(raw, samples)
    if found.alleles.size and found.alleles.max() > alternates:
        raise VariantError(
            f"a genotype has allele {found.alleles.max()}, but ALT has {alternates}; write the file again"
        )
    return found


def _read_panel(raw: bytes, samples: int) -> Alleles | None:
    """Read a line of phased pairs of one digit and nothing else, as panels have it, faster than `_read_calls`."""
    if len(raw) != 4 * samples - 1:
        return None
    calls = np.frombuffer(raw + b"\t", dtype="<u4")
    if ((calls & 0xFF00FF00) != int.from_bytes(b"\0|\0\t", "little")).any():
        return None
    digits = (calls & 0x00FF00FF).view("<u2").reshape(samples, 2) - np.uint16(ord("0"))
    return Alleles(digits.view(np.int16), np.ones(samples, dtype=np.bool_)) if (digits < 10).all() else None


def _read_calls(raw: bytes, samples: int) -> Alleles:
    """Read calls of any kind; one by one only what is not a pair or a single allele of one digit."""
    # A frame of tabs: each field has at least three bytes after its first.
    letters = np.frombuffer(b"\t" + raw + b"\t\t\t\t", dtype=np.uint8)
    starts = np.flatnonzero(letters[:-4] == _TAB) + 1
    if starts.size != samples:
        raise VariantError(f"{starts.size} sample columns where the #CHROM line has {samples}; the line is cut")
    separator, after = letters[starts + 1], letters[starts + 3]
    alleles = np.stack([_ALLELE[letters[starts]], _ALLELE[letters[starts + 2]]], axis=1)
    phased = separator != _SLASH
    single = (separator == _TAB) | (separator == _COLON)
    alleles[single, 1] = ABSENT
    pair = ((separator == _PIPE) | (separator == _SLASH)) & ((after == _TAB) | (after == _COLON))
    plain = (single | pair) & (alleles > _OTHER).all(axis=1)
    if not plain.all():
        fields = raw.split(b"\t")
        for i in np.flatnonzero(~plain):
            alleles[i], phased[i] = _read_call(fields[i].split(b":")[0])
    return Alleles(alleles, phased)


def _read_call(call: bytes) -> tuple[tuple[int, int], bool]:
    """Read any call: alleles from 10, one allele, three and more."""
    # VCF 4.4 allows a separator in front.
    parts = re.split(rb"[|/]", call.lstrip(b"|/"))
    if not all(part == b"." or (part.isdigit() and len(part) < 5) for part in parts):
        raise VariantError(f"genotype {excerpt(call)}; expected one such as 0|1")
    alleles = [MISSING if part == b"." else int(part) for part in parts[:2]]
    return (alleles[0], alleles[1] if len(alleles) > 1 else ABSENT), b"/" not in call


def find_samples(wanted: Sequence[str], *, samples: Sequence[str], file: str) -> list[int]:
    """Find sample columns by name.

    Parameters
    ----------
    wanted, samples : sequence of str
        Names asked for, and those of the file.
    file : str
        What the error calls the file.

    Returns
    -------
    list of int
        The column of each name asked for, from 0.

    Raises
    ------
    VariantError
        If a name is not there (the message gives the nearest), is asked for twice, or names two columns.

    Examples
    --------
    >>> find_samples(["HG00097"], samples=["HG00096", "HG00097"], file="x.vcf.gz")
    [1]
    """
    places = {name: i for i, name in enumerate(samples)}
    for name in wanted:
        if name not in places:
            near = difflib.get_close_matches(name, samples, n=1, cutoff=0.0)
            raise VariantError(
                f"{file}: no sample {excerpt(name)} among its {len(samples)}; did you mean {', '.join(near)}?"
            )
        if samples.count(name) > 1:
            raise VariantError(f"{file}: two columns are named {excerpt(name)}; rename one with bcftools reheader")
    if len(set(wanted)) < len(wanted):
        raise VariantError(f"{file}: a sample is asked for twice; name each once")
    return [places[name] for name in wanted]


class GenotypeFile:
    """A VCF or BCF file with genotypes, read by region.

    An open file may be pickled, forked and shared between threads, as a `Genome` may.

    Parameters
    ----------
    path : str or Path
        VCF compressed with bgzip, or BCF.
    cache : str or Path, optional
        Folder for an index that has to be made; by default as for `Genome`.

    Attributes
    ----------
    path : Path
    samples : tuple of str
    contigs : tuple of str
        Of a VCF, those that have records.

    Raises
    ------
    VariantError
        If the file is missing, damaged, not compressed, not sorted, or has no samples.
    """

    def __init__(self, path: str | Path, *, cache: str | Path | None = None):
        self.path = Path(path)
        self._cache = cache
        if str(path) == STANDARD_INPUT or self.path.is_fifo():
            raise VariantError(f"{path}: genotypes are read by region, so they cannot come through a pipe; give a file")
        with Input(path, VariantError) as source:
            self._is_bcf = source.first_bytes.startswith(b"BCF")
            if source.storage != "bgzip":
                raise VariantError(
                    f"{path}: not compressed with bgzip, so it has no index; bcftools view -Oz -o NEW.vcf.gz does it"
                )
        with VariantFile(path) as file:
            self.samples = file.samples
        if not self.samples:
            raise VariantError(f"{path}: holds sites without samples; give a file with genotypes")
        self._index = index_variants(self.path, is_bcf=self._is_bcf, cache=cache)
        self._handle = self._open()
        header = self._handle.header
        self.contigs: tuple[str, ...] = tuple(header.contigs if self._is_bcf else self._handle.contigs)

    def _open(self) -> Any:
        import pysam  # 30 ms: `import hexamer.genome` alone stays quick

        self._lock, self._process = threading.Lock(), os.getpid()
        loudness = pysam.set_verbosity(0)  # htslib would print its own lines beside ours
        try:
            if self._is_bcf:
                return pysam.VariantFile(str(self.path), index_filename=str(self._index))
            return pysam.TabixFile(str(self.path), index=str(self._index), encoding="utf-8")
        except (OSError, ValueError) as problem:
            raise VariantError(
                f"{self.path}: cannot be opened with its index ({problem}); remove {self._index} and try again"
            ) from None
        finally:
            pysam.set_verbosity(loudness)

    def fetch(self, contig: str, start: int, end: int) -> list[Record]:
        """Read the records that begin in a region, in the file's order.

        Parameters
        ----------
        contig : str
            The file's own name.
        start, end : int
            0-based, half-open.

        Returns
        -------
        list of Record
            Their `line` is 0: an index does not tell it.

        Raises
        ------
        VariantError
            If the file is damaged or has changed.
        """
        if self._process != os.getpid():
            self._handle = self._open()
        try:
            with self._lock:
                lines = [str(line) for line in self._handle.fetch(contig, start, end)]
        except (OSError, ValueError, UnicodeDecodeError) as problem:
            raise VariantError(
                f"{self.path}: {contig} cannot be read at {start} ({problem}); was it closed, or the file changed?"
            ) from None
        records = []
        for line in lines:
            chrom, pos, name, ref, alt, _ = line.split("\t", 5)
            if start < int(pos) <= end:
                records.append(Record(0, line.rstrip("\r\n"), chrom, int(pos), name, ref, tuple(alt.split(","))))
        return records

    def close(self) -> None:
        """Close the file; `fetch` fails from then on."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.path, self._cache)


def _open_again(path: Path, cache: str | Path | None) -> GenotypeFile:
    return GenotypeFile(path, cache=cache)


def index_variants(path: Path, *, is_bcf: bool, cache: str | Path | None = None) -> Path:
    """Find the index of a VCF or BCF file, or make it in the cache folder.

    Parameters
    ----------
    path : Path
        Compressed with bgzip.
    is_bcf : bool
    cache : str or Path, optional
        Folder for the index; by default `hexamer.genome.index.cache_folder`.

    Returns
    -------
    Path
        The index beside the file if it is no older, else that in the cache.

    Raises
    ------
    VariantError
        If the file is not sorted, or the index can be written nowhere.
    """
    path = path.absolute()
    for suffix in (".csi",) if is_bcf else (".tbi", ".csi"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_mtime_ns >= path.stat().st_mtime_ns:
            return beside
    kept = Path(cache or cache_folder()) / f"{path.name}.{file_key(path)}.csi"
    if not kept.is_file():
        import pysam  # 30 ms, only where an index is made

        loudness = pysam.set_verbosity(0)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(kept) as temporary:
                # The same call indexes BCF.
                pysam.tabix_index(
                    str(path), preset="vcf", index=str(temporary), csi=True, force=True, keep_original=True
                )
        except OutputError as problem:
            # What htslib could not index and where nothing can be written look alike from outside.
            raise VariantError(
                f"{path}: its index cannot be made in {kept.parent} ({problem.__cause__ or problem}); sort the file "
                "with bcftools sort, or set HEXAMER_CACHE to a folder with space"
            ) from None
        except OSError as problem:
            raise VariantError(
                f"{path}: its index cannot be written ({problem}); set HEXAMER_CACHE to a folder with space"
            ) from None
        finally:
            pysam.set_verbosity(loudness)
    return kept
