"""A population on disk: who carries which alternate allele, for windows of people's own sequence.

The files NAME.*, all memory-mapped, have one row for each alternate allele that somebody carries, in order of place:
`starts` and `ends` (int64, reference bases that it replaces), `offsets` (int64 [V + 1], where its bases begin in
`alts`, uint8 base codes), `anchored` (as of `hexamer.genome.Edit`), and `carriers`: bits [V, 2 S], of each individual
its two haplotypes (626 bytes a row for the 2,504 people of the 1000 Genomes). `NAME.json` says what was read, what was
kept, and what was left out and why; it is written last.
Not here: how the files are written (`population_writer`), which window, of whom (`sampling`); policies of overlaps and
window ends (`hexamer.genome.edits`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hexamer.errors import SettingsError
from hexamer.genome import Edit
from hexamer.genome.edits import choose_pieces
from hexamer.tokens.alphabet import Codes, codes_to_bases
from hexamer.tokens.storage import SOFT

FORMAT = 1
PARTS = {"starts": "<i8", "ends": "<i8", "offsets": "<i8", "anchored": "?", "alts": "u1", "carriers": "u1"}
"""Every file's ending and type."""

_WORDS = {
    "not_carried": "carried by nobody",
    "contig_missing": "on contigs that the genome has not",
    "symbolic": "symbolic, or with letters that are no bases",
    "breakend": "breakends",
    "star": "removed by another variant (*)",
    "missing": "not given (.)",
    "past_end": "at position 0",
}

Rows = npt.NDArray[np.intp]


def tell_left_out(counts: Mapping[str, int]) -> str:
    """Say how many alternate alleles a population has left out, and why.

    Parameters
    ----------
    counts : mapping of str to int
        By reason, `left_out` of what `write_population` returned.

    Returns
    -------
    str
        Empty where none was left out.

    Examples
    --------
    >>> tell_left_out({"not_carried": 1158, "star": 2})
    '1,160 alternate alleles left out: 1,158 carried by nobody, 2 removed by another variant (*)'
    """
    total = sum(counts.values())
    if not total:
        return ""
    most_first = sorted(counts.items(), key=lambda item: -item[1])
    told = ", ".join(f"{count:,} {_WORDS.get(reason, reason)}" for reason, count in most_first)
    return f"{total:,} alternate allele{'s' if total > 1 else ''} left out: {told}"


