"""Which span processors hear of what: those that do nothing at a span's start are not told of it.

The SDK tells each of its processors of each span three times, and most of them care for the last
alone. `Heard` keeps who has to be told; processors that are added later are found at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Sequence

# Methods of the SDK that do nothing, by name.
_DEAF: Final = {
    name: tuple(
        kind.__dict__[name]
        for kind in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
        if name in kind.__dict__
    )
    for name in ("on_start", "_on_ending")
}


class Heard:
    """The processors behind *processor*, which is a tracer's."""

    __slots__ = ("_all", "_at_start", "_before_end", "_several")

    def __init__(self, processor: SpanProcessor) -> None:
        # Any other kind may have reasons of its own to be asked.
        several = type(processor) is SynchronousMultiSpanProcessor
        several = several and type(getattr(processor, "_span_processors", None)) is tuple
        self._several: Any = processor if several else _One(processor)
        self._all: Sequence[Any] = ()
        self._at_start: Sequence[Any] = ()
        self._before_end: Sequence[Any] = ()

    def at_start(self) -> Sequence[Any]:
        """Give those whose ``on_start`` does something."""
        if self._several._span_processors is not self._all:  # noqa: SLF001  # replaced when one is added
            self._learn()
        return self._at_start

    def before_end(self) -> Sequence[Any]:
        """Give those whose ``_on_ending`` does something."""
        if self._several._span_processors is not self._all:  # noqa: SLF001  # as above
            self._learn()
        return self._before_end

    def at_end(self) -> Sequence[Any]:
        """Give them all."""
        found: Sequence[Any] = self._several._span_processors  # noqa: SLF001  # as above
        return found

    def _learn(self) -> None:
        found = self._several._span_processors  # noqa: SLF001  # as above
        self._at_start = tuple(one for one in found if _does(one, "on_start"))
        self._before_end = tuple(one for one in found if _does(one, "_on_ending"))
        self._all = found


class _One:
    """A processor that is no list of them, as such a list."""

    __slots__ = ("_span_processors",)

    def __init__(self, processor: SpanProcessor) -> None:
        self._span_processors = (processor,)


def _does(processor: object, method: str) -> bool:
    """Tell whether *processor*'s *method* is any but the SDK's, which does nothing."""
    return (
        method in getattr(processor, "__dict__", ())
        or getattr(type(processor), method, None) not in _DEAF[method]
    )
