"""Find ports on the loopback interface for components that must know theirs beforehand.

Several processes of one user look for ports at once. Each notes what it was given by a lock on one
byte of a file that they share, which ends with the process: no other is given the port before it is
bound, or while what listened there is away.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

# Below the range that Linux gives to outgoing connections (32768 to 60999). A port from that range
# can be taken while a killed broker is away: by any connection, even by the client that tries to
# reach the broker and meets itself, and then the broker cannot come back.
LOWEST, HIGHEST = 15_000, 32_767

_given: set[int] = set()


def free_port() -> int:
    """Give a port of 127.0.0.1 that nothing listens on and that nobody was given before."""
    for port in random.sample(range(LOWEST, HIGHEST), k=200):
        if port not in _given and _is_ours(port) and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"200 ports between {LOWEST} and {HIGHEST} were tried and none was free")


@contextmanager
def held(port: int) -> Iterator[None]:
    """Have *port*, which can be no other, for a block; wait for whoever has it before."""
    until(lambda: _is_ours(port) and _is_free(port), what=f"port {port}")
    try:
        yield
    finally:
        fcntl.lockf(_notes(), fcntl.LOCK_UN, 1, port)


@cache
def _notes() -> int:
    """Open the file whose bytes stand for the ports; closed once, it would forget all of ours."""
    path = Path(tempfile.gettempdir(), f"lagmon-ports-{os.getuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _is_ours(port: int) -> bool:
    try:
        fcntl.lockf(_notes(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
