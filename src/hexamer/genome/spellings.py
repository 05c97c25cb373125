"""One variant as people spell it: ``chrom:pos:ref:alt``, gnomAD's, GTEx's, SPDI; and ANNOVAR's empty alleles.

`parse_variant` reads one spelled variant; `fill_as_annovar` spells alleles of which one is ``-`` as VCF does. ANNOVAR
says at an insertion (ref ``-``) the base before, at a deletion (alt ``-``) the first deleted base. VCF has no empty
alleles: there, and in SPDI, the base before is read from a genome and put in front, at a contig's first base the one
behind. Where the genome has no such base it is N, and the scorer says why (contig_missing, past_end).
Not here: files of variants (`variants`, `variant_tables`), left-alignment (`normalise`), HGVS, which needs transcripts.

Source: VCF 4.3, column REF (the base before); Holmes et al. (2020), https://doi.org/10.1093/bioinformatics/btz856
(SPDI); ANNOVAR's input format, https://annovar.openbioinformatics.org/en/latest/user-guide/input/
"""

import re

from hexamer.errors import VariantError
from hexamer.genome.fasta import Genome
from hexamer.genome.lines import excerpt
from hexamer.genome.variants import Variant

Alleles = tuple[str, ...]

_SPELLINGS = "or 20-1000226-A-T, chr20_1000226_A_T_b38, SPDI NC_000020.11:1000225:A:T"

_BASES = re.compile(r"[A-Za-z]+")
_ACCESSION = re.compile(r"[A-Z]{2}_[0-9]+\.[0-9]+")
# A contig's own name may hold the separator, so all but the last three fields are its name.
_SPDI = re.compile(r"(?P<chrom>\S+):(?P<start>[0-9]+):(?P<ref>[A-Za-z]*|[0-9]+):(?P<alt>[A-Za-z]*|[0-9]+)")
_GTEX = re.compile(
    r"(?P<chrom>\S+)_(?P<pos>[0-9]+)_(?P<ref>[A-Za-z]+)_(?P<alt>[A-Za-z]+|[*.]|<[^\s>]+>)(?:_(?:b|hg|GRCh)[0-9]+)?"
)
_HGVS = re.compile(r":[cgmnopr]\.")
_MOST_UNKNOWN = 10_000_000


def parse_variant(text: str, genome: Genome | None = None) -> Variant:
    """Read one spelled variant.

    Parameters
    ----------
    text : str
        ``chrom:pos:ref:alt``; ``chrom-pos-ref-alt`` (gnomAD); ``chrom_pos_ref_alt``, perhaps with a build such as
        ``_b38`` behind (GTEx); SPDI, ``sequence:position:deleted:inserted``, where the position counts from 0 and the
        deleted bases may be given by their number. With colons it is SPDI if the name is an accession with version
        (NC_000020.11), or an allele is empty or a number; all others count from 1.
    genome : Genome, optional
        Where the bases are read that SPDI leaves out: of an empty allele, or a number.

    Returns
    -------
    Variant
        With the name of the contig as written.

    Raises
    ------
    VariantError
        If the text has another form, or needs a genome and there is none.

    Examples
    --------
    >>> {str(parse_variant(text)) for text in ("20-7-A-T", "20_7_A_T_b38", "20:7:A:T")}
    {'20:7:A:T'}
    >>> parse_variant("NC_000020.11:6:A:T")
    Variant(chrom='NC_000020.11', pos=7, ref='A', alt='T')
    """
    text = text.strip()
    if _HGVS.search(text):
        raise VariantError(f"variant {excerpt(text)}: HGVS is not read; SPDI would work (NCBI's services translate it)")
    if re.fullmatch(r"rs[0-9]+", text):
        raise VariantError(f"variant {excerpt(text)}: an rs number names no alleles; chrom:pos:ref:alt would work")
    if re.search("[0-9]{19}", text):
        raise VariantError(f"variant {excerpt(text)}: expected at most 18 digits in a row")
    spdi = _SPDI.fullmatch(text)
    is_accession = ":" in text and _ACCESSION.fullmatch(text.split(":")[0])
    if is_accession or (spdi and not (_BASES.fullmatch(spdi["ref"]) and _BASES.fullmatch(spdi["alt"]))):
        if not spdi or spdi["alt"].isdigit() or (spdi["ref"].strip("0") == spdi["alt"] == ""):
            raise VariantError(
                f"variant {excerpt(text)}: expected SPDI, sequence:position:deleted:inserted, from 0 and with a change"
            )
        chrom, start, ref = spdi["chrom"], int(spdi["start"]), spdi["ref"]
        try:
            if ref.isdigit():
                ref = _fetch(genome, chrom, start, start + int(ref))
            pos, ref, alts = _fill(genome, chrom, start, ref, (spdi["alt"],))
        except VariantError as problem:
            raise VariantError(f"variant {excerpt(text)}: {problem}") from None
        return Variant(chrom, pos, ref, alts[0])
    if match := _GTEX.fullmatch(text):
        return Variant(match["chrom"], int(match["pos"]), match["ref"], match["alt"])
    try:
        return Variant.parse(text)
    except VariantError as problem:
        raise VariantError(f"{problem}; {_SPELLINGS}") from None


def _fetch(genome: Genome | None, chrom: str, start: int, end: int) -> str:
    """Read bases; N where there are none, as the row has to come back with the scorer's reason."""
    if genome is None:
        raise VariantError("the alleles leave out bases, which are read from a genome; give one")
    if chrom not in genome or end > genome.length(chrom):
        return "N" * min(end - start, _MOST_UNKNOWN)
    return genome.fetch(chrom, start, end)


def _fill(genome: Genome | None, chrom: str, start: int, ref: str, alts: Alleles) -> tuple[int, str, Alleles]:
    """Spell alleles as VCF does, with the base before where one is empty; `start` counts from 0, the result from 1."""
    if ref and all(alts):
        return start + 1, ref, alts
    if start:
        base = _fetch(genome, chrom, start - 1, start)
        return start, base + ref, tuple(base + alt for alt in alts)
    base = _fetch(genome, chrom, len(ref), len(ref) + 1)
    return 1, ref + base, tuple(alt + base for alt in alts)


def fill_as_annovar(genome: Genome | None, chrom: str, pos: int, ref: str, alts: Alleles) -> tuple[int, str, Alleles]:
    """Spell alleles of which one is "-" as VCF does."""
    alleles = [ref, *alts]
    others = [allele for allele in alleles if allele != "-"]
    start = pos if ref == "-" else pos - 1
    if start < 0 or len(others) < len(alts) or not all(_BASES.fullmatch(allele) for allele in others):
        raise VariantError(f"REF {excerpt(ref)} ALT {excerpt(','.join(alts))} at {pos}: '-' needs bases beside it")
    ref, *rest = (allele.replace("-", "") for allele in alleles)
    return _fill(genome, chrom, start, ref, tuple(rest))
