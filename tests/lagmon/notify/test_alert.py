"""What an alert says, to Alertmanager's router and to whoever is woken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.labels import LONGEST
from lagmon.model import Change, GroupLag, IncidentKey, Why
from lagmon.notify.alertmanager import alert, holding_seconds
from lagmon.readings import Member
from lagmon.report import Links, Notice
from tests.lagmon.builders import (
    GROUP,
    NOON,
    TRACE,
    at,
    group,
    incident,
    notice,
    part,
    record,
)

HOLDS_SECONDS = 240.0
LINKS = Links("http://jaeger:16686/", "https://runbooks/lag", "http://lagmon:10308")
OWNER = Member("m-1", "worker-1", "10.0.0.7", (at(0),))
BEHIND = group(1203, GROUP, part(0, 1203, owner=OWNER))


def told(about: Notice, links: Links = LINKS) -> dict[str, str]:
    """Give the annotations."""
    written: dict[str, str] = alert(about, links, HOLDS_SECONDS)["annotations"]
    return written


def test_the_labels_are_the_identity_and_nothing_that_changes() -> None:
    """Name, code, severity, priority, cluster, group and source: what routes and what inhibits."""
    assert alert(notice(behind=BEHIND, oldest=record()), LINKS, HOLDS_SECONDS)["labels"] == {
        "alertname": "KafkaConsumerLag",
        "code": "KAFKA_CONSUMER_LAG",
        "severity": "critical",
        "priority": "P1",
        "kafka_cluster": "local",
        "group": "settle",
        "source": "lagmon",
    }


def test_the_annotations_say_everything_that_is_known() -> None:
    """Every number stands alone under its name, beside the same in words."""
    assert told(notice(behind=BEHIND, oldest=record())) == {
        "summary": "Consumer group settle on local is 1,203 messages behind (limit 1,000)",
        "description": (
            "Consumer group settle on local is 1,203 messages behind (limit 1,000). "
            "Above it since 16:00:00 UTC, for 15s. It has 2 members. "
            "The oldest uncommitted record is plays[0] at offset 5000, 57s old by its own time. "
            f"Its trace is {TRACE}. The owner of plays[0] is worker-1 at 10.0.0.7."
        ),
        "value": "1203",
        "threshold": "1000",
        "since": "2025-11-24T16:00:00.000Z",
        "members": "2",
        "topic": "plays",
        "partition": "0",
        "offset": "5000",
        "owner": "worker-1 at 10.0.0.7",
        "age": "57s",
        "key_hash": "9f86d081884c7d65",
        "trace_id": TRACE,
        "trace_url": f"http://jaeger:16686/trace/{TRACE}",
        "runbook_url": "https://runbooks/lag",
    }


def test_a_record_without_a_trace_says_why() -> None:
    """Instead of a trace there is a reason, in the field and in the sentence."""
    why = "the record carries no valid trace header"
    said = told(notice(behind=BEHIND, oldest=record(trace_id=None, trace_unknown=why)))

    assert said["trace_unknown"] == why
    assert f"by its own time. No trace to show: {why}. The owner" in said["description"]
    assert not {"trace_id", "trace_url"} & set(said)


def test_a_record_is_told_with_its_size_and_allowed_headers() -> None:
    """The size stands alone, in bytes; the headers stand together, by name."""
    held = (("tenant", "blue"), ("x-request-id", "r-7"))
    said = told(notice(behind=BEHIND, oldest=replace(record(), size=120, headers=held)))

    assert (said["size"], said["headers"]) == ("120", "tenant: blue; x-request-id: r-7")


def test_a_record_of_an_open_transaction_is_told_as_such() -> None:
    """Whoever is woken learns that the group waits for a transaction, and for which record's."""
    said = told(notice(behind=BEHIND, oldest=replace(record(), pending=True)))

    assert "old by its own time, in a transaction that has not ended." in said["description"]


def test_a_trace_that_was_not_sampled_is_named_but_not_linked() -> None:
    """The id finds the logs; a link would open an empty page."""
    why = "not sampled: search the logs for the trace id"
    said = told(notice(behind=BEHIND, oldest=record(trace_unknown=why)))

    assert (said["trace_id"], said["trace_unknown"]) == (TRACE, why)
    assert "trace_url" not in said


def test_a_runbook_for_all_rules_leads_to_that_of_the_rule() -> None:
    """The address has a place for the name; an address without one is the same for all."""
    links = Links(runbook="https://runbooks/{rule}#now")

    assert told(notice(), links)["runbook_url"] == "https://runbooks/KafkaConsumerLag#now"
    assert links.runbook_of(None) == "", "a rule that is gone has no page of its own"
    assert Links(runbook="https://runbooks").runbook_of(None) == "https://runbooks"


def test_links_that_are_not_configured_are_left_out() -> None:
    """No annotation is empty, and none points nowhere."""
    built = alert(notice(behind=BEHIND, oldest=record()), Links(), HOLDS_SECONDS)

    assert not {"trace_url", "runbook_url"} & set(built["annotations"])
    assert "generatorURL" not in built


