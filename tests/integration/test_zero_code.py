"""Applications that know of no trace, on a real broker: `instrument` before their own imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.infra.shares import share_from_start
from tests.propagation.zero_code import run

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker

SHARE = """
from propagation import instrument, processing
BEFORE
instrument(scope="SCOPE")
import confluent_kafka, time
from opentelemetry import trace
from propagation.testing import captured_spans
from tests.propagation.zero_code import told_of, trace_of, traced_span
settings = {**client, "group.id": f"share-{topic}", "error_cb": lambda error: None}
acknowledged = []

def committed(*_):
    acknowledged.append(traced_span()[0])

def polled(consumer):
    deadline = time.monotonic() + 60
    while not (messages := consumer.poll(1)) and time.monotonic() < deadline:
        pass
    return messages

def produce(*values):
    with confluent_kafka.Producer(client) as producer:
        for value in values:
            producer.produce(topic, value)

with captured_spans() as spans:
    produce(b"1")
    with KIND(settings) as consumer:
        consumer.set_acknowledgement_commit_callback(committed)
        consumer.subscribe([topic])
        [message] = polled(consumer)
        told["one"] = [traced_span()[0], trace_of(message)[0]]
        produce(b"2", b"3")
        told["many"] = []
        told["values"] = [message.value().decode()]
        while len(told["values"]) < 3:
            messages = polled(consumer)
            told["values"] += [each.value().decode() for each in messages]
            told["many"].append([traced_span()[0], [trace_of(each)[0] for each in messages]])
        told["while"] = traced_span()[0]
        consumer.commit_sync()
    told["after"] = traced_span()[0]
told["spans"] = told_of(spans)
told["attributes"] = [dict(span.attributes) for span in spans if span.name.startswith("process")]
told["acknowledged"] = acknowledged
told["real"] = isinstance(consumer, confluent_kafka.ShareConsumer)
"""
EARLY = """
import confluent_kafka

class Mine(confluent_kafka.ShareConsumer):
    def __init__(self, settings):
        confluent_kafka.ShareConsumer.__init__(self, settings)
        self.mine = 1
"""
NOTHING = "0" * 32


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("confluent_kafka.ShareConsumer", ""),
        ("confluent_kafka.DeserializingShareConsumer", ""),
        ("Mine", EARLY),
    ],
)
def test_a_share_consumer_holds_what_it_polled(
    kafka: KafkaBroker, topic: str, kind: str, before: str
) -> None:
    """One record: its own scope. Several: the batch's. Nothing in callbacks, nothing afterwards."""
    share_from_start(kafka, f"share-{topic}")
    app = SHARE.replace("KIND", kind).replace("BEFORE", before)

    told, stderr = run(app.replace("SCOPE", "poll"), kafka.bootstrap_servers, topic)

    current, carried = told["one"]
    assert current == carried
    for current, several in told["many"]:
        if len(several) == 1:
            assert current == several[0]
        else:
            assert current not in {NOTHING, *several}
    assert told["values"] == ["1", "2", "3"]
    assert told["while"] != NOTHING
    assert told["after"] == NOTHING
    assert told["acknowledged"]
    assert set(told["acknowledged"]) == {NOTHING}
    assert told["real"]
    processed = [span for span in told["spans"] if span["name"] == f"process {topic}"]
    assert len(processed) == 1 + len(told["many"])
    for attributes in told["attributes"]:
        assert attributes["messaging.consumer.group.name"] == f"share-{topic}"
    assert stderr == ""


def test_a_share_consumer_holds_nothing_where_that_was_not_asked_for(
    kafka: KafkaBroker, topic: str
) -> None:
    """With scope="none" nothing is current but what the application opens itself."""
    share_from_start(kafka, f"share-{topic}")
    app = SHARE.replace("KIND", "confluent_kafka.ShareConsumer").replace("BEFORE", "")

    told, _ = run(app.replace("SCOPE", "none"), kafka.bootstrap_servers, topic)

    assert told["one"][0] == told["while"] == told["after"] == NOTHING
    assert told["values"] == ["1", "2", "3"]
    assert told["attributes"] == []
