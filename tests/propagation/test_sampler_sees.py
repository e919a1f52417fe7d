"""What a sampler is asked, through every client operation. OpenTelemetry allows one provider."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

# "Important for making sampling decisions", by the conventions 1.44.0 for messaging and Kafka.
OF_ALL = {
    "messaging.system",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.destination.name",
    "messaging.destination.partition.id",
    "server.address",
    "server.port",
}
OF_CONSUMERS = {*OF_ALL, "messaging.consumer.group.name"}

PLAY = """
import json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler

asked = []

class Noting(Sampler):
    def should_sample(
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, state=None
    ):
        asked.append((name, kind.name, sorted(attributes), len(links)))
        return ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, attributes, links)
    def get_description(self):
        return "Noting"

noting = Noting()
everywhere = dict.fromkeys(("remote_parent_sampled", "local_parent_sampled"), noting)
provider = TracerProvider(noting if sys.argv[1] == "alone" else ParentBased(noting, **everywhere))
exporter = InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

import confluent_kafka
from propagation import Consumer, Options, Producer, processing, processing_batch

host = confluent_kafka.Producer(
    {"bootstrap.servers": "mock:1", "test.mock.num.brokers": "1", "log_level": 0}
)
host.list_topics("t", timeout=60)
[broker] = host.list_topics(timeout=60).brokers.values()
settings = {"bootstrap.servers": f"{broker.host}:{broker.port}", "log_level": 0}
with Producer(settings) as producer:
    producer.produce("t", b"v", "k", 0)
options = Options(poll_spans=True, commit_spans="always")
with Consumer({**settings, "group.id": "g"}, options=options) as consumer:
    consumer.assign([confluent_kafka.TopicPartition("t", 0, 0)])
    while (message := consumer.poll(60)) is None:
        pass
    with processing(message, consumer=consumer):
        consumer.commit(message=message, asynchronous=False)
    with processing_batch([message], consumer=consumer):
        pass
ended = [(span.name, span.kind.name) for span in exporter.get_finished_spans()]
print(json.dumps([asked, ended]))
"""


@pytest.fixture(scope="module", params=["alone", "in ParentBased"])
def play(request: pytest.FixtureRequest) -> tuple[list[Any], list[Any]]:
    """Give what a sampler was asked, and which spans there were."""
    done = subprocess.run(
        [sys.executable, "-c", PLAY, request.param],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    asked, ended = json.loads(done.stdout)
    return asked, ended


def test_a_sampler_is_asked_once_for_each_span(play: tuple[list[Any], list[Any]]) -> None:
    """Whatever made the span: send, poll, process, batch, commit."""
    asked, ended = play

    names = ["send t", "poll t", "process t", "process t", "commit t"]
    assert Counter(name for name, _ in ended) == Counter(names)
    assert Counter((name, kind) for name, kind, *_ in asked) == Counter(map(tuple, ended))


def test_a_sampler_sees_what_it_may_decide_by(play: tuple[list[Any], list[Any]]) -> None:
    """All that the conventions find important for it is known when it is asked."""
    asked, _ = play

    for name, kind, attributes, _ in asked:
        wanted = OF_ALL if kind == "PRODUCER" else OF_CONSUMERS
        assert wanted <= set(attributes), name


def test_a_sampler_sees_the_links(play: tuple[list[Any], list[Any]]) -> None:
    """To the message: all but the send span have one."""
    asked, _ = play

    assert {kind: links for _, kind, _, links in asked} == {
        "PRODUCER": 0,
        "CLIENT": 1,
        "CONSUMER": 1,
    }
