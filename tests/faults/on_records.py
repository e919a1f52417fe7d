"""Faults that lie in the records, and of the topic that keeps those that are given up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.faults.asking import committed_offset, ends, letters_of, take_up_to
from tests.faults.patience import awaited
from tests.faults.settings import LETTER_BYTES, PARTITIONS, TOPIC
from tests.faults.told import Told
from tests.faults.writing import Written, a_play

if TYPE_CHECKING:
    from tests.faults.load import Load
    from tests.faults.stack import Stack

POISON = Written(b"no play")
LIMIT = 100  # dead letters in a row, the default
MEGABYTE = 1_000_000


def every_tenth(stack: Stack, load: Load) -> str:
    """Let every tenth record be poison."""
    told = Told(stack.one_worker()).here()
    for number in range(50):
        stack.poison(Written(b"no play", partition=number % PARTITIONS))
        load.more(9)
    awaited(lambda: len(told.events("record_dead_lettered")) >= 50, what="50 dead letters")
    return "50 records were poison and kept as dead letters"


def tombstones(stack: Stack, load: Load) -> str:
    """Write records without a value."""
    return _kept(stack, load, *(Written(None, b"key-%d" % number) for number in range(20)))


def large_values(stack: Stack, load: Load) -> str:
    """Write values of a megabyte."""
    return _kept(stack, load, *[Written(b"x" * MEGABYTE)] * 5)


def null_keys(stack: Stack, load: Load) -> str:
    """Write plays without a key."""
    return _settled(stack, load, *(Written(a_play(number)) for number in range(50)))


def many_headers(stack: Stack, load: Load) -> str:
    """Write plays and poison with a thousand headers each."""
    headers = tuple((f"header-{number % 10}", b"value") for number in range(1000))
    good = _settled(stack, load, *(Written(a_play(number), b"k", headers) for number in range(10)))
    return f"{good}; {_kept(stack, load, *[Written(b'no play', None, headers)] * 5)}"


def odd_headers(stack: Stack, load: Load) -> str:
    """Write plays and poison with headers that are no text, null, repeated, or no trace."""
    odd = (
        ("traceparent", b"\xff\xfe"),
        ("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),
        ("tracestate", b"\x00"),
        ("", b""),
        ("dlq.id", b"\xff"),
        ("null", None),
    )
    good = _settled(stack, load, *(Written(a_play(number), b"k", odd) for number in range(10)))
    return f"{good}; {_kept(stack, load, *[Written(b'no play', None, odd)] * 5)}"


def hundred_in_a_row(stack: Stack, load: Load) -> str:
    """Write more poison in a row than the limit allows, to a topic of its own."""
    topic = "limited"
    stack.kafka.create_topic(topic)
    stack.kafka.create_topic(f"{topic}.dlq")
    stack.write(*[POISON] * (LIMIT + 50), topic=topic)
    worker = stack.worker(wait=False, CONSUMERS_TOPIC=topic, CONSUMERS_GROUP=topic)
    stack.workers.remove(worker)
    awaited(lambda: not worker.running, what="the limit to stop it")
    letters = ends(stack.kafka, f"{topic}.dlq", 1)[0]
    committed = committed_offset(stack.kafka, topic, topic)
    why = Told(worker).events("service_failed")[0]["why"]
    assert worker.returncode == 1, f"{worker.returncode}\n{worker.tail()}"
    assert letters <= LIMIT
    assert committed <= letters, f"committed {committed}, kept {letters}"
    load.more(20)
    last = stack.worker(
        wait=False,
        CONSUMERS_TOPIC=topic,
        CONSUMERS_GROUP=topic,
        CONSUMERS_DLQ_LIMIT_CONSECUTIVE="1000",
    )
    awaited(
        lambda: committed_offset(stack.kafka, topic, topic) == LIMIT + 50,
        what="all to be kept",
    )
    assert stack.stop(last) == 0
    kept = letters_of(stack.kafka, topic)
    assert {letter.origin.offset for letter in kept} == set(range(LIMIT + 50))
    assert len({letter.id for letter in kept}) == LIMIT + 50
    return f"exit code 1 after {letters} letters: {why[:60]}...; the rest once the limit was raised"


def _kept(stack: Stack, load: Load, *records: Written) -> str:
    told = Told(stack.one_worker()).here()
    stack.poison(*records)
    awaited(
        lambda: len(told.events("record_dead_lettered")) >= len(records),
        what="their dead letters",
    )
    load.more(20)
    return f"{len(records)} were kept as dead letters"


def _settled(stack: Stack, load: Load, *records: Written) -> str:
    stack.good(*records)
    load.more(20)
    return f"{len(records)} were settled"


def no_topic_at_start(stack: Stack, load: Load) -> str:
    """Start a worker whose dead-letter topic does not exist."""
    stack.one_worker()
    worker = stack.worker(wait=False, CONSUMERS_DLQ_TOPIC="not-there")
    stack.workers.remove(worker)
    awaited(lambda: not worker.running, what="it to refuse")
    why = Told(worker).events("service_failed")[0]["why"]
    assert worker.returncode == 1, f"{worker.returncode}\n{worker.tail()}"
    assert "not-there" in why
    assert "--create --topic not-there" in why
    load.more(20)
    return f"exit code 1: {why[:70]}..."


def topic_deleted(stack: Stack, load: Load) -> str:
    """Delete the dead-letter topic of a worker at work, and make it again: poison waits."""
    topic = f"letters-{len(stack.watch.records)}"
    stack.kafka.create_topic(topic)
    old = stack.one_worker()
    worker = stack.worker(CONSUMERS_DLQ_TOPIC=topic)
    assert stack.stop(old) == 0
    told = Told(worker)
    told.wait("dead_letter_topic_checked")
    stack.broker.delete_topic(topic)
    stack.poison(*(Written(b"no play", partition=number) for number in range(PARTITIONS)))
    told.wait("dead_letter_failed")
    load.stall(2)
    stack.kafka.create_topic(topic)
    stack.watch.also(topic)
    awaited(
        lambda: len(told.events("record_dead_lettered")) >= PARTITIONS,
        what="the dead letters",
    )
    load.more(20)
    stack.worker()
    assert stack.stop(worker) == 0
    return (
        f"{len(told.events('dead_letter_failed'))} dead letters failed, then {PARTITIONS} were kept"
    )


def rebalance_in_dead_letter(stack: Stack, load: Load) -> str:
    """Let workers come and go while dead letters are refused for their size."""
    told = Told(stack.one_worker()).here()
    take_up_to(stack.kafka, f"{TOPIC}.dlq", 100)
    written = Counter[int]()

    def refused() -> bool:
        failed = {line["partition"] for line in told.events("dead_letter_failed")}
        kept = Counter(line["partition"] for line in told.events("record_dead_lettered"))
        # Some are kept before the broker has heard of its limit: then others are to be refused.
        more = [n for n in range(PARTITIONS) if n not in failed and kept[n] == written[n]]
        stack.poison(*(Written(b"no play", partition=number) for number in more))
        written.update(more)
        return len(failed) == PARTITIONS

    awaited(refused, every=0.5, what="a refusal in every partition")
    second = stack.worker()
    # Of each partition one is refused: of those that it was given, too.
    Told(second).wait("dead_letter_failed")
    told.wait("partitions_revoked")
    code = stack.stop(second)
    assert code == 0, f"stopped in mid-dead-letter it ended with {code}"
    failed = len(told.events("dead_letter_failed"))
    take_up_to(stack.kafka, f"{TOPIC}.dlq", LETTER_BYTES)
    load.more(50)
    return (
        f"{failed} dead letters were refused for their size while a worker came and was"
        " stopped in mid-dead-letter"
    )
