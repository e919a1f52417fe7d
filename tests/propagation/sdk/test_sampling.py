"""Samplers: the token bucket, its entry point, and what nobody outside can force."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased

from propagation.sdk.sampling import RateLimited, rate_limited, spans_per_second
from tests.fakes import FakeClock
from tests.propagation.builders import context, span_context


def recorded(sampler: ParentBased | RateLimited, times: int, parent: Context | None = None) -> int:
    """Ask *sampler* several times; count what it records."""
    asked = [sampler.should_sample(parent or Context(), 1, "send plays") for _ in range(times)]
    return sum(result.decision is Decision.RECORD_AND_SAMPLE for result in asked)


def test_a_second_brings_as_many_as_were_asked_for() -> None:
    """A burst of one second's worth, then the rate, and no more saved up than a second."""
    clock = FakeClock()
    sampler = RateLimited(4, clock=clock)

    assert recorded(sampler, 20) == 4
    clock.advance(0.5)
    assert recorded(sampler, 20) == 2
    clock.advance(3600)
    assert recorded(sampler, 20) == 4


def test_less_than_one_a_second_is_one_now_and_then() -> None:
    """An eighth records one at once and one each eight seconds; 0 records nothing."""
    clock = FakeClock()
    slow, none = RateLimited(0.125, clock=clock), RateLimited(0, clock=clock)

    assert (recorded(slow, 9), recorded(none, 9)) == (1, 0)
    clock.advance(7)
    assert recorded(slow, 9) == 0
    clock.advance(1)
    assert (recorded(slow, 9), recorded(none, 9)) == (1, 0)


@given(
    st.floats(0, 50),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 30)), max_size=20),
)
def test_no_pattern_of_requests_exceeds_the_rate(
    rate: float, pattern: list[tuple[float, int]]
) -> None:
    """Over any time: no more than the rate allows, and one burst."""
    clock = FakeClock()
    sampler, passed, got = RateLimited(rate, clock=clock), 0.0, 0

    for seconds, requests in pattern:
        clock.advance(seconds)
        passed += seconds
        got += recorded(sampler, requests)

    assert got <= rate * passed + max(rate, 1.0) + 1e-6


def test_threads_share_one_bucket() -> None:
    """No token is given twice."""
    clock = FakeClock()
    sampler = RateLimited(100, clock=clock)

    with ThreadPoolExecutor(8) as pool:
        got = sum(pool.map(lambda _: recorded(sampler, 50), range(8)))

    assert got == 100


@pytest.mark.parametrize(("flags", "expected"), [(1, 20), (0, 0)])
def test_a_parents_decision_is_kept_and_takes_no_token(flags: int, expected: int) -> None:
    """A trace that was begun elsewhere stays whole, and the state it carries stays on it."""
    sampler = rate_limited("0.001")  # one at once, and no second one during the test
    assert isinstance(sampler, ParentBased)
    parent = context(span_context(flags=flags, state="a=1"))

    assert recorded(sampler, 20, parent) == expected
    assert recorded(sampler, 20) == 1
    kept = RateLimited(1).should_sample(parent, 1, "n").trace_state
    assert kept == trace.TraceState([("a", "1")])


@pytest.mark.parametrize("argument", ["-1", "x", "nan", "inf", "1/s"])
def test_a_bad_argument_is_named(argument: str) -> None:
    """The error says which variable, what stood there, and what may."""
    with pytest.raises(ValueError, match=r"OTEL_TRACES_SAMPLER_ARG='.*' is not usable .* number"):
        rate_limited(argument)
    with pytest.raises(ValueError, match="must be a number from 0"):
        RateLimited(float("nan"))


def test_without_an_argument_there_are_ten_a_second() -> None:
    """The default is told by the sampler's description, too."""
    assert spans_per_second("") == 10
    assert "RateLimited{10/s}" in rate_limited("").get_description()


def test_opentelemetry_finds_it_by_its_name() -> None:
    """The entry point is what OTEL_TRACES_SAMPLER names for any OpenTelemetry set-up."""
    [found] = entry_points(group="opentelemetry_traces_sampler", name="propagation_rate_limited")

    assert found.load() is rate_limited


FORCED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased
from propagation.sdk.sampling import RateLimited
limited = RateLimited(3, clock=lambda: 0.0)  # all of it in one moment
trace.set_tracer_provider(TracerProvider(ParentBased(limited)))
from propagation import Options, TopicPolicy, processing
from propagation.testing import message
from tests.propagation.builders import TRACEPARENT

def recorded(trust):
    options = Options((TopicPolicy(trust=trust),))
    count = 0
    for _ in range(50):
        with processing(message(headers=[("traceparent", TRACEPARENT)]), options=options) as span:
            count += span.is_recording()
    return count

assert recorded("link") == 3, "a stranger's flag was believed"
assert recorded("ignore") == 0, "a second bucket"
assert recorded("continue") == 50, "a trusted trace was cut"
"""


def test_a_strangers_flag_cannot_raise_the_rate() -> None:
    """Of an untrusted topic only what the bucket lets through is recorded.

    A process of its own, because OpenTelemetry allows one provider.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORCED], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
