"""How fast a player may play, by a clock that the test turns, and how much is remembered of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.game.limits import PlayerLimit, Windows
from tests.consumers.game.builders import bet
from tests.consumers.game.served import Api, error_of


class Clock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


def test_a_player_may_play_so_many_times_in_a_window(clock: Clock) -> None:
    """The play that is one too many is told the whole seconds to the end of the window."""
    limit = PlayerLimit("3/minute", clock=clock)

    taken = [limit.take("ada") for _ in range(3)]
    clock.now += 17.5

    assert taken == [0, 0, 0]
    assert limit.take("ada") == 43


def test_a_window_ends_when_it_was_said_to(clock: Clock) -> None:
    """Whoever waits as long as they were told may play again, as often as before."""
    limit = PlayerLimit("2/second", clock=clock)
    limit.take("ada")
    limit.take("ada")

    clock.now += limit.take("ada")

    assert [limit.take("ada") for _ in range(3)] == [0, 0, 1]


def test_a_refused_play_does_not_make_the_wait_longer(clock: Clock) -> None:
    """Knocking again and again changes nothing about when the window ends."""
    limit = PlayerLimit("1/minute", clock=clock)
    limit.take("ada")

    for _ in range(10):
        clock.now += 1
        limit.take("ada")

    assert limit.take("ada") == 50


def test_one_player_takes_nothing_from_another(clock: Clock) -> None:
    """Each player has a window of their own."""
    limit = PlayerLimit("1/minute", clock=clock)
    limit.take("ada")

    assert limit.take("ada")
    assert not limit.take("eve")


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 3, allow_nan=False)), max_size=200
    ),
    st.integers(1, 5),
)
def test_never_more_windows_than_may_be(steps: list[tuple[str, float]], most: int) -> None:
    """Whoever plays, and whenever: there are never more windows than allowed, nor ended ones."""
    clock = Clock()
    windows = Windows(most, clock)

    for player, seconds in steps:
        clock.now += seconds
        windows.incr(player, 2)

        assert 1 <= len(windows) <= most
        assert windows.get(player) >= 1
        assert clock.now < windows.get_expiry(player) <= clock.now + 2


def test_made_up_players_fill_no_memory(clock: Clock) -> None:
    """A crowd pushes out those whose window ends first, and a later moment forgets them all."""
    windows = Windows(100, clock)

    for number in range(10_000):
        clock.now += 0.001
        windows.incr(f"player-{number}", 60)
    crowded = len(windows)
    oldest, newest = windows.get("player-9900"), windows.get("player-9999")
    before = windows.get("player-9899")
    clock.now += 61
    windows.incr("ada", 60)

    assert crowded == 100
    assert (before, oldest, newest) == (0, 1, 1)
    assert len(windows) == 1


def test_a_player_who_is_too_fast_is_told_when_to_come_back(clock: Clock) -> None:
    """429 with the seconds in header and body, nothing is published, and others go on."""
    api = Api(limit=PlayerLimit("2/minute", clock=clock))
    api.play()
    api.play()

    response = api.play()
    other = api.play(bet(player_id="eve"))
    clock.now += 60
    later = api.play()

    assert response.status_code == 429
    assert (error_of(response)["code"], response.headers["retry-after"]) == ("rate_limited", "60")
    assert "details" not in error_of(response)
    assert (other.status_code, later.status_code) == (202, 202)
    assert [play.player_id for play in api.behind.published] == ["ada", "ada", "eve", "ada"]
    assert api.counted("consumers_plays_refused_total", reason="limited") == 1


def test_a_body_that_is_no_play_is_not_counted(clock: Clock) -> None:
    """A malformed body takes nothing from the player that it names."""
    api = Api(limit=PlayerLimit("1/minute", clock=clock))

    refused = [api.play(bet(bet=-1)).status_code for _ in range(3)]

    assert refused == [400, 400, 400]
    assert api.play().status_code == 202


def test_windows_are_a_storage_like_any(clock: Clock) -> None:
    """What else the library may ask of a storage: to forget one window, or all of them."""
    windows = Windows(10, clock)
    for player in ("ada", "ada", "eve", "bob"):
        windows.incr(player, 60)

    windows.clear("ada")
    kept = windows.get("ada"), windows.get("eve")

    assert windows.check()
    assert kept == (0, 1)
    assert windows.get_expiry("ada") == clock.now
    assert windows.reset() == 2
    assert len(windows) == 0
