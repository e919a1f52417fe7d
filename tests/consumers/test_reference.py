"""The reference page says what the code does: settings, errors, fields, headers, metrics."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from consumers.commands import api as api_command
from consumers.commands import fintech, load, migrate, worker
from consumers.configuration.fields import LONGEST, OURS, parse_duration
from consumers.configuration.settings import SERVICES
from consumers.deadletters.envelope import MESSAGE_CHARACTERS, envelope
from consumers.errors import BY_SQLSTATE, Reaction
from consumers.game import api, events
from consumers.game.store import SettledPlay
from consumers.metrics import REGISTER
from consumers.runtime.backoff import RetryPolicy
from tests.consumers.game.builders import bet, record
from tests.consumers.game.served import Api
from tests.docs.pages import table, text

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs/reference/consumers.md").read_text()
RUN = "reference/consumers-run.md"
SETTINGS = sorted({name for kind in SERVICES.values() for name in kind.model_fields})


def rows(first: str) -> Iterator[list[str]]:
    """Give the cells of the table whose first heading is *first*."""
    table = PAGE.split(f"\n| {first} |")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split(" | ")]


def words(cell: str) -> list[str]:
    """Give what stands in code marks in *cell*."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_setting_is_listed() -> None:
    """The table has the settings and nothing else."""
    listed = [words(name) for name, *_ in rows("setting")]

    assert sorted(listed) == sorted([f"CONSUMERS_{name.upper()}"] for name in SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_default_is_the_real_one(name: str) -> None:
    """What a setting is when nobody sets it, for each service, as it would be written."""
    cells = {words(name)[0]: default for name, default, _ in rows("setting")}
    shown = cells[f"CONSUMERS_{name.upper()}"]
    fields = [kind.model_fields[name] for kind in SERVICES.values() if name in kind.model_fields]
    given = [field.default for field in fields if not field.is_required() and field.default]
    defaults = list(dict.fromkeys(str(default) for default in given))

    assert ("required" in shown) == any(field.is_required() for field in fields)
    if given and isinstance(given[0], timedelta):
        assert [str(parse_duration(word)) for word in words(shown)] == defaults
    else:
        assert words(shown) == defaults or (not defaults and words(shown) in ([], ["{}"]))


def test_the_properties_that_are_refused_are_listed() -> None:
    """Whoever sets one of them learns of it here first."""
    (line,) = re.findall(r"The runtime sets these properties itself.*", PAGE)

    assert set(words(line)) >= OURS


def test_the_error_that_is_shown_is_a_real_one() -> None:
    """The example has the body that this bet is refused with; ids and time are its own."""
    example = next(line for line in PAGE.splitlines() if line.startswith('{"error"'))
    shown = json.loads(example)["error"]
    real = Api().play(bet(bet=0)).json()["error"]

    assert list(shown) == list(real)
    for its_own in ("trace_id", "request_id", "time"):
        del shown[its_own], real[its_own]
    assert shown == real


def test_the_fields_of_a_play_are_listed() -> None:
    """What a request holds, what a settled play shows, and what a record's value is."""
    shown = next(line for line in PAGE.splitlines() if line.startswith("200 with"))
    example = next(line for line in PAGE.splitlines() if line.startswith('{"v": 1'))

    assert [words(name)[0] for name, *_ in rows("field")] == list(events.Bet.__slots__)
    assert words(shown) == list(SettledPlay.__slots__)
    assert json.loads(events.encode(events.decode(example.encode()))) == json.loads(example)


def test_the_headers_of_a_dead_letter_are_listed() -> None:
    """Every header that is added, in its order."""
    headers = envelope(record(b"x"), ValueError("no"), group="g", attempts=1)

    assert [words(name)[0] for name, *_ in rows("header")] == [name for name, _ in headers]


def test_the_errors_of_postgres_are_listed() -> None:
    """Classes that are waited for, and those that condemn a record."""
    by: dict[Reaction, list[str]] = {reaction: [] for reaction in Reaction}
    for prefix, reaction in BY_SQLSTATE:
        by[reaction].append(prefix)

    assert f"Postgres {', '.join(by[Reaction.WAIT])} |" in PAGE
    assert f"of class {' or '.join(by[Reaction.DEAD_LETTER])} |" in PAGE


def test_every_metric_is_listed() -> None:
    """Name, kind, labels with their known values, and help."""
    listed = [
        (words(name)[0], kind, words(labels), text) for name, kind, labels, text in rows("metric")
    ]

    assert listed == [
        (one.name, one.kind.__name__.lower(), [*one.labels, *one.values], one.help)
        for one in REGISTER
    ]


def test_the_commands_are_listed() -> None:
    """Each command with the name that its logs and spans carry."""
    listed = [words(command) + words(name) for command, name, _ in rows("command")]

    assert listed == [
        ["consumers api", api_command.NAME],
        ["consumers worker", worker.NAME],
        ["consumers run MODULE:NAME"],
        ["consumers migrate", migrate.NAME],
        ["consumers dlq"],
        ["consumers check COMMAND"],
        ["consumers fintech", fintech.NAME],
        ["consumers load", load.NAME],
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        f"at most {api.MAX_BODY} bytes",
        f"At most {api.MAX_READS} reads",
        f"`bet` | {events.MIN_BET} to {events.MAX_BET} cents",
        f"1 to {events.MAX_PLAYER_ID} of `A-Z a-z 0-9 . _ ~ : @ + -`",
        f"1 to {events.MAX_GAME} of `a-z 0-9 -`",
        f"1 to {events.MAX_KEY} of `A-Z a-z 0-9 . _ ~ -`",
        f"at most `{LONGEST // timedelta(hours=1)}h`",
        f"its first {MESSAGE_CHARACTERS} characters",
        f"`CONSUMERS_RETRIES` | `{RetryPolicy().retries}`",
    ],
)
def test_a_bound_is_the_real_one(sentence: str) -> None:
    """Numbers on the page are those of the code."""
    assert sentence in PAGE


def test_where_a_group_begins_is_told_with_its_default() -> None:
    """The page of `consumers run` has each value of the setting, and whose default is which."""
    ours, games = (SERVICES[name].model_fields["offset_reset"] for name in ("run", "worker"))
    values = [row[0].strip("`") for row in table(RUN, "Where a group begins")[1:]]

    assert values == [*get_args(ours.annotation)]
    assert f"`{ours.default}` is the default of `consumers run`" in text(RUN)
    assert (games.default, "begins at the oldest play" in text(RUN)) == ("earliest", True)
