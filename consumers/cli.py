"""The command ``consumers``: read settings, wire the parts together, own the signals.

``api`` serves the game over HTTP, ``worker`` settles what was played, ``migrate`` brings the tables
up to date. Exit codes: 0 when it did what was asked, also after SIGTERM; 1 when it could not go on,
with one line that says why; 2 when the command line or the settings are wrong, with every problem
on standard error. A second SIGTERM or Ctrl-C ends the process at once.

A service stops in order: it takes no more requests or records, finishes those in work, closes its
connections and sends its last spans, all within ``shutdown_timeout``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
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
from starlette.applications import Starlette

from consumers import health
from consumers.assembly import make_producer, make_worker
from consumers.client_log import ClientLog
from consumers.errors import ConsumersError, Fatal, SettingsError
from consumers.game.api import game_app
from consumers.game.checks import Cached
from consumers.game.handler import SettlePlay
from consumers.game.migrate import migrate
from consumers.game.publisher import KafkaPublisher
from consumers.game.store import Store
from consumers.metrics import Metrics
from consumers.settings import ApiSettings, MigrateSettings, Settings, WorkerSettings, load
from consumers.web import Server, measured
from propagation.integrations import logs, postgres
from propagation.integrations.asgi import traced
from propagation.sdk import SettingsError as TelemetrySettingsError
from propagation.sdk import telemetry
from propagation.sdk.environment import read as read_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERSION = version("lagmon")
API, WORKER, MIGRATE = "game-api", "game-consumer", "game-migrate"

API_CONNECTIONS = 8  # to Postgres: reads of a millisecond each
WORKER_CONNECTIONS = 2  # one for the record in work, one for /readyz
CONNECT_SECONDS = 10  # for a migration, which nobody repeats

WATCH_SECONDS = 0.25  # between two looks at what cannot call us
AFTERWARDS = timedelta(
    seconds=2
)  # of the time to stop: for what is closed after the work has ended
SPANS_SECONDS = 3.0  # that a trace receiver gets which does not answer
LAST_SECONDS = 0.5  # that each step of a stop gets even when the time is up

AnySettings = TypeVar("AnySettings", bound=Settings)

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process by default; give the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        match chosen.command:
            case "api":
                return _service(API, read(ApiSettings, chosen.config), serve_api)
            case "worker":
                return _service(WORKER, read(WorkerSettings, chosen.config), run_worker)
            case _:
                return apply_migrations(read(MigrateSettings, chosen.config))
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"consumers: {problem}\n")
        return 2


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


def serve_api(settings: ApiSettings, stop: Stop, stack: ExitStack) -> None:
    """Serve the game until *stop*. What must be closed is left on *stack*."""
    metrics = Metrics()
    store = _open_store(settings, API, API_CONNECTIONS, stop, stack)
    client_log = ClientLog("api", metrics)
    publisher = KafkaPublisher(
        make_producer(settings, client_log),
        settings.topic,
        settings.produce_timeout.total_seconds(),
    )
    publisher.start()
    stack.callback(lambda: _flush(publisher, stop))
    ready: dict[str, health.Check] = {
        "kafka": Cached(publisher.ready),
        "database": Cached(store.ready),
    }
    routes = health.routes(metrics.registry, ready=ready)
    server = _serve(game_app(publisher, store, metrics, routes=routes), settings, metrics)
    stack.callback(lambda: _stop_server(server, stop))
    while not stop.event.is_set():
        if client_log.fatal:
            # An idempotent producer that cannot keep its promise refuses everything from here on.
            raise Fatal(f"the producer has failed for good: {client_log.fatal.str()}")
        if why := server.running():
            raise Fatal(why)
        time.sleep(WATCH_SECONDS)


def run_worker(settings: WorkerSettings, stop: Stop, stack: ExitStack) -> None:
    """Settle plays until *stop*. What must be closed is left on *stack*."""
    metrics = Metrics()
    store = _open_store(settings, WORKER, WORKER_CONNECTIONS, stop, stack)
    work = max(settings.shutdown_timeout - AFTERWARDS, settings.shutdown_timeout / 2)
    client_log = ClientLog("consumer", metrics)
    runtime = make_worker(
        settings.model_copy(update={"shutdown_timeout": work}),
        SettlePlay(store, metrics),
        metrics,
        client_log,
    )
    ready: dict[str, health.Check] = {
        "kafka": lambda: runtime.unassigned() or client_log.silent(),
        "database": Cached(store.ready),
    }
    routes = health.routes(metrics.registry, alive=runtime.stuck, ready=ready)
    server = _serve(Starlette(routes=routes), settings, metrics)
    stack.callback(lambda: _stop_server(server, stop))
    runtime.run(stop.event)


def apply_migrations(settings: MigrateSettings) -> int:
    """Apply what is missing; give the exit code."""
    logs.configure(
        MIGRATE, version=VERSION, environment=settings.environment, level=settings.log_level
    )
    try:
        with psycopg.connect(
            settings.database_url.get_secret_value(),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=MIGRATE,
        ) as connection:
            applied = migrate(connection)
    except psycopg.Error as error:
        sys.stderr.write(f"consumers migrate: {' '.join(str(error).split())}\n")
        return 1
    log.info("database_migrated", applied=applied)
    return 0


def read(kind: type[AnySettings], path: Path | None) -> AnySettings:
    """Read the settings of *kind* and check the variables of OpenTelemetry along with them.

    Raises `SettingsError` with every problem.
    """
    problems: list[str] = []
    settings = None
    try:
        settings = load(kind, path)
        conninfo_to_dict(settings.database_url.get_secret_value())
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


def _service(
    name: str,
    settings: AnySettings,
    work: Callable[[AnySettings, Stop, ExitStack], None],
) -> int:
    """Do *work* with logs, traces and signals set up; give the exit code."""
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
    except ConsumersError as error:
        log.error("service_failed", why=str(error))
        return 1
    log.info("service_stopped")
    return 0


def _open_store(
    settings: Settings, name: str, connections: int, stop: Stop, stack: ExitStack
) -> Store:
    store = Store(settings.database_url.get_secret_value(), name, connections=connections)
    store.open()
    stack.callback(lambda: store.close(stop.left()))
    return store


def _serve(app: Starlette, settings: Settings, metrics: Metrics) -> Server:
    served = traced(measured(app, metrics), slow_seconds=settings.slow_request.total_seconds())
    server = Server(served, host=settings.host, port=settings.port)
    log.info("service_started", address=server.start())
    return server


def _stop_server(server: Server, stop: Stop) -> None:
    if not server.stop(stop.left(keep=AFTERWARDS)):
        log.warning("requests_cut")


def _flush(publisher: KafkaPublisher, stop: Stop) -> None:
    if left := publisher.stop(stop.left(keep=AFTERWARDS / 2)):
        log.warning("plays_not_acknowledged", plays=left)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="consumers", description="The game's services.")
    parser.add_argument("--version", action="version", version=f"consumers {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in (
        ("api", "take plays over HTTP and write them to Kafka"),
        ("worker", "settle plays from Kafka into Postgres"),
        ("migrate", "bring the tables in Postgres up to date"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("--config", type=Path, metavar="FILE", help="settings as YAML")
    return parser
