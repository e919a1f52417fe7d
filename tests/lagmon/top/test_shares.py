"""Where replicas share a cluster, `lagmon top` says which part of it is on the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lagmon.board import Board
from lagmon.model import GroupLag, Why
from lagmon.readings import Share
from lagmon.top.page import Seen, headline, printed, screen
from lagmon.top.reading import Clusters, parsed
from lagmon.top.showing import Showing
from lagmon.web.choice import Choice
from tests.lagmon.builders import CLUSTER, GROUP, cycle, group, lags, part
from tests.lagmon.top.answers import asked, seen

OWN = Share((0, 3, 6, 9), 12, 9.0)
LOST = Share((), 12, 0.0, "group lagmon-local does not have it as a member any more")


def of(share: Share | None, *groups: GroupLag) -> Seen:
    """Give what is seen of a replica with *share* after one good cycle."""
    board, plain = Board("1.0", [CLUSTER]), cycle(lags(*groups))
    board.put(replace(plain, snapshot=replace(plain.snapshot, owned=share)))
    return seen(board)


def test_a_replica_without_a_share_is_not_called_well() -> None:
    """It shows nothing, which is no calm: the screen and the printed table say why."""
    lost = of(LOST)

    assert headline(lost.reading) == ("Not everything is known", "warn", CLUSTER)
    said = f"{CLUSTER} up, but this replica has no share of it: {LOST.why}"
    assert said in [each.text.rstrip() for each in screen(lost, Showing(), 120, 24).lines]
    assert said in printed(lost, Choice()).splitlines()


@pytest.mark.parametrize("groups", [(), (group(3),)])
def test_a_share_is_not_taken_for_all(groups: tuple[GroupLag, ...]) -> None:
    """Whoever misses a group finds that others have it; a share without any is well."""
    own = of(OWN, *groups)

    said, tone, who = headline(own.reading)
    assert (said, tone) == ("All is well", "good")
    assert who.endswith(" watched, the others by other replicas")
    assert ", 4 of 12 shares" in screen(own, Showing(), 120, 24).lines[1].text


def test_a_cluster_of_which_nothing_is_watched_is_not_called_well() -> None:
    """As on the status page: a wrong filter must not look like a calm night."""
    assert headline(of(None).reading) == ("Not everything is known", "warn", CLUSTER)


def test_records_that_wait_where_nothing_was_committed_are_not_called_well() -> None:
    """As on the status page: nobody knows how many of them are to be read."""
    waiting = part(0, None, committed=None, why=Why.NEVER_COMMITTED, waiting=True)
    found = of(None, group(0, GROUP, waiting, uncommitted=1))

    assert [each.rank for each in found.reading.groups] == [5]
    assert headline(found.reading) == ("Not everything is known", "warn", GROUP)


def test_a_lagmon_that_knows_of_no_shares_is_shown_too() -> None:
    """The key came later than the others."""
    board = Board("1.0", [CLUSTER])
    board.put(cycle(lags(group(3))))
    old = asked(board, "/clusters").replace(b',"share":null', b"")

    assert b"share" not in old
    assert parsed(Clusters, old).clusters[0].share is None
