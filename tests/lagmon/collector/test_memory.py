"""Which groups are read now, and what is shown of the others."""

from __future__ import annotations

from dataclasses import replace

from lagmon.collector.answers import BUSY, UNREAD, Failure
from lagmon.collector.memory import READ_AT_MOST, Memory
from lagmon.readings import Committed, GroupReading, KnownGroup, TopicPartition

NOON = 1_764_000_000.0
IDLE_REFRESH = 60.0
P0 = TopicPartition("plays", 0)
OWED = Failure(BUSY, sound=True)


def memory() -> Memory:
    """Build a memory that has seen nothing."""
    return Memory(idle_refresh=IDLE_REFRESH, kept_seconds=10)


def reading(offset: int = 5, *, members: int | None = 0, group: str = "g") -> GroupReading:
    """Build what a coordinator says of a group."""
    return GroupReading(
        group, "empty", "classic", members, committed=(Committed(P0, offset),), error=None
    )


def head(*, members: int | None = 0, group: str = "g") -> GroupReading:
    """Build a group without its commits."""
    return GroupReading(group, "empty", "classic", members)


def watched(made: Memory, *readings: GroupReading, interval: float = 20.0) -> float:
    """Have *made* learn *readings* of one group, one a cycle; give the time of the last."""
    for number, one in enumerate(readings):
        made.learn((one,), NOON + number * interval)
    return NOON + (len(readings) - 1) * interval


def due(made: Memory, now: float, *heads: GroupReading, changed: tuple[str, ...] = ()) -> list[str]:
    """List whom *made* would read."""
    return made.due({one.group: one for one in heads or (head(),)}, changed, now)


def test_a_new_group_is_read() -> None:
    """Of a group that was never read everything is to be learnt."""
    assert due(memory(), NOON) == ["g"]


def test_a_group_without_members_is_watched_before_it_counts_as_idle() -> None:
    """For as long as it takes to see commits move, it is read in every cycle."""
    made = memory()
    made.learn((reading(),), NOON)

    assert [due(made, NOON + late) for late in (5, 30, 59)] == [["g"]] * 3


def test_a_group_whose_commits_stand_is_read_once_in_a_while() -> None:
    """Watched for long enough it is left out, and read again when its turn comes."""
    made = memory()
    last = watched(made, *[reading()] * 5)  # read at 80 s, due 60 s after

    assert due(made, last + 5) == []
    assert due(made, last + 65) == ["g"]


def test_a_group_with_members_is_always_read() -> None:
    """Members make a group alive, however long its commits stand."""
    made = memory()
    last = watched(made, *[reading(members=1)] * 20)

    assert due(made, last + 5, head(members=1)) == ["g"]


def test_a_group_whose_members_are_not_known_is_always_read() -> None:
    """Not known is not none."""
    made = memory()
    last = watched(made, *[reading(members=None)] * 20)

    assert due(made, last + 5, head(members=None)) == ["g"]


def test_a_group_whose_members_left_is_read_on() -> None:
    """One that has just stopped is watched, not put aside."""
    made = memory()
    last = watched(made, reading(members=1), *[reading()] * 10)

    assert due(made, last + 5) == ["g"]


def test_a_group_that_moves_without_members_is_as_alive_as_any() -> None:
    """One commit that moved, as Flink's do, and it is read in every cycle for ten minutes."""
    made = memory()
    last = watched(made, *[reading()] * 5, *[reading(6)] * 10)

    assert due(made, last + 5) == ["g"]
    assert due(made, last + 600) == ["g"]


def test_idle_groups_do_not_come_up_together() -> None:
    """Sixty groups that fell idle in one cycle are read a few a cycle."""
    made, names = memory(), [f"group-{number}" for number in range(60)]
    for number in range(5):
        made.learn([reading(group=name) for name in names], NOON + number * 20)
    heads = [head(group=name) for name in names]

    counts = []
    for cycle in range(1, 13):
        now = NOON + 80 + cycle * 5
        chosen = due(made, now, *heads)
        counts.append(len(chosen))
        kept = [made.kept(one, None, now) for one in heads if one.group not in chosen]
        made.learn([*kept, *(reading(group=name) for name in chosen)], now)

    assert max(counts) <= 10


def test_an_idle_group_is_read_when_its_topic_changes() -> None:
    """A topic that was made anew, grew or went takes commits with it."""
    made = memory()
    last = watched(made, *[reading()] * 5)

    assert due(made, last + 5, changed=("other",)) == []
    assert due(made, last + 6, changed=("plays",)) == ["g"]


def test_what_was_not_read_is_shown_with_its_time() -> None:
    """Its commits are the last ones, with the time at which they were read; the rest is new."""
    made = memory()
    last = watched(made, *[reading()] * 5)

    kept = made.kept(replace(head(), kind="consumer"), None, last + 5)

    assert (kept.committed, kept.read_at) == (reading().committed, last)
    assert (kept.kind, kept.error) == ("consumer", None)


def test_what_is_kept_stays_as_old_as_it_is() -> None:
    """Kept again and again it keeps the time of its reading."""
    made = memory()
    last = watched(made, *[reading()] * 5)
    made.learn((made.kept(head(), None, last + 5),), last + 5)

    assert made.kept(head(), None, last + 10).read_at == last


