"""``consumers worker``: settle plays from Kafka with the partner, if there is one, and in Postgres.

Exit codes: 0 after SIGTERM or Ctrl-C; 1 when it could not go on, with one line that says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from consumers.assembly import make_worker
from consumers.commands.service import (
    AFTERWARDS,
    add_settings,
    make_guard,
    open_store,
    read,
    run_service,
    serve,
    stop_server,
)
from consumers.configuration.settings import WorkerSettings
from consumers.game.checks import Cached
from consumers.game.fintech import Fintech
from consumers.game.handler import SettlePlay
from consumers.kafka.client_log import ClientLog
from consumers.metrics import Metrics
from consumers.serving import health

if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack

    from consumers.commands.service import Stop
    from consumers.guard import Guard

NAME = "game-consumer"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``worker`` to *commands*."""
    parser = commands.add_parser("worker", help="settle plays from Kafka into Postgres")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Work until a signal comes."""
    return run_service(NAME, read(WorkerSettings, chosen.config), run_worker)


def run_worker(settings: WorkerSettings, stop: Stop, stack: ExitStack) -> None:
    """Settle plays until *stop*. What must be closed is left on *stack*."""
    metrics = Metrics()
    postgres = make_guard("postgres", settings, metrics)
    # One connection for each record in work, one for /readyz.
    store = open_store(
        settings, NAME, postgres, connections=settings.lanes + 1, stop=stop, stack=stack
    )
    fintech = make_guard("fintech", settings, metrics)
    partner = open_partner(settings, fintech, metrics, stack)
    work = max(settings.shutdown_timeout - AFTERWARDS, settings.shutdown_timeout / 2)
    client_log = ClientLog("consumer", metrics)
    runtime = make_worker(
        settings.model_copy(update={"shutdown_timeout": work}),
        SettlePlay(store, metrics, partner),
        metrics,
        client_log,
    )
    database = Cached(store.ready)
    ready: dict[str, health.Check] = {
        "kafka": lambda: runtime.unassigned() or client_log.silent(),
        "database": lambda: database() or postgres.refuses(),
    }
    if partner:
        ready["fintech"] = fintech.refuses
    routes = health.routes(metrics.registry, alive=runtime.stuck, ready=ready)
    server = serve(Starlette(routes=routes), settings, metrics)
    stack.callback(lambda: stop_server(server, stop))
    runtime.run(stop.event)


def open_partner(
    settings: WorkerSettings, guard: Guard, metrics: Metrics, stack: ExitStack
) -> Fintech | None:
    """Make ready to call the partner, if there is one, behind *guard*; closing is on *stack*."""
    if not settings.fintech_url:
        return None
    timeout_seconds = settings.fintech_timeout.total_seconds()
    return stack.enter_context(
        Fintech(
            settings.fintech_url,
            timeout_seconds=timeout_seconds,
            guard=guard,
            observe=metrics.http_client("fintech"),
        )
    )
