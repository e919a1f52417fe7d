"""What others write is read here, and what is written here is read by others."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import confluent_kafka
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from propagation import Consumer, Options, Producer, context_of, extract, inject, processing
from propagation.integrations.asgi import traced
from propagation.testing import message
from propagation.w3c_baggage import parse_baggage
from tests.propagation.builders import SPAN_ID, TRACE_ID, context, ids, span_context, span_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk.trace import ReadableSpan
    from starlette.requests import Request
    from starlette.responses import Response

    Spans = list[ReadableSpan]
    Records = Callable[[str, int], list[confluent_kafka.Message]]

TRACE = st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 3)
STATE = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_*/-]{0,8}", fullmatch=True),
    st.from_regex(r"[!-+\--<>-~]{1,8}", fullmatch=True),
    max_size=4,
).map(lambda members: ",".join(f"{key}={value}" for key, value in members.items()))
KEYS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=8)

tracer = trace.get_tracer(__name__)


def texts(context: Context) -> dict[str, str]:
    """Write *context* as we do, and give it as a carrier of OpenTelemetry's propagators."""
    return {name: (value or b"").decode() for name, value in inject(context=context)}


@given(*TRACE, STATE)
def test_opentelemetry_reads_our_trace(trace_id: int, span_id: int, flags: int, state: str) -> None:
    """Ids, flags and state arrive in its own propagator."""
    sent = span_context(trace_id, span_id, flags, state)

    read = span_in(TraceContextTextMapPropagator().extract(texts(context(sent))))

    assert read == sent
    assert read.trace_state.to_header() == state


@given(*TRACE, STATE)
def test_we_read_opentelemetrys_trace(trace_id: int, span_id: int, flags: int, state: str) -> None:
    """And the other way round."""
    sent, carrier = span_context(trace_id, span_id, flags, state), dict[str, str]()
    TraceContextTextMapPropagator().inject(carrier, context(sent))

    read = span_in(extract(list(carrier.items())))

    assert read == sent
    assert read.trace_state.to_header() == state


@given(st.dictionaries(KEYS, TEXTS, min_size=1, max_size=4))
def test_baggage_is_read_both_ways(members: dict[str, str]) -> None:
    """Any text without blanks, plus signs included, means the same to both."""
    full = context()
    for key, value in members.items():
        full = baggage.set_baggage(key, value, full)
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, full)

    assert baggage.get_all(W3CBaggagePropagator().extract(texts(full), Context())) == members
    assert parse_baggage([carrier["baggage"]]) == members


def test_blanks_are_percent_encoded_as_the_specification_says() -> None:
    """OpenTelemetry reads that. It writes a plus sign itself, which to the specification is one."""
    full = baggage.set_baggage("a", "x y", context())
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, full)

    assert baggage.get_all(W3CBaggagePropagator().extract(texts(full), Context())) == {"a": "x y"}
    assert carrier["baggage"] == "a=x+y"


@pytest.fixture
def configured() -> Iterator[Callable[[TextMapPropagator], None]]:
    """Give the function that sets the global propagator, for one test."""
    before = get_global_textmap()
    yield set_global_textmap
    set_global_textmap(before)


@pytest.mark.parametrize(
    ("propagator", "old", "names"),
    [
        (B3SingleFormat(), "B3", {"b3"}),
        (B3MultiFormat(), "X-B3-TraceId", {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}),
        (
            CompositePropagator([TraceContextTextMapPropagator(), B3SingleFormat()]),
            "TraceParent",
            {"traceparent", "b3"},
        ),
    ],
)
@pytest.mark.parametrize("flags", [0, 1])
def test_b3_goes_both_ways(
    configured: Callable[[TextMapPropagator], None],
    propagator: TextMapPropagator,
    old: str,
    names: set[str],
    flags: int,
) -> None:
    """B3 is written by its own propagator, read by it in any case, and replaced, not repeated."""
    configured(propagator)
    sent = context(span_context(flags=flags))

    headers = inject([(old, b"0"), ("a", b"1")], sent)
    shouted = [(name.upper(), value) for name, value in headers]

    assert {name for name, _ in headers} == {"a", *names}
    assert len(inject(shouted, sent)) == len(headers)
    for form in (headers, shouted):
        read = span_in(extract(form))
        assert (*ids(read), read.trace_flags) == (TRACE_ID, SPAN_ID, flags)


def test_a_short_b3_id_is_filled_with_zeros(
    configured: Callable[[TextMapPropagator], None],
) -> None:
    """Zipkin's ids of 8 bytes are the right part of ours."""
    configured(B3SingleFormat())

    read = span_in(extract([("b3", b"8448eb211c80319c-b7ad6b7169203331-1")]))

    assert ids(read) == (TRACE_ID & (2**64 - 1), SPAN_ID)


@given(st.binary(max_size=60), st.sampled_from(["b3", "x-b3-traceid", "x-b3-spanid"]))
def test_no_b3_header_makes_reading_raise(value: bytes, name: str) -> None:
    """What B3's own propagator does not expect costs the trace alone."""
    before = get_global_textmap()
    for propagator in (B3SingleFormat(), B3MultiFormat()):
        set_global_textmap(propagator)
        try:
            assert isinstance(extract([(name, value), (name, None)]), Context)
        finally:
            set_global_textmap(before)


