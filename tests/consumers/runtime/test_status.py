"""What the runtime tells about itself while it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.deadletters.limit import Limit
from consumers.errors import Fatal, Poison, Retryable
from consumers.runtime.report import KEPT_ERRORS
from consumers.runtime.status import Failure, InWork, PartitionStatus, RuntimeStatus
from tests.builders import TOPIC, record
from tests.consumers.runtime.bench import AT, Bench, endless

if TYPE_CHECKING:
    from structlog.typing import EventDict

pytestmark = pytest.mark.usefixtures("logged")


def told(bench: Bench, seconds: float) -> list[RuntimeStatus]:
    """Ask for the status after *seconds*; the answer is in the list when the bench has run."""
    found: list[RuntimeStatus] = []
    bench.clock.at(seconds, lambda: found.append(bench.runtime.status()))
    return found


def test_the_assignment_is_told_with_how_far_it_is() -> None:
    """Position, commit and what is in flight of every partition, assigned and idle ones too."""
    bench = Bench(partitions=2, script={2: endless(Retryable)[:3]})
    found = told(bench, 5)

    bench.run(record(0), record(1), record(2))

    (status,) = found
    until = bench.began + 1 + 2 + 4
    assert status.assignment == (
        PartitionStatus(TOPIC, 0, 3, 2, 1, waiting_until=until, tries=3),
        PartitionStatus(TOPIC, 1, None, None, 0),
    )
    assert status.queued_records == 1
    assert status.last_success == bench.began
    assert not status.full
    assert status.turned_seconds < 1


def test_a_loop_that_has_turned_says_so() -> None:
    """Before its first turn there is nothing to be told, and that is told."""
    bench = Bench()
    before = bench.runtime.status().started

    bench.run()

    assert [before, bench.runtime.status().started] == [False, True]


def test_the_record_in_work_is_told_with_its_age() -> None:
    """Which record each lane works on, and since when."""
    bench = Bench(seconds=lambda _: 100)
    found = told(bench, 50)

    bench.run(record(7), seconds=120)

    (work,) = found[0].in_work
    assert work == InWork(TOPIC, 0, 7, work.seconds)
    assert 48 <= work.seconds <= 50
    assert bench.runtime.status().in_work == ()


def test_the_last_errors_are_told_the_latest_first() -> None:
    """What failed, when, and what was done about it."""
    bench = Bench(script={0: [Retryable("not yet")], 1: [Poison("never")]})

    bench.run(record(0), record(1))

    began = bench.began
    assert bench.runtime.status().last_errors == (
        Failure(began + 1, TOPIC, 0, 1, "Poison", "dead_letter", None),
        Failure(began, TOPIC, 0, 0, "Retryable", "retry", None),
    )


def test_no_more_errors_are_kept_than_a_page_shows() -> None:
    """Older failures make way."""
    bench = Bench(script={n: [Poison("never")] for n in range(30)})

    bench.run(*(record(n) for n in range(30)))

    offsets = [one.offset for one in bench.runtime.status().last_errors]
    assert offsets == [*range(29, 29 - KEPT_ERRORS, -1)]


def test_a_slow_handler_is_warned_of_once_while_it_works(logged: list[EventDict]) -> None:
    """One warning names the record, its age and its trace, long before the handler ends."""
    bench = Bench(seconds=lambda one: 100 if one.offset == 1 else 9)
    warned: list[int] = []
    bench.clock.at(
        30, lambda: warned.append(len([e for e in logged if e["event"] == "handler_slow"]))
    )

    bench.run(record(0), record(1), seconds=200)

    (event,) = [event for event in logged if event["event"] == "handler_slow"]
    assert warned == [1]
    assert event == {
        "event": "handler_slow",
        "log_level": "warning",
        "topic": TOPIC,
        "partition": 0,
        "offset": 1,
        "seconds": pytest.approx(10, abs=1),
        "trace_id": "trace of 1",
    }


def test_too_many_dead_letters_stop_the_worker(logged: list[EventDict]) -> None:
    """At the limit the record stays where it is, and the run ends with the reason."""
    bench = Bench(script={n: [Poison("never")] for n in range(10)}, limit=Limit(3, 1.0))

    with pytest.raises(Fatal, match=r"plays\[0\]@3.*3 records in a row"):
        bench.run(*(record(n) for n in range(10)))

    assert [one.offset for one, *_ in bench.dead_letters.kept] == [0, 1, 2]
    assert bench.source.committed.get(AT, 0) <= 3
    assert [event["offset"] for event in logged if event["event"] == "dead_letter_limit"] == [3]


def test_good_records_between_keep_the_limit_away() -> None:
    """The limit hears of every record that is done."""
    script = {n: [Poison("never")] for n in range(0, 20, 2)}
    bench = Bench(script=script, limit=Limit(2, 1.0))  # type: ignore[arg-type]  # a list of a subclass

    bench.run(*(record(n) for n in range(20)))

    assert len(bench.dead_letters.kept) == 10
    assert bench.source.committed == {AT: 20}
