"""``consumers api``: serve the game over HTTP.

Exit codes: 0 after SIGTERM or Ctrl-C; 1 when it could not go on, with one line that says why.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from consumers.assembly import make_producer
from consumers.commands.service import (
    AFTERWARDS,
    VERSION,
    access,
    add_settings,
    make_guard,
    open_store,
    read,
    run_service,
    serve,
    stop_server,
)
from consumers.configuration.fields import UNLIMITED
from consumers.configuration.settings import ApiSettings
from consumers.errors import Fatal
from consumers.game.api import game_app
from consumers.game.bounds import Bounds
from consumers.game.checks import Cached
from consumers.game.limits import PlayerLimit
from consumers.game.publisher import KafkaPublisher
from consumers.kafka.client_log import ClientLog
from consumers.metrics import Metrics
from consumers.serving import health
from consumers.serving.status import Status

if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack

    from starlette.routing import Route

    from consumers.commands.service import Stop
    from consumers.game.store import Store
    from consumers.guard import Guard

NAME = "game-api"
CONNECTIONS = 8  # to Postgres: reads of a millisecond each
WATCH_SECONDS = 0.25  # between two looks at what cannot call us

log = structlog.get_logger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``api`` to *commands*."""
    parser = commands.add_parser("api", help="take plays over HTTP and write them to Kafka")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    return run_service(NAME, read(ApiSettings, chosen.config), serve_api)


def serve_api(settings: ApiSettings, stop: Stop, stack: ExitStack) -> None:
    """Serve the game until *stop*. What must be closed is left on *stack*."""
    metrics = Metrics()
    postgres = make_guard("postgres", settings, metrics)
    store = open_store(settings, NAME, postgres, connections=CONNECTIONS, stop=stop, stack=stack)
    metrics.pool(store.connections)
    client_log = ClientLog("api", metrics)
    publisher = KafkaPublisher(
        make_producer(settings, client_log),
        settings.topic,
        settings.produce_timeout.total_seconds(),
    )
    publisher.start()
    stack.callback(lambda: _flush(publisher, stop))
    app = game_app(
        publisher,
        store,
        metrics,
        routes=_probes(settings, metrics, publisher, store, postgres),
        bounds=Bounds(
            requests=settings.max_requests,
            timeout_seconds=settings.request_timeout.total_seconds(),
        ),
        limit=None if settings.rate_limit == UNLIMITED else PlayerLimit(settings.rate_limit),
    )
    server = serve(app, settings, metrics)
    stack.callback(lambda: stop_server(server, stop))
    while not stop.event.is_set():
        if client_log.fatal:
            # An idempotent producer that cannot keep its promise refuses everything from here on.
            raise Fatal(f"the producer has failed for good: {client_log.fatal.str()}")
        if why := server.running():
            raise Fatal(why)
        time.sleep(WATCH_SECONDS)


def _probes(
    settings: ApiSettings,
    metrics: Metrics,
    publisher: KafkaPublisher,
    store: Store,
    postgres: Guard,
) -> list[Route]:
    database = Cached(store.ready)
    return health.routes(
        metrics.registry,
        ready={
            "kafka": Cached(publisher.ready),
            "database": lambda: database() or postgres.refuses(),
        },
        status=Status(NAME, VERSION, guards=[postgres]),
        access=access(settings),
    )


def _flush(publisher: KafkaPublisher, stop: Stop) -> None:
    if left := publisher.stop(stop.left(keep=AFTERWARDS / 2)):
        log.warning("plays_not_acknowledged", plays=left)
