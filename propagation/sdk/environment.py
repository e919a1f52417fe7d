"""Read the OTEL_* variables as the OpenTelemetry specification defines them.

In: the environment's mapping. Out: one frozen `Settings`, or a `SettingsError` that lists every
problem at once. An empty variable counts as unset, names of choices in any case, durations are
milliseconds (specification, "Environment Variable Specification" and "OTLP Exporter"; the Python
SDK by itself reads the OTLP timeout as seconds). Where the specification lets a bad value pass with
a warning, it is an error here: a service that starts without its traces is found out too late.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from propagation.identity import RESOURCE_VARIABLE, overrides, pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXPORTERS: Final = ("otlp", "zipkin", "console", "none")
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
    "propagation_rate_limited",
)
SAMPLER_GROUP: Final = "opentelemetry_traces_sampler"  # the entry point of any other sampler
RATIOS: Final = ("traceidratio", "parentbased_traceidratio")
COMPRESSIONS: Final = ("none", "gzip", "deflate")
PROTOCOLS: Final = ("http/protobuf", "grpc")

# What is not part of the sdk extra: the package to find, and how to install it.
GRPC: Final = ("opentelemetry.exporter.otlp.proto.grpc", "lagmon[grpc]")
ZIPKIN: Final = ("opentelemetry.exporter.zipkin.json", "opentelemetry-exporter-zipkin-json")

# The SDK reads these itself, with an exception that does not name the variable.
LIMITS: Final = (
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)
# The exporter reads these itself, at its first export.
FILES: Final = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")

_OTLP: Final = "OTEL_EXPORTER_OTLP"
_HTTP_ENDPOINT, _GRPC_ENDPOINT = "http://localhost:4318", "http://localhost:4317"
_ZIPKIN_ENDPOINT: Final = "http://localhost:9411/api/v2/spans"


class SettingsError(ValueError):
    """Variables that cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the OTEL_* variables ask for, defaults filled in."""

    disabled: bool
    exporters: tuple[str, ...]
    sampler: str
    ratio: float
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    timeout_ms: int
    compression: str
    schedule_delay_ms: int
    export_timeout_ms: int
    max_queue_size: int
    max_batch_size: int
    resource: tuple[tuple[str, str], ...]
    protocol: str = "http/protobuf"
    zipkin_endpoint: str = _ZIPKIN_ENDPOINT
    zipkin_timeout_ms: int = 10_000
    spans_per_second: float = 10.0
    sampler_argument: str = ""


def read(environ: Mapping[str, str]) -> Settings:
    """Read *environ*. Raises SettingsError with every problem in it."""
    reader = _Reader(environ)
    sampler = reader.sampler()
    exporters = reader.exporters()
    protocol = reader.protocol() if "otlp" in exporters else PROTOCOLS[0]
    settings = Settings(
        disabled=reader.choice(("OTEL_SDK_DISABLED",), ("true", "false"), "false") == "true",
        exporters=exporters,
        sampler=sampler,
        ratio=reader.ratio() if sampler in RATIOS else 1.0,
        endpoint=reader.endpoint(protocol),
        headers=reader.pairs(*reader.either("HEADERS"), secret=True),
        timeout_ms=reader.integer(reader.either("TIMEOUT")[0], 10_000),
        compression=reader.choice(reader.names("COMPRESSION"), COMPRESSIONS, "none"),
        schedule_delay_ms=reader.integer("OTEL_BSP_SCHEDULE_DELAY", 5_000),
        export_timeout_ms=reader.integer("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
        max_queue_size=reader.integer("OTEL_BSP_MAX_QUEUE_SIZE", 2_048),
        max_batch_size=reader.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        resource=reader.resource(),
        protocol=protocol,
        sampler_argument=reader.value("OTEL_TRACES_SAMPLER_ARG") if sampler not in SAMPLERS else "",
        spans_per_second=reader.rate() if sampler == "propagation_rate_limited" else 10.0,
        zipkin_endpoint=reader.url("OTEL_EXPORTER_ZIPKIN_ENDPOINT", _ZIPKIN_ENDPOINT),
        zipkin_timeout_ms=reader.integer("OTEL_EXPORTER_ZIPKIN_TIMEOUT", 10_000),
    )
    reader.check_the_rest(settings)
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


class _Reader:
    """Reads single variables and keeps what was wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def value(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def names(self, setting: str) -> tuple[str, str]:
        """Name the variables of an OTLP *setting*, that for traces first: it wins."""
        return f"{_OTLP}_TRACES_{setting}", f"{_OTLP}_{setting}"

    def either(self, setting: str) -> tuple[str, str]:
        """Give name and value of the variable that holds an OTLP *setting*."""
        traces, general = self.names(setting)
        return (
            (traces, self.value(traces)) if self.value(traces) else (general, self.value(general))
        )

    def wrong(self, name: str, value: str, allowed: str) -> None:
        self.problems.append(f"{name}={value!r} is not usable: {allowed}")

    def choice(self, names: Sequence[str], allowed: Sequence[str], default: str) -> str:
        """Read the first of *names* that is set, one of *allowed*."""
        for name in names:
            value = self.value(name).lower()
            if value and value not in allowed:
                self.wrong(name, self.value(name), f"allowed is {' | '.join(allowed)}")
            if value:
                return value
        return default

    def integer(self, name: str, default: int, minimum: int = 1) -> int:
        """Read a whole number of at least *minimum*."""
        value = self.value(name)
        if not value:
            return default
        if value.isascii() and value.isdigit() and int(value[:18]) >= minimum:
            return int(value[:18])
        self.wrong(name, value, f"allowed is a whole number from {minimum}")
        return default

    def sampler(self) -> str:
        """Read the sampler's name: one that is known here, or one that another package offers."""
        name = self.value("OTEL_TRACES_SAMPLER")
        if name and name.lower() not in SAMPLERS and entry_points(group=SAMPLER_GROUP, name=name):
            return name
        return self.choice(("OTEL_TRACES_SAMPLER",), SAMPLERS, "parentbased_always_on")

    def ratio(self) -> float:
        """Read the share of traces to record, 0 to 1."""
        return self.number(1.0, 1.0, "a number from 0 to 1")

    def rate(self) -> float:
        """Read how many traces to begin in a second."""
        return self.number(10.0, sys.float_info.max, "a number of spans per second, from 0")

    def number(self, default: float, highest: float, allowed: str) -> float:
        """Read the sampler's argument, a number from 0 to *highest*."""
        value = self.value("OTEL_TRACES_SAMPLER_ARG")
        try:
            number = float(value or default)
        except ValueError:
            number = -1.0
        if not 0 <= number <= highest:
            self.wrong("OTEL_TRACES_SAMPLER_ARG", value, f"allowed is {allowed}")
        return number

    def exporters(self) -> tuple[str, ...]:
        """Read the exporters, separated by commas; none stands alone."""
        name = "OTEL_TRACES_EXPORTER"
        given = self.value(name) or "otlp"
        words = tuple(dict.fromkeys(word.strip().lower() for word in given.split(",")))
        if not set(words) <= set(EXPORTERS) or ("none" in words and len(words) > 1):
            self.wrong(
                name, given, "allowed is otlp | zipkin | console, several with commas, or none"
            )
        return tuple(word for word in words if word != "none")

    def protocol(self) -> str:
        """Read what OTLP is spoken over."""
        protocol = self.choice(self.names("PROTOCOL"), PROTOCOLS, PROTOCOLS[0])
        if protocol == "grpc":
            self.installed(*GRPC, f"{_OTLP}_PROTOCOL=grpc")
        return protocol

    def installed(self, package: str, requirement: str, setting: str) -> None:
        """Check that *package* is there, which *setting* needs."""
        try:
            present = find_spec(package) is not None
        except ModuleNotFoundError:  # a package above it is missing
            present = False
        if not present:
            self.problems.append(f"{setting} needs: pip install '{requirement}'")

    def endpoint(self, protocol: str) -> str:
        """Read where traces go; only HTTP's variable for all signals has a path appended."""
        grpc = protocol == "grpc"
        name = self.either("ENDPOINT")[0]
        url = self.url(name, _GRPC_ENDPOINT if grpc else _HTTP_ENDPOINT)
        return url if grpc or "TRACES" in name else f"{url.rstrip('/')}/v1/traces"

    def url(self, name: str, default: str) -> str:
        """Read an address."""
        url = self.value(name) or default
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            self.wrong(name, url, f"allowed is a URL such as {default}")
        return url

    def pairs(self, name: str, value: str, *, secret: bool = False) -> tuple[tuple[str, str], ...]:
        """Read a list `key=value,key=value` with percent-encoded values."""
        found, wrong = pairs(value)
        for place, item in wrong:
            shown = f"(entry {place})" if secret else item
            self.wrong(name, shown, "allowed is key=value,key=value, values percent-encoded")
        return tuple(found)

    def resource(self) -> tuple[tuple[str, str], ...]:
        """Read the resource's attributes; OTEL_SERVICE_NAME wins over a service.name in them."""
        self.pairs(RESOURCE_VARIABLE, self.value(RESOURCE_VARIABLE))
        return tuple(overrides(self._environ).items())

    def check_the_rest(self, settings: Settings) -> None:
        """Check what goes together, and what the SDK and the exporter read by themselves."""
        if settings.max_batch_size > settings.max_queue_size:
            self.wrong(
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                str(settings.max_batch_size),
                f"allowed is up to OTEL_BSP_MAX_QUEUE_SIZE, {settings.max_queue_size}",
            )
        for name in LIMITS:
            self.integer(name, 0, minimum=0)
        if "zipkin" in settings.exporters:
            self.installed(*ZIPKIN, "OTEL_TRACES_EXPORTER=zipkin")
        if "otlp" in settings.exporters:
            for file in FILES:
                name, value = self.either(file)
                if value and not Path(value).is_file():
                    self.wrong(name, value, "there is no such file")
