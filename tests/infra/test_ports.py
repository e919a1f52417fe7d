"""Finding free ports."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from pathlib import Path

from tests.infra import ports
from tests.infra.ports import HIGHEST, free_port, held

ROOT = Path(__file__).parent.parent.parent
ELSEWHERE = """
import random
from tests.infra.ports import free_port
random.seed(7)
print(free_port())
"""


def test_a_port_can_be_bound() -> None:
    """Nothing listens on a port that was given."""
    port = free_port()

    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


def test_a_port_is_given_once() -> None:
    """A component that asks before another has started gets another port."""
    random.seed(7)
    first = free_port()

    random.seed(7)
    second = free_port()

    assert first != second


def test_two_processes_are_given_two_ports() -> None:
    """A port that was given here is given to nobody else, though nothing listens there yet."""
    random.seed(7)
    free_port()

    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert int(told.stdout) not in ports._given


def test_a_port_that_can_be_no_other_is_held_for_a_block() -> None:
    """Within it the port can be bound, and behind it somebody else may have it."""
    port = free_port()

    with held(port), socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port
    with held(port):
        pass


def test_a_port_is_no_outgoing_one() -> None:
    """No connection that somebody makes can occupy the port of a server that is away."""
    assert all(free_port() <= HIGHEST < 32_768 for _ in range(50))
