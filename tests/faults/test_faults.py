"""The fault matrix, every row in its short form, several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Campaign
from tests.faults.settings import SHORT_PLAYS
from tests.faults.table import ROWS
from tests.infra import docker
from tests.infra.kafka_jars import available
from tests.infra.postgres_wheel import installed
from tests.infra.require import Missing, required

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 900  # for a row and those before it; on two idle cores all take about half

pytestmark = pytest.mark.timeout(PATIENCE_SECONDS + 60)


@pytest.fixture(scope="module")
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Play all rows that this session has selected."""
    with required():
        if not docker.reachable():
            available()
            installed()
    chosen = {
        item.callspec.params["row"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        if item.path == request.path and "row" in item.callspec.params
    }
    with Campaign([row for row in ROWS if row in chosen], SHORT_PLAYS) as started:
        yield started


@pytest.mark.parametrize("row", ROWS)
def test_nothing_is_lost_and_nothing_is_done_twice(row: str, campaign: Campaign) -> None:
    """The fault happened, and every acknowledged play is settled and paid once or a dead letter."""
    report = campaign.report(row, PATIENCE_SECONDS)

    with required():
        if report.missing:
            raise Missing(row, report.missing)
    assert not report.wrong, "\n".join(report.wrong)
    assert report.happened
    assert report.acknowledged >= SHORT_PLAYS
    assert report.commits > 0, "no commit was held against what was finished"
