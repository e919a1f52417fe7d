"""``consumers worker``: settle plays from Kafka with the partner, if there is one, and in Postgres.

Exit codes: 0 after SIGTERM or Ctrl-C; 1 when it could not go on, with one line that says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.commands.consuming import consume
from consumers.commands.service import add_settings, make_guard, open_store, read, run_service
from consumers.configuration.settings import WorkerSettings
from consumers.game.checks import Cached
from consumers.game.fintech import Fintech
from consumers.game.handler import SettlePlay
from consumers.metrics import Metrics

if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack

    from consumers.commands.service import Stop
    from consumers.guard import Guard
    from consumers.serving import health

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
    metrics.pool(store.connections)
    fintech = make_guard("fintech", settings, metrics) if settings.fintech_url else None
    partner = open_partner(settings, fintech, metrics, stack)
    database = Cached(store.ready)
    ready: dict[str, health.Check] = {"database": lambda: database() or postgres.refuses()}
    guards = [postgres]
    if fintech:
        ready["fintech"] = fintech.refuses
        guards.append(fintech)
    consume(
        settings,
        SettlePlay(store, metrics, partner),
        metrics,
        stop=stop,
        stack=stack,
        ready=ready,
        guards=guards,
        name=NAME,
    )


def open_partner(
    settings: WorkerSettings, guard: Guard | None, metrics: Metrics, stack: ExitStack
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
