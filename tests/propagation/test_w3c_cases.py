"""W3C's validation suite, on Kafka messages and over HTTP."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import confluent_kafka
import httpx
import pytest
from opentelemetry import propagate, trace
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from propagation import Consumer, Producer, extract, processing
from propagation.headers import found
from propagation.integrations.asgi import traced
from propagation.testing import captured_spans
from tests.propagation.builders import span_in
from tests.propagation.integrations.serving import scope, served
from tests.propagation.w3c_cases import (
    CASES,
    DUPLICATED,
    FIRST_OF_TWO,
    PARENT,
    SAMPLED,
    TRACE,
    Case,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message

    Sent = list[list[tuple[str, str]]]  # the trace headers of each call that a case asked for

FIELDS = ("traceparent", "tracestate")
RANDOM = 0b10
VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")

each_case = pytest.mark.parametrize(
    ("number", "case"), list(enumerate(CASES)), ids=lambda part: getattr(part, "name", None)
)


class Trace(NamedTuple):
    """What a case sees of one call."""

    trace_id: str
    parent_id: str
    flags: str
    state: str


def read(headers: list[tuple[str, str]]) -> Trace:
    """Read the trace headers of one call, of which there must be no two of a name."""
    values = dict(headers)
    assert len(values) == len(headers)
    assert VALID.fullmatch(values["traceparent"])
    _, trace_id, parent_id, flags = values["traceparent"].split("-")
    return Trace(trace_id, parent_id, flags, values.get("tracestate", ""))


@pytest.fixture(autouse=True)
def tracing() -> Iterator[None]:
    """Let spans be made: the suite tests one who takes part, not one who passes on."""
    with captured_spans():
        yield


@pytest.fixture(scope="module")
def over_kafka() -> list[Sent]:
    """Send every case over a broker to a consumer that sends on, and read what it sent."""
    host = confluent_kafka.Producer(
        {"bootstrap.servers": "mock:1", "test.mock.num.brokers": "1", "log_level": 0}
    )
    [broker] = host.list_topics(timeout=60).brokers.values()
    config = {"bootstrap.servers": f"{broker.host}:{broker.port}", "log_level": 0}
    into, out = f"into.{uuid4().hex}", f"out.{uuid4().hex}"
    with captured_spans(), confluent_kafka.Producer(config) as client:
        for number, case in enumerate(CASES):
            client.produce(into, str(number), partition=0, headers=[*case.headers])
        client.flush(60)
        with Producer(config) as producer:
            for message in records(config, into, len(CASES)):
                with processing(message):
                    for _ in range(CASES[number_of(message)].calls):
                        producer.produce(out, message.value(), partition=0)
            producer.flush(60)
    sent: list[Sent] = [[] for _ in CASES]
    for message in records(config, out, sum(case.calls for case in CASES)):
        fields = [(k, text) for k, text in found(message.headers(), None) if k in FIELDS]
        sent[number_of(message)].append(fields)
    return sent


def records(config: dict[str, object], topic: str, count: int) -> list[confluent_kafka.Message]:
    """Read the first *count* records of partition 0 of *topic*."""
    consumer = Consumer({**config, "group.id": uuid4().hex})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    messages = consumer.consume(count, timeout=60)
    consumer.close()
    assert len(messages) == count
    return messages


def number_of(message: confluent_kafka.Message) -> int:
    """Give the number of the case that *message* belongs to."""
    return int(message.value() or b"")


async def relay(request: Request) -> Response:
    """Answer with the headers that as many calls as asked for would carry."""
    tracer = trace.get_tracer(__name__)
    calls = []
    for _ in range(int(request.path_params["calls"])):
        with tracer.start_as_current_span("call"):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            calls.append([[k, v] for k, v in headers.items() if k in FIELDS])
    return JSONResponse(calls)


def over_http(case: Case, probes: Collection[str] = ()) -> Sent:
    """Send *case* to the traced application, as a server hands it over."""
    app = traced(Starlette(routes=[Route("/relay/{calls}", relay)]), probes=probes)
    request = scope("GET", f"/relay/{case.calls}", {})
    request["headers"] = [(name.encode(), value.encode()) for name, value in case.headers]
    body: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        body.append(message.get("body", b""))

    async def run() -> None:
        await app(request, receive, send)

    asyncio.run(run())
    return [
        [(k, v) for k, v in call] for call in httpx.Response(200, content=b"".join(body)).json()
    ]


def check(case: Case, sent: Sent) -> None:
    """Hold what was *sent* to what the suite expects of *case*."""
    traces = [read(call) for call in sent]

    assert len(traces) == case.calls
    assert len({trace.parent_id for trace in traces} - {PARENT}) == case.calls
    if case.keeps:
        assert {trace.trace_id for trace in traces} == {TRACE}
    else:
        assert not any(trace.trace_id in value for trace in traces for _, value in case.headers)
    assert {trace.state for trace in traces} == {case.state}
    assert {int(trace.flags, 16) & RANDOM for trace in traces} == {random_of(case)}


def random_of(case: Case) -> int:
    """Give the random flag that has to go out: of a new trace it is set, else as it came."""
    came = [value.strip(" \t") for name, value in case.headers if name.lower() == "traceparent"]
    return int(came[-1][53:55], 16) & RANDOM if case.keeps else RANDOM


def test_all_cases_of_the_suite_are_here() -> None:
    """It has 41, the one of level 2 included."""
    assert len({case.name for case in CASES}) == 41


@each_case
def test_a_message_is_treated_as_the_suite_asks(
    over_kafka: list[Sent], number: int, case: Case
) -> None:
    """Consumed, processed and sent on; only of two traceparents does the last one count."""
    check(case._replace(keeps=True) if case is DUPLICATED else case, over_kafka[number])


@each_case
def test_a_request_is_treated_as_the_suite_asks(number: int, case: Case) -> None:
    """Received by the ASGI edge and sent on through OpenTelemetry's global propagator."""
    del number

    check(case, over_http(case))


@each_case
def test_a_probe_is_treated_as_the_suite_asks(number: int, case: Case) -> None:
    """What has no span of its own still takes part: flags and state go on with the trace."""
    del number

    check(case, over_http(case, probes=["/relay/1", "/relay/3"]))


def test_a_second_traceparent_restarts_a_real_request() -> None:
    """Two header fields of one HTTP request arrive as two, and neither is followed."""
    app = traced(Starlette(routes=[Route("/relay/{calls}", relay)]))
    headers = [("traceparent", FIRST_OF_TWO), ("traceparent", SAMPLED)]

    with served(app) as address:
        reply = httpx.get(f"http://{address}/relay/1", headers=headers, timeout=60)

    assert reply.headers["x-trace-id"] not in {TRACE, FIRST_OF_TWO.split("-")[1]}


def test_a_second_traceparent_on_a_message_is_the_newer_hop() -> None:
    """Kafka clients append where they should replace: the last valid one is the sender's."""
    assert f"{span_in(extract(DUPLICATED.headers)).trace_id:032x}" == TRACE
