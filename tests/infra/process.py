"""Run one program as a child: start it, read what it says, stop or kill it.

A `Service` never outlives this process and never gets the terminal's Ctrl-C, so that whoever
started it decides when it ends. Exit codes are given, not judged; only a program that had to be
killed because it did not end is an error.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

LEASH = Path(__file__).with_name("leash.py")
READ_BYTES = 1 << 20
TAIL_LINES = 20  # of each stream, in an error
STOP_SECONDS = 30  # the grace that Kubernetes gives


class Output:
    """What a child wrote to one stream so far: complete lines, read from an unnamed file.

    A file and not a pipe: a child that writes much never waits for its reader, and what it said is
    still there after its end.
    """

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._lines: list[str] = []
        self._rest = b""
        self._read = 0
        self._lock = threading.Lock()

    def lines(self) -> list[str]:
        """List the complete lines so far."""
        with self._lock:
            # pread leaves the position alone, which is the child's as well.
            while not self.file.closed and (
                chunk := os.pread(self.file.fileno(), READ_BYTES, self._read)
            ):
                self._read += len(chunk)
                *complete, self._rest = (self._rest + chunk).split(b"\n")
                self._lines += [line.decode(errors="replace") for line in complete]
            return list(self._lines)

    def close(self) -> None:
        """Read the last lines and give the file back; the lines stay."""
        self.lines()
        with self._lock:
            self.file.close()


class Service:
    """One program as a child of this process. A context manager: starts it, stops it.

    *command* is the program and its arguments, *env* its whole environment (this process's if
    None), *name* what errors call it, *user* whom to run as, *cwd* where, *handed* the descriptors
    that it keeps open. Only the main thread may start one (see `leash`).
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        name: str = "",
        *,
        user: str = "",
        cwd: Path | None = None,
        handed: Sequence[int] = (),
    ) -> None:
        self.command = list(command)
        self.name = name or Path(self.command[0]).name
        self._env = env
        self._user = user
        self._cwd = cwd
        self._handed = tuple(handed)
        self._process: subprocess.Popen[bytes] | None = None
        self._out: Output | None = None
        self._err: Output | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.running:
            self.finish()
        else:
            self.stop()

    def start(self) -> None:
        """Start the program, forgetting what it said before; FileNotFoundError if there is none."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{self.name}: its leash would end with this thread (prctl(2))")
        if not shutil.which(self.command[0], path=(self._env or os.environ).get("PATH")):
            raise FileNotFoundError(f"{self.name}: there is no program {self.command[0]}")
        self._close_output()
        self._out, self._err = Output(), Output()
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), self._user or "-"]
        self._process = subprocess.Popen(
            [*leash, *self.command],
            env=self._env,
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._out.file,
            stderr=self._err.file,
            process_group=0,
            pass_fds=self._handed,
        )

    def stop(self, timeout: float = STOP_SECONDS, *, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end by the signal *by* and give its exit code.

        After *timeout* seconds it is killed, and the code is -9.
        """
        process = self._started()
        process.send_signal(by)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
        return self._ended(process)

    def finish(self, timeout: float = STOP_SECONDS, *, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop it as `stop` does; raise RuntimeError if it had to be killed."""
        if self.stop(timeout, by=by) == -signal.SIGKILL:
            raise RuntimeError(f"{self.name} did not end by {by.name}, killed it\n{self.tail()}")

    def kill(self) -> int:
        """End it by SIGKILL; give -9, or the exit code if it had ended before."""
        process = self._started()
        process.kill()
        return self._ended(process)

    def close(self) -> None:
        """Kill it if it runs and give its output back; harmless at any time."""
        if self._process:
            self.kill()

    @property
    def pid(self) -> int:
        """The program's own process id."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """True from start to end."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal's number if one ended it, None while it runs."""
        return self._process.poll() if self._process else None

    def lines(self) -> list[str]:
        """List the complete lines of its standard output, oldest first."""
        return self._out.lines() if self._out else []

    def errors(self) -> list[str]:
        """List the complete lines of its standard error, oldest first."""
        return self._err.lines() if self._err else []

    def logs(self) -> list[dict[str, Any]]:
        """List the lines of standard output that are JSON objects; `lines` has the others."""
        return [json.loads(line) for line in self.lines() if line.startswith("{")]

    def wait_for_log(
        self, event: str, /, timeout: float = PATIENCE_SECONDS, **fields: object
    ) -> dict[str, Any]:
        """Give the first JSON line whose *event* and *fields* are these.

        Raises TimeoutError after *timeout* seconds, RuntimeError as soon as the program has ended
        without it; both show the last lines.
        """
        wanted = {"event": event, **fields}

        def found() -> dict[str, Any] | None:
            ended = self.returncode
            for line in self.logs():
                if line.items() >= wanted.items():
                    return line
            if ended is not None:
                raise RuntimeError(f"{self.name} ended with {ended} before {wanted}\n{self.tail()}")
            return None

        try:
            return until(found, timeout=timeout, what=f"{wanted} from {self.name}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.tail()}") from None

    def tail(self) -> str:
        """Show the last lines of both streams, for an error."""
        last = [*self.lines()[-TAIL_LINES:], *self.errors()[-TAIL_LINES:]]
        return "\n".join(f"{self.name}| {line}" for line in last)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
        code = process.wait()
        self._close_output()
        return code

    def _close_output(self) -> None:
        for output in (self._out, self._err):
            if output:
                output.close()
