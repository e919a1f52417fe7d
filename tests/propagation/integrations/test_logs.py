"""structlog and the standard library write the same line, with the ids of the current span."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from propagation.integrations import logs
from propagation.integrations.masking import MASK, Masks
from tests.infra.ports import free_port
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7
IDS = {
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "00f067aa0ba902b7",
    "trace_flags": "00",
}


# Names that one of the libraries keeps for itself.
RESERVED = {*vars(logging.makeLogRecord({})), "message", "asctime", "event", "self", "stack_info"}


class Lines:
    """What was logged since the test began."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        """Read every line."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def only(self) -> dict[str, Any]:
        """Read the one line there must be."""
        [line] = self.all()
        return line


@pytest.fixture(autouse=True)
def uvicorn_as_new() -> Iterator[None]:
    """Take back what servers of other tests have set on uvicorn's loggers, for a while."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(one, one.level, one.propagate, list(one.handlers)) for one in loggers]
    for one in loggers:
        one.setLevel(logging.NOTSET)
        one.propagate, one.handlers[:] = True, []
    yield
    for one, level, propagate, handlers in before:
        one.setLevel(level)
        one.propagate, one.handlers[:] = propagate, handlers


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Log to memory, and put logging back afterwards."""
    written = Lines()
    logs.configure("game-api", version="1.2", environment="test", stream=written.stream)
    yield written
    logs.restore()


def span(flags: int = 0) -> NonRecordingSpan:
    """Make a span of the known trace, sampled or not."""
    return NonRecordingSpan(
        SpanContext(TRACE_ID, SPAN_ID, is_remote=True, trace_flags=TraceFlags(flags))
    )


def by_structlog(event: str, **fields: object) -> None:
    """Log by structlog."""
    structlog.get_logger("game").info(event, **fields)


def by_stdlib(event: str, **fields: object) -> None:
    """Log by the standard library."""
    logging.getLogger("game").info(event, extra=fields)


both = pytest.mark.parametrize("log", [by_structlog, by_stdlib])


@both
def test_a_line_has_the_fields_every_line_has(log: Callable[..., None], lines: Lines) -> None:
    """Both libraries write the same names in the same order, and the caller's fields last."""
    log("play_settled", play_id="p1", partition=0)

    line = lines.only()
    assert line.pop("timestamp").endswith("Z")
    assert list(line.items()) == [
        ("level", "info"),
        ("service", "game-api"),
        ("version", "1.2"),
        ("environment", "test"),
        ("event", "play_settled"),
        ("logger", "game"),
        ("play_id", "p1"),
        ("partition", 0),
    ]


@both
@pytest.mark.parametrize(("flags", "written"), [(0, "00"), (1, "01"), (3, "03")])
def test_a_line_has_the_ids_of_the_current_span(
    log: Callable[..., None], lines: Lines, flags: int, written: str
) -> None:
    """Ids stand on the line of a sampled and of an unsampled span, and of one that only came in."""
    with trace.use_span(span(flags)):
        log("inside")

    assert lines.only().items() >= {**IDS, "trace_flags": written}.items()


UNSAMPLED = """
import logging, structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from propagation import processing
from propagation.integrations import logs
from propagation.testing import message

trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
logs.configure("game-consumer")
traceparent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
with processing(message(headers=[("traceparent", traceparent)])) as span:
    structlog.get_logger().info("inside")
    logging.getLogger().info("inside")
    structlog.get_logger().info("span", mine=f"{span.get_span_context().span_id:016x}")
structlog.get_logger().info("outside")
"""


def test_a_message_that_is_not_sampled_has_its_ids_on_its_lines() -> None:
    """In the scope of a message that is not recorded, lines have its trace id and say so."""
    done = subprocess.run(
        [sys.executable, "-c", UNSAMPLED], capture_output=True, text=True, check=True
    )

    *inside, outside = (json.loads(line) for line in done.stdout.splitlines())
    assert {line["trace_id"] for line in inside} == {IDS["trace_id"]}
    assert {line["trace_flags"] for line in inside} == {"00"}
    assert {line["span_id"] for line in inside} == {inside[-1]["mine"]}
    assert not outside.keys() & IDS.keys()


