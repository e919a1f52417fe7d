"""Which of several answers counts when a cycle's answers are joined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lagmon.collector import assemble
from lagmon.collector.answers import GONE, LEADERLESS, Failure
from lagmon.configuration.settings import Selection
from lagmon.judge.judging import Memory, Policy, judge
from lagmon.model import State
from lagmon.readings import (
    Committed,
    GroupReading,
    Member,
    PartitionOffsets,
    Snapshot,
    TopicPartition,
)
from tests.lagmon.builders import CLUSTER, NOON

POLICY = Policy((), poll_interval_seconds=5, peeks_per_cycle=0)
P0, P1, P2 = (TopicPartition("plays", number) for number in range(3))
OTHER = TopicPartition("other", 0)
LEADERS = {P0: None, P1: LEADERLESS, P2: None}
TOPICS = assemble.by_topic({**LEADERS, OTHER: None})
NONE = TopicPartition("none", 0)
HIDDEN = "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"
LATE = Failure("_TIMED_OUT: Local: Timed out")
LISTED = GroupReading("g", "empty", "classic")
DESCRIBED = GroupReading("g", "stable", "classic", 1, assignments=(Member("m", "c", "h", (P0,)),))
DEAD = GroupReading("g", "dead", "classic", 0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_group_from_two_coordinators_is_one(order: int) -> None:
    """43. Listed by the old coordinator and by the new one: one group, as it is described.

    Its lag must not be counted twice, and which of the two answered last must not matter: it is
    judged once, and as long as nothing more is known it is pending.
    """
    twice = [LISTED, replace(LISTED, state="stable")][::order]

    listed = assemble.by_name(twice, Selection())

    assert listed.keys() == {"g"}
    found = assemble.heads(listed, {"g": DESCRIBED}, ())
    assert found == {"g": DESCRIBED}
    read = tuple(replace(each, committed=(Committed(P0, 4),)) for each in found.values())
    snapshot = Snapshot(NOON, CLUSTER, (PartitionOffsets(P0, 0, 9, 9),), read)
    (group,) = judge(Memory.of(POLICY), snapshot, POLICY).lag.groups
    assert (group.lag, group.judged) == (5, State.PENDING)


def test_only_selected_groups_are_listed() -> None:
    """Groups that are not to be watched are left out of the list."""
    selection = Selection.model_validate({"exclude": ["g"]})

    assert assemble.by_name([LISTED], selection) == {}


def test_a_description_counts_for_more_than_the_list() -> None:
    """The coordinator's description is later and fuller than the list."""
    assert assemble.heads({"g": LISTED}, {"g": DESCRIBED}, ()) == {"g": DESCRIBED}


def test_a_listed_group_that_is_not_described_keeps_what_the_list_said() -> None:
    """Without a description the members are unknown, and the group is still there."""
    assert assemble.heads({"g": LISTED}, {"g": LATE}, ()) == {"g": LISTED}


def test_a_group_with_a_hidden_topic_is_unknown() -> None:
    """A KIP-848 group is refused whole for one topic, and its commits there are left out."""
    refused = Failure(HIDDEN, sound=True)

    (group,) = assemble.heads({"g": LISTED}, {"g": refused}, ()).values()

    assert (group.state, group.error) == ("empty", f"not described: {HIDDEN}")


def test_a_group_is_gone_when_list_and_coordinator_agree() -> None:
    """A group that is missing from a complete list and described as dead is left out."""
    assert assemble.heads({}, {"g": DEAD}, ()) == {}


def test_a_group_is_not_gone_while_the_list_is_not_complete() -> None:
    """With a list in which groups may be missing, dead is not certain: the group has an error."""
    (group,) = assemble.heads({}, {"g": DEAD}, ("_TRANSPORT: down",)).values()

    assert group.error == "not described: _TRANSPORT: down"


def test_a_group_that_vanished_without_a_description_is_unknown() -> None:
    """A group known before, not listed and not described, is not gone: it has an error."""
    (group,) = assemble.heads({}, {"g": LATE}, ()).values()

    assert group.error == (
        "not in the list of groups, and not described: _TIMED_OUT: Local: Timed out"
    )


def test_a_group_missing_from_the_list_is_read_when_it_answers() -> None:
    """A list that is not complete costs no group that was known before."""
    assert assemble.heads({}, {"g": DESCRIBED}, ("_TRANSPORT: down",)) == {"g": DESCRIBED}


def test_a_configured_group_exists_by_configuration() -> None:
    """Where a cluster cannot describe groups, a named one has unknown members and no error."""
    unsupported = Failure("_UNSUPPORTED_FEATURE: …", sound=True)

    found = assemble.static_heads(["g", "h"], {"g": DESCRIBED, "h": unsupported})

    assert found == {"g": DESCRIBED, "h": GroupReading("h")}


def test_configured_topics_give_their_partitions() -> None:
    """The partitions of a named group are those its topics have, in order."""
    assert assemble.partitions_in(["plays", "none"], TOPICS) == (P0, P1, P2)


def test_configured_topics_that_are_missing_are_asked_for() -> None:
    """A named topic without metadata is asked for by its first partition, once."""
    assert assemble.named(["plays", "none", "none"], TOPICS) == (P0, P1, P2, NONE)


