"""The scope of a message: its span, what becomes current, and what is put back."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanKind, StatusCode

from propagation import Options, TopicPolicy, context_of, processing, processing_batch
from propagation.contexts import left_late
from propagation.spans import ProcessSpans
from propagation.testing import message
from tests.propagation.builders import SPAN_ID, TRACE_ID, TRACEPARENT, ids, span_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]

REMOTE = (TRACE_ID, SPAN_ID)
TRACED = [("traceparent", TRACEPARENT), ("baggage", "tenant=acme,secret=x")]
tracer = trace.get_tracer("test")


@pytest.fixture(autouse=True)
def nothing_current() -> Iterator[None]:
    """Begin and end every test without a current span."""
    token = attach(Context())
    yield
    detach(token)


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    """List what *span* links to."""
    return [ids(link.context) for link in span.links]


def current() -> tuple[int, int]:
    """Tell which span is current."""
    return ids(trace.get_current_span().get_span_context())


def test_the_span_is_a_child_of_the_message_and_links_to_it(spans: Spans) -> None:
    """One trace from end to end, and a link for whoever looks for those."""
    with processing(message(topic="plays", headers=TRACED)) as span:
        inside = current()

    [process] = spans
    assert process.name == "process plays"
    assert process.kind is SpanKind.CONSUMER
    assert process.parent
    assert ids(process.parent) == REMOTE
    assert links(process) == [REMOTE]
    assert inside == ids(span.get_span_context())
    assert inside[0] == TRACE_ID


def test_the_span_describes_its_record(spans: Spans) -> None:
    """Topic, partition, offset and key are told from the start, for samplers to see."""
    now_ms = int(time.time() * 1000)
    record = message(topic="plays", key="p7", partition=3, offset=42, timestamp=now_ms - 5000)

    with processing(record):
        pass

    told = dict(spans[0].attributes or {})
    assert 5 <= told.pop("propagation.queue_time_seconds") < 60  # type: ignore[operator]  # a float
    assert told == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "plays",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 42,
        "messaging.kafka.message.key": "p7",
    }


def test_a_record_from_the_future_waited_for_no_time(spans: Spans) -> None:
    """Clocks that disagree give 0, never a negative time; no timestamp gives none."""
    with processing(message(timestamp=int(time.time() * 1000) + 60_000)):
        pass
    with processing(message()):
        pass

    assert (spans[0].attributes or {})["propagation.queue_time_seconds"] == 0.0
    assert "propagation.queue_time_seconds" not in (spans[1].attributes or {})


def test_a_span_that_is_current_becomes_a_link(spans: Spans) -> None:
    """The message's span is the parent; what was going on here is not lost."""
    with tracer.start_as_current_span("batch") as batch, processing(message(headers=TRACED)):
        pass

    assert spans[0].parent
    assert ids(spans[0].parent) == REMOTE
    assert links(spans[0]) == [REMOTE, ids(batch.get_span_context())]


def test_the_messages_own_context_is_linked_once(spans: Spans) -> None:
    """Where the message's context is already current there is nothing to add."""
    record = message(headers=TRACED)
    attach(context_of(record))

    with processing(record):
        pass

    assert links(spans[0]) == [REMOTE]


def test_a_message_without_a_trace_belongs_to_what_is_current(spans: Spans) -> None:
    """Its span is a child of the current one, or starts a trace."""
    with tracer.start_as_current_span("batch") as batch, processing(message()):
        pass
    with processing(message(headers=[("traceparent", "broken")])):
        pass

    assert spans[0].parent
    assert ids(spans[0].parent) == ids(batch.get_span_context())
    assert spans[2].parent is None
    assert not spans[0].links


@pytest.mark.parametrize(
    ("policy", "parent", "linked"),
    [
        ({}, "message", ["message", "here"]),
        ({"relation": "link"}, "here", ["message"]),
        ({"relation": "none"}, "here", []),
        ({"trust": "link"}, "here", ["message"]),
        ({"trust": "link", "relation": "none"}, "here", []),
        ({"trust": "ignore"}, "here", []),
        ({"topics": "other", "trust": "ignore"}, "message", ["message", "here"]),
    ],
)
def test_a_policy_decides_on_parent_and_links(
    spans: Spans, policy: dict[str, Any], parent: str, linked: list[str]
) -> None:
    """Relation and trust of the first policy for the topic make the trace."""
    options = Options(policies=(TopicPolicy(**policy),))

    with tracer.start_as_current_span("batch") as batch:
        spots = {"message": REMOTE, "here": ids(batch.get_span_context())}
        with processing(message(headers=TRACED), options=options):
            pass

    assert spans[0].parent
    assert ids(spans[0].parent) == spots[parent]
    assert links(spans[0]) == [spots[name] for name in linked]