def test_a_coordinator_may_owe_an_answer_for_a_while() -> None:
    """A living group's last commits stand for ten seconds, then they are not known any more."""
    made = memory()
    made.learn((reading(members=1),), NOON)

    soon = made.kept(head(members=1), OWED, NOON + 9)
    late = made.kept(head(members=1), OWED, NOON + 11)

    assert (soon.read_at, soon.error) == (NOON, None)
    assert (late.committed, late.error) == ((), BUSY)


def test_an_idle_group_that_cannot_be_read_is_unknown_in_the_end() -> None:
    """Three refreshes without an answer are too old for an idle group."""
    made = memory()
    last = watched(made, *[reading()] * 5)

    assert made.kept(head(), OWED, last + 179).error is None
    assert made.kept(head(), OWED, last + 181).error == BUSY


def test_a_group_that_was_never_read_says_why() -> None:
    """Without any reading there is nothing to keep."""
    assert memory().kept(head(), OWED, NOON).error == BUSY


def test_an_error_stands_until_there_is_an_answer() -> None:
    """A group that failed and is owed an answer still has its error."""
    made = memory()
    made.learn((replace(head(), error="refused"),), NOON)

    assert made.kept(head(), OWED, NOON + 1).error == "refused"


def test_partitions_outlive_an_error() -> None:
    """What the group had before it could not be read is asked for by name afterwards."""
    made = memory()
    made.learn((reading(),), NOON)
    made.learn((replace(head(), error="refused"),), NOON + 5)

    assert made.partitions("g") == {P0}
    assert made.partitions("none") == frozenset()


def test_what_another_knew_is_asked_for_too() -> None:
    """A collector that begins looks for the groups, and asks for the partitions, of the last."""
    made = memory()
    made.learn((reading(group="seen"),), NOON)

    made.recall([KnownGroup("g", (P0,)), KnownGroup("seen")])

    assert set(made.groups) == {"g", "seen"}
    assert made.partitions("g") == made.partitions("seen") == {P0}
    assert due(made, NOON + 5) == ["g"]


def test_what_another_knew_of_a_group_that_cannot_be_read_is_kept() -> None:
    """Its partitions are asked for as soon as it can be."""
    made = memory()
    made.recall([KnownGroup("g", (P0,))])

    made.learn((replace(head(), error="refused"),), NOON)

    assert made.partitions("g") == {P0}


def test_what_another_knew_counts_until_there_is_an_answer() -> None:
    """A group that is gone is forgotten; where one was read, only what was read counts."""
    made = memory()
    made.recall([KnownGroup("g", (P0,)), KnownGroup("gone", (P0,))])

    made.learn((replace(reading(), committed=()),), NOON)

    assert list(made.groups) == ["g"]
    assert made.partitions("g") == made.partitions("gone") == frozenset()


def test_those_that_failed_are_read_last() -> None:
    """First the living, then the new, then the idle, then those that failed."""
    made = memory()
    idle, failed, alive = (reading(group=name) for name in ("idle", "a-failed", "z-alive"))
    alive, failed = replace(alive, members=1), replace(failed, committed=(), error="refused")
    for number in range(5):
        made.learn((idle, failed, alive), NOON + number * 20)
    heads = [head(group=name) for name in ("idle", "a-failed", "new")]

    order = due(made, NOON + 200, *heads, head(group="z-alive", members=1))

    assert order == ["z-alive", "new", "idle", "a-failed"]


def test_a_group_that_cannot_be_asked_is_not() -> None:
    """Without a head there are no commits to ask for."""
    assert due(memory(), NOON, replace(head(), error="refused")) == []


def test_what_is_gone_is_forgotten() -> None:
    """The memory holds the groups of the last cycle."""
    made = memory()
    made.learn((reading(),), NOON)

    made.learn((), NOON + 5)

    assert list(made.groups) == []


def test_very_many_new_groups_are_read_over_some_cycles() -> None:
    """A cycle reads as many as it can, the next those that are left, and what waits says so."""
    made, number = memory(), READ_AT_MOST + 10
    heads = [head(group=f"group-{one}") for one in range(number)]
    first = due(made, NOON, *heads)
    read = set(first)
    unread = [made.kept(one, None, NOON) for one in heads if one.group not in read]
    made.learn([*unread, *(reading(group=name) for name in first)], NOON)

    second = due(made, NOON + 5, *heads)

    assert (len(first), len(second)) == (READ_AT_MOST, READ_AT_MOST)
    assert {one.error for one in unread} == {UNREAD}
    assert {one.group for one in unread} <= set(second)


def test_living_groups_are_read_however_many_there_are() -> None:
    """The bound is for groups of which it is not known whether they live."""
    made, number = memory(), READ_AT_MOST + 10
    made.learn([reading(members=1, group=f"group-{one}") for one in range(number)], NOON)
    heads = [head(members=1, group=f"group-{one}") for one in range(number)]

    assert len(due(made, NOON + 5, *heads)) == number
