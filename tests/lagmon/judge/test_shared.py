"""A replica with a share: what it judges, what it forgets, what it takes over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.alerts.incidents import State
from lagmon.alerts.rules import SHIPPED
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.judge.shared import with_taken_over
from lagmon.model import Change, Incident, IncidentKey
from lagmon.readings import Committed, GroupReading, PartitionOffsets, Share, Snapshot
from lagmon.sharding.ownership import home
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at

if TYPE_CHECKING:
    from lagmon.judge.judging import Judgement

POLICY = Policy(SHIPPED, poll_interval_seconds=5, peeks_per_cycle=0)
MINE = Share((home(GROUP, 50),), 50)
OTHERS = Share(((home(GROUP, 50) + 1) % 50,), 50)
LAG = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP)
BLIND = IncidentKey("KafkaClusterBlind", CLUSTER)
LEADING = Share((0,), 50)


def reading(lag: int, *, seconds: float = 0) -> Snapshot:
    """Build a snapshot of this replica's share, in which the test's group has *lag*."""
    end = 5000 + lag
    return Snapshot(
        NOON + seconds,
        CLUSTER,
        (PartitionOffsets(at(), 0, end, end),),
        (GroupReading(GROUP, "stable", "classic", 1, (Committed(at(), 5000),)),),
        owned=MINE,
    )


def moved(*, seconds: float = 0, owned: Share = OTHERS) -> Snapshot:
    """Build a snapshot from which the group is missing: another replica has it."""
    return Snapshot(NOON + seconds, CLUSTER, owned=owned)


def open_since(key: IncidentKey, seconds: float = 0) -> Incident:
    """Build an incident that another replica told of *seconds* after noon."""
    opened = NOON + seconds
    return Incident(key, since=opened, opened_at=opened, value=2000, sent_at=0)


def knowing(*incidents: Incident) -> Memory:
    """Build the memory of a replica with *incidents* open."""
    return replace(Memory.of(POLICY), state=State(opened=incidents))


def told(judged: Judgement) -> list[tuple[Change, bool]]:
    """Give what is told, and whether it is an end."""
    changes = [notice.change for notice in judged.notices]
    return [(one.change, one.incident.resolved_at is not None) for one in changes]


def test_a_group_that_another_replica_has_resolves_nothing() -> None:
    """It is missing from a whole list, and yet it is not gone."""
    judged = judge(knowing(open_since(LAG)), moved(seconds=60), POLICY)

    assert told(judged) == []
    assert judged.memory.state == State()


def test_a_group_that_is_ours_and_missing_is_gone() -> None:
    """The share says so: who has it and does not find it tells its end."""
    judged = judge(knowing(open_since(LAG)), moved(seconds=60, owned=MINE), POLICY)

    assert told(judged) == [(Change.RESOLVED, True)]


def test_a_replica_without_a_share_tells_nothing_and_forgets_nothing_that_it_saw() -> None:
    """What was open is told by others now; who was seen alive still was."""
    first = judge(Memory.of(POLICY), reading(2000), POLICY)

    judged = judge(first.memory, moved(seconds=5, owned=Share(until=0.0, why="late")), POLICY)

    assert told(judged) == []
    assert judged.memory.state == State()
    assert judged.lag.groups == ()
    assert GROUP in judged.memory.progress.alive


def test_what_was_taken_over_is_sent_at_once_and_not_opened_again() -> None:
    """The new owner sends the open alert again, without waiting for the rule's time."""
    state = with_taken_over(State(), [open_since(LAG, -300)])

    judged = judge(replace(Memory.of(POLICY), state=state), reading(2000), POLICY)

    assert told(judged) == [(Change.REMINDED, False)]
    (incident,) = judged.memory.state.opened
    assert (incident.opened_at, incident.since) == (NOON - 300, NOON - 300)


def test_what_was_taken_over_and_is_well_is_resolved() -> None:
    """It ended while it moved: somebody has to say so."""
    state = with_taken_over(State(), [open_since(LAG, -300)])

    judged = judge(replace(Memory.of(POLICY), state=state), reading(0), POLICY)

    assert told(judged) == [(Change.RESOLVED, True)]


def test_what_is_known_of_an_incident_counts_for_more_than_what_is_taken_over() -> None:
    """An answer that is older than what this replica did itself changes nothing."""
    own = replace(open_since(LAG), value=3000)
    over = replace(open_since(BLIND), resolved_at=NOON)
    state = State(opened=(own,), resolved=(over,))

    assert with_taken_over(state, [open_since(LAG), open_since(BLIND)]) == state


def test_what_is_taken_over_takes_the_place_of_what_was_pending() -> None:
    """It was seen to hold before the answer came: it is open, not pending once more."""
    pending = judge(Memory.of(POLICY), reading(2000), POLICY).memory.state
    assert [one.key for one in pending.pending] == [LAG]

    state = with_taken_over(pending, [open_since(LAG)])

    assert (state.pending, [one.key for one in state.opened]) == ((), [LAG])


def test_the_owner_of_the_first_partition_alone_speaks_for_the_cluster() -> None:
    """A list with a gap is one page, not one of each replica."""
    errors = ("a broker is away",)
    memory = knowing(open_since(BLIND))

    of_another = judge(memory, replace(moved(seconds=60), list_errors=errors), POLICY)
    led = replace(moved(seconds=60, owned=LEADING), list_errors=errors)
    of_the_owner = judge(memory, led, POLICY)

    assert told(of_another) == []
    assert told(of_the_owner) == [(Change.REMINDED, False)]


def test_a_cluster_that_does_not_answer_is_everybodys() -> None:
    """Nobody can know then who owns what; silence of all would be worse than the same from all."""
    away = Snapshot(NOON + 60, CLUSTER, error="no broker answers", owned=Share(until=0.0))

    judged = judge(knowing(open_since(BLIND), open_since(LAG)), away, POLICY)

    assert told(judged) == [(Change.REMINDED, False)]
    assert [one.key for one in judged.memory.state.opened] == [BLIND]
