"""Ask the service's own sampler about a stranger's trace as if the trace began here.

The SDK's samplers believe a remote parent: `ParentBased` its flag, the ratio its trace id, others
its tracestate. `install` puts `LocalRoot` before the sampler of one tracer. For a span that is
started in a context marked by `marked` it hides the parent from the sampler; any other span passes
through unchanged. The sampler is asked once in either case. Needs the SDK, and is imported only
where the tracer is the SDK's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import create_key, get_value, set_value
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import INVALID_SPAN

from propagation.w3c import TRACESTATE_MAX_MEMBERS, WideTraceState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Tracer
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

_MARK: Final = create_key("propagation-untrusted-parent")


def install(tracer: Tracer) -> None:
    """Have *tracer* decide on marked parents by itself. Twice is once."""
    if not isinstance(tracer.sampler, LocalRoot):
        tracer.sampler = LocalRoot(tracer.sampler, tracer.id_generator.generate_trace_id)


def marked(context: Context) -> Context:
    """Give *context* with its span marked as a parent whose sampling is not believed."""
    return set_value(_MARK, value=True, context=context)


class LocalRoot(Sampler):
    """Judge spans below a marked parent by *sampler* as roots; *new_id* makes trace ids.

    The sampler gets a new trace id to judge by: a client that chooses its trace ids would
    otherwise choose what a ratio records.
    """

    def __init__(self, sampler: Sampler, new_id: Callable[[], int]) -> None:
        self._sampler = sampler
        self._new_id = new_id

    def should_sample(  # noqa: PLR0917 - the SDK's order
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide; the parent's tracestate stays, behind what the sampler adds to it."""
        ask = self._sampler.should_sample
        if not get_value(_MARK, parent_context):
            return ask(parent_context, trace_id, name, kind, attributes, links, trace_state)
        as_root = trace.set_span_in_context(INVALID_SPAN, parent_context)
        result = ask(as_root, self._new_id(), name, kind, attributes, links)
        brought = trace.get_current_span(parent_context).get_span_context().trace_state
        state = _joined(result.trace_state, brought)
        return SamplingResult(result.decision, result.attributes, state)

    def get_description(self) -> str:
        """Describe it by the sampler that it asks."""
        return f"LocalRoot{{{self._sampler.get_description()}}}"


def _joined(own: TraceState | None, brought: TraceState) -> TraceState:
    """Put *own* members before the *brought* ones ("Mutating the tracestate Field")."""
    if not own:
        return brought
    rest = [(key, value) for key, value in brought.items() if key not in own]
    return WideTraceState([*own.items(), *rest][:TRACESTATE_MAX_MEMBERS])
