"""`opentelemetry-instrument python app.py`: the application does not know of any of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from propagation.integrations.zero_code import PropagationInstrumentor
from tests.propagation.zero_code import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.otlp import OtlpReceiver

    Start = Callable[..., tuple[dict[str, Any], str]]

# What opentelemetry-distro registers: it sets the SDK up as OTEL_* say.
CONFIGURATOR = """[opentelemetry_configurator]
configurator = opentelemetry.sdk._configuration:_OTelSDKConfigurator
"""
APP = """
import logging
logging.basicConfig()
from confluent_kafka import Consumer, Producer

producer = Producer(client)
producer.produce(topic, b"1", headers={"a": "b"})
producer.flush(60)
consumer = Consumer(group)
consumer.subscribe([topic])
while (message := consumer.poll(1)) is None:
    pass
logging.warning("settled")
told["headers"] = [name for name, _ in message.headers()]
told["real"] = isinstance(producer, Producer)
consumer.close()
"""
NO_CONTRIB = "confluent_kafka"


def configurator(folder: Path) -> Path:
    """Make *folder* a place on Python's path where a distribution registers a configurator."""
    found = folder / "configurator-1.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: configurator\nVersion: 1\n")
    (found / "entry_points.txt").write_text(CONFIGURATOR)
    return folder


@pytest.fixture
def start(tmp_path: Path, bootstrap_servers: str, otlp: OtlpReceiver) -> Start:
    """Give a function that runs app.py by the command as installed, exporting to `otlp`."""
    path = str(configurator(tmp_path))
    programs = str(Path(sys.executable).parent)

    def start(app: str = APP, **env: str) -> tuple[dict[str, Any], str]:
        return run(
            app,
            bootstrap_servers,
            "plays",
            command=("opentelemetry-instrument", "python"),
            file=tmp_path / "app.py",
            env={
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": path,
                "OTEL_SERVICE_NAME": "app",
                "OTEL_TRACES_EXPORTER": "otlp_proto_http",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
                **env,
            },
        )

    return start


def test_an_unchanged_application_has_one_trace(start: Start, otlp: OtlpReceiver) -> None:
    """Send and process are one trace, although contrib's instrumentation is installed as well."""
    told, stderr = start()

    send, process = otlp.spans()
    assert [send.name, process.name] == ["send plays", "process plays"]
    assert process.trace_id == send.trace_id
    assert process.parent_span_id == send.span_id
    assert send.service == "app"
    assert told == {"headers": ["a", "traceparent"], "real": True}
    assert stderr.count("contrib_taken_off") == 1


def test_without_contrib_nothing_is_said(start: Start) -> None:
    """No warning, no error: what stands on stderr is the application's own."""
    _, stderr = start(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=NO_CONTRIB)

    assert stderr == "WARNING:root:settled\n"


@pytest.mark.parametrize("disabled", ["propagation", "a, propagation", "*"])
def test_it_can_be_switched_off(start: Start, otlp: OtlpReceiver, disabled: str) -> None:
    """By the variable that switches off any instrumentation; contrib's then does what it does."""
    told, _ = start(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled)

    assert told["headers"] == (["a"] if disabled == "*" else ["a", "traceparent"])
    assert not [span for span in otlp.spans() if span.name == "send plays"]


STRANGER = """
import logging
logging.basicConfig()
from confluent_kafka import Consumer, Producer
from opentelemetry import trace

producer = Producer(client)
producer.produce(topic + "-of-strangers", b"1")
producer.flush(60)
consumer = Consumer({**group, "group.id": topic + "-of-strangers"})
consumer.subscribe([topic + "-of-strangers"])
while (message := consumer.poll(1)) is None:
    pass
span = trace.get_current_span()
sent = dict(message.headers() or []).get("traceparent", b"").decode().split("-")
told["follows"] = sent[1:2] == [f"{span.get_span_context().trace_id:032x}"]
told["links"] = len(getattr(span, "links", ()))
told["current"] = span.get_span_context().is_valid
consumer.close()
"""
LINKED = json.dumps({"policies": [{"topics": ".*-of-strangers", "trust": "link"}]})


