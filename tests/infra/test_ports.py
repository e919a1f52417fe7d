"""Finding free ports."""

from __future__ import annotations

import socket

from tests.infra.ports import HIGHEST, free_port


def test_a_port_can_be_bound() -> None:
    """Nothing listens on a port that was given."""
    port = free_port()

    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


def test_a_port_is_given_once() -> None:
    """Two components that ask before either starts get different ports."""
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50


def test_a_port_is_no_outgoing_one() -> None:
    """No connection that somebody makes can occupy the port of a server that is away."""
    assert all(free_port() <= HIGHEST < 32_768 for _ in range(50))
