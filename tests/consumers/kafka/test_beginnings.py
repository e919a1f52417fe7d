"""What is left out when a partition cannot begin where the group wants to."""

from __future__ import annotations

import pytest

from consumers.kafka.beginnings import Gap, gap

LOW, HIGH = 7, 20


@pytest.mark.parametrize(
    ("wanted", "earliest", "expected", "records"),
    [
        (3, True, Gap(begin=7, first=3), 4),
        (3, False, Gap(begin=20, first=3), 17),
        (25, True, Gap(begin=7, first=7), 0),
        (25, False, Gap(begin=20, first=7), 13),
    ],
)
def test_what_nobody_will_handle_is_known_by_its_offsets(
    wanted: int, expected: Gap, records: int, *, earliest: bool
) -> None:
    """Deleted records count, those that latest skips too; a log that was made anew is all new."""
    found = gap(wanted, LOW, HIGH, earliest=earliest)

    assert found == expected
    assert found.records == records
