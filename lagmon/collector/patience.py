"""How long to wait for the next answer, so that a question that hangs delays no others. Pure.

Comes in: how long answers took to come. Goes out: seconds. What is usual in a step is learnt, and
beyond it a cycle has `SPARE_SECONDS`: a cluster that is slow is given its time, and a broker that
hangs costs the others little more than that.
"""

from __future__ import annotations

SPARE_SECONDS = 0.3  # a cycle: beyond what is usual, for questions that hang
LEAST_SECONDS = 0.1  # beyond what is usual, when the spare time is used up
FIRST_SECONDS = 1.0  # taken for usual before anything was answered: connections are made then
USUAL_SECONDS = 2.0  # what is slower is never usual
FADING = 0.5  # a cycle: what is usual follows what is seen, upwards at once


class Patience:
    """What is usual, and what is left of a cycle's spare time."""

    def __init__(self) -> None:
        self._usual: dict[str, float] = {}  # step -> the longest wait for the next answer
        self._spare = SPARE_SECONDS

    def begin(self) -> None:
        """Begin a cycle."""
        self._spare = SPARE_SECONDS
        self._usual = {step: seconds * FADING for step, seconds in self._usual.items()}

    def seconds(self, step: str) -> float:
        """Give how long to wait once others have answered."""
        return self._usual.get(step, FIRST_SECONDS) + max(LEAST_SECONDS, self._spare)

    def answered(self, step: str, waited: float) -> None:
        """Take note that an answer came after *waited* seconds without one."""
        self._usual[step] = max(self._usual.get(step, 0.0), min(USUAL_SECONDS, waited))

    def in_vain(self, step: str, waited: float) -> None:
        """Take note that nothing came in *waited* seconds."""
        self._spare = max(0.0, self._spare - max(0.0, waited - self._usual.get(step, 0.0)))
