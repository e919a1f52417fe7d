"""Ages on a real broker against the times at which records were really written.

A test knows for each record a moment before it was sent and one after it was acknowledged: the age
that lagmon gives must fit into that with the error that it gives. Nothing waits for a clock.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer

from lagmon.collector.cycle import Cycle
from lagmon.model import Method
from lagmon.readings import TopicPartition
from tests.infra.wait import until
from tests.integration.meaning import collecting, commit, delete_before, new_name, send, transaction
from tests.lagmon.ageing import Ages

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.model import Age
    from tests.infra.kafka import KafkaBroker

pytestmark = pytest.mark.timeout(180)

WAIT_SECONDS = 60
YEAR_MS = 365 * 24 * 3600 * 1000
ROUNDING = 0.01  # a broker counts milliseconds, and `now` is rounded by it as well


class Watch:
    """One group on one topic under lagmon's eyes: cycles, ages, restarts."""

    def __init__(self, servers: str, group: str, topic: str, *, peeks: int = 0) -> None:
        self._cycle = Cycle(collecting(servers, group))
        self._key = (group, TopicPartition(topic, 0))
        self._peeks = peeks
        self.ages = Ages(peeks=peeks)
        self.now = 0.0
        self.probes = 0

    def restart(self) -> None:
        """Forget everything, as a new lagmon does."""
        self.ages = Ages(peeks=self._peeks)

    def step(self) -> Age | None:
        """Go through one cycle."""
        snapshot = self._cycle.run(self.ages.plan)
        assert snapshot.error is None
        self.now = snapshot.at
        self.probes += len(snapshot.probes)
        assert all(probe.error is None for probe in snapshot.probes)
        return self.ages.judge(snapshot).get(self._key)

    def until(self, check: Callable[[Age], object], what: str) -> Age:
        """Go through cycles until there is an age that *check* likes."""

        def found() -> Age | None:
            age = self.step()
            return age if age is not None and check(age) else None

        return until(found, timeout=WAIT_SECONDS, every=0.2, what=what)

    def known(self) -> Age:
        """Go through cycles until nothing more is asked and the age is known."""
        return self.until(lambda _: not self.ages.plan.probes, "a settled age")


class Writer:
    """Writes records one by one and knows when: *sent* holds a moment before and one after."""

    def __init__(self, servers: str, topic: str, **config: Any) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 0, **config})
        self._topic = topic
        self.sent: list[tuple[float, float]] = []

    def write(self, count: int = 1, **more: Any) -> None:
        """Write *count* records at once."""
        before = time.time()
        for _ in range(count):
            self._producer.produce(self._topic, b"value", partition=0, **more)
        assert self._producer.flush(WAIT_SECONDS) == 0
        self.sent += [(before, time.time())] * count

    def fits(self, age: Age, offset: int, now: float) -> bool:
        """Tell whether *age* is that of the record at *offset* within its error, at *now*."""
        before, after = self.sent[offset]
        error = age.error_seconds
        not_more = age.seconds - (error or 0) <= now - before + ROUNDING
        return not_more and (error is None or age.seconds + error >= now - after - ROUNDING)


@pytest.fixture
def watch(kafka: KafkaBroker, topic: str) -> Watch:
    """Watch a new group, which stands at the beginning of the topic."""
    group = new_name()
    commit(kafka.bootstrap_servers, group, topic, 0)
    made = Watch(kafka.bootstrap_servers, group, topic)
    made.step()
    return made


def stand(kafka: KafkaBroker, watch: Watch, offset: int) -> None:
    """Commit *offset* for the group that is watched."""
    group, at = watch._key
    commit(kafka.bootstrap_servers, group, at.topic, offset)