class Population:
    r"""The people of a corpus, open for reading; any number of processes share the files.

    Parameters
    ----------
    folder : str or Path
    name : str
        As given to `write_population`.

    Attributes
    ----------
    individuals : tuple of str
    record : dict
        What `write_population` returned.

    Raises
    ------
    SettingsError
        If a file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from hexamer.genome import Genome
    >>> from hexamer.tokens import bases_to_codes, write_population
    >>> folder = tempfile.TemporaryDirectory()
    >>> fasta, vcf = Path(folder.name, "tiny.fa"), Path(folder.name, "tiny.vcf")
    >>> _ = fasta.write_text(">20\nACGTACGTAC\n")
    >>> _ = vcf.write_text(
    ...     "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\n"
    ...     "20\t3\t.\tG\tGTT\t.\t.\t.\tGT\t0|1\n20\t6\t.\tC\tT\t.\t.\t.\tGT\t1|1\n"
    ... )
    >>> with Genome(fasta) as genome:
    ...     write_population([vcf], [genome], folder.name, name="people")["kept"]
    {'insertion': 1, 'snv': 1}
    >>> population = Population(folder.name, "people")
    >>> reference = bases_to_codes("ACGTACGTAC")
    >>> for i in (0, 1):
    ...     codes_to_bases(population.insert(reference, "20", 0, individual=0, haplotype=i, length=8))
    'ACGTATGT'
    'ACGTTTAT'
    >>> folder.cleanup()
    """

    def __init__(self, folder: str | Path, name: str) -> None:
        self._place = Path(folder), name
        folder = Path(folder)
        try:
            self.record: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
            if self.record["format"] != FORMAT:
                raise ValueError(f"format {self.record['format']}, this version reads {FORMAT}")
            self.individuals = tuple(self.record["samples"])
            rows = int(self.record["variants"])
            # Plain arrays over the maps: slicing np.memmap itself costs microseconds.
            parts = {
                part: np.asarray(np.memmap(folder / f"{name}.{part}", dtype=dtype, mode="r"))
                for part, dtype in PARTS.items()
            }
            self._carriers = parts["carriers"].reshape(rows, -(-2 * len(self.individuals) // 8))
            self._starts, self._ends, self._offsets, self._anchored, self._alts, _ = parts.values()
            if not self._starts.size == self._ends.size == self._anchored.size == self._offsets.size - 1 == rows:
                raise ValueError("files of different lengths")
            if self._offsets[-1] != self._alts.size:
                raise ValueError("a file is cut")
            self._contigs = {
                chrom: (first, self._starts[first:last]) for chrom, (first, last) in self.record["contigs"].items()
            }
        except (OSError, ValueError, KeyError) as error:
            raise SettingsError(
                f"{folder / name}: a file of the population is missing or damaged ({error}); build again"
            ) from error

    def edits(self, chrom: str, start: int, end: int, *, individual: int, haplotype: int) -> list[Edit]:
        """List the edits of one haplotype that begin in a region, in order, overlapping ones too.

        Parameters
        ----------
        chrom : str
            The genome's own name; of one without variants the list is empty.
        start, end : int
            0-based, half-open.
        individual : int
            Which of `individuals`, from 0.
        haplotype : {0, 1}
            Counted from 0, unlike the 1 and 2 of `hexamer.genome.Cohort`.

        Returns
        -------
        list of Edit
        """
        offsets = self._offsets
        return [
            Edit(
                int(self._starts[row]),
                int(self._ends[row]),
                codes_to_bases(self._alts[offsets[row] : offsets[row + 1]]),
                bool(self._anchored[row]),
            )
            for row in self._carried(chrom, start, end, individual, haplotype)
        ]

    def _carried(self, chrom: str, start: int, end: int, individual: int, haplotype: int) -> Rows:
        """Find the rows of a region that a haplotype carries."""
        first, starts = self._contigs.get(chrom, (0, self._starts[:0]))
        low, high = starts.searchsorted((start, end))
        column = 2 * individual + haplotype
        bits = self._carriers[first + low : first + high, column >> 3] & (128 >> (column & 7))
        rows: Rows = bits.nonzero()[0] + (first + low)
        return rows

    def insert(self, codes: Codes, chrom: str, start: int, *, individual: int, haplotype: int, length: int) -> Codes:
        """Put the variants of one haplotype into a stretch of reference.

        Parameters
        ----------
        codes : uint8 array [B]
            The reference from `start` on; as many bases more than `length` as deletions may use up. The bit of
            soft-masked bases (`SOFT`) stays; inserted bases have that of the base before.
        chrom : str
            As `edits`.
        start : int
            Place of the first base, 0-based.
        individual, haplotype : int
            As `edits`.
        length : int
            How many bases to return.

        Returns
        -------
        uint8 array
            The first `length` bases of the haplotype of [start, start + B), fewer if it has fewer; it may share memory
            with `codes`, which is not changed.
        """
        rows = self._carried(chrom, start, start + codes.size, individual, haplotype)
        if not rows.size:
            return codes[:length]
        starts, ends = self._starts[rows].tolist(), self._ends[rows].tolist()
        places, anchored = self._offsets[rows], self._anchored[rows].tolist()
        sizes = (self._offsets[rows + 1] - places).tolist()
        parts: list[Codes] = []
        at = start
        for piece in choose_pieces(zip(starts, ends, sizes, anchored, strict=True), start + codes.size):
            place = int(places[piece.edit])
            come = self._alts[place + piece.first : place + piece.last]
            parts += codes[at - start : piece.start - start], come | (codes[starts[piece.edit] - start] & SOFT)
            at = piece.end
        parts.append(codes[at - start :])
        return np.concatenate(parts)[:length]

    def __reduce__(self) -> tuple[Any, ...]:
        # The maps are opened again, not copied.
        return Population, self._place
