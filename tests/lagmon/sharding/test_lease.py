"""The lease on a share: what may be spoken of, and that it runs out."""

from __future__ import annotations

from lagmon.model import IncidentKey
from lagmon.readings import GroupReading, Share, Snapshot, TopicPartition
from lagmon.readings import PartitionOffsets as Log
from lagmon.sharding.lease import NOT_YET, RAN_OUT, Lease
from lagmon.sharding.ownership import home
from tests.fakes import FakeClock
from tests.lagmon.builders import CLUSTER, GROUP, NOON

HOME = home(GROUP, 50)
OF_GROUP = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP)
OF_CLUSTER = IncidentKey("KafkaClusterBlind", CLUSTER)


def until(when: float | None) -> Snapshot:
    """Build a snapshot in which the group's partition is ours until *when*."""
    return Snapshot(
        NOON,
        CLUSTER,
        (Log(TopicPartition("plays", 0)),),
        (GroupReading(GROUP),),
        owned=Share((HOME,), 50, when),
    )


def test_before_anything_was_heard_nothing_is_held() -> None:
    """A replica that begins says nothing of anybody."""
    lease = Lease(FakeClock())

    assert (lease.share.owned, lease.share.why) == ((), NOT_YET)
    assert not lease.covers(OF_GROUP)
    assert not lease.covers(OF_CLUSTER)


def test_what_is_held_is_judged_as_it_came() -> None:
    """A snapshot that is wholly ours is not touched."""
    clock = FakeClock(100.0)
    snapshot = until(109.0)

    lease = Lease(clock)

    assert lease.renew(snapshot) is snapshot
    assert lease.covers(OF_GROUP)
    assert lease.seconds_left == 9.0


def test_a_lease_runs_out_in_the_middle_of_whatever() -> None:
    """Who stood still finds that what was judged is not its own any more."""
    clock = FakeClock(100.0)
    lease = Lease(clock)
    snapshot = lease.renew(until(109.0))

    clock.advance(9.0)

    assert not lease.covers(OF_GROUP)
    narrowed = lease.narrowed(snapshot)
    assert (narrowed.groups, narrowed.topics) == ((), ())
    assert narrowed.owned == Share((), 50, 109.0, RAN_OUT)


def test_an_answer_that_was_read_too_late_is_nobodys() -> None:
    """A snapshot that waited in the pipe of a process that hung renews nothing."""
    lease = Lease(FakeClock(200.0))

    assert lease.renew(until(109.0)).groups == ()


def test_a_share_that_is_told_by_hand_never_runs_out() -> None:
    """Nobody takes over, so nobody has to be confirmed."""
    clock = FakeClock()
    lease = Lease(clock)
    snapshot = lease.renew(until(None))

    clock.advance(1e9)

    assert lease.narrowed(snapshot) is snapshot


def test_a_cycle_without_an_answer_leaves_what_is_held_to_its_time() -> None:
    """The cluster, or the collector, was silent: that says nothing of the share."""
    clock = FakeClock(100.0)
    lease = Lease(clock)
    lease.renew(until(109.0))

    silent = lease.renew(Snapshot(NOON, CLUSTER, error="no broker answers"))

    assert silent.owned == Share((HOME,), 50, 109.0)
    clock.advance(9.0)
    assert lease.narrowed(silent).owned == Share((), 50, 109.0, RAN_OUT)


def test_without_an_answer_everybody_may_speak_for_the_cluster() -> None:
    """Whose it is cannot be known; with an answer it can."""
    lease = Lease(FakeClock())

    lease.renew(Snapshot(NOON, CLUSTER, error="no broker answers"))
    assert lease.covers(OF_CLUSTER)
    assert not lease.covers(OF_GROUP)

    lease.renew(until(None))
    assert lease.covers(OF_CLUSTER) == (HOME == 0)
