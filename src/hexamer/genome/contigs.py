"""Names of contigs: which of a file's names another name means.

`chr20`, `20`, `CHR20` and `NC_000020.11` are one human chromosome, `M`, `MT` and `NC_012920.1` one mitochondrion, and
`Umaydis:chr01:1:+:2476500` (species, contig, first base, strand, length: how genomes cut from multiple alignments are
named) is `chr01`. The exact name always wins; a name that may mean two contigs is nobody's.
Not here: what the error says (`fasta`, `annotation`).
"""

import re
from collections.abc import Iterable

_ACCESSION = re.compile(r"nc_0000(?P<number>0[1-9]|1[0-9]|2[0-4])(?:\.[0-9]+)?")
_MITOCHONDRION = re.compile(r"(?:chr)?mt?|nc_012920(?:\.[0-9]+)?")
_OF_ALIGNMENT = re.compile(r"[^:]+:(?P<contig>[^:]+):1:\+:[0-9]+")


class ContigNames:
    """The names of one file.

    Parameters
    ----------
    names : iterable of str

    Examples
    --------
    >>> names = ContigNames(["chr20", "chrM", "NC_000021.8"])
    >>> names.matches("20"), names.matches("MT"), names.matches("21"), names.matches("NC_000021.9")
    (['chr20'], ['chrM'], ['NC_000021.8'], [])
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[str]] = {}
        for name in names:
            self._names.setdefault(plain_name(name), []).append(name)
        self._exact = {name for same in self._names.values() for name in same}

    def matches(self, name: str) -> list[str]:
        """Names of the file that may be meant: one, none, or several where it is not clear."""
        if name in self._exact:
            return [name]
        found = self._names.get(plain_name(name), [])
        # NC_000020.10 and NC_000020.11 are two assemblies: where both sides give a version, it has to agree.
        return [other for other in found if not (_is_versioned(name) and _is_versioned(other))]


def plain_name(name: str) -> str:
    """Spell the names that mean the same contig alike: 20 for chr20 and NC_000020.11, mt for chrM."""
    lower = name.lower()
    if match := _OF_ALIGNMENT.fullmatch(lower):
        lower = match["contig"]
    if _MITOCHONDRION.fullmatch(lower):
        return "mt"
    if match := _ACCESSION.fullmatch(lower):
        number = int(match["number"])
        return {23: "x", 24: "y"}.get(number, str(number))
    return lower.removeprefix("chr") or lower


def _is_versioned(name: str) -> bool:
    return _ACCESSION.fullmatch(name.lower()) is not None and "." in name
