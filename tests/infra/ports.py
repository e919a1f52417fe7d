"""Find ports on the loopback interface for components that must know theirs beforehand."""

from __future__ import annotations

import os
import random
import socket

# Below the range that Linux gives to outgoing connections (32768 to 60999). A port from that range
# can be taken while a killed broker is away: by any connection, even by the client that tries to
# reach the broker and meets itself, and then the broker cannot come back.
LOWEST, HIGHEST = 15_000, 32_767

_given: set[int] = set()


def free_port() -> int:
    """Give a port of 127.0.0.1 that nothing listens on and that was not given before."""
    ours = share(
        int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")),
        int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
    )
    for port in random.sample(ours, k=200):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"200 ports of {ours} were tried and none was free")


def share(number: int, workers: int) -> range:
    """Give the ports of one of several *workers*: what another has given may not be bound yet."""
    return range(LOWEST + number % workers, HIGHEST + 1, workers)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
