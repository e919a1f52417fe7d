"""Applications that know nothing of tracing, for tests that start them in processes of their own.

Imported by them only for what is no client: they import confluent_kafka where they would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent.parent
SERVERS, TOPIC = "TEST_SERVERS", "TEST_TOPIC"

# What each application begins with. `told` is what the test gets to read.
BEGIN = """
import json, os
told = {}
servers, topic = os.environ["TEST_SERVERS"], os.environ["TEST_TOPIC"]
client = {"bootstrap.servers": servers, "log_level": 0}
group = {**client, "group.id": topic, "group.protocol": "consumer", "auto.offset.reset": "earliest"}
"""
END = """
print(json.dumps(told))
"""


def run(
    app: str,
    servers: str,
    topic: str = "",
    *,
    command: tuple[str, ...] = (sys.executable,),
    env: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> tuple[dict[str, Any], str]:
    """Run *app* by *command*, as *file* if it is to be one.

    Gives what it told, and its standard error.
    """
    script = BEGIN + textwrap.dedent(app) + END
    if file is not None:
        file.write_text(script)
    done = subprocess.run(
        [*command, *(("-c", script) if file is None else (str(file),))],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            SERVERS: servers,
            TOPIC: topic or f"plays.{uuid.uuid4().hex[:8]}",
            **(env or {}),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told, done.stderr


def traced_span() -> tuple[str, str]:
    """Give the trace id and the span id that are current in an application."""
    from opentelemetry import trace  # noqa: PLC0415  # not before the application's own imports

    current = trace.get_current_span().get_span_context()
    return f"{current.trace_id:032x}", f"{current.span_id:016x}"


def trace_of(message: Any) -> list[str]:
    """List the trace ids in the headers of a message."""
    found = message.headers() or []
    return [value.decode().split("-")[1] for name, value in found if name == "traceparent"]


def first(consumer: Any) -> Any:
    """Poll until a message comes; its value may be empty, and so the message false."""
    while (message := consumer.poll(1)) is None or message.error() is not None:
        """The timeout of the process bounds it."""
    return message


def told_of(spans: Any) -> list[dict[str, Any]]:
    """Describe spans in the order in which they have ended."""
    return [
        {
            "name": span.name,
            "trace": f"{span.context.trace_id:032x}",
            "parent": f"{span.parent.span_id:016x}" if span.parent else "",
            "span": f"{span.context.span_id:016x}",
            "links": len(span.links),
            "status": span.status.status_code.name,
        }
        for span in spans
    ]
