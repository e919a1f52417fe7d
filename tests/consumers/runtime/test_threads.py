"""The loop with real threads and real time: what it takes back while lanes are at work."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from consumers.errors import Retryable
from consumers.metrics import Metrics
from consumers.runtime.backoff import RetryPolicy
from consumers.runtime.flight import WorkPolicy
from consumers.runtime.kinds import Surroundings, make_executor
from consumers.runtime.loop import Runtime, StopPolicy
from consumers.types import TopicPartition
from tests.builders import TOPIC, record
from tests.fakes import FakeClock, FakeDeadLetters, FakeSource
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.ports import AnyHandler
    from consumers.types import Record

pytestmark = pytest.mark.usefixtures("logged")

AT = TopicPartition(TOPIC, 0)
RECORDS, KEYS = 2000, 20


class Restless(FakeSource):
    """Takes its partition away and gives it back again and again, wherever the lanes are."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(FakeClock())
        self._chance = chance
        self.moves = 0

    def fetch(self, most: int, timeout_seconds: float) -> list[Record]:
        """Fetch, or rebalance first; an idle fetch takes a moment of real time."""
        # Once for certain: who knows how often a machine polls until all is done.
        if self.polls and (not self.moves or self._chance.random() < 0.05):
            self.moves += 1
            (self.revoke if self._chance.random() < 0.5 else self.lose)([AT])
            self.assign([AT])
        found = super().fetch(most, timeout_seconds)
        if not found:
            threading.Event().wait(0.001)
        return found


@pytest.mark.parametrize("kind", ["called", "awaited", "batch", "awaited batch"])
@pytest.mark.parametrize("lanes", [1, 6])
def test_nothing_is_lost_or_overtaken_by_real_threads(kind: str, lanes: int) -> None:
    """Failures and rebalances at any moment: every record is done, per key in order."""
    chance = random.Random(f"{kind} {lanes}")  # noqa: S311 - a test's dice
    done: dict[bytes | None, list[int]] = defaultdict(list)
    passed: list[tuple[int, int]] = []

    def handle(one: Record) -> None:
        if chance.random() < 0.01:
            raise Retryable("not yet")
        before = done[one.key]
        latest = max(before, default=one.offset % KEYS - KEYS)
        if one.offset > latest + KEYS:
            passed.append((latest, one.offset))
        before.append(one.offset)

    def handle_all(records: Sequence[Record]) -> None:
        for one in records:
            handle(one)

    async def handle_later(one: Record) -> None:
        handle(one)

    async def handle_all_later(records: Sequence[Record]) -> None:
        handle_all(records)

    handlers: dict[str, AnyHandler] = {
        "called": handle,
        "awaited": handle_later,
        "batch": handle_all,
        "awaited batch": handle_all_later,
    }
    source, metrics, policy = Restless(chance), Metrics(), RetryPolicy(1000, 0.001, 0.002)
    source.add(*(record(n, key=b"%d" % (n % KEYS)) for n in range(RECORDS)))
    around = Surroundings(
        lambda _: nullcontext(), lambda _: nullcontext(), FakeDeadLetters(), policy, metrics
    )
    batch = "batch" in kind
    runtime = Runtime(
        source,
        make_executor(handlers[kind], lanes, around, batch=batch),
        FakeDeadLetters(),
        retry=policy,
        stop=StopPolicy(),
        metrics=metrics,
        work=WorkPolicy(by_key=lanes > 1, batch_records=20 * batch, batch_seconds=0.01),
    )
    stop = threading.Event()
    thread = threading.Thread(target=runtime.run, args=(stop,))
    thread.start()
    try:
        until(
            lambda: source.committed.get(AT) == RECORDS, timeout=90, what="a commit of every record"
        )
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)

    assert not thread.is_alive()
    assert passed == []
    assert {offset for offsets in done.values() for offset in offsets} == set(range(RECORDS))
    assert source.moves > 0
