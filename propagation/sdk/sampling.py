"""Samplers: which provably drop or record, and one that records a number of traces a second.

`deciders`, `drops`, `records` and `is_verbatim` are what may be taken for granted about a sampler
without asking it, and nothing is taken for granted about a class that is not the SDK's own: a
subclass may decide as it likes.
`rate_limited` is what ``OTEL_TRACES_SAMPLER=propagation_rate_limited`` gives, through the entry
point ``opentelemetry_traces_sampler``.
"""

from __future__ import annotations

import math
import time
from threading import Lock
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

NAME: Final = "propagation_rate_limited"
DEFAULT_SPANS_PER_SECOND: Final = 10.0

ROOT: Final = 0
REMOTE: Final = 1
LOCAL: Final = 3

_OFF: Final = "AlwaysOffSampler"
_ON: Final = "AlwaysOnSampler"
# ParentBased's delegates by situation. It has no public names for them.
_DELEGATES: Final = (
    "_root",
    "_remote_parent_sampled",
    "_remote_parent_not_sampled",
    "_local_parent_sampled",
    "_local_parent_not_sampled",
)
_ROOTS: Final = (
    "root",
    "remoteParentSampled",
    "remoteParentNotSampled",
    "localParentSampled",
    "localParentNotSampled",
)


def drops(sampler: Sampler) -> bool:
    """Tell whether *sampler* is certain to drop, whatever a span is."""
    return type(sampler) is StaticSampler and sampler.get_description() == _OFF


def records(sampler: Sampler) -> bool:
    """Tell whether *sampler* is certain to record and sample, whatever a span is.

    Then the span has the attributes that were asked with and its parent's trace state.
    """
    return type(sampler) is StaticSampler and sampler.get_description() == _ON


def is_verbatim(sampler: Sampler) -> bool:
    """Tell whether *sampler* is certain to look at no more than the parent and the trace id.

    Then a recorded span has the very attributes that were asked with.
    """
    return type(sampler) in {StaticSampler, TraceIdRatioBased}


def deciders(sampler: Sampler) -> tuple[Sampler, ...]:
    """Give whom to ask in each situation: *sampler*, or what it is certain to ask itself.

    A place for each: `ROOT`, `REMOTE` sampled, `REMOTE` + 1 not sampled, `LOCAL` alike.
    """
    if type(sampler) is not ParentBased:
        return (sampler,) * len(_DELEGATES)
    found = tuple(getattr(sampler, name, sampler) for name in _DELEGATES)
    told = ",".join(
        f"{name}:{one.get_description()}" for name, one in zip(_ROOTS, found, strict=True)
    )
    # The description is public: it vouches for the private names.
    description: str = sampler.get_description()  # type: ignore[no-untyped-call]  # of the SDK
    same = description == f"ParentBased{{{told}}}"
    if not same:
        return (sampler,) * len(_DELEGATES)
    # Somebody else's delegate is asked through ParentBased: that is how it expects to be called.
    return tuple(one if is_verbatim(one) else sampler for one in found)


class RateLimited(Sampler):
    """Record at most *spans_per_second* of what it is asked for; a token bucket.

    Up to one second's worth, and at least one, may come at once. *clock* gives seconds that never
    go back. Made for roots: under `ParentBased`, as `rate_limited` gives it, a trace that was
    begun elsewhere keeps its decision and takes no token. Each process has a bucket of its own.

    Raises:
        ValueError: *spans_per_second* is no number from 0.
    """

    def __init__(
        self, spans_per_second: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 <= spans_per_second < math.inf:
            raise ValueError(f"spans_per_second={spans_per_second!r} must be a number from 0")
        self._rate = spans_per_second
        self._capacity = max(spans_per_second, 1.0) if spans_per_second else 0.0
        self._tokens = self._capacity
        self._clock = clock
        self._filled_at = clock()
        self._lock = Lock()

    def should_sample(  # noqa: PLR0917  # the interface of a sampler
        self,
        parent_context: Context | None,
        trace_id: int,  # noqa: ARG002  # the bucket alone decides
        name: str,  # noqa: ARG002  # as above
        kind: SpanKind | None = None,  # noqa: ARG002  # as above
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002  # as above
        trace_state: TraceState | None = None,  # noqa: ARG002  # the parent's is passed on
    ) -> SamplingResult:
        """Record while there are tokens."""
        parent = trace.get_current_span(parent_context).get_span_context()
        state = parent.trace_state if parent.is_valid else None
        if self._taken():
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)
        return SamplingResult(Decision.DROP, None, state)

    def get_description(self) -> str:
        """Name the sampler and its rate."""
        return f"RateLimited{{{self._rate:g}/s}}"

    def _taken(self) -> bool:
        with self._lock:
            now = self._clock()
            earned = (now - self._filled_at) * self._rate
            self._tokens = min(self._tokens + earned, self._capacity)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def rate_limited(argument: str) -> Sampler:
    """Make the sampler of ``OTEL_TRACES_SAMPLER_ARG=`` *argument*: traces begun here a second.

    Empty means 10. A parent's decision is kept.

    Raises:
        ValueError: *argument* is no number from 0.
    """
    return ParentBased(RateLimited(spans_per_second(argument)))


def spans_per_second(argument: str) -> float:
    """Read the sampler's *argument*. Raises ValueError, with the name of the variable."""
    try:
        rate = float(argument.strip() or DEFAULT_SPANS_PER_SECOND)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise ValueError(
            f"OTEL_TRACES_SAMPLER_ARG={argument!r} is not usable with {NAME}: "
            "allowed is a number of spans per second, from 0"
        )
    return rate
