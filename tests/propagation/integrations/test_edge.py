"""A client's trace id is continued, and what it says about sampling changes nothing here."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanKind, TraceState
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from propagation import inject
from propagation.integrations.asgi import traced
from propagation.sdk.sampling import RateLimited
from tests.propagation.builders import SPAN_ID, TRACE_ID
from tests.propagation.integrations.serving import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import Attributes
    from starlette.requests import Request
    from starlette.responses import Response

INCOMING = f"{TRACE_ID:032x}"
ALWAYS_CHOSEN = f"{1:032x}"  # a ratio looks at the low bits alone: this id is below every bound

SAMPLERS = {
    "on": ALWAYS_ON,
    "off": ALWAYS_OFF,
    "parent based on": ParentBased(ALWAYS_ON),
    "parent based off": ParentBased(ALWAYS_OFF),
    "parent based all": ParentBased(TraceIdRatioBased(1.0)),
    "parent based none": ParentBased(TraceIdRatioBased(0.0)),
    "parent based the other way round": ParentBased(ALWAYS_ON, ALWAYS_OFF, ALWAYS_ON),
}
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
each_flag = pytest.mark.parametrize("flags", ["00", "01", "02", "03"])


async def show(_: Request) -> Response:
    """Answer with the headers that a Kafka message would get here."""
    return JSONResponse({name: (value or b"").decode() for name, value in inject()})


class Service:
    """A service that takes requests from strangers, with a sampler of its own."""

    def __init__(
        self, sampler: Sampler, *, trust_sampling: bool = False, ids: IdGenerator | None = None
    ) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler, id_generator=ids, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._app = traced(
            Starlette(routes=[Route("/", show)]),
            tracer_provider=self.provider,
            trust_sampling=trust_sampling,
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that were recorded so far."""
        return self._exporter.get_finished_spans()

    def ask(self, flags: str | None = None, *, trace_id: str = INCOMING, state: str = "") -> Any:
        """Send a request, as part of a trace where *flags* are given; give what goes on."""
        headers: dict[str, str | bytes] = {}
        if flags is not None:
            headers["traceparent"] = f"00-{trace_id}-{SPAN_ID:016x}-{flags}"
        if state:
            headers["tracestate"] = state
        return json.loads(call(self._app, "GET", "/", headers).body)


def sampled(answer: Any) -> bool:
    """Say whether the traceparent that goes on has the sampled flag."""
    return bool(int(answer["traceparent"][-2:], 16) & 1)


@each_flag
@each_sampler
def test_a_clients_flag_changes_nothing(sampler: Sampler, flags: str) -> None:
    """With any flag a request is recorded exactly if it would be without a traceparent."""
    without, with_flag = Service(sampler), Service(sampler)

    plain, brought = without.ask(), with_flag.ask(flags)

    assert len(with_flag.spans) == len(without.spans)
    assert sampled(brought) == sampled(plain)


@each_flag
@each_sampler
def test_the_trace_id_goes_on_with_the_decision_made_here(sampler: Sampler, flags: str) -> None:
    """What follows is in the client's trace, below the span here, with the flag of this service."""
    service = Service(sampler)

    going_on = service.ask(flags)["traceparent"].split("-")

    assert going_on[1] == INCOMING
    assert going_on[2] != f"{SPAN_ID:016x}"
    assert int(going_on[3], 16) & 1 == len(service.spans)
    assert int(going_on[3], 16) & 2 == int(flags, 16) & 2  # level 2: stays along the trace


def test_a_recorded_request_hangs_on_the_clients_span() -> None:
    """Where the sampler here says yes, the span is a child of the client's unsampled one."""
    service = Service(ParentBased(ALWAYS_ON))

    service.ask("00")

    [span] = service.spans
    assert span.kind is SpanKind.SERVER
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (TRACE_ID, SPAN_ID)
    assert span.parent.is_remote


class Quarters(RandomIdGenerator):
    """Make trace ids of which every fourth is in the first quarter, as chance would in the end."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def generate_trace_id(self) -> int:
        """Give the next one."""
        return (1 << 64) | ((next(self._numbers) % 4) << 62) | 1


@pytest.mark.parametrize("parent_based", [True, False])
@pytest.mark.parametrize("trace_id", [INCOMING, ALWAYS_CHOSEN, "f" * 32])
@each_flag
def test_a_client_cannot_change_the_ratio(flags: str, trace_id: str, parent_based: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Of a hundred requests a quarter is recorded, whatever ids and flags a client makes up."""
    ratio = TraceIdRatioBased(0.25)
    service = Service(ParentBased(ratio) if parent_based else ratio, ids=Quarters())

    for _ in range(100):
        service.ask(flags, trace_id=trace_id)

    assert len(service.spans) == 25


