"""What stands on the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lagmon.alerts.rules import KAFKA_CONSUMER_LAG
from lagmon.board import Board
from lagmon.labels import safe
from lagmon.model import Age, IncidentKey, Method, State, Why
from lagmon.top.cells import width
from lagmon.top.page import Screen, Seen, headline, printed, screen
from lagmon.top.reading import Groups, parsed
from lagmon.top.showing import Showing
from lagmon.top.table import chosen, trend, waits
from lagmon.web.choice import SHOWN, SORTED, Choice
from tests.lagmon.builders import CLUSTER, GROUP, NOON, TRACE, cycle, group, incident, lags, part
from tests.lagmon.test_hostile_names import ANY
from tests.lagmon.test_hostile_names import seen as named_so
from tests.lagmon.top.answers import asked, reading, seen
from tests.lagmon.web.stories import night

NIGHT = seen(night(hostile=False), "game-consumer")
OPENED = Showing(opened=(CLUSTER, "game-consumer"))


def board(*cycles: object, clusters: tuple[str, ...] = (CLUSTER,)) -> Board:
    """Give a board after *cycles*."""
    made = Board("1.0", clusters)
    for each in cycles:
        made.put(each)  # type: ignore[arg-type]
    return made


def text(made: Screen) -> str:
    """Give the words of a screen."""
    return "\n".join(each.text.rstrip() for each in made.lines)


def test_the_worst_group_stands_first_on_an_ordinary_terminal() -> None:
    """With state, lag, seconds, trend, members and what is firing, in 80 columns."""
    made = screen(NIGHT, Showing(), 80, 24)

    first = [each.text.split() for each in made.lines[3:9]]
    assert first[0] == ["P1", "game-consumer", "blocked", "3,140", "10m", "10s", "+12/s", "2"]
    assert [words[0] for words in first[1:]] == [
        "no-rights", "ledger-export", "bonus-payer", "audit", "mail-sender",
    ]  # fmt: skip
    assert made.lines[0].text.startswith("1 incident open  game-consumer")
    assert made.lines[0].text.endswith("UTC")
    assert "P1 KafkaConsumerLag since 15:53:20 UTC, for 6m 40s" in text(made)
    assert "plays[3] has not moved" in text(made)


def test_incidents_have_a_column_where_there_is_room() -> None:
    """Their names, and that maintenance holds one back."""
    held = replace(incident(), held=True)
    whole = board(cycle(lags(group(9)), incidents=(held,)))

    made = text(screen(seen(whole), Showing(), 120, 24))

    assert "INCIDENTS" in made
    assert "KafkaConsumerLag (maintenance)" in made


def test_an_opened_group_has_what_is_needed_to_go_on() -> None:
    """Partitions worst first, owner, and the oldest uncommitted record with its trace id."""
    made = text(screen(NIGHT, OPENED, 80, 24))

    assert "oldest uncommitted record plays[3] at offset 88412, 10m 12s old" in made
    assert f"trace {TRACE}" in made
    assert f"http://jaeger.example:16686/trace/{TRACE}" in made
    rows = [each.split() for each in made.splitlines() if each.startswith("plays[")]
    assert [row[0] for row in rows] == ["plays[3]", "plays[0]", "plays[1]", "plays[2]"]
    assert rows[0][1:4] == ["3,131", "10m", "10s"]
    assert rows[0][-4:] == ["blocked", "game-7", "at", "10.0.0.7"]
    assert "runbook https://runbooks.example/KafkaConsumerLag" in made


def test_a_group_that_is_not_there_any_more_says_so() -> None:
    """Another's values are not passed off as its own."""
    gone = Showing(opened=(CLUSTER, "gone"))

    made = text(screen(replace(NIGHT, missing="No group is called gone"), gone, 80, 24))

    assert "gone on local" in made
    assert "No group is called gone" in made
    assert "plays[3]" not in made


@given(st.integers(1, 200), st.integers(1, 60), st.booleans())
def test_any_size_will_do(columns: int, rows: int, opened: bool) -> None:  # noqa: FBT001 - drawn
    """No line is too wide, none too many, and each covers what was there before."""
    made = screen(NIGHT, OPENED if opened else Showing(), columns, rows)

    assert len(made.lines) == rows or rows < len(made.lines) + 8
    assert len(made.lines) <= rows
    assert {width(each.text) for each in made.lines} == {columns}


@settings(max_examples=40, deadline=None)
@given(ANY)
def test_any_name_is_shown_harmlessly(name: str) -> None:
    """Whatever strangers called group, topic, client and the rest."""
    whole = board(named_so(name))
    listed = seen(whole)
    (row,) = listed.reading.groups

    for showing in (Showing(), Showing(opened=row.key)):
        for each in screen(listed, showing, 80, 24).lines:
            assert each.text.isprintable()
            assert width(each.text) == 80
    assert row.group == safe(name) or len(row.group) < len(safe(name))


