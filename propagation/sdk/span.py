"""The light span: the SDK's span in all that it does, at a fraction of what it costs to make.

What it leaves out is work whose result is known: cleaning attributes that this package wrote
itself, containers for events that never come, a copy at the end. The moment anybody else sets an
attribute, adds an event or a link, the SDK's own containers take over. It derives from the SDK's
span, so that it inherits every rule it does not make cheaper.
"""

from __future__ import annotations

import logging
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Link, SpanContext, SpanKind
    from opentelemetry.util.types import AnyValue, AttributeValue

    from propagation.recorders import Linked
    from propagation.sdk.recorder import Recorder

_UNSET: Final = Status(StatusCode.UNSET)

_log: Final = logging.getLogger(__name__)


class LightSpan(sdk.Span):
    """A recording span of a `Recorder`; only `Recorder.start` makes one."""

    __slots__ = (
        "_attributes",
        "_context",
        "_end_time",
        "_events",
        "_kind",
        "_linked",
        "_lock",
        "_name",
        "_parent",
        "_start_time",
        "_status",
        "recorder",
    )

    recorder: Recorder
    # What ReadableSpan and the SDK's span read as their own is the tracer's here.
    _record_exception = True
    _set_status_on_exception = True
    _resource = property(lambda self: self.recorder.tracer.resource)
    _sampler = property(lambda self: self.recorder.tracer.sampler)
    _span_processor = property(lambda self: self.recorder.tracer.span_processor)
    _instrumentation_info = property(lambda self: self.recorder.tracer.instrumentation_info)
    _instrumentation_scope = property(lambda self: self.recorder.scope)
    _limits = property(lambda self: self.recorder.limits)

    def begin(  # noqa: PLR0917  # once per message: names cost
        self,
        recorder: Recorder,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Any,
        linked: Linked,
        start_ns: int | None,
    ) -> None:
        """Take the place of ``__init__``, whose arguments and containers cost most of a span."""
        self.recorder = recorder
        self._name = name
        self._kind = kind
        self._context = context
        self._parent = parent
        self._attributes = attributes
        self._events: Any = ()
        self._linked: Any = linked
        self._status = _UNSET
        self._end_time = None
        self._lock = Lock()
        self._start_time = time_ns() if start_ns is None else start_ns

    @property
    def _links(self) -> Any:  # type: ignore[override]  # nobody but `_add_link` writes it
        # Made for whoever asks, an exporter most often; kept once no other thread can add one.
        linked = self._linked
        if type(linked) is not BoundedList:
            linked = self.recorder.links(linked)
            if self._end_time is not None:
                self._linked = linked
        return linked

    def raw(self) -> tuple[Any, ...] | None:
        """Give what an exporter writes of an ended span that nobody but this package wrote to.

        That is context, parent, name, kind, start and end, attributes, and what is linked: no
        events, an unset status, nothing dropped. None: ask the SDK's properties.
        """
        linked, limit = self._linked, self.recorder.limits.max_links
        if (
            type(self._attributes) is not dict
            or type(self._events) is not tuple
            or self._status is not _UNSET
            or type(linked) is BoundedList
            or (limit is not None and len(linked) > limit)
        ):
            return None
        return (
            self._context, self._parent, self._name, self._kind,
            self._start_time, self._end_time, self._attributes, linked,
        )  # fmt: skip

    def set_attribute(self, key: str, value: AnyValue) -> None:
        """Set one attribute, cleaned and counted as the SDK does."""
        self._bound_attributes()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Set several attributes, cleaned and counted as the SDK does."""
        self._bound_attributes()
        super().set_attributes(attributes)

    def _add_event(self, event: sdk.EventBase) -> None:
        with self._lock:
            if self._end_time is None and type(self._events) is tuple:
                self._events = BoundedList(self._limits.max_events)
        super()._add_event(event)

    def _add_link(self, link: Link) -> None:
        with self._lock:
            if self._end_time is None:
                self._linked = self._links
        super()._add_link(link)

    def _bound_attributes(self) -> None:
        with self._lock:
            if type(self._attributes) is dict and self._end_time is None:
                self._attributes = self.recorder.bounded(self._attributes)

    def end(self, end_time: int | None = None) -> None:
        """End the span and hand it to the span processors."""
        self.end_with({}, end_time)

    def end_with(
        self, attributes: Mapping[str, AttributeValue], end_time: int | None = None
    ) -> None:
        """End the span with last *attributes*, which must need no cleaning."""
        with self._lock:
            if self._end_time is not None:
                _log.warning("Calling end() on an ended span.")
                return
            mine: Any = self._attributes
            if attributes:
                mine.update(attributes)
            self._end_time = time_ns() if end_time is None else end_time
            if type(mine) is not dict:
                mine._immutable = True  # noqa: SLF001  # as the SDK's span does
        heard = self.recorder.heard
        for processor in heard.before_end():
            processor._on_ending(self)  # noqa: SLF001  # as the SDK's span does
        for processor in heard.at_end():
            processor.on_end(self)
