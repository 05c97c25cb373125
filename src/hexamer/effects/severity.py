"""How severe the consequence of a variant is, as a rank.

The paper correlates scores with the severity of ten kinds of consequences that Ensembl's Variant Effect Predictor
(VEP) tells apart. Source: Dalla-Torre et al. (2025), zero-shot scores by severity; the order is Ensembl's, release 115,
https://www.ensembl.org/info/genome/variation/prediction/predicted_data.html, subjective as that page says.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

SEVERITY = (
    "transcript_ablation",
    "splice_acceptor_variant",
    "splice_donor_variant",
    "stop_gained",
    "frameshift_variant",
    "stop_lost",
    "start_lost",
    "transcript_amplification",
    "feature_elongation",
    "feature_truncation",
    "inframe_insertion",
    "inframe_deletion",
    "missense_variant",
    "protein_altering_variant",
    "splice_donor_5th_base_variant",
    "splice_region_variant",
    "splice_donor_region_variant",
    "splice_polypyrimidine_tract_variant",
    "incomplete_terminal_codon_variant",
    "start_retained_variant",
    "stop_retained_variant",
    "synonymous_variant",
    "coding_sequence_variant",
    "mature_miRNA_variant",
    "5_prime_UTR_variant",
    "3_prime_UTR_variant",
    "non_coding_transcript_exon_variant",
    "intron_variant",
    "NMD_transcript_variant",
    "non_coding_transcript_variant",
    "coding_transcript_variant",
    "upstream_gene_variant",
    "downstream_gene_variant",
    "TFBS_ablation",
    "TFBS_amplification",
    "TF_binding_site_variant",
    "regulatory_region_ablation",
    "regulatory_region_amplification",
    "regulatory_region_variant",
    "intergenic_variant",
    "sequence_variant",
)
"""Terms of the Sequence Ontology, the most severe one first."""
_PLACE = {term.lower(): place for place, term in enumerate(SEVERITY)}
_BETWEEN_TERMS = re.compile(r"[&,|;\s]+")


def most_severe(consequence: object) -> str:
    """Find the most severe term of a cell.

    Parameters
    ----------
    consequence : object
        Terms with `&`, commas or bars between them, as VEP and ClinVar write; other words are passed over.

    Returns
    -------
    str
        One of `SEVERITY`, or empty where none is in it.

    Examples
    --------
    >>> most_severe("intron_variant&splice_region_variant"), most_severe("SO:0001583|missense_variant")
    ('splice_region_variant', 'missense_variant')
    """
    places = [_PLACE[word] for word in _BETWEEN_TERMS.split(str(consequence).lower()) if word in _PLACE]
    return SEVERITY[min(places)] if places else ""


def severity_ranks(consequences: Iterable[object]) -> tuple[npt.NDArray[np.float64], dict[str, int]]:
    """Rank consequences by severity, among the terms that occur.

    Parameters
    ----------
    consequences : iterable of N objects
        As `most_severe`.

    Returns
    -------
    ranks : float64 array [N]
        1 is the least severe term that occurs, the next one 2, and so on; NaN where there is no known term.
    terms : dict of str to int
        Rank of each term that occurs.

    Examples
    --------
    >>> severity_ranks(["stop_gained", "intron_variant", "unknown", "missense_variant"])
    (array([ 3.,  1., nan,  2.]), {'intron_variant': 1, 'missense_variant': 2, 'stop_gained': 3})
    """
    terms = [most_severe(consequence) for consequence in consequences]
    present = sorted(set(terms) - {""}, key=SEVERITY.index, reverse=True)
    ranks = {term: rank for rank, term in enumerate(present, start=1)}
    return np.array([ranks.get(term, np.nan) for term in terms], dtype=np.float64), ranks
