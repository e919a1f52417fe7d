"""The OTEL_* variables mean what the OpenTelemetry specification says, and bad ones are named."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoints, entry_points
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagation.sdk.environment import SAMPLER_GROUP, Settings, SettingsError, read
from propagation.sdk.sampling import DEFAULT_SPANS_PER_SECOND
from propagation.sdk.sampling import NAME as RATE_LIMITED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULTS = Settings(
    disabled=False,
    exporters=("otlp",),
    sampler="parentbased_always_on",
    ratio=1.0,
    endpoint="http://localhost:4318/v1/traces",
    headers=(),
    timeout_ms=10_000,
    compression="none",
    schedule_delay_ms=5_000,
    export_timeout_ms=30_000,
    max_queue_size=2_048,
    max_batch_size=512,
    resource=(),
)


def test_without_variables_the_specifications_defaults_hold() -> None:
    """An empty environment gives what the specification says for each variable."""
    assert read({}) == DEFAULTS
    assert DEFAULTS.spans_per_second == DEFAULT_SPANS_PER_SECOND


def test_an_empty_variable_is_unset() -> None:
    """Empty counts as not there, for every variable."""
    names = ["OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER"]
    names += ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"]
    names += ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_SERVICE_NAME"]

    assert read(dict.fromkeys(names, " ")) == DEFAULTS


OTLP = "OTEL_EXPORTER_OTLP_"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OTEL_SDK_DISABLED": "TRUE"}, {"disabled": True}),
        ({"OTEL_SDK_DISABLED": "false"}, {"disabled": False}),
        ({"OTEL_TRACES_EXPORTER": "none"}, {"exporters": ()}),
        ({"OTEL_TRACES_EXPORTER": "Console"}, {"exporters": ("console",)}),
        ({"OTEL_TRACES_EXPORTER": "otlp, console,otlp"}, {"exporters": ("otlp", "console")}),
        ({"OTEL_TRACES_SAMPLER": "ALWAYS_OFF"}, {"sampler": "always_off"}),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
            {"sampler": "traceidratio", "ratio": 0.25},
        ),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"},
            {"sampler": "parentbased_traceidratio"},
        ),
        (
            {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "x"},
            {"sampler": "always_on"},
        ),
        (
            {"OTEL_TRACES_SAMPLER": RATE_LIMITED, "OTEL_TRACES_SAMPLER_ARG": "2.5"},
            {"sampler": RATE_LIMITED, "spans_per_second": 2.5},
        ),
        ({"OTEL_TRACES_SAMPLER": RATE_LIMITED}, {"sampler": RATE_LIMITED}),
        ({f"{OTLP}ENDPOINT": "http://h:1"}, {"endpoint": "http://h:1/v1/traces"}),
        ({f"{OTLP}ENDPOINT": "https://h/base/"}, {"endpoint": "https://h/base/v1/traces"}),
        ({f"{OTLP}TRACES_ENDPOINT": "http://h:1/own"}, {"endpoint": "http://h:1/own"}),
        (
            {f"{OTLP}ENDPOINT": "http://a", f"{OTLP}TRACES_ENDPOINT": "http://b/"},
            {"endpoint": "http://b/"},
        ),
        ({f"{OTLP}HEADERS": "a=1, b = x%20y"}, {"headers": (("a", "1"), ("b", "x y"))}),
        ({f"{OTLP}HEADERS": "a=1", f"{OTLP}TRACES_HEADERS": "b=2"}, {"headers": (("b", "2"),)}),
        ({f"{OTLP}TIMEOUT": "2500"}, {"timeout_ms": 2500}),
        ({f"{OTLP}TIMEOUT": "1", f"{OTLP}TRACES_TIMEOUT": "2"}, {"timeout_ms": 2}),
        ({f"{OTLP}COMPRESSION": "gzip"}, {"compression": "gzip"}),
        ({f"{OTLP}PROTOCOL": "http/protobuf"}, {}),
        (
            {f"{OTLP}PROTOCOL": "grpc"},
            {"protocol": "grpc", "endpoint": "http://localhost:4317"},
        ),
        (
            {f"{OTLP}TRACES_PROTOCOL": "GRPC", f"{OTLP}ENDPOINT": "https://h:1"},
            {"protocol": "grpc", "endpoint": "https://h:1"},
        ),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, {"exporters": ("zipkin",)}),
        ({"OTEL_EXPORTER_ZIPKIN_ENDPOINT": "http://h/z"}, {"zipkin_endpoint": "http://h/z"}),
        ({"OTEL_EXPORTER_ZIPKIN_TIMEOUT": "50"}, {"zipkin_timeout_ms": 50}),
        ({"OTEL_BSP_SCHEDULE_DELAY": "100"}, {"schedule_delay_ms": 100}),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "100"}, {"export_timeout_ms": 100}),
        (
            {"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"},
            {"max_queue_size": 10, "max_batch_size": 10},
        ),
        ({"OTEL_SERVICE_NAME": "api"}, {"resource": (("service.name", "api"),)}),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=x,team=a%2Cb", "OTEL_SERVICE_NAME": "api"},
            {"resource": (("service.name", "api"), ("team", "a,b"))},
        ),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0"}, {}),
    ],
    ids=str,
)
def test_a_variable_sets_what_its_name_says(
    environ: dict[str, str], expected: dict[str, Any]
) -> None:
    """Each variable changes its setting alone; that for traces wins over that for all signals."""
    assert read(environ) == replace(DEFAULTS, **expected)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OTEL_SDK_DISABLED", "yes", "true | false"),
        ("OTEL_TRACES_EXPORTER", "jaeger", "otlp | zipkin | console"),
        ("OTEL_TRACES_EXPORTER", "none,otlp", "or none"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "always_on | always_off | traceidratio"),
        (f"{OTLP}ENDPOINT", "localhost:4318", "a URL such as http://localhost:4318"),
        (f"{OTLP}ENDPOINT", "ftp://h", "a URL"),
        (f"{OTLP}TRACES_ENDPOINT", "http://h:port", "a URL"),
        (f"{OTLP}ENDPOINT", "http://[::1", "a URL"),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "h:9411", "a URL such as http://localhost:9411/api/v2"),
        (f"{OTLP}TIMEOUT", "10s", "a whole number from 1"),
        (f"{OTLP}TRACES_TIMEOUT", "-1", "a whole number from 1"),
        (f"{OTLP}COMPRESSION", "zstd", "none | gzip | deflate"),
        (f"{OTLP}PROTOCOL", "thrift", "http/protobuf | grpc"),
        (f"{OTLP}TRACES_PROTOCOL", "http/json", "http/protobuf"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "a whole number from 1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "a whole number from 1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "up to OTEL_BSP_MAX_QUEUE_SIZE, 2048"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-5", "a whole number from 0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", "key=value"),
        (f"{OTLP}CERTIFICATE", "/no/such.pem", "there is no such file"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, allowed: str) -> None:
    """The error says which variable, what it held, and what is allowed."""
    with pytest.raises(SettingsError) as raised:
        read({name: value})

    [problem] = raised.value.problems
    assert problem.startswith(f"{name}={value!r} is not usable: ")
    assert allowed in problem


@pytest.mark.parametrize("ratio", ["1.1", "-0.1", "nan", "half"])
def test_a_ratio_is_between_0_and_1(ratio: str) -> None:
    """A share of traces that is none is refused, where a sampler uses it."""
    environ = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}

    with pytest.raises(SettingsError, match=r"OTEL_TRACES_SAMPLER_ARG=.*from 0 to 1"):
        read(environ)


@pytest.mark.parametrize("rate", ["-1", "nan", "inf", "ten"])
def test_a_rate_is_a_number_from_0(rate: str) -> None:
    """A rate that is none is refused, where a sampler uses it."""
    environ = {"OTEL_TRACES_SAMPLER": RATE_LIMITED, "OTEL_TRACES_SAMPLER_ARG": rate}

    with pytest.raises(SettingsError, match=r"OTEL_TRACES_SAMPLER_ARG=.*spans per second, from 0"):
        read(environ)


def test_every_problem_is_told_at_once() -> None:
    """Three bad variables are three problems in one error."""
    environ = {"OTEL_TRACES_SAMPLER": "x", "OTEL_BSP_SCHEDULE_DELAY": "x", f"{OTLP}ENDPOINT": "x"}

    with pytest.raises(SettingsError) as raised:
        read(environ)

    assert [problem.partition("=")[0] for problem in raised.value.problems] == [
        "OTEL_TRACES_SAMPLER",
        f"{OTLP}ENDPOINT",
        "OTEL_BSP_SCHEDULE_DELAY",
    ]
    assert str(raised.value) == "; ".join(raised.value.problems)


def test_a_secret_is_not_repeated() -> None:
    """A malformed header is named by its place: it may hold a password."""
    with pytest.raises(SettingsError) as raised:
        read({f"{OTLP}HEADERS": "a=1,authorization: hunter2"})

    assert "hunter2" not in str(raised.value)
    assert "(entry 2)" in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "missing", "install"),
    [
        ({f"{OTLP}PROTOCOL": "grpc"}, "opentelemetry.exporter.otlp.proto.grpc", "lagmon[grpc]"),
        (
            {"OTEL_TRACES_EXPORTER": "zipkin"},
            "opentelemetry.exporter.zipkin",
            "opentelemetry-exporter-zipkin-json",
        ),
    ],
)
def test_a_missing_package_is_named(
    environ: dict[str, str], missing: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter that is not installed is a problem among the others, with what installs it."""
    for name in [name for name in sys.modules if name.startswith(missing)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # what an absent package looks like

    with pytest.raises(SettingsError) as raised:
        read({**environ, "OTEL_BSP_SCHEDULE_DELAY": "x"})

    problems = sorted(raised.value.problems)
    assert problems[0].startswith("OTEL_BSP_SCHEDULE_DELAY")
    assert problems[1].endswith(f"needs: pip install '{install}'")


def test_files_are_looked_for(tmp_path: Path) -> None:
    """A certificate that exists is taken."""
    (tmp_path / "ca.pem").touch()

    assert read({f"{OTLP}CERTIFICATE": str(tmp_path / "ca.pem")}) == DEFAULTS


def test_otlp_is_not_checked_where_it_is_not_used() -> None:
    """A protocol we do not speak matters only to the exporter that would speak it."""
    environ = {"OTEL_TRACES_EXPORTER": "console", f"{OTLP}PROTOCOL": "grpc"}

    assert read(environ) == replace(DEFAULTS, exporters=("console",))


VARIABLES = [
    "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "OTEL_BSP_SCHEDULE_DELAY",
    f"{OTLP}ENDPOINT", f"{OTLP}HEADERS", f"{OTLP}TIMEOUT", f"{OTLP}COMPRESSION", f"{OTLP}PROTOCOL",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
]  # fmt: skip


@pytest.fixture(scope="module")
def offered() -> Iterator[None]:
    """Look for samplers of other packages once: it takes a tenth of a second each time."""
    there = entry_points(group=SAMPLER_GROUP)

    def look(*, group: str, name: str) -> EntryPoints:
        assert group == SAMPLER_GROUP
        return there.select(name=name)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("propagation.sdk.environment.entry_points", look)
        yield


@pytest.mark.usefixtures("offered")
@given(st.dictionaries(st.sampled_from(VARIABLES), st.text()))
def test_no_value_is_a_crash(environ: dict[str, str]) -> None:
    """Whatever the variables hold, they are read or refused by name."""
    problems: tuple[str, ...] = ()
    try:
        read(environ)
    except SettingsError as error:
        problems = error.problems

    assert all(problem.startswith("OTEL_") for problem in problems)
