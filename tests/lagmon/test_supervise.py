"""The parent's side of a collector, with small programs in the child's place."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import structlog

from lagmon import supervise
from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.readings import PeekRequest, Plan, Snapshot, TopicPartition
from lagmon.supervise import Collector, pause_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

NOON = 1_764_000_000.0
SECRET = "hunter2"

# A child that answers each plan by a snapshot whose time is the offset that the plan asks about.
ANSWERING = """
import json, sys
settings = json.loads(sys.stdin.readline())
for line in sys.stdin:
    peeks = json.loads(line)["peeks"]
    at = peeks[0]["offset"] if peeks else 0
    print(json.dumps({"v": 1, "at": at, "cluster": settings["cluster"]["name"]}), flush=True)
"""
SILENT = "import sys; [None for line in sys.stdin]"
# These tell by `ready` when they are what they are called.
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
ready()
time.sleep(600)
"""
STUBBORN = "import time; ready(); time.sleep(600)"
FAILING = "import sys; sys.stdin.readline(); sys.exit('ModuleNotFoundError: no module named x')"
BABBLING = "import sys; sys.stdin.readline(); sys.stdin.readline(); print('hello', flush=True)"
TALKING = """
import json, sys
settings = sys.stdin.readline()
print(json.dumps({"event": "something"}), file=sys.stderr, flush=True)
print("Assertion `eonce->refcnt > 0' failed", file=sys.stderr, flush=True)
sys.stdin.readline()
"""
TALKING_TWICE = """
import json, sys
for event in ("first", "second"):
    print(json.dumps({"event": event}), file=sys.stderr, flush=True)
sys.stdin.read()
"""


def settings(cycle_deadline: float = 15.0) -> CollectorSettings:
    """Build the settings of a collector of a cluster that is never reached."""
    cluster = Cluster(name="local", bootstrap_servers="kafka:1", client={"sasl.password": SECRET})
    return CollectorSettings(cluster=cluster, cycle_deadline=cycle_deadline)


@asynccontextmanager
async def collector(program: str, deadline: float = 15.0) -> AsyncIterator[Collector]:
    """Start a collector whose child runs *program*, and stop it."""
    made = Collector(settings(deadline), command=(sys.executable, "-c", program))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def until(check: Callable[[], object], what: str) -> None:
    """Let the loop turn until *check* holds."""
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


def asking(offset: int) -> Plan:
    """Build a plan that one can tell from others."""
    return Plan((PeekRequest(TopicPartition("plays", 0), offset),))


def test_a_plan_gets_its_snapshot() -> None:
    """Each plan is answered by the snapshot that the child made of it."""

    async def run() -> list[Snapshot]:
        async with collector(ANSWERING) as made:
            return [await made.collect(asking(offset), NOON) for offset in (1, 2, 3)]

    assert asyncio.run(run()) == [Snapshot(float(offset), "local") for offset in (1, 2, 3)]


def test_plans_that_meet_take_turns() -> None:
    """Two questions at once get each its own answer."""

    async def run() -> list[Snapshot]:
        async with collector(ANSWERING) as made:
            return await asyncio.gather(*(made.collect(asking(o), NOON) for o in (1, 2, 3)))

    assert [snapshot.at for snapshot in asyncio.run(run())] == [1, 2, 3]


def test_a_child_that_was_never_asked_is_fresh() -> None:
    """So its first plan can tell it what is known; a replaced child begins with nothing again."""

    async def run() -> list[bool]:
        async with collector(ANSWERING) as made:
            seen = [made.is_fresh]
            await made.collect(asking(1), NOON)
            seen.append(made.is_fresh)
            first = made.pid
            assert first
            os.kill(first, signal.SIGKILL)
            await until(lambda: made.pid not in {None, first}, "a new child")
            seen.append(made.is_fresh)
            await made.collect(asking(2), NOON)
            return [*seen, made.is_fresh]

    assert asyncio.run(run()) == [True, False, True, False]


