"""What every worker does around its handler: a runtime, probes and metrics over HTTP, the stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from consumers.assembly import make_worker
from consumers.commands.service import AFTERWARDS, serve, stop_server
from consumers.kafka.client_log import ClientLog
from consumers.serving import health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack

    from consumers.commands.service import Stop
    from consumers.configuration.common import ConsumerSettings
    from consumers.metrics import Metrics
    from consumers.ports import AnyHandler


def consume(
    settings: ConsumerSettings,
    handler: AnyHandler,
    metrics: Metrics,
    *,
    stop: Stop,
    stack: ExitStack,
    ready: Mapping[str, health.Check] | None = None,
    batch: bool = False,
    ended: Callable[[], None] = lambda: None,
) -> None:
    """Call *handler* with the records of the topic until *stop*.

    ``/readyz`` asks each of *ready* beside Kafka. The server is left on *stack*: it answers probes
    while the worker stops. *ended* is called after the last record.
    """
    work = max(settings.shutdown_timeout - AFTERWARDS, settings.shutdown_timeout / 2)
    client_log = ClientLog("consumer", metrics)
    runtime = make_worker(
        settings.model_copy(update={"shutdown_timeout": work}),
        handler,
        metrics,
        client_log,
        batch=batch,
    )
    checks: dict[str, health.Check] = {
        "kafka": lambda: runtime.unassigned() or client_log.silent(),
        **(ready or {}),
    }
    routes = health.routes(metrics.registry, alive=runtime.stuck, ready=checks)
    server = serve(Starlette(routes=routes), settings, metrics)
    stack.callback(lambda: stop_server(server, stop))
    stack.callback(ended)
    runtime.run(stop.event)
