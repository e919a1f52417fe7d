"""The package as a whole: a drop-in by every name, and at work without an SDK."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import confluent_kafka
import confluent_kafka.aio
import pytest

import propagation

# Every name that is not the real class's own, and the tests that tell what it does.
SERDES, AIO = "test_serializing", "test_aio_producer"
RECEIVING = dict.fromkeys(("poll", "consume", "commit"), "test_receiving")
AIO_RECEIVING = dict.fromkeys(RECEIVING, "test_aio_receiving")
OVERRIDDEN: dict[str, dict[str, str]] = {
    "Producer": {"produce": "test_producer", "produce_batch": "test_producer"},
    "Consumer": {"subscribe": "test_callbacks", **RECEIVING},
    "SerializingProducer": {"produce": SERDES, "produce_batch": SERDES},
    "DeserializingConsumer": {"subscribe": SERDES, "commit": "test_receiving"},
    "AIOProducer": {"produce": AIO, "close": AIO, "__del__": AIO},
    "AIOConsumer": {"subscribe": "test_aio_consumer", **AIO_RECEIVING},
    "AsyncSerializingProducer": {"produce": "test_aio_serializing", "__del__": AIO},
    "AsyncDeserializingConsumer": {
        "subscribe": "test_aio_serializing",
        "commit": "test_aio_receiving",
    },
}
# What any class has for itself.
NOT_A_METHOD = {
    *("__dict__", "__doc__", "__init__", "__module__", "__orig_bases__", "__parameters__"),
    *("__weakref__", "__slotnames__", "_is_protocol", "__new__"),
}
REAL = {
    kind: getattr(confluent_kafka, kind, None) or getattr(confluent_kafka.aio, kind)
    for kind in OVERRIDDEN
}
MEMBERS = [(kind, name) for kind in REAL for name in dir(REAL[kind]) if name not in NOT_A_METHOD]


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_every_name_is_the_real_one_or_tested(kind: str, name: str) -> None:
    """What is not overridden is the very method; what is, has tests that tell what it does."""
    real = inspect.getattr_static(REAL[kind], name)
    ours = inspect.getattr_static(getattr(propagation, kind), name)

    assert (ours is not real) == (name in OVERRIDDEN[kind])
    if name in OVERRIDDEN[kind]:
        tests = Path(__file__).with_name(f"{OVERRIDDEN[kind][name]}.py").read_text()
        assert (f".{name}(" in tests) or (name == "__del__" and "del producer" in tests)


@pytest.mark.parametrize("kind", OVERRIDDEN)
def test_a_class_is_the_real_one_and_its_own_family(kind: str) -> None:
    """A subclass of the real class, and of ours wherever the real one is of its own kind."""
    real, ours = REAL[kind], getattr(propagation, kind)

    assert issubclass(ours, real)
    for other in OVERRIDDEN:
        assert issubclass(ours, getattr(propagation, other)) == issubclass(real, REAL[other])


@pytest.mark.parametrize("kind", ["AIOProducer", "AIOConsumer"])
def test_an_async_client_is_made_as_the_real_one(kind: str) -> None:
    """Its parameters are the real one's in order and default, then options by name alone."""
    real, ours = REAL[kind], getattr(propagation, kind)

    *same, options = inspect.signature(ours.__init__).parameters.values()
    theirs = inspect.signature(real.__init__).parameters.values()
    assert [(p.name, p.kind, p.default) for p in same] == [
        (p.name, p.kind, p.default) for p in theirs
    ]
    assert (options.name, options.kind) == ("options", inspect.Parameter.KEYWORD_ONLY)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("SerializingProducer", "produce"),
        ("AsyncSerializingProducer", "produce"),
        ("AIOProducer", "close"),
    ],
)
def test_a_method_of_python_has_the_real_ones_parameters(kind: str, method: str) -> None:
    """In its order, with its defaults."""
    real, ours = REAL[kind], getattr(propagation, kind)

    theirs = inspect.signature(getattr(real, method)).parameters.values()
    assert [(p.name, p.kind, p.default) for p in theirs] == [
        (p.name, p.kind, p.default)
        for p in inspect.signature(getattr(ours, method)).parameters.values()
    ]


def test_produce_has_the_real_methods_parameters() -> None:
    """In the order in which the client library takes them, the undocumented callback included."""
    [_, *parameters] = inspect.signature(propagation.Producer.produce).parameters
    [_, *of_async] = inspect.signature(propagation.AIOProducer.produce).parameters

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
    assert of_async == parameters


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
    producer.flush(60)
    [broker] = producer.list_topics().brokers.values()
    settings = {"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "g",
                "group.protocol": "consumer", "auto.offset.reset": "earliest", "log_level": 0}
    with Consumer(settings) as consumer:
        consumer.subscribe(["t"])
        got = {}
        while len(got) < 2:
            message = consumer.poll(60)
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
