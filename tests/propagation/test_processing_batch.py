"""The scope of several messages: one span, links to all, and each message's own scope inside."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from confluent_kafka import KafkaError, Message
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from propagation import Consumer, Options, TopicPolicy, processing, processing_batch
from propagation.integrations import logs
from propagation.testing import captured_spans, message
from tests.propagation.builders import SPAN_ID, TRACE_ID, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]

tracer = trace.get_tracer("test")


@pytest.fixture(autouse=True)
def nothing_current() -> Iterator[None]:
    """Begin and end every test without a current span."""
    token = attach(Context())
    yield
    detach(token)


def traced(number: int, **more: Any) -> Message:
    """Build message *number*, in a trace of its own."""
    traceparent = f"00-{TRACE_ID + number:032x}-{SPAN_ID + number:016x}-01"
    return message(
        **{"topic": "plays", "offset": number, "headers": [("traceparent", traceparent)], **more}
    )


def origin(number: int) -> tuple[int, int]:
    """Give the ids of the span that sent message *number*."""
    return TRACE_ID + number, SPAN_ID + number


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    """List what *span* links to."""
    return [ids(link.context) for link in span.links]


def current() -> tuple[int, int]:
    """Tell which span is current."""
    return ids(trace.get_current_span().get_span_context())


def test_a_batch_is_one_span_of_its_own_trace_with_links_to_all(spans: Spans) -> None:
    """No message's trace is continued by it, every one is linked."""
    with processing_batch([traced(n) for n in range(3)]) as span:
        inside = current()

    [batch] = spans
    assert batch.name == "process plays"
    assert batch.kind is SpanKind.CONSUMER
    assert batch.parent is None
    assert links(batch) == [origin(0), origin(1), origin(2)]
    assert inside == ids(span.get_span_context())
    assert inside[0] not in {TRACE_ID + n for n in range(3)}
    assert current() == (0, 0)


def test_what_all_messages_share_is_on_the_span_and_what_differs_on_the_links(
    spans: Spans,
) -> None:
    """Topic and count are told from the start; the link says which record it is of."""
    with processing_batch([traced(0, partition=1), traced(1, partition=2)]):
        pass

    assert dict(spans[0].attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "plays",
        "messaging.batch.message_count": 2,
    }
    assert [dict(link.attributes or {}) for link in spans[0].links] == [
        {"messaging.destination.partition.id": "1", "messaging.kafka.offset": 0},
        {"messaging.destination.partition.id": "2", "messaging.kafka.offset": 1},
    ]


def test_a_batch_of_several_topics_is_named_after_none(spans: Spans) -> None:
    """A name that fits one message would be wrong for the others."""
    with processing_batch([traced(0), traced(1, topic="bets")]):
        pass

    assert spans[0].name == "process"
    assert "messaging.destination.name" not in (spans[0].attributes or {})
    told = [(link.attributes or {})["messaging.destination.name"] for link in spans[0].links]
    assert told == ["plays", "bets"]