@both
def test_ids_are_gone_with_the_span(log: Callable[..., None], lines: Lines) -> None:
    """The ids are those of the moment of the call: none is left behind after the span."""
    with trace.use_span(span()):
        log("inside")
    log("outside")

    inside, outside = lines.all()
    assert inside["trace_id"] == IDS["trace_id"]
    assert not outside.keys() & IDS.keys()


def test_a_bound_logger_does_not_keep_ids(lines: Lines) -> None:
    """A logger that was bound inside a span takes its ids from the span it is called in."""
    with trace.use_span(span()):
        bound = structlog.get_logger().bind(play_id="p1")
    bound.info("outside")

    assert not lines.only().keys() & IDS.keys()


@both
def test_a_trace_id_that_is_handed_in_wins(log: Callable[..., None], lines: Lines) -> None:
    """A line about another trace names that one, without the current span's other ids."""
    with trace.use_span(span()):
        log("incident_opened", trace_id="ab" * 16)

    line = lines.only()
    assert line["trace_id"] == "ab" * 16
    assert "span_id" not in line


@both
def test_a_field_cannot_pose_as_a_common_one(log: Callable[..., None], lines: Lines) -> None:
    """A caller's field named like one that every line has is kept beside it."""
    log("x", service="other", level="http://u1:p1@other/", logger="other")

    line = lines.only()
    assert (line["service"], line["service_"]) == ("game-api", "other")
    assert (line["level"], line["level_"]) == ("info", f"http://{MASK}@other/")
    assert (line["logger"], line["logger_"]) == ("game", "other")


def test_a_name_that_is_not_taken_is_the_callers(lines: Lines) -> None:
    """A logger without a name and a line without ids leave those names to the caller."""
    structlog.get_logger().info("x", logger="mine", span_id="mine")

    assert lines.only().items() >= {"logger": "mine", "span_id": "mine"}.items()


@both
def test_a_latency_is_rounded_to_the_microsecond(log: Callable[..., None], lines: Lines) -> None:
    """latency_ms has three digits after the point."""
    log("x", latency_ms=1.23456789, other=1.23456789)

    assert (lines.only()["latency_ms"], lines.only()["other"]) == (1.235, 1.23456789)


@both
def test_an_odd_value_does_not_break_the_line(log: Callable[..., None], lines: Lines) -> None:
    """A value that JSON does not know is written all the same, on one line."""
    log("x", key=b"\xff\n", ratio=float("nan"), what=object, half="\ud83d")

    line = lines.only()
    assert (line["key"], line["ratio"], line["half"]) == ("\\xff\n", None, "\ufffd")


def test_a_name_that_is_no_text_does_not_stop_the_caller(lines: Lines) -> None:
    """The standard library lets a field be named by anything: it is written as its text."""
    extra: dict[Any, object] = {7: "a", b"k": "b"}
    logging.getLogger("game").info("x", extra=extra)

    assert lines.only().items() >= {"7": "a", "k": "b"}.items()


@both
def test_secrets_are_masked(log: Callable[..., None], lines: Lines) -> None:
    """By name and by look, in the event, in fields and in what they contain, for both libraries."""
    log(
        "GET /?token=t1 failed",
        password="p1",
        note="to joe@example.com",
        request={"headers": [("cookie", "c1"), ("a", b"b1")], "Authorization": "Bearer b1"},
        url=b"http://u1:p1@host/",
        card=4111111111111111,
        offset=7,
    )

    line = lines.only()
    assert line["event"] == f"GET /?token={MASK} failed"
    assert (line["password"], line["note"]) == (MASK, f"to {MASK}")
    assert line["request"] == {"headers": [["cookie", MASK], ["a", "b1"]], "Authorization": MASK}
    assert line["url"] == f"http://{MASK}@host/"
    assert (line["card"], line["offset"]) == (MASK, 7)


def test_arguments_of_a_message_are_masked(lines: Lines) -> None:
    """A message of the standard library is masked as it reads with its arguments."""
    logging.getLogger("game").warning("connecting to %s", "postgresql://api:hunter2@db/game")

    assert lines.only()["event"] == f"connecting to postgresql://{MASK}@db/game"


def test_an_error_is_masked(lines: Lines) -> None:
    """Neither message nor stack of an exception shows a secret, and the rest of them is kept."""
    try:
        raise ValueError("password=hunter2 refused")  # noqa: TRY301 - it is the subject
    except ValueError:
        structlog.get_logger().exception("x")

    error = lines.only()["error"]
    assert error["message"] == f"password={MASK} refused"
    assert f"ValueError: password={MASK} refused" in error["stack"]
    assert "test_logs.py" in error["stack"]


