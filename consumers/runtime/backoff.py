"""How long to wait before a record is tried again, and when to give up. Pure: no clock, no dice.

The wait doubles from the first on, up to a cap: 1, 2, 4 ... 30 seconds. Chance only ever shortens
it, so that the cap holds and workers that failed together do not come back together.

Where the failure itself says how long to wait, as that of an open breaker does, that counts
instead: an outage's end is not slept through. It is kept between the first wait and the cap, so
that nobody turns in circles, and nobody sleeps for a day because a header said so.
"""

from __future__ import annotations

from dataclasses import dataclass

# Doubling 64 times from a millisecond passes the age of the universe; more would only overflow.
MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try a failed record again.

    *retries* are the tries after the first. *initial_seconds* is the first wait, *max_seconds* the
    longest. *jitter* is the part of a wait, 0 to 1, that chance may take away.
    """

    retries: int = 3
    initial_seconds: float = 1.0
    max_seconds: float = 30.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.retries < 0 or self.initial_seconds <= 0 or self.max_seconds <= 0:
            raise ValueError("retries must not be negative, and waits must be longer than nothing")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter is a part of the wait, from 0 to 1")

    def wait_seconds(
        self, failures: int, chance: float, asked_seconds: float | None = None
    ) -> float:
        """Give the wait after the *failures*-th failure in a row (from 1).

        *chance* is a random number from 0 up to 1: 0 leaves the wait whole. *asked_seconds* is what
        the failure itself asks for, which chance does not shorten: it would be too early then.
        """
        if asked_seconds is not None:
            first = self.wait_seconds(1, chance)
            return min(max(first, asked_seconds), self.max_seconds)  # in this order NaN is first
        doublings = min(failures - 1, MOST_DOUBLINGS)
        whole = min(self.initial_seconds * 2.0**doublings, self.max_seconds)
        return whole * (1 - self.jitter * chance)

    def exhausted(self, spent: int) -> bool:
        """Say whether *spent* tries, the first one among them, are all there are."""
        return spent > self.retries
