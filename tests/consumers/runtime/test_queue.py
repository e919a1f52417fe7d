"""How much is fetched, handed over at once, and paused: the small decisions around the lanes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backlog import Backlog, QueuePolicy
from consumers.runtime.pace import RUN_RECORDS, RUN_SECONDS, Pace
from consumers.runtime.pauses import Pauses
from consumers.types import Attempt, TopicPartition
from tests.builders import TOPIC, record
from tests.fakes import FakeClock, FakeSource

AT, OTHER = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


def attempt(size: int = 10) -> Attempt:
    """Make an attempt at a record of *size* bytes."""
    return Attempt(record(key=None, value=b"x" * size))


def test_the_size_of_a_record_is_all_that_was_fetched_of_it() -> None:
    """Key, value, and the names and values of headers; what has no value takes no bytes."""
    headers: list[tuple[str, bytes | None]] = [("name", b"x" * 1000), ("name", None), ("", b"")]

    assert Attempt(record(key=None, value=None)).size == 0
    assert Attempt(record(key=b"key", value=b"value", headers=headers)).size == 3 + 5 + 1008


def test_headers_alone_fill_the_queue() -> None:
    """Small records with large headers take memory as large records do."""
    backlog = Backlog(QueuePolicy(max_bytes=10_000))

    backlog.added(AT, *(Attempt(record(headers=[("blob", b"x" * 2500)])) for _ in range(4)))

    assert backlog.full()


def test_the_queue_is_full_at_its_limit_and_no_longer_below_half_of_it() -> None:
    """Between half and whole it stays what it was: fetching does not begin and end all the time."""
    backlog = Backlog(QueuePolicy(max_records=4))
    attempts = [attempt() for _ in range(4)]
    said = []
    for one in attempts:
        backlog.added(AT, one)
        said.append(backlog.full())
    for one in attempts:
        backlog.finished(AT, one)
        said.append(backlog.full())

    assert said == [False, False, False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("policy", "queued", "wanted", "room"),
    [
        (QueuePolicy(max_records=10), 4, 100, 6),
        (QueuePolicy(max_records=10), 4, 3, 3),
        (QueuePolicy(max_bytes=1000), 4, 100, 6),
        (QueuePolicy(max_bytes=1000), 0, 100, 100),
        (QueuePolicy(max_bytes=1000), 4, -5, 1),
    ],
)
def test_room_is_what_the_limits_leave(
    policy: QueuePolicy, queued: int, wanted: int, room: int
) -> None:
    """Bytes are reckoned by the size of the records that are there, here 100 each."""
    backlog = Backlog(policy)
    for _ in range(queued):
        backlog.added(AT, attempt(100))

    assert backlog.room(wanted) == room


def test_a_forgotten_partition_takes_its_records_along() -> None:
    """What is no longer ours takes no room."""
    backlog = Backlog(QueuePolicy())
    backlog.added(AT, attempt(10))
    backlog.added(OTHER, attempt(7))

    backlog.forget([AT])

    assert (backlog.records, backlog.bytes) == (1, 7)


def test_quick_handlers_get_more_and_more_records_at_once() -> None:
    """Each full run that was quick doubles the next, up to a bound."""
    pace = Pace()
    sizes = []
    for _ in range(10):
        sizes.append(pace.records)
        pace.took(pace.records, 0.0001)

    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, RUN_RECORDS, RUN_RECORDS]


def test_slow_handlers_get_one_record_at_a_time() -> None:
    """The size falls at once to what fits into the time of a run."""
    pace = Pace()
    for _ in range(10):
        pace.took(pace.records, 0.0001)

    pace.took(100, RUN_SECONDS * 25)

    assert pace.records == 4

    pace.stalled()

    assert pace.records == 1


@given(st.lists(st.tuples(st.integers(1, RUN_RECORDS), st.floats(0, 100))))
def test_a_run_has_a_bounded_number_of_records(runs: list[tuple[int, float]]) -> None:
    """Whatever was measured, the next run has at least one record and no more than the bound."""
    pace = Pace()
    for records, seconds in runs:
        pace.took(records, seconds)

        assert 1 <= pace.records <= RUN_RECORDS


class Calls(FakeSource):
    """Notes what is asked of it: a pause throws away what was fetched ahead."""

    def __init__(self) -> None:
        super().__init__(FakeClock(), partitions=2)
        self.asked: list[tuple[str, set[TopicPartition]]] = []

    def pause(self, partitions: object) -> None:
        """Note it."""
        self.asked.append(("pause", set(partitions)))  # type: ignore[call-overload]  # any collection

    def resume(self, partitions: object) -> None:
        """Note it."""
        self.asked.append(("resume", set(partitions)))  # type: ignore[call-overload]  # as above


def test_the_source_hears_of_changes_alone() -> None:
    """To pause what is paused costs nothing; reasons that overlap are kept apart."""
    source = Calls()
    pauses = Pauses(source)
    pauses.assign([AT, OTHER])
    for some in ([AT], [AT]):
        pauses.pause(some)
    pauses.pause_everything()
    pauses.pause_everything()
    pauses.pause([AT, OTHER])
    pauses.resume()
    pauses.pause([])

    assert source.asked == [
        ("resume", {AT, OTHER}),
        ("pause", {AT}),
        ("pause", {OTHER}),
        ("resume", {AT, OTHER}),
    ]


def test_a_partition_that_is_not_ours_is_not_asked_for() -> None:
    """After it was taken away nothing is asked of it; when it returns it begins anew."""
    source = Calls()
    pauses = Pauses(source)
    pauses.assign([AT, OTHER])
    pauses.pause_everything()
    pauses.let_go([AT])
    pauses.resume()

    assert source.asked[-1] == ("resume", {OTHER})

    pauses.pause([AT])

    assert source.asked[-1] == ("resume", {OTHER})
