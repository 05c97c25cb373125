"""What running counts say."""

import pytest

from hexamer.cli.progress import tell_count


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (("bases", 0, None, 0), "0.0 Mb"),
        (("bases", 77_700_000, 155_400_000, 1.0), "77.7 of 155.4 Mb  77.7 Mb/s  1 s left"),
        (("windows", 4, 400, 2.0), "4 of 400 windows  2.0 windows/s  3 min left"),
        (("windows", 400, 400, 200.0), "400 of 400 windows  2.0 windows/s"),
        (("records", 3000, None, 2.0), "3,000 records  1,500.0 records/s"),
    ],
)
def test_what_a_count_says(counted, said):
    assert tell_count(*counted) == said
