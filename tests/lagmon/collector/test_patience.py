"""How long an answer is waited for once others have come."""

from __future__ import annotations

import pytest

from lagmon.collector.patience import (
    FADING,
    FIRST_SECONDS,
    LEAST_SECONDS,
    SPARE_SECONDS,
    USUAL_SECONDS,
    Patience,
)


def test_a_step_that_never_answered_gets_time_to_connect() -> None:
    """The first answers of all come over connections that are still to be made."""
    assert Patience().seconds("ends") == FIRST_SECONDS + SPARE_SECONDS


def test_what_is_usual_is_learnt() -> None:
    """The longest wait that was worth it counts, and the spare time beside it."""
    patience = Patience()

    for waited in (0.1, 0.3, 0.2):
        patience.answered("ends", waited)

    assert patience.seconds("ends") == pytest.approx(0.3 + SPARE_SECONDS)
    assert patience.seconds("starts") == FIRST_SECONDS + SPARE_SECONDS


def test_all_that_hangs_in_a_cycle_shares_the_spare_time() -> None:
    """Two steps in which a broker hangs cost together what one costs; the next cycle has anew."""
    patience = Patience()
    for step in ("committed", "ends"):
        patience.answered(step, 0.0)

    patience.in_vain("committed", patience.seconds("committed"))

    assert patience.seconds("ends") == LEAST_SECONDS
    patience.begin()
    assert patience.seconds("ends") == SPARE_SECONDS


def test_what_is_slow_once_is_not_usual_for_ever() -> None:
    """A wait fades from cycle to cycle, and one that is too long is cut."""
    patience = Patience()
    patience.answered("ends", 60)

    patience.begin()

    assert patience.seconds("ends") == pytest.approx(USUAL_SECONDS * FADING + SPARE_SECONDS)
