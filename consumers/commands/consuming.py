"""What every worker does around its handler: a runtime, probes and metrics over HTTP, the stop."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette

from consumers.assembly import make_worker
from consumers.commands.service import AFTERWARDS, VERSION, access, serve, stop_server
from consumers.errors import reaction_to
from consumers.instruments import TAKEN
from consumers.kafka.client_log import ClientLog
from consumers.serving import health
from consumers.serving.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import ExitStack

    from consumers.commands.service import Stop
    from consumers.configuration.common import ConsumerSettings
    from consumers.errors import Reacting
    from consumers.guard import Guard
    from consumers.metrics import Metrics
    from consumers.ports import AnyHandler
    from consumers.runtime.loop import Runtime
    from consumers.serving.access import Access


def consume(
    settings: ConsumerSettings,
    handler: AnyHandler,
    metrics: Metrics,
    *,
    stop: Stop,
    stack: ExitStack,
    ready: Mapping[str, health.Check] | None = None,
    guards: Iterable[Guard] = (),
    batch: bool = False,
    name: str = "",
    ended: Callable[[], None] = lambda: None,
    reaction: Reacting = reaction_to,
) -> None:
    """Call *handler* with the records of the topic until *stop*, as *name* or the group.

    ``/readyz`` asks each of *ready* beside Kafka, ``/status`` shows *guards*; both may grow. The
    server is left on *stack*: it answers probes while the worker stops. *ended* is called after the
    last record. *reaction* decides what an exception leads to.
    """
    work = max(settings.shutdown_timeout - AFTERWARDS, settings.shutdown_timeout / 2)
    client_log = ClientLog("consumer", metrics)
    bounded = settings.model_copy(update={"shutdown_timeout": work})
    runtime = make_worker(bounded, handler, metrics, client_log, batch=batch, reaction=reaction)
    app = _probes(
        runtime,
        metrics,
        ready=_all(lambda: runtime.unassigned() or client_log.silent(), ready or {}),
        status=Status(name or settings.group, VERSION, guards=guards, runtime=runtime.status),
        access=access(settings),
    )
    server = serve(app, settings, metrics)
    stack.callback(lambda: stop_server(server, stop))
    stack.callback(ended)
    runtime.run(stop.event)


def _probes(
    runtime: Runtime,
    metrics: Metrics,
    *,
    ready: Mapping[str, health.Check],
    status: Status,
    access: Access,
) -> Starlette:
    routes = health.routes(
        metrics.registry,
        alive=runtime.stuck,
        started=lambda: _started(runtime),
        ready=ready,
        status=status,
        access=access,
    )
    return Starlette(routes=routes)


def _all(kafka: health.Check, more: Mapping[str, health.Check]) -> Mapping[str, health.Check]:
    # Not copied, for a handler may make its breakers later; the last of a chain comes first.
    return ChainMap(cast("dict[str, health.Check]", more), {TAKEN: kafka})


def _started(runtime: Runtime) -> str | None:
    return None if runtime.status().started else "the loop has not turned yet"
