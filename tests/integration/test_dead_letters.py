"""Dead letters on a real broker: too large, or for a topic that is missing, small or forbidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclOperation,
    AclPermissionType,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from structlog.testing import capture_logs

from consumers.deadletters.envelope import envelope
from consumers.deadletters.topic import ROOM_BYTES
from consumers.errors import Fatal, Poison
from tests.builders import record
from tests.conftest import running
from tests.infra.kafka import KafkaBroker
from tests.infra.product import Product
from tests.infra.rights import allow
from tests.infra.wait import until
from tests.integration.rights import RULES, rule
from tests.integration.workers import Worker, committed, read, read_all, working, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

    from consumers.types import Headers, Record

BROKER_BYTES = 1_048_588  # of one batch, unless a topic says otherwise
BATCH_BYTES = 100  # around one record: 61 of the batch, the rest of the record's own lengths
TRACE_BYTES = 100  # the producer's traceparent, with its name
SPARE_BYTES = 70  # by which the two above are too many
WORDS = "a word " * 1000


def refuse(_: Record) -> None:
    """Give up every record, at length."""
    raise Poison(WORDS)


def size(headers: Headers) -> int:
    """Give the bytes that *headers* take in a batch, or a few more."""
    return sum(len(name) + len(value or b"") + 4 for name, value in headers)


def large(topic: str) -> Record:
    """Give a record that fills a batch of the broker's default size, with headers of all kinds."""
    headers: Headers = [("big", b"\xff" * 40_000), ("none", None), ("big", b""), ("big", b"x" * 9)]
    value = b"v" * (BROKER_BYTES - size(headers) - BATCH_BYTES)
    return record(topic=topic, value=value, key=b"ada", headers=headers)


def room_for(one: Record, characters: int) -> int:
    """Give the max.message.bytes into which the letter of *one* fits with *characters* of words."""
    letter = envelope(
        one, Poison(WORDS), group=f"group-of-{one.topic}", attempts=1, characters=characters
    )
    return BROKER_BYTES + size(letter) - size(one.headers) + TRACE_BYTES


def send(kafka: KafkaBroker, one: Record) -> None:
    """Write *one* to its topic."""
    assert one.value is not None
    write(
        kafka,
        one.topic,
        one.value,
        client={"message.max.bytes": 2 * BROKER_BYTES},
        key=one.key,
        headers=one.headers,
    )


