"""Variant files in, scored variant files out, nothing lost.

Every record comes back in its place with its columns as they were, and in INFO either a score for each alternate
allele or the reason why there is none. Tables have one row per alternate allele.

Records go through in pieces, so memory does not grow with the file. From file to file, it is read first to find what
is wrong with it, then scored into a journal (`journal`), then read again and written with its scores: a run that was
killed goes on where it stopped. What comes or goes through a pipe is written as it is scored.

Not here: which records are read (`selection`), how files are spelled (`heading`, `writers`), shards together (`merge`).
"""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from hexamer.effects.forwards import Forwards, Table
from hexamer.effects.heading import PROVENANCE, SHARD, Declared, Heading, header_line
from hexamer.effects.journal import Journal, ScoredRecord, differing, journal_path
from hexamer.effects.score import PIECE, ScoreSettings, score_alleles
from hexamer.effects.selection import (
    Numbered,
    Regions,
    Shard,
    Source,
    is_stream,
    open_records,
    read_pieces,
    read_regions,
)
from hexamer.effects.writers import STANDARD_OUTPUT, check_variants_path, is_indexed, open_writer, write_variants
from hexamer.errors import OutputError, SettingsError, VariantError
from hexamer.genome import Genome, Interval, Variant
from hexamer.genome.index import file_key
from hexamer.manifest import checksum, describe_file, package_versions, write_manifest
from hexamer.model import NucleotideTransformer, describe_model

MANIFEST = ".manifest.json"


class Companion(Protocol):
    """What adds columns beside the scores: a background, a classifier."""

    @property
    def definitions(self) -> Mapping[str, str]:
        """Name of each column to what it is."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What the columns depend on besides the scores."""

    def columns(
        self,
        model: NucleotideTransformer,
        genome: Genome,
        variants: Sequence[Variant],
        scores: Mapping[str, Table],
        settings: ScoreSettings,
    ) -> Table:
        """Columns [N, n] of some variants, beside their scores [N] by name."""

    def check(self, model: NucleotideTransformer, settings: ScoreSettings) -> None:
        """Raise SettingsError unless it fits the scores."""


@dataclass
class Summary:
    """What became of the alleles of a file.

    Attributes
    ----------
    records, alleles : int
        Rows read, and alternate alleles in them.
    reasons : Counter of str
        Alleles per reason code; the empty string counts those with scores.
    forwards : Forwards
        Windows that went through the encoder, and that were saved.
    indexed : bool
        Whether an index stands beside the output.
    kept : int
        Records whose scores an earlier run had left.
    """

    records: int = 0
    alleles: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    forwards: Forwards = field(default_factory=Forwards)
    indexed: bool = False
    kept: int = 0

    def count(self, reasons: Sequence[str]) -> None:
        """Count the alleles of a record."""
        self.records += 1
        self.alleles += len(reasons)
        self.reasons.update(reasons)

    def as_facts(self) -> dict[str, Any]:
        """Give the counts for a manifest."""
        reasons = {reason or "scored": count for reason, count in sorted(self.reasons.items())}
        facts = {"records": self.records, "alleles": self.alleles, "reasons": reasons}
        return facts | {"forwards": self.forwards._asdict()}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Summary":
        """Read counts of a manifest."""
        reasons = Counter({"" if name == "scored" else name: count for name, count in facts["reasons"].items()})
        return cls(facts["records"], facts["alleles"], reasons, Forwards(**facts["forwards"]))