class Budget(Sampler):
    """Record the first *left* spans that it is asked about, as a rate limit does in one second."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked = 0

    def should_sample(  # noqa: PLR0917 - the SDK's order
        self,
        parent_context: Any,  # noqa: ARG002 - the SDK's signature
        trace_id: int,  # noqa: ARG002 - as above
        name: str,  # noqa: ARG002 - as above
        kind: SpanKind | None = None,  # noqa: ARG002 - as above
        attributes: Attributes = None,
        links: Any = None,  # noqa: ARG002 - as above
        trace_state: TraceState | None = None,  # noqa: ARG002 - as above
    ) -> SamplingResult:
        """Take one, if there is one left."""
        self.asked += 1
        self.left -= 1
        decision = Decision.DROP if self.left < 0 else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, attributes, TraceState([("limit", str(self.asked))]))

    def get_description(self) -> str:
        """Name it."""
        return "Budget"


@pytest.mark.parametrize("parent_based", [True, False])
def test_a_client_cannot_exceed_a_limit(parent_based: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A limit holds for forced requests too, and is asked once for each."""
    budget = Budget(3)
    service = Service(ParentBased(budget) if parent_based else budget)

    answers = [service.ask("01") for _ in range(10)]

    assert len(service.spans) == 3
    assert [sampled(answer) for answer in answers] == [True] * 3 + [False] * 7
    assert budget.asked == 10


@each_flag
@pytest.mark.parametrize("parent_based", [True, False])
def test_a_client_cannot_exceed_a_rate(flags: str, parent_based: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The shipped rate limit records its spans a second at the edge, whatever clients say."""
    now = 0.0
    limited = RateLimited(2, clock=lambda: now)
    service = Service(ParentBased(limited) if parent_based else limited)

    recorded = []
    for second in range(3):
        now = float(second)
        for _ in range(5):
            service.ask(flags)
        recorded.append(len(service.spans))

    assert recorded == [2, 4, 6]


@pytest.mark.parametrize(("flags", "recorded"), [("00", 0), ("01", 1)])
@pytest.mark.parametrize("root", [ALWAYS_ON, ALWAYS_OFF])
def test_a_trusted_flag_decides(root: Sampler, flags: str, recorded: int) -> None:
    """With trust_sampling a parent based sampler follows the client."""
    service = Service(ParentBased(root), trust_sampling=True)

    answer = service.ask(flags)

    assert len(service.spans) == recorded
    assert sampled(answer) == bool(recorded)


def test_a_child_follows_the_decision_made_here() -> None:
    """Spans below the server span are recorded with it and dropped with it, not by the flag."""
    recorded: list[bool] = []
    provider = TracerProvider(ParentBased(ALWAYS_OFF), shutdown_on_exit=False)

    async def child(_: Request) -> Response:
        with provider.get_tracer("test").start_as_current_span("child") as span:
            recorded.append(span.is_recording())
        return JSONResponse({})

    app = traced(Starlette(routes=[Route("/", child)]), tracer_provider=provider)
    call(app, "GET", "/", {"traceparent": f"00-{INCOMING}-{SPAN_ID:016x}-01"})

    assert recorded == [False]


def test_a_clients_tracestate_goes_on() -> None:
    """Other vendors' members travel as they came; that of OpenTelemetry's sampling does not."""
    service = Service(ParentBased(ALWAYS_ON))

    answer = service.ask("01", state="other=1,ot=th:0;rv:ffffffffffffff,more=2")

    assert answer["tracestate"] == "other=1,more=2"


@pytest.mark.parametrize(
    ("brought", "goes_on"),
    [
        ("", "limit=1"),
        ("other=1", "limit=1,other=1"),
        ("other=1,limit=9", "limit=1,other=1"),
        (
            ",".join(f"k{n}=v" for n in range(32)),
            "limit=1," + ",".join(f"k{n}=v" for n in range(31)),
        ),
    ],
)
def test_what_the_sampler_adds_stands_first(brought: str, goes_on: str) -> None:
    """A sampler's tracestate is kept before the client's, of which the last yields."""
    assert Service(Budget(1)).ask("01", state=brought)["tracestate"] == goes_on


def test_a_parent_in_this_process_is_believed() -> None:
    """Below a span of one's own the request follows that span: this is no edge."""
    service = Service(ParentBased(ALWAYS_OFF, local_parent_sampled=ALWAYS_ON))
    own = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(1))

    with trace.use_span(trace.NonRecordingSpan(own)):
        answer = service.ask("00")

    assert sampled(answer)
    assert [span.kind for span in service.spans] == [SpanKind.INTERNAL]