def test_configured_topics_that_are_missing_are_told() -> None:
    """A named topic that nobody knows stands in the snapshot as such, one that is refused as that.

    A commit that is left of it counts for more.
    """
    refused, left = Committed(NONE, None, HIDDEN), Committed(NONE, 7)

    assert assemble.told([Committed(NONE, None)], TOPICS) == (Committed(NONE, None, GONE),)
    assert assemble.told([refused, left], TOPICS) == (refused, left)
    assert assemble.told([Committed(P0, None)], TOPICS) == (Committed(P0, None),)


def test_topics_without_metadata_are_asked_about() -> None:
    """A commit or a refusal on a topic without metadata raises the question, a deletion not."""
    commits = (
        Committed(P0, 5),
        Committed(NONE, 7),
        Committed(TopicPartition("old", 0), None, GONE),
    )

    assert assemble.orphans([commits, LATE], TOPICS) == ("none",)


def test_owned_and_known_partitions_must_be_answered() -> None:
    """Missing from the answer are those a member owns and those committed before.

    Whether the metadata has their topic does not matter: it leaves out what may not be seen.
    """
    missing = assemble.unanswered(DESCRIBED, (Committed(OTHER, 7),), {P1, OTHER, NONE}, TOPICS)

    assert missing == (NONE, P0, P1)


def test_a_topic_with_a_commit_must_be_answered_whole() -> None:
    """Without members too, one commit on a topic makes its other partitions ones never read."""
    empty = GroupReading("g", "empty", "classic", 0)

    missing = assemble.unanswered(empty, (Committed(P1, 7),), (), TOPICS)

    assert missing == (P0, P2)


def test_what_was_asked_by_name_is_added() -> None:
    """The second answer completes the first, in the order of the partitions."""
    found = assemble.joined((Committed(P2, 7),), (P0,), (Committed(P0, None),), TOPICS)

    assert found == (Committed(P0, None), Committed(P2, 7))


def test_what_failed_by_name_is_unknown_and_not_never_committed() -> None:
    """A second question without an answer leaves the partitions unknown, with the reason."""
    found = assemble.joined((), (P0,), LATE, TOPICS)

    assert found == (Committed(P0, None, LATE.words),)


def test_a_partition_that_nobody_knows_is_gone() -> None:
    """Neither metadata nor coordinator has it, and none refuses: the topic was deleted."""
    fewer = TopicPartition("plays", 3)  # the topic was made again, with three partitions
    answer = (Committed(NONE, None), Committed(fewer, None))

    assert assemble.joined((), (NONE, fewer), answer, TOPICS) == ()


def test_a_partition_that_is_refused_is_not_gone() -> None:
    """The metadata has it no more, but the coordinator refuses it: unknown, and it stays."""
    refused = Committed(NONE, None, HIDDEN)

    assert assemble.joined((), (NONE,), (refused,), TOPICS) == (refused,)


def test_a_commit_of_a_topic_without_metadata_stays() -> None:
    """A commit that the coordinator still has is shown, whatever became of its topic."""
    left = Committed(NONE, 7)

    assert assemble.joined((), (NONE,), (left,), TOPICS) == (left,)


def test_what_was_committed_or_refused_is_remembered() -> None:
    """Asked for by name next time: commits and refusals, not what never was or is deleted."""
    commits = (Committed(P0, 5), Committed(P1, None), Committed(P2, None, HIDDEN))
    deleted = Committed(NONE, None, GONE)

    assert assemble.remembered(GroupReading("g", committed=(*commits, deleted))) == {P0, P2}


def test_a_group_whose_commits_failed_has_an_error() -> None:
    """A group that could not be read keeps its members and says why it has no commits."""
    found = assemble.reading(DESCRIBED, LATE, Selection())

    assert (found.error, found.members, found.committed) == (LATE.words, 1, ())


def test_only_selected_topics_are_kept() -> None:
    """Commits on topics that are not to be watched are left out."""
    selection = Selection.model_validate({"include": ["plays"]})

    found = assemble.reading(DESCRIBED, (Committed(OTHER, 1), Committed(P0, 2)), selection)

    assert found.committed == (Committed(P0, 2),)


def test_partitions_are_asked_for_once() -> None:
    """Two groups on one partition need its end once."""
    groups = [GroupReading(name, committed=(Committed(P0, 1),)) for name in "ab"]

    assert assemble.partitions_of(groups) == (P0,)


def test_a_partition_without_a_leader_is_not_asked() -> None:
    """Neither a leaderless partition nor one of a deleted topic is worth a time-out."""
    assert assemble.askable([P0, P1, OTHER], LEADERS) == (P0,)


def test_a_partition_that_did_not_answer_is_not_asked_again() -> None:
    """A dead leader costs one time-out a cycle and not three."""
    assert assemble.answered({P0: 5, P1: LATE, P2: 0}) == (P0, P2)


def test_every_wanted_partition_is_in_the_snapshot() -> None:
    """What was asked has its offsets, what could not be asked has the reason."""
    logs = assemble.logs(
        [P0, P1, P2, OTHER, NONE],
        LEADERS,
        {"none": HIDDEN},
        start={P0: 1},
        high={P0: 9},
        stable={P0: 8, P2: LATE},
    )

    assert logs == (
        PartitionOffsets(P0, 1, 9, 8),
        PartitionOffsets(P1, error=LEADERLESS),
        PartitionOffsets(P2, error=LATE.words),
        PartitionOffsets(OTHER, error=GONE),
        PartitionOffsets(NONE, error=HIDDEN),
    )
