"""``consumers run MODULE:NAME``: hand the records of a topic to a handler of one's own.

The name of the service, in its logs and spans, is that of the consumer group.

Exit codes: 0 after SIGTERM or Ctrl-C; 1 when it could not go on, with one line that says why; 2
also when there is no such handler, or no such class among ``unavailable``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers import handlers
from consumers.classes import exceptions
from consumers.commands.consuming import consume
from consumers.commands.service import AFTERWARDS, add_settings, read, run_service
from consumers.configuration.settings import RunSettings
from consumers.errors import reactions
from consumers.instruments import here
from consumers.lifetimes import AwaitedLifetime, CalledLifetime
from consumers.runtime.kinds import is_async

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from contextlib import ExitStack

    from consumers.commands.service import Stop
    from consumers.errors import Reacting
    from consumers.ports import AnyHandler


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``run`` to *commands*."""
    parser = commands.add_parser("run", help="hand the records of a topic to a handler of your own")
    parser.add_argument("handler", metavar="MODULE:NAME", help="such as handler:handle")
    parser.add_argument("--batch", action="store_true", help="it takes several records at once")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Work until a signal comes."""
    settings = read(RunSettings, chosen.config)

    def work(settings: RunSettings, stop: Stop, stack: ExitStack) -> None:
        # Imported when logs and traces are set up: the module may use both at once.
        found = handlers.find(chosen.handler, batch=chosen.batch)
        unavailable = exceptions("unavailable", settings.unavailable)
        run_handler(found, settings, stop, stack, reactions(unavailable))

    return run_service(settings.group, settings, work)


def run_handler(
    found: handlers.Found, settings: RunSettings, stop: Stop, stack: ExitStack, reaction: Reacting
) -> None:
    """Call *found* with records until *stop*; *reaction* decides what an exception leads to.

    It shares `consumers.instruments.here` with its handler. What must be closed is left on *stack*.
    """
    shared = here()
    shared.reaction = reaction

    def work(handler: AnyHandler, ended: Callable[[], None]) -> None:
        consume(
            settings,
            handler,
            shared.metrics,
            stop=stop,
            stack=stack,
            ready=shared.checks,
            guards=shared.guards.values(),
            batch=found.batch,
            ended=ended,
            reaction=reaction,
        )

    def left() -> float:
        return stop.left(keep=AFTERWARDS / 2)

    if is_async(found.call):
        awaited = AwaitedLifetime(found)
        work(awaited, lambda: awaited.wait(left()))
    else:
        called = CalledLifetime(found)
        called.open()
        work(found.call, lambda: called.close(left()))
