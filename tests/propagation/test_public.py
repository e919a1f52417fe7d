"""The package as a whole: a drop-in by every name, and at work without an SDK."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import confluent_kafka
import pytest

import propagation

OVERRIDDEN = {
    "Producer": {"produce": "test_producer", "produce_batch": "test_producer"},
    "Consumer": {},
}
NOT_A_METHOD = {"__class__", "__doc__", "__init__", "__init_subclass__", "__subclasshook__"}
MEMBERS = [
    (kind, name)
    for kind in OVERRIDDEN
    for name in dir(getattr(confluent_kafka, kind))
    if name not in NOT_A_METHOD
]


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_every_name_is_the_real_one_or_tested(kind: str, name: str) -> None:
    """What is not overridden is the very method; what is, has tests that tell what it does."""
    real, ours = getattr(confluent_kafka, kind), getattr(propagation, kind)

    if name in OVERRIDDEN[kind]:
        tests = Path(__file__).with_name(f"{OVERRIDDEN[kind][name]}.py").read_text()
        assert f".{name}(" in tests
    else:
        assert getattr(ours, name) == getattr(real, name)


@pytest.mark.parametrize("kind", OVERRIDDEN)
def test_nothing_is_overridden_beyond_the_list(kind: str) -> None:
    """The list above is complete."""
    real, ours = getattr(confluent_kafka, kind), getattr(propagation, kind)

    assert issubclass(ours, real)
    assert set(vars(ours)) & set(dir(real)) - {"__init__", "__doc__"} == set(OVERRIDDEN[kind])


def test_produce_has_the_real_methods_parameters() -> None:
    """In the order in which the client library takes them, the undocumented callback included."""
    [_, *parameters] = inspect.signature(propagation.Producer.produce).parameters

    assert parameters == [
        "topic",
        "value",
        "key",
        "partition",
        "callback",
        "on_delivery",
        "timestamp",
        "headers",
    ]


def test_the_public_names_are_sorted_and_there() -> None:
    """What __all__ says is what can be imported."""
    assert propagation.__all__ == sorted(propagation.__all__)
    assert all(hasattr(propagation, name) for name in propagation.__all__)


WITHOUT_SDK = """
import sys
sys.modules["opentelemetry.sdk"] = None
from opentelemetry import trace
from confluent_kafka import Message
from propagation import Consumer, Producer, context_of, extract, inject, processing
from tests.propagation.builders import TRACEPARENT

expected = [("traceparent", TRACEPARENT.encode())]
came = Message(topic="t", headers=[("traceparent", TRACEPARENT.encode()), ("a", b"1")])
told = []
mock = {"bootstrap.servers": "m:1", "test.mock.num.brokers": "1", "log_level": 0}
with Producer(mock) as producer:
    with processing(came) as span:
        assert inject() == expected
        producer.produce("t", b"within", callback=lambda *report: told.append(report))
    producer.produce("t", b"outside", headers=came.headers())
    producer.flush(10)
    [broker] = producer.list_topics().brokers.values()
    settings = {"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "g",
                "group.protocol": "consumer", "auto.offset.reset": "earliest", "log_level": 0}
    with Consumer(settings) as consumer:
        consumer.subscribe(["t"])
        got = {}
        while len(got) < 2:
            message = consumer.poll(10)
            if message:
                got[message.value()] = message
                with processing(message, consumer=consumer):
                    assert inject() == expected
assert got[b"within"].headers() == expected
assert got[b"outside"].headers() == [*expected, ("a", b"1")]
assert len(told) == 1
assert inject(context=context_of(came)) == inject(context=extract(came.headers())) == expected
"""


def test_without_an_sdk_the_trace_is_passed_on() -> None:
    """Nothing is recorded and nothing of the SDK imported; a trace that came goes on."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_SDK], capture_output=True, text=True, check=False, timeout=60
    )

    assert run.returncode == 0, run.stderr
