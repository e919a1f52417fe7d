"""What is recorded: every snapshot, one line each, whatever became of the lines before."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from lagmon.readings import Plan, Snapshot
from lagmon.recording.lines import snapshot_from_json
from lagmon.recording.tape import Recorded, Tape
from tests.lagmon.builders import CLUSTER, NOON
from tests.lagmon.test_loop import FakeCollector

if TYPE_CHECKING:
    from pathlib import Path


def told(path: Path) -> list[Snapshot]:
    """Read back what stands in the file at *path*."""
    return [snapshot_from_json(line) for line in path.read_bytes().splitlines()]


def at(when: float, error: str | None = None) -> Snapshot:
    """Build the snapshot of one moment."""
    return Snapshot(when, CLUSTER, error=error)


def test_each_snapshot_is_one_line_at_the_end_of_the_file(tmp_path: Path) -> None:
    """A second recording goes on where the first one ended, and takes nothing away."""
    path = tmp_path / "night.jsonl"

    for step in range(2):
        with Tape(path) as tape:
            tape.write(at(NOON + step))
            tape.write(at(NOON + step + 0.5))

    assert [one.at for one in told(path)] == [NOON, NOON + 0.5, NOON + 1, NOON + 1.5]


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    """What a full disk or a kill left behind is ended first, so that the new line is whole."""
    path = tmp_path / "torn.jsonl"
    path.write_bytes(b'{"v":1,"at":17')

    with Tape(path) as tape:
        tape.write(at(NOON))
        tape.write(at(NOON + 5))

    lines = path.read_bytes().splitlines()
    assert lines[0] == b'{"v":1,"at":17'
    assert [snapshot_from_json(line).at for line in lines[1:]] == [NOON, NOON + 5]


def test_a_pipe_can_be_written_too(tmp_path: Path) -> None:
    """A recording may go straight into another program."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    with Tape(path) as tape:
        tape.write(at(NOON))
        written = os.read(reader, 4096)
    os.close(reader)

    assert snapshot_from_json(written).at == NOON


def recorded(tape: Tape, stop: asyncio.Event, error: str | None = None) -> Recorded:
    """Give a collector on *tape* that answers with *error*, or well."""
    return Recorded(FakeCollector(lambda _, now: at(now, error)), tape, stop)


def test_a_collector_is_recorded_as_it_answers(tmp_path: Path) -> None:
    """What it gives is on the tape before anybody has it, an outage too."""
    path = tmp_path / "night.jsonl"

    async def story() -> list[Snapshot]:
        with Tape(path) as tape:
            well = await recorded(tape, asyncio.Event()).collect(Plan(), NOON)
            ill = await recorded(tape, asyncio.Event(), "away").collect(Plan(), NOON + 5)
            return [well, ill]

    given = asyncio.run(story())

    assert told(path) == given
    assert [one.error for one in given] == [None, "away"]


def test_a_recorded_collector_is_as_fresh_as_it_is(tmp_path: Path) -> None:
    """Recording hides from nobody that a new child has to be told what is known."""
    inner = FakeCollector(lambda _, now: at(now))

    with Tape(tmp_path / "night.jsonl") as tape:
        outer = Recorded(inner, tape, asyncio.Event())
        before, inner.is_fresh = outer.is_fresh, True

        assert (before, outer.is_fresh) == (False, True)


def test_its_own_end_is_not_recorded_as_an_outage(tmp_path: Path) -> None:
    """That a collector which is being stopped gives no answer says nothing of the cluster."""
    path = tmp_path / "night.jsonl"

    async def story() -> None:
        with Tape(path) as tape:
            each = recorded(tape, asyncio.Event(), "no collector: it was stopped")
            await each.start()
            await each.stop()
            await each.collect(Plan(), NOON)

    asyncio.run(story())

    assert told(path) == []


def test_a_full_disk_ends_the_recording(tmp_path: Path) -> None:
    """When a line cannot be written the recording stops and says why, rather than go on with gaps.

    The device that is always full is a file of its own.
    """
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device, not a file of ours
        pytest.skip("there is no /dev/full here")
    link = tmp_path / "full"
    link.symlink_to("/dev/full")

    async def story() -> tuple[bool, OSError | None, int]:
        stop = asyncio.Event()
        with Tape(link) as tape:
            each = recorded(tape, stop)
            await each.collect(Plan(), NOON)
            await each.collect(Plan(), NOON + 5)
            return stop.is_set(), tape.failure, tape.snapshots

    stopped, failure, snapshots = asyncio.run(story())

    assert (stopped, snapshots) == (True, 0)
    assert failure is not None
    assert "No space left on device" in str(failure)
