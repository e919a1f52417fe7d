"""The scope that is held from one poll to the next: what is current when, and when it is not."""

from __future__ import annotations

from tests.propagation.zero_code import run

NOWHERE = "0" * 32

# Sends messages with a trace of their own and looks at them with the clients of an application.
BEGIN = """
import asyncio, threading
from confluent_kafka import Consumer, Producer
from propagation import instrument, uninstrument
from propagation.testing import captured_spans
from tests.propagation.zero_code import first, told_of, trace_of, traced_span
from opentelemetry import trace
import confluent_kafka.aio
tracer = trace.get_tracer("app")
collect = captured_spans()
spans = collect.__enter__()

def send(*values, to=topic, partition=0):
    with_trace = Producer(client)
    for value in values:
        with_trace.produce(to, value, partition=partition)
    with_trace.flush(60)
    spans.clear()

def opened(to=topic, **more):
    consumer = Consumer({**group, "group.id": to, **more})
    consumer.subscribe([to])
    return consumer

instrument()
"""


def test_a_message_is_current_until_the_next_poll(bootstrap_servers: str) -> None:
    """Its trace goes on in its process span; an empty message is a message; then nothing."""
    told, _ = run(
        BEGIN
        + """
send(b"1", b"")
consumer = opened(**{"client.id": "worker"})
one = first(consumer)
told["one"] = [traced_span()[0], *trace_of(one)]
two = first(consumer)
told["two"] = [traced_span()[0], *trace_of(two)]
told["nothing"] = [consumer.poll(0.1), traced_span()[0]]
consumer.close()
with tracer.start_as_current_span("later"):
    pass
told["spans"] = told_of(spans)
told["attributes"] = dict(spans[0].attributes)
""",
        bootstrap_servers,
    )

    for current, sent in (told["one"], told["two"]):
        assert current == sent
    assert told["one"] != told["two"]
    assert told["nothing"] == [None, NOWHERE]
    one, two, later = told["spans"]
    assert one["name"].startswith("process plays")
    assert [span["trace"] for span in (one, two)] == [told["one"][0], told["two"][0]]
    assert [span["links"] for span in (one, two)] == [1, 1]
    assert (later["name"], later["parent"]) == ("later", "")
    assert told["attributes"]["messaging.client.id"] == "worker"


def test_callbacks_see_no_message(bootstrap_servers: str) -> None:
    """Statistics, rebalances, log lines and delivery reports are of no message held."""
    told, _ = run(
        BEGIN
        + """
import logging
class Seen(logging.Handler):
    def emit(self, record):
        see("log")
log = logging.Logger("librdkafka")
log.addHandler(Seen())
seen = {}
def see(what):
    seen.setdefault(what, set()).add(traced_span()[0])
send(b"1", b"2", b"3")
consumer = Consumer({**group, "statistics.interval.ms": 1, "stats_cb": lambda _: see("stats"),
                     "debug": "consumer", "log_level": 7}, logger=log)
consumer.subscribe([topic], on_assign=lambda *_: see("assign"), on_revoke=lambda *_: see("revoke"))
for _ in range(3):
    first(consumer)
    producer = Producer(client)
    producer.produce(topic + "x", b"v", on_delivery=lambda *_: see("delivery"))
    producer.flush(60)
told["within"] = traced_span()[0] != "0" * 32
consumer.close()
told["seen"] = {what: sorted(ids) for what, ids in seen.items()}
""",
        bootstrap_servers,
    )

    assert told["within"]
    assert told["seen"].keys() >= {"stats", "assign", "revoke", "log", "delivery"}
    assert all(ids == [NOWHERE] for ids in told["seen"].values()), told["seen"]


def test_errors_of_the_client_are_no_messages(bootstrap_servers: str) -> None:
    """The end of a partition has no span and is not current."""
    told, _ = run(
        BEGIN
        + """
send(b"1")
consumer = opened(**{"enable.partition.eof": True})
first(consumer)
spans.clear()
while (message := consumer.poll(1)) is None:
    pass
told["error"] = message.error().name()
told["current"] = traced_span()[0]
consumer.close()
told["spans"] = len(told_of(spans))
""",
        bootstrap_servers,
    )

    assert told == {"error": "_PARTITION_EOF", "current": NOWHERE, "spans": 1}


def test_the_end_of_the_with_block_ends_the_scope(bootstrap_servers: str) -> None:
    """With the exception that leaves it on the span, and passing unchanged."""
    told, _ = run(
        BEGIN
        + """
send(b"1")
error = LookupError("no such player")
try:
    with opened() as consumer:
        first(consumer)
        raise error
except LookupError as caught:
    told["same"] = caught is error
told["current"] = traced_span()[0]
told["status"] = [span["status"] for span in told_of(spans)]
told["closed"] = Consumer(group).close()
""",
        bootstrap_servers,
    )

    assert told == {"same": True, "current": NOWHERE, "status": ["ERROR"], "closed": None}


