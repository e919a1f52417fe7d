"""``consumers load``: play at a steady rate against the API. For rehearsals and demonstrations.

Exit codes: 0 when the duration is over, or after SIGTERM or Ctrl-C; 1 when it could not go on, with
one line that says why. What the API answers changes neither: it is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import httpx
import structlog
from starlette.applications import Starlette

from consumers.commands.service import access, add_settings, read, run_service, serve, stop_server
from consumers.configuration.fields import parse_duration, web_address
from consumers.configuration.settings import LoadSettings
from consumers.game.load import Load, Plan, sender
from consumers.metrics import Metrics
from consumers.serving import health

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from consumers.commands.service import Stop

NAME = "load"
TELL_SECONDS = 10.0  # between two lines that tell the counts
ANSWER_SECONDS = 5.0  # that a request has; a stop waits for it
MAX_RATE, MAX_MANY = 10_000, 100_000

log = structlog.get_logger(__name__)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``load`` to *commands*."""
    parser = commands.add_parser("load", help="play at a steady rate against the API")
    add_settings(parser)
    parser.add_argument("--url", type=_address, required=True, help="the API: http://HOST:PORT")
    parser.add_argument(
        "--rate", type=_rate, default=5.0, metavar="N", help="plays a second (default: 5)"
    )
    parser.add_argument(
        "--duration",
        type=_seconds,
        default=math.inf,
        metavar="TIME",
        help="such as 30s or 10m; without it until it is stopped",
    )
    parser.add_argument(
        "--players", type=_many, default=50, metavar="N", help="who play in turn (default: 50)"
    )
    parser.add_argument(
        "--in-flight",
        type=_many,
        default=50,
        metavar="N",
        help="requests open at once; one more is skipped (default: 50)",
    )
    parser.add_argument(
        "--port", type=int, metavar="PORT", help="for its own metrics; 0 for any free one"
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Play until the end of the plan or a signal."""
    plan = Plan(chosen.rate, chosen.players, chosen.in_flight, chosen.duration)
    settings = read(LoadSettings, chosen.config)
    if chosen.port is not None:
        settings = settings.model_copy(update={"port": chosen.port})
    return run_service(NAME, settings, partial(play, plan, chosen.url))


def play(plan: Plan, url: str, settings: LoadSettings, stop: Stop, stack: ExitStack) -> None:
    """Play by *plan* against *url* until its end or *stop*. What must be closed is on *stack*."""
    metrics = Metrics()
    app = Starlette(routes=health.routes(metrics.registry, ready={}, access=access(settings)))
    server = serve(app, settings, metrics)
    stack.callback(lambda: stop_server(server, stop))
    asyncio.run(_play(plan, url, metrics, stop))


async def _play(plan: Plan, url: str, metrics: Metrics, stop: Stop) -> None:
    clock = time.monotonic
    limits = httpx.Limits(max_connections=plan.in_flight)
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits) as client:
        send = sender(client, url, plan.players, metrics.http_client("game-api"), clock)
        load = Load(
            plan, send, clock=clock, count=lambda result: metrics.load_plays.labels(result).inc()
        )
        await load.run(stop.event.is_set, _telling(load, clock))
    log.info("load_ended", **load.counts)


def _telling(load: Load, clock: Callable[[], float]) -> Callable[[], None]:
    told = clock()

    def look() -> None:
        nonlocal told
        if (now := clock()) - told >= TELL_SECONDS:
            told = now
            log.info("load_counted", **load.counts)

    return look


def _address(text: str) -> str:
    try:
        return web_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    assert isinstance(duration, timedelta)
    return duration.total_seconds()


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= MAX_RATE:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {MAX_RATE}")
    return rate


def _many(text: str) -> int:
    number = int(text)
    if not 0 < number <= MAX_MANY:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MAX_MANY}")
    return number
