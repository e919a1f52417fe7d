"""A runtime on fakes and a clock of our own, with a script of what goes wrong."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.metrics import Metrics
from consumers.runtime.backlog import QueuePolicy
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.batches import Batches
from consumers.runtime.flight import WorkPolicy
from consumers.runtime.loop import Runtime, StopPolicy
from consumers.runtime.tries import Tries
from consumers.types import TopicPartition
from tests.builders import TOPIC
from tests.fakes import FakeClock, FakeDeadLetters, FakeExecutor, FakeSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.ports import DeadLetterLimit
    from consumers.types import Record

AT, OTHER = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
NO_JITTER = RetryPolicy(jitter=0)
PATIENCE = StopPolicy(shutdown_seconds=8, revoke_seconds=3)


@dataclass
class Bench:
    """A runtime on fakes. *script* says what each offset raises, one after the other."""

    partitions: int = 1
    script: dict[int, list[Exception]] = field(default_factory=dict)
    seconds: Callable[[Record], float] = lambda _: 0.0
    dead_letter_failures: int = 0
    policy: RetryPolicy = NO_JITTER
    lanes: int = 1
    batch_records: int = 0
    queue: QueuePolicy = field(default_factory=QueuePolicy)
    limit: DeadLetterLimit | None = None
    patience: StopPolicy = PATIENCE

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now
        self.source = FakeSource(self.clock, self.partitions)
        self.dead_letters = FakeDeadLetters(self.dead_letter_failures)
        self.metrics = Metrics()
        self.handled: list[tuple[float, int, int]] = []
        self.batches: list[list[int]] = []
        self.stop = threading.Event()
        tries = Tries(
            self.handle,
            processing=lambda _: nullcontext(),
            dead_letters=self.dead_letters,
            policy=self.policy,
            metrics=self.metrics,
            limit=self.limit,
        )
        batches = Batches(
            self.handle_batch,
            tries,
            processing=lambda _: nullcontext(),
            metrics=self.metrics,
            clock=self.clock,
        )
        together = batches if self.batch_records else None
        self.executor = FakeExecutor(tries, self.clock, self.seconds, self.lanes, together)
        self.runtime = Runtime(
            self.source,
            self.executor,
            self.dead_letters,
            retry=self.policy,
            stop=self.patience,
            metrics=self.metrics,
            work=WorkPolicy(by_key=self.lanes > 1, batch_records=self.batch_records),
            queue=self.queue,
            clock=self.clock,
            wall=self.clock,
            chance=lambda: 0.0,
            trace_of=lambda one: f"trace of {one.offset}",
        )

    def handle(self, one: Record) -> None:
        """Note the call, and raise what the script says next."""
        self.handled.append((self.clock.now - self.began, one.partition, one.offset))
        if errors := self.script.get(one.offset):
            raise errors.pop(0)

    def handle_batch(self, records: Sequence[Record]) -> None:
        """Note the call, and raise what the script says next of any of them; it is kept to."""
        self.batches.append([one.offset for one in records])
        for one in records:
            if errors := self.script.get(one.offset):
                raise errors[0]

    def run(self, *records: Record, seconds: float = 60) -> Bench:
        """Write *records*, run for *seconds* of the clock, and stop."""
        self.source.add(*records)
        self.clock.at(seconds, self.stop.set)
        self.runtime.run(self.stop)
        return self

    def times(self, offset: int) -> list[float]:
        """Say when the handler was called with the record at *offset*."""
        return [at for at, _, handled in self.handled if handled == offset]

    def sample(self, name: str, **labels: str) -> float | None:
        """Read one metric."""
        return self.metrics.registry.get_sample_value(name, labels)


def endless(error: type[Exception]) -> list[Exception]:
    """Give more failures than any test has patience for."""
    return [error("again")] * 1000