@pytest.mark.parametrize("count", [127, 128, 129, 500])
def test_no_link_is_lost(spans: Spans, count: int) -> None:
    """Beyond what one span keeps, links are on children of the batch span."""
    with processing_batch([traced(n) for n in range(count)]) as span:
        pass

    *others, batch = spans
    assert sorted(link for one in spans for link in links(one)) == [origin(n) for n in range(count)]
    assert all(one.dropped_links == 0 for one in spans)
    assert len(spans) == -(-count // 128)
    for one in others:
        assert one.name == "links plays"
        assert one.kind is SpanKind.INTERNAL
        assert one.parent
        assert ids(one.parent) == ids(span.get_span_context())
    assert (batch.attributes or {})["messaging.batch.message_count"] == count


@pytest.mark.parametrize(("limit", "kept"), [(10, 25), (0, 0), (1000, 25)])
def test_a_limit_of_the_provider_loses_no_link_either(
    monkeypatch: pytest.MonkeyPatch, limit: int, kept: int
) -> None:
    """A lower one means more spans; none at all means that nobody wants links."""
    provider = TracerProvider(span_limits=SpanLimits(max_links=limit))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    with captured_spans() as spans, processing_batch([traced(n) for n in range(25)]):
        pass

    assert sorted(link for one in spans for link in links(one)) == [origin(n) for n in range(kept)]


def test_a_message_has_its_own_scope_inside_the_batch(spans: Spans) -> None:
    """Its span is in the message's trace and links to the batch as well."""
    messages = [traced(n) for n in range(2)]

    with processing_batch(messages) as batch:
        for one in messages:
            with processing(one):
                assert current()[0] == TRACE_ID + (one.offset() or 0)
            assert current() == ids(batch.get_span_context())

    for number, process in enumerate(spans[:2]):
        assert process.parent
        assert ids(process.parent) == origin(number)
        assert links(process) == [origin(number), ids(batch.get_span_context())]


def test_a_log_line_inside_has_the_records_trace_id() -> None:
    """Between the messages it is the batch's."""
    lines = io.StringIO()
    logs.configure("test", stream=lines)
    log = structlog.get_logger()
    messages = [traced(n) for n in range(2)]

    with processing_batch(messages) as batch:
        for one in messages:
            with processing(one):
                log.info("settled")
        log.info("committed")
    logs.restore()

    told = [json.loads(line)["trace_id"] for line in lines.getvalue().splitlines()]
    batch_id, _ = ids(batch.get_span_context())
    assert told == [f"{n:032x}" for n in (TRACE_ID, TRACE_ID + 1, batch_id)]


def test_a_batch_within_something_belongs_to_it(spans: Spans) -> None:
    """What is current here is its parent, and is put back."""
    with tracer.start_as_current_span("job") as job:
        with processing_batch([traced(0)]):
            pass
        assert current() == ids(job.get_span_context())

    assert spans[0].parent
    assert ids(spans[0].parent) == ids(job.get_span_context())


@pytest.mark.parametrize(
    ("policy", "linked"),
    [
        ({"relation": "link"}, [0, 1]),
        ({"relation": "none"}, [1]),
        ({"trust": "link"}, [0, 1]),
        ({"trust": "ignore"}, [1]),
    ],
)
def test_a_policy_decides_what_is_linked(
    spans: Spans, policy: dict[str, Any], linked: list[int]
) -> None:
    """Each message by its own topic; all are counted."""
    options = Options((TopicPolicy("plays", **policy),))

    with processing_batch([traced(0), traced(1, topic="bets")], options=options):
        pass

    assert links(spans[0]) == [origin(number) for number in linked]
    assert (spans[0].attributes or {})["messaging.batch.message_count"] == 2


def test_messages_without_a_trace_are_counted_and_not_linked(spans: Spans) -> None:
    """There is nothing to link to."""
    with processing_batch([message(), traced(1), message(headers=[("traceparent", b"\xff")])]):
        pass

    assert links(spans[0]) == [origin(1)]
    assert (spans[0].attributes or {})["messaging.batch.message_count"] == 3


def test_no_baggage_of_a_message_is_in_a_batch() -> None:
    """It would be one message's, at work on all of them."""
    options = Options(baggage_keys=frozenset({"tenant"}))
    came = message(headers=[("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"),
                            ("baggage", "tenant=acme")])  # fmt: skip

    with processing_batch([came], options=options):
        assert baggage.get_all() == {}


def test_errors_of_the_client_are_no_records(spans: Spans) -> None:
    """They are neither counted nor linked."""
    end = Message(topic="plays", error=KafkaError(KafkaError._PARTITION_EOF))

    with processing_batch([traced(0), end]):
        pass

    assert (spans[0].attributes or {})["messaging.batch.message_count"] == 1


def test_a_batch_without_records_is_no_span(spans: Spans) -> None:
    """An empty poll leaves nothing behind, and what is current stays current."""
    end = Message(topic="plays", error=KafkaError(KafkaError._PARTITION_EOF))

    with tracer.start_as_current_span("job") as job:
        for messages in ([], [end]):
            with processing_batch(messages) as span:
                assert not span.get_span_context().is_valid
                assert current() == ids(job.get_span_context())
        with pytest.raises(LookupError), processing_batch([]):
            raise LookupError

    assert [span.name for span in spans] == ["job"]


def test_the_users_exception_passes_and_is_recorded(spans: Spans) -> None:
    """The very object comes out, its type and text stand on the span."""
    error = LookupError("no such player")

    with pytest.raises(LookupError) as caught, processing_batch([traced(0)]):
        raise error

    assert caught.value is error
    assert spans[0].status.status_code is StatusCode.ERROR
    assert (spans[0].attributes or {})["error.type"] == "LookupError"
    assert current() == (0, 0)


def test_the_consumer_lends_names_and_options(spans: Spans) -> None:
    """Group and client are on the batch span as on any other; any iterable will do."""
    settings = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "client.id": "c"}
    ignoring = Options((TopicPolicy(trust="ignore"),))

    with (
        Consumer({**settings, "log_level": 0}, options=ignoring) as consumer,
        processing_batch(iter([traced(0)]), consumer=consumer),
    ):
        pass

    assert not spans[0].links
    assert (spans[0].attributes or {})["messaging.consumer.group.name"] == "g"
    assert (spans[0].attributes or {})["messaging.client.id"] == "c"


def test_batches_and_messages_have_scopes_in_asyncio(spans: Spans) -> None:
    """``async with`` is current across every await inside, and in no other task."""

    async def handle(number: int) -> tuple[int, int]:
        async with processing(traced(number)) as span:
            await asyncio.sleep(0)
            assert current() == ids(span.get_span_context())
            return current()

    async def main() -> None:
        async with processing_batch([traced(0), traced(1)]) as batch:
            got = await asyncio.gather(handle(0), handle(1))
            assert [trace_id for trace_id, _ in got] == [TRACE_ID, TRACE_ID + 1]
            assert current() == ids(batch.get_span_context())
        assert current() == (0, 0)

    asyncio.run(main())

    assert [span.name for span in spans] == ["process plays"] * 3


def test_cancelling_ends_an_async_scope_without_blame(spans: Spans) -> None:
    """The task's end passes through, and is no failure of the message."""

    async def handle() -> None:
        async with processing(traced(0)):
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(handle())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert spans[0].status.status_code is StatusCode.UNSET
