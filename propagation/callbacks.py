"""Callbacks that librdkafka runs inside poll, consume, flush and close: no trace is current there.

A rebalance, an error, statistics, a log line, a delivery report: each tells of the connection, the
group or some earlier message, never of what its caller happens to be at work on. Polled inside a
processing scope or a request, it would write that trace id into its log lines all the same. So a
callback runs in an empty OpenTelemetry context (no span, no baggage), and what was current comes
back after it. It gets the same arguments, and what it returns or raises passes unchanged.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context

from propagation.contexts import attach, get_current

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# The settings that name a callback. The client library refuses any but a callable; so it still
# gets to see what is none.
_CALLBACKS: Final = ("error_cb", "throttle_cb", "stats_cb", "on_commit", "oauth_cb", "on_delivery")
_COROUTINES: Final = frozenset(("error_cb", "throttle_cb", "stats_cb", "on_commit"))
_LOGGER: Final = "logger"

NOWHERE: Final = Context()


class _OutsideLogger:
    """What the client library asks of a logger: one method."""

    __slots__ = ("_logger",)

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def log(self, *args: Any, **kwargs: Any) -> None:
        run_outside(self._logger.log, *args, **kwargs)


def run_outside(callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call *callback* with *args* where no trace is current; give what it gives."""
    here = get_current()
    if not here:
        return callback(*args, **kwargs)
    attach(NOWHERE)
    try:
        return callback(*args, **kwargs)
    finally:
        attach(here)


def outside(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Give a callback that runs *callback* where no trace is current."""
    return partial(run_outside, callback)


def outside_async(callback: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Do as `outside` for a coroutine function. It must be run as a task of its own."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        attach(NOWHERE)  # a task has its own copy of the context: nothing to put back
        return await callback(*args, **kwargs)

    return run


def outside_all(settings: dict[str, Any], *, asynchronous: bool = False) -> dict[str, Any]:
    """Copy *settings* with every callback among them, and the logger, run where no trace is.

    *asynchronous*: they are an AIO client's, which takes coroutine functions for most of them.
    """
    own = dict(settings)
    for name in _CALLBACKS:
        if callable(own.get(name)):
            takes_coroutine = asynchronous and name in _COROUTINES
            own[name] = (outside_async if takes_coroutine else outside)(own[name])
    if own.get(_LOGGER) is not None:
        own[_LOGGER] = _OutsideLogger(own[_LOGGER])
    return own
