"""What is a play and what is not, for a request's body and for a record's value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import Poison
from consumers.game.events import (
    GAME,
    MAX_BET,
    MAX_GAME,
    MAX_PLAY_ID,
    MAX_PLAYER_ID,
    MAX_TIME,
    MAX_VALUE,
    PLAY_ID,
    PLAYER_ID,
    SEED,
    Bet,
    InvalidPlayError,
    Play,
    decode,
    encode,
    parse_bet,
    parse_play_id,
)
from tests.consumers.game.builders import bet, event, play

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAYS = st.builds(
    Play,
    play_id=st.from_regex(PLAY_ID, fullmatch=True),
    player_id=st.from_regex(PLAYER_ID, fullmatch=True),
    game=st.from_regex(GAME, fullmatch=True),
    bet=st.integers(1, MAX_BET),
    seed=st.from_regex(SEED, fullmatch=True),
    accepted_at=st.integers(0, MAX_TIME),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

# A number, what is changed in a good body, and then the code and the field of the refusal.
FIELDS: list[tuple[int, dict[str, Any], str, str]] = [
    (1, {"bet": -1}, "invalid_bet", "bet"),
    (2, {"bet": 0}, "invalid_bet", "bet"),
    (3, {"bet": MAX_BET + 1}, "invalid_bet", "bet"),
    (4, {"bet": 10**30}, "invalid_bet", "bet"),
    (5, {"bet": 250.0}, "wrong_type", "bet"),
    (6, {"bet": "250"}, "wrong_type", "bet"),
    (7, {"bet": True}, "wrong_type", "bet"),
    (8, {"bet": None}, "wrong_type", "bet"),
    (9, {"bet": [250]}, "wrong_type", "bet"),
    (10, {"bet": ...}, "missing_field", "bet"),
    (11, {"player_id": ...}, "missing_field", "player_id"),
    (12, {"player_id": 7}, "wrong_type", "player_id"),
    (13, {"player_id": ""}, "invalid_player_id", "player_id"),
    (14, {"player_id": "a" * (MAX_PLAYER_ID + 1)}, "invalid_player_id", "player_id"),
    (15, {"player_id": "ada lovelace"}, "invalid_player_id", "player_id"),
    (16, {"player_id": "ada\n"}, "invalid_player_id", "player_id"),
    (17, {"player_id": "ada\x00"}, "invalid_player_id", "player_id"),
    (18, {"player_id": "\ud800"}, "invalid_player_id", "player_id"),
    (19, {"player_id": "ädä"}, "invalid_player_id", "player_id"),
    (20, {"player_id": ".."}, "invalid_player_id", "player_id"),
    (21, {"game": ...}, "missing_field", "game"),
    (22, {"game": "Sevens"}, "invalid_game", "game"),
    (23, {"game": "s" * (MAX_GAME + 1)}, "invalid_game", "game"),
    (24, {"stake": 1}, "unknown_field", "stake"),
    (25, {"Bet": 1}, "unknown_field", "Bet"),
    (26, {"<script>": 1}, "unknown_field", "?script?"),
    (27, {"": 1}, "unknown_field", ""),
]
# A number and a whole body.
TEXTS = [
    (1, b""),
    (2, b"{"),
    (3, b"[]"),
    (4, b"null"),
    (5, b'"play"'),
    (6, b"\xff\xfe"),
    (7, b'{"player_id": "ada", "game": "sevens", "bet": NaN}'),
    (8, b'{"player_id": "ada", "game": "sevens", "bet": ' + b"9" * 5000 + b"}"),  # int() refuses it
    (9, b"[" * 4000),
    (10, json.dumps(bet()).encode("utf-16")),
    (11, json.dumps(bet()).encode("utf-8-sig")),
]


@pytest.mark.parametrize(("number", "changes", "code", "field"), FIELDS)
def test_a_bad_field_is_named(number: int, changes: dict[str, Any], code: str, field: str) -> None:
    """A body with one bad field is refused with the code and the name of that field."""
    body = json.dumps(bet(**changes)).encode()

    with pytest.raises(InvalidPlayError) as refused:
        parse_bet(body)

    assert (refused.value.code, refused.value.field) == (code, field), number


@pytest.mark.parametrize(("number", "body"), TEXTS)
def test_what_is_no_object_has_no_field(number: int, body: bytes) -> None:
    """A body that is no JSON object in UTF-8 is refused as a whole."""
    with pytest.raises(InvalidPlayError) as refused:
        parse_bet(body)

    assert (refused.value.code, refused.value.field) == ("invalid_json", None), number


def test_a_field_given_twice_is_refused() -> None:
    """Of two bets in one object neither counts."""
    body = b'{"player_id": "ada", "game": "sevens", "bet": 1, "bet": 100000}'

    with pytest.raises(InvalidPlayError) as refused:
        parse_bet(body)

    assert (refused.value.code, refused.value.field) == ("repeated_field", "bet")


@pytest.mark.parametrize("cents", [1, MAX_BET])
def test_the_limits_of_a_bet_are_good_bets(cents: int) -> None:
    """The smallest and the largest bet are taken."""
    assert parse_bet(json.dumps(bet(bet=cents)).encode()) == Bet("ada", "sevens", cents)


@pytest.mark.parametrize(
    "text", ["", "a" * (MAX_PLAY_ID + 1), "a b", "a/b", "..", "-a", "ä", "a\n", "a\x00"]
)
def test_a_play_id_needs_no_escaping(text: str) -> None:
    """An id that would mean something else in a path, a log or a key is refused."""
    with pytest.raises(InvalidPlayError, match="play_id"):
        parse_play_id(text)


@given(PLAYS)
def test_what_is_encoded_is_decoded(some: Play) -> None:
    """Every play survives the way through a record, within the limit of its size."""
    value = encode(some)

    assert decode(value) == some
    assert len(value) <= MAX_VALUE


@given(st.binary() | JSON.map(lambda some: json.dumps(some).encode()))
def test_nothing_but_a_play_is_a_play(value: bytes) -> None:
    """Whatever bytes a record holds, they are a play or `Poison`; no other error comes out."""
    with pytest.raises(Poison):
        decode(value)


@given(st.sampled_from(["v", "play_id", "player_id", "game", "bet", "seed", "accepted_at"]), JSON)
def test_a_changed_field_is_a_play_or_poison(name: str, value: Any) -> None:
    """A play with one field replaced by anything is still well-formed, or it is `Poison`."""
    try:
        found = decode(event(**{name: value}))
    except Poison:
        return
    assert found == (play() if name == "v" else play(**{name: value}))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"", "invalid_json"),
        (b" " * MAX_VALUE + event(), "too_large"),
        (event(v=2), "unknown_version"),
        (event(v=..., jackpot=1), "unknown_version"),
        (event(v=True), "unknown_version"),
        (event(jackpot=1), "unknown_field"),
        (event(seed="9C41"), "invalid_seed"),
        (event(accepted_at=-1), "invalid_time"),
        (event(play_id="a b"), "invalid_play_id"),
        (event(bet=-5), "invalid_bet"),
    ],
)
def test_what_is_no_play_is_poison_with_a_reason(value: bytes | None, reason: str) -> None:
    """A record that is no play is given up at once, and the reason says why."""
    with pytest.raises(Poison, match=reason):
        decode(value)


@pytest.mark.parametrize(
    "value",
    [
        event(player_id="s e c r e t"),
        event(**{"s e c r e t": 1}),
        b'{"s e c r e t": ',
        b"s e c r e t",
        b"s e c r e t \xff",
    ],
)
def test_a_reason_never_repeats_the_payload(value: bytes) -> None:
    """The reason, and whatever a traceback shows behind it, hold nothing of the record."""
    with pytest.raises(Poison) as refused:
        decode(value)

    assert not any("s e c" in f"{error} {error!r}" for error in shown(refused.value))


def shown(error: BaseException | None) -> Iterator[BaseException]:
    """Give *error* and those behind it, as a traceback would."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