@both
def test_what_is_masked_can_be_said(log: Callable[..., None]) -> None:
    """Masks of one's own stand in for the usual ones, and None masks nothing."""
    written = []
    for masks in (Masks(keys=("iban",), hash_key=b"k"), None):
        stream = io.StringIO()
        logs.configure("s", stream=stream, masks=masks)
        log("x", iban="DE12", password="p1", mail="a@b.de")
        written.append(json.loads(stream.getvalue()))
    logs.restore()

    hashed, bare = written
    assert hashed["iban"].startswith("[masked:")
    assert hashed["password"] == "p1"
    assert hashed["mail"].startswith("[masked:")
    assert (bare["iban"], bare["password"], bare["mail"]) == ("DE12", "p1", "a@b.de")


@pytest.mark.parametrize(
    ("environ", "service", "environment"),
    [
        ({"OTEL_SERVICE_NAME": "renamed"}, "renamed", "test"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=renamed"}, "renamed", "test"),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod,broken"},
            "game-api",
            "prod",
        ),
    ],
)
def test_a_renamed_service_has_one_name(
    environ: dict[str, str], service: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines say what the spans say: the variables that rename a service rename it here too."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    logs.configure("game-api", version="1.2", environment="test", stream=stream)
    by_stdlib("x")
    logs.restore()

    line = json.loads(stream.getvalue())
    assert (line["service"], line["environment"]) == (service, environment)
    assert line["version"] == "1.2"


@settings(deadline=None)  # on a busy machine
@given(st.lists(st.tuples(st.text(), st.none() | st.binary() | st.text())), st.text(), st.text())
def test_no_header_breaks_a_line(
    headers: list[tuple[str, bytes | str | None]], key: str, event: str
) -> None:
    """Whatever bytes headers, names and events have, both libraries write one and the same line."""
    stream = io.StringIO()
    logs.configure("game-api", stream=stream)
    fields = {key: headers} if key and key not in RESERVED else {"headers": headers}
    structlog.get_logger("game").info(event, **fields)
    logging.getLogger("game").info("%s", event, extra=fields)
    logs.restore()

    written = stream.getvalue()
    assert written.isascii()
    first, second = (json.loads(line) for line in written.splitlines())
    assert first.pop("timestamp") <= second.pop("timestamp")
    assert first == second


def test_librdkafka_speaks_in_the_same_shape(lines: Lines) -> None:
    """What a client's library says through `logger=` is a line like any other, and no trace's."""
    client = confluent_kafka.Producer(
        {"bootstrap.servers": f"127.0.0.1:{free_port()}"}, logger=logging.getLogger("librdkafka")
    )
    until(lambda: client.poll(0.05) or lines.all(), what="a line of librdkafka's")

    line = lines.all()[0]
    assert (line["logger"], line["service"]) == ("librdkafka", "game-api")
    assert "Connection refused" in line["event"]
    assert "trace_id" not in line


def test_a_stream_in_use_does_not_stop_the_caller() -> None:
    """A handler of a signal that logs in the middle of a line loses its own line alone."""

    class Busy(io.StringIO):
        """A stream that is being written to."""

        tried = 0

        def write(self, _: str) -> int:
            self.tried += 1
            raise RuntimeError("reentrant call inside")

    busy = Busy()
    logs.configure("s", stream=busy)
    by_structlog("x")
    by_stdlib("x")
    logs.restore()

    assert busy.tried == 2


def stdlib_exception() -> None:
    """Log the current exception by the standard library."""
    logging.getLogger().exception("x")  # noqa: LOG004 - called by a handler


def structlog_exception() -> None:
    """Log the current exception by structlog."""
    structlog.get_logger().exception("x")


def structlog_exc_info() -> None:
    """Log the current exception by its flag."""
    structlog.get_logger().error("x", exc_info=True)


def structlog_error_field() -> None:
    """Log an exception as the field that it becomes."""
    structlog.get_logger().error("x", error=sys.exc_info()[1])


@pytest.mark.parametrize(
    "log", [stdlib_exception, structlog_exception, structlog_exc_info, structlog_error_field]
)
def test_an_exception_is_one_field(log: Callable[[], None], lines: Lines) -> None:
    """However an exception is handed in, it is one field with type, message and stack."""
    try:
        int("no number")
    except ValueError:
        log()

    line = lines.only()
    assert line["level"] == "error"
    assert line["error"].keys() == {"type", "message", "stack"}
    assert line["error"]["type"] == "ValueError"
    assert line["error"]["stack"].startswith("Traceback")
    assert "exc_info" not in line


def test_an_error_that_is_no_exception_stays_what_it_is(lines: Lines) -> None:
    """A caller's own error text is not touched."""
    structlog.get_logger().error("x", error="timed out")

    assert lines.only()["error"] == "timed out"


def test_a_format_that_does_not_fit_is_logged(lines: Lines) -> None:
    """A record of the standard library whose arguments do not fit loses neither line nor words."""
    record = logging.makeLogRecord({"msg": "one %s", "args": (1, 2)})
    [writer] = [h for h in logging.getLogger().handlers if "propagation" in type(h).__module__]

    writer.handle(record)

    assert lines.only()["event"] == "one %s (1, 2)"


def test_context_variables_are_on_the_line(lines: Lines) -> None:
    """What was bound by structlog.contextvars is written."""
    with structlog.contextvars.bound_contextvars(play_id="p1"):
        structlog.get_logger().info("x")

    assert lines.only()["play_id"] == "p1"


@both
@pytest.mark.parametrize(("level", "count"), [("INFO", 1), ("warning", 0)])
def test_a_level_silences_what_is_below(log: Callable[..., None], level: str, count: int) -> None:
    """A level, in whatever case, holds for both libraries."""
    stream = io.StringIO()
    logs.configure("s", level=level, stream=stream)
    log("x")
    logs.restore()

    assert stream.getvalue().count("\n") == count


def test_an_unknown_level_is_refused() -> None:
    """The error says which levels there are."""
    with pytest.raises(ValueError, match="'LOUD' is unknown: use one of DEBUG, INFO"):
        logs.configure("s", level="LOUD")


@both
def test_configuring_again_replaces(log: Callable[..., None], lines: Lines) -> None:
    """The second set-up alone writes, once a line."""
    again = io.StringIO()
    logs.configure("worker", stream=again)
    log("x")

    assert lines.all() == []
    assert json.loads(again.getvalue())["service"] == "worker"


def test_a_logger_in_use_follows_the_new_set_up(lines: Lines) -> None:
    """A module's logger that has written before writes as configured last."""
    log = structlog.get_logger("game")
    log.info("before")
    again = io.StringIO()
    logs.configure("worker", stream=again)
    log.info("after")

    assert [line["event"] for line in lines.all()] == ["before"]
    assert json.loads(again.getvalue())["event"] == "after"


@both
def test_a_stack_can_be_asked_for(log: Callable[..., None], lines: Lines) -> None:
    """With stack_info the line says where it was written, without an error."""
    if log is by_structlog:
        log("x", stack_info=True)
    else:
        logging.getLogger("game").info("x", stack_info=True)

    stack = lines.only()["stack"]
    assert "test_a_stack_can_be_asked_for" in stack
    assert 'getLogger("game").info(' in stack.replace("get_l", "getL").splitlines()[-1]
    assert "error" not in lines.only()


@pytest.mark.parametrize(("level", "count"), [("INFO", 0), ("DEBUG", 1)])
def test_httpx_does_not_log_each_request(level: str, count: int) -> None:
    """Its line per request, with the URL, is written at DEBUG alone, and restored afterwards."""
    stream = io.StringIO()
    logs.configure("s", level=level, stream=stream)
    logging.getLogger("httpx").info("HTTP Request: GET http://host/?token=secret")
    logs.restore()

    assert stream.getvalue().count("\n") == count
    assert logging.getLogger("httpx").level == logging.NOTSET


def test_restoring_puts_everything_back() -> None:
    """After restore both libraries, the root logger and uvicorn's are as they were."""
    uvicorn = logging.getLogger("uvicorn.access")
    own = logging.NullHandler()
    uvicorn.addHandler(own)
    root = logging.getLogger()
    before = (list(root.handlers), root.level, structlog.is_configured(), uvicorn.propagate)
    logs.configure("a")
    logs.configure("b")
    logs.restore()

    after = (list(root.handlers), root.level, structlog.is_configured(), uvicorn.propagate)
    assert after == before
    assert uvicorn.handlers == [own]
    uvicorn.removeHandler(own)


def test_a_handler_that_is_no_terminal_stays(lines: Lines) -> None:
    """A handler that someone else put on the root logger goes on getting records."""

    class Mine(logging.Handler):
        """Counts."""

        count = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.count += bool(record)

    mine = Mine()
    logging.getLogger().addHandler(mine)
    logs.configure("again", stream=lines.stream)
    logging.getLogger().warning("x")
    logging.getLogger().removeHandler(mine)

    assert mine.count == 1


def test_uvicorn_speaks_in_the_same_shape(lines: Lines) -> None:
    """Messages of uvicorn are lines like any other, and its access log is silent."""
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 1)
    logging.getLogger("uvicorn.access").info("GET / 200")

    assert lines.only()["event"] == "Started server process [1]"
    assert not logging.getLogger("uvicorn.access").propagate


