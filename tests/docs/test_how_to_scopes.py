"""The how-tos on batches, threads, zero code and contrib run, and print what they say."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from propagation.testing import captured_spans
from tests.docs.pages import DOCS, blocks
from tests.propagation.test_instrument_command import configurator

if TYPE_CHECKING:
    import pytest
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.docs.clusters import Cluster
    from tests.infra.otlp import OtlpReceiver

COMMAND = "opentelemetry-instrument python app.py"


def follow(page: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> list[ReadableSpan]:
    """Run all code of *page* in its order; compare what it prints; give its spans."""
    names: dict[str, Any] = {"__name__": "how_to"}
    with captured_spans() as spans:
        for block in blocks(page):
            if block.language == "python":
                cluster.run(block.text, page, names)
            elif block.language == "text":
                assert capsys.readouterr().out == block.text
    assert capsys.readouterr().out == ""
    return spans


def test_batch(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Three batches, and every message of the last is linked from it or from its children."""
    spans = follow("how-to/batch.md", cluster, capsys)

    batches = [s for s in spans if "messaging.batch.message_count" in (s.attributes or {})]
    others = [span for span in spans if cluster.told(span.name) == "links orders"]
    assert [(s.attributes or {})["messaging.batch.message_count"] for s in batches] == [3, 3, 300]
    assert [len(span.links) for span in others] == [128, 44]


def test_threads_and_tasks(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Each way into another thread or task has the trace that the page says."""
    spans = follow("how-to/threads-and-tasks.md", cluster, capsys)

    assert [cluster.told(span.name) for span in spans] == ["process orders"] * 6


def test_coming_from_contrib(cluster: Cluster) -> None:
    """The page runs in a process of its own, for it patches; both libraries are in it."""
    page = "how-to/coming-from-contrib.md"
    code = "".join(block.text for block in blocks(page) if block.language == "python")
    printed = "".join(block.text for block in blocks(page) if block.language == "text")

    done = finished([sys.executable, "-c", cluster.fitted(code)])

    assert done.stdout == printed
    assert done.stderr == "WARNING propagation.contrib\n"


def test_zero_code(cluster: Cluster, tmp_path: Path, otlp: OtlpReceiver) -> None:
    """The application prints what the page says, and its two spans are one trace."""
    page = "how-to/zero-code.md"
    app, *calls = [block.text for block in blocks(page) if block.language == "python"]
    [printed] = [block.text for block in blocks(page) if block.language == "text"]
    assert f"$ {COMMAND}\n" in (DOCS / page).read_text()
    lines = "\n".join(block.text for block in blocks(page)).splitlines()
    exports = [shlex.split(line)[2] for line in lines if line.startswith("$ export ")]
    program, python, name = COMMAND.split()
    bin_ = Path(sys.executable).parent
    (tmp_path / name).write_text(cluster.fitted(app))

    done = finished(
        [str(bin_ / program), str(bin_ / python), str(tmp_path / name)],
        PYTHONPATH=str(configurator(tmp_path)),
        OTEL_TRACES_EXPORTER="otlp",  # what opentelemetry-distro sets
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint,
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="confluent_kafka",
        **dict(export.split("=", 1) for export in exports),
    )
    begin, *rest = calls
    called = finished(
        [sys.executable, "-c", begin + cluster.fitted(app) + "".join(rest)],
        OTEL_TRACES_EXPORTER="none",
    )

    assert done.stdout == printed
    assert "instrument_refused" not in done.stderr
    send, process = otlp.spans()
    assert [cluster.told(s.name) for s in (send, process)] == ["send orders", "process orders"]
    assert process.parent_span_id == send.span_id
    assert called.stdout == printed


def finished(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end, which must be a good one."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done