def test_a_steady_producer(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """One record a cycle, read three records later: each age is that of the oldest unread one."""
    writer = Writer(kafka.bootstrap_servers, topic)
    for number in range(15):
        writer.write()
        committed = max(0, number - 3)
        stand(kafka, watch, committed)

        age = watch.step()

        assert age is not None
        assert age.method is Method.HISTORY
        assert writer.fits(age, committed, watch.now), (number, age)
    assert not watch.probes


def test_a_bursty_producer(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """Bursts of a hundred, read in pieces: also the middle of a burst has the burst's age."""
    writer = Writer(kafka.bootstrap_servers, topic)
    watch.step()
    for burst in range(4):
        writer.write(100)
        for piece in (0, 50, 99):
            stand(kafka, watch, 100 * burst + piece)

            age = watch.step()

            assert age is not None
            assert writer.fits(age, 100 * burst + piece, watch.now), (burst, piece, age)
    stand(kafka, watch, 400)
    assert watch.until(lambda age: age.method is Method.CAUGHT_UP, "the end").seconds == 0


def test_an_idle_producer_and_a_stuck_consumer(
    kafka: KafkaBroker, topic: str, watch: Watch
) -> None:
    """Nothing is written and nothing read: the one record ages with the clock."""
    writer = Writer(kafka.bootstrap_servers, topic)
    watch.step()
    writer.write()
    ages = [watch.step() for _ in range(15)]

    known = [age for age in ages if age is not None]

    assert len(known) == 15
    assert [one.seconds for one in known] == sorted(one.seconds for one in known)
    assert writer.fits(known[-1], 0, watch.now)
    assert known[-1].method is Method.HISTORY


def test_a_restart_in_the_middle(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """A new memory finds the record's own time, to a second, while the producer goes on."""
    writer = Writer(kafka.bootstrap_servers, topic)
    for _ in range(20):
        writer.write()
        watch.step()
    stand(kafka, watch, 7)
    before = watch.step()
    watch.restart()

    writer.write()
    after = watch.known()

    assert before is not None
    assert before.method is Method.HISTORY
    assert after.method is Method.TIMESTAMPS
    assert writer.fits(after, 7, watch.now)
    assert after.seconds >= watch.now - writer.sent[7][1] - 1


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_backlog_that_was_there_before(
    kafka: KafkaBroker, topic: str, watch: Watch, compression: str
) -> None:
    """Of 5,000 records of the last week, in batches, that at the commit is found by some calls."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "linger.ms": 100,
            "compression.type": compression,
        }
    )
    now = round(time.time() * 1000)
    times = [now - (5000 - number) * 120_000 for number in range(5000)]
    for one in times:
        producer.produce(topic, b"value", partition=0, timestamp=one)
    assert producer.flush(WAIT_SECONDS) == 0
    stand(kafka, watch, 1234)
    watch.restart()

    age = watch.known()

    truth = watch.now - times[1234] / 1000
    assert (age.method, age.error_seconds) == (Method.TIMESTAMPS, 0.001)
    assert age.seconds == pytest.approx(truth, abs=ROUNDING)
    assert watch.probes <= 60


def test_a_replay_of_old_data(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """Records of last year that arrive now have waited since now: their own times do not count."""
    writer = Writer(kafka.bootstrap_servers, topic)
    watch.step()
    old = round(time.time() * 1000) - YEAR_MS
    writer.write(10, timestamp=old)
    for _ in range(5):
        age = watch.step()
        assert age is not None
        assert age.method is Method.HISTORY
        assert writer.fits(age, 0, watch.now)


def test_a_restart_in_the_middle_of_a_replay(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """The new memory sees young arrivals of old records: it gives a lower bound, not a year."""
    writer = Writer(kafka.bootstrap_servers, topic)
    old = round(time.time() * 1000) - YEAR_MS
    writer.write(10, timestamp=old)
    watch.restart()

    for number in range(12):
        writer.write(1, timestamp=old + number)
        age = watch.step()
        assert age is None or writer.fits(age, 0, watch.now), age

    assert age is not None
    assert (age.method, age.error_seconds) == (Method.HISTORY, None)


def test_log_append_time(kafka: KafkaBroker) -> None:
    """Where the broker stamps the records, the times that the producer gave count for nothing."""
    topic, group = new_name("appended"), new_name()
    stamped: dict[str, Any] = {"message.timestamp.type": "LogAppendTime"}
    kafka.create_topic(topic, **stamped)
    writer = Writer(kafka.bootstrap_servers, topic)
    for _ in range(5):
        writer.write(1, timestamp=round(time.time() * 1000) - YEAR_MS)
    commit(kafka.bootstrap_servers, group, topic, 3)
    watch = Watch(kafka.bootstrap_servers, group, topic)

    age = watch.known()

    assert age.method is Method.TIMESTAMPS
    assert writer.fits(age, 3, watch.now)
    kafka.delete_topic(topic)


def test_what_was_deleted_is_not_waited_for(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """The oldest record that is left is the oldest unread one."""
    writer = Writer(kafka.bootstrap_servers, topic)
    for _ in range(6):
        watch.step()
        writer.write()
    watch.step()
    delete_before(kafka.admin(), topic, 4)

    age = watch.until(lambda _: True, "an age")
    assert writer.fits(age, 4, watch.now)
    watch.restart()
    age = watch.known()
    assert writer.fits(age, 4, watch.now)


def test_a_clock_that_went_back(kafka: KafkaBroker, topic: str, watch: Watch) -> None:
    """The times of the records are found anew by asking for them: no negative, and no stale age."""
    writer = Writer(kafka.bootstrap_servers, topic)
    for _ in range(5):
        writer.write()
        watch.step()
    stand(kafka, watch, 2)
    ahead = watch.ages.history
    assert ahead._at is not None
    ahead._at += 3600  # as if the clock had been an hour ahead until now

    age = watch.until(lambda age: age.method is Method.TIMESTAMPS, "an age")

    assert writer.fits(age, 2, watch.now)


def transactional(kafka: KafkaBroker, topic: str, *, commits: int) -> Watch:
    """Watch a group that stands at *commits*, with leave to look at records."""
    group = new_name()
    commit(kafka.bootstrap_servers, group, topic, commits)
    return Watch(kafka.bootstrap_servers, group, topic, peeks=5)


def test_the_marker_of_a_transaction_is_not_waited_for(kafka: KafkaBroker, topic: str) -> None:
    """Three records, all committed, and the marker behind them: 0, whoever watched or did not."""
    with transaction(kafka.bootstrap_servers) as producer:
        send(producer, topic, 3)
        producer.commit_transaction(WAIT_SECONDS)
        producer.begin_transaction()
    watch = transactional(kafka, topic, commits=3)

    watch.until(lambda age: age.method is Method.CAUGHT_UP, "a look at the marker")

    assert [age and age.seconds for age in (watch.step() for _ in range(5))] == [0.0] * 5
    watch.restart()
    assert watch.until(lambda age: age.method is Method.CAUGHT_UP, "another look").seconds == 0


def test_after_markers_the_next_record_has_its_own_age(kafka: KafkaBroker, topic: str) -> None:
    """The marker is old, the record behind it young: only the record waits."""
    with transaction(kafka.bootstrap_servers) as producer:
        send(producer, topic, 3)
        producer.commit_transaction(WAIT_SECONDS)
        producer.begin_transaction()
    watch = transactional(kafka, topic, commits=3)
    watch.until(lambda age: age.method is Method.CAUGHT_UP, "a look at the marker")
    writer = Writer(kafka.bootstrap_servers, topic)
    writer.write()

    age = watch.until(lambda age: age.method is not Method.CAUGHT_UP, "the record's age")

    assert writer.fits(age, 0, watch.now)


def test_aborted_records_are_not_waited_for(kafka: KafkaBroker, topic: str) -> None:
    """Twenty records that no reader of committed records will ever be given."""
    with transaction(kafka.bootstrap_servers) as producer:
        send(producer, topic, 20)
        producer.abort_transaction(WAIT_SECONDS)
        producer.begin_transaction()
    watch = transactional(kafka, topic, commits=0)

    age = watch.until(lambda age: age.method is Method.CAUGHT_UP, "a look behind the records")

    assert age.seconds == 0


def test_records_of_an_open_transaction_wait_since_they_arrived(
    kafka: KafkaBroker, topic: str
) -> None:
    """They count in the lag, and they age; once it is over it is known what they were."""
    watch = transactional(kafka, topic, commits=0)
    watch.step()
    before = time.time()
    with transaction(kafka.bootstrap_servers) as producer:
        send(producer, topic, 5)
        after = time.time()

        age = watch.until(lambda age: age.seconds > 0, "an age")

        error = age.error_seconds
        assert error is not None
        assert age.seconds - error <= watch.now - before + ROUNDING
        assert age.seconds + error >= watch.now - after - ROUNDING
    assert watch.until(lambda age: age.method is Method.CAUGHT_UP, "the abort").seconds == 0


def test_a_consumer_that_reads_on_brings_the_age_to_0(
    kafka: KafkaBroker, topic: str, watch: Watch
) -> None:
    """From the first record to the last, by a real consumer's own commits."""
    writer = Writer(kafka.bootstrap_servers, topic)
    watch.step()
    writer.write(50)
    watch.until(lambda age: age.method is Method.HISTORY, "an age")
    group, _ = watch._key
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    read = 0
    while read < 50:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            consumer.commit(message=message, asynchronous=False)
            read += 1

    assert watch.until(lambda age: age.method is Method.CAUGHT_UP, "the end").seconds == 0
    consumer.close()
