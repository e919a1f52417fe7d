"""The light span: the SDK's span in all that it does, at a fraction of what it costs to make.

`Recorder` stands for one tracer of the SDK. It starts spans as that tracer's ``start_span`` would:
the sampler is asked exactly once, the tracer's own span processors hear of each span, its resource,
limits and ids are used. What it leaves out is work whose result is known: cleaning attributes that
this package wrote itself, containers for events that never come, a copy at the end. The moment
anybody else sets an attribute, adds an event or a link, the SDK's own containers take over.

`LightSpan` derives from the SDK's span, so that it inherits every rule it does not make cheaper.
"""

from __future__ import annotations

import logging
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from propagation.recorders import Dropped, as_links
from propagation.sdk.sampling import LOCAL, REMOTE, ROOT, deciders, drops, is_verbatim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.util.types import AnyValue, AttributeValue

    from propagation.recorders import Linked

ATTRIBUTES: Final = 32  # more than this package ever writes on one span

# What `Recorder` reads of a tracer. A tracer without one of them is left to its own start_span.
_NEEDED: Final = (
    "sampler",
    "span_processor",
    "resource",
    "id_generator",
    "instrumentation_info",
    "_instrumentation_scope",
    "_span_limits",
    "_tracer_config",
    "_tracer_metrics",
)
_FLAGS: Final = tuple(TraceFlags(bits) for bits in range(4))
_RANDOM: Final = TraceFlags.RANDOM_TRACE_ID
_SAMPLED: Final = TraceFlags.SAMPLED
_DROP: Final = Decision.DROP
_SAMPLE: Final = Decision.RECORD_AND_SAMPLE
_UNSET: Final = Status(StatusCode.UNSET)

_NO_ATTRIBUTES: Final = BoundedAttributes()  # of a link that has none; nobody can change it

_new: Final = object.__new__
_log: Final = logging.getLogger(__name__)


def is_plain(tracer: trace.Tracer) -> TypeGuard[sdk.Tracer]:
    """Tell whether *tracer* is the SDK's very own, of a version whose parts are where expected.

    A tracer that counts its spans in the SDK's internal metrics is left to do so.
    """
    return (
        type(tracer) is sdk.Tracer
        and all(hasattr(tracer, name) for name in _NEEDED)
        and type(tracer._tracer_metrics).__name__ == "NoOpTracerMetrics"  # noqa: SLF001  # see _NEEDED
    )


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
        "_recorder",
        "_start_time",
        "_status",
    )

    _recorder: Recorder
    # What ReadableSpan and the SDK's span read as their own is the tracer's here.
    _record_exception = True
    _set_status_on_exception = True
    _resource = property(lambda self: self._recorder.tracer.resource)
    _sampler = property(lambda self: self._recorder.tracer.sampler)
    _span_processor = property(lambda self: self._recorder.tracer.span_processor)
    _instrumentation_info = property(lambda self: self._recorder.tracer.instrumentation_info)
    _instrumentation_scope = property(lambda self: self._recorder.scope)
    _limits = property(lambda self: self._recorder.limits)

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
        self._recorder = recorder
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
            linked = self._recorder.links(linked)
            if self._end_time is not None:
                self._linked = linked
        return linked

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
                self._attributes = self._recorder.bounded(self._attributes)

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
        processor = self._recorder.tracer.span_processor
        processor._on_ending(self)  # noqa: SLF001  # as the SDK's span does
        processor.on_end(self)


