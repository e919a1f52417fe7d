"""What W3C asks of who takes part in a trace, seen from outside: headers in, headers out.

Each provider needs a process of its own, because OpenTelemetry allows one: a sampler has one that
takes question after question.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.propagation.builders import SPAN_ID, TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    PassedOn = Callable[..., list[dict[str, str]]]

PASS_ON = """
import json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import *
trace.set_tracer_provider(TracerProvider(sampler=eval(sys.argv[1])))
from propagation import Options, Producer, TopicPolicy, processing
from propagation.testing import message
import confluent_kafka

settings = {"bootstrap.servers": "m:1", "test.mock.num.brokers": "1", "log_level": 0}
with Producer(settings) as producer:
    [broker] = producer.list_topics().brokers.values()
    reader = confluent_kafka.Consumer({
        "bootstrap.servers": f"{broker.host}:{broker.port}",
        "group.id": "g",
        "log_level": 0,
        "fetch.wait.max.ms": 10,
    })
    producer.list_topics("t")  # asking for it makes it
    reader.assign([confluent_kafka.TopicPartition("t", 0, 0)])
    for question in sys.stdin:
        policy, headers = json.loads(question)
        options = Options(policies=(TopicPolicy(**policy),))
        with processing(message(headers=headers), options=options):
            for _ in range(2):
                producer.produce("t", b"", partition=0)
        producer.flush(60)
        got = [dict(m.headers() or ()) for m in reader.consume(2, timeout=60)]
        print(json.dumps([{k: v.decode() for k, v in h.items()} for h in got]), flush=True)
    reader.close()
"""


class Service:
    """A process that passes messages on under *sampler*. A context manager."""

    def __init__(self, sampler: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PASS_ON, sampler],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def passes_on(self, policy: dict[str, str], headers: dict[str, str]) -> list[dict[str, str]]:
        """Process a message with *headers*, send two on, give their headers."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([policy, headers]) + "\n")
        self._process.stdin.flush()
        sent: list[dict[str, str]] = json.loads(self._process.stdout.readline())
        assert len(sent) == 2
        return sent

    def end(self) -> None:
        """End it, which must go well."""
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def passed_on() -> Iterator[PassedOn]:
    """Give a function that asks the service of a sampler, which it starts when first asked for."""
    services: dict[str, Service] = {}

    def ask(
        sampler: str, policy: dict[str, str] | None = None, **headers: str
    ) -> list[dict[str, str]]:
        if sampler not in services:
            services[sampler] = Service(sampler)
        return services[sampler].passes_on(policy or {}, headers)

    yield ask
    for service in services.values():
        service.end()


def parts(headers: dict[str, str]) -> tuple[str, str, int]:
    """Give trace id, parent id and flags of a traceparent of version 00."""
    version, trace_id, parent_id, flags = headers["traceparent"].split("-")
    assert version == "00"
    return trace_id, parent_id, int(flags, 16)


def came(flags: int, version: str = "00", more: str = "") -> str:
    """Write the traceparent of the message that comes in."""
    return f"{version}-{TRACE_ID:032x}-{SPAN_ID:016x}-{flags:02x}{more}"


@pytest.mark.parametrize(
    ("sampler", "flags", "expected"),
    [
        ("ParentBased(ALWAYS_ON)", 0b01, 0b01),
        ("ParentBased(ALWAYS_ON)", 0b00, 0b00),
        ("ParentBased(ALWAYS_ON)", 0b11, 0b11),
        ("ParentBased(ALWAYS_ON)", 0b10, 0b10),
        ("ALWAYS_OFF", 0b01, 0b00),
        ("ALWAYS_OFF", 0b11, 0b10),
        ("ALWAYS_ON", 0b00, 0b01),
        ("ALWAYS_ON", 0b10, 0b11),
        ("TraceIdRatioBased(0.0)", 0b11, 0b10),
    ],
)
def test_flags_tell_what_was_decided_here(
    passed_on: PassedOn, sampler: str, flags: int, expected: int
) -> None:
    """Sampled is this service's decision, and that respects the sender's unless told otherwise.

    Random stays as it came. Whatever the decision, the parent is another one with each message.
    """
    sent = passed_on(sampler, traceparent=came(flags), tracestate="congo=t61,rojo=00f")

    assert {parts(headers)[0] for headers in sent} == {f"{TRACE_ID:032x}"}
    assert len({parts(headers)[1] for headers in sent} | {f"{SPAN_ID:016x}"}) == 3
    assert {parts(headers)[2] for headers in sent} == {expected}
    assert {headers["tracestate"] for headers in sent} == {"congo=t61,rojo=00f"}


@pytest.mark.parametrize("sampler", ["ALWAYS_ON", "ALWAYS_OFF"])
def test_a_trace_that_begins_here_is_random(passed_on: PassedOn, sampler: str) -> None:
    """Without a traceparent, or with an unreadable one, ids are new and said to be random.

    A tracestate that came alone goes. That this service records nothing is told all the same.
    """
    decided = int(sampler == "ALWAYS_ON")
    several: list[dict[str, str]] = [
        {},
        {"traceparent": "unreadable"},
        {"tracestate": "congo=t61"},
    ]
    for headers in several:
        sent = passed_on(sampler, None, **headers)

        assert {parts(one)[2] for one in sent} == {0b10 | decided}
        assert {parts(one)[0] for one in sent}.isdisjoint({f"{TRACE_ID:032x}", "0" * 32})
        assert not any("tracestate" in one for one in sent)


def test_a_later_version_is_answered_in_ours(passed_on: PassedOn) -> None:
    """Its first fields count, what it adds is not looked at, and version 00 goes out."""
    [headers, _] = passed_on("ParentBased(ALWAYS_ON)", traceparent=came(0xFF, "cc", "-more"))

    assert parts(headers)[0] == f"{TRACE_ID:032x}"
    assert parts(headers)[2] == 0b11


@pytest.mark.parametrize(
    "policy", [{"trust": "link"}, {"trust": "ignore"}, {"relation": "link"}, {"relation": "none"}]
)
def test_a_stranger_decides_nothing(passed_on: PassedOn, policy: dict[str, str]) -> None:
    """A trace that starts anew asks its own sampler, and leaves the other's state behind."""
    for sampler, expected in (("ParentBased(ALWAYS_OFF)", 0b10), ("ParentBased(ALWAYS_ON)", 0b11)):
        for flags in (0b00, 0b01):
            sent = passed_on(sampler, policy, traceparent=came(flags), tracestate="congo=t61")

            assert {parts(headers)[2] for headers in sent} == {expected}
            assert {parts(headers)[0] for headers in sent} != {f"{TRACE_ID:032x}"}
            assert not any("tracestate" in headers for headers in sent)


def test_ids_say_nothing_of_whoever_made_them() -> None:
    """Processes that were started alike make ids that have nothing in common."""
    services = [Service("ALWAYS_OFF") for _ in range(2)]
    made = [service.passes_on({}, {}) for service in services]
    for service in services:
        service.end()

    ids = [parts(headers) for sent in made for headers in sent]
    assert len({trace_id[-14:] for trace_id, _, _ in ids}) == 2
    assert len({parent_id for _, parent_id, _ in ids}) == 4