@pytest.mark.parametrize(
    ("behind", "sentence"),
    [
        (group(1203, members=0), "It has no members: nothing is reading."),
        (group(1203, members=1), "It has 1 member."),
        (group(1203, members=None), "How many members it has is not known."),
        (group(1203, unknown=1), "The lag of 1 partition is not known, so it may be more."),
        (
            group(None, why=Why.GROUP_UNREADABLE),
            "This is the last known value; it cannot be read now: group_unreadable.",
        ),
        (None, "This is the last known value; it cannot be read now: no answer."),
    ],
    ids=["none", "one", "unasked", "lower bound", "unreadable", "blind"],
)
def test_what_is_not_known_is_said(behind: GroupLag | None, sentence: str) -> None:
    """The description tells a group without readers from one that nobody could ask."""
    assert sentence in told(notice(behind=behind))["description"]


def test_a_group_without_members_has_the_number_zero() -> None:
    """Zero members is a fact and not a missing annotation."""
    assert told(notice(behind=group(1203, members=0)))["members"] == "0"
    assert "members" not in told(notice(behind=group(1203, members=None)))


def times(about: Notice) -> tuple[float, float]:
    """Give when the alert starts and ends, in seconds after noon."""
    built = alert(about, LINKS, HOLDS_SECONDS)
    starts, ends = (datetime.fromisoformat(built[name]) for name in ("startsAt", "endsAt"))
    return starts.timestamp() - NOON, ends.timestamp() - NOON


def test_an_open_alert_holds_for_four_minutes() -> None:
    """Sent again every minute, it survives three lost sendings, and ends if lagmon dies."""
    assert times(notice(when=NOON + 75)) == (15, 75 + 240)


@pytest.mark.parametrize(
    ("poll_interval", "deadline", "seconds"), [(5, 20, 240), (300, 20, 1200), (5, 95, 380)]
)
def test_an_alert_holds_until_it_was_sent_four_times(
    poll_interval: float, deadline: float, seconds: float
) -> None:
    """A cycle longer than the reminder does not let an open alert end between two sendings."""
    assert holding_seconds(60, poll_interval, deadline) == seconds


def test_a_resolved_alert_ends_when_the_incident_did() -> None:
    """The start is that of the incident, so that Alertmanager finds it; repeats end at the same."""
    over = incident(resolved_at=NOON + 100)

    assert times(notice(Change.RESOLVED, over, when=NOON + 100)) == (15, 100)
    assert times(notice(Change.REMINDED, over, when=NOON + 160)) == (15, 100)


def test_an_alert_never_ends_before_it_starts() -> None:
    """Alertmanager refuses that, and a clock set back while an incident was open would cause it."""
    starts, ends = times(notice(Change.RESOLVED, incident(resolved_at=NOON - 3600)))

    assert starts <= ends == -3600
    assert times(notice(when=NOON - 3600)) == (-3600, -3360)


def test_a_resolve_says_that_it_is_over() -> None:
    """Nobody who reads a resolve is told of records that wait."""
    over = incident(value=12, resolved_at=NOON + 100)
    said = told(notice(Change.RESOLVED, over, behind=group(12), oldest=record()))

    assert said["summary"] == (
        "Consumer group settle on local is back within its limit of 1,000: 12 messages behind"
    )
    assert said["description"].endswith("Above it from 16:00:00 UTC, for 1m 40s.")
    assert not {"offset", "trace_id", "age"} & set(said)


def test_the_resolve_of_a_group_that_is_gone_says_so() -> None:
    """It did not catch up, it was deleted."""
    over = incident(resolved_at=NOON + 100)

    assert told(notice(Change.RESOLVED, over))["summary"] == (
        "Consumer group settle on local is gone; it was 1,203 messages behind"
    )


def test_an_alert_about_a_partition_names_it() -> None:
    """Topic and partition are labels where the rule is about them, partition 0 too."""
    opened = incident()
    about = type(opened)(
        IncidentKey("KafkaConsumerLag", "local", GROUP, "plays", 0), NOON, NOON, 5.0, NOON
    )

    labels = alert(notice(about=about), LINKS, HOLDS_SECONDS)["labels"]
    assert (labels["topic"], labels["partition"]) == ("plays", "0")


HOSTILE = st.text(st.characters(codec=None), min_size=1, max_size=600)


@given(HOSTILE)
def test_hostile_names_make_a_harmless_alert(name: str) -> None:
    """Whatever group, topic, client, host and error are called, each text is one printable line."""
    owner = Member("m", name, name)
    there = part(0, 5, topic=name, owner=owner)
    stands = replace(
        record(trace_id=None, trace_unknown=name), at=at(0, name), headers=((name, name),)
    )
    readable = notice(about=incident(name), behind=group(5, name, there), oldest=stands)
    sick = replace(group(None, name, why=Why.GROUP_UNREADABLE), detail=name)
    unreadable = notice(about=incident(name), behind=sick)

    for built in (alert(readable, LINKS, HOLDS_SECONDS), alert(unreadable, LINKS, HOLDS_SECONDS)):
        assert json.dumps(built).encode()
        assert len(built["labels"]["group"]) <= LONGEST
        assert all(text.isprintable() for text in built["annotations"].values())