def test_long_lists_are_leafed_through() -> None:
    """The group under the cursor is always to be seen."""
    whole = board(cycle(lags(*(group(100 - n, f"group-{n:03}") for n in range(100)))))
    read = seen(whole)

    for n in (0, 17, 18, 50, 99):
        name = f"group-{n:03}"
        made = screen(read, Showing(selected=(CLUSTER, name)), 80, 24)
        under = [each.text for each in made.lines if each.reverse and "GROUP" not in each.text]
        assert len(under) == 1
        assert name in under[0]
        assert made.extent.keys[made.extent.at] == (CLUSTER, name)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (Choice(show="incidents"), ["game-consumer"]),
        (Choice(show="attention"), ["game-consumer", "no-rights", "ledger-export", "bonus-payer"]),
        (Choice(text="MAIL"), ["mail-sender"]),
        (Choice(cluster="elsewhere"), []),
        (
            Choice(sort="name", show="attention"),
            ["bonus-payer", "game-consumer", "ledger-export", "no-rights"],
        ),
        (
            Choice(sort="lag", text="e"),
            ["game-consumer", "ledger-export", "bonus-payer", "mail-sender"],
        ),
    ],
)
def test_a_choice_is_as_on_the_status_page(choice: Choice, names: list[str]) -> None:
    """Less, or in another order."""
    found = [each.group for each in chosen(NIGHT.reading, choice)]

    assert found == names


@pytest.mark.parametrize("show", [name for name, _ in SHOWN])
@pytest.mark.parametrize("sort", [name for name, _ in SORTED])
def test_every_choice_is_named_at_the_bottom(show: str, sort: str) -> None:
    """So that nobody takes a part for the whole."""
    last = screen(NIGHT, Showing(Choice(show=show, sort=sort)), 120, 24).lines[-1].text

    assert dict(SHOWN)[show] in last
    assert dict(SORTED)[sort] in last
    assert ("of 6 groups" in last) is (show != "all")


def test_the_age_orders_the_groups_that_wait() -> None:
    """Those of which it is not known come last."""
    rows = [
        replace(part(0, 5), age=Age(age, Method.HISTORY, 0.0) if age else None)
        for age in (10.0, None, 300.0)
    ]
    whole = board(cycle(lags(*(group(5, f"g{n}", row) for n, row in enumerate(rows)))))

    found = [each.group for each in chosen(reading(whole), Choice(sort="waits"))]

    assert found == ["g2", "g0", "g1"]


def test_what_is_in_the_way_is_said() -> None:
    """In place of the line about the clusters, while the last values stay."""
    made = text(screen(replace(NIGHT, trouble="No answer for 12s: refused"), Showing(), 80, 24))

    assert "No answer for 12s: refused" in made
    assert "game-consumer" in made


BLIND = replace(incident(), key=IncidentKey("KafkaClusterBlind", CLUSTER))
SILENT = cycle(replace(lags(), groups=(), error="_TRANSPORT: all brokers down"))
PARTIAL = cycle(replace(lags(group(0)), complete=False))


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        (board(), ("Starting", "unknown", "the first answers are on their way")),
        (board(cycle(lags(group(3)))), ("All is well", "good", "1 group watched")),
        (board(SILENT), ("1 cluster not answering", "warn", CLUSTER)),
        (board(PARTIAL), ("Not everything is known", "warn", CLUSTER)),
        (
            board(cycle(lags(group(None, why=Why.GROUP_UNREADABLE)))),
            ("Not everything is known", "warn", GROUP),
        ),
        (
            board(cycle(lags(group(9)), pending=frozenset({GROUP}))),
            ("1 group over the limit", "warn", GROUP),
        ),
        (
            board(cycle(lags(group(9)), incidents=(incident(), BLIND))),
            ("2 incidents open", "bad", f"{GROUP}, {CLUSTER}"),
        ),
    ],
)
def test_the_first_words_say_whether_anything_is_wrong(
    whole: Board, said: tuple[str, str, str]
) -> None:
    """The worst of it, and with whom."""
    assert headline(reading(whole)) == said


def test_a_cluster_that_does_not_answer_says_why() -> None:
    """Also where its last values are still shown."""
    before = cycle(lags(group(3)))
    made = text(screen(seen(board(before, SILENT)), Showing(), 120, 24))

    assert "local does not answer" in made
    assert "all brokers down" in made


