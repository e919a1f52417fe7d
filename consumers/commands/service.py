"""What every service of this package does around its work: settings, logs, traces, signals, HTTP.

A service stops in order: it takes no more requests or records, finishes those in work, closes its
connections and sends its last spans, all within ``shutdown_timeout``. The first SIGTERM or Ctrl-C
begins that; a second one ends the process at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from consumers.breaker import BreakerPolicy
from consumers.configuration.common import DatabaseSettings, Settings
from consumers.configuration.loading import load, named
from consumers.errors import ConsumersError, SettingsError
from consumers.game.store import Store
from consumers.guard import Guard
from consumers.serving.access import Access
from consumers.serving.web import Server, measured
from propagation.integrations import logs, postgres
from propagation.integrations.asgi import traced
from propagation.sdk import SettingsError as TelemetrySettingsError
from propagation.sdk import telemetry
from propagation.sdk.environment import read as read_telemetry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from starlette.applications import Starlette

    from consumers.metrics import Metrics

VERSION = version("lagmon")

# Of the time to stop: for what is closed after the work has ended.
AFTERWARDS = timedelta(seconds=2)
SPANS_SECONDS = 3.0  # that a trace receiver gets which does not answer
LAST_SECONDS = 0.5  # that each step of a stop gets even when the time is up

AnySettings = TypeVar("AnySettings", bound=Settings)

log = structlog.get_logger(__name__)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Let *parser* take where the settings come from."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as YAML")


class Stop:
    """The wish to stop: *event* is set by the first signal, the second one kills the process.

    From the first on, *seconds* are left for everything that remains to be done.
    """

    def __init__(self, seconds: float) -> None:
        # Never waited for in the main thread, where the handler runs: it could hold the lock that
        # set() needs.
        self.event = threading.Event()
        self._seconds = seconds
        self._deadline: float | None = None

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT. Only in the main thread."""
        self._handle(lambda *_: self.begin())

    def begin(self) -> None:
        """Ask everything to stop; the time runs from here."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
            self._handle(signal.SIG_DFL)
            self.event.set()

    def left(self, *, keep: timedelta = timedelta()) -> float:
        """Give the seconds that a step may take when *keep* is kept for those after it."""
        self.begin()
        assert self._deadline is not None
        return max(self._deadline - time.monotonic() - keep.total_seconds(), LAST_SECONDS)

    def _handle(self, handler: Callable[..., object] | signal.Handlers) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)


def read(kind: type[AnySettings], path: Path | None) -> AnySettings:
    """Read the settings of *kind* and check the variables of OpenTelemetry along with them.

    Raises `SettingsError` with every problem.
    """
    problems: list[str] = []
    settings = None
    try:
        settings = load(kind, path)
        if isinstance(settings, DatabaseSettings):
            conninfo_to_dict(settings.database_url.get_secret_value())
        problems += [named(one, os.environ) for one in access(settings).problems()]
    except SettingsError as error:
        problems += error.problems
    except psycopg.ProgrammingError:
        # Its words are not repeated: they hold a part of the URL, which may be the password.
        problems.append("database_url: CONSUMERS_DATABASE_URL is no URL that PostgreSQL can read")
    try:
        read_telemetry(os.environ)
    except TelemetrySettingsError as error:
        problems += error.problems
    if settings is None or problems:
        raise SettingsError(tuple(problems))
    return settings


def run_service(
    name: str,
    settings: AnySettings,
    work: Callable[[AnySettings, Stop, ExitStack], None],
) -> int:
    """Do *work* as the service *name*, with logs, traces and signals set up; give the exit code."""
    logs.configure(
        name, version=VERSION, environment=settings.environment, level=settings.log_level
    )
    stop = Stop(settings.shutdown_timeout.total_seconds())
    stop.listen()
    traces = telemetry(name, version=VERSION, environment=settings.environment)
    postgres.instrument()
    try:
        with ExitStack() as stack:
            stack.callback(lambda: traces.shutdown(min(stop.left(), SPANS_SECONDS)))
            work(settings, stop, stack)
    except SettingsError:
        raise  # the command line's: told where it was typed
    except ConsumersError as error:
        log.error("service_failed", why=str(error))
        return 1
    log.info("service_stopped")
    return 0


def access(settings: Settings) -> Access:
    """Say who may see the metrics and the status."""
    return Access(settings.metrics_token_file, settings.metrics_users_file)


def make_guard(name: str, settings: DatabaseSettings, metrics: Metrics) -> Guard:
    """Make the circuit breaker of the dependency *name*."""
    policy = BreakerPolicy(
        failures=settings.breaker_failures,
        open_seconds=settings.breaker_open.total_seconds(),
        ratio=settings.breaker_ratio,
        window=settings.breaker_window,
    )
    return Guard(name, metrics, policy)


def open_store(
    settings: DatabaseSettings,
    name: str,
    guard: Guard,
    *,
    connections: int,
    stop: Stop,
    stack: ExitStack,
) -> Store:
    """Open the tables for the service *name*, behind *guard*; closing them is left on *stack*."""
    url = settings.database_url.get_secret_value()
    store = Store(url, name, connections=connections, guard=guard)
    store.open()
    stack.callback(lambda: store.close(stop.left()))
    return store


def serve(app: Starlette, settings: Settings, metrics: Metrics) -> Server:
    """Serve *app*, traced and measured, at the address of *settings*."""
    served = traced(measured(app, metrics), slow_seconds=settings.slow_request.total_seconds())
    server = Server(served, host=settings.host, port=settings.port)
    log.info("service_started", address=server.start())
    return server


def stop_server(server: Server, stop: Stop) -> None:
    """Let *server* finish what it has, in the time that is left."""
    if not server.stop(stop.left(keep=AFTERWARDS)):
        log.warning("requests_cut")
