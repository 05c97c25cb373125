"""Why nothing came of a run."""

import pytest

from hexamer.cli.remedies import REMEDIES, explain_nothing
from hexamer.errors import REASONS


def test_there_is_a_remedy_for_each_reason():
    assert list(REMEDIES) == list(REASONS)
    assert all(remedy.endswith("would work") for remedy in REMEDIES.values())


@pytest.mark.parametrize(
    ("reasons", "contigs", "said"),
    [
        (
            {"symbolic": 2},
            ["1"],
            "because the allele is symbolic or a breakend, without a sequence; alleles spelled in bases would work",
        ),
        ({"contig_missing": 3, "star": 2}, ["1", "2"], "its own names would work: 1, 2"),
        ({"contig_missing": 3}, map(str, range(1, 26)), "its own names would work: 1, 2, 3, 4, 5, ... (25)"),
        ({"contig_missing": 3}, (), "under another common name; its own names would work"),
    ],
)
def test_the_most_common_reason_is_said(reasons, contigs, said):
    line = explain_nothing(reasons, contigs)
    assert line.endswith(said)
    assert line.startswith("mostly because" if len(reasons) > 1 else "because")
