"""A message that is sent on keeps the time of its first send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagation import Options, Producer, TopicPolicy, forwarded, processing
from propagation.forwarding import FIRST_SENT, first_sent_ms
from propagation.testing import message
from tests.propagation.builders import TRACEPARENT, points

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from tests.propagation.conftest import Records

FIRST_MS = 1_700_000_000_000
HEADERS = [("a", b"1"), ("traceparent", TRACEPARENT), ("a", None)]


def now_ms() -> int:
    """Give the time as a record has it."""
    return int(time.time() * 1000)


def sums(metrics: InMemoryMetricReader, name: str) -> list[float]:
    """Give what each series of the histogram *name* adds up to, in seconds."""
    return [point.sum for point in points(metrics, name)]


def test_the_first_hop_writes_the_records_own_time() -> None:
    """Behind the message's headers, which all stay: the producer replaces the trace's."""
    kept = message(headers=HEADERS).headers()

    sent = forwarded(message(headers=HEADERS, timestamp=FIRST_MS))

    assert sent == [*(kept or ()), (FIRST_SENT, b"1700000000000")]


def test_later_hops_keep_it() -> None:
    """However often a message goes on there is one such header, with the first time."""
    headers = forwarded(message(timestamp=FIRST_MS))
    for hop in range(1, 4):
        headers = forwarded(message(headers=headers, timestamp=FIRST_MS + hop))

    assert headers == [(FIRST_SENT, b"1700000000000")]


def test_without_any_time_nothing_is_written() -> None:
    """A record of a topic without timestamps says nothing of when it was sent."""
    assert forwarded(message(headers=[("a", b"1")])) == [("a", b"1")]


@pytest.mark.parametrize(
    "text", [b"", b"-5", b"1e3", b"soon", b"\xff", b"\xd9\xa1", b"9" * 5000, None]
)
def test_what_is_no_time_does_not_count(text: bytes | None) -> None:
    """The record's own timestamp does, and takes its place on the next hop."""
    headers = [(FIRST_SENT, text)]

    assert first_sent_ms(headers, FIRST_MS) == FIRST_MS
    assert forwarded(message(headers=headers, timestamp=FIRST_MS)) == [
        (FIRST_SENT, b"1700000000000")
    ]


def test_a_message_is_never_older_than_its_first_send() -> None:
    """Where clocks disagree, or somebody makes a time up, the record's own is the latest."""
    assert first_sent_ms([(FIRST_SENT, b"1700000000001")], FIRST_MS) == FIRST_MS
    assert first_sent_ms([(FIRST_SENT, b"1699999999999")], FIRST_MS) == FIRST_MS - 1
    assert first_sent_ms([(FIRST_SENT, b"5")], None) == 5


@given(st.none() | st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=20))))
def test_no_header_makes_reading_raise(headers: list[tuple[str, bytes | None]] | None) -> None:
    """Without the header's name there is nothing to read, whatever stands there."""
    assert first_sent_ms(headers, FIRST_MS) == FIRST_MS


@given(st.binary())
def test_no_value_makes_reading_raise(value: bytes) -> None:
    """It gives a time that is not later than the record's."""
    first = first_sent_ms([(FIRST_SENT, value)], FIRST_MS)

    assert first is not None
    assert 0 <= first <= FIRST_MS


def test_end_to_end_counts_from_the_first_send(
    bootstrap_servers: str, topic: str, records: Records, metrics: InMemoryMetricReader
) -> None:
    """Through a retry topic; the queue time is that of the hop alone."""
    first = message(timestamp=now_ms() - 3_600_000)
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, first.value(), headers=forwarded(first))

    [again] = records(topic, 1)
    with processing(again):
        pass

    [total], [waited] = (
        sums(metrics, "propagation.end_to_end_time"),
        sums(metrics, "propagation.queue_time"),
    )
    assert 3600 <= total < 7200
    assert waited < 600


def test_a_message_that_was_not_sent_on_counts_from_its_own_time(
    metrics: InMemoryMetricReader,
) -> None:
    """The record's timestamp is its first send."""
    with processing(message(timestamp=now_ms() - 60_000)):
        pass

    [total] = sums(metrics, "propagation.end_to_end_time")
    assert 60 <= total < 120


@pytest.mark.parametrize(("trust", "expected"), [("continue", 3600), ("link", 0), ("ignore", 0)])
def test_a_stranger_is_not_asked(trust: str, expected: int, metrics: InMemoryMetricReader) -> None:
    """From a topic that is not trusted the header says nothing."""
    options = Options((TopicPolicy(trust=trust),))  # type: ignore[arg-type]  # a case
    now = now_ms()
    headers = [(FIRST_SENT, str(now - 3_600_000))]

    with processing(message(headers=headers, timestamp=now), options=options):
        pass

    [total] = sums(metrics, "propagation.end_to_end_time")
    assert expected <= total < expected + 60
