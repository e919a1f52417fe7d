"""What the page of one group says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.alerts.rules import SHIPPED
from lagmon.board import advance
from lagmon.model import Age, IncidentKey, Method, State, Why
from lagmon.past import Past
from lagmon.readings import Member
from lagmon.report import ClusterReport, Links, Reach
from lagmon.web.detail import ENDED_SHOWN, PARTITIONS_SHOWN, Detail, detail
from lagmon.web.groups import UNKNOWN
from tests.lagmon.builders import (
    CLUSTER,
    GROUP,
    NOON,
    at,
    cycle,
    group,
    incident,
    lags,
    part,
    record,
)
from tests.lagmon.web.test_status import texts

if TYPE_CHECKING:
    from lagmon.board import Cycle
    from lagmon.model import GroupLag, PartitionLag

LINKS = Links("http://jaeger:16686", reaches=(Reach(CLUSTER, "kafka:9092"),))


def laid_out(one: GroupLag, *, links: Links = LINKS, **more: object) -> Detail:
    """Lay out the page of *one* after a cycle with *more*."""
    return after(cycle(lags(one), **more), links=links)  # type: ignore[arg-type]


def after(*cycles: Cycle, links: Links = LINKS) -> Detail:
    """Lay out the page of the first group after *cycles*."""
    report, past = ClusterReport(CLUSTER), Past()
    for each in cycles:
        report = advance(report, each)
        past.put(each.lag, each.incidents)
    assert report.lag is not None
    one = report.lag.groups[0]
    now = cycles[-1].lag.at + 2
    return detail(one, report, SHIPPED, links, past=past, now=now, version="1.0")


def lines(page: Detail) -> dict[str, str]:
    """Give the commands by their titles."""
    return {each.title: each.line for each in page.commands}


def stuck(judged: State = State.BLOCKED) -> PartitionLag:
    """Give a partition that stands at 5000, 1203 behind."""
    return replace(part(0, 1203, judged=judged), start=4900)


def test_partitions_are_bounded_and_unknown_ones_come_first() -> None:
    """What is unknown is not hidden behind what is small."""
    unknown = part(9999, None, why=Why.NO_END_OFFSET)
    many = tuple(part(number, number) for number in range(PARTITIONS_SHOWN + 4))

    page = laid_out(group(1, GROUP, *many, unknown))

    assert (len(page.partitions), page.partitions_hidden) == (PARTITIONS_SHOWN, 5)
    worst = f"plays[{PARTITIONS_SHOWN + 3}]"
    assert [row.name for row in page.partitions[:2]] == ["plays[9999]", worst]
    assert page.partitions[0].note == "end of the partition unknown"


def test_a_partition_names_its_owner() -> None:
    """Client and host of the one that should be reading."""
    owner = Member("m-1", "worker-1", "10.0.0.7", (at(0),))

    (row,) = laid_out(group(7, GROUP, part(0, 7, owner=owner))).partitions

    assert (row.lag, row.committed, row.end, row.owner) == (
        "7",
        "5000",
        "5007",
        "worker-1 at 10.0.0.7",
    )


def test_what_the_broker_said_stands_with_the_partition() -> None:
    """The reason in the broker's words, beside our own and what was lost."""
    sick = replace(part(0, None, why=Why.NO_END_OFFSET, lost=2), detail="leader not available")

    (row,) = laid_out(group(None, GROUP, sick, why=Why.NO_END_OFFSET)).partitions

    assert row.note == "end of the partition unknown, leader not available, 2 messages lost"


@pytest.mark.parametrize(
    ("age", "said"),
    [(Age(200, Method.HISTORY, 5), "3m 20s ± 5s, by history"), (None, UNKNOWN)],
)
def test_each_partition_has_an_age_of_its_own(age: Age | None, said: str) -> None:
    """With its bound, and a dash where it is not known."""
    (row,) = laid_out(group(7, GROUP, replace(part(0, 7), age=age))).partitions

    assert row.waited == said


def test_a_partition_that_stands_bears_its_state() -> None:
    """What is fine needs no word."""
    page = laid_out(group(7, GROUP, stuck(), part(1, 0, judged=State.OK)))

    assert [row.note for row in page.partitions] == ["blocked", ""]


