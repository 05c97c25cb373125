"""What stands above scored records: what the numbers are, and what they were computed with.

The header of the input stays as it is, except for the lines of an earlier run. Ours are an INFO line for each score and
for the reasons, `##hexamer=<...>`, and in a shard `##hexamer_shard=<...>`. Not here: the records (`writers`).

Source: the VCF 4.3 specification, section 1.4, https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hexamer.effects.score import SCORES
from hexamer.errors import VariantError
from hexamer.genome import Genome, Record
from hexamer.genome.lines import excerpt

PREFIX = "HX_"
REASON = "HX_REASON"
OURS = frozenset([REASON, *(PREFIX + name.upper() for name in SCORES)])
PROVENANCE, SHARD = "hexamer", "hexamer_shard"

_PLAIN_WORD = re.compile(r"[\w.+/:-]+")
_DECLARED = re.compile(r'##(contig|FILTER|INFO|FORMAT)=<(?:[^"]*,)?ID=([^,>]+)')


def header_line(key: str, **values: str) -> str:
    r"""Spell a structured line of a VCF header; what is not a plain word is quoted.

    Parameters
    ----------
    key : str
        The kind of line.
    **values
        What stands in it, in order; an ID first.

    Returns
    -------
    str

    Examples
    --------
    >>> header_line("hexamer", ID="x", Model="my model")
    '##hexamer=<ID=x,Model="my model">'
    """
    parts = (f"{name}={value if _PLAIN_WORD.fullmatch(value) else _quoted(value)}" for name, value in values.items())
    return f"##{key}=<{','.join(parts)}>"


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def earlier_fields(header: Sequence[str]) -> frozenset[str]:
    """INFO fields that an earlier run may have left: ours, and what else a header of ours declares with our prefix.

    Parameters
    ----------
    header : sequence of str

    Returns
    -------
    frozenset of str
    """
    if not any(line.startswith(f"##{PROVENANCE}=") for line in header):
        return OURS
    declared = (match for line in header if (match := _DECLARED.match(line)))
    return OURS.union(match[2] for match in declared if match[1] == "INFO" and match[2].startswith(PREFIX))


class Declared:
    """What a VCF header declares, as BCF needs it of everything.

    Parameters
    ----------
    header : sequence of str
    genome : Genome
        Knows the lengths of contigs that the header lacks.
    """

    def __init__(self, header: Sequence[str], genome: Genome) -> None:
        self._genome = genome
        self._known: dict[str, set[str]] = {kind: set() for kind in ("contig", "FILTER", "INFO", "FORMAT")}
        for line in header:
            if match := _DECLARED.match(line):
                self._known[match[1]].add(match[2])
        self._known["FILTER"] |= {"PASS", "."}
        self._known["INFO"] |= {"", ".", *earlier_fields(header)}
        self._known["FORMAT"] |= {"."}
        self._contigs: list[str] = []

    def check(self, record: Record) -> None:
        """Note the contig of a record if the header lacks it; VariantError for anything else that it lacks."""
        if record.chrom not in self._known["contig"]:
            self._known["contig"].add(record.chrom)
            values = {"ID": record.chrom}
            if record.chrom in self._genome:
                values["length"] = str(self._genome.length(record.chrom))
            self._contigs.append(header_line("contig", **values))
        filters, info, *formats = record.text.split("\t", 9)[6:9]
        self._check("FILTER", filters.split(";"), record)
        self._check("INFO", [entry.partition("=")[0] for entry in info.split(";")], record)
        self._check("FORMAT", formats[0].split(":") if formats else [], record)

    def _check(self, kind: str, found: Sequence[str], record: Record) -> None:
        for key in found:
            if key not in self._known[kind]:
                raise VariantError(
                    f"{record.chrom}:{record.pos}: {kind} {excerpt(key)} is not declared in the header, which BCF "
                    f"needs; add its ##{kind} line (bcftools annotate -h), or write .vcf.gz"
                )

    @property
    def contig_lines(self) -> list[str]:
        """Lines for the contigs that records had and the header lacked."""
        return list(self._contigs)


@dataclass(frozen=True)
class Heading:
    """What stands above the records of a file.

    Attributes
    ----------
    lines : sequence of str
        The header of the input.
    definitions : mapping of str to str
        Each score, and what it is.
    facts : sequence of str
        Header lines that say what was computed with, and which shard this is.
    declared : Declared, optional
        For BCF.
    """

    lines: Sequence[str]
    definitions: Mapping[str, str]
    facts: Sequence[str]
    declared: Declared | None = None

    def vcf_lines(self) -> list[str]:
        """Give the input's header, with our lines in place of those of an earlier run."""
        earlier = tuple(f"##INFO=<ID={name}," for name in earlier_fields(self.lines))
        earlier += (f"##{PROVENANCE}=", f"##{SHARD}=")
        lines = [line for line in self.lines[:-1] if not line.startswith(earlier)]
        for name, text in self.definitions.items():
            lines.append(_info_line(PREFIX + name.upper(), "Float", text))
        lines.append(_info_line(REASON, "String", "Why an allele has no score; . where it has one"))
        contigs = self.declared.contig_lines if self.declared else []
        return [*lines, *self.facts, *contigs, self.lines[-1]]


def _info_line(name: str, kind: str, text: str) -> str:
    return f'##INFO=<ID={name},Number=A,Type={kind},Description={_quoted(text)},Source="hexamer">'
