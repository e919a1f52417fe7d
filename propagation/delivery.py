"""Delivery reports: what librdkafka calls when a message has arrived or failed.

It holds them while messages are in flight. So they are small, and refer to no producer: one that
is dropped can be freed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from propagation.callbacks import run_outside
from propagation.spans import SendSpans

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import KafkaError, Message
    from opentelemetry.trace import Span

    DeliveryCallback = Callable[[KafkaError | None, Message], None]

_ONLY_ERROR: Final = "delivery.report.only.error"


def is_told_errors_alone(settings: dict[str, Any]) -> bool:
    """Tell whether *settings* ask for reports of failures alone."""
    return settings.get(_ONLY_ERROR) is True


def reporting_all(settings: dict[str, Any]) -> dict[str, Any]:
    """Take ``delivery.report.only.error`` out of *settings* where it is on.

    Told to report failures alone, librdkafka says nothing of a success and no span would end: let
    it report all, and keep the successes from the user's callback here.
    """
    if not is_told_errors_alone(settings):
        return settings
    return {name: value for name, value in settings.items() if name != _ONLY_ERROR}


class Ending:
    """A report that ends *span*, then calls the user's *callback*, where no trace is."""

    __slots__ = ("_callback", "_span")

    def __init__(self, span: Span, callback: DeliveryCallback | None) -> None:
        self._span = span
        self._callback = callback

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        """Be called by librdkafka."""
        try:
            SendSpans.end_delivered(self._span, error, message)
        finally:  # a span processor that fails must not cost the user the report
            if self._callback is not None:
                run_outside(self._callback, error, message)


def errors_alone(callback: DeliveryCallback) -> DeliveryCallback:
    """Give a report that calls the user's *callback* of a failure alone."""
    return partial(_tell_error, callback)


def _tell_error(callback: DeliveryCallback, error: KafkaError | None, message: Message) -> None:
    if error is not None:
        callback(error, message)
