"""The game over HTTP: take a bet, show what became of it. An ASGI application.

``POST /game/slots/play``, ``{"player_id": str, "game": str, "bet": int}`` with the bet in cents:
202 ``{"play_id", "trace_id", "status": "accepted"}`` once the broker has acknowledged the play.
Player and ``Idempotency-Key`` make the play's id, so whoever got a 503, or no answer, sends the
request again under the same key and bets once. A 503 names the key to use when there was none. A
key belongs to one player and one bet: the same key of another player is another play; with another
bet it is accepted too, because only the worker can know; the first that is settled stands, and
``GET`` shows which that was.

``GET /game/plays/{play_id}``: 200 with the settled play | 404, also while it is still queued | 503
when the database cannot be read, or when `MAX_READS` others wait for it already.

After a 4xx nothing is published. Every error is one of `consumers.game.catalogue`, in the form of
`consumers.game.refusals`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from consumers.errors import Unavailable
from consumers.game import catalogue
from consumers.game.bounds import Bounds
from consumers.game.events import (
    SEED_BYTES,
    Bet,
    InvalidPlayError,
    Play,
    parse_bet,
    parse_key,
    parse_play_id,
    play_id_under,
)
from consumers.game.refusals import Answers, Refusal, current_trace_id, remember_key
from consumers.game.request_ids import RequestIds, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from consumers.game.catalogue import Entry
    from consumers.game.limits import PlayerLimit
    from consumers.game.store import SettledPlay
    from consumers.metrics import Metrics

MAX_BODY = 4096  # bytes; the largest good one has about 200
# Reads that may wait for the database at once, each in a thread. More would only wait longer: with
# a database that hangs they are answered at once instead.
MAX_READS = 32
MAX_DIGITS = 9  # of a length that is worth to be read as a number
KEY = "Idempotency-Key"
SERVER_ERROR = 500

log = structlog.get_logger(__name__)


class Publisher(Protocol):
    """Write plays where the worker finds them. `consumers.game.publisher` has the real one."""

    async def publish(self, play: Play) -> None:
        """Come back once *play* is safe; raise `Unavailable` if that is not known in time."""


class Plays(Protocol):
    """Read settled plays. Called in a thread. `consumers.game.store.Store` does."""

    def find(self, play_id: str) -> SettledPlay | None:
        """Give the play, or ``None``; raise `Unavailable` if it cannot be known now."""


def game_app(
    publisher: Publisher,
    plays: Plays,
    metrics: Metrics,
    *,
    routes: Sequence[BaseRoute] = (),
    bounds: Bounds | None = None,
    limit: PlayerLimit | None = None,
    now: Callable[[], float] = time.time,
) -> Starlette:
    """Make the application; *routes* are served beside its own, and know no bounds.

    Without a *limit* a player may be as fast as they like. *now* gives seconds since 1970.
    """
    bounds = bounds or Bounds()
    betting = _Betting(publisher, metrics, bounds, limit, now)
    reading = _Reading(plays, bounds)
    answers = Answers(now)
    app = Starlette(
        routes=[
            Route("/game/slots/play", betting.accept, methods=["POST"]),
            Route("/game/plays/{play_id}", reading.show),
            *routes,
        ],
        middleware=[Middleware(RequestIds)],
        exception_handlers={
            Refusal: answers.refused,
            HTTPException: answers.not_routed,
            Exception: answers.failed,
        },
    )
    # A redirect would be made from the client's own Host header.
    app.router.redirect_slashes = False
    return app


class _Betting:
    """``POST /game/slots/play``."""

    def __init__(
        self,
        publisher: Publisher,
        metrics: Metrics,
        bounds: Bounds,
        limit: PlayerLimit | None,
        now: Callable[[], float],
    ) -> None:
        self._publisher = publisher
        self._bounds = bounds
        self._limit = limit
        self._now = now
        self._accepted = metrics.plays_accepted
        self._refused = metrics.plays_refused

    async def accept(self, request: Request) -> Response:
        try:
            async with self._bounds.request():
                play = await self._accept(request)
        except Refusal as refusal:
            self._refused.labels(_reason(refusal.entry)).inc()
            raise
        self._accepted.inc()
        log.info("play_accepted", play_id=play.play_id, request_id=request_id(request.scope))
        answer = {"play_id": play.play_id, "trace_id": current_trace_id(), "status": "accepted"}
        return JSONResponse(answer, 202)

    async def _accept(self, request: Request) -> Play:
        key, bet = await self._read(request)
        if self._limit and (seconds := self._limit.take(bet.player_id)):
            raise Refusal(catalogue.RATE_LIMITED, retry_after_seconds=seconds)
        remember_key(request, key)
        play = Play(
            play_id_under(bet.player_id, key),
            **asdict(bet),
            seed=secrets.token_hex(SEED_BYTES),
            accepted_at=int(self._now() * 1000),
        )
        try:
            await self._publisher.publish(play)
        except Unavailable as error:
            log.warning(
                "play_not_accepted",
                play_id=play.play_id,
                request_id=request_id(request.scope),
                reason=str(error),
            )
            raise Refusal(catalogue.KAFKA_UNAVAILABLE) from error
        return play

    async def _read(self, request: Request) -> tuple[str, Bet]:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" or "content-encoding" in request.headers:
            raise Refusal(catalogue.UNSUPPORTED_MEDIA_TYPE)
        try:
            key = _key(request)
            async with self._bounds.body():
                body = await _body(request)
            return key, parse_bet(body)
        except InvalidPlayError as error:
            details = {error.field: [error.message]} if error.field else {}
            entry = catalogue.BY_CODE[error.code]
            raise Refusal(entry, error.message, details=details) from error


class _Reading:
    """``GET /game/plays/{play_id}``."""

    def __init__(self, plays: Plays, bounds: Bounds) -> None:
        self._plays = plays
        self._bounds = bounds
        self._threads = CapacityLimiter(MAX_READS)
        self._under_way = 0

    async def show(self, request: Request) -> Response:
        async with self._bounds.request():
            try:
                found = await self._find(parse_play_id(request.path_params["play_id"]))
            except InvalidPlayError as error:
                raise Refusal(catalogue.PLAY_NOT_FOUND) from error
            except Unavailable as error:
                which = request_id(request.scope)
                log.warning("play_not_read", request_id=which, reason=str(error))
                raise Refusal(catalogue.DATABASE_UNAVAILABLE) from error
        if found is None:
            raise Refusal(catalogue.PLAY_NOT_FOUND)
        return JSONResponse(_shown(found))

    async def _find(self, play_id: str) -> SettledPlay | None:
        if self._under_way >= MAX_READS:
            raise Unavailable("too many reads wait for the database")
        self._under_way += 1
        find = to_thread.run_sync(self._plays.find, play_id, limiter=self._threads)
        reading = asyncio.ensure_future(find)
        reading.add_done_callback(self._done)
        # A request that runs out of time leaves its thread behind, which counts until it is back.
        return await asyncio.shield(reading)

    def _done(self, _: object) -> None:
        self._under_way -= 1


def _key(request: Request) -> str:
    keys = request.headers.getlist(KEY)
    if not keys:
        return str(uuid.uuid4())
    if len(keys) > 1:
        code = catalogue.INVALID_KEY.code
        raise InvalidPlayError(code, f"{KEY} may be given once", KEY)
    # draft-ietf-httpapi-idempotency-key-header makes it a quoted string; most clients do not.
    quoted = len(keys[0]) > 1 and keys[0][0] == keys[0][-1] == '"'
    return parse_key(keys[0][1:-1] if quoted else keys[0], KEY)


async def _body(request: Request) -> bytes:
    """Read the body, and no more of it than is allowed, whatever its length is said to be."""
    too_large = Refusal(catalogue.BODY_TOO_LARGE, f"a body has at most {MAX_BODY} bytes")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > MAX_DIGITS or int(said) > MAX_BODY):
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)


def _shown(play: SettledPlay) -> dict[str, Any]:
    times = {"accepted_at": play.accepted_at, "settled_at": play.settled_at}
    return asdict(play) | {name: at.isoformat() for name, at in times.items()}


def _reason(entry: Entry) -> str:
    if entry is catalogue.RATE_LIMITED:
        return "limited"
    return "unavailable" if entry.status >= SERVER_ERROR else "invalid"
