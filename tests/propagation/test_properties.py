"""What holds for every message whatever its headers: nothing raises, nothing is lost.

Headers are drawn from all bytes there are, and from valid ones with a few characters changed,
which is where parsers err.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, trace

from propagation import Consumer, Options, Producer, context_of, extract, inject, processing
from propagation.testing import captured_spans, message
from propagation.w3c_baggage import BaggageValue
from tests.propagation.builders import (
    OTHER_TRACEPARENT,
    TRACEPARENT,
    context,
    span_context,
    span_in,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from tests.infra.kafka import KafkaBroker

OURS = ("traceparent", "tracestate", "baggage")
# The list stands for the whole of the profile's: how long drawing takes is the machine's business.
OVER_A_BROKER = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
ALL_BAGGAGE = Options(baggage_keys=frozenset({"a", "b"}))
# One change to a text: where, how many characters go, what comes instead.
CHANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 2), st.text("0aAfg-. \t\n=,;%\0\xff", max_size=2)),
    max_size=3,
)


def changed(text: str, changes: list[tuple[int, int, str]]) -> str:
    """Give *text* with every change made."""
    for at, gone, new in changes:
        text = text[:at] + new + text[at + gone :]
    return text


def nearly(*texts: str) -> st.SearchStrategy[bytes]:
    """Draw one of *texts* with changes."""
    return st.builds(changed, st.sampled_from(texts), CHANGES).map(lambda t: t.encode("latin-1"))


PARENTS = nearly(TRACEPARENT, OTHER_TRACEPARENT, TRACEPARENT.replace("00-", "cc-", 1) + "-more")
STATES = nearly("a=1,b=2", "1@a= 1 ,b=\t2", "a=1,,a=2", "")
BAGGAGE = nearly("a=1;p=q;r,b=%20%FF", "a=1", "b = 2 ; p")
VALUES = st.none() | st.binary(max_size=80)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["traceparent", "TraceParent"]), PARENTS | VALUES),
        st.tuples(st.sampled_from(["tracestate", "TRACESTATE"]), STATES | VALUES),
        st.tuples(st.sampled_from(["baggage", "Baggage"]), BAGGAGE | VALUES),
        st.tuples(NAMES, VALUES),
    ),
    max_size=6,
)


def foreign(headers: Any) -> list[tuple[str, bytes | None]]:
    """Give those of *headers* that are nobody's business here, in their order."""
    return [(name, value) for name, value in headers or () if name.lower() not in OURS]


