"""The stand-in over HTTP. An ASGI application.

``POST /v1/settlements``, ``{"play_id": str, "player_id": str, "bet": int, "payout": int}`` in
cents, with an ``Idempotency-Key``: 201 ``{"settlement_id": str}``; the same order again under the
key 200 with the same id; another order under it 422; what is no order, or has no key, 400.

``GET /v1/ledger``: every entry, a line of JSON each, in order. ``GET /v1/ledger/{play_id}``: those
of one play, or 404. ``PUT /faults`` sets a `consumers.fintech.faults.Fault`, ``GET`` shows it with
how many requests it has hit. Whoever reaches it may do all of that: keep it to yourself.
"""

from __future__ import annotations

import re
from asyncio import sleep
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from consumers.fintech.faults import Fault, Mode, Switch
from consumers.fintech.ledger import MAX_ID, KeyTakenError, Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from consumers.fintech.ledger import Entry, Ledger

KEY = re.compile(rf"[!-~]{{1,{MAX_ID}}}")
LINES = "application/jsonl"
REJECTED = 422
# What an overloaded proxy might say in the place of the service behind it.
GARBAGE = '<html>{"settlement_id": '
GONE = 499  # nobody reads it

log = structlog.get_logger(__name__)


def fintech_app(ledger: Ledger, *, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Make the application on *ledger*; *routes* are served beside its own."""
    partner = _Partner(ledger)
    return Starlette(
        routes=[
            Route("/v1/settlements", partner.settle, methods=["POST"]),
            Route("/v1/ledger", partner.show_all),
            Route("/v1/ledger/{play_id}", partner.show),
            Route("/faults", partner.set_fault, methods=["PUT"]),
            Route("/faults", partner.show_fault),
            *routes,
        ],
        exception_handlers={ValidationError: _answer_invalid},
    )


class _Partner:
    """The endpoints."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._switch = Switch()

    async def settle(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        if KEY.fullmatch(key) is None:
            return _error(400, "invalid_key", "send an Idempotency-Key of visible ASCII")
        order = Order.model_validate_json(await request.body())
        fault = self._switch.next()
        if fault.mode is Mode.NONE:
            return self._record(key, order)
        log.warning("fault_injected", mode=fault.mode.value, play_id=order.play_id)
        if fault.settled and fault.mode is not Mode.REJECT:
            answer = self._record(key, order)
            return await _spoiled(fault, request) or answer
        return await _spoiled(fault, request) or self._record(key, order)

    async def show_all(self, _: Request) -> Response:
        return _lines(self._ledger.entries())

    async def show(self, request: Request) -> Response:
        found = list(self._ledger.of(request.path_params["play_id"]))
        return _lines(found) if found else _error(404, "not_found", "no settlement of this play")

    async def set_fault(self, request: Request) -> Response:
        self._switch.set(Fault.model_validate_json(await request.body()))
        log.info("fault_set", **self._switch.fault.model_dump(mode="json"))
        return await self.show_fault(request)

    async def show_fault(self, _: Request) -> Response:
        return JSONResponse(
            {**self._switch.fault.model_dump(mode="json"), "hits": self._switch.hits}
        )

    def _record(self, key: str, order: Order) -> Response:
        try:
            entry, new = self._ledger.settle(
                key, order, trace_id=_trace_id(), now=datetime.now(UTC)
            )
        except KeyTakenError as error:
            log.warning("settlement_refused", play_id=order.play_id)
            return _error(REJECTED, "key_taken", str(error))
        log.info(
            "settlement_recorded" if new else "settlement_repeated",
            play_id=entry.play_id,
            settlement_id=entry.settlement_id,
        )
        return JSONResponse({"settlement_id": entry.settlement_id}, 201 if new else 200)


async def _spoiled(fault: Fault, request: Request) -> Response | None:
    """Answer wrongly as *fault* says; ``None`` when the answer is right and only late."""
    match fault.mode:
        case Mode.FAIL:
            later = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
            return _error(fault.status, "fault", "as it was told to", later)
        case Mode.REJECT:
            return _error(REJECTED, "rejected", "as it was told to")
        case Mode.GARBAGE:
            return Response(GARBAGE, media_type="text/html")
        case Mode.HANG:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return Response(status_code=GONE)
        case Mode.SLOW:
            await sleep(fault.seconds)
    return None


def _lines(entries: Iterable[Entry]) -> Response:
    return PlainTextResponse("".join(entry.line() for entry in entries), media_type=LINES)


def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    problems = [
        f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"
        for one in error.errors(include_input=False, include_url=False)
    ]
    return _error(400, "invalid", "; ".join(problems))


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def _trace_id() -> str:
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"
