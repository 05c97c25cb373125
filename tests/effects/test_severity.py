import numpy as np
import pytest

from hexamer.effects.severity import SEVERITY, most_severe, severity_ranks

PAPER = (  # the ten of the paper, the least severe first
    "intergenic_variant",
    "regulatory_region_variant",
    "TF_binding_site_variant",
    "intron_variant",
    "3_prime_UTR_variant",
    "5_prime_UTR_variant",
    "synonymous_variant",
    "splice_region_variant",
    "missense_variant",
    "stop_gained",
)


def test_the_paper_s_ten_kinds_are_ranked_1_to_10():
    ranks, terms = severity_ranks(reversed(PAPER))
    assert ranks.tolist() == list(range(10, 0, -1))
    assert terms == {term: rank for rank, term in enumerate(PAPER, start=1)}
    assert len(set(SEVERITY)) == len(SEVERITY) == 41


@pytest.mark.parametrize("cell", ["intron_variant,missense_variant", "missense_variant & x", "MISSENSE_VARIANT|stop"])
def test_the_most_severe_term_of_a_cell_counts(cell):
    assert most_severe(cell) == "missense_variant"


def test_what_is_no_term_has_no_rank():
    ranks, terms = severity_ranks(["x", None, np.nan, "stop_gained"])
    assert np.isnan(ranks[:3]).all()
    assert terms == {"stop_gained": 1}
