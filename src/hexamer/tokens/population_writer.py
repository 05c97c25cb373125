"""Writing a population: phased genotypes of a variant file as rows of alleles and bits of carriers.

Records are streamed; memory does not grow with them. Not here: what the files hold, and how they are read
(`population`).
"""

import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hexamer.errors import OutputError, SettingsError, VariantError
from hexamer.genome import Edit, Genome, Record, VariantFile
from hexamer.genome.edits import check_ref, edit_of
from hexamer.genome.genotypes import ABSENT, MISSING, find_samples, read_alleles
from hexamer.manifest import write_atomically
from hexamer.tokens.alphabet import bases_to_codes
from hexamer.tokens.population import FORMAT, PARTS, tell_left_out

_PIECE = 1_000_000  # bases of reference read at a time to check REF
_TOLD = 1000  # records from one sign of progress to the next


def write_population(
    files: Sequence[str | Path],
    genomes: Sequence[Genome],
    folder: str | Path,
    *,
    name: str,
    samples: Sequence[str] | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write the phased genotypes of a population; records are streamed, memory does not grow with them.

    Parameters
    ----------
    files : sequence of str or Path
        VCF (plain, gzip, bgzip) or BCF, sorted; each contig in one of them.
    genomes : sequence of Genome
        The reference; contigs are matched through `resolve`, and REF is compared.
    folder : str or Path
        Exists; files of this name are replaced.
    name : str
        How the files begin.
    samples : sequence of str, optional
        The individuals; by default those of the first file.
    advance : callable, optional
        Told the number of records now and then, for a progress bar.

    Returns
    -------
    dict
        What `NAME.json` holds: `name`, `individuals` (how many), `variants` (rows), `files` (the names of all),
        `records` (read), `kept` and `left_out` (alternate alleles by kind, and by reason), `calls` (missing ones, and
        second ones of haploid calls, both read as the reference), `samples`, and `contigs` (rows of each, half-open).

    Raises
    ------
    VariantError
        If a file cannot be read or is not sorted, a heterozygote has no phase, REF is not the genome's, or nothing is
        kept.
    SettingsError
        If the name cannot be a file's.
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    if Path(name).name != name:
        raise SettingsError(f"population {name!r}: a name without / would work")
    with _replacing(folder, name) as outputs:
        rows = _Rows(genomes, outputs)
        for file in files:
            with VariantFile(file) as records:
                rows.begin(records, samples)
                for record in records:
                    rows.add(record)
                    if advance is not None and rows.records % _TOLD == 0:
                        advance(_TOLD)
        if advance is not None:
            advance(rows.records % _TOLD)
        if not rows.variants:
            raise VariantError(
                f"{', '.join(map(str, files))}: no variant that could be used "
                f"({tell_left_out(rows.left_out) or 'no record'}); variants that somebody carries, on contigs of "
                f"{', '.join(str(genome.path) for genome in genomes)}, would work"
            )
    found = {
        "format": FORMAT,
        "name": name,
        "individuals": len(rows.individuals),
        "variants": rows.variants,
        "files": [*(f"{name}.{part}" for part in PARTS), f"{name}.json"],
        "records": rows.records,
        "kept": dict(rows.kept),
        "left_out": dict(rows.left_out),
        "calls": dict(rows.calls),
        "contigs": rows.contigs,
        "samples": list(rows.individuals),
    }
    with write_atomically(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    return found


@contextmanager
def _replacing(folder: Path, name: str) -> Iterator[dict[str, BinaryIO]]:
    """Open all files under hidden names; they get their own if the block ends well."""
    hidden = {part: folder / f".building.{name}.{part}" for part in PARTS}
    try:
        with ExitStack() as stack:
            yield {part: stack.enter_context(path.open("wb")) for part, path in hidden.items()}
        (folder / f"{name}.json").unlink(missing_ok=True)
        for part, path in hidden.items():
            path.replace(folder / f"{name}.{part}")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        for path in hidden.values():
            path.unlink(missing_ok=True)


class _Rows:
    """Turns records into rows, and counts."""

    def __init__(self, genomes: Sequence[Genome], outputs: dict[str, BinaryIO]) -> None:
        self.genomes, self.outputs = genomes, outputs
        self.individuals: tuple[str, ...] = ()
        self.contigs: dict[str, list[int]] = {}
        self.records = self.variants = self._offset = 0
        self.kept, self.left_out, self.calls = Counter[str](), Counter[str](), Counter[str]()
        self._homes: dict[str, tuple[Genome, str] | None] = {}
        self._columns: slice | npt.NDArray[np.intp] = slice(None)
        self._at = ("", 0)  # contig and place of the last record
        self._piece = ("", 0, "")  # contig, start and bases of the reference at hand
        self.outputs["offsets"].write(struct.pack("<q", 0))

    def begin(self, file: VariantFile, samples: Sequence[str] | None) -> None:
        """Begin a file."""
        if not file.samples:
            raise VariantError(f"{file.name}: holds sites without samples; give a file with phased genotypes")
        self.individuals = self.individuals or tuple(file.samples if samples is None else samples)
        columns = find_samples(self.individuals, samples=file.samples, file=file.name)
        everyone = columns == list(range(len(file.samples)))
        self._columns = slice(None) if everyone else np.array(columns)
        self._all, self._name = len(file.samples), file.name

    def add(self, record: Record) -> None:
        """Take one record."""
        self.records += 1
        home = self._home(record.chrom)
        if home is None:
            self.left_out["contig_missing"] += len(record.alts)
            return
        genome, chrom = home
        self._check_order(record, chrom)
        edits = [edit_of(variant) for variant in record.variants]
        self.left_out.update(edit for edit in edits if isinstance(edit, str))
        if not any(isinstance(edit, Edit) for edit in edits):
            return
        end, length = record.pos - 1 + len(record.ref), genome.length(chrom)
        if end > length:
            raise VariantError(
                f"{self._name}:{record.line}: {record.chrom}:{record.pos} lies beyond the end of {chrom}, which has "
                f"{length:,} bases in {genome.path}; give the reference that the variants were called on"
            )
        bases = self._bases(genome, chrom, record.pos - 1, end)
        check_ref(record, bases, file=self._name, genome=str(genome.path))
        alleles = self._alleles(record)
        for k, (edit, variant) in enumerate(zip(edits, record.variants, strict=True), start=1):
            carriers = alleles == k
            if isinstance(edit, str):
                continue
            if not carriers.any():
                self.left_out["not_carried"] += 1
                continue
            self.kept[variant.kind] += 1
            self._write(chrom, edit, carriers)

    def _home(self, chrom: str) -> tuple[Genome, str] | None:
        if chrom not in self._homes:
            genome = next((genome for genome in self.genomes if chrom in genome), None)
            self._homes[chrom] = None if genome is None else (genome, genome.resolve(chrom))
        return self._homes[chrom]

    def _check_order(self, record: Record, chrom: str) -> None:
        last, place = self._at
        if (chrom == last and record.pos < place) or (chrom != last and chrom in self.contigs):
            raise VariantError(
                f"{self._name}:{record.line}: {record.chrom}:{record.pos} comes after {last}:{place}; sort the file "
                "with bcftools sort, and give each contig in one file"
            )
        self.contigs.setdefault(chrom, [self.variants, self.variants])
        self._at = (chrom, record.pos)

    def _bases(self, genome: Genome, chrom: str, start: int, end: int) -> str:
        name, first, bases = self._piece
        if name != chrom or start < first or end > first + len(bases):
            length = genome.length(chrom)
            first = min(start, length)
            bases = genome.fetch(chrom, first, min(max(end, start + _PIECE), length))
            self._piece = (chrom, first, bases)
        return bases[start - first : end - first]

    def _alleles(self, record: Record) -> npt.NDArray[np.int16]:
        """Read the genotypes of the individuals, int16 [S, 2], all of them phased."""
        where = f"{self._name}:{record.line}: {record.chrom}:{record.pos}"
        try:
            found = read_alleles(record.text, samples=self._all, alternates=len(record.alts))
        except VariantError as problem:
            raise VariantError(f"{where}: {problem}") from None
        doubtful = found.doubtful[self._columns]
        if doubtful.any():
            raise VariantError(
                f"{where}: sample {self.individuals[int(doubtful.argmax())]} is a heterozygote without phase; phase "
                "the file, for instance with shapeit or Beagle"
            )
        alleles = found.alleles[self._columns]
        if (alleles < 0).any():
            self.calls["missing_call"] += int((alleles == MISSING).sum())
            self.calls["haploid"] += int((alleles == ABSENT).sum())
        return alleles

    def _write(self, chrom: str, edit: Edit, carriers: npt.NDArray[np.bool_]) -> None:
        self._offset += len(edit.alt)
        self.variants += 1
        self.contigs[chrom][1] = self.variants
        for part, value in {
            "starts": struct.pack("<q", edit.start),
            "ends": struct.pack("<q", edit.end),
            "offsets": struct.pack("<q", self._offset),
            "anchored": bytes([edit.anchored]),
            "alts": bases_to_codes(edit.alt).tobytes(),
            "carriers": np.packbits(carriers).tobytes(),
        }.items():
            self.outputs[part].write(value)
