"""Standing by for Alertmanagers: told in time, counted, and remembered before it leaves."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from lagmon.model import Change
from lagmon.notify import Fallback, Mailbox, Outcome, PagerDuty, Policy, Standby
from lagmon.notify.fallback import About
from lagmon.report import Links
from lagmon.state.keeper import Keeper
from tests.infra.endpoint import Response
from tests.infra.pagerduty import ROUTING_KEY
from tests.infra.pagerduty import PagerDuty as StandIn
from tests.infra.wait import until
from tests.lagmon.builders import CLUSTER, GROUP, NOON, incident, notice
from tests.lagmon.notify.standing_in import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from lagmon.report import Notice

OVER = notice(Change.RESOLVED, incident(resolved_at=NOON + 60), when=NOON + 60)
LOOK_SECONDS = 0.01


class Silent:
    """An Alertmanager that takes nothing until it is back."""

    name = "alertmanager:silent"

    def __init__(self) -> None:
        self.is_back = False
        self.taken: list[Notice] = []

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Refuse *notices*, or take them."""
        if not self.is_back:
            return Outcome.FAILED
        self.taken += notices
        return Outcome.SENT

    async def close(self) -> None:
        """Nothing is held open."""


def play(story: Coroutine[None, None, None]) -> None:
    """Run *story*."""
    asyncio.run(asyncio.wait_for(story, 60))


async def soon(check: Callable[[], object], what: str) -> None:
    """Wait until *check* gives something, while others run."""
    await asyncio.to_thread(until, check, what=what)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Give a file that holds a routing key."""
    path = tmp_path / "routing-key"
    path.write_text(ROUTING_KEY)
    return path


def standby(
    url: str, key: Path, *alertmanagers: str, keeper: Keeper | None = None, after: float = 0.05
) -> Standby:
    """Stand by for *alertmanagers*."""
    policy = Policy(frozenset(alertmanagers), after, holds_seconds=240)
    receiver = PagerDuty(Links(), routing_key_file=key, url=url, timeout_seconds=60)
    return Standby(receiver, Fallback(policy), keeper, look_seconds=LOOK_SECONDS)


def counts(stands_by: Standby) -> dict[str, int]:
    """Give the counts by outcome."""
    return {sent.outcome: sent.count for sent in stands_by.sent()}


def test_a_page_that_no_alertmanager_takes_reaches_pagerduty_and_ends_there(key: Path) -> None:
    """The Alertmanager is back by the end: it is told of the end, and PagerDuty as well."""

    async def story(pagerduty: StandIn) -> None:
        silent = Silent()
        stands_by = standby(pagerduty.url, key, silent.name)
        mailbox = Mailbox(silent, pauses=[0.05] * 100, heard=stands_by.heard)
        for box in (stands_by, mailbox):
            box.start()
            box.put([notice()])
        await soon(pagerduty.events, "the page")

        silent.is_back = True
        for box in (stands_by, mailbox):
            box.put([OVER])
        await soon(lambda: len(pagerduty.events()) > 1, "the end of the page")
        await asyncio.gather(stands_by.stop(10), mailbox.stop(10))

        assert pagerduty.actions() == ["trigger", "resolve"]
        assert silent.taken
        assert counts(stands_by) == {"sent": 2}

    with StandIn() as pagerduty:
        play(story(pagerduty))


def test_a_page_is_kept_before_it_leaves_and_its_end_after(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the process is killed, the next one knows who may have been woken."""
    monkeypatch.setattr("lagmon.notify.standby.KEEP_SECONDS", 60.0)  # a busy disk takes its time
    path = tmp_path / "state.json"
    kept: list[Any] = []

    def look(_: dict[str, Any]) -> None:
        kept.append([page["told"] for page in json.loads(path.read_text())["paged"]])

    async def story(pagerduty: StandIn) -> None:
        keeper = Keeper(path, (CLUSTER,))
        stands_by = standby(pagerduty.url, key, keeper=keeper)
        stands_by.start()
        stands_by.put([notice()])
        await soon(pagerduty.events, "the page")
        await soon(lambda: json.loads(path.read_text())["paged"][0]["told"] == "yes", "its keeping")
        await stands_by.stop(10)

        restarted = standby(pagerduty.url, key, keeper=Keeper(path, (CLUSTER,)))
        restarted.start()
        restarted.put([notice(Change.REMINDED)])
        restarted.put([OVER])
        await soon(lambda: len(pagerduty.events()) > 1, "the end of the page")
        await restarted.stop(10)

    with StandIn(before=look) as pagerduty:
        play(story(pagerduty))

    assert pagerduty.actions() == ["trigger", "resolve"]
    assert kept == [["maybe"], ["yes"]]
    assert json.loads(path.read_text())["paged"] == []


