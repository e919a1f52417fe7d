"""The consumer runtime on a real broker: what is committed, given up, handed over, left behind."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from structlog.testing import capture_logs

from consumers.assembly import make_worker
from consumers.configuration.settings import WorkerSettings
from consumers.errors import Fatal, Poison, Retryable
from consumers.kafka.client_log import ClientLog
from consumers.metrics import Metrics
from propagation.testing import captured_spans
from tests.infra.wait import until
from tests.integration.workers import Worker, committed, read, working, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

    from consumers.types import Record
    from tests.infra.kafka import KafkaBroker
    from tests.infra.proxy import TcpProxy

FOR_EVER_SECONDS = 3600.0
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01".encode()
pytestmark = pytest.mark.usefixtures("dlq")  # a worker does not go on without its topic
PROTOCOLS = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@pytest.fixture
def dlq(kafka: KafkaBroker, topic: str) -> Iterator[str]:
    """Give the dead-letter topic of `topic`."""
    name = f"{topic}.dlq"
    kafka.create_topic(name)
    yield name
    kafka.delete_topic(name)


def checked(logged: list[EventDict]) -> bool:
    """Say whether the log tells that the dead-letter topic was looked at."""
    return "dead_letter_topic_checked" in {event["event"] for event in logged}


@PROTOCOLS
def test_records_are_handled_and_committed(kafka: KafkaBroker, topic: str, protocol: str) -> None:
    """Every record written before and after the start is handled once, and then committed."""
    handled: list[bytes | None] = []
    write(kafka, topic, "a", "b")

    with working(
        kafka, topic, lambda one: handled.append(one.value), client={"group.protocol": protocol}
    ) as worker:
        worker.joined()
        write(kafka, topic, "c")
        until(lambda: len(handled) == 3, what="three records")

    assert handled == [b"a", b"b", b"c"]
    assert committed(kafka, topic) == {0: 3}


@PROTOCOLS
def test_a_worker_that_was_stopped_is_replaced_at_once(
    kafka: KafkaBroker, topic: str, protocol: str
) -> None:
    """Stopping leaves the group, so the next worker goes on without waiting for a timeout."""
    first: list[int] = []
    second: list[int] = []
    client = {"group.protocol": protocol}
    write(kafka, topic, "a")
    with working(kafka, topic, lambda one: first.append(one.offset), client=client):
        until(lambda: first, what="the first record")
    write(kafka, topic, "b")

    with working(kafka, topic, lambda one: second.append(one.offset), client=client):
        until(lambda: second, timeout=30, what="the second record")  # a session lasts longer

    assert (first, second) == ([0], [1])


def test_poison_is_kept_whole_and_the_next_record_is_handled(
    kafka: KafkaBroker, topic: str, dlq: str
) -> None:
    """The dead letter has the original's key, value, headers and trace, and says where it was."""
    handled: list[bytes | None] = []

    def handle(record: Record) -> None:
        if record.value == b"poison":
            raise Poison("this is no play")
        handled.append(record.value)

    headers = [("kind", b"play"), ("kind", b"again"), ("traceparent", TRACEPARENT)]
    write(kafka, topic, "poison", key="ada", headers=headers)
    write(kafka, topic, "fine")

    with captured_spans(), working(kafka, topic, handle) as worker:
        until(lambda: handled, what="the record after the poison")

    (letter,) = read(kafka, dlq)
    found = letter.headers()
    assert isinstance(found, list)
    added = dict(found)
    assert (letter.key(), letter.value()) == (b"ada", b"poison")
    assert found[:2] == headers[:2]
    assert [name for name, _ in found].count("traceparent") == 1
    assert str(added["traceparent"]).split("-")[1] == TRACE_ID
    assert added["dlq.origin.topic"] == topic.encode()
    assert added["dlq.origin.offset"] == b"0"
    assert added["dlq.error.message"] == b"this is no play"
    assert committed(kafka, topic) == {0: 2}
    assert worker.count("consumers_dead_letters_total") == 1


