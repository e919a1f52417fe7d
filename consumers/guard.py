"""Stand around the calls of one dependency: refuse them while its circuit breaker is open.

``with guard:`` around a call raises `BreakerOpenError`, an `Unavailable`, instead of letting it be
made: the record waits, and spends no try. Otherwise the guard hears how the call ends. An exception
that the runtime would wait for (`consumers.errors.reaction_to`) is a failure of the dependency. Any
other was an answer, about this one record. What is no `Exception`, such as a cancellation, and the
refusal of a guard further in say nothing.

Each change of state is logged once, with the reason and the trace of the failure behind it, and
counted. Nothing here waits, so that a guard may stand in an event loop too.
"""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace

from consumers.breaker import Breaker, BreakerPolicy, Fault, State
from consumers.errors import HandlerError, Reaction, Unavailable, reaction_to
from consumers.instruments import here

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.errors import Reacting
    from consumers.metrics import Metrics

MAX_REASON = 200  # characters

# The tickets of the calls that are under way here, the innermost last. Kept by context, because one
# guard is entered by many threads, and by many tasks of one thread, at a time.
_tickets: ContextVar[tuple[int, ...]] = ContextVar("consumers_breaker_tickets", default=())

log = structlog.get_logger(__name__)


class BreakerOpenError(Unavailable):
    """A call was not made. *retry_after_seconds* is when one may be.

    It is 0 while a probe is under way: that may end at any moment.
    """


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """A breaker at one moment.

    *since* is when it came into its *state*, in seconds since the epoch; *fault* the failure that
    opened it last, ``None`` if none ever did.
    """

    name: str
    state: State
    since: float
    fault: Fault | None = None


class Guard:
    """The breaker of the dependency *name*: a context manager for any number of calls at once.

    What *reaction* would wait for is a failure. Without *metrics* it is one of the process's own
    breakers, which ``consumers run`` shows, and its failures are what the worker waits for: see
    `consumers.instruments`. *clock* gives seconds that never go backwards, *wall* those since the
    epoch.
    """

    def __init__(
        self,
        name: str,
        metrics: Metrics | None = None,
        policy: BreakerPolicy | None = None,
        *,
        reaction: Reacting | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._breaker = Breaker(policy or BreakerPolicy())
        shared = None
        if metrics is None:
            shared = here()
            metrics = shared.metrics
        self._reaction = reaction or (shared.judge if shared else reaction_to)
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()
        self._status = BreakerStatus(name, State.CLOSED, wall())
        self._refused = metrics.breaker_refused.labels(name)
        self._gauges = {state: metrics.breaker_state.labels(name, state) for state in State}
        self._changes = {state: metrics.breaker_changes.labels(name, state) for state in State}
        self._gauges[State.CLOSED].set(1)
        if shared:
            shared.add(name, self)

    def __enter__(self) -> None:
        """Let a call be made. Raises `BreakerOpenError` if it may not be."""
        now = self._clock()
        with self._lock:
            ticket = self._breaker.admit(now)
            seconds = self._breaker.refuses_seconds(now)
            probed = self._breaker.state is State.HALF_OPEN
            changed = self._noted()
        _log(changed)
        if ticket is None:
            self._refused.inc()
            soon = 0.0 if probed else seconds
            raise BreakerOpenError(self._words(seconds), retry_after_seconds=soon)
        _tickets.set((*_tickets.get(), ticket))

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Hear how the call ended."""
        *outer, ticket = _tickets.get()
        _tickets.set(tuple(outer))
        with self._lock:
            if _says_nothing(error):
                self._breaker.left(ticket, self._clock())
            elif isinstance(error, Exception) and self._reaction(error) is Reaction.WAIT:
                self._breaker.failed(ticket, self._clock(), _fault(error))
            else:
                self._breaker.succeeded(ticket)
            changed = self._noted()
        _log(changed)

    def refuses(self) -> str | None:
        """Say why no call would be made now, ``None`` if one would. For ``/readyz``."""
        with self._lock:
            seconds = self._breaker.refuses_seconds(self._clock())
        status = self._status
        if not seconds or status.fault is None:
            return None
        # The type alone: the words are for the log.
        return f"the breaker is {_written(status.state)} after {status.fault.error}"

    def status(self) -> BreakerStatus:
        """Tell its state, since when, and what opened it."""
        return self._status

    def _noted(self) -> BreakerStatus | None:
        """Show the state if it has changed, and give what it is then."""
        old, state = self._status, self._breaker.state
        if state is old.state:
            return None
        self._gauges[old.state].set(0)
        self._gauges[state].set(1)
        self._changes[state].inc()
        self._status = BreakerStatus(old.name, state, self._wall(), self._breaker.fault)
        return self._status

    def _words(self, seconds: float) -> str:
        until = datetime.fromtimestamp(self._wall() + seconds, UTC)
        status = self._status
        reason = status.fault.reason if status.fault else ""
        if status.state is State.HALF_OPEN:
            return f"{status.name} breaker half-open, a probe is under way: {reason}"
        return f"{status.name} breaker open until {until:%H:%M:%S} UTC: {reason}"


def _fault(error: Exception) -> Fault:
    # Our own words are made to be logged; those of others may hold a password or a payload.
    kind = type(error).__name__
    reason = str(error)[:MAX_REASON] if isinstance(error, HandlerError) else kind
    context = trace.get_current_span().get_span_context()
    return Fault(kind, reason, f"{context.trace_id:032x}" if context.is_valid else None)


def _written(state: State) -> str:
    return state.replace("_", "-")


def _says_nothing(error: BaseException | None) -> bool:
    if isinstance(error, ExceptionGroup):  # of tasks that were all refused further in
        return all(_says_nothing(one) for one in error.exceptions)
    ours = isinstance(error, BreakerOpenError)
    return ours or (error is not None and not isinstance(error, Exception))


def _log(changed: BreakerStatus | None) -> None:
    """Log a change of state, under the trace of the failure that opened the breaker."""
    if changed is None or changed.fault is None:
        return
    tell = log.warning if changed.state is State.OPEN else log.info
    tell(
        f"breaker_{changed.state}",
        breaker=changed.name,
        reason=changed.fault.reason,
        trace_id=changed.fault.trace_id,
    )
