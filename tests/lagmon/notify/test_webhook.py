"""What a webhook gets: a signed body in the documented form, whatever happens around it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from lagmon.model import Change
from lagmon.notify import Mailbox, Outcome, Webhook
from lagmon.notify.webhook import body, signature
from lagmon.report import Links
from tests.docs.pages import DOCS
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.wait import until
from tests.lagmon.builders import CLUSTER, NOON, group, incident, notice, part, record
from tests.lagmon.notify.standing_in import answering, response

if TYPE_CHECKING:
    from pathlib import Path

    from lagmon.report import Notice

SCHEMA = json.loads((DOCS / "reference/lagmon-webhook.schema.json").read_text())
LINKS = Links("http://jaeger:16686", "https://runbooks/{rule}", "http://lagmon:10308")
OPENED = notice(behind=group(1203), oldest=record())
OVER = notice(Change.RESOLVED, incident(resolved_at=NOON + 60), when=NOON + 60)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Give a file that holds a secret."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    return path


def webhook(url: str, key: Path, **settings: Any) -> Webhook:
    """Give the notifier for the receiver at *url*; it is noon."""
    given = {"secret_file": key, "holds_seconds": 240.0, "now": lambda: NOON + 0.9, **settings}
    return Webhook(url, LINKS, **given)


async def sent(to: Webhook, *notices: Notice) -> Outcome:
    """Send once."""
    try:
        return await to.send(notices)
    finally:
        await to.close()


def written(*notices: Notice) -> list[dict[str, Any]]:
    """Give the alerts of a body that is as the schema says."""
    told = json.loads(body(notices, LINKS, 240, NOON))
    jsonschema.validate(told, SCHEMA)
    alerts: list[dict[str, Any]] = told["alerts"]
    return alerts


def test_a_receiver_can_tell_who_sent_what_and_when(key: Path) -> None:
    """The signature is over the time of sending and the very bytes that came."""
    asked: list[Request] = []

    def take(request: Request) -> Response:
        asked.append(request)
        return Response()

    with Endpoint(take) as receiver:
        assert asyncio.run(sent(webhook(f"{receiver.address}/in", key), OPENED)) is Outcome.SENT

    (request,) = asked
    timestamp = request.headers["x-lagmon-timestamp"]
    expected = hmac.new(b"s3cret", f"{timestamp}.".encode() + request.body, hashlib.sha256)
    assert (request.method, request.path, timestamp) == ("POST", "/in", str(int(NOON)))
    assert request.headers["x-lagmon-signature"] == f"v1={expected.hexdigest()}"
    assert request.headers["content-type"] == "application/json"
    jsonschema.validate(json.loads(request.body), SCHEMA)


def test_status_and_change_say_how_it_stands_and_what_is_news() -> None:
    """What is sent again is told apart from what is new, while it fires and when it is over."""
    later = replace(OVER, change=replace(OVER.change, change=Change.REMINDED))

    alerts = written(OPENED, notice(Change.REMINDED), OVER, later)

    assert [(each["status"], each["change"]) for each in alerts] == [
        ("firing", "opened"),
        ("firing", "reminded"),
        ("resolved", "resolved"),
        ("resolved", "reminded"),
    ]


def test_an_id_stays_while_values_change() -> None:
    """It is that of the incident's labels; another group has another one."""
    first, later, over, other = written(
        OPENED, notice(about=incident(value=9000)), OVER, notice(about=incident("another"))
    )

    assert first["id"] == later["id"] == over["id"] != other["id"]


@given(st.text(st.characters(codec=None), min_size=1, max_size=300))
def test_hostile_names_keep_to_the_schema(name: str) -> None:
    """Whatever a group and a topic are called, the body is ASCII and in its form."""
    row = part(0, 5, topic=name)
    (alert,) = written(notice(about=incident(name), behind=group(5, name, row)))

    assert alert["labels"]["kafka_cluster"] == CLUSTER
    assert json.dumps(alert).isascii()


def test_a_secret_that_is_gone_is_a_failure_until_it_is_back(tmp_path: Path) -> None:
    """Nothing leaves unsigned."""
    missing = tmp_path / "missing"

    async def story() -> list[Outcome]:
        async with answering(response("200 OK")) as (url, asked):
            to = webhook(url, missing)
            outcomes = [await to.send([OPENED])]
            assert asked == []
            missing.write_text("s3cret")
            return [*outcomes, await sent(to, OPENED)]

    assert asyncio.run(story()) == [Outcome.FAILED, Outcome.SENT]


def test_an_answer_that_repeats_the_path_does_not_bring_it_into_the_log(key: Path) -> None:
    """Only its status is told; what does not know a path often names it."""

    async def story() -> Outcome:
        async with answering(b"HTTP/1.1 404 Oh\r\n\r\nno /in/T0k3n here", lines=20) as (url, _):
            return await sent(webhook(f"{url}/in/T0k3n", key), OPENED)

    with capture_logs() as lines:
        assert asyncio.run(story()) is Outcome.REJECTED

    assert [line["error"] for line in lines] == ["404: an answer that repeats a secret"]


def test_a_name_has_nothing_that_lets_anybody_in(key: Path) -> None:
    """It is a label: of a path, which may be as good as a password, it has the hash."""
    names = [webhook(f"https://u:p@h{path}", key).name for path in ("", "/in/T0k3n", "/in/0ther")]

    assert names == ["webhook:h", "webhook:h/~e13170e5", "webhook:h/~d880217a"]


def test_a_webhook_that_hangs_delays_no_other(key: Path) -> None:
    """While one does not answer, the other one has the alert, and stopping ends in its time."""
    asked: list[Request] = []

    def take(request: Request) -> Response:
        asked.append(request)
        return Response()

    async def story(other: str) -> None:
        async with answering(b"", after=60) as (silent, _):
            hangs = Mailbox(webhook(silent, key, timeout_seconds=60))
            quick = Mailbox(webhook(other, key))
            for box in (hangs, quick):
                box.start()
                box.put([OPENED])

            await asyncio.to_thread(until, lambda: asked, what="the alert")
            assert hangs.sent() == ()
            await asyncio.gather(quick.stop(10), hangs.stop(0.05))
            assert [(each.outcome, each.count) for each in quick.sent()] == [("sent", 1)]

    with Endpoint(take) as receiver:
        asyncio.run(story(receiver.address))


def test_what_is_not_answered_is_counted_by_receiver(key: Path) -> None:
    """The count names the receiver and the outcome, for the metric."""

    async def story() -> tuple[str, list[tuple[str, str, int]]]:
        async with answering(b"", after=60) as (silent, _):
            # Within that time the secret has to be read, too.
            box = Mailbox(webhook(silent, key, timeout_seconds=2), pauses=())
            box.start()
            box.put([OPENED])
            await asyncio.to_thread(until, box.sent, what="the outcome")
            await box.stop(10)
            counts = [(each.notifier, each.outcome, each.count) for each in box.sent()]
            return silent.partition("://")[2], counts

    where, counts = asyncio.run(story())

    assert counts == [(f"webhook:{where}", "timeout", 1)]


def test_a_signature_is_that_of_the_documentation() -> None:
    """A fixed one, so that no change of ours locks receivers out."""
    assert signature("s3cret", "1764000000", b'{"version":1}') == (
        "v1=5e3e76193f2cd1184c10dc4ea8d8b1cd9e263adc6990a025a74fd4db1c29ab3b"
    )
