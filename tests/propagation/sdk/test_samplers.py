"""A sampler of somebody else's is found by its name, as OpenTelemetry's own set-up finds it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.propagation.sdk.scripts import succeed

if TYPE_CHECKING:
    from pathlib import Path

OFFERED = """
    [opentelemetry_traces_sampler]
    Company_sampler = company:make
    broken = company:fail
    missing = company:nothing
    other = company:other
"""
COMPANY = """
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
    def make(argument):
        return TraceIdRatioBased(0.25 if argument == "a quarter" else 1)
    def fail(argument):
        raise RuntimeError("no licence")
    def other(argument):
        return 5
"""
START = """
    from opentelemetry import trace
    from propagation.sdk import SettingsError, telemetry
    try:
        telemetry("game-api")
        print(trace.get_tracer_provider().sampler.get_description())
    except SettingsError as error:
        print(error, type(trace.get_tracer_provider()).__name__)
"""


@pytest.fixture
def company(tmp_path: Path) -> str:
    """Install a package that offers samplers; give the path to import from."""
    metadata = tmp_path / "company-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: company\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(dedent(OFFERED))
    (tmp_path / "company.py").write_text(dedent(COMPANY))
    return f".:{tmp_path}"


def started(company: str, name: str, argument: str = "") -> str:
    """Start tracing with the sampler *name*; give what was printed."""
    return succeed(
        START,
        PYTHONPATH=company,
        OTEL_TRACES_EXPORTER="none",
        OTEL_TRACES_SAMPLER=name,
        OTEL_TRACES_SAMPLER_ARG=argument,
    )


def test_a_packages_sampler_is_made_with_its_argument(company: str) -> None:
    """Whatever stands in OTEL_TRACES_SAMPLER_ARG is the sampler's own business."""
    assert started(company, "Company_sampler", "a quarter") == "TraceIdRatioBased{0.25}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "OTEL_TRACES_SAMPLER='broken' failed: RuntimeError('no licence')"),
        ("missing", "OTEL_TRACES_SAMPLER='missing' failed: AttributeError("),
        ("other", "OTEL_TRACES_SAMPLER='other' gave no sampler but int"),
        ("company_sampler", "OTEL_TRACES_SAMPLER='company_sampler' is not usable: allowed is"),
    ],
)
def test_a_sampler_that_cannot_be_made_stops_the_start(company: str, name: str, said: str) -> None:
    """The error names variable and reason, and no provider is installed."""
    out = started(company, name)

    assert out.startswith(said)
    assert out.endswith(" ProxyTracerProvider\n")
