"""Beside contrib's instrumentation: one header, one span, one warning on each client."""

from __future__ import annotations

import pytest

from tests.propagation.zero_code import run

BEGIN = """
import asyncio, logging
logging.basicConfig()
from propagation.testing import captured_spans
from tests.propagation.zero_code import first, told_of, trace_of, traced_span
collect = captured_spans()
spans = collect.__enter__()
"""
OURS = "import propagation; propagation.instrument()\n"
IMPORT = (
    "from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor as T\n"
)
THEIRS = IMPORT + "T().instrument()\n"
NAME = "from confluent_kafka import Producer as P\n"
NAMED = "producer = P(client)\n"
SUBCLASS = """
import confluent_kafka as package
class S(package.Producer): ...
"""
CLIENTS = """
import confluent_kafka
producer = confluent_kafka.Producer(client)
consumer = confluent_kafka.Consumer(group)
"""
PLAY = """
producer.produce(topic, b"1")
producer.flush(60)
consumer.subscribe([topic])
message = first(consumer)
consumer.close()
told["headers"] = len(trace_of(message))
told["spans"] = [span["name"].replace(topic, "T") for span in told_of(spans)]
told["traces"] = len({span["trace"] for span in told_of(spans)})
"""


@pytest.mark.parametrize(
    "steps",
    [
        (THEIRS, OURS, CLIENTS),
        (OURS, THEIRS, CLIENTS),
        (IMPORT, OURS, THEIRS, CLIENTS),
        (THEIRS, CLIENTS, OURS),
        (THEIRS, NAME, OURS, CLIENTS, NAMED),
        (OURS, THEIRS, SUBCLASS, CLIENTS, "producer = S(client)"),
    ],
    ids=["first theirs", "first ours", "theirs imported first", "clients before ours",
         "names before ours", "a subclass"],
)  # fmt: skip
def test_one_header_one_span_one_warning(bootstrap_servers: str, steps: tuple[str, ...]) -> None:
    """Whoever came first, the traces are ours."""
    told, stderr = run(BEGIN + "\n".join(steps) + PLAY, bootstrap_servers)

    assert told == {"headers": 1, "spans": ["send T", "process T"], "traces": 1}
    assert stderr.count("contrib_taken_off") == 1


def test_their_proxies_give_back_what_is_ours(bootstrap_servers: str) -> None:
    """An explicit client of ours handed to theirs is the same client afterwards."""
    told, stderr = run(
        BEGIN
        + IMPORT
        + """
import propagation
mine = propagation.Producer(client), propagation.Consumer(group)
producer, consumer = T.instrument_producer(mine[0]), T.instrument_consumer(mine[1])
told["same"] = [producer is mine[0], consumer is mine[1]]
"""
        + PLAY,
        bootstrap_servers,
    )

    assert told == {"same": [True, True], "headers": 1, "spans": ["send T"], "traces": 1}
    assert stderr.count("contrib_taken_off") == 1


@pytest.mark.parametrize("steps", [(THEIRS, "import propagation"), ("import propagation", THEIRS)])
def test_an_explicit_client_is_ours_alone(bootstrap_servers: str, steps: tuple[str, ...]) -> None:
    """Their global patch does not touch it, whichever was imported first; nor the async one."""
    told, _ = run(
        BEGIN
        + "\n".join(steps)
        + """
producer, consumer = propagation.Producer(client), propagation.Consumer(group)
"""
        + PLAY
        + """
async def play():
    async with propagation.AIOConsumer({**group, "group.id": topic + "other"}) as one:
        await one.subscribe([topic])
        while await one.poll(1) is None:
            pass
asyncio.run(play())
told["async"] = len(told_of(spans)) - len(told["spans"])
""",
        bootstrap_servers,
    )

    assert told == {"headers": 1, "spans": ["send T"], "traces": 1, "async": 0}


def test_clients_that_are_not_ours_stay_theirs(bootstrap_servers: str) -> None:
    """Explicit clients of ours take nothing away from others in the process."""
    told, stderr = run(
        BEGIN
        + THEIRS
        + "import propagation; propagation.Producer(client); propagation.Consumer(group)\n"
        + CLIENTS
        + PLAY,
        bootstrap_servers,
    )

    assert told["headers"] == 1
    assert sorted(told["spans"]) == ["T process", "T send", "recv"]
    assert stderr == ""