def test_more_than_one_cluster_has_a_column() -> None:
    """Groups of one name are told apart."""
    there = cycle(replace(lags(group(7)), cluster="other"))
    whole = board(cycle(lags(group(3))), there, clusters=(CLUSTER, "other"))

    made = screen(seen(whole), Showing(), 80, 24)

    assert [each.text.split()[:2] for each in made.lines[3:5]] == [
        ["other", GROUP],
        [CLUSTER, GROUP],
    ]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (None, "-"),
        (0.0, "even"),
        (0.004, "even"),
        (12.3, "+12/s"),
        (-0.4, "-24/min"),
        (-3000.0, "-3,000/s"),
    ],
)
def test_a_trend_is_short(rate: float | None, said: str) -> None:
    """A sign, a number, and per what."""
    assert trend(rate) == said


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (None, "-"),
        (Age(610.2, Method.HISTORY, 5.0), "10m 10s"),
        (Age(40.0, Method.TIMESTAMPS, None), ">40s"),
        (Age(3.0, Method.HISTORY, 5.0), "<9s"),
    ],
)
def test_an_age_says_whether_it_is_a_bound(age: Age | None, said: str) -> None:
    """At least, at most, or about."""
    assert waits(age) == said


def test_a_lag_that_is_not_wholly_known_says_so() -> None:
    """It may be larger."""
    whole = board(cycle(lags(group(9, GROUP, part(0, 9), unknown=1))))

    assert "9+" in printed(seen(whole), Choice())


def test_a_group_over_a_limit_is_marked_before_it_pages() -> None:
    """Not yet for long enough."""
    whole = board(cycle(lags(group(2000)), pending=frozenset({GROUP})))

    assert printed(seen(whole), Choice()).splitlines()[1].startswith(f"!   {GROUP}")


def test_what_is_printed_is_one_table() -> None:
    """As wide as it is, without a space at a line's end, and a verdict below."""
    lines = printed(NIGHT, Choice()).splitlines()

    assert lines[0].split()[:3] == ["GROUP", "STATE", "LAG"]
    assert lines[1].endswith(KAFKA_CONSUMER_LAG.name)
    assert lines[-1] == "1 incident open: game-consumer"
    assert [each for each in lines if each != each.rstrip()] == []


def test_what_lagmon_never_says_is_refused() -> None:
    """With the place where it differs."""
    with pytest.raises(ValueError, match=r"groups\.0\.lag"):
        parsed(Groups, asked(board(cycle()), "/groups").replace(b'"lag":0', b'"lag":"much"'))
    with pytest.raises(ValueError, match="Invalid JSON"):
        parsed(Groups, b"<html>")


def test_what_a_newer_lagmon_adds_is_passed_over() -> None:
    """One can look at it all the same."""
    body = asked(board(cycle()), "/groups").replace(b'"lag":0', b'"lag":0,"mood":"calm"')

    assert parsed(Groups, body).groups[0].lag == 0


def test_a_lost_partition_says_how_much() -> None:
    """And one that is not known why."""
    rows = (
        replace(part(0, 5, lost=3), judged=State.LOST),
        part(1, None, why=Why.NO_END_OFFSET, committed=None),
    )
    whole = board(cycle(lags(group(5, GROUP, *rows, unknown=1))))

    made = text(screen(seen(whole, GROUP), Showing(opened=(CLUSTER, GROUP)), 100, 24))

    assert "lost, 3 messages lost" in made
    assert "no end offset" in made


@pytest.mark.parametrize(
    ("judged", "tone"),
    [(State.OK, ""), (State.OPEN_TRANSACTION, ""), (State.BLOCKED, "warn"), (State.LOST, "warn")],
)
def test_a_partition_stands_out_where_the_page_says_so(judged: State, tone: str) -> None:
    """An open transaction is no stall: it is as calm as one that is well."""
    row = replace(part(0, 5), judged=judged)
    whole = board(cycle(lags(group(5, GROUP, row))))

    made = screen(seen(whole, GROUP), Showing(opened=(CLUSTER, GROUP)), 100, 24)

    [line] = [each for each in made.lines if "[0]" in each.text]
    assert line.spans[0][1] == tone


def test_names_that_are_too_long_keep_the_number_of_the_partition() -> None:
    """It is what tells the rows apart."""
    rows = [part(n, 5, topic="t" * 200) for n in range(2)]
    whole = board(cycle(lags(group(10, GROUP, *rows))))
    made: Seen = seen(whole, GROUP)

    lines = text(screen(made, Showing(opened=(CLUSTER, GROUP)), 80, 24))

    assert "t[0]" in lines
    assert "t[1]" in lines


def test_the_clock_is_lagmons_own() -> None:
    """What is shown is of one moment, whatever the clock of this machine says."""
    assert NIGHT.reading.at == NOON