def test_a_dead_letter_that_nobody_takes_holds_the_offset(
    kafka: KafkaBroker, topic: str, dlq: str
) -> None:
    """While the queue's topic is gone nothing is committed; once it is there it goes on."""
    handled: list[int] = []

    def handle(record: Record) -> None:
        if record.offset == 0:
            raise Poison("no")
        handled.append(record.offset)

    with capture_logs() as logged, working(kafka, topic, handle, produce_timeout="500ms") as worker:
        until(lambda: checked(logged), what="the check at the start")
        kafka.delete_topic(dlq)
        # The broker hears of it some time after the answer.
        until(lambda: dlq not in kafka.admin().list_topics(timeout=60).topics, what="its end")
        write(kafka, topic, "poison", "fine")
        until(
            lambda: worker.count("consumers_dead_letter_failures_total") >= 2,
            timeout=20,
            what="two refusals",
        )
        assert handled == []
        assert committed(kafka, topic) == {}

        kafka.create_topic(dlq)
        until(lambda: handled, what="the next record")

    assert committed(kafka, topic) == {0: 2}
    assert [message.value() for message in read(kafka, dlq)] == [b"poison"]


def test_a_record_is_tried_again_without_moving_on(kafka: KafkaBroker, topic: str) -> None:
    """A record that fails twice is handled a third time before the one behind it."""
    tried: list[int] = []

    def handle(record: Record) -> None:
        tried.append(record.offset)
        if tried.count(0) < 3:
            raise Retryable("not yet")

    write(kafka, topic, "a", "b")
    with working(kafka, topic, handle):
        until(lambda: 1 in tried, what="the second record")

    assert tried == [0, 0, 0, 1]
    assert committed(kafka, topic) == {0: 2}


def test_a_fatal_error_ends_the_run_and_commits_nothing(kafka: KafkaBroker, topic: str) -> None:
    """The run ends with the handler's error; the group's offset has not passed the record."""

    def handle(_: Record) -> None:
        raise Fatal("the ledger is gone")

    write(kafka, topic, "a")
    worker = Worker(kafka, topic, handle)
    until(worker.failed, what="the end of the run")

    worker.ended()

    assert isinstance(worker.error, Fatal)
    assert "the ledger is gone" in str(worker.error)
    assert committed(kafka, topic) == {}


def test_a_group_without_a_starting_point_says_what_to_set(kafka: KafkaBroker, topic: str) -> None:
    """With offset_reset=error a new group stops with a sentence that names the ways out."""
    write(kafka, topic, "a")
    worker = Worker(kafka, topic, lambda _: None, offset_reset="error")
    until(worker.failed, what="the end of the run")

    worker.ended()

    assert isinstance(worker.error, Fatal)
    assert f"no offset to begin at in {topic}[0]: " in str(worker.error)
    assert "Set offset_reset to earliest" in str(worker.error)


def test_a_property_that_nobody_knows_is_one_clear_error() -> None:
    """A client that refuses its properties is told in its own words, before anything is started."""
    metrics = Metrics()
    values: dict[str, Any] = {
        "bootstrap_servers": "127.0.0.1:1",
        "database_url": "postgresql://not-used",
        "client": {"no.such.property": 1},
    }

    with pytest.raises(Fatal, match=r'consumer cannot be made: .*"no\.such\.property"'):
        make_worker(WorkerSettings(**values), lambda _: None, metrics, ClientLog("test", metrics))


@PROTOCOLS
def test_a_handler_slower_than_the_poll_interval_stays_in_the_group(
    kafka: KafkaBroker, topic: str, protocol: str
) -> None:
    """The group goes on being polled while a handler takes longer than it may be silent."""
    gate = threading.Event()
    handled: list[int] = []

    def handle(record: Record) -> None:
        handled.append(record.offset)
        if record.offset == 0:
            gate.wait(60)

    # So long that a machine which stands still for some seconds is not taken for the fault.
    # librdkafka wants a session no longer than the poll interval; the new protocol has none to set.
    classic = {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 500}
    session = classic if protocol == "classic" else {}
    client = {"group.protocol": protocol, "max.poll.interval.ms": 10_000, **session}
    write(kafka, topic, "slow", "next")
    began = time.monotonic()
    with working(kafka, topic, handle, client=client) as worker:
        until(lambda: handled, what="the slow record")
        until(lambda: time.monotonic() - began > 12, what="more than the poll interval")

        assert worker.runtime.unassigned() is None
        gate.set()
        until(lambda: 1 in handled, what="the next record")

    assert handled == [0, 1]
    assert worker.count("consumers_rebalances_total", event="lost") == 0
    assert committed(kafka, topic) == {0: 2}


