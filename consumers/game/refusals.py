"""From an error to what the client reads of it, and nothing else.

``{"error": {"code", "message", "details", "retryable", "retry_after", "trace_id", "request_id",
"time"}}``; ``details`` is there when there are any, ``retry_after`` when the request may be sent
again. Code, status and message come from `consumers.game.catalogue`, whatever was raised: the
words of an exception, ours or Starlette's, never reach an answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from consumers.errors import ConsumersError
from consumers.game import catalogue
from consumers.game.request_ids import HEADER, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from consumers.game.catalogue import Entry

KEY = "idempotency_key"
CLIENT_ERROR, SERVER_ERROR = 400, 500
# Starlette's own: nothing is routed here, or not with this method.
BY_STATUS = {404: catalogue.NOT_FOUND, 405: catalogue.METHOD_NOT_ALLOWED}
# What is left of such a body must not be taken for the next request, nor be waited for.
UNREAD = (catalogue.BODY_TIMEOUT, catalogue.BODY_TOO_LARGE)

log = structlog.get_logger(__name__)


class Refusal(ConsumersError):  # noqa: N818 - it is an answer, named by what it does
    """An answer that is an error. *message* replaces the entry's, *details* lie under names."""

    def __init__(
        self,
        entry: Entry,
        message: str | None = None,
        *,
        details: Mapping[str, list[str]] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(entry.code)
        self.entry = entry
        self.message = message or entry.message
        self.details = dict(details or {})
        self.retry_after_seconds = retry_after_seconds or entry.retry_after_seconds


class Answers:
    """The handlers of exceptions. *now* gives seconds since 1970."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    async def refused(self, request: Request, error: Exception) -> Response:
        """Answer a `Refusal`."""
        assert isinstance(error, Refusal)
        return self._answer(request, error)

    async def not_routed(self, request: Request, error: Exception) -> Response:
        """Answer what Starlette refuses."""
        assert isinstance(error, HTTPException)
        if not CLIENT_ERROR <= error.status_code < SERVER_ERROR:
            raise error  # nobody was refused: a defect like any other
        allow = (error.headers or {}).get("Allow")
        entry = BY_STATUS.get(error.status_code, catalogue.REFUSED)
        return self._answer(request, Refusal(entry), {"allow": allow} if allow else {})

    async def failed(self, request: Request, error: Exception) -> Response:
        """Answer what nobody expected; it is logged further out, as `request_failed`."""
        if isinstance(error, ClientDisconnect):
            return Response(status_code=CLIENT_ERROR)  # that nobody reads
        answer = self._answer(request, Refusal(catalogue.INTERNAL))
        # This one does not pass the middleware.
        answer.headers[HEADER] = request_id(request.scope)
        return answer

    def _answer(
        self, request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None
    ) -> Response:
        entry = refusal.entry
        error: dict[str, Any] = {"code": entry.code, "message": refusal.message}
        if details := refusal.details | _key(request, entry):
            error["details"] = details
        error["retryable"] = entry.retryable
        headers = {"cache-control": "no-store", **(headers or {})}
        if entry in UNREAD:
            headers["connection"] = "close"
        if entry.retryable:
            error["retry_after"] = refusal.retry_after_seconds
            headers["retry-after"] = str(refusal.retry_after_seconds)
        error |= {
            "trace_id": current_trace_id(),
            "request_id": request_id(request.scope),
            "time": datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds"),
        }
        write = log.warning if entry.status >= SERVER_ERROR else log.info
        write("request_refused", code=entry.code, request_id=error["request_id"])
        return JSONResponse({"error": error}, entry.status, headers)


def remember_key(request: Request, key: str) -> None:
    """Note the key under which *request* may be sent again without betting twice."""
    request.state.idempotency_key = key


def current_trace_id() -> str:
    """Give the trace id of the request."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def _key(request: Request, entry: Entry) -> dict[str, list[str]]:
    """Give the key if the answer leaves open what became of a play that may be on its way."""
    key = getattr(request.state, KEY, None)
    return {KEY: [key]} if key and entry.status >= SERVER_ERROR else {}
