"""What is reported to Sentry has the trace id of its logs, and no secrets. Nothing is sent."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import sentry_sdk
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext
from sentry_sdk.transport import Transport

from propagation.integrations import sentry
from propagation.integrations.masking import MASK, Masks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentry_sdk.envelope import Envelope

SPAN = NonRecordingSpan(
    SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=False)
)
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
DSN = "http://key@127.0.0.1:9/1"


class Kept(Transport):
    """A transport that keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the events of *envelope*."""
        for item in envelope.items:
            event = item.payload.json
            assert isinstance(event, dict)
            self.events += event.get("items", [event])


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Give a transport, and end what was configured with it."""
    transport = Kept()
    with sentry_sdk.isolation_scope():
        yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.init(default_integrations=False)  # these would change Python for all tests to come


def start(transport: Kept, **options: Any) -> None:
    """Configure Sentry to keep its events."""
    sentry.configure(
        "game-api", version="1.2", environment="test", dsn=DSN, transport=transport,
        default_integrations=False, **options,
    )  # fmt: skip


def fail(password: str) -> None:
    """Report an error whose message and variables hold secrets."""
    try:
        raise ValueError(f"no connection to postgresql://api:{password}@db/game")  # noqa: TRY301
    except ValueError:
        sentry_sdk.capture_exception()


def test_an_event_has_the_trace_id_of_the_current_span(kept: Kept) -> None:
    """An error is reported under the trace that was current when it was captured."""
    start(kept)
    with trace.use_span(SPAN):
        fail("hunter2")

    [event] = kept.events
    assert event["contexts"]["trace"] == {"trace_id": TRACE_ID, "span_id": "b7ad6b7169203331"}
    assert event["tags"]["trace_id"] == TRACE_ID


def test_an_event_outside_of_a_span_has_no_other_spans_id(kept: Kept) -> None:
    """Without a current span an event is tagged with no trace."""
    start(kept)
    fail("hunter2")

    [event] = kept.events
    assert "trace_id" not in event["tags"]


def test_an_event_names_its_service(kept: Kept) -> None:
    """Release, environment and service are those of the logs."""
    start(kept)
    fail("hunter2")

    [event] = kept.events
    assert (event["release"], event["environment"]) == ("game-api@1.2", "test")
    assert event["tags"]["service"] == "game-api"