def test_a_killed_child_is_replaced_and_counted() -> None:
    """After kill -9 the next snapshot says so, and a new child answers."""

    async def run() -> tuple[Snapshot, Snapshot, int]:
        async with collector(ANSWERING) as made:
            first = made.pid
            assert first
            os.kill(first, signal.SIGKILL)
            lost = await made.collect(Plan(), NOON)
            await until(lambda: made.pid not in {None, first}, "a new child")
            return lost, await made.collect(asking(7), NOON), made.restarts

    lost, found, restarts = asyncio.run(run())

    assert lost == Snapshot(NOON, "local", error="no collector: ended by SIGKILL")
    assert found == Snapshot(7.0, "local")
    assert restarts == 1


def test_a_late_child_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that does not answer in time is killed, and the snapshot says how long it was."""
    monkeypatch.setattr(supervise, "GRACE_SECONDS", 0.1)

    async def run() -> tuple[Snapshot, bool]:
        async with collector(SILENT, 0.2) as made:
            first = made.pid
            late = await made.collect(Plan(), NOON)
            await until(lambda: made.pid not in {None, first}, "a new child")
            return late, gone(first)

    late, was_killed = asyncio.run(run())

    assert late == Snapshot(NOON, "local", error="no collector: no snapshot within 0.3 s")
    assert was_killed


def gone(pid: int | None) -> bool:
    """Tell whether process *pid* has ended."""
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_abandoned_question_is_never_answered_later() -> None:
    """Who stops waiting costs the child: its answer cannot be taken for the next question's."""

    async def run() -> Snapshot:
        async with collector(ANSWERING) as made:
            first = made.pid
            impatient = asyncio.create_task(made.collect(asking(1), NOON))
            await asyncio.sleep(0)  # it has asked, and nothing was read yet
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            await until(lambda: made.pid not in {None, first}, "a new child")
            return await made.collect(asking(2), NOON)

    assert asyncio.run(run()).at == 2


def test_an_answer_that_is_none_is_told() -> None:
    """A child that prints something else is given up with what was wrong."""

    async def run() -> Snapshot:
        async with collector(BABBLING) as made:
            return await made.collect(Plan(), NOON)

    error = asyncio.run(run()).error

    assert error
    assert error.startswith("no collector: its answer is no snapshot: the line is no JSON")


def test_a_child_that_cannot_live_is_told_with_its_last_words() -> None:
    """While it is waited for the next try every collect answers, and says why there is nothing."""

    async def run() -> Snapshot:
        async with collector(FAILING) as made:
            await until(lambda: made.pid is None, "the end of the child")
            return await made.collect(Plan(), NOON)

    assert asyncio.run(run()).error == (
        "no collector: ended with exit code 1: ModuleNotFoundError: no module named x"
    )


def test_a_program_that_is_missing_is_told() -> None:
    """A child that cannot even be started is an answer too, and is tried again."""

    async def run() -> tuple[Snapshot, int]:
        made = Collector(settings(), command=("/nowhere/python",))
        await made.start()
        lost = await made.collect(Plan(), NOON)
        await until(lambda: made.restarts, "another try")
        await made.stop()
        return lost, made.restarts

    lost, restarts = asyncio.run(run())

    assert "it could not be started" in str(lost.error)
    assert restarts >= 1


@pytest.mark.parametrize(
    ("losses", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (1000, 30.0)]
)
def test_the_pause_grows_to_a_bound(losses: int, seconds: float) -> None:
    """Each loss in a row doubles the pause before the next try, up to half a minute."""
    assert pause_seconds(losses) == seconds


def test_an_answer_ends_the_row_of_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses grow with the losses in a row; a child that has answered starts them anew."""
    losses: list[int] = []

    def pause(count: int) -> float:
        losses.append(count)
        return 0.0

    async def run() -> None:
        async with collector(ANSWERING) as made:
            for answers in (False, False, True):
                first = made.pid
                if answers:
                    await made.collect(Plan(), NOON)
                os.kill(first or 0, signal.SIGKILL)
                await until(lambda: made.pid not in {None, first}, "a new child")  # noqa: B023 - awaited here

    monkeypatch.setattr(supervise, "pause_seconds", pause)
    asyncio.run(run())

    assert losses == [1, 2, 1]


def test_its_log_lines_are_passed_on_and_the_rest_is_reported() -> None:
    """A JSON line of the child goes out as it is; a library's cry is logged and is its reason."""

    async def run() -> tuple[list[str], Snapshot]:
        lines: list[str] = []
        command = (sys.executable, "-c", TALKING)
        made = Collector(settings(), command=command, pass_on=lines.append)
        await made.start()
        lost = await made.collect(Plan(), NOON)
        await made.stop()
        return lines, lost

    with structlog.testing.capture_logs() as logs:
        lines, lost = asyncio.run(run())

    cry = "Assertion `eonce->refcnt > 0' failed"
    assert [json.loads(line) for line in lines] == [{"event": "something"}]
    assert [one["line"] for one in logs if one["event"] == "collector_output"] == [cry]
    assert lost.error == f"no collector: ended with exit code 0: {cry}"


