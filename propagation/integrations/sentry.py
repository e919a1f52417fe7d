"""Report errors to Sentry under the trace id that logs and spans have, without secrets.

`configure` calls `sentry_sdk.init` with what a service says of itself and with filters that see
every event last: they put the current span's ids into its trace context and its tags, so that an
event is found by the `x-trace-id` of a response, and mask it as log lines are masked. Hooks of the
caller's own run before them and cannot undo it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from propagation.identity import ENVIRONMENT, SERVICE, VERSION, identity
from propagation.integrations.masking import Masks

try:
    import sentry_sdk
except ImportError as error:
    raise ImportError(
        "propagation.integrations.sentry needs: pip install 'lagmon[sentry]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable

    Hook = Callable[[Any, dict[str, Any]], Any]

HOOKS: Final = ("before_send", "before_send_transaction", "before_send_log", "before_send_metric")
"""The options of sentry_sdk by which all that it sends can be changed, but for streamed spans."""

_STREAMED: Final = "before_send_span"
"""The same for spans of `trace_lifecycle="stream"`; without that it may not be set."""

_DEPTH: Final = 32
"""A variable of a stack's frame lies seven containers deep, and has contents."""

_OF_SENTRY: Final = frozenset(
    {"event_id", "timestamp", "start_timestamp", "platform", "type", "sdk", "modules", "_meta"}
)
"""What Sentry itself writes into an event, and reads."""

_ARGUMENT: Final = re.compile(r"sentry\.message\.parameter\.[0-9]+").fullmatch
"""Tells which attributes of a log record are arguments of its message that have no name."""


def configure(
    service: str,
    *,
    version: str = "",
    environment: str = "",
    masks: Masks | None = None,
    **options: Any,
) -> None:
    """Start reporting, with *options* for `sentry_sdk.init` (`dsn=`; without it SENTRY_DSN holds).

    The release is `service@version`; name, version and environment are what OTEL_SERVICE_NAME and
    OTEL_RESOURCE_ATTRIBUTES make of them. *masks* are those of the logs unless said otherwise.
    """
    known = identity(service, version, environment, os.environ)
    if VERSION in known:
        options.setdefault("release", f"{known[SERVICE]}@{known[VERSION]}")
    if ENVIRONMENT in known:
        options.setdefault("environment", known[ENVIRONMENT])
    tried = options.get("_experiments") or {}
    streams = (options.get("trace_lifecycle") or tried.get("trace_lifecycle")) == "stream"
    for name in (*HOOKS, _STREAMED) if streams else HOOKS:
        hook = options.get(name) or tried.get(name)
        options[name] = _last(hook, masks or Masks(), known[SERVICE])
    sentry_sdk.init(**options)


def _last(hook: Hook | None, masks: Masks, service: str) -> Hook:
    """Give a hook that runs *hook*, if there is one, and then what no event may go without."""

    def run(event: Any, hint: dict[str, Any]) -> Any:
        kept = hook(event, hint) if hook else event
        return None if kept is None else _identified(_masked(kept, masks), service)

    return run


def _masked(event: dict[str, Any], masks: Masks) -> dict[str, Any]:
    masked = {
        key: value if key in _OF_SENTRY else masks.field(key, value, _DEPTH)
        for key, value in event.items()
    }
    # A password alone looks like any word: only the finished message shows what it is.
    if isinstance(entry := masked.get("logentry"), dict):
        entry.pop("params", None)
    if isinstance(told := masked.get("attributes"), dict):
        masked["attributes"] = {k: v for k, v in told.items() if not _ARGUMENT(k)}
    return masked


def _identified(event: dict[str, Any], service: str) -> dict[str, Any]:
    """Add the service, and the ids of the current span; Sentry's own spans keep those they have."""
    context = trace.get_current_span().get_span_context()
    ids: dict[str, str] = {}
    if context.is_valid:
        ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    if "attributes" in event:  # a log record, a metric, a streamed span: none of them has tags
        return event if "is_segment" in event else event | ids
    tags = event["tags"] = {**dict(event.get("tags") or {}), "service": service}
    if ids:
        tags["trace_id"] = ids["trace_id"]
        if event.get("type") != "transaction":
            event["contexts"] = {**(event.get("contexts") or {}), "trace": ids}
    return event