def test_a_closed_stream_does_not_stop_the_caller() -> None:
    """When the log cannot be written any more each line is tried, lost, and the caller goes on."""

    class Closed(io.StringIO):
        """A stream that is closed, and counts who does not know."""

        tried = 0

        def write(self, line: str) -> int:
            self.tried += 1
            return super().write(line)

    stream = Closed()
    stream.close()
    logs.configure("s", stream=stream)
    for tried, log in enumerate((by_structlog, by_stdlib, by_structlog), start=1):
        log("x")
        assert stream.tried == tried
    logs.restore()


@both
def test_an_event_has_an_end(log: Callable[..., None], lines: Lines) -> None:
    """Of an endless message a thousand characters are kept, with a sign that there was more."""
    log("x" * 999 + "yz")

    assert lines.only()["event"] == "x" * 999 + "…"


@both
def test_an_event_is_cut_once_it_is_masked(log: Callable[..., None], lines: Lines) -> None:
    """A secret that lies across the cut is masked all the same."""
    log("x" * 980 + " password=hunter2hunter2hunter2")

    assert "hunter" not in lines.only()["event"]


def test_what_a_stranger_sends_does_not_fill_the_log(lines: Lines) -> None:
    """The baggage of 12 kB that OpenTelemetry complains of is cut."""
    W3CBaggagePropagator().extract({"baggage": "k=v," * 3000})

    line = lines.only()
    assert line["logger"].startswith("opentelemetry.baggage")
    assert len(line["event"]) == 1000


