"""Callbacks of librdkafka: whoever polls, no trace is current in them, and it is back after."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach, get_current

from propagation import Consumer, Producer, SerializingProducer, inject, processing
from propagation.callbacks import outside
from propagation.testing import message
from tests.infra.wait import until
from tests.propagation.builders import context

if TYPE_CHECKING:
    from collections.abc import Iterator

CAME = message(headers=inject(context=context()))


class Seen:
    """A callback, or a logger, that keeps the contexts it was called in."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []

    def __call__(self, *_: object) -> None:
        """Be called by librdkafka."""
        self.contexts.append(get_current())

    def log(self, *_: object) -> None:
        """Take a log line of librdkafka."""
        self()

    @property
    def only_nothing(self) -> bool:
        """Whether it was called, and never where something was current."""
        return bool(self.contexts) and not any(self.contexts)


@pytest.fixture
def seen() -> Seen:
    """Give a callback."""
    return Seen()


@pytest.fixture
def scope() -> Iterator[trace.Span]:
    """Stay in the scope of a message during the test; it is current still at the end."""
    with processing(CAME) as span:
        yield span
        assert trace.get_current_span() is span


@pytest.fixture
def servers(bootstrap_servers: str) -> dict[str, Any]:
    """Give what every client of the mock cluster needs."""
    return {"bootstrap.servers": bootstrap_servers, "log_level": 0}


@pytest.fixture
def group(servers: dict[str, Any]) -> dict[str, Any]:
    """Give what every consumer needs, with a group of its own."""
    return {
        **servers,
        "group.id": uuid.uuid4().hex,
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
    }


@pytest.mark.usefixtures("scope", "spans")
@pytest.mark.parametrize("serializing", [False, True])
def test_a_delivery_report(
    servers: dict[str, Any], topic: str, seen: Seen, *, serializing: bool
) -> None:
    """Neither a message's own callback nor the configured one runs in the flusher's trace."""
    kind: Any = SerializingProducer if serializing else Producer
    producer = kind({**servers, "on_delivery": seen})

    producer.produce(topic, b"own", on_delivery=seen)
    producer.produce(topic, b"configured")
    producer.flush(60)

    assert len(seen.contexts) == 2
    assert seen.only_nothing


@pytest.mark.usefixtures("scope")
@pytest.mark.parametrize("name", ["error_cb", "stats_cb", "logger"])
@pytest.mark.parametrize("kind", [Producer, Consumer])
def test_a_configured_callback(kind: Any, name: str, seen: Seen) -> None:
    """Errors, statistics and log lines of a client without brokers."""
    settings = {"bootstrap.servers": "127.0.0.1:1", "statistics.interval.ms": 10, name: seen}
    client = kind({**settings, **({"group.id": "g"} if kind is Consumer else {})})

    def called() -> bool:
        client.poll(0.1)
        return bool(seen.contexts)

    until(called, what=f"a call of {name}")

    assert seen.only_nothing
    client.close()


@pytest.mark.usefixtures("scope")
@pytest.mark.usefixtures("scope")
@pytest.mark.parametrize("kind", [Producer, Consumer])
def test_a_token_is_fetched_where_no_trace_is(kind: Any) -> None:
    """The callback of OAUTHBEARER gets its setting, and its token is taken."""
    asked: list[tuple[str, Context]] = []

    def token(config: str) -> tuple[str, float]:
        asked.append((config, get_current()))
        return "token", time.time() + 300

    client = kind(
        {
            "bootstrap.servers": "127.0.0.1:1",
            "log_level": 0,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.config": "principal=plays",
            "oauth_cb": token,
            **({"group.id": "g"} if kind is Consumer else {}),
        }
    )
    until(lambda: (client.poll(0.1), asked)[1], what="a call of oauth_cb")

    assert asked[0] == ("principal=plays", Context())
    assert not any(where for _, where in asked)
    client.close()


