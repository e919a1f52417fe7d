"""Settle a play with the fintech partner, over HTTP, once: the client.

`Fintech.settle` posts the order under ``Idempotency-Key: <play id>`` and gives the settlement's id.
Whoever asks again, after a crash or an answer that was lost, finds the same one. One call ends
within the deadline, whatever the other side does: name resolution, connecting, a body that drips.
What an answer means is said in `consumers.game.answers`; no answer is `Unavailable`.

The trace goes on in the request, under a CLIENT span. No redirect is followed: an answer must not
choose who gets our orders.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import anyio
import httpx
from anyio.from_thread import start_blocking_portal
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

from consumers.errors import Unavailable
from consumers.game.answers import is_down, retry_after_seconds, settlement_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Self

    from opentelemetry.trace import Span

    from consumers.game.events import Play
    from consumers.game.service import Outcome

PATH = "/v1/settlements"
MAX_BODY = 65_536  # bytes of an answer; a good one has about 60
# Below what servers keep an idle connection for: one that they close as we send costs a try.
KEEPALIVE_SECONDS = 3.0
PORTS = {"http": 80, "https": 443}
ERRORS_FROM = 400  # statuses


class Answer(NamedTuple):
    """What the partner said."""

    status: int
    retry_after: str | None
    body: bytes


class NoAnswerError(Unavailable):
    """The partner did not answer. *ended* is ``timeout`` or ``error``; *cause* names the latter."""

    def __init__(self, message: str, ended: str, cause: str) -> None:
        super().__init__(message)
        self.ended = ended
        self.cause = cause


class Fintech:
    """The partner at *url*. A context manager, entered once; inside it safe from many threads.

    A call has *timeout_seconds*. *guard* is entered around each, and is left by `Unavailable` when
    the partner did not answer, or answered 5xx. *observe* is told of each call how it ended, a
    status or ``timeout`` or ``error``, and the seconds it took. *clock* is monotonic.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        guard: AbstractContextManager[object] | None = None,
        observe: Callable[[str, float], None] = lambda _ended, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = httpx.URL(f"{url}{PATH}")
        self._timeout_seconds = timeout_seconds
        self._guard = guard or nullcontext()
        self._observe = observe
        self._clock = clock
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "server.address": self._url.host,
            "server.port": self._url.port or PORTS[self._url.scheme],
            "url.full": str(self._url),
            "url.template": PATH,
        }

    def __enter__(self) -> Self:
        self._tracer = trace.get_tracer("consumers")
        with ExitStack() as stack:
            # In an event loop of its own: only there a deadline holds for a call as a whole.
            self._portal = stack.enter_context(start_blocking_portal(name="fintech"))
            stack.callback(self._portal.call, self._portal.stop, True)
            # No settings from the environment: a proxy for the internet is none for a partner.
            self._client = httpx.AsyncClient(
                timeout=None,  # noqa: S113 - the deadline stands around the whole call
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
            )
            stack.callback(self._portal.call, self._client.aclose)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut what is under way: `Unavailable` for whoever waits for it."""
        self._stack.close()

    def settle(self, play: Play, outcome: Outcome) -> str:
        """Settle *play* with its *outcome*; give the id of the settlement, each time the same.

        Raises `Unavailable`, `Retryable` or `Poison`, see `consumers.game.answers`. While the
        partner wants to be left alone (``Retry-After``) it is not called for any play.
        """
        if (seconds := self._away_until - self._clock()) > 0:
            raise Unavailable(
                f"fintech asked not to be called for another {seconds:.1f} s",
                retry_after_seconds=seconds,
            )
        with self._guard:
            answer = self._call(play, outcome)
            self._stay_away(retry_after_seconds(answer.retry_after, datetime.now(UTC)))
            if is_down(answer.status):
                return settlement_id(answer.status, answer.body)  # raises, and the guard hears it
        return settlement_id(answer.status, answer.body)

    def _stay_away(self, seconds: float) -> None:
        if seconds:
            with self._lock:
                self._away_until = max(self._away_until, self._clock() + seconds)

    def _call(self, play: Play, outcome: Outcome) -> Answer:
        order = {
            "play_id": play.play_id,
            "player_id": play.player_id,
            "bet": play.bet,
            "payout": outcome.payout,
        }
        headers = {"content-type": "application/json", "idempotency-key": play.play_id}
        with self._tracer.start_as_current_span(
            f"POST {PATH}",
            kind=SpanKind.CLIENT,
            attributes=self._attributes,
            record_exception=False,  # its type is enough; the try that failed logs the rest
            set_status_on_exception=False,
        ) as span:
            propagate.inject(headers)
            began = self._clock()
            try:
                answer = self._exchange(headers, json.dumps(order).encode())
            except NoAnswerError as error:
                self._observe(error.ended, self._clock() - began)
                _failed(span, error.cause)
                raise
            status = str(answer.status)
            self._observe(status, self._clock() - began)
            span.set_attribute("http.response.status_code", answer.status)
            if answer.status >= ERRORS_FROM:
                _failed(span, status)
        return answer

    def _exchange(self, headers: dict[str, str], body: bytes) -> Answer:
        try:
            return self._portal.call(self._post, headers, body)
        except TimeoutError as error:
            words = f"fintech did not answer within {self._timeout_seconds:g} s"
            raise NoAnswerError(words, "timeout", "timeout") from error
        except (httpx.HTTPError, CancelledError) as error:
            cause = type(error).__name__
            raise NoAnswerError(f"fintech cannot be reached: {cause}", "error", cause) from error

    async def _post(self, headers: dict[str, str], body: bytes) -> Answer:
        with anyio.fail_after(self._timeout_seconds):
            async with self._client.stream(
                "POST", self._url, headers=headers, content=body
            ) as response:
                read = bytearray()
                async for chunk in response.aiter_bytes():
                    read += chunk
                    if len(read) > MAX_BODY:
                        read.clear()  # no settlement that we know
                        break
        return Answer(response.status_code, response.headers.get("retry-after"), bytes(read))


def _failed(span: Span, cause: str) -> None:
    span.set_attribute("error.type", cause)
    span.set_status(StatusCode.ERROR)