def test_two_applications_of_one_provider_trust_for_themselves() -> None:
    """An application that trusts its clients does so beside one that does not."""
    wary = Service(ParentBased(ALWAYS_OFF))
    trusting = traced(
        Starlette(routes=[Route("/", show)]), tracer_provider=wary.provider, trust_sampling=True
    )
    headers: dict[str, str | bytes] = {"traceparent": f"00-{INCOMING}-{SPAN_ID:016x}-01"}

    before = wary.ask("01")
    inside = json.loads(call(trusting, "GET", "/", headers).body)
    after = wary.ask("01")

    assert [sampled(answer) for answer in (before, inside, after)] == [False, True, False]


def test_the_sampler_is_described_by_the_one_it_asks() -> None:
    """Whoever prints the tracer's sampler sees which one decides."""
    service = Service(ALWAYS_ON)
    service.ask("01")
    span: Any = service.spans[0]

    assert service.provider.sampler is ALWAYS_ON
    tracer: Any = service.provider.get_tracer(*_scope(span))
    assert tracer.sampler.get_description() == "LocalRoot{AlwaysOnSampler}"


def _scope(span: ReadableSpan) -> tuple[str, str | None, str | None]:
    scope = span.instrumentation_scope
    assert scope
    return scope.name, scope.version, scope.schema_url


class ForeignProvider(trace.TracerProvider):
    """A provider of some other vendor: it has no sampler to ask, and follows flags."""

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        """Give its tracer."""
        return ForeignTracer()


class ForeignTracer(trace.Tracer):
    """Starts spans in the parent's trace, with the parent's flags."""

    def start_span(self, name: str, context: Any = None, *_: Any, **__: Any) -> trace.Span:
        """Start a span that records nothing."""
        parent = trace.get_current_span(context).get_span_context()
        own = trace.SpanContext(
            parent.trace_id, len(name), is_remote=False, trace_flags=parent.trace_flags
        )
        return trace.NonRecordingSpan(own)

    def start_as_current_span(self, *_: Any, **__: Any) -> Any:
        """Start none: nobody asks for it."""
        raise AssertionError


def test_where_no_sampler_can_be_asked_the_flag_is_cleared(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A provider that is none of the SDK's sees an unsampled parent, and one warning says so."""
    app = traced(Starlette(routes=[Route("/", show)]), tracer_provider=ForeignProvider())
    headers: dict[str, str | bytes] = {"traceparent": f"00-{INCOMING}-{SPAN_ID:016x}-01"}

    answers = [json.loads(call(app, "GET", "/", headers).body) for _ in range(2)]

    assert [answer["traceparent"].split("-")[1::2] for answer in answers] == [[INCOMING, "00"]] * 2
    assert [r.getMessage() for r in caplog.records].count("edge_sampler_unknown") == 1


@pytest.mark.parametrize("environ", [{}, {"OTEL_SDK_DISABLED": "true"}], ids=["none", "disabled"])
def test_without_an_sdk_nothing_is_forced_on_those_behind(environ: dict[str, str]) -> None:
    """A service that records nothing passes the trace id on, and not the client's flag."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PASSING_ON)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ".", **environ},
    )

    _, trace_id, _, flags = json.loads(done.stdout)["traceparent"].split("-")
    assert (trace_id, flags) == (INCOMING, "00")
    assert not done.stderr


PASSING_ON = f"""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from starlette.applications import Starlette
    from starlette.routing import Route
    from propagation.integrations.asgi import traced
    from tests.propagation.integrations.serving import call
    from tests.propagation.integrations.test_edge import show
    import os
    if "OTEL_SDK_DISABLED" in os.environ:
        trace.set_tracer_provider(TracerProvider())
    headers = {{"traceparent": "00-{INCOMING}-{SPAN_ID:016x}-01"}}
    print(call(traced(Starlette(routes=[Route("/", show)])), "GET", "/", headers).body.decode())
"""
