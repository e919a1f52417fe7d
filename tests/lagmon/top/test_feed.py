"""What keeps a screen fresh: what it asks for, and when."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lagmon.board import Board
from lagmon.notify.access import Access
from lagmon.top.asking import Asking
from lagmon.top.feed import Feed
from lagmon.web.answers import ROOT
from tests.infra.endpoint import Endpoint, Request, Response
from tests.lagmon.builders import CLUSTER, GROUP, NOON, cycle, group, lags
from tests.lagmon.top.answers import asked

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST, ONE = {"/groups": 1, "/incidents": 1}, f"/groups/{GROUP}"


class Lagmon:
    """Answers as lagmon does, and counts what it is asked for; *down*: it answers nothing good."""

    def __init__(self) -> None:
        self.board = Board("1.0", [CLUSTER])
        self.board.put(cycle(lags(group(7))))
        self.asked: Counter[str] = Counter()
        self.down = False

    def answer(self, request: Request) -> Response:
        """Answer and count."""
        path = request.path.removeprefix(ROOT)
        self.asked[path] += 1
        return Response(500) if self.down else Response(200, asked(self.board, path))

    def told(self) -> dict[str, int]:
        """Give what was asked for since this was last called, the clusters aside."""
        told = Counter(self.asked)
        self.asked.clear()
        del told["/clusters"]
        return dict(told)


@pytest.fixture
def lagmon() -> Lagmon:
    """Give a lagmon with one group."""
    return Lagmon()


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands still."""
    return Clock()


@pytest.fixture
def feed(lagmon: Lagmon, clock: Clock) -> Iterator[Feed]:
    """Give a feed that asks when it is told to, and has asked once."""
    with Endpoint(lagmon.answer) as served, Asking(served.address, Access(), {}) as asking:
        yield Feed(asking, 60, clock)


def test_the_groups_are_asked_for_when_there_is_something_new(lagmon: Lagmon, feed: Feed) -> None:
    """Between two cycles the small answer about the clusters is all that is needed."""
    assert lagmon.told() == LIST

    feed.look()
    assert lagmon.told() == {}

    lagmon.board.put(cycle(replace(lags(group(8)), at=NOON + 5)))
    feed.look()
    assert lagmon.told() == LIST
    assert feed.seen.reading.groups[0].lag == 8


def test_a_group_is_asked_for_while_it_is_open(lagmon: Lagmon, feed: Feed) -> None:
    """At once, then with each cycle, and no more when it is closed."""
    lagmon.told()

    feed.open((CLUSTER, GROUP))
    feed.look()
    assert lagmon.told() == {ONE: 1}
    feed.look()
    assert lagmon.told() == {}

    lagmon.board.put(cycle(replace(lags(group(8)), at=NOON + 5)))
    feed.look()
    assert lagmon.told() == LIST | {ONE: 1}
    assert feed.seen.whole is not None
    assert feed.seen.whole.lag == 8

    feed.open(None)
    feed.look()
    assert feed.seen.whole is None


def test_the_last_values_stay_while_there_is_no_answer(
    lagmon: Lagmon, feed: Feed, clock: Clock
) -> None:
    """With how long it has been, until there is one again."""
    lagmon.down = True
    clock.now += 12
    feed.look()

    assert feed.seen.trouble.startswith("No answer for 12s: ")
    assert feed.seen.reading.groups[0].lag == 7

    lagmon.down = False
    feed.look()
    assert feed.seen.trouble == ""