def test_consume_holds_the_scope_of_the_batch(bootstrap_servers: str) -> None:
    """Asked for many: a trace of its own with all links. Asked for one: that message's trace."""
    told, _ = run(
        BEGIN
        + """
send(*(str(n) for n in range(201)))
consumer = opened()
[one] = consumer.consume(1, 30)
told["one"] = [traced_span()[0], *trace_of(one)]
spans.clear()
got = []
while len(got) < 200:
    got += consumer.consume(num_messages=200, timeout=1)  # always for many
batch = traced_span()[0]
told["own"] = batch not in {trace_of(message)[0] for message in got}
told["empty"] = [len(consumer.consume(5, 0.1)), traced_span()[0]]
consumer.close()
told["links"] = sum(span["links"] for span in told_of(spans))
""",
        bootstrap_servers,
    )

    assert told["one"][0] == told["one"][1]
    assert told["own"]
    assert told["empty"] == [0, NOWHERE]
    assert told["links"] == 201


def test_the_applications_own_spans_stay(bootstrap_servers: str) -> None:
    """A span around or inside the loop is never put away, and never comes back to life."""
    told, _ = run(
        BEGIN
        + """
send(b"1", b"2", b"3")
consumer = opened()
with tracer.start_as_current_span("loop") as loop:
    first(consumer)
    with tracer.start_as_current_span("inner") as inner:
        second = first(consumer)
        told["second"] = [traced_span()[0], *trace_of(second)]
    third = first(consumer)
    told["third"] = [traced_span()[0], *trace_of(third)]
    consumer.close()
    told["loop"] = trace.get_current_span() is loop
told["after"] = traced_span()[0]
""",
        bootstrap_servers,
    )

    assert told["second"][0] == told["second"][1]
    assert told["third"][0] == told["third"][1]
    assert told["loop"]
    assert told["after"] == NOWHERE


def test_consumers_in_one_thread_do_not_end_each_other(bootstrap_servers: str) -> None:
    """Polled by turns for long, each closes its own; nothing is left, and no chain grows."""
    told, _ = run(
        BEGIN
        + """
import gc
send(*map(str, range(30)))
send(*map(str, range(30)), to=topic + "b")
a, b = opened(), opened(topic + "b")
for _ in range(30):
    first(a)
    first(b)
told["holds"] = sum(type(thing).__name__ == "_Hold" for thing in gc.get_objects())
message = a.poll(0)
told["b still"] = traced_span()[0] != "0" * 32
b.close()
told["b closed"] = traced_span()[0]
a.close()
told["spans"] = len(told_of(spans))
""",
        bootstrap_servers,
    )

    assert told["holds"] <= 3
    assert told["b still"]
    assert told["b closed"] == NOWHERE
    assert told["spans"] == 60


def test_a_consumer_may_change_threads(bootstrap_servers: str) -> None:
    """Polled in one thread and closed in another: no error, and the first thread is cleared."""
    told, stderr = run(
        BEGIN
        + """
send(b"1")
send(b"2", to=topic + "b")
a, b = opened(), opened(topic + "b")
first(a)
def elsewhere():
    with tracer.start_as_current_span("elsewhere") as span:
        a.close()
        told["there"] = trace.get_current_span() is span
thread = threading.Thread(target=elsewhere)
thread.start(); thread.join()
told["ended"] = [span["name"].split()[0] for span in told_of(spans)]
second = first(b)
told["second"] = [traced_span()[0], *trace_of(second)]
b.close()
told["here"] = traced_span()[0]
""",
        bootstrap_servers,
    )

    assert told["there"]
    assert told["ended"] == ["process", "elsewhere"]
    assert told["second"][0] == told["second"][1]
    assert told["here"] == NOWHERE
    assert stderr == ""


def test_a_forgotten_consumer_ends_its_span(bootstrap_servers: str) -> None:
    """Dropped or still open when the process ends: the last message's span is not lost.

    Nor does it stay current where a consumer was dropped.
    """
    told, _ = run(
        BEGIN
        + """
import gc
send(b"1")
consumer = opened()
first(consumer)
del consumer
gc.collect()
told["dropped"] = len(told_of(spans))
told["left"] = traced_span()[1]
send(b"1", to=topic + "b")
spans.clear()
kept = opened(topic + "b")
first(kept)
from propagation.holding import close_all
close_all()
told["open"] = len(told_of(spans))
""",
        bootstrap_servers,
    )

    assert told == {"dropped": 1, "left": f"{0:016x}", "open": 1}


def test_uninstrument_ends_what_is_held(bootstrap_servers: str) -> None:
    """The span ends, nothing stays current, and the consumer goes on without scopes."""
    told, _ = run(
        BEGIN
        + """
send(b"1", b"2")
consumer = opened()
first(consumer)
uninstrument()
told["ended"] = [len(told_of(spans)), traced_span()[0]]
told["next"] = [first(consumer).value().decode(), traced_span()[0]]
consumer.close()
""",
        bootstrap_servers,
    )

    assert told == {"ended": [1, NOWHERE], "next": ["2", NOWHERE]}


