"""Why nothing came of a run, and what would work: one line for when no row at all has a number."""

from collections.abc import Iterable, Mapping

from hexamer.errors import REASONS

REMEDIES = {
    "beyond_model": "shorter sequences, or fewer N, would work",
    "constant_expression": "a gene whose expression varies would work",
    "contig_missing": "its own names would work",
    "empty": "sequences with bases would work",
    "iupac": "alleles of A, C, G and T would work",
    "missing": "records with alternate alleles would work",
    "missing_values": "a value for everybody, or fewer people, would work",
    "no_place": "columns chrom and tss, or an annotation that has the gene, would work",
    "no_variants": "a file that reaches the gene, or a wider window, would work",
    "non_acgt_window": "variants away from N and from the ends of contigs would work",
    "other_reference": "the assembly that the models were fitted on would work",
    "past_end": "the assembly that the positions are of would work",
    "ref_mismatch": "the assembly that the variants were called on would work",
    "star": "alleles spelled in bases would work",
    "symbolic": "alleles spelled in bases would work",
    "too_long": "shorter alleles, or a longer --window where the model reads it, would work",
}
"""Reason code to what would work."""

_NAMED = 5  # contigs, before "..."


def explain_nothing(reasons: Mapping[str, int], contigs: Iterable[str] = ()) -> str:
    """Say why no row has a number.

    Parameters
    ----------
    reasons : mapping of str to int
        Rows by reason code, at least one.
    contigs : iterable of str
        Names of the genome's contigs, for rows on others.

    Returns
    -------
    str

    Examples
    --------
    >>> explain_nothing({"star": 1, "contig_missing": 9}, ["1", "2"])
    'mostly because the contig is not in the genome, nor under another common name; its own names would work: 1, 2'
    """
    reason = max(reasons, key=lambda code: reasons[code])
    names = list(contigs) if reason == "contig_missing" else []
    told = ": " + ", ".join(names[:_NAMED]) + (f", ... ({len(names)})" if len(names) > _NAMED else "") if names else ""
    return f"{'mostly ' if len(reasons) > 1 else ''}because {REASONS[reason]}; {REMEDIES[reason]}{told}"