class Hanging(Keeper):
    """A keeper whose disk does not answer."""

    async def keep_paged(self, paged: Any) -> None:
        """Take *paged*, and never come back."""
        self.paged = paged
        await asyncio.Event().wait()


def test_a_disk_that_hangs_keeps_no_page_back(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it goes out all the same."""
    monkeypatch.setattr("lagmon.notify.standby.KEEP_SECONDS", 0.05)

    async def story(pagerduty: StandIn) -> None:
        stands_by = standby(pagerduty.url, key, keeper=Hanging(None, (CLUSTER,)))
        stands_by.start()
        stands_by.put([notice()])
        await soon(pagerduty.events, "the page")
        await stands_by.stop(10)

    with StandIn() as pagerduty:
        play(story(pagerduty))

    assert pagerduty.actions() == ["trigger"]


def test_what_was_kept_and_makes_no_sense_is_copied_aside_and_said(
    key: Path, tmp_path: Path
) -> None:
    """It costs the memory of pages alone."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"v": 1, "clusters": {}, "paged": [7]}))

    async def story(pagerduty: StandIn) -> None:
        stands_by = standby(pagerduty.url, key, keeper=Keeper(path, (CLUSTER,)))
        with capture_logs() as lines:
            stands_by.start()
        stands_by.put([notice()])
        await soon(pagerduty.events, "the page")
        await stands_by.stop(10)

        (line,) = lines
        assert line["event"] == "pages_not_restored"
        assert line["copied_to"] == f"{path}.unreadable"

    with StandIn() as pagerduty:
        play(story(pagerduty))


def test_failures_are_counted_by_outcome_and_tried_again(key: Path) -> None:
    """The count names the receiver, for the metric."""

    async def story(pagerduty: StandIn) -> None:
        pagerduty.answer = Response(503)
        stands_by = standby(pagerduty.url, key)
        stands_by.start()
        stands_by.put([notice()])
        await soon(lambda: counts(stands_by).get("failed"), "a failure")
        pagerduty.answer = None
        await soon(pagerduty.events, "the page")
        await stands_by.stop(10)

        assert counts(stands_by)["sent"] == 1
        (name,) = {sent.notifier for sent in stands_by.sent()}
        assert name == f"pagerduty:{pagerduty.url.partition('://')[2]}"

    with StandIn() as pagerduty:
        play(story(pagerduty))


def test_a_page_is_one_line_in_the_log_and_its_end_another(key: Path) -> None:
    """They have the key under which PagerDuty has it, and none that opens doors."""

    async def story(pagerduty: StandIn) -> None:
        stands_by = standby(pagerduty.url, key)
        with capture_logs() as lines:
            stands_by.start()
            stands_by.put([notice()])
            await soon(pagerduty.events, "the page")
            stands_by.put([OVER])
            await soon(lambda: len(pagerduty.events()) > 1, "its end")
            await stands_by.stop(10)

        assert [line["event"] for line in lines] == ["pagerduty_triggered", "pagerduty_resolved"]
        assert lines[0]["dedup_key"] == About(CLUSTER, GROUP).dedup_key
        assert ROUTING_KEY not in str(lines)

    with StandIn() as pagerduty:
        play(story(pagerduty))


class Broken(PagerDuty):
    """A receiver that breaks on its first event."""

    breaks = 1

    async def send(self, event: Any) -> Outcome:
        """Break, or send *event*."""
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("broken")
        return await super().send(event)


def test_what_breaks_on_one_event_takes_the_next(key: Path) -> None:
    """It is logged and counted, and the event is tried again."""

    async def story(pagerduty: StandIn) -> None:
        broken = Broken(Links(), routing_key_file=key, url=pagerduty.url, timeout_seconds=60)
        stands_by = Standby(
            broken, Fallback(Policy(frozenset(), 1, 240)), look_seconds=LOOK_SECONDS
        )
        stands_by.start()
        with capture_logs() as lines:
            stands_by.put([notice()])
            await soon(pagerduty.events, "the page")
        await stands_by.stop(10)

        assert "notifier_broke" in [line["event"] for line in lines]
        assert counts(stands_by) == {"failed": 1, "sent": 1}

    with StandIn() as pagerduty:
        play(story(pagerduty))


def test_stopping_ends_in_its_time_while_pagerduty_hangs(key: Path) -> None:
    """What was under way is told again by the next start."""

    async def story() -> None:
        async with answering(b"", after=60) as (url, _):
            keeper = Keeper(None, (CLUSTER,))
            stands_by = standby(url, key, keeper=keeper)
            stands_by.start()
            stands_by.put([notice()])
            await soon(lambda: keeper.paged, "the page to be kept")
            await stands_by.stop(0.05)

            assert keeper.paged[0]["told"] == "maybe"

    play(story())
