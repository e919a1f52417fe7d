"""The stand-in's fault switch: what it does wrong, to how many requests. Pure: no clock, no dice.

A ratio is kept exactly and evenly, not by chance: of 0.25 every fourth request is hit, so that a
rehearsal that was run again meets the same faults.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Mode(StrEnum):
    """What is done wrong."""

    NONE = "none"
    FAIL = "fail"  # answer `status`
    HANG = "hang"  # take the request and never answer
    SLOW = "slow"  # do all right, `seconds` late
    GARBAGE = "garbage"  # answer 200 with what is no settlement
    REJECT = "reject"  # answer 422


class Fault(BaseModel):
    """What is wrong with a share of *ratio* of the requests.

    *status* is what `fail` answers, with *retry_after* as its header if given, in seconds.
    *seconds* is how late `slow` is. With *settled* the order is written into the book first, and
    only the answer suffers; `reject` refuses always.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.NONE
    status: Annotated[int, Field(ge=300, le=599)] = 503
    seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    settled: bool = False
    retry_after: Annotated[int, Field(ge=0)] | None = None


WELL = Fault()


class Switch:
    """The fault that is set now. *hits* counts the requests that it has met since it was set."""

    def __init__(self) -> None:
        self.fault = WELL
        self.hits = 0
        self._due = 0.0

    def set(self, fault: Fault) -> None:
        """Do *fault* from now on, to the first request already when its ratio is 1."""
        self.fault = fault
        self.hits = 0
        self._due = 0.0

    def next(self) -> Fault:
        """Give what to do to the next request."""
        if self.fault.mode is Mode.NONE:
            return WELL
        self._due += self.fault.ratio
        # Tenths do not add up exactly in binary: ten of them are a hair less than one.
        if self._due < 1 - 1e-9:
            return WELL
        self._due -= 1
        self.hits += 1
        return self.fault