def annotate_variants(
    model: NucleotideTransformer,
    genome: Genome,
    variants: str | Path,
    out: str | Path,
    *,
    settings: ScoreSettings | None = None,
    regions: str | Sequence[str | Interval] = (),
    shard: Shard | str | None = None,
    companions: Sequence[Companion] = (),
    resume: bool = False,
    expect: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Summary:
    """Score a variant file into another file.

    Parameters
    ----------
    model : NucleotideTransformer
    genome : Genome
        The reference that the variants were called on.
    variants : str or Path
        VCF (plain, gzip, bgzip), BCF, or a table or list of variants; "-" is standard input.
    out : str or Path
        Ends in one of `ENDINGS`; "-" is VCF on standard output. `.vcf.gz` is bgzip. It and `.bcf` have an index beside
        them, if the records are sorted. Beside a file `OUT.manifest.json` is written, and while scoring
        `OUT.partial`.
    settings : ScoreSettings, optional
    regions : str, or sequence of str and Interval
        Only records that overlap these: region strings, contigs, comma lists of them, or BED files. Through the index
        of the input, if it has one.
    shard : Shard or str, optional
        Only this share of the records, such as "2/8"; `merge` puts the shares together.
    companions : sequence of Companion
        A `Background` or a `VariantClassifier`: columns beside the scores.
    resume : bool
        Go on where an earlier run of the same was stopped. Without one this changes nothing.
    expect : callable, optional
        From file to file, called once with the number of records that are still to be scored.
    advance : callable, optional
        Called with the number of records of each finished piece.

    Returns
    -------
    Summary

    Raises
    ------
    VariantError
        If the file is damaged; nothing is then written under the name `out`.
    OutputError
        If `out` has another ending, is the input itself, cannot be written, or an earlier run was stopped there and
        `resume` is not given.
    SettingsError
        If a shard does not exist, `shard` or `resume` is given for standard input or output, or a companion does not
        fit the scores.
    """
    out = Path(out)
    check_variants_path(out)
    if Path(variants).exists() and out.exists() and out.samefile(variants):
        raise OutputError(f"{out}: is the input itself; another name would work")
    chosen = Shard.parse(shard) if isinstance(shard, str) else shard
    settings = settings or ScoreSettings()
    for companion in companions:
        companion.check(model, settings)
    run = _Run(model, genome, variants, out, settings, read_regions(regions, genome), chosen, tuple(companions))
    if is_stream(variants) or str(out) == STANDARD_OUTPUT:
        if resume or shard:
            raise SettingsError(
                "resume and shard need files for input and output: what goes through a pipe is read once, in one piece"
            )
        return _stream(run, advance)
    return (_finished(run) if resume else None) or _score_file(run, resume, expect, advance)


@dataclass(frozen=True)
class _Run:
    """What is scored, with what, into what."""

    model: NucleotideTransformer
    genome: Genome
    variants: str | Path
    out: Path
    settings: ScoreSettings
    regions: Regions | None
    shard: Shard | None
    companions: tuple[Companion, ...] = ()

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Model and files, with checksums."""
        described = {"model": describe_model(self.model), "variants": describe_file(self.variants)}
        return described | {"genome": describe_file(self.genome.path)}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that scores depend on, of a whole run: what its shards have in common."""
        facts = {"version": package_versions()["hexamer"], "variants": self.inputs["variants"].get("sha256")}
        facts |= {"genome": self.inputs["genome"].get("sha256"), "regions": self.region_names, "piece": PIECE}
        facts |= {"weights": self.weights, "precision": self.inputs["model"]["precision"]}
        facts |= {"config": self.inputs["model"]["config"], **self.score_facts, "scores": self.settings.scores}
        found: dict[str, Any] = json.loads(json.dumps(facts, default=str))
        return found

    @cached_property
    def weights(self) -> dict[str, str]:
        """Checksums of the files of weights, or of weights that are in no file."""
        files: dict[str, str] = self.inputs["model"]["files"]
        if files:
            return files
        digest = hashlib.sha256()
        for tensor in self.model.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return {"in memory": digest.hexdigest()}

    @property
    def region_names(self) -> list[str]:
        return self.regions.names if self.regions else []

    @property
    def score_facts(self) -> dict[str, Any]:
        """The settings that change a number."""
        settings = dataclasses.asdict(self.settings)
        found = {name: value for name, value in settings.items() if name not in ("scores", "token_budget")}
        for companion in self.companions:
            found |= companion.facts
        return found

    @property
    def shard_facts(self) -> dict[str, int] | None:
        return dataclasses.asdict(self.shard) if self.shard else None

    @cached_property
    def definitions(self) -> dict[str, str]:
        found = self.settings.describe(self.model)
        for companion in self.companions:
            found |= companion.definitions
        return found

    @property
    def provenance(self) -> str:
        """One line for the header: what was computed with."""
        weights = ",".join(digest[:16] for digest in self.weights.values())
        facts = {"ID": "score_variants", "Version": self.facts["version"]}
        facts |= {"Model": Path(self.inputs["model"]["source"]).name, "WeightsSHA256": weights}
        facts |= {"Genome": Path(self.genome.path).name}
        facts |= {"GenomeSHA256": str(self.inputs["genome"].get("sha256", "unknown"))[:16]}
        facts |= {name.title().replace("_", ""): _word(value) for name, value in self.score_facts.items()}
        facts["WindowRead"] = str(self.settings.bases_read(self.model))
        return header_line(PROVENANCE, **facts, Precision=self.inputs["model"]["precision"])

    def open(self) -> Any:
        return open_records(self.variants, self.genome, self.regions)

    def pieces(self, source: Source) -> Iterator[list[Numbered]]:
        return read_pieces(source, self.shard or Shard())

    def heading(self, header: Sequence[str]) -> Heading:
        facts = [self.provenance]
        if self.shard:
            values = {"ID": str(self.shard.index), "Of": str(self.shard.of), "Piece": str(PIECE)}
            facts.append(header_line(SHARD, **values))
        declared = Declared(header, self.genome) if self.out.name.endswith(".bcf") else None
        return Heading(header, self.definitions, facts, declared)

    def score(self, piece: Sequence[Numbered]) -> tuple[list[ScoredRecord], Forwards]:
        """Score the records of a piece together."""
        alleles = [variant for _, record in piece for variant in record.variants]
        found = score_alleles(self.model, self.genome, alleles, self.settings)
        scores = dict(zip(self.settings.scores, found.values.T, strict=True))
        beside = [c.columns(self.model, self.genome, alleles, scores, self.settings) for c in self.companions]
        values = np.concatenate([found.values, *beside], axis=1)
        values[[bool(reason) for reason in found.reasons]] = np.nan  # also what a companion could have said
        scored: list[ScoredRecord] = []
        place = 0
        for _, record in piece:
            part = slice(place, place + len(record.alts))
            scored.append((values[part], found.reasons[part]))
            place = part.stop
        return scored, found.forwards

    def write_manifest(self, summary: Summary) -> None:
        """Say beside the output what produced it; `run` is what a merge or a second run compares."""
        write_manifest(
            self.out.with_name(self.out.name + MANIFEST),
            **self.inputs,
            settings=self.settings,
            window_read=self.settings.bases_read(self.model),
            definitions=self.definitions,
            regions=self.region_names,
            shard=self.shard_facts,
            run=self.facts,
            output=describe_file(self.out),
            **summary.as_facts(),
        )


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _stream(run: _Run, advance: Callable[[int], None] | None) -> Summary:
    """Write each piece as soon as it is scored."""
    summary = Summary()
    with (
        run.open() as source,
        write_variants(run.out) as temporary,
        closing(open_writer(temporary, run.heading(source.header))) as writer,
    ):
        for piece in run.pieces(source):
            scored, forwards = run.score(piece)
            for (place, record), (values, reasons) in zip(piece, scored, strict=True):
                writer.write(place, record, values, reasons)
                summary.count(reasons)
            summary.forwards += forwards
            writer.flush()
            if advance:
                advance(len(piece))
        writer.finish()
    if str(run.out) != STANDARD_OUTPUT:
        summary.indexed = is_indexed(run.out)
        run.write_manifest(summary)
    return summary


def _finished(run: _Run) -> Summary | None:
    """Look for what an earlier run of the same has finished, with its file as it was written."""
    path = run.out.with_name(run.out.name + MANIFEST)
    if not (path.is_file() and run.out.is_file()) or journal_path(run.out).exists():
        return None
    try:
        found = json.loads(path.read_text())
        if found["output"]["sha256"] != checksum(run.out):
            return None
        if others := differing(found["run"] | {"shard": found["shard"]}, run.facts | {"shard": run.shard_facts}):
            raise SettingsError(
                f"{run.out}: finished with other {', '.join(others)}; another name, or no resume, would work"
            )
        summary = Summary.of(found)
    except (ValueError, KeyError, TypeError):
        return None
    summary.kept, summary.indexed = summary.records, is_indexed(run.out)
    return summary


def _score_file(
    run: _Run, resume: bool, expect: Callable[[int], None] | None, advance: Callable[[int], None] | None
) -> Summary:
    """Score into the journal, then write the records with its scores."""
    with run.open() as source:
        header = source.header  # what cannot be opened is said before checksums are made
    facts = run.facts | {"shard": str(run.shard or Shard())}
    with Journal(run.out, facts, columns=len(run.definitions), resume=resume) as journal:
        kept = journal.records
        heading, version = run.heading(header), file_key(Path(run.variants))
        with run.open() as source:
            found = _survey(source, heading)
        if expect:
            expect((run.shard or Shard()).share(found) - kept)
        with run.open() as source:
            for piece in islice(run.pieces(source), journal.pieces, None):
                scored, forwards = run.score(piece)
                journal.append(scored, forwards)
                if advance:
                    advance(len(piece))
        if file_key(Path(run.variants)) != version:
            raise VariantError(f"{run.variants}: was changed while it was scored; remove {journal.path} and begin anew")
        summary = _write_scored(run, heading, journal)
        summary.forwards, summary.kept, summary.indexed = journal.forwards, kept, is_indexed(run.out)
        run.write_manifest(summary)
        journal.remove()
    return summary


def _survey(source: Source, heading: Heading) -> int:
    """Read and count all records: what is wrong with a file is said before it is scored, and not after hours."""
    count = 0
    for count, record in enumerate(source, start=1):  # noqa: B007
        if heading.declared is not None:
            try:
                heading.declared.check(record)
            except VariantError as problem:
                raise VariantError(f"{source.name}:{record.line or ''}: {problem}") from None
    return count


def _write_scored(run: _Run, heading: Heading, scored: Iterable[ScoredRecord]) -> Summary:
    """Write the records of a file with scores that are there already."""
    summary = Summary()
    with (
        run.open() as source,
        write_variants(run.out) as temporary,
        closing(open_writer(temporary, heading)) as writer,
    ):
        records = chain.from_iterable(run.pieces(source))
        for (place, record), (values, reasons) in zip(records, scored, strict=True):
            writer.write(place, record, values, reasons)
            summary.count(reasons)
        writer.finish()
    return summary
