"""``consumers fintech``: stand in for the partner that settles money. For tests and rehearsals.

Exit codes: 0 after SIGTERM or Ctrl-C; 1 when it could not go on, with one line that says why.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from consumers.commands.service import access, add_settings, read, run_service, serve, stop_server
from consumers.configuration.settings import FintechSettings
from consumers.errors import Fatal
from consumers.fintech.app import fintech_app
from consumers.fintech.ledger import Ledger
from consumers.metrics import Metrics
from consumers.serving import health

if TYPE_CHECKING:
    import argparse
    from contextlib import ExitStack

    from consumers.commands.service import Stop

NAME = "fintech"
WATCH_SECONDS = 0.25  # between two looks at what cannot call us


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``fintech`` to *commands*."""
    parser = commands.add_parser("fintech", help="stand in for the partner that settles money")
    add_settings(parser)
    parser.add_argument("--port", type=int, metavar="PORT", help="listen here; 0 for any free one")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    settings = read(FintechSettings, chosen.config)
    if chosen.port is not None:
        settings = settings.model_copy(update={"port": chosen.port})
    return run_service(NAME, settings, serve_fintech)


def serve_fintech(settings: FintechSettings, stop: Stop, stack: ExitStack) -> None:
    """Serve the stand-in until *stop*. What must be closed is left on *stack*."""
    metrics = Metrics()
    try:
        ledger = stack.enter_context(Ledger(settings.fintech_ledger))
    except (OSError, ValueError, TypeError) as error:
        raise Fatal(f"the ledger {settings.fintech_ledger} cannot be read: {error}") from error
    app = fintech_app(
        ledger, routes=health.routes(metrics.registry, ready={}, access=access(settings))
    )
    server = serve(app, settings, metrics)
    stack.callback(lambda: stop_server(server, stop))
    while not stop.event.is_set():
        if why := server.running():
            raise Fatal(why)
        time.sleep(WATCH_SECONDS)