def test_ignored_headers_are_not_even_read() -> None:
    """Nothing that an ignored topic's headers hold is looked at."""

    class Unread(list[tuple[str, Any]]):
        def __iter__(self) -> Iterator[tuple[str, Any]]:
            raise AssertionError("read")

    record = Message(topic="plays", headers=Unread(TRACED))
    ignoring = Options(policies=(TopicPolicy(trust="ignore"),))

    with pytest.raises(AssertionError, match="read"), processing(record):
        pass
    with processing(record, options=ignoring):
        assert context_of(record, options=ignoring) == Context()


@pytest.mark.parametrize(
    ("trust", "expected"), [("continue", {"tenant": "acme"}), ("link", {}), ("ignore", {})]
)
def test_only_allowed_and_trusted_baggage_comes_in(trust: Any, expected: dict[str, str]) -> None:
    """The keys of the options, from topics whose traces are continued; what is here stays."""
    options = Options((TopicPolicy(trust=trust),), frozenset({"tenant"}))
    attach(baggage.set_baggage("own", "1"))

    with processing(message(headers=TRACED), options=options):
        inside = dict(baggage.get_all())

    assert inside == {"own": "1", **expected}
    assert baggage.get_all() == {"own": "1"}


def test_without_options_no_baggage_comes_in() -> None:
    """Strangers decide nothing here by default."""
    with processing(message(headers=TRACED)):
        assert baggage.get_all() == {}


def test_the_users_exception_passes_and_is_recorded(spans: Spans) -> None:
    """The very object comes out, its type and text stand on the span."""
    error = LookupError("no such player")

    with pytest.raises(LookupError) as caught, processing(message()):
        raise error

    [process] = spans
    assert caught.value is error
    assert process.status.status_code is StatusCode.ERROR
    assert process.status.description == "LookupError: no such player"
    assert (process.attributes or {})["error.type"] == "LookupError"
    assert process.events[0].name == "exception"


def test_an_exceptions_type_is_told_with_its_module(spans: Spans) -> None:
    """Types that are not Python's own are named in full."""

    class Rejected(Exception):  # noqa: N818  # a name of the domain
        """One of the application's own."""

    with pytest.raises(Rejected), processing(message()):
        raise Rejected

    named = (spans[0].attributes or {})["error.type"]
    assert named == f"{__name__}.{Rejected.__qualname__}"


class Silent(Exception):  # noqa: N818  # what it does
    """An error that cannot tell its own text."""

    def __str__(self) -> str:
        raise LookupError("no text")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Silent(), f"{__name__}.Silent"),
        (KafkaException(), "cimpl.KafkaException"),
        (KafkaException("text"), "cimpl.KafkaException"),
        (KafkaException(KafkaError(KafkaError._TRANSPORT)), "_TRANSPORT"),
    ],
)
def test_an_odd_exception_passes_as_well(spans: Spans, error: Exception, kind: str) -> None:
    """One without a text, or without what such an error usually holds: nothing else is raised."""
    with pytest.raises(type(error)) as caught, processing(message()):
        raise error

    [process] = spans
    assert caught.value is error
    assert process.status.status_code is StatusCode.ERROR
    assert (process.attributes or {})["error.type"] == kind
    assert [event.name for event in process.events] == ["exception"]


def test_being_told_to_stop_is_no_failure(spans: Spans) -> None:
    """KeyboardInterrupt ends the span and does not blame the message."""
    with pytest.raises(KeyboardInterrupt), processing(message()):
        raise KeyboardInterrupt

    assert spans[0].status.status_code is StatusCode.UNSET


def test_leaving_restores_what_was_current() -> None:
    """Scopes nest, and a failure restores as well."""
    with tracer.start_as_current_span("batch"):
        before = current()
        with processing(message()) as outer:
            with pytest.raises(LookupError), processing(message()):
                raise LookupError
            assert current() == ids(outer.get_span_context())
        assert current() == before


def test_what_the_block_attached_does_not_outlive_it() -> None:
    """Context that the block added and left behind goes with the scope."""
    with processing(message()):
        attach(baggage.set_baggage("left", "behind"))

    assert baggage.get_all() == {}


def test_leaving_late_does_not_touch_a_newer_scope(spans: Spans) -> None:
    """Scopes closed in the wrong order end their spans and leave the current one alone."""
    first, second = processing(message(topic="first")), processing(message(topic="second"))
    first.__enter__()
    inner = second.__enter__()

    first.__exit__(None, None, None)
    assert current() == ids(inner.get_span_context())
    second.__exit__(None, None, None)

    assert [span.name for span in spans] == ["process first", "process second"]
    assert current() == (0, 0)


def test_scopes_left_in_any_order_leave_nothing_current(spans: Spans) -> None:
    """What was current before the first of them is current behind the last, of batches as well."""
    scopes = [
        processing(message(headers=TRACED)),
        processing_batch([message()]),
        processing(message()),
        processing(message()),
    ]
    with tracer.start_as_current_span("poll loop"):
        before = current()
        for scope in scopes:
            scope.__enter__()

        for place in (1, 0, 2, 3):
            scopes[place].__exit__(None, None, None)

        assert current() == before
    assert len(spans) == len(scopes) + 1


