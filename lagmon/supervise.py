"""Keep one cluster's collector alive, and always have a `Snapshot` to give: the parent's side.

The collector is a child process because librdkafka can abort the process it lives in. Comes in: a
`Plan` per cycle. Goes out: the snapshot that the child answered, or one with ``error`` when none
came in time or the child died. A child that was given up is killed and replaced, each time in a row
after a longer pause. This module never talks to Kafka.

No answer can be taken for a later question's: a child that has a question open is never asked
again, it is killed, and its pipes go with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from typing import TYPE_CHECKING, Final

import structlog

from lagmon.errors import RecordingError
from lagmon.readings import Snapshot
from lagmon.recording.lines import plan_to_json
from lagmon.wire import Reader

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Sequence

    from lagmon.configuration.settings import CollectorSettings
    from lagmon.readings import Plan

COMMAND: Final = (sys.executable, "-m", "lagmon.collector.process")
LINE_BYTES = 64 * 1024 * 1024  # some 500,000 partitions; what is longer is no snapshot
GRACE_SECONDS = 5.0  # beyond the cycle's own deadline: to start, to write, to read
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
STDIN_SECONDS, SIGTERM_SECONDS = 2.0, 1.0  # how long a child may take to end when asked to

log = structlog.get_logger(__name__)


class LostError(Exception):
    """The child will not answer; says why."""


class Collector:
    """One cluster's collector. `start` it, `collect` from it in turn, `stop` it.

    *pass_on* takes each log line of the child, a JSON object without its line break; standard
    output by default. *command* is the child's program. `restarts` counts replaced children.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        *,
        command: Sequence[str] = COMMAND,
        pass_on: Callable[[str], None] | None = None,
    ) -> None:
        self.cluster = settings.cluster.name
        self.restarts = 0
        self._settings = settings
        self._command = command
        self._pass_on = pass_on or _write_line
        self._patience_seconds = settings.cycle_deadline + GRACE_SECONDS
        self._child: Child | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self._turn = asyncio.Lock()
        self._losses = 0  # in a row, without an answer between them
        self._reason = "it was not started"

    @property
    def pid(self) -> int | None:
        """The process id of the child, None while there is none."""
        return self._child.pid if self._child else None

    @property
    def is_fresh(self) -> bool:
        """True while the child that will be asked next was never asked: it knows nothing."""
        return self._child is None or not self._child.asked

    async def start(self) -> None:
        """Start the child and keep one running until `stop`."""
        self._keeper = asyncio.create_task(self._keep(), name=f"collector of {self.cluster}")
        await self._first.wait()

    async def collect(self, plan: Plan, now: float) -> Snapshot:
        """Have the child carry out *plan*; give its snapshot, or one of *now* with the error.

        Ends within the cycle's deadline and `GRACE_SECONDS`. Cancelling it costs the child.
        """
        async with self._turn:
            child = self._child
            if child is None:
                return Snapshot(now, self.cluster, error=f"no collector: {self._reason}")
            try:
                snapshot = await child.ask(plan, self._patience_seconds)
            except LostError as error:
                return Snapshot(now, self.cluster, error=f"no collector: {error}")
            self._losses = 0
            return snapshot

    async def stop(self) -> None:
        """End the child: close its stdin, then SIGTERM, then SIGKILL; four seconds at most."""
        if self._keeper:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        child, self._child = self._child, None
        self._reason = "it was stopped"
        if child:
            await child.end()

    async def _keep(self) -> None:
        while True:
            self._reason = await self._live()
            self._child = None
            log.warning("collector_lost", kafka_cluster=self.cluster, reason=self._reason)
            self._losses += 1
            await asyncio.sleep(pause_seconds(self._losses))
            self.restarts += 1

    async def _live(self) -> str:
        """Start one child and wait for its end; say why it ended."""
        try:
            self._child = await Child.start(self._command, self._settings, self._pass_on)
        except OSError as error:
            return f"it could not be started: {error}"
        finally:
            self._first.set()
        log.info("collector_started", kafka_cluster=self.cluster, pid=self._child.pid)
        return await self._child.ended()


def pause_seconds(losses: int) -> float:
    """Give how long to wait before the replacement after *losses* in a row."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(losses - 1, 16))


class Child:
    """One child process: it is asked once at a time, and does not survive a question unanswered."""

    def __init__(self, process: Process, pass_on: Callable[[str], None], cluster: str) -> None:
        self.pid = process.pid
        self.asked = False
        self._process = process
        self._pass_on = pass_on
        self._cluster = cluster
        self._reader = Reader()
        self._given_up: str | None = None
        self._last_words = ""
        self._listener = asyncio.create_task(self._listen(), name=f"stderr of {self.pid}")

    @classmethod
    async def start(
        cls, command: Sequence[str], settings: CollectorSettings, pass_on: Callable[[str], None]
    ) -> Child:
        """Start *command* and hand it *settings* on stdin, where no process list shows them."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES
        )
        assert process.stdin
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        return cls(process, pass_on, settings.cluster.name)

    async def ask(self, plan: Plan, patience_seconds: float) -> Snapshot:
        """Send *plan* and wait for the snapshot; LostError, and the child's end, without one."""
        answered, self.asked = False, True
        try:
            async with asyncio.timeout(patience_seconds):
                snapshot = await self._exchange(plan)
            answered = True
        except TimeoutError:
            raise LostError(self._give_up(f"no snapshot within {patience_seconds:g} s")) from None
        except (ValueError, RecordingError) as error:
            raise LostError(self._give_up(f"its answer is no snapshot: {error}")) from None
        finally:
            if not answered:
                self._give_up("its question was abandoned")
        return snapshot

    async def ended(self) -> str:
        """Wait for its end; say why it ended, with its last words."""
        code = await self._process.wait()
        await asyncio.wait([self._listener], timeout=1)
        reason = self._given_up or _ending(code)
        return f"{reason}: {self._last_words}" if self._last_words else reason

    async def end(self) -> None:
        """Make it end, politely first."""
        assert self._process.stdin
        self._process.stdin.close()
        if not await self._gone_within(STDIN_SECONDS):
            self._signal(signal.SIGTERM)
            if not await self._gone_within(SIGTERM_SECONDS):
                self._signal(signal.SIGKILL)
        await self.ended()

    async def _exchange(self, plan: Plan) -> Snapshot:
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(ConnectionError):  # it is dead; the empty answer says so
            self._process.stdin.write(plan_to_json(plan).encode() + b"\n")
            await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise LostError(await self.ended())
        # In a thread: a large snapshot takes long enough to read to be felt by the page.
        return await asyncio.to_thread(self._reader.snapshot, line)

    async def _listen(self) -> None:
        """Pass its log lines on; what is none was written by a library that gave up."""
        assert self._process.stderr
        async for line in self._process.stderr:
            # One that cannot be written, on a full disk say, is lost, and not those after it. There
            # is nowhere to say so.
            with contextlib.suppress(OSError):
                self._hear(line.decode(errors="replace").rstrip())

    def _hear(self, text: str) -> None:
        if _is_object(text):
            self._pass_on(text)
        elif text:
            self._last_words = text
            log.warning("collector_output", kafka_cluster=self._cluster, line=text)

    async def _gone_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)
        return self._process.returncode is not None

    def _give_up(self, reason: str) -> str:
        if self._given_up is None and self._process.returncode is None:
            self._given_up = reason
            self._signal(signal.SIGKILL)
        return self._given_up or reason

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


def _ending(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _write_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