def test_uninstrument_puts_theirs_back(bootstrap_servers: str) -> None:
    """As it was before: their classes, their spans, and their own undoing."""
    told, _ = run(
        BEGIN
        + THEIRS
        + "import confluent_kafka; before = confluent_kafka.Producer, confluent_kafka.Consumer\n"
        + "from confluent_kafka import Producer; told['named'] = Producer.__name__\n"
        + OURS
        + "propagation.uninstrument()\n"
        + "told['named'] = [told['named'], Producer.__name__]\n"
        + "told['same'] = before == (confluent_kafka.Producer, confluent_kafka.Consumer)\n"
        + CLIENTS
        + PLAY
        + "T().uninstrument(); told['end'] = confluent_kafka.Producer.__module__\n",
        bootstrap_servers,
    )

    assert told["same"]
    assert told["named"] == ["AutoInstrumentedProducer"] * 2
    assert sorted(told["spans"]) == ["T process", "T send", "recv"]
    assert told["end"] == "cimpl"


def test_in_whatever_order_both_come_and_go(bootstrap_servers: str) -> None:
    """While ours is on, clients are ours; while theirs alone is, theirs; then the real ones."""
    told, _ = run(
        IMPORT
        + """
import logging; logging.disable(logging.CRITICAL)
import opentelemetry.instrumentation.confluent_kafka as module
import confluent_kafka
from itertools import permutations
from propagation import instrument, patching, uninstrument
from propagation.contrib import traced

# It looks through all objects there are, eighty times, and finds the containers below.
patching.unreached = lambda _: ["a container"]
steps = {"I": instrument, "U": uninstrument, "i": T().instrument, "u": T().uninstrument}
theirs = module.AutoInstrumentedProducer, module.AutoInstrumentedConsumer

# As a container, which is left alone: ours binds the names of __main__ anew.
real = confluent_kafka.Producer, confluent_kafka.Consumer
orders = {"".join(order) for order in permutations("IUiu")
          if order.index("I") < order.index("U") and order.index("i") < order.index("u")}
told["orders"] = len(orders)
told["wrong"] = []
for order in sorted(orders | {one + two for one in orders for two in orders}):
    ours_on = theirs_on = False
    for step in order:
        steps[step]()
        ours_on = step == "I" if step in "IU" else ours_on
        theirs_on = step == "i" if step in "iu" else theirs_on
        producer = confluent_kafka.Producer(client)
        if traced(producer) != ours_on:
            told["wrong"].append([order, step, "ours"])
        if not ours_on and isinstance(producer, theirs) != theirs_on:
            told["wrong"].append([order, step, "theirs"])
    if (confluent_kafka.Producer, confluent_kafka.Consumer) != real:
        told["wrong"].append([order, "left behind"])
""",
        bootstrap_servers,
    )

    assert told == {"orders": 6, "wrong": []}


def test_each_reads_what_the_other_wrote(bootstrap_servers: str) -> None:
    """Their producer's trace goes on in our scope; our producer's is linked by theirs."""
    told, _ = run(
        BEGIN
        + THEIRS
        + """
import confluent_kafka, propagation
with confluent_kafka.Producer(client) as theirs:
    theirs.produce(topic, b"1")
    theirs.flush(60)
with propagation.Consumer(group) as ours:
    ours.subscribe([topic])
    message = first(ours)
    with propagation.processing(message):
        told["ours"] = traced_span()[0] == told_of(spans)[0]["trace"]
spans.clear()
with propagation.Producer(client) as mine:
    mine.produce(topic + "b", b"1")
    mine.flush(60)
consumer = confluent_kafka.Consumer({**group, "group.id": topic + "other"})
consumer.subscribe([topic + "b"])
first(consumer)
consumer.close()
told["links"] = [span["links"] for span in told_of(spans) if span["name"].endswith("process")]
""",
        bootstrap_servers,
    )

    assert told == {"ours": True, "links": [1]}
