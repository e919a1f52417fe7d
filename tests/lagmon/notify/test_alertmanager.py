"""Alerts at a real Alertmanager, and receivers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING

import pytest

from lagmon.model import Change
from lagmon.notify import Alertmanager, Mailbox, Outcome
from lagmon.report import Links
from tests.infra.ports import free_port
from tests.infra.wait import until
from tests.lagmon.builders import GROUP, TRACE, group, incident, notice, record
from tests.lagmon.notify.standing_in import answering, response

if TYPE_CHECKING:
    from lagmon.report import Notice
    from tests.infra.alertmanager import Alertmanager as RealAlertmanager
    from tests.infra.alertmanager import WebhookReceiver

LINKS = Links("http://jaeger:16686", "https://runbooks/lag", "http://lagmon:10308")


async def sending(url: str, *notices: Notice, timeout_seconds: float = 60) -> Outcome:
    """Send *notices* in one batch; give the outcome."""
    receiver = Alertmanager(url, LINKS, holds_seconds=240, timeout_seconds=timeout_seconds)
    try:
        return await receiver.send(notices)
    finally:
        await receiver.close()


def send(url: str, *notices: Notice) -> Outcome:
    """Do the same from outside an event loop."""
    return asyncio.run(sending(url, *notices))


def opened(now: float, name: str = GROUP) -> Notice:
    """Build the notice of an incident that began half a minute ago."""
    about = incident(name, since=now - 30)
    return notice(about=about, when=now, behind=group(1203, name), oldest=record(timestamp=now))


def resolved(now: float, name: str = GROUP) -> Notice:
    """Build the notice of its end."""
    about = incident(name, value=0, since=now - 30, resolved_at=now)
    return notice(Change.RESOLVED, about, when=now, behind=group(0, name))


def test_an_open_incident_is_held_and_told_with_its_trace(
    alertmanager: RealAlertmanager, webhook: WebhookReceiver
) -> None:
    """Alertmanager holds the alert as it was sent and notifies whoever is on call."""
    outcome = send(alertmanager.url, opened(time.time()))

    (held,) = alertmanager.alerts()
    (told,) = until(webhook.notifications, what="the notification")
    assert outcome is Outcome.SENT
    assert held["labels"]["priority"] == "P1"
    assert held["annotations"]["trace_id"] == TRACE
    assert held["generatorURL"] == "http://lagmon:10308"
    assert (told["status"], told["alerts"][0]["labels"]) == ("firing", held["labels"])


def test_sending_again_does_not_page_again(
    alertmanager: RealAlertmanager, webhook: WebhookReceiver
) -> None:
    """A reminder with another value is the same alert, and the next alert shows it came after."""
    now = time.time()
    send(alertmanager.url, opened(now))
    until(webhook.notifications, what="the notification")

    later = notice(Change.REMINDED, incident(value=9000, since=now - 30), when=now + 1)
    send(alertmanager.url, later)
    send(alertmanager.url, opened(now, "another"))

    def pages() -> list[str]:
        told = [alert for note in webhook.notifications() for alert in note["alerts"]]
        return [alert["labels"]["group"] for alert in told]

    until(lambda: "another" in pages(), what="the other group's page")
    assert pages() == [GROUP, "another"]
    assert {alert["annotations"]["value"] for alert in alertmanager.alerts()} == {"9000", "1203"}


def test_a_resolve_ends_the_alert(alertmanager: RealAlertmanager, webhook: WebhookReceiver) -> None:
    """The resolve is accepted, ends the alert at once, and is told."""
    now = time.time()
    send(alertmanager.url, opened(now))
    until(webhook.notifications, what="the page")

    outcome = send(alertmanager.url, resolved(time.time()))

    def statuses() -> list[str]:
        return [note["status"] for note in webhook.notifications()]

    until(lambda: "resolved" in statuses(), what="the resolve")
    assert outcome is Outcome.SENT
    assert statuses() == ["firing", "resolved"]


def test_a_clock_that_was_set_back_does_not_make_it_refuse(
    alertmanager: RealAlertmanager,
) -> None:
    """A resolve from before the opening is still accepted: Alertmanager would answer 400."""
    now = time.time()
    about = incident(since=now, resolved_at=now - 3600)

    assert send(alertmanager.url, notice(Change.RESOLVED, about, when=now - 3600)) is Outcome.SENT


def test_a_hostile_group_reaches_alertmanager_harmless(alertmanager: RealAlertmanager) -> None:
    """A group named in control characters and 64 kB is one alert with a bounded label."""
    name = "\x00\x1b[31m\u202e<script>\ud800" + "x" * 65_536

    outcome = send(alertmanager.url, opened(time.time(), name))

    (held,) = alertmanager.alerts()
    assert outcome is Outcome.SENT
    assert len(held["labels"]["group"]) <= 256


def test_a_batch_of_many_is_held_whole(alertmanager: RealAlertmanager) -> None:
    """As many as a mailbox sends at once are taken at once."""
    now = time.time()

    outcome = send(alertmanager.url, *(opened(now, f"g{number}") for number in range(256)))

    assert outcome is Outcome.SENT
    assert len(alertmanager.alerts()) == 256


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", Outcome.SENT),
        ("400 Bad Request", Outcome.REJECTED),
        ("401 Unauthorized", Outcome.REJECTED),
        ("429 Too Many Requests", Outcome.FAILED),
        ("500 Internal Server Error", Outcome.FAILED),
        ("503 Service Unavailable", Outcome.FAILED),
    ],
)
def test_an_answer_is_counted_by_whether_sending_again_can_help(
    status: str, outcome: Outcome
) -> None:
    """What was refused is told apart from trouble at the other end."""

    async def story() -> None:
        async with answering(response(status)) as (url, _):
            assert await sending(url, opened(0)) is outcome

    asyncio.run(story())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb",
            id="packed",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 70_000, id="endless"
        ),
    ],
)
def test_of_an_answer_no_more_is_read_than_is_needed(answer: bytes) -> None:
    """Nothing is unpacked, and what has no end is left: a receiver cannot hold up the others."""

    async def story() -> None:
        async with answering(answer) as (url, _):
            assert await sending(url, opened(0)) is Outcome.SENT

    asyncio.run(story())


def test_credentials_are_sent_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """They go out as basic authentication, decoded, and into no line of any library's log."""

    async def story() -> list[bytes]:
        async with answering(response("200 OK"), lines=20) as (url, asked):
            await sending(url.replace("://", "://lagmon:s%2Fcret@"), opened(0))
            return asked

    with caplog.at_level("DEBUG"):
        asked = asyncio.run(story())

    wanted = b"Authorization: Basic " + base64.b64encode(b"lagmon:s/cret")
    assert wanted in [line.strip() for line in asked]
    assert "cret" not in caplog.text