def test_a_line_that_cannot_be_written_costs_no_other() -> None:
    """While the disk is full lines are lost; once it is not, the next one is written."""

    async def run() -> list[str]:
        lines: list[str] = []

        def full_at_first(line: str) -> None:
            lines.append(line)
            if len(lines) == 1:
                raise OSError(errno.ENOSPC, "No space left on device")

        command = (sys.executable, "-c", TALKING_TWICE)
        made = Collector(settings(), command=command, pass_on=full_at_first)
        await made.start()
        await until(lambda: len(lines) > 1, "the line after the one that was lost")
        await made.stop()
        return lines

    assert [json.loads(line)["event"] for line in asyncio.run(run())] == ["first", "second"]


def test_its_life_is_logged() -> None:
    """Start and loss of a child are one line each, with cluster, process id and reason."""

    async def run() -> int:
        async with collector(ANSWERING) as made:
            first = made.pid or 0
            os.kill(first, signal.SIGKILL)
            await until(lambda: made.restarts, "a new child")
            return first

    with structlog.testing.capture_logs() as logs:
        pid = asyncio.run(run())

    assert logs[0] == {
        "event": "collector_started",
        "log_level": "info",
        "kafka_cluster": "local",
        "pid": pid,
    }
    assert logs[1] == {
        "event": "collector_lost",
        "log_level": "warning",
        "kafka_cluster": "local",
        "reason": "ended by SIGKILL",
    }


@pytest.mark.parametrize(
    ("program", "ending", "enough"),
    [
        (f"ready(); {SILENT}", "ended with exit code 0", "STDIN_SECONDS"),
        (STUBBORN, "ended by SIGTERM", "SIGTERM_SECONDS"),
        (DEAF, "ended by SIGKILL", ""),
    ],
)
def test_stopping_is_bounded(
    program: str, ending: str, enough: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child ends with its stdin; one that does not gets SIGTERM, one that ignores it SIGKILL."""
    if enough:  # a busy machine lets it end late
        monkeypatch.setattr(supervise, enough, 60.0)
    sign = tmp_path / "ready"
    ready = f"def ready(): open({str(sign)!r}, 'x').close()\n"

    async def run() -> tuple[float, str | None]:
        async with collector(ready + program) as made:
            waiting = asyncio.create_task(made.collect(Plan(), NOON))
            await until(sign.exists, "the child")
            began = time.monotonic()
            await made.stop()
            return time.monotonic() - began, (await waiting).error

    seconds, error = asyncio.run(run())

    assert error == f"no collector: {ending}"
    assert seconds < 30


def test_nothing_is_collected_after_stop() -> None:
    """A stopped collector answers, and says that it was stopped."""

    async def run() -> Snapshot:
        async with collector(ANSWERING) as made:
            await made.stop()
            return await made.collect(Plan(), NOON)

    assert asyncio.run(run()).error == "no collector: it was stopped"


def test_secrets_show_in_no_process_list(tmp_path: Path) -> None:
    """The configuration goes over stdin: neither arguments nor environment of the child have it."""
    telling = f"""
import os, sys
settings = sys.stdin.readline()
with open({str(tmp_path / "seen")!r}, "w") as seen:
    seen.write(open("/proc/self/cmdline").read() + str(dict(os.environ)))
with open({str(tmp_path / "given")!r}, "w") as given:
    given.write(settings)
"""

    async def run() -> None:
        async with collector(telling) as made:
            # Not for the next one, which would begin to write the two anew.
            await until(lambda: made.pid is None, "the end of the child")

    asyncio.run(run())

    assert SECRET in (tmp_path / "given").read_text()
    assert SECRET not in (tmp_path / "seen").read_text()