def test_a_service_without_standard_output_goes_on() -> None:
    """Started with its standard output closed, a process logs into nothing."""
    script = (
        "import sys, logging, structlog; from propagation.integrations import logs;"
        "assert sys.stdout is None; logs.configure('s');"
        "structlog.get_logger().info('x'); logging.getLogger().info('x')"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" >&-', sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_after_a_full_disk_lines_are_whole_again(tmp_path: Path) -> None:
    """The line that did not fit is torn; those after it stand on lines of their own."""
    script = (
        "import resource, structlog; from propagation.integrations import logs;"
        "logs.configure('s'); log = structlog.get_logger(); size = resource.RLIMIT_FSIZE;"
        "_, most = resource.getrlimit(size); log.info('before');"
        "resource.setrlimit(size, (150, most)); log.info('torn'); log.info('lost');"
        "resource.setrlimit(size, (most, most)); log.info('after'); log.info('later')"
    )
    file = tmp_path / "log"
    with file.open("w") as stream:
        subprocess.run([sys.executable, "-c", script], stdout=stream, check=True)

    before, _, *lines = file.read_text().splitlines()
    assert [json.loads(line)["event"] for line in (before, *lines)] == ["before", "after", "later"]


def test_standard_output_is_where_lines_go(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream lines go to standard output as it is at the time."""
    logs.configure("s")
    by_structlog("x")
    logs.restore()

    captured = capsys.readouterr()
    assert json.loads(captured.out)["event"] == "x"
    assert captured.err == ""


def test_a_missing_extra_is_named() -> None:
    """Without structlog the import says what to install."""
    script = "import sys; sys.modules['structlog'] = None; import propagation.integrations.logs"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert "ImportError: " in done.stderr
    assert "pip install 'lagmon[logs]'" in done.stderr