def test_a_redirect_is_not_followed() -> None:
    """An answer does not choose who else gets the alerts."""

    async def story() -> None:
        async with (
            answering(response("200 OK")) as (elsewhere, asked),
            answering(response("307 Temporary Redirect", f"Location: {elsewhere}/")) as (url, _),
        ):
            assert await sending(url, opened(0)) is Outcome.REJECTED
            assert asked == []

    asyncio.run(story())


def test_nobody_there_is_a_failure() -> None:
    """A connection that is refused is an outcome, not an exception."""
    assert send(f"http://127.0.0.1:{free_port()}", opened(0)) is Outcome.FAILED


def test_silence_ends_in_its_time() -> None:
    """A receiver that takes the request and never answers is given up."""

    async def story() -> None:
        async with answering(b"", after=60) as (url, _):
            assert await sending(url, opened(0), timeout_seconds=0.1) is Outcome.TIMEOUT

    asyncio.run(story())


def test_a_slow_alertmanager_does_not_delay_another(alertmanager: RealAlertmanager) -> None:
    """While one does not answer, the other one has the alert."""

    async def story() -> None:
        async with answering(b"", after=600) as (silent, _):
            boxes = [
                Mailbox(Alertmanager(url, LINKS, holds_seconds=240, timeout_seconds=600))
                for url in (silent, alertmanager.url)
            ]
            for box in boxes:
                box.start()
                box.put([opened(time.time())])

            held = await asyncio.to_thread(until, alertmanager.alerts, what="the alert")

            assert len(held) == 1
            assert boxes[0].sent() == ()
            await asyncio.gather(*(box.stop(0.05) for box in boxes))

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://am:9093", "alertmanager:am:9093"),
        ("https://user:secret@am:9093/prefix/", "alertmanager:am:9093/prefix"),
        ("https://user:12/secret@am:9093/prefix", "alertmanager:am:9093/prefix"),
        ("https://user:sec@ret@am", "alertmanager:am"),
    ],
)
def test_a_name_tells_alertmanagers_apart_without_secrets(url: str, name: str) -> None:
    """The name is a label: host, port and prefix, and nothing that was to stay secret."""
    assert Alertmanager(url, LINKS, holds_seconds=240).name == name
