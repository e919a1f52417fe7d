"""The how-to for HTTP runs as it stands, and its reference lists what is really written."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from propagation.integrations import logs
from propagation.integrations.asgi import traced
from propagation.integrations.http_metrics import BUCKETS
from propagation.testing import captured_spans
from tests.docs.pages import DOCS, blocks, run
from tests.docs.test_how_to import without_ids
from tests.propagation.integrations.serving import application, call

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PAGE = "how-to/http.md"
REFERENCE = (DOCS / "reference/http.md").read_text()


def test_the_how_to_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """All code of the page runs in its order, prints the texts and logs the lines."""
    names: dict[str, Any] = {"__name__": "how_to"}
    written = io.StringIO()
    logs.configure("game-api", stream=written)
    with captured_spans():
        for block in blocks(PAGE):
            if block.language == "python":
                run(block.text, PAGE, "", names)
            elif block.language == "text":
                assert without_ids(capsys.readouterr().out) == block.text
            elif block.language == "json":
                assert logged(written, json.loads(block.text))
    logs.restore()

    assert capsys.readouterr().out == ""


def logged(written: io.StringIO, shown: dict[str, Any]) -> bool:
    """Say whether a line with all that is *shown*, a trace id and a latency was written."""
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return any(
        shown.items() <= line.items() and {"trace_id", "latency_ms"} <= line.keys()
        for line in lines
    )


def rows(first: str) -> Iterator[list[str]]:
    """Give the cells of the table of the reference whose first heading is *first*."""
    table = REFERENCE.split(f"| {first} |")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def words(cell: str) -> set[str]:
    """Give what stands in code marks in *cell*."""
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_reference_lists_the_metrics() -> None:
    """Names, units and every attribute are those of the instruments, and the buckets too."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    app = traced(application(), meter_provider=provider)
    for path in ("/game/plays/17", "/fail"):
        call(app, "GET", path)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data

    [scope] = data.resource_metrics[0].scope_metrics
    found = {
        metric.name: (
            {metric.unit},
            {key for point in metric.data.data_points for key in point.attributes or ()},
        )
        for metric in scope.metrics
    }

    listed = {
        words(name).pop(): (words(unit), words(attributes))
        for name, _, unit, attributes in rows("metric")
    }
    assert listed == found
    assert f"Buckets: {' '.join(map(str, BUCKETS))}." in REFERENCE
    assert scope.scope.name == "propagation"


def test_the_reference_lists_the_log_events() -> None:
    """Level and fields of each line are as the table says."""
    written = io.StringIO()
    logs.configure("game-api", level="DEBUG", stream=written)
    call(traced(application(), slow_seconds=0), "GET", "/fail")
    logs.restore()
    parsed = map(json.loads, written.getvalue().splitlines())
    lines = {one["event"]: one for one in parsed if one["logger"].startswith("propagation.")}

    listed = {
        words(event).pop(): (level, words(fields)) for event, level, _, fields in rows("event")
    }
    assert listed.keys() == {*lines, "edge_sampler_unknown"}
    served = listed["request_served"][1]
    listed["request_slow"] = (listed["request_slow"][0], listed["request_slow"][1] | served)
    for event, line in lines.items():
        level, fields = listed[event]
        assert level.split(",")[0].lower() == line["level"]
        common = {"timestamp", "level", "service", "environment", "version", "event", "logger"}
        ids = {"trace_id", "span_id", "trace_flags"}
        assert line.keys() - common - ids == fields
