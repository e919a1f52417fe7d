"""Finding free ports."""

from __future__ import annotations

import random
import socket

from tests.infra.ports import HIGHEST, LOWEST, free_port, share


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


def test_a_port_is_no_outgoing_one() -> None:
    """No connection that somebody makes can occupy the port of a server that is away."""
    assert all(free_port() <= HIGHEST < 32_768 for _ in range(50))


def test_no_two_workers_give_the_same_port() -> None:
    """Tests that run side by side know nothing of each other: every port is of one worker alone."""
    shares = [share(number, 3) for number in range(3)]

    assert sorted(port for one in shares for port in one) == list(range(LOWEST, HIGHEST + 1))
