"""What a runtime tells about itself: frozen values, made by the loop and read by any thread.

Times of day are seconds since the epoch. Nothing here decides or acts, and nothing holds a payload.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition that this member owns.

    *position* is the next offset to fetch and *committed* what the broker has acknowledged, both
    ``None`` as long as this member has fetched or committed nothing of it. *in_flight* counts the
    records that were fetched and are not finished. Where one waits for another try, *waiting_until*
    says until when, and *tries* how many it had.
    """

    topic: str
    partition: int
    position: int | None
    committed: int | None
    in_flight: int
    waiting_until: float | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class InWork:
    """The record that a lane works on, or the first of its batch, and for how many *seconds*."""

    topic: str
    partition: int
    offset: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed: when, of which record, the exception's type, what was done about it.

    *reaction* is the outcome, such as ``retry`` or ``dead_letter``; *trace_id* is ``None`` where
    the record has no trace.
    """

    at: float
    topic: str
    partition: int
    offset: int
    error: str
    reaction: str
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """The loop at one moment, at most a second ago while it turns.

    *started* says whether it has turned at all, *turned_seconds* how long ago it did so last, up to
    now. *last_success* is when a record was last handled; *last_errors* are the latest first, up to
    20. *queued_records* and *queued_bytes* are what was fetched and is not finished; *full* says
    that this is too much, so that nothing is fetched.
    """

    turned_seconds: float
    assignment: tuple[PartitionStatus, ...] = ()
    in_work: tuple[InWork, ...] = ()
    last_success: float | None = None
    last_errors: tuple[Failure, ...] = ()
    queued_records: int = 0
    queued_bytes: int = 0
    full: bool = False
    started: bool = False
