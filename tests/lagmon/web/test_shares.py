"""Where replicas share a cluster, page and API say that they show a share, and which."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lagmon.alerts.rules import SHIPPED
from lagmon.board import advance
from lagmon.readings import Share
from lagmon.report import ClusterReport, Links, Report
from lagmon.web import answers
from lagmon.web.lookup import why_missing
from lagmon.web.status import status
from tests.lagmon.builders import CLUSTER, NOON, cycle, group, lags

if TYPE_CHECKING:
    from lagmon.model import GroupLag
    from lagmon.web.status import Status

OWN = Share((0, 3, 6, 9), 12, 9.0)
NOTHING = Share((), 12, 9.0)
LOST = Share((), 12, 0.0, "group lagmon-local does not have it as a member any more")


def of(share: Share, *groups: GroupLag) -> ClusterReport:
    """Give a cluster after one good cycle of a replica with *share*."""
    plain = cycle(lags(*groups))
    shared = replace(plain, snapshot=replace(plain.snapshot, owned=share))
    return advance(ClusterReport(CLUSTER), shared)


def shown(report: ClusterReport) -> Status:
    """Lay out the page of *report*."""
    return status(Report("1", (report,)), SHIPPED, Links(), NOON)


def told(report: ClusterReport) -> Any:
    """Give what the API says of the share of *report*."""
    (cluster,) = answers.clusters(Report("1", (report,)), NOON)["clusters"]
    return cluster["share"]


def test_a_share_is_not_taken_for_all() -> None:
    """Whoever misses a group on the page of one replica finds why."""
    report = of(OWN, group(3))
    page = shown(report)

    assert page.detail == "1 consumer group watched. Other replicas watch the others."
    assert ("This replica's", "4 of 12 shares") in page.clusters[0].facts
    assert told(report) == {"owned": 4, "of": 12, "confirmed": True, "why": None}
    said = "this replica has 4 of 12 shares, others have the rest"
    assert why_missing(report) == said
    assert answers.groups([report])["missing"] == [{"cluster": CLUSTER, "why": said}]


@pytest.mark.parametrize("share", [OWN, NOTHING])
def test_a_share_without_groups_is_nothing_to_look_into(share: Share) -> None:
    """With few groups, or more replicas than partitions, one has nothing to do."""
    page = shown(of(share))

    assert (page.tone, page.clusters[0].error) == ("good", "")
    assert page.clusters[0].empty == (
        "No consumer group that is watched is in the share of this replica."
    )


def test_a_replica_without_a_share_says_why() -> None:
    """The page of one that is cut off is no calm page."""
    report = of(LOST)
    page = shown(report)

    assert (page.tone, page.detail) == ("warn", f"This replica has no share of {CLUSTER}.")
    assert (page.clusters[0].tone, page.clusters[0].word) == ("warn", "no share")
    assert page.clusters[0].error == f"Nothing is shown: this replica has no share: {LOST.why}"
    assert told(report) == {"owned": 0, "of": 12, "confirmed": False, "why": LOST.why}


def test_who_has_all_says_nothing_of_shares() -> None:
    """Where there is one lagmon nothing is shared."""
    report = advance(ClusterReport(CLUSTER), cycle(lags(group(3))))

    assert told(report) is None
    assert why_missing(report) is None
    assert shown(report).detail == "1 consumer group watched."