def test_a_renamed_service_has_one_name(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME renames it here as on the spans."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "renamed")
    start(kept)
    fail("hunter2")

    assert kept.events[0]["release"] == "renamed@1.2"


def test_an_event_is_masked(kept: Kept) -> None:
    """Message, variables, breadcrumbs, user, request and extra data show no secret."""
    start(kept)
    with sentry_sdk.new_scope() as scope:
        scope.set_user({"id": "p1", "email": "joe@example.com"})
        scope.set_extra("headers", {"Authorization": "Bearer abcdef0123456"})
        scope.add_breadcrumb(message="GET /?token=t1", data={"api_key": "k1"})
        fail("hunter2")

    [event] = kept.events
    frame = event["exception"]["values"][0]["stacktrace"]["frames"][-1]
    assert event["exception"]["values"][0]["value"] == (
        f"no connection to postgresql://{MASK}@db/game"
    )
    assert frame["vars"]["password"] == MASK
    assert event["user"] == {"id": "p1", "email": MASK}
    assert event["extra"]["headers"] == {"Authorization": MASK}
    assert event["breadcrumbs"]["values"][0]["message"] == f"GET /?token={MASK}"
    assert event["breadcrumbs"]["values"][0]["data"] == {"api_key": MASK}


def test_a_hook_of_the_callers_cannot_undo_it(kept: Kept) -> None:
    """A hook sees the event first; what it adds is masked too, and it can still drop the event."""

    def add(event: Any, _hint: Any) -> Any:
        if event.get("message") == "drop":
            return None
        return event | {"extra": {"token": "t1"}}

    start(kept, before_send=add)
    sentry_sdk.capture_message("keep")
    sentry_sdk.capture_message("drop")

    [event] = kept.events
    assert event["extra"] == {"token": MASK}


def test_masks_can_be_said(kept: Kept) -> None:
    """The masks of a service's logs can be handed in."""
    start(kept, masks=Masks(hash_key=b"k"))
    sentry_sdk.capture_message("password=x")

    assert kept.events[0]["message"].startswith("password=[masked:")


def test_a_transaction_keeps_its_own_trace(kept: Kept) -> None:
    """Sentry's own tracing is masked and tagged, and its ids are left as they are."""
    start(kept, traces_sample_rate=1.0)
    with trace.use_span(SPAN), sentry_sdk.start_transaction(name="GET /?token=t1"):
        pass

    [event] = [event for event in kept.events if event.get("type") == "transaction"]
    assert event["transaction"] == f"GET /?token={MASK}"
    assert event["tags"]["trace_id"] == TRACE_ID
    assert event["contexts"]["trace"]["trace_id"] != TRACE_ID


def test_errors_of_the_log_are_events_with_ids(kept: Kept) -> None:
    """What Sentry's own logging integration reports is treated alike."""
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415 - of this test

    start(kept, integrations=[LoggingIntegration()])
    with trace.use_span(SPAN):
        logging.getLogger("game").error("failed with password=%s", "hunter2")

    [event] = kept.events
    assert event["tags"]["trace_id"] == TRACE_ID
    assert event["logentry"]["formatted"] == f"failed with password={MASK}"
    assert "hunter2" not in str(event)


def test_a_request_is_masked(kept: Kept) -> None:
    """Address, query, headers, cookies and body of the request that failed show no secret."""

    def add(event: Any, _hint: Any) -> Any:
        return event | {
            "request": {
                "url": "http://u1:p1@host/play",
                "query_string": "token=t1&page=2",
                "headers": {"Cookie": "c1", "X-Api-Key": "k1", "Accept": "a/b"},
                "cookies": {"session": "c1"},
                "data": {"user": {"email": "joe@example.com"}, "note": "Bearer abcdef0123456"},
            }
        }

    start(kept, before_send=add)
    sentry_sdk.capture_message("x")

    assert kept.events[0]["request"] == {
        "url": f"http://{MASK}@host/play",
        "query_string": f"token={MASK}&page=2",
        "headers": {"Cookie": MASK, "X-Api-Key": MASK, "Accept": "a/b"},
        "cookies": MASK,
        "data": {"user": {"email": MASK}, "note": f"Bearer {MASK}"},
    }


def test_a_log_record_is_masked_and_has_the_ids(kept: Kept) -> None:
    """Sentry's log has the trace id of ours, and shows neither secrets nor nameless arguments."""
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415 - of this test

    start(kept, enable_logs=True, integrations=[LoggingIntegration(event_level=None)])
    with trace.use_span(SPAN):
        logging.getLogger("game").warning("no password=%s", "hunter2", extra={"token": "t1"})
        sentry_sdk.logger.info("played by {player}", player="p1", attributes={"api_key": "k1"})
    sentry_sdk.flush()

    failed, played = kept.events
    assert failed["body"] == f"no password={MASK}"
    assert failed["attributes"]["token"]["value"] == MASK
    assert "hunter2" not in str(failed)
    assert played["attributes"]["sentry.message.parameter.player"]["value"] == "p1"
    assert played["attributes"]["api_key"]["value"] == MASK
    assert {log["trace_id"] for log in kept.events} == {TRACE_ID}
    assert {log["span_id"] for log in kept.events} == {"b7ad6b7169203331"}


def test_a_metric_is_masked_and_has_the_ids(kept: Kept) -> None:
    """What is counted for Sentry carries no secret in its attributes."""
    start(kept)
    with trace.use_span(SPAN):
        sentry_sdk.metrics.count("plays", 1, attributes={"email": "joe@example.com", "game": "7"})
    sentry_sdk.flush()

    [metric] = kept.events
    assert metric["attributes"]["email"]["value"] == MASK
    assert metric["attributes"]["game"]["value"] == "7"
    assert (metric["name"], metric["type"], metric["value"]) == ("plays", "counter", 1.0)
    assert (metric["trace_id"], metric["span_id"]) == (TRACE_ID, "b7ad6b7169203331")


@pytest.mark.parametrize(
    "streaming", [{"trace_lifecycle": "stream"}, {"_experiments": {"trace_lifecycle": "stream"}}]
)
def test_a_streamed_span_is_masked(kept: Kept, streaming: dict[str, Any]) -> None:
    """Spans that Sentry sends one by one are masked too, and keep the ids of its own trace."""
    start(kept, traces_sample_rate=1.0, **streaming)
    with trace.use_span(SPAN), sentry_sdk.traces.start_span("GET /?token=t1") as span:
        span.set_attribute("http.request.header.cookie", "c1")
        own = span.trace_id
    sentry_sdk.flush()

    [sent] = kept.events
    assert sent["name"] == f"GET /?token={MASK}"
    assert sent["attributes"]["http.request.header.cookie"]["value"] == MASK
    assert sent["trace_id"] == own


def test_a_hook_among_the_experiments_is_kept(kept: Kept) -> None:
    """Where a hook was given as an experiment it runs as well."""
    start(
        kept,
        enable_logs=True,
        _experiments={"before_send_log": lambda log, _: log | {"body": "token=t1"}},
    )
    sentry_sdk.logger.info("x")
    sentry_sdk.flush()

    assert [log["body"] for log in kept.events] == [f"token={MASK}"]


def test_a_missing_extra_is_named() -> None:
    """Without sentry-sdk the import says what to install."""
    script = "import sys; sys.modules['sentry_sdk'] = None; import propagation.integrations.sentry"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert "ImportError: " in done.stderr
    assert "pip install 'lagmon[sentry]'" in done.stderr