def test_topics_are_trusted_as_the_environment_says(start: Start) -> None:
    """Options as JSON, by the names of their fields: a topic of strangers is linked alone."""
    told, _ = start(STRANGER, PROPAGATION_OPTIONS=LINKED)

    assert told == {"follows": False, "links": 1, "current": True}


def test_the_environment_chooses_the_scope(start: Start) -> None:
    """Nothing is held where that was not asked for; the message has its header all the same."""
    told, _ = start(PROPAGATION_SCOPE="none")
    current, _ = start(STRANGER, PROPAGATION_SCOPE="none", PROPAGATION_OPTIONS=LINKED)

    assert told["headers"] == ["a", "traceparent"]
    assert not current["current"]


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SCOPE", "message", "PROPAGATION_SCOPE='message' must be one of poll, none"),
        ("OPTIONS", "trust", "PROPAGATION_OPTIONS='trust': Expecting value"),
        ("OPTIONS", "[]", "PROPAGATION_OPTIONS='[]': 'list' object is not a mapping"),
        ("OPTIONS", '{"policys": []}', "unexpected keyword argument 'policys'"),
        ("OPTIONS", '{"policies": [{"topic": "a"}]}', "unexpected keyword argument 'topic'"),
        ("OPTIONS", '{"policies": [{"trust": "no"}]}', "trust='no' must be one of continue"),
        ("OPTIONS", '{"policies": [{"topics": 5}]}', "must be string"),
        ("OPTIONS", '{"poll_spans": "no"}', "poll_spans='no' must be True or False"),
    ],
)
def test_a_wrong_variable_is_told_once_and_nothing_traced(
    start: Start, variable: str, value: str, reason: str
) -> None:
    """A mistyped trust must not become trust in everybody; other instrumentations go on."""
    told, stderr = start(
        **{f"PROPAGATION_{variable}": value}, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=NO_CONTRIB
    )

    assert told["headers"] == ["a"]
    [line] = [line for line in stderr.splitlines() if "instrument_refused" in line]
    assert reason in line
    assert "Traceback" not in stderr
    assert "Failed to auto initialize" not in stderr


def test_the_instrumentor_is_opentelemetrys_handle(bootstrap_servers: str) -> None:
    """Instrument, uninstrument, with scope and options."""
    told, _ = run(
        """
        import confluent_kafka
        from propagation.integrations.zero_code import PropagationInstrumentor, prepare
        one = PropagationInstrumentor()
        told["states"] = []
        one.instrument(scope="none")
        told["states"].append(confluent_kafka.Producer.__module__)
        one.uninstrument()
        told["states"].append(confluent_kafka.Producer.__module__)
        one.instrument()
        told["states"].append(confluent_kafka.Producer.__module__)
        one.uninstrument()
        told["states"].append(confluent_kafka.Producer.__module__)
        from propagation import Consumer, Options
        options = Options(poll_spans=True)
        one.instrument(options=options)
        told["options"] = Consumer(group).process_spans.options is options
        """,
        bootstrap_servers,
    )

    assert told["states"] == ["confluent_kafka", "cimpl", "confluent_kafka", "cimpl"]
    assert told["options"]
    assert PropagationInstrumentor().instrumentation_dependencies()


def test_a_failure_of_ours_does_not_keep_an_application_from_starting(
    bootstrap_servers: str,
) -> None:
    """It is logged, and the application runs without traces."""
    told, stderr = run(
        """
        import logging
        logging.basicConfig()
        from propagation.integrations import zero_code
        def fail():
            raise LookupError("no such class")
        zero_code.instrument = fail
        zero_code.prepare()
        told["alive"] = True
        """,
        bootstrap_servers,
    )

    assert told["alive"]
    assert "instrument_failed" in stderr
    assert "LookupError: no such class" in stderr