def read(servers: str, topic: str, count: int) -> list[confluent_kafka.Message]:
    """Poll the first *count* messages of *topic*, all of which must come."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "log_level": 0})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    got = [consumer.poll(60) for _ in range(count)]
    consumer.close()
    return [one for one in got if one is not None and one.error() is None]


@settings(max_examples=25, suppress_health_check=OVER_A_BROKER)
@given(st.lists(HEADERS, min_size=1, max_size=30))
def test_no_header_loses_a_message(
    broker: confluent_kafka.Producer, several: list[list[tuple[str, Any]]]
) -> None:
    """Produced, polled, processed and forwarded over a broker: all arrive, in order, unharmed."""
    [address] = broker.list_topics(timeout=60).brokers.values()
    servers = f"{address.host}:{address.port}"

    arrived = forwarded(servers, uuid.uuid4().hex, uuid.uuid4().hex, several)

    unharmed(arrived, several)


@settings(max_examples=10, suppress_health_check=OVER_A_BROKER)
@given(st.lists(HEADERS, min_size=1, max_size=30))
def test_no_header_loses_a_message_on_real_kafka(
    kafka: KafkaBroker, topic: str, several: list[list[tuple[str, Any]]]
) -> None:
    """The same where a broker stores the bytes, and what was lost could not be read again."""
    first, second = (f"{topic}-{uuid.uuid4().hex[:8]}" for _ in range(2))
    for name in (first, second):
        kafka.create_topic(name)

    arrived = forwarded(kafka.bootstrap_servers, first, second, several)

    for name in (first, second):
        kafka.delete_topic(name)
    unharmed(arrived, several)


def forwarded(
    servers: str, first: str, second: str, several: list[list[tuple[str, Any]]]
) -> list[confluent_kafka.Message]:
    """Send a message with each of the headers to topic *first*, and what comes on to *second*."""
    reports: list[object] = []

    def count(error: object, _: object) -> None:
        reports.append(error)

    with captured_spans(), Producer({"bootstrap.servers": servers}, options=ALL_BAGGAGE) as client:
        # As strangers send them, untouched by us.
        raw = confluent_kafka.Producer({"bootstrap.servers": servers, "log_level": 0})
        for number, headers in enumerate(several):
            raw.produce(first, str(number), partition=0, headers=headers)
        raw.flush(60)
        for came in read(servers, first, len(several)):
            with processing(came, options=ALL_BAGGAGE) as span:
                client.produce(
                    second, came.value(), partition=0, headers=came.headers(), on_delivery=count
                )
                assert span.get_span_context().is_valid
        client.flush(60)
    assert reports == [None] * len(several)
    return read(servers, second, len(several))


def unharmed(arrived: list[confluent_kafka.Message], several: list[list[tuple[str, Any]]]) -> None:
    """Hold that all messages are there, with their own headers and one trace."""
    assert [int(one.value() or b"") for one in arrived] == list(range(len(several)))
    for headers, one in zip(several, arrived, strict=True):
        sent: Any = one.headers()
        assert foreign(sent) == foreign(headers)
        assert [name for name, _ in sent].count("traceparent") == 1
        assert not {name for name, _ in sent if name.lower() in OURS} - set(OURS)
        assert span_in(extract(sent)).is_valid


@given(HEADERS)
def test_a_forwarded_message_has_the_trace_of_its_last_sender(headers: list[Any]) -> None:
    """However often it is handed on, each trace header stands there once at most."""
    hop = inject(headers, context(span_context(1, 1)))

    again = inject(inject(hop, context(span_context(2, 2))), context())

    assert foreign(again) == foreign(headers)
    assert [one for one in again if one[0].lower() in OURS] == [
        ("traceparent", TRACEPARENT.encode())
    ]


@given(HEADERS)
def test_injecting_what_was_extracted_changes_nothing_more(headers: list[Any]) -> None:
    """What was understood once is understood the same from what it was written as."""
    once = extract(headers)

    again = extract(inject(context=once))

    assert span_in(again) == span_in(once)
    assert span_in(again).trace_state.to_header() == span_in(once).trace_state.to_header()
    assert properties(again) == properties(once)


def properties(context: Context) -> dict[str, tuple[object, object]]:
    """Give the baggage of *context* as far as it can be written: values with properties."""
    return {
        key: (value, value.properties if isinstance(value, BaggageValue) else ())
        for key, value in baggage.get_all(context).items()
    }


@given(HEADERS)
def test_every_way_to_read_a_message_reads_the_same(headers: list[Any]) -> None:
    """`extract`, `context_of` and `processing` agree on whose trace a message belongs to."""
    record = message(topic="plays", headers=headers)
    expected = span_in(extract(record.headers()))

    with captured_spans() as spans, processing(record):
        pass

    assert span_in(context_of(record)) == expected
    assert (spans[0].parent or trace.INVALID_SPAN_CONTEXT) == expected
    assert [link.context for link in spans[0].links] == ([expected] if expected.is_valid else [])


@given(PARENTS)
@example(TRACEPARENT.encode())
@example(TRACEPARENT.replace("-01", "-ff").encode())
@example(b"cc" + TRACEPARENT.encode()[2:] + b"-")
def test_a_traceparent_is_valid_by_the_letter_only(value: bytes) -> None:
    """The parser agrees with the grammar, written down once more, field by field."""
    expected = by_the_letter(value.decode(errors="replace").strip(" \t"))

    found = span_in(extract([("traceparent", value)]))

    given = (found.trace_id, found.span_id, int(found.trace_flags)) if found.is_valid else None
    assert given == expected


def by_the_letter(text: str) -> tuple[int, int, int] | None:
    """Read a traceparent as "Versioning of traceparent" describes it: from dash to dash."""
    version, trace_id, parent_id, flags = text[:2], text[3:35], text[36:52], text[53:55]
    hexadecimal = all(
        len(field) == size and set(field) <= set("0123456789abcdef")
        for field, size in ((version, 2), (trace_id, 32), (parent_id, 16), (flags, 2))
    )
    dashes = text[2:3] + text[35:36] + text[52:53] == "---"
    more = text[55:]
    ended = more == "" or (version != "00" and more.startswith("-") and "\n" not in more)
    if not (hexadecimal and dashes and ended) or version == "ff":
        return None
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return int(trace_id, 16), int(parent_id, 16), int(flags, 16) & 0b11


@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize("name", OURS)
def test_a_huge_header_is_read_in_bounded_time(name: str, size: int) -> None:
    """A megabyte of commas, of members or of nonsense is one message like any other."""
    for unit in (b",", b"a=1,", b"a=1;", b"%", b"\xff", b" "):
        record = message(headers=[("traceparent", TRACEPARENT), (name, unit * (size // len(unit)))])

        with processing(record, options=ALL_BAGGAGE) as span:
            assert span.get_span_context().is_valid