def test_a_scope_left_elsewhere_is_cleared_away_by_the_next(spans: Spans) -> None:
    """A thread does not keep what another one has left: its next scope is not linked to it."""
    scope = processing(message(headers=TRACED))

    def work() -> tuple[int, int]:
        with processing(message(topic="next")):
            pass
        return current()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(scope.__enter__).result()
        scope.__exit__(None, None, None)
        left = pool.submit(work).result()

    assert left == (0, 0)
    [_, after] = spans
    assert (after.name, after.parent, links(after)) == ("process next", None, [])


def test_scopes_that_were_left_late_are_forgotten(spans: Spans) -> None:
    """Nothing is kept of them once their spans are gone."""
    gc.collect()
    kept = len(left_late)
    for _ in range(3):
        first, second = processing(message()), processing(message())
        for step in (first.__enter__, second.__enter__):
            step()
        for scope in (first, second):
            scope.__exit__(None, None, None)
    assert len(left_late) == kept + 3

    del first, second, step, scope
    spans.clear()
    gc.collect()

    assert len(left_late) == kept


def test_leaving_in_another_thread_touches_nothing_there(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """The span ends, the other thread keeps its own context, and nothing is logged."""
    scope = processing(message(headers=TRACED))
    scope.__enter__()

    def leave() -> tuple[int, int]:
        with tracer.start_as_current_span("elsewhere"):
            before = current()
            scope.__exit__(None, None, None)
            assert current() == before
            return before

    with ThreadPoolExecutor(1) as pool:
        pool.submit(leave).result()

    assert [span.name for span in spans] == ["process test", "elsewhere"]
    assert caplog.records == []


@pytest.mark.parametrize("kind", [confluent_kafka.Consumer, confluent_kafka.ShareConsumer])
def test_a_consumer_that_is_not_traced_lends_nothing(spans: Spans, kind: Any) -> None:
    """As one from before `instrument`, or where that is switched off: the message is processed."""
    real = kind({"bootstrap.servers": "127.0.0.1:1", "group.id": "billing", "log_level": 0})

    with processing(message(headers=TRACED), consumer=real):
        pass
    with processing_batch([message()], consumer=real):
        pass
    real.close()

    assert [span.name for span in spans] == ["process test", "process test"]
    assert links(spans[0]) == [REMOTE]
    assert "messaging.consumer.group.name" not in (spans[0].attributes or {})
    assert ids(span_in(context_of(message(headers=TRACED), consumer=real))) == REMOTE


def test_an_error_of_the_client_is_not_processed(spans: Spans) -> None:
    """It is no record: there is no trace to follow, and the loop should have looked."""
    event = Message(topic="plays", error=KafkaError(KafkaError._PARTITION_EOF))

    with pytest.raises(ValueError, match="is an error of the client, not a record"):
        processing(event)

    assert spans == []
    assert context_of(event) == Context()


def test_topics_made_up_per_message_do_not_fill_the_memory(spans: Spans) -> None:
    """What is kept per topic is bounded; names stay right beyond the bound."""
    plans = ProcessSpans()

    for number in range(5000):
        plans.context_of(message(topic=f"t{number}"))
    span, _ = plans.start(message(topic="last"), Context())
    span.end()

    assert len(plans.plans.known) <= 4096
    assert spans[0].name == "process last"


def test_context_of_gives_the_trace_of_a_message() -> None:
    """Nothing becomes current; the context can be taken anywhere."""
    context = context_of(message(headers=TRACED))

    assert ids(span_in(context)) == REMOTE
    assert span_in(context).is_remote
    assert current() == (0, 0)


@pytest.mark.parametrize(
    ("trust", "expected"), [("continue", REMOTE), ("link", (0, 0)), ("ignore", (0, 0))]
)
def test_context_of_an_untrusted_message_is_empty(trust: Any, expected: tuple[int, int]) -> None:
    """Whoever would go on with it would take the stranger's trace id."""
    options = Options((TopicPolicy("plays", trust=trust),), frozenset({"tenant"}))

    context = context_of(message(topic="plays", headers=TRACED), options=options)

    assert ids(span_in(context)) == expected
    assert baggage.get_all(context) == ({"tenant": "acme"} if trust == "continue" else {})


NAMES = st.sampled_from(["traceparent", "tracestate", "baggage", "Traceparent"]) | st.text()
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary()), max_size=6)


@given(HEADERS, st.none() | st.binary(), st.none() | st.binary())
def test_no_message_makes_processing_raise(
    headers: list[tuple[str, Any]], key: bytes | None, value: bytes | None
) -> None:
    """Whatever a record holds, it is processed."""
    record = Message(topic="plays", key=key, value=value, headers=headers)

    with processing(record, options=Options(baggage_keys=frozenset({"a"}))) as span:
        assert span.get_span_context().is_valid
    assert isinstance(context_of(record), Context)
