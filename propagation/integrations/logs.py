"""Give structlog and the standard library's logging one voice: a JSON line on standard output.

Every line carries `timestamp level service version environment event`, then `logger`, the current
span's `trace_id span_id trace_flags` (OpenTelemetry, "Trace Context in non-OTLP Log Formats"), then
the caller's fields. The ids are read when the line is written, from whatever span is current,
sampled or not, and never bound to anything. An exception is one field
`error: {type, message, stack}`. What cannot be written as JSON is written as text: a log call never
raises and never breaks a line. Secrets and personal data are masked by the name of their field and
by what they look like (see `masking`); payloads do not belong into a log all the same. `service`,
`version` and `environment` are what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES make of them, as
on the spans.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from propagation.identity import ENVIRONMENT, SERVICE, VERSION, identity
from propagation.integrations.lines import (
    closed,
    describe_error,
    encode,
    member,
    quoted,
    rfc3339,
    shortened,
    text,
)
from propagation.integrations.masking import Masks
from propagation.integrations.output import Output

try:
    import structlog
except ImportError as error:
    raise ImportError("propagation.integrations.logs needs: pip install 'lagmon[logs]'") from error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from structlog.typing import EventDict, WrappedLogger

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_LATENCY_DIGITS = 3
"""latency_ms is written to the microsecond; more is noise of the clock."""

_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")

_TALKATIVE = ("httpx",)
"""Libraries that say at INFO what belongs to DEBUG: a line per request they make, with its URL."""

_COMMON = frozenset({"timestamp", "level", "service", "version", "environment", "event"})
_IDS = frozenset({"trace_id", "span_id", "trace_flags"})
_OURS = _COMMON | _IDS | {"logger"}
"""What a caller's field may have to give way to: the ids where there are any, `logger` likewise."""

_FLAGS = {0: "00", 1: "01", 2: "02", 3: "03"}
"""All flags that there are (W3C Trace Context level 2), written; others are written when met."""

_LOGGERS = 1024  # names of loggers remembered; made-up ones must not fill the memory

DEFAULT_MASKS: Final = Masks()
"""What is masked unless `configure` is told otherwise."""

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(
    service: str,
    *,
    version: str = "",
    environment: str = "",
    level: str = "INFO",
    stream: TextIO | None = None,
    masks: Masks | None = DEFAULT_MASKS,
) -> None:
    """Write every log line of the process as JSON to *stream*, from *level* upwards.

    *stream* is standard output when None, looked up at each line. Handlers of the root logger that
    write to a terminal are replaced, others (files, error trackers) stay; uvicorn's own handlers
    are taken off and its access log is silenced, `request_served` stands in for it. Calling it
    again starts over. *masks* says what is masked, None that nothing is. Raises ValueError for an
    unknown *level*. `restore()` undoes it.
    """
    if level.upper() not in LEVELS:
        raise ValueError(f"log level {level!r} is unknown: use one of {', '.join(LEVELS)}")
    restore()
    _before.append(_Before.now())
    threshold: int = getattr(logging, level.upper())
    known = identity(service, version, environment, os.environ)
    names = {"service": SERVICE, "version": VERSION, "environment": ENVIRONMENT}
    writer = _Writer({k: known.get(name, "") for k, name in names.items()}, stream, masks)
    _configure_structlog(writer, threshold)
    _configure_stdlib(writer, threshold)


def restore() -> None:
    """Put back the logging that `configure` found. Does nothing when it was not called."""
    while _before:
        _before.pop().put_back()


class _Writer(logging.Handler):
    """Where lines of both libraries meet: adds what all lines share and writes one at a time.

    The lock is the handler's own, which the standard library renews in a forked child.
    """

    def __init__(
        self, identity: Mapping[str, str], stream: TextIO | None, masks: Masks | None
    ) -> None:
        super().__init__()
        self._identity = encode(identity)[1:-1]
        self._output = Output(stream)
        self._mask = masks.field if masks else _unmasked

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of the standard library."""
        extra = {text(k): v for k, v in vars(record).items() if k not in _RECORD_FIELDS}
        if record.exc_info:
            extra["exc_info"] = record.exc_info
        if record.stack_info:
            extra["stack"] = record.stack_info
        at_ns = int(record.created * 1e6) * 1000
        level = record.levelname.lower()
        self.write(self.line(at_ns, level, record.name, _message(record), extra))

    def line(self, at_ns: int, level: str, logger: str, event: Any, extra: EventDict) -> str:
        """Put a line together; the caller's fields come last and never replace those before."""
        mask = self._mask
        head = (
            f'{{"timestamp":"{rfc3339(at_ns)}","level":{quoted(level)},{self._identity}'
            f',"event":{_event(mask("event", event))}'
        )
        if logger:
            head = f'{head},"logger":{quoted(logger)}'
        if "exc_info" in extra or "error" in extra:
            describe_error(extra)
        ids = "" if "trace_id" in extra else _ids()
        members = [head, ids]
        for key, value in extra.items():
            if key in _OURS and (key in _COMMON or (logger if key == "logger" else ids)):
                members.append(member(f"{key}_", mask(key, value)))
            elif key == "latency_ms" and isinstance(value, float):
                members.append(member(key, round(value, _LATENCY_DIGITS)))
            else:
                members.append(member(key, mask(key, value)))
        return closed("".join(members))

    def write(self, line: str) -> None:
        """Write *line* whole; one that cannot be written is lost."""
        self.acquire()
        try:
            self._output.write(line)
        finally:
            self.release()


