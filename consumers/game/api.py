"""The game over HTTP: take a bet, show what became of it. An ASGI application.

``POST /game/slots/play``, ``{"player_id": str, "game": str, "bet": int}`` with the bet in cents:
202 ``{"play_id", "trace_id", "status": "accepted"}`` once the broker has acknowledged the play. An
``Idempotency-Key`` becomes the play's id, so whoever got a 503, or no answer, sends the request
again under the same key and bets once. A 503 names the id to use when there was no key. A key
belongs to one bet: sent with another one it is accepted too, because only the worker can know; the
first that is settled stands, and ``GET`` shows which that was.

``GET /game/plays/{play_id}``: 200 with the settled play | 404, also while it is still queued | 503
when the database cannot be read, or when `MAX_READS` others wait for it already.

After a 4xx nothing is published. Every error is
``{"error": {"code", "message", "trace_id", "retryable"}}``, with ``field`` where one is at fault.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from anyio import CapacityLimiter, to_thread
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from consumers.errors import Unavailable
from consumers.game.events import SEED_BYTES, InvalidPlayError, Play, parse_bet, parse_play_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from consumers.game.store import SettledPlay
    from consumers.metrics import Metrics

MAX_BODY = 4096  # bytes; the largest good one has about 200
RETRY_AFTER_SECONDS = 1
# Reads that may wait for the database at once, each in a thread. More would only wait longer: with
# a database that hangs they are answered at once instead.
MAX_READS = 32
KEY = "Idempotency-Key"
UNAVAILABLE = 503

log = structlog.get_logger(__name__)


class Publisher(Protocol):
    """Write plays where the worker finds them. `consumers.game.publisher` has the real one."""

    async def publish(self, play: Play) -> None:
        """Come back once *play* is safe; raise `Unavailable` if that is not known in time."""


class Plays(Protocol):
    """Read settled plays. Called in a thread. `consumers.game.store.Store` does."""

    def find(self, play_id: str) -> SettledPlay | None:
        """Give the play, or ``None``; raise `Unavailable` if it cannot be known now."""


class Refusal(HTTPException):
    """An answer that is an error. *field* names what is wrong, *more* goes into the body."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str | None = None, **more: str
    ) -> None:
        super().__init__(status, message)
        self.code = code
        self.more = ({"field": field} if field else {}) | more


def game_app(
    publisher: Publisher,
    plays: Plays,
    metrics: Metrics,
    *,
    routes: Sequence[BaseRoute] = (),
    now: Callable[[], float] = time.time,
) -> Starlette:
    """Make the application; *routes* are served beside its own. *now* gives seconds since 1970."""
    game = _Game(publisher, plays, metrics, now)
    return Starlette(
        routes=[
            Route("/game/slots/play", game.accept, methods=["POST"]),
            Route("/game/plays/{play_id}", game.show),
            *routes,
        ],
        exception_handlers={HTTPException: _answer_refusal, InvalidPlayError: _answer_invalid},
    )


class _Game:
    """The two endpoints."""

    def __init__(
        self, publisher: Publisher, plays: Plays, metrics: Metrics, now: Callable[[], float]
    ) -> None:
        self._publisher = publisher
        self._plays = plays
        self._now = now
        self._reads = CapacityLimiter(MAX_READS)
        self._accepted = metrics.plays_accepted
        self._invalid = metrics.plays_refused.labels("invalid")
        self._unavailable = metrics.plays_refused.labels("unavailable")

    async def accept(self, request: Request) -> Response:
        try:
            play = await _play(request, accepted_at=int(self._now() * 1000))
        except (HTTPException, InvalidPlayError):
            self._invalid.inc()
            raise
        try:
            await self._publisher.publish(play)
        except Unavailable as error:
            self._unavailable.inc()
            log.warning("play_not_accepted", play_id=play.play_id, reason=str(error))
            raise _not_accepted(play.play_id) from error
        self._accepted.inc()
        answer = {"play_id": play.play_id, "trace_id": _trace_id(), "status": "accepted"}
        return JSONResponse(answer, 202)

    async def show(self, request: Request) -> Response:
        if not self._reads.available_tokens:
            raise _not_read("too many reads wait for the database")
        play_id = request.path_params["play_id"]
        return JSONResponse(
            await to_thread.run_sync(_settled, self._plays, play_id, limiter=self._reads)
        )


async def _play(request: Request, accepted_at: int) -> Play:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or "content-encoding" in request.headers:
        raise Refusal(415, "unsupported_media_type", "send application/json, not compressed")
    play_id = _key(request) or str(uuid.uuid4())
    bet = parse_bet(await _body(request))
    return Play(play_id, **asdict(bet), seed=secrets.token_hex(SEED_BYTES), accepted_at=accepted_at)


def _key(request: Request) -> str | None:
    keys = request.headers.getlist(KEY)
    if not keys:
        return None
    if len(keys) > 1:
        raise Refusal(400, "invalid_play_id", "Idempotency-Key may be given once", field=KEY)
    # draft-ietf-httpapi-idempotency-key-header makes it a quoted string; most clients do not.
    quoted = len(keys[0]) > 1 and keys[0][0] == keys[0][-1] == '"'
    try:
        return parse_play_id(keys[0][1:-1] if quoted else keys[0])
    except InvalidPlayError as error:
        raise InvalidPlayError(error.code, error.message, KEY) from error


async def _body(request: Request) -> bytes:
    """Read the body, and no more of it than is allowed, whatever its length is said to be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Refusal(413, "body_too_large", f"a body has at most {MAX_BODY} bytes")
    return bytes(body)


def _settled(plays: Plays, play_id: str) -> dict[str, Any]:
    unknown = Refusal(
        404, "play_not_found", "no such play is settled; one that was accepted may still be queued"
    )
    try:
        found = plays.find(parse_play_id(play_id))
    except InvalidPlayError as error:
        raise unknown from error
    except Unavailable as error:
        log.warning("play_not_read", reason=str(error))
        raise _not_read("plays cannot be read now") from error
    if found is None:
        raise unknown
    times = {"accepted_at": found.accepted_at, "settled_at": found.settled_at}
    return asdict(found) | {name: at.isoformat() for name, at in times.items()}


def _not_read(message: str) -> Refusal:
    return Refusal(UNAVAILABLE, "database_unavailable", message)


def _not_accepted(play_id: str) -> Refusal:
    message = (
        "the play was not acknowledged in time and may still be settled;"
        f" try again with Idempotency-Key: {play_id}"
    )
    return Refusal(UNAVAILABLE, "kafka_unavailable", message, play_id=play_id)


def _trace_id() -> str:
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidPlayError)
    return _error(400, error.code, error.message, {"field": error.field} if error.field else {})


def _answer_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refusal):
        return _error(error.status_code, error.code, error.detail, error.more)
    # Starlette's own: nothing is routed here, or not with this method.
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return _error(error.status_code, code, error.detail, {}, dict(error.headers or {}))


def _error(
    status: int,
    code: str,
    message: str,
    more: dict[str, str],
    headers: dict[str, str] | None = None,
) -> Response:
    retryable = status == UNAVAILABLE
    error = {"code": code, "message": message, **more}
    return JSONResponse(
        {"error": error | {"trace_id": _trace_id(), "retryable": retryable}},
        status,
        (headers or {}) | ({"retry-after": str(RETRY_AFTER_SECONDS)} if retryable else {}),
    )
