"""What PagerDuty gets: an event that it takes, with all that somebody who is woken needs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from lagmon.alerts.rules import KAFKA_CONSUMER_STUCK
from lagmon.model import State
from lagmon.notify import Outcome, PagerDuty
from lagmon.notify.fallback import About, Action, Event
from lagmon.notify.pagerduty import written
from lagmon.report import Links, Reach
from tests.infra.endpoint import Response
from tests.infra.pagerduty import LARGEST, ROUTING_KEY, SCHEMA
from tests.infra.pagerduty import PagerDuty as StandIn
from tests.lagmon.builders import CLUSTER, GROUP, TRACE, group, incident, notice, part, record

if TYPE_CHECKING:
    from pathlib import Path

    from lagmon.report import Notice

LINKS = Links(
    "http://jaeger:16686",
    "https://runbooks/{rule}",
    "http://lagmon:10308",
    (Reach(CLUSTER, "kafka:9092"),),
)
ABOUT = About(CLUSTER, GROUP)
OVER = Event(Action.RESOLVE, ABOUT)


def stuck(name: str = GROUP) -> Notice:
    """Say that a group stands at one record."""
    row = part(0, 120, judged=State.BLOCKED)
    behind = replace(group(120, name, row), judged=State.BLOCKED)
    key = replace(incident(name).key, rule=KAFKA_CONSUMER_STUCK.name)
    made = notice(about=replace(incident(name), key=key), behind=behind, oldest=record())
    return replace(made, rule=KAFKA_CONSUMER_STUCK)


def trigger(*notices: Notice) -> Event:
    """Ask for a page about *notices*."""
    return Event(Action.TRIGGER, ABOUT, notices or (stuck(),))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Give a file that holds a routing key."""
    path = tmp_path / "routing-key"
    path.write_text(f"{ROUTING_KEY}\n")
    return path


async def sent(to: PagerDuty, *events: Event) -> list[Outcome]:
    """Send *events* one after the other."""
    try:
        return [await to.send(event) for event in events]
    finally:
        await to.close()


def test_whoever_is_woken_has_what_the_alert_says() -> None:
    """The sentence, the record with its trace, the commands to go on with, and where to read."""
    event = written(trigger(stuck(), notice()), LINKS)

    payload = event["payload"]
    details = payload["custom_details"]
    assert payload["summary"].startswith("P1 Consumer group settle on local is blocked on plays[0]")
    assert (payload["severity"], payload["class"]) == ("critical", "KAFKA_CONSUMER_STUCK")
    assert (payload["source"], payload["component"], payload["group"]) == (CLUSTER, GROUP, CLUSTER)
    assert (details["trace_id"], details["offset"]) == (TRACE, "5000")
    assert "--to-offset=5001 --dry-run" in details["command_skip"]
    assert "--describe --group=settle" in details["command_describe"]
    assert "120 messages behind" in details["description"]
    assert details["also"] == "KafkaConsumerLag"
    assert event["links"] == [
        {"href": f"http://jaeger:16686/trace/{TRACE}", "text": "Trace in Jaeger"},
        {"href": "https://runbooks/KafkaConsumerStuck", "text": "Runbook"},
    ]
    assert event["client_url"] == "http://lagmon:10308"


def test_pagerduty_takes_the_page_and_its_end(key: Path) -> None:
    """Both have the key of the same page."""
    with StandIn() as pagerduty:
        to = PagerDuty(LINKS, routing_key_file=key, url=pagerduty.url)
        assert asyncio.run(sent(to, trigger(), OVER)) == [Outcome.SENT, Outcome.SENT]

    assert pagerduty.actions() == ["trigger", "resolve"]
    assert pagerduty.open() == set()


@given(st.text(st.characters(codec=None), max_size=300), st.booleans())
def test_hostile_names_keep_to_the_schema(name: str, linked: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever a group is called, and whatever there is to link to."""
    event = trigger(stuck(name), notice(about=incident(name)))
    built = {"routing_key": ROUTING_KEY, **written(event, LINKS if linked else Links())}

    jsonschema.validate(built, SCHEMA)
    assert json.dumps(built).isascii()


def test_what_is_too_long_is_cut_and_what_is_too_much_is_left_out(key: Path) -> None:
    """The shortest details stay, and it is said which ones do not."""
    annotations = tuple((f"note_{number}", "\N{SNOWMAN}" * 200) for number in range(900))
    rule = replace(KAFKA_CONSUMER_STUCK, annotations=annotations)

    with StandIn() as pagerduty:
        to = PagerDuty(LINKS, routing_key_file=key, url=pagerduty.url)
        told = replace(stuck("g" * 5000), rule=rule)
        assert asyncio.run(sent(to, trigger(told))) == [Outcome.SENT]

    (event,) = pagerduty.events()
    details = event["payload"]["custom_details"]
    assert len(json.dumps(event)) <= LARGEST
    assert details["trace_id"] == TRACE
    assert "note_0" in details["left_out"]


def test_a_summary_is_as_long_as_pagerduty_takes() -> None:
    """The rest of it is in the details."""
    rule = replace(KAFKA_CONSUMER_STUCK, title="long " * 1000)
    told = replace(stuck(), rule=rule, group=None)

    payload = written(trigger(told), LINKS)["payload"]

    assert len(payload["summary"]) == 1024
    assert payload["summary"].endswith("…")
    assert payload["custom_details"]["description"].startswith(payload["summary"][3:-1])


def test_the_routing_key_is_read_for_each_event(key: Path) -> None:
    """A new one needs no restart, and without one nothing leaves."""
    newer = ROUTING_KEY[::-1]

    with StandIn() as pagerduty:
        to = PagerDuty(LINKS, routing_key_file=key, url=pagerduty.url)
        outcomes = asyncio.run(sent(to, trigger()))
        key.unlink()
        outcomes += asyncio.run(sent(to, trigger()))
        key.write_text(newer)
        outcomes += asyncio.run(sent(to, trigger()))

    assert outcomes == [Outcome.SENT, Outcome.FAILED, Outcome.SENT]
    assert [event["routing_key"] for event in pagerduty.events()] == [ROUTING_KEY, newer]


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, Outcome.REJECTED), (429, Outcome.FAILED), (503, Outcome.FAILED)]
)
def test_an_answer_that_repeats_the_routing_key_does_not_bring_it_into_the_log(
    key: Path, status: int, outcome: Outcome
) -> None:
    """Also where the log cuts the answer."""
    with StandIn() as pagerduty, capture_logs() as lines:
        pagerduty.answer = Response(status, b"x" * 190 + ROUTING_KEY.encode() * 2)
        to = PagerDuty(LINKS, routing_key_file=key, url=pagerduty.url)
        assert asyncio.run(sent(to, trigger())) == [outcome]

    (line,) = lines
    assert line["notifier"] == to.name
    assert str(status) in line["error"]
    assert ROUTING_KEY[:5] not in str(lines)