BY_ENVIRONMENT = """
from opentelemetry import trace
from propagation import Producer, extract, processing
from propagation.testing import captured_spans, message
import confluent_kafka, sys

names = set(sys.argv[1].split(","))
with captured_spans() as spans:
    with Producer({"bootstrap.servers": "m:1", "test.mock.num.brokers": "1"}) as producer:
        with trace.get_tracer("t").start_as_current_span("request") as request:
            producer.produce("t", b"", partition=0)
        producer.flush(60)
        [broker] = producer.list_topics().brokers.values()
        reader = confluent_kafka.Consumer(
            {"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "g"}
        )
        reader.assign([confluent_kafka.TopicPartition("t", 0, 0)])
        got = reader.poll(60)
        reader.close()
    assert {name for name, _ in got.headers()} == names, got.headers()
    with processing(got) as span:
        assert span.get_span_context().trace_id == request.get_span_context().trace_id
[send] = [span for span in spans if span.name == "send t"]
assert spans[-1].parent.span_id == send.get_span_context().span_id
"""


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("b3", "b3"),
        ("b3multi", "x-b3-traceid,x-b3-spanid,x-b3-sampled"),
        ("tracecontext,b3", "traceparent,b3"),
        ("baggage,tracecontext", "traceparent"),
    ],
)
def test_the_environment_chooses_the_format(setting: str, names: str) -> None:
    """OTEL_PROPAGATORS says what stands on messages, and the trace goes on by it."""
    run = subprocess.run(
        [sys.executable, "-c", BY_ENVIRONMENT, names],
        env={**os.environ, "OTEL_PROPAGATORS": setting},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert run.returncode == 0, run.stderr


@pytest.fixture
def contrib() -> Iterator[ConfluentKafkaInstrumentor]:
    """Give OpenTelemetry's instrumentation, applied to no class."""
    instrumentor = ConfluentKafkaInstrumentor()
    yield instrumentor
    attach(Context())  # it leaves the span of its last message current


def test_contrib_reads_what_we_write(
    spans: Spans, contrib: Any, bootstrap_servers: str, topic: str
) -> None:
    """Its process span links to our send span."""
    with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
        producer.produce(topic, b"x", partition=0)  # contrib takes an empty one for none
    theirs = contrib.instrument_consumer(reader(confluent_kafka.Consumer, bootstrap_servers, topic))

    assert theirs.poll(60) is not None
    theirs.close()

    sent, processed = (named(spans, name) for name in (f"send {topic}", f"{topic} process"))
    assert [ids(link.context) for link in processed.links] == [ids(sent.get_span_context())]


def test_we_read_what_contrib_writes(
    spans: Spans, contrib: Any, bootstrap_servers: str, topic: str
) -> None:
    """Our process span is the child of its send span, where its own would be in another trace."""
    raw = confluent_kafka.Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    theirs = contrib.instrument_producer(raw)
    theirs.produce(topic, b"", partition=0, headers=[])
    raw.flush(60)
    ours = reader(Consumer, bootstrap_servers, topic)
    received = ours.poll(60)
    ours.close()

    with processing(received):
        pass

    sent, processed = (named(spans, name) for name in (f"{topic} send", f"process {topic}"))
    assert processed.parent
    assert ids(processed.parent) == ids(sent.get_span_context())


def reader(kind: type[confluent_kafka.Consumer], bootstrap_servers: str, topic: str) -> Any:
    """Make a consumer of partition 0 of *topic*."""
    consumer = kind(
        {"bootstrap.servers": bootstrap_servers, "group.id": uuid.uuid4().hex, "log_level": 0}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    return consumer


def named(spans: Spans, name: str) -> Any:
    """Give the only span of that *name*."""
    [span] = [span for span in spans if span.name == name]
    return span


def test_baggage_passes_through_a_service(
    bootstrap_servers: str, topic: str, records: Records
) -> None:
    """What came with a message leaves with the next, properties too, where its keys are listed."""
    options = Options(baggage_keys=frozenset({"tenant"}))
    came = message(headers=[("baggage", "tenant=acme%20ltd;gold;since=1999,secret=1")])

    with (
        Producer({"bootstrap.servers": bootstrap_servers}, options=options) as producer,
        processing(came, options=options),
    ):
        producer.produce(topic, b"")

    [sent] = records(topic, 1)
    carried = dict(sent.headers() or ())
    assert carried["baggage"] == b"tenant=acme%20ltd;gold;since=1999"


def test_http_and_kafka_are_one_trace(
    spans: Spans, bootstrap_servers: str, topic: str, records: Records
) -> None:
    """An HTTP client, the ASGI edge, a message, its consumer, and whom that one calls by HTTP."""
    heard: list[str] = []

    async def play(request: Request) -> Response:
        heard.append(request.headers.get("traceparent", ""))
        with Producer({"bootstrap.servers": bootstrap_servers, "log_level": 0}) as producer:
            producer.produce(topic, b"")
        return PlainTextResponse("ok")

    app = traced(Starlette(routes=[Route("/play", play)]))

    def call() -> None:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        run_asgi(app, headers)

    with tracer.start_as_current_span("client") as client:
        call()
    [first] = records(topic, 1)
    with processing(first):
        call()

    here = client.get_span_context().trace_id
    assert {ids(span.get_span_context() or span_context())[0] for span in spans} == {here}
    assert [header[3:35] for header in heard] == [f"{here:032x}"] * 2
    assert span_in(context_of(first)).trace_id == here


def run_asgi(app: Any, headers: dict[str, str]) -> None:
    """Call *app* through httpx, in a context that knows nothing of the caller's."""

    async def request() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://game") as client:
            reply = await client.get("/play", headers=headers)
        assert reply.text == "ok"

    token = attach(Context())
    try:
        asyncio.run(request())
    finally:
        detach(token)
