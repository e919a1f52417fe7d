"""Span processors are told of all that they listen to, and those that do nothing are spared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
)
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)

from propagation.sdk.hearing import Heard

if TYPE_CHECKING:
    from opentelemetry.context import Context


class Starting(SpanProcessor):
    """Listens to starts alone."""

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Do something."""


class Ending(SpanProcessor):
    """Listens to what is about to end."""

    def _on_ending(self, span: Any) -> None:
        """Do something."""


def several(*processors: SpanProcessor) -> SynchronousMultiSpanProcessor:
    """Give what a provider of the SDK keeps its *processors* in."""
    made = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]  # of the SDK
    for processor in processors:
        made.add_span_processor(processor)
    return made


@pytest.mark.parametrize("kind", [SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor])
@pytest.mark.parametrize("method", ["on_start", "_on_ending"])
def test_what_is_spared_does_nothing(kind: Any, method: str) -> None:
    """The methods of the SDK that are never called touch neither the processor nor the span."""
    assert getattr(kind, method)(None, None) is None


def test_who_listens_is_told() -> None:
    """A processor with a method of its own is asked there, and every one is told of the end."""
    starting, ending = Starting(), Ending()
    simple = SimpleSpanProcessor(ConsoleSpanExporter())

    heard = Heard(several(starting, simple, ending))

    assert heard.at_start() == (starting,)
    assert heard.before_end() == (ending,)
    assert heard.at_end() == (starting, simple, ending)


def test_who_comes_later_is_told() -> None:
    """A processor that is added after the first span is found."""
    processors = several()
    heard = Heard(processors)
    nobody = (heard.at_start(), heard.before_end())

    processors.add_span_processor(starting := Starting())
    processors.add_span_processor(ending := Ending())

    assert nobody == ((), ())
    assert heard.at_start() == (starting,)
    assert heard.before_end() == (ending,)


def test_a_method_put_on_one_object_counts() -> None:
    """A processor that was given a method of its own, as tests do, is asked there."""
    processor: Any = SpanProcessor()
    processor.on_start = Starting().on_start

    assert Heard(several(processor)).at_start() == (processor,)


def test_another_kind_of_list_is_left_to_tell_its_own() -> None:
    """A provider's concurrent list is told of everything itself."""
    processors = ConcurrentMultiSpanProcessor()

    heard = Heard(processors)

    assert heard.at_start() == heard.before_end() == heard.at_end() == (processors,)
    processors.shutdown()
