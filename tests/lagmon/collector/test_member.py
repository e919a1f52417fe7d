"""For how long a member is sure of its share."""

from __future__ import annotations

import pytest

from lagmon.collector.member import HEARTBEAT_SECONDS, certain_seconds


@pytest.mark.parametrize(("session", "certain"), [(20, 18), (15, 13.5), (6, 4.5), (2, 1)])
def test_it_is_sure_for_the_session_less_a_margin(session: float, certain: float) -> None:
    """A tenth of it, or a second and a half, but never all of it."""
    assert certain_seconds(session) == certain


def test_the_margin_is_longer_than_a_heartbeat_takes() -> None:
    """The client's thread may be a second late with one: until then the coordinator counts."""
    assert 6 - certain_seconds(6) >= HEARTBEAT_SECONDS + 1
