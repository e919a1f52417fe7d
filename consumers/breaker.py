"""Decide whether a dependency is to be called: closed, open, half-open. Pure: handed the time.

- *closed*: every call is let through. So many failures in a row open it, for a dependency that is
  away; or so many among the last calls, for one that fails every other call.
- *open*: none is, for a while: a dependency that is down is not helped by being asked, and each
  call would cost its caller the whole time-out.
- *half-open*: one call, the probe, is let through. If it succeeds the breaker closes, if it fails
  it opens again. A probe that never ends holds its place for a bounded time.

A call counts for the state that let it through: what began before the breaker opened and ends
afterwards neither closes it nor keeps it open longer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether calls are let through: all, none, or one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open, and for how long.

    *failures* in a row open the breaker for *open_seconds*. So does the part *ratio* of the last
    *window* calls, failures that are older than *window_seconds* left out; calls that have not come
    yet count as good. A probe that has not ended after *probe_seconds* gives way to another; more
    than any call of the dependency takes.
    """

    failures: int = 5
    open_seconds: float = 5.0
    probe_seconds: float = 60.0
    ratio: float = 0.5
    window: int = 20
    window_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed call: the exception's type, its *reason* in words, and the trace it happened in."""

    error: str
    reason: str
    trace_id: str | None = None


class Breaker:
    """The state of one dependency. Not thread-safe: see `consumers.guard.Guard`.

    *state* is what it is now; *fault* the failure that opened it last, ``None`` if none ever did.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.state = State.CLOSED
        self.fault: Fault | None = None
        self._policy = policy
        self._row = 0
        self._calls = 0
        self._failed: deque[tuple[int, float]] = deque()  # which call, and when it failed
        self._until = 0.0
        self._era = 0

    def admit(self, now: float) -> int | None:
        """Give a ticket to call with, to be handed back with how the call ended; or ``None``.

        Whoever gets one while the breaker is not closed is the probe.
        """
        if self.state is State.CLOSED:
            return self._era
        if now < self._until:
            return None
        self._enter(State.HALF_OPEN, now + self._policy.probe_seconds)
        return self._era

    def refuses_seconds(self, now: float) -> float:
        """Say for how long nothing is let through, unless a probe ends before; 0 if it would be."""
        return 0.0 if self.state is State.CLOSED else max(self._until - now, 0.0)

    def succeeded(self, ticket: int) -> None:
        """Hear that the dependency has answered a call."""
        if ticket != self._era:
            return
        self._row = 0
        self._calls += 1
        if self.state is not State.CLOSED:
            self._enter(State.CLOSED, 0.0)

    def failed(self, ticket: int, now: float, fault: Fault) -> None:
        """Hear that the dependency could not do what a call asked for."""
        if ticket != self._era:
            return
        self._row += 1
        self._calls += 1
        self._failed.append((self._calls, now))
        if self.state is State.HALF_OPEN or self._too_many(now):
            self.fault = fault
            self._enter(State.OPEN, now + self._policy.open_seconds)

    def left(self, ticket: int, now: float) -> None:
        """Hear that a call ended in a way that says nothing: the next one is the probe, if any."""
        if ticket == self._era and self.state is State.HALF_OPEN:
            self._until = now

    def _too_many(self, now: float) -> bool:
        policy, failed = self._policy, self._failed
        first, since = self._calls - policy.window, now - policy.window_seconds
        while failed[0][0] <= first or failed[0][1] < since:  # the last one is of now: it stays
            failed.popleft()
        return self._row >= policy.failures or len(failed) >= policy.ratio * policy.window

    def _enter(self, state: State, until: float) -> None:
        self.state = state
        self._until = until
        self._row = 0
        self._failed.clear()
        self._era += 1