def raise_limit(kafka: KafkaBroker, topic: str, limit: int) -> None:
    """Set max.message.bytes of *topic*."""
    entry = ConfigEntry(
        "max.message.bytes", str(limit), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = kafka.admin()
    admin.incremental_alter_configs([resource])[resource].result(60)


def config_of(kafka: KafkaBroker, topic: str) -> dict[str, str]:
    """Give the properties of *topic*."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = kafka.admin()
    found = admin.describe_configs([resource])[resource].result(60)
    return {name: str(entry.value) for name, entry in found.items()}


def reasons(logged: list[EventDict]) -> list[str]:
    """Give why dead letters were refused, as the log says."""
    return [str(event["reason"]) for event in logged if event["event"] == "dead_letter_failed"]


def too_small(logged: list[EventDict]) -> str | None:
    """Give the first refusal that says what the topic has to take."""
    return next((one for one in reasons(logged) if "max.message.bytes above " in one), None)


def deny(kafka: KafkaBroker, topic: str) -> None:
    """Take the right to write *topic* from everybody."""
    rules = [
        rule(ResourceType.TOPIC, topic, AclOperation.ALL, AclPermissionType.ALLOW),
        rule(ResourceType.TOPIC, topic, AclOperation.WRITE, AclPermissionType.DENY),
    ]
    allow(kafka.admin(), rules)


@pytest.fixture
def gone(kafka: KafkaBroker, topic: str) -> Iterator[str]:
    """Give the name of the dead-letter topic of `topic`, which is missing; it is cleared away."""
    yield f"{topic}.dlq"
    kafka.delete_topic(f"{topic}.dlq")


def words_kept(kafka: KafkaBroker, one: Record, gone: str) -> str | bytes | None:
    """Have *one* given up, and see all of it in *gone*; give what is left of the words."""
    send(kafka, one)
    with working(kafka, one.topic, refuse):
        until(lambda: committed(kafka, one.topic) == {0: 1}, timeout=60, what="the commit")

    (letter,) = read(kafka, gone)
    found = letter.headers()
    assert isinstance(found, list)
    assert (letter.key(), letter.value()) == (one.key, one.value)
    assert found[: len(one.headers)] == one.headers
    assert dict(found)["dlq.error.type"] == b"consumers.errors.Poison"
    return dict(found)["dlq.error.message"]


def test_a_letter_at_the_limit_is_kept_with_fewer_words(
    kafka: KafkaBroker, topic: str, gone: str
) -> None:
    """Payload and headers stay to the last byte, and the exception is cut until it fits."""
    one = large(topic)
    kafka.create_topic(gone, max_message_bytes=room_for(one, 100))
    assert words_kept(kafka, one, gone) == WORDS[:100].encode()


def test_a_letter_without_room_for_any_words_is_kept_without_them(
    kafka: KafkaBroker, topic: str, gone: str
) -> None:
    """Not even a hundred characters fit: the words are left out, and all else is there."""
    one = large(topic)
    kafka.create_topic(gone, max_message_bytes=room_for(one, 0) - SPARE_BYTES)
    assert words_kept(kafka, one, gone) == b""


def test_a_letter_that_never_fits_waits_until_there_is_room(
    kafka: KafkaBroker, topic: str, gone: str
) -> None:
    """Nothing is lost or cut: the log says what to set, and once it is set the record is kept."""
    one = large(topic)
    kafka.create_topic(gone, max_message_bytes=BROKER_BYTES)
    send(kafka, one)

    with capture_logs() as logged, working(kafka, topic, refuse):
        first = until(lambda: too_small(logged), what="a refusal for its size")
        assert committed(kafka, topic) == {}
        limit = int(first.split("max.message.bytes above ")[1].split(";")[0])
        raise_limit(kafka, gone, limit)
        until(lambda: committed(kafka, topic) == {0: 1}, timeout=60, what="the commit")

    (letter,) = read(kafka, gone)
    found = letter.headers()
    assert isinstance(found, list)
    assert (letter.key(), letter.value()) == (one.key, one.value)
    assert found[: len(one.headers)] == one.headers


def test_a_missing_topic_is_made_with_room_for_every_letter(
    kafka: KafkaBroker, topic: str, gone: str
) -> None:
    """With dlq_create a record that fills the broker's limit is kept with all its words."""
    one = large(topic)

    with working(kafka, topic, refuse, dlq_create=True):
        until(
            lambda: gone in kafka.admin().list_topics(timeout=60).topics,
            timeout=60,
            what="the topic",
        )
        send(kafka, one)
        until(lambda: committed(kafka, topic) == {0: 1}, timeout=60, what="the commit")

    (letter,) = read(kafka, gone)
    found = letter.headers()
    assert isinstance(found, list)
    assert letter.value() == one.value
    assert dict(found)["dlq.error.message"] == WORDS[:1000].encode()
    config = config_of(kafka, gone)
    assert config["max.message.bytes"] == str(BROKER_BYTES + ROOM_BYTES)
    assert config["retention.ms"] == "-1"


def test_a_worker_without_its_topic_ends_with_the_command_to_create_it(
    kafka: KafkaBroker, topic: str
) -> None:
    """It stops by itself with one line that names the topic, and has committed nothing."""
    write(kafka, topic, "poison")
    worker = Worker(kafka, topic, refuse)

    failure = until(worker.failed, timeout=60, what="the end of the worker")
    worker.ended()

    assert isinstance(failure, Fatal)
    assert f"--create --topic {topic}.dlq --partitions 1" in str(failure)
    assert "\n" not in str(failure)
    assert committed(kafka, topic) == {}


def test_a_compacted_topic_is_refused(kafka: KafkaBroker, topic: str, gone: str) -> None:
    """A topic that would forget dead letters stops the worker before there is one."""
    kafka.create_topic(gone, cleanup_policy="compact")
    worker = Worker(kafka, topic, refuse)

    failure = until(worker.failed, timeout=60, what="the end of the worker")
    worker.ended()

    assert isinstance(failure, Fatal)
    assert "compacted" in str(failure)


@pytest.fixture(scope="module")
def strict() -> Iterator[KafkaBroker]:
    """Give a broker that knows rights."""
    yield from running(KafkaBroker(own=True, settings=RULES))


def test_a_topic_that_may_not_be_written_is_noticed_at_the_start(strict: KafkaBroker) -> None:
    """The worker stops before the first dead letter, and says which right is missing."""
    strict.create_topic("plays")
    strict.create_topic("plays.dlq")
    deny(strict, "plays.dlq")
    worker = Worker(strict, "plays", refuse)

    failure = until(worker.failed, timeout=60, what="the end of the worker")
    worker.ended()

    assert isinstance(failure, Fatal)
    assert "plays.dlq may not be written by this user: grant it WRITE" in str(failure)


def test_a_right_that_is_missing_to_one_topic_keeps_back_its_letters_alone(
    strict: KafkaBroker,
) -> None:
    """The dry run names it, the others go back, and the code is 1: somebody has to grant it."""
    for topic in ("mine", "theirs", "kept"):
        strict.create_topic(topic)
    for offset, topic in enumerate(("theirs", "mine", "theirs")):
        one = record(offset, topic=topic)
        headers = envelope(one, Poison("no"), group="game", attempts=1)
        write(strict, "kept", b"{}", headers=headers)
    deny(strict, "theirs")
    with Product(kafka=strict.bootstrap_servers) as product:
        replay = "consumers", "dlq", "replay", "--dlq-topic", "kept"

        dry, done = product.run(*replay), product.run(*replay, "--yes")

    left_out = "Left out 0:0, 0:2: this user may not write to theirs: grant it WRITE.\n"
    assert "Would replay 1 dead letter to mine." in dry.stdout
    assert dry.stdout.count(left_out) == done.stdout.count(left_out) == 1
    assert "1 dead letter replayed." in done.stdout
    assert (dry.returncode, done.returncode) == (0, 1)
    assert dry.stderr == done.stderr == ""
    assert [one.value() for one in read(strict, "mine")] == [b"{}"]


def test_too_many_dead_letters_in_a_row_stop_the_worker(
    kafka: KafkaBroker, topic: str, gone: str
) -> None:
    """As many as allowed are kept and committed, the next stays where it is, for after the fix."""
    kafka.create_topic(gone)
    write(kafka, topic, "1", "2", "3", "4", "5")
    worker = Worker(kafka, topic, refuse, dlq_limit_consecutive=3)

    failure = until(worker.failed, timeout=60, what="the end of the worker")
    worker.ended()

    assert isinstance(failure, Fatal)
    assert "dlq_limit_consecutive" in str(failure)
    assert [letter.value() for letter in read_all(kafka, gone)] == [b"1", b"2", b"3"]
    assert committed(kafka, topic).get(0, 0) <= 3
