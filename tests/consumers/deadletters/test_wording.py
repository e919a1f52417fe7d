"""Dead letters are shown so that a person finds what he needs, and a terminal obeys nobody."""

from __future__ import annotations

import json

from consumers.deadletters.letters import letter_of
from consumers.deadletters.wording import (
    ERROR_WIDTH,
    as_json,
    as_json_card,
    card,
    moment,
    safe,
    table,
)
from consumers.errors import Poison
from tests.consumers.deadletters.builders import TRACE_ID, dead, letter

EVIL = "\x1b[31m\u202e\r\nplain é"


def test_a_table_has_a_line_for_each_letter_under_its_headings() -> None:
    """Time, origin, attempts, replays, error and trace, in columns."""
    lines = table([letter(5), letter(12, attempts=12)]).splitlines()

    assert lines == [
        "LETTER  TIME                  ORIGIN      ATTEMPTS  REPLAYS  ERROR            TRACE",
        f"0:5     2023-11-14T22:21:40Z  plays[0]@7         4        0  Poison: no play  {TRACE_ID}",
        f"0:12    2023-11-14T22:21:40Z  plays[0]@7        12        0  Poison: no play  {TRACE_ID}",
    ]


def test_what_is_not_known_is_a_dash() -> None:
    """A stranger's record has its line all the same."""
    (_, line) = table([letter(topic="", died_ms=None, headers=[])]).splitlines()

    assert line.split() == ["0:0", "-", "-", "4", "0", "Poison:", "no", "play", "-"]


def test_a_long_error_is_cut_in_the_table() -> None:
    """A line stays a line: it ends with an ellipsis where something was left out."""
    (_, line) = table([letter(error=Poison("x" * 500))]).splitlines()

    assert f"{'x' * (ERROR_WIDTH - len('Poison: …'))}…  " in line
    assert len(line) < 150


def test_nothing_that_a_terminal_acts_upon_is_shown() -> None:
    """Escapes, line ends and reversed text of a stranger are written out."""
    evil = dead(error=Poison(EVIL), key=EVIL.encode(), headers=[(EVIL, EVIL.encode())])
    shown = card(letter_of(evil), evil, replayed=False, payload=False)

    assert safe(EVIL) == r"\x1b[31m\u202e\r\nplain é"
    for text in (shown, table([letter_of(evil)])):
        assert not set(text) & set("\x1b\u202e\r")
        assert "plain é" in text


def test_a_card_shows_all_but_the_payload() -> None:
    """Facts, then the original's headers; the value only by its size."""
    one = dead(value=b"secret value", headers=[("kind", b"play"), ("raw", b"\xff"), ("none", None)])

    shown = card(letter_of(one), one, replayed=True, payload=False)

    lines = dict(line.split(maxsplit=1) for line in shown.splitlines() if len(line.split()) > 1)
    assert lines["origin"] == "plays[0]@7"
    assert lines["replayed"] == "yes"
    assert lines["value"] == "12 bytes"
    assert lines["kind:"] == '"play"'
    assert lines["raw:"] == r'"\xff"'
    assert lines["none:"] == "none"
    assert "secret" not in shown
    assert "dlq." not in shown


def test_a_card_shows_the_payload_if_it_is_asked_for() -> None:
    """Text as it is, with its lines; bytes that are no text as escapes; nothing for a tombstone."""
    text, raw, none = dead(value=b"two\nlines\x07"), dead(value=b"\xff"), dead(value=None)

    def ends(one: object) -> str:
        return card(letter_of(one), one, replayed=False, payload=True)  # type: ignore[arg-type]

    assert ends(text).endswith("\n\ntwo\nlines\\x07\n")
    assert ends(raw).endswith("\n\n\\xff\n")
    assert ends(none).endswith("\n\n\n")


def test_json_holds_the_same_for_programs() -> None:
    """One line, one object; bytes that are no text are base64."""
    one = dead(value=b"\xff", key=b"\xff", headers=[("kind", b"play"), ("raw", b"\xff")])
    found = letter_of(one)

    short = as_json(found, replayed=True)
    whole = json.loads(as_json_card(found, one, replayed=True, payload=True))

    assert "\n" not in short
    assert json.loads(short)["origin"] == {
        "topic": "plays",
        "partition": 0,
        "offset": 7,
        "time": "2023-11-14T22:13:20Z",
    }
    assert json.loads(short)["error"] == {"type": "consumers.errors.Poison", "message": "no play"}
    assert json.loads(short)["replayed"] is True
    assert whole["headers"][:2] == [
        {"name": "kind", "text": "play"},
        {"name": "raw", "base64": "/w=="},
    ]
    assert whole["payload"] == {"base64": "/w=="}


def test_a_time_beyond_all_calendars_is_none() -> None:
    """A header may hold any number."""
    assert moment(10**18) is None
    assert moment(None) is None
    assert moment(0) == "1970-01-01T00:00:00Z"
