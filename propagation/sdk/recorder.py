"""Start light spans as a tracer of the SDK starts its own.

`Recorder` stands for one tracer of the SDK. It starts spans as that tracer's ``start_span`` would:
the sampler is asked exactly once, or not at all where its answer is certain; the tracer's own span
processors hear of each span; its resource, limits and ids are used. `is_plain` tells which tracers
that can be said of.
"""

from __future__ import annotations

from functools import partial
from random import getrandbits
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import DEFAULT_TRACE_STATE, NonRecordingSpan, SpanContext, TraceFlags

from propagation.contexts import holding, known_context
from propagation.recorders import Dropped, as_links
from propagation.sdk.hearing import Heard
from propagation.sdk.sampling import LOCAL, REMOTE, ROOT, deciders, drops, is_verbatim, records
from propagation.sdk.span import LightSpan

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.util.types import AttributeValue

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

_NO_ATTRIBUTES: Final = BoundedAttributes()  # of a link that has none; nobody can change it

_new: Final = object.__new__


def is_plain(tracer: trace.Tracer) -> TypeGuard[sdk.Tracer]:
    """Tell whether *tracer* is the SDK's very own, of a version whose parts are where expected.

    A tracer that counts its spans in the SDK's internal metrics is left to do so.
    """
    return (
        type(tracer) is sdk.Tracer
        and all(hasattr(tracer, name) for name in _NEEDED)
        and type(tracer._tracer_metrics).__name__ == "NoOpTracerMetrics"  # noqa: SLF001  # see _NEEDED
    )


class Recorder:
    """Starts the spans of *tracer*, for which `is_plain` must hold."""

    __slots__ = (
        "_deciders", "_drops", "_ids", "_new_context", "_new_span_id", "_new_trace_id", "_random",
        "_records", "_roomy", "_sampler", "_verbatim", "heard", "limits", "scope", "tracer",
    )  # fmt: skip

    def __init__(self, tracer: sdk.Tracer) -> None:
        self.tracer = tracer
        self.limits = limits = tracer._span_limits  # noqa: SLF001  # see _NEEDED
        self.scope = tracer._instrumentation_scope  # noqa: SLF001  # see _NEEDED
        self._roomy = limits.max_span_attribute_length is None and (
            limits.max_span_attributes is None or limits.max_span_attributes >= ATTRIBUTES
        )
        self.heard = Heard(tracer.span_processor)
        self._learn()

    def _learn(self) -> None:
        """Learn what the tracer samples and makes ids with: somebody may replace either."""
        sampler, ids = self.tracer.sampler, self.tracer.id_generator
        self._deciders = deciders(sampler)
        self._drops = tuple(map(drops, self._deciders))
        self._records = tuple(map(records, self._deciders))
        self._verbatim = tuple(map(is_verbatim, self._deciders))
        # The SDK's own draws again where it draws a zero: once in 2 ** 64, which nobody awaits
        # here. Somebody else's may give ids that are not valid.
        own = type(ids) is RandomIdGenerator
        self._new_trace_id = partial(getrandbits, 128) if own else ids.generate_trace_id
        self._new_span_id = partial(getrandbits, 64) if own else ids.generate_span_id
        self._new_context = known_context if own else SpanContext
        self._random = int(_RANDOM) if ids.is_trace_id_random() else 0
        self._sampler, self._ids = sampler, ids

    def dropped(self, parent: SpanContext) -> NonRecordingSpan | None:
        """Give the span where it is certain, without asking, that *parent*'s child is dropped.

        *parent* may be invalid: a root then. The span is not recorded, and not sampled.
        """
        tracer = self.tracer
        if tracer.sampler is not self._sampler or tracer.id_generator is not self._ids:
            self._learn()
        if not tracer._tracer_config.is_enabled:  # noqa: SLF001  # see _NEEDED
            return NonRecordingSpan(parent)
        trace_id, _, is_remote, flags, state, is_valid = parent
        if not is_valid:
            if not self._drops[ROOT]:
                return None
            return Dropped(self._new_trace_id(), self._new_span_id(), self._random, None)
        if not self._drops[(REMOTE if is_remote else LOCAL) + (not flags & _SAMPLED)]:
            return None
        return Dropped(trace_id, self._new_span_id(), flags & _RANDOM, state)

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
        trace_id, _, is_remote, flags, state, is_valid = parent
        if is_valid:
            situation = (REMOTE if is_remote else LOCAL) + (not flags & _SAMPLED)
            bits = flags & _RANDOM
        else:
            trace_id, situation = self._new_trace_id(), ROOT
            bits, state = self._random, DEFAULT_TRACE_STATE
        verbatim, decision = self._verbatim[situation], _SAMPLE
        given: Any = attributes
        if not self._records[situation]:
            context = holding(parent, context)
            ask = self._deciders[situation].should_sample
            links = () if verbatim else as_links(linked)
            result = ask(context, trace_id, name, kind, attributes, links)
            decision, state = result.decision, result.trace_state or DEFAULT_TRACE_STATE
            given = attributes if verbatim else result.attributes  # a read-only view of them
        if decision is _SAMPLE:
            bits |= _SAMPLED
        own = self._new_context(trace_id, self._new_span_id(), False, _FLAGS[bits], state)
        if decision is _DROP:
            return NonRecordingSpan(own)
        given = given if verbatim and self._roomy else self.bounded(given)
        span: LightSpan = _new(LightSpan)
        span.begin(self, name, kind, own, parent if is_valid else None, given, linked, start_ns)
        for processor in self.heard.at_start():
            processor.on_start(span, parent_context=holding(parent, context))
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