@dataclass(frozen=True, slots=True)
class _Logger:
    """What structlog wraps: knows its name and hands finished lines on."""

    name: str
    writer: _Writer

    def _write(self, line: str) -> None:
        self.writer.write(line)

    debug = info = warning = error = critical = exception = msg = log = _write


@dataclass(frozen=True, slots=True)
class _Before:
    """How logging was set up, so that it can be put back."""

    structlog: dict[str, Any] | None
    root: tuple[list[logging.Handler], int]
    uvicorn: tuple[tuple[list[logging.Handler], bool], ...]
    talkative: tuple[int, ...]

    @classmethod
    def now(cls) -> _Before:
        """Note the present set-up."""
        root = logging.getLogger()
        return cls(
            structlog.get_config() if structlog.is_configured() else None,
            ([h for h in root.handlers if _is_terminal(h)], root.level),
            tuple((list(_get(name).handlers), _get(name).propagate) for name in _UVICORN),
            tuple(_get(name).level for name in _TALKATIVE),
        )

    def put_back(self) -> None:
        """Set up logging as it was noted."""
        if self.structlog is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**self.structlog)
        handlers, level = self.root
        _replace_terminal_handlers(handlers)
        logging.getLogger().setLevel(level)
        for name, (own, propagate) in zip(_UVICORN, self.uvicorn, strict=True):
            _get(name).handlers, _get(name).propagate = list(own), propagate
        for name, own_level in zip(_TALKATIVE, self.talkative, strict=True):
            _get(name).setLevel(own_level)


_before: list[_Before] = []
_get = logging.getLogger


def _configure_structlog(writer: _Writer, threshold: int) -> None:
    with_stack = structlog.processors.StackInfoRenderer(additional_ignores=[__name__])

    @lru_cache(maxsize=_LOGGERS)
    def named(name: str) -> _Logger:
        return _Logger(name, writer)

    def render(logger: WrappedLogger, method: str, fields: EventDict) -> str:
        if "stack_info" in fields:
            fields = with_stack(logger, method, fields)
        event = fields.pop("event", "")
        level = "error" if method == "exception" else method
        return writer.line(time.time_ns(), level, logger.name, event, fields)

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *names: named(str(names[0]) if names else ""),
        # A cached logger would go on with the set-up it was first used under.
        cache_logger_on_first_use=False,
    )


def _configure_stdlib(writer: _Writer, threshold: int) -> None:
    _replace_terminal_handlers([writer])
    logging.getLogger().setLevel(threshold)
    for name in _UVICORN:
        # Without a handler in reach uvicorn does not even build its access lines.
        _get(name).handlers, _get(name).propagate = [], name != "uvicorn.access"
    for name in _TALKATIVE:
        if _get(name).level == logging.NOTSET and threshold > logging.DEBUG:
            _get(name).setLevel(logging.WARNING)


def _replace_terminal_handlers(handlers: list[logging.Handler]) -> None:
    root = logging.getLogger()
    root.handlers = [h for h in root.handlers if not _is_terminal(h)] + handlers


def _is_terminal(handler: logging.Handler) -> bool:
    """Tell whether *handler* writes to a terminal; its subclasses write elsewhere."""
    return type(handler) in {logging.StreamHandler, _Writer}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the format must not lose the line
        return f"{text(record.msg)} {text(record.args)}"


def _event(event: Any) -> str:
    # Cut once it is masked: half a secret would no longer look like one.
    return quoted(shortened(event)) if isinstance(event, str) else encode({"": event})[4:-1]


def _unmasked(_key: str, value: Any) -> Any:
    return value


def _ids() -> str:
    """Write the ids of the current span as further fields, if there is one."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    # Half the time of a format. A valid context has ids that fit, its flags may be any number.
    trace_id, span_id = context.trace_id.to_bytes(16).hex(), context.span_id.to_bytes(8).hex()
    flags = _FLAGS.get(context.trace_flags) or f"{context.trace_flags:02x}"
    return f',"trace_id":"{trace_id}","span_id":"{span_id}","trace_flags":"{flags}"'
