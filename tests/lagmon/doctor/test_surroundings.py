"""What a doctor finds beside the clusters: receivers, the state file, the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from lagmon.doctor.findings import Level
from lagmon.doctor.surroundings import of_alertmanager, of_nobody, of_other, of_page, of_state
from lagmon.notify.inquiry import Answer

STATE = Path("state")


@pytest.mark.parametrize(
    ("answer", "level", "what", "do"),
    [
        (Answer("am", 200), Level.OK, "takes alerts", ""),
        (Answer("am", 401), Level.FAILED, "refuses with HTTP 401", "password_file"),
        (Answer("am", 302), Level.FAILED, "refuses with HTTP 302", "url"),
        (Answer("am", 503), Level.FAILED, "refuses with HTTP 503", "url"),
        (Answer("am", error="no answer in 10 s"), Level.FAILED, "no answer in 10 s", "url"),
    ],
)
def test_an_alertmanager_takes_alerts_or_says_why_not(
    answer: Answer, level: Level, what: str, do: str
) -> None:
    """With what to check where it does not."""
    (told,) = of_alertmanager(answer, 240)

    assert told.level is level
    assert what in told.what
    assert do in told.do


@pytest.mark.parametrize(("ahead", "side"), [(300.0, "ahead of"), (-300.0, "behind")])
def test_an_alertmanager_whose_clock_is_wrong_is_a_warning(ahead: float, side: str) -> None:
    """An alert ends by its clock, and not by ours."""
    _, told = of_alertmanager(Answer("am", 200, ahead_seconds=ahead), 240)

    assert told.level is Level.WARNING
    assert f"300 s {side}" in told.what
    assert "240 s" in told.why


def test_a_clock_is_not_called_wrong_for_the_time_an_answer_takes() -> None:
    """It is told to a second, and heard later."""
    assert len(list(of_alertmanager(Answer("am", 200, ahead_seconds=-3.0), 240))) == 1


@pytest.mark.parametrize("status", [200, 404, 405, 501])
def test_a_webhook_that_answers_at_all_is_reached(status: int) -> None:
    """Few know what to say to HEAD: whether an alert is taken only one can tell."""
    (told,) = of_other(Answer("webhook", status))

    assert told.level is Level.OK
    assert f"HTTP {status}" in told.what
    assert "notify-test" in told.what


@pytest.mark.parametrize("status", [401, 403, 500, 503, None])
def test_a_webhook_that_does_not_know_us_or_is_broken_is_a_failure(status: int | None) -> None:
    """As is one that does not answer."""
    (told,) = of_other(Answer("webhook", status))

    assert told.level is Level.FAILED


def test_telling_nobody_is_a_failure() -> None:
    """What is judged would be heard by nobody."""
    assert of_nobody().level is Level.FAILED


@pytest.mark.parametrize(
    ("path", "trouble", "unread", "level"),
    [
        (STATE, None, None, Level.OK),
        (None, None, None, Level.WARNING),
        (STATE, None, "v: is 9", Level.WARNING),
        (STATE, "Read-only file system", None, Level.FAILED),
    ],
)
def test_a_memory_that_is_not_kept_is_told_by_its_cost(
    path: Path | None, trouble: str | None, unread: str | None, level: Level
) -> None:
    """None at all and an unreadable one are warnings, one that cannot be written is a failure."""
    told = of_state(path, trouble=trouble, unread=unread)

    assert told.level is level
    assert (trouble or unread or "") in told.what
    assert bool(told.why) is (level is not Level.OK)


def test_the_series_of_the_page_are_told() -> None:
    """With how many there may be."""
    told = of_page(3, 0, 1000)

    assert (told.level, told.what) == (Level.OK, "3 series of 1,000 would be exported")


def test_series_that_are_left_out_are_a_warning() -> None:
    """Those of all clusters together."""
    told = of_page(2, 11, 10)

    assert told.level is Level.WARNING
    assert told.what == "2 series of 10 would be exported, and 11 left out"
