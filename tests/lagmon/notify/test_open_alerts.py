"""Which alerts are open, as a real Alertmanager tells it."""

from __future__ import annotations

import asyncio
import gzip
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lagmon.notify import Access, Alertmanager, Outcome
from lagmon.notify.open_alerts import OpenAlert, open_alerts, read
from lagmon.report import Links
from tests.infra.ports import free_port
from tests.lagmon.builders import CLUSTER, GROUP, incident, notice
from tests.lagmon.notify.standing_in import answering

if TYPE_CHECKING:
    from lagmon.report import Notice
    from tests.infra.alertmanager import Alertmanager as RealAlertmanager


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a busy machine's answers waited for."""
    monkeypatch.setattr("lagmon.notify.open_alerts.TIMEOUT_SECONDS", 60.0)


def fired(*, cluster: str = CLUSTER, at: float = 0.0, resolved: bool = False) -> Notice:
    """Build a notice about the test's group, of the second that has begun: none to come."""
    at = at or int(time.time())
    about = incident(GROUP)
    about = replace(
        about,
        key=replace(about.key, cluster=cluster),
        since=at - 60,
        opened_at=at - 30,
        value=1200,
        resolved_at=at if resolved else None,
    )
    return replace(notice(about=about), at=at)


async def sent(url: str, *notices: Notice) -> None:
    """Send *notices* as lagmon does."""
    sender = Alertmanager(url, Links(), holds_seconds=240, timeout_seconds=60)
    assert await sender.send(notices) is Outcome.SENT
    await sender.close()


def test_what_was_sent_is_open(alertmanager: RealAlertmanager) -> None:
    """Rule, group, times and value come back as they were; other clusters and ends do not."""
    now = int(time.time())
    odd = 'a "quoted" \\ name'

    async def story() -> tuple[OpenAlert, ...] | None:
        here, there = fired(cluster=odd, at=now), fired(cluster="elsewhere", at=now)
        await sent(alertmanager.url, here, there, fired(cluster="over", at=now, resolved=True))
        assert await open_alerts([(alertmanager.url, Access())], "over") == ()
        return await open_alerts([(alertmanager.url, Access())], odd)

    found = asyncio.run(story())

    key = incident(GROUP).key
    assert found == (
        OpenAlert(key.rule, GROUP, key.topic, key.partition, now - 60, now - 30, 1200.0),
    )


def test_one_answer_is_enough(alertmanager: RealAlertmanager) -> None:
    """An Alertmanager that is away is named in the log; what the other has counts."""
    away = f"http://127.0.0.1:{free_port()}"

    async def story() -> tuple[OpenAlert, ...] | None:
        await sent(alertmanager.url, fired())
        return await open_alerts([(away, Access()), (alertmanager.url, Access())], CLUSTER)

    with capture_logs() as lines:
        found = asyncio.run(story())

    assert found is not None
    assert [one.group for one in found] == [GROUP]
    assert [line["event"] for line in lines] == ["alerts_not_told"]


def test_without_an_answer_nothing_is_known() -> None:
    """Nobody answered: that is not the same as nothing being open."""
    away = f"http://127.0.0.1:{free_port()}"

    assert asyncio.run(open_alerts([(away, Access())], CLUSTER)) is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"[]"), id="packed"),
        pytest.param(b"\r\n" + b"[" * 200_000, id="nested"),
        pytest.param(b"\r\n[1]", id="of another kind"),
    ],
)
def test_an_answer_that_no_alertmanager_gives_is_none(answer: bytes) -> None:
    """Nothing is unpacked, as little can be packed that keeps everybody waiting; nothing breaks."""

    async def story() -> tuple[OpenAlert, ...] | None:
        async with answering(b"HTTP/1.1 200 OK\r\n" + answer, lines=20) as (url, _):
            return await open_alerts([(url, Access())], CLUSTER)

    assert asyncio.run(story()) is None


def test_what_prometheus_sent_is_not_lagmons() -> None:
    """The same rule fires there too; its incident is not ours to end."""
    alert = {"labels": {"alertname": "KafkaConsumerLag"}, "annotations": {}, "startsAt": ""}

    assert read(alert) is None