class Recorder:
    """Starts the spans of *tracer*, for which `is_plain` must hold."""

    __slots__ = (
        "_deciders", "_drops", "_roomy", "_sampler", "_verbatim", "limits", "scope", "tracer",
    )  # fmt: skip

    def __init__(self, tracer: sdk.Tracer) -> None:
        self.tracer = tracer
        self.limits = limits = tracer._span_limits  # noqa: SLF001  # see _NEEDED
        self.scope = tracer._instrumentation_scope  # noqa: SLF001  # see _NEEDED
        self._roomy = limits.max_span_attribute_length is None and (
            limits.max_span_attributes is None or limits.max_span_attributes >= ATTRIBUTES
        )
        self._learn(tracer.sampler)

    def _learn(self, sampler: Sampler) -> None:
        self._deciders = deciders(sampler)
        self._drops = tuple(map(drops, self._deciders))
        self._verbatim = tuple(map(is_verbatim, self._deciders))
        self._sampler = sampler

    def dropped(self, parent: SpanContext) -> NonRecordingSpan | None:
        """Give the span where it is certain, without asking, that *parent*'s child is dropped.

        *parent* may be invalid: a root then. The span is not recorded, and not sampled.
        """
        tracer = self.tracer
        if tracer.sampler is not self._sampler:
            self._learn(tracer.sampler)  # somebody has replaced it
        if not tracer._tracer_config.is_enabled:  # noqa: SLF001  # see _NEEDED
            return NonRecordingSpan(parent)
        ids = tracer.id_generator
        if not parent.is_valid:
            if not self._drops[ROOT]:
                return None
            random = _RANDOM if ids.is_trace_id_random() else 0
            return Dropped(ids.generate_trace_id(), ids.generate_span_id(), random, None)
        flags = parent.trace_flags
        if not self._drops[(REMOTE if parent.is_remote else LOCAL) + (not flags & _SAMPLED)]:
            return None
        state = parent.trace_state
        return Dropped(parent.trace_id, ids.generate_span_id(), flags & _RANDOM, state)

    def start(  # noqa: PLR0917  # once per message: names cost
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, AttributeValue],
        linked: Linked,
        context: Context | None,
        parent: SpanContext,
        start_ns: int | None = None,
    ) -> trace.Span:
        """Start a span as ``start_span`` does, where `dropped` gave nothing; see the protocol."""
        tracer = self.tracer
        ids = tracer.id_generator
        if parent.is_valid:
            trace_id, flags = parent.trace_id, parent.trace_flags
            situation = (REMOTE if parent.is_remote else LOCAL) + (not flags & _SAMPLED)
            bits = flags & _RANDOM
        else:
            trace_id, situation = ids.generate_trace_id(), ROOT
            bits = _RANDOM if ids.is_trace_id_random() else 0
        verbatim = self._verbatim[situation]
        ask = self._deciders[situation].should_sample
        links = () if verbatim else as_links(linked)
        result = ask(context, trace_id, name, kind, attributes, links)
        if result.decision is _SAMPLE:
            bits |= _SAMPLED
        state = result.trace_state
        own = SpanContext(trace_id, ids.generate_span_id(), False, _FLAGS[bits], state)
        if result.decision is _DROP:
            return NonRecordingSpan(own)
        span: LightSpan = _new(LightSpan)
        given = attributes if verbatim and self._roomy else self.bounded(result.attributes)
        span.begin(self, name, kind, own, parent if situation else None, given, linked, start_ns)
        tracer.span_processor.on_start(span, parent_context=context)
        return span

    def bounded(self, attributes: Any) -> BoundedAttributes:
        """Give *attributes* in the SDK's own container, within the limits."""
        limits = self.limits
        return BoundedAttributes(
            limits.max_span_attributes,
            attributes,
            immutable=False,
            max_value_len=limits.max_span_attribute_length,
        )

    def links(self, linked: Linked) -> BoundedList[Link]:
        """Give links to *linked*, all of them valid, in the SDK's own container."""
        limits = self.limits
        links = as_links(linked)
        for link in links:
            link._attributes = (  # noqa: SLF001  # as the SDK's span does
                BoundedAttributes(
                    limits.max_link_attributes,
                    link.attributes,
                    max_value_len=limits.max_attribute_length,
                )
                if link.attributes
                else _NO_ATTRIBUTES
            )
        return BoundedList.from_seq(limits.max_links, links)