def test_a_logger_given_by_name(seen: Seen) -> None:
    """The keyword `logger=` is as good as the setting."""
    client = Producer({"bootstrap.servers": "127.0.0.1:1"}, logger=seen)

    until(lambda: client.poll(0.1) or seen.contexts, what="a log line")

    assert seen.only_nothing


def test_a_logger_gets_the_lines_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A logger of the standard library prints what librdkafka says, at its level."""
    log = logging.getLogger("librdkafka")
    client = Producer({"bootstrap.servers": "127.0.0.1:1"}, logger=log)

    until(lambda: client.poll(0.1) or caplog.records, what="a log line")

    assert "127.0.0.1:1" in caplog.records[0].getMessage()


@pytest.mark.usefixtures("scope")
@pytest.mark.parametrize("named", [False, True])
def test_a_rebalance(group: dict[str, Any], topic: str, *, named: bool) -> None:
    """Assigned and revoked by poll and close inside a scope, the callbacks see none of it."""
    assigned, revoked, lost = Seen(), Seen(), Seen()
    consumer = Consumer(group)

    if named:
        consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked, on_lost=lost)
    else:
        consumer.subscribe([topic], assigned, revoked, lost)
    until(lambda: consumer.poll(0.1) or assigned.contexts, what="an assignment")
    consumer.close()

    assert assigned.only_nothing
    assert revoked.only_nothing


@pytest.mark.usefixtures("scope")
def test_a_commit(servers: dict[str, Any], group: dict[str, Any], topic: str, seen: Seen) -> None:
    """The report of an asynchronous commit comes where no trace is."""
    with Producer(servers) as producer:
        producer.produce(topic, b"1")
    consumer = Consumer({**group, "on_commit": seen})
    consumer.subscribe([topic])
    until(lambda: consumer.poll(0.1), what="a message")

    consumer.commit()
    until(lambda: consumer.poll(0.1) or seen.contexts, what="the report of the commit")

    assert seen.only_nothing
    consumer.close()


@pytest.mark.parametrize("wrong", [None, 5])
def test_a_wrong_rebalance_callback_is_refused_as_ever(group: dict[str, Any], wrong: Any) -> None:
    """In the real class's words."""
    consumer = Consumer(group)

    with pytest.raises(TypeError, match="on_assign expects a callable"):
        consumer.subscribe(["plays"], on_assign=wrong)

    consumer.close()


def test_what_a_callback_gives_and_raises_passes() -> None:
    """With and without a context to hide, the value and the exception are the callback's own."""

    def fail(value: object) -> None:
        raise LookupError(value)

    here = attach(baggage.set_baggage("a", "b"))

    assert outside(lambda *a, **k: (a, k, get_current()))(1, b=2) == ((1,), {"b": 2}, Context())
    with pytest.raises(LookupError, match="5"):
        outside(fail)(5)

    assert baggage.get_baggage("a") == "b"
    detach(here)
    assert outside(lambda a: a)(1) == 1


UNSAMPLED = """
from opentelemetry import trace
from propagation import Producer, processing
from propagation.testing import message
from tests.propagation.builders import TRACEPARENT

seen = []
came = message(headers={"traceparent": TRACEPARENT})
producer = Producer({"bootstrap.servers": "m:1", "test.mock.num.brokers": "1", "log_level": 0})
with processing(came) as span:
    producer.produce("t", b"", callback=lambda *_: seen.append(trace.get_current_span()))
    producer.flush(60)
    assert trace.get_current_span() is span
assert not span.is_recording()
assert seen == [trace.INVALID_SPAN], seen
"""


def test_a_delivery_report_of_a_span_that_is_not_recorded() -> None:
    """Without a provider, and so without anything to end, its callback sees no trace either."""
    run = subprocess.run(
        [sys.executable, "-c", UNSAMPLED], capture_output=True, text=True, check=False, timeout=60
    )

    assert run.returncode == 0, run.stderr
