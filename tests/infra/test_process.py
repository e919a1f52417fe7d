"""Services as children: their output, their end, and that they never outlive their parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.infra.process import Output, Service
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
SAY = "import json, sys; say = lambda **fields: print(json.dumps(fields), flush=True)\n"
FOREVER = "import signal; signal.pause()\n"
GRACEFUL = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def python(code: str) -> Service:
    """Make a service that runs *code*."""
    return Service([sys.executable, "-c", SAY + code], name="child")


@pytest.fixture
def graceful() -> Iterator[Service]:
    """Give a running service that answers SIGTERM with exit code 7."""
    with python(GRACEFUL + "say(event='ready')\n" + FOREVER) as service:
        service.wait_for_log("ready")
        yield service


def test_sigterm_stops_it(graceful: Service) -> None:
    """A stop is a SIGTERM, and gives the exit code that the program chose."""
    assert graceful.stop() == 7
    assert graceful.returncode == 7
    assert not graceful.running


def test_a_second_stop_gives_the_same_code(graceful: Service) -> None:
    """What has ended can be stopped again."""
    assert [graceful.stop(), graceful.stop()] == [7, 7]


def test_a_kill_is_not_graceful(graceful: Service) -> None:
    """A kill leaves the program no time."""
    assert graceful.kill() == -signal.SIGKILL


def test_what_ignores_sigterm_is_killed() -> None:
    """A program that does not end in time is killed, and its code says so."""
    with python(DEAF + "say(event='ready')\n" + FOREVER) as service:
        service.wait_for_log("ready")

        assert service.stop(timeout=0.2) == -signal.SIGKILL


def test_leaving_reports_what_had_to_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not end when the context is left is an error, not a silence."""
    service = python(DEAF + "say(event='ready')\n" + FOREVER)
    monkeypatch.setattr(service, "finish", partial(service.finish, timeout=0.2))

    with pytest.raises(RuntimeError, match="child did not end by SIGTERM"), service:
        service.wait_for_log("ready")


def test_a_log_line_is_found_by_its_fields() -> None:
    """Waiting for a log line gives the first one whose named fields are these."""
    code = "say(event='settled', id=1, at='a'); say(event='settled', id=2, at='b')\n"
    with python(code + FOREVER) as service:
        assert service.wait_for_log("settled", id=2) == {"event": "settled", "id": 2, "at": "b"}


def test_an_ended_program_is_not_waited_for() -> None:
    """Waiting for a log line ends at once with the program, and shows its last words."""
    with python("sys.exit('the port is taken')\n") as service:
        ended = r"ended with 1 before(.|\n)*the port is taken"

        with pytest.raises(RuntimeError, match=ended):
            service.wait_for_log("ready", timeout=60)


def test_a_time_out_shows_the_last_lines() -> None:
    """Waiting in vain shows what the program did say."""
    with python("say(event='other')\n" + FOREVER) as service:
        service.wait_for_log("other")

        with pytest.raises(TimeoutError, match=r'child\| {"event": "other"}'):
            service.wait_for_log("ready", timeout=0.05)


def test_standard_output_and_error_are_apart() -> None:
    """Lines of standard output, its JSON lines, and lines of standard error are three lists."""
    with python("print('plain'); say(event='json'); print('oops', file=sys.stderr)\n") as service:
        until(lambda: not service.running, what="the end of the child")

        assert service.lines() == ["plain", json.dumps({"event": "json"})]
        assert service.logs() == [{"event": "json"}]
        assert service.errors() == ["oops"]


def test_a_line_is_given_when_it_is_complete() -> None:
    """Half a line is kept until its other half comes."""
    output = Output()

    output.file.write(b'{"event": ')
    output.file.flush()
    half = output.lines()
    output.file.write(b'"ready"}\n')
    output.file.flush()

    assert (half, output.lines()) == ([], ['{"event": "ready"}'])
    output.close()


def test_much_output_does_not_block_it() -> None:
    """A program may say more than a pipe holds while nobody reads."""
    with python(
        "print('x' * 99 + '\\n', end='') or [print('x' * 99) for _ in range(50_000)]\n"
    ) as s:
        until(lambda: not s.running, timeout=60, what="the end of the child")

        assert len(s.lines()) == 50_001


def test_it_can_be_started_again() -> None:
    """After its end a service starts anew and what it said before is gone."""
    with python("say(event='ready', pid=__import__('os').getpid())\n" + FOREVER) as service:
        first = service.wait_for_log("ready")["pid"]
        service.kill()

        service.start()

        assert service.wait_for_log("ready")["pid"] == service.pid != first
        assert len(service.logs()) == 1


def test_its_pid_is_the_programs_own(graceful: Service) -> None:
    """A signal sent to the pid reaches the program and no wrapper."""
    os.kill(graceful.pid, signal.SIGTERM)

    assert until(lambda: graceful.returncode, what="the end of the child") == 7


def test_ctrl_c_at_the_terminal_is_not_for_it(graceful: Service) -> None:
    """A service is in a process group of its own, so only its starter decides when it ends."""
    assert os.getpgid(graceful.pid) == graceful.pid != os.getpgrp()


def test_a_program_that_is_not_there_is_named() -> None:
    """Starting what is not installed says which program that is."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        Service(["no-such-program"]).start()


def test_only_the_main_thread_starts_one() -> None:
    """A start in another thread is refused: Linux would end the program with that thread."""
    raised: list[BaseException] = []

    def start() -> None:
        try:
            python(FOREVER).start()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert "leash" in str(raised)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_it_dies_with_its_parent() -> None:
    """A service is gone when the process that started it was killed."""
    ready = SAY + "say(event='ready')\n" + FOREVER
    parent = [
        sys.executable,
        "-c",
        "import sys; from tests.infra.process import Service\n"
        f"service = Service([sys.executable, '-c', {ready!r}]); service.start()\n"
        "service.wait_for_log('ready'); print(service.pid, flush=True)\n" + FOREVER,
    ]
    with subprocess.Popen(parent, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        assert alive(child)

        process.kill()

    until(lambda: not alive(child), what="the end of the grandchild")


def alive(pid: int) -> bool:
    """Tell whether process *pid* exists and has not ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it may end between the open and the read
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