def test_a_blocked_group_can_be_described_looked_at_and_led_past_its_record() -> None:
    """The offsets are filled in, and what would change something only says what it would do."""
    page = laid_out(
        replace(group(1203, GROUP, stuck()), judged=State.BLOCKED),
        incidents=(incident(),),
        records=((GROUP, record()),),
    )

    assert lines(page) == {
        "See where the group stands": "kafka-consumer-groups.sh --bootstrap-server=kafka:9092"
        " --describe --group=settle",
        "Look at the oldest uncommitted record": "kafka-console-consumer.sh"
        " --bootstrap-server=kafka:9092 --topic=plays --partition=0 --offset=5000 --max-messages=1"
        " --property=print.offset=true --property=print.timestamp=true"
        " --property=print.key=true --property=print.headers=true",
        "Skip that record": "kafka-consumer-groups.sh --bootstrap-server=kafka:9092"
        " --group=settle --topic=plays:0 --reset-offsets --to-offset=5001 --dry-run",
    }
    assert [each.title for each in page.commands if each.changes] == ["Skip that record"]


def test_a_group_that_lost_records_can_be_set_to_the_first_that_is_there() -> None:
    """Where nothing can be skipped, the way on is the start of the log."""
    page = laid_out(replace(group(1203, GROUP, stuck(State.LOST)), judged=State.LOST))

    assert "--to-offset=4900 --dry-run" in lines(page)["Go on from where there are records"]


def test_commands_are_there_before_anything_is_wrong() -> None:
    """Whoever is only suspicious can look as well."""
    assert list(lines(laid_out(group(3)))) == ["See where the group stands"]


def test_without_a_way_to_the_cluster_there_is_no_command() -> None:
    """A line with a gap in it helps nobody."""
    assert laid_out(group(3), links=Links()).commands == ()


def test_the_last_hour_is_drawn_with_the_limit() -> None:
    """The line is of this group, and says in words what it shows."""
    read = enumerate((9, 900, 90))
    cycles = [cycle(lags(group(lag), when=NOON + 60 * minute)) for minute, lag in read]

    drawn = after(*cycles).chart

    assert drawn is not None
    assert drawn.said == "Lag: 9 at 16:00:00 UTC, 900 at the highest, at 16:01:00 UTC, 90 now"
    assert drawn.limit


def test_incidents_that_are_over_are_told_with_their_time() -> None:
    """The last one first, each with how long it was open."""
    page = after(
        cycle(lags(group(1203), when=NOON), incidents=(incident(),)),
        cycle(lags(group(3), when=NOON + 100)),
    )

    assert [(each.incident.rule, each.incident.lasted, each.ended) for each in page.ended] == [
        ("KafkaConsumerLag", "1m 40s", "16:01:40 UTC")
    ]
    assert page.group.incidents == ()


def test_only_the_last_of_many_incidents_are_told() -> None:
    """A group that flaps does not push the rest off the page."""
    flapping = [
        cycle(lags(group(1203), when=NOON + n), incidents=(incident(),) if n % 2 else ())
        for n in range(2 * ENDED_SHOWN + 9)
    ]

    assert len(after(*flapping).ended) == ENDED_SHOWN


def test_values_of_before_are_called_old() -> None:
    """The page of a group says as well that its cluster does not answer."""
    page = after(cycle(lags(group(7))), cycle(lags(error="no broker answers", when=NOON + 5)))

    assert (page.error, page.stale) == ("no broker answers", "These values are 7s old.")


def test_a_reason_of_several_parts_is_said_whole() -> None:
    """What it would take stands at its end, and is not cut off."""
    why = f"{'x' * 200}; {'y' * 200}; kafka-acls --add"

    page = after(cycle(lags(group(7))), cycle(lags(error=why, when=NOON + 5)))

    assert page.error == why


@given(st.text(st.characters(codec=None), min_size=1, max_size=300))
def test_hostile_names_are_printable_on_the_page_of_their_group(name: str) -> None:
    """No name, host, topic or error reaches the page as it came, nor does a command."""
    row = replace(part(0, 5, topic=name, owner=Member("m", name, name)), judged=State.STALLED)
    odd = replace(group(5, name, row), state=name, detail=name, judged=State.STALLED)
    firing = replace(incident(name), key=IncidentKey("KafkaConsumerLag", CLUSTER, name, name, 0))
    oldest = replace(
        record(trace_id=None, trace_unknown=name), at=at(0, name), headers=((name, name),)
    )

    page = after(
        cycle(lags(odd), incidents=(firing,)),
        cycle(lags(odd, when=NOON + 40), records=((name, oldest),)),
        cycle(lags(error=name, when=NOON + 45)),
    )

    assert page.ended
    assert not [text for text in texts(page) if not text.isprintable()]