@PROTOCOLS
def test_a_broker_that_hangs_is_noticed(
    kafka: KafkaBroker, kafka_proxy: TcpProxy, topic: str, protocol: str
) -> None:
    """A broker's silence is told while its connections stand; with its next answer it ends."""
    client = {"group.protocol": protocol}
    with working(
        kafka, topic, lambda _: None, client=client, bootstrap_servers=kafka.proxied_servers
    ) as worker:
        worker.joined()
        until(lambda: worker.heard.silent() is None, what="an answer")

        kafka_proxy.delay(FOR_EVER_SECONDS)
        until(worker.heard.silent, what="the silence")
        kafka_proxy.delay(0)
        kafka_proxy.cut()
        kafka_proxy.heal()
        assert until(lambda: worker.heard.silent() is None, what="another answer")


@PROTOCOLS
def test_an_idle_or_paused_worker_hears_its_broker(
    kafka: KafkaBroker, topic: str, protocol: str
) -> None:
    """While a handler holds every partition paused for long, heartbeats alone keep it ready."""
    gate, handled = threading.Event(), threading.Event()
    began = [0.0]

    def handle(_: Record) -> None:
        handled.set()
        gate.wait(90)

    def listened() -> bool:
        if worker.heard.silent():  # a machine that stands still hears nobody
            began[0] = time.monotonic()
        return time.monotonic() - began[0] > 12

    write(kafka, topic, "slow")
    with working(kafka, topic, handle, client={"group.protocol": protocol}) as worker:
        until(handled.is_set, what="the slow record")
        began[0] = time.monotonic()
        assert until(listened, what="twelve seconds without a silence")
        gate.set()


@PROTOCOLS
def test_a_rebalance_loses_nothing(kafka: KafkaBroker, topic: str, protocol: str) -> None:
    """Partitions move to a second worker and back while records flow: every one is handled."""
    many = f"{topic}-many"
    kafka.create_topic(many, partitions=4)
    handled: list[str] = []
    client = {"group.protocol": protocol}

    def handle(record: Record) -> None:
        threading.Event().wait(0.005)
        handled.append((record.value or b"").decode())

    def flow(first: int) -> set[str]:
        values = [str(n) for n in range(first, first + 200)]
        for value in values:
            producer.produce(many, value, key=value)
        assert producer.flush(60) == 0
        return set(values)

    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    with working(kafka, many, handle, client=client, dlq_topic=f"{topic}.dlq") as one:
        one.joined()
        written = flow(0)
        with working(kafka, many, handle, client=client, dlq_topic=f"{topic}.dlq") as other:
            other.joined()
            written |= flow(200)
            until(lambda: other.count("consumers_records_total", outcome="done") > 10, what="work")
        written |= flow(400)
        until(lambda: written <= set(handled), what="every record")

    assert sum(committed(kafka, many).values()) == 600
    # Two workers that hand over in good order repeat nothing.
    assert len(handled) == 600
    kafka.delete_topic(many)


def test_stopping_is_bounded_when_the_broker_is_gone(own_kafka: KafkaBroker) -> None:
    """With nobody to commit to, stopping still ends in its time."""
    own_kafka.create_topic("plays")
    own_kafka.create_topic("plays.dlq")
    handled: list[int] = []
    write(own_kafka, "plays", "a")
    worker = Worker(
        own_kafka, "plays", lambda one: handled.append(one.offset), shutdown_timeout="3s"
    )
    until(lambda: handled, what="the first record")

    own_kafka.kill()
    seconds = worker.ended()

    assert seconds < 30  # leaving the group without its coordinator takes most of a minute
    assert worker.error is None


def test_a_broker_that_comes_back_finds_the_worker_at_work(own_kafka: KafkaBroker) -> None:
    """An outage ends nothing: what is written after it is handled and committed."""
    own_kafka.create_topic("plays")
    own_kafka.create_topic("plays.dlq")
    handled: list[int] = []
    write(own_kafka, "plays", "a")
    with working(own_kafka, "plays", lambda one: handled.append(one.offset)):
        until(lambda: handled, what="the first record")

        own_kafka.kill()
        own_kafka.start()
        write(own_kafka, "plays", "b")
        until(lambda: 1 in handled, timeout=60, what="the record after the outage")

    assert committed(own_kafka, "plays") == {0: 2}