def test_an_async_poll_is_current_in_its_task(bootstrap_servers: str) -> None:
    """In the task that awaited it, not in the executor's threads, not in another task."""
    told, stderr = run(
        BEGIN
        + """
from confluent_kafka.aio import AIOConsumer, AIOProducer
seen = set()
async def play():
    producer = AIOProducer(client)
    report = await producer.produce(topic, b"1", headers={"a": "b"})
    await producer.flush()
    await report
    await producer.close()
    spans.clear()
    async with AIOConsumer(group) as consumer:
        await consumer.subscribe([topic])
        while (message := await consumer.poll(1)) is None:
            pass
        told["current"] = [traced_span()[0], *trace_of(message)]
        told["headers"] = len(message.headers())
        for _ in range(20):
            seen.add(await asyncio.get_running_loop().run_in_executor(
                consumer.executor, traced_span))
    told["after"] = traced_span()[0]
    # And a client of ours beside it is left alone.
    from propagation import AIOConsumer as Ours
    async with Ours({**group, "group.id": topic + "ours"}) as consumer:
        await consumer.subscribe([topic])
        while (message := await consumer.poll(1)) is None:
            pass
        told["ours"] = traced_span()[0]
        for _ in range(20):
            seen.add(await asyncio.get_running_loop().run_in_executor(
                consumer.executor, traced_span))
asyncio.run(play())
told["workers"] = [trace_id for trace_id, _ in seen]
told["spans"] = [span["name"].split()[0] for span in told_of(spans)]
""",
        bootstrap_servers,
    )

    assert told["current"][0] == told["current"][1]
    assert told["headers"] == 2
    assert told["after"] == told["ours"] == NOWHERE
    assert told["workers"] == [NOWHERE]
    assert told["spans"] == ["process"]
    assert stderr == ""


def test_a_message_that_cannot_be_deserialized_is_current_too(bootstrap_servers: str) -> None:
    """Whoever catches the error logs it with the message's trace id."""
    told, _ = run(
        BEGIN
        + """
from confluent_kafka import DeserializingConsumer
from confluent_kafka.error import ValueDeserializationError
send(b"1")
def refuse(value, context):
    raise LookupError(value)
consumer = DeserializingConsumer({**group, "value.deserializer": refuse})
consumer.subscribe([topic])
try:
    first(consumer)
except ValueDeserializationError as error:
    told["current"] = [traced_span()[0], *trace_of(error.kafka_message)]
consumer.close()
told["after"] = traced_span()[0]
""",
        bootstrap_servers,
    )

    assert told["current"][0] == told["current"][1]
    assert told["after"] == NOWHERE


def test_a_consumer_from_before_holds_and_settles_once(bootstrap_servers: str) -> None:
    """An object of an early subclass, and a deserializing one: one process span, one commit."""
    told, _ = run(
        """
        from confluent_kafka import Consumer, DeserializingConsumer, Producer
        class Own(Consumer): ...
        class Deserializing(DeserializingConsumer): ...
        consumers = {
            "object": Own({**group, "enable.auto.commit": False}),
            "subclass": lambda: Deserializing({**group, "enable.auto.commit": False}),
            "new": lambda: DeserializingConsumer[str, str]({**group, "enable.auto.commit": False}),
        }
        from propagation import instrument
        from propagation.testing import captured_spans
        from tests.propagation.zero_code import first, told_of, trace_of, traced_span
        instrument()
        with captured_spans() as spans:
            for name, made in consumers.items():
                to = topic + name
                producer = Producer(client)
                producer.produce(to, b"1")
                producer.flush(60)
                spans.clear()
                consumer = made() if callable(made) else made
                consumer.subscribe([to])
                message = first(consumer)
                same = [traced_span()[0]] == trace_of(message)
                consumer.commit(message, asynchronous=False)
                consumer.close()
                told[name] = [same, sorted(span["name"].split()[0] for span in told_of(spans))]
        """,
        bootstrap_servers,
    )

    once = [True, ["commit", "process"]]
    assert told == {"object": once, "subclass": once, "new": once}


def test_suppressed_polls_have_no_scope(bootstrap_servers: str) -> None:
    """What OpenTelemetry is told to leave alone is left alone, and nothing breaks."""
    told, _ = run(
        BEGIN
        + """
from opentelemetry.instrumentation.utils import suppress_instrumentation
send(b"1", b"2")
consumer = opened()
with suppress_instrumentation():
    first(consumer)
    told["within"] = traced_span()[0]
second = first(consumer)
told["second"] = [traced_span()[0], *trace_of(second)]
consumer.close()
told["spans"] = len(told_of(spans))
told["after"] = traced_span()[0]
""",
        bootstrap_servers,
    )

    assert told["within"] == told["after"] == NOWHERE
    assert told["second"][0] == told["second"][1]
    assert told["spans"] == 1
