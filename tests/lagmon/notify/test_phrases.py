"""What is said of each kind of condition: the line that wakes, and the one that lets sleep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lagmon.alerts.conditions import Measure, above
from lagmon.alerts.rules import (
    KAFKA_CLUSTER_BLIND,
    KAFKA_CONSUMER_LAG,
    KAFKA_CONSUMER_STUCK,
    KAFKA_LAG_UNKNOWN,
)
from lagmon.model import (
    Age,
    Change,
    GroupLag,
    Incident,
    IncidentChange,
    IncidentKey,
    Method,
    State,
    Why,
)
from lagmon.notify.alertmanager import alert
from lagmon.readings import Member
from lagmon.report import Links, Notice
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at, group, part, record

if TYPE_CHECKING:
    from lagmon.alerts.rules import Rule
    from lagmon.model import PartitionLag

LATE = replace(KAFKA_CONSUMER_LAG, condition=above(300, Measure.SECONDS))
NEARLY_LOST = replace(KAFKA_CONSUMER_LAG, condition=above(0.8, Measure.RETENTION))
OWNER = Member("m-1", "worker-1", "10.0.0.7", (at(3),))


def judged(state: State, lag: int = 1203, reason: str | None = None) -> GroupLag:
    """Build a group that is in *state* on the partition that a worker owns."""
    parts = (
        replace(part(0, 0), judged=State.OK),
        replace(part(3, lag, owner=OWNER), judged=state),
    )
    return replace(group(lag, GROUP, *parts), judged=state, reason=reason)


def told(
    rule: Rule,
    behind: GroupLag | None,
    value: float = 1203,
    *,
    key: IncidentKey | None = None,
    over: bool = False,
    detail: str | None = None,
    answered: bool = False,
) -> dict[str, str]:
    """Give the annotations of an incident of *rule*, two minutes old."""
    key = key or IncidentKey(rule.name, CLUSTER, GROUP)
    end = NOON + 120 if over else None
    incident = Incident(key, NOON, NOON + 60, value, NOON + 60, end)
    change = IncidentChange(Change.RESOLVED if over else Change.OPENED, incident)
    notice = Notice(change, rule, NOON + 120, behind, detail=detail, answered=answered)
    annotations: dict[str, str] = alert(notice, Links(), 240)["annotations"]
    return annotations


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (State.STALLED, "does not get on"),
        (State.BLOCKED, "is blocked on plays[3] while the others move"),
        (State.STOPPED, "has stopped: it has no members"),
        (State.LOST, "lost records before it read them"),
        (State.HANGING_TRANSACTION, "is held up by a transaction that does not end"),
    ],
)
def test_a_state_is_said_in_words_and_by_its_name(state: State, line: str) -> None:
    """The summary is for people, the verdict for templates."""
    said = told(KAFKA_CONSUMER_STUCK, judged(state))

    assert said["summary"] == f"Consumer group settle on local {line}"
    assert said["verdict"] == state.value
    assert "threshold" not in said


def test_a_state_comes_with_its_reason_its_lag_and_the_owner_of_the_partition() -> None:
    """Without a record the member is named that owns the partition which is worst off."""
    said = told(KAFKA_CONSUMER_STUCK, judged(State.BLOCKED, reason="plays[3]: others move"))

    assert said["description"] == (
        "Consumer group settle on local is blocked on plays[3] while the others move. "
        "So since 16:00:00 UTC, for 2m. It is judged blocked: plays[3]: others move. "
        "It is 1,203 messages behind. It has 2 members. "
        "The owner of plays[3] is worker-1 at 10.0.0.7."
    )
    assert (said["value"], said["owner"]) == ("1203", "worker-1 at 10.0.0.7")


def test_several_blocked_partitions_are_counted() -> None:
    """One is named; of more the number says how wide it is."""
    parts = [replace(part(number, 5), judged=State.BLOCKED) for number in range(3)]
    behind = replace(group(15, GROUP, *parts), judged=State.BLOCKED)

    said = told(KAFKA_CONSUMER_STUCK, behind)

    assert said["summary"].endswith("is blocked on 3 partitions while the others move")


def test_what_was_lost_is_counted() -> None:
    """How many records are gone for good is the first thing to know."""
    behind = replace(group(9, GROUP, replace(part(0, 9, lost=6))), judged=State.LOST)

    said = told(KAFKA_CONSUMER_STUCK, behind)

    assert said["summary"].endswith("lost 6 records before it read them")


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (Age(200, Method.HISTORY, 5), "3m 20s ± 5s, by history"),
        (Age(40, Method.TIMESTAMPS, None), "at least 40s, by timestamps"),
        (Age(0.0, Method.CAUGHT_UP), ""),
        (None, ""),
    ],
)
def test_how_long_the_oldest_record_has_waited_is_said_with_its_bound(
    age: Age | None, text: str
) -> None:
    """Alone for templates, and in the sentences; nothing where it is not known or nothing waits."""
    said = told(KAFKA_CONSUMER_LAG, group(1203, GROUP, replace(part(0, 1203), age=age)))

    assert said.get("waited", "") == text
    assert f"The oldest unread record has waited {text}." in said["description"] or not text


def test_an_age_that_is_a_lower_bound_is_said_as_one() -> None:
    """The rule holds for certain; how far above the limit it is nobody knows."""
    age = Age(3725, Method.TIMESTAMPS, None)
    said = told(LATE, group(5, GROUP, replace(part(0, 5), age=age)), 3725)

    assert said["summary"].endswith("is at least 1h 2m behind (limit 5m)")


def test_the_end_of_a_state_says_what_it_is_now() -> None:
    """Whoever reads it learns how it stands."""
    said = told(KAFKA_CONSUMER_STUCK, judged(State.CATCHING_UP), over=True)

    assert said["summary"] == "Consumer group settle on local gets on again: it is catching up"
    assert said["description"].endswith("The incident lasted from 16:00:00 UTC, for 2m.")


def test_the_end_of_a_state_does_not_call_the_next_trouble_good() -> None:
    """It gets on, and yet it is not well."""
    said = told(KAFKA_CONSUMER_STUCK, judged(State.FALLING_BEHIND), over=True)

    assert said["summary"].endswith("gets on again, but it falls further behind")


def test_that_nothing_can_be_said_yet_is_no_sentence() -> None:
    """A lag above the limit wakes before its state can be told; the verdict says that alone."""
    said = told(KAFKA_CONSUMER_LAG, judged(State.PENDING, reason="watched too short a time"))

    assert said["verdict"] == "pending"
    assert "judged" not in said["description"]


def test_a_state_that_cannot_be_said_now_keeps_what_the_rule_is_about() -> None:
    """An open incident of a group that cannot be read is not given a state, nor a lag of 0."""
    said = told(KAFKA_CONSUMER_STUCK, None, 0.0)

    assert said["summary"] == "Consumer group settle on local: consumer group does not get on"
    assert "This is the last known state; it cannot be read now: no answer." in said["description"]
    assert not {"value", "verdict", "owner"} & set(said)


def test_an_age_is_said_in_time() -> None:
    """Seconds are for machines."""
    said = told(LATE, judged(State.FALLING_BEHIND), 3725)
    over = told(LATE, judged(State.OK, 0), 0, over=True)

    assert said["summary"] == "Consumer group settle on local is 1h 2m behind (limit 5m)"
    assert (said["value"], said["threshold"]) == ("3725", "300")
    assert over["summary"].endswith("is back within its limit of 5m: 0s behind")


def test_a_ratio_is_said_in_percent() -> None:
    """Nobody reads 0.85 at night."""
    said = told(NEARLY_LOST, judged(State.FALLING_BEHIND), 0.85)

    assert said["summary"] == (
        "Consumer group settle on local is behind by 85% of what is retained (limit 80%)"
    )


def test_a_group_that_cannot_be_read_says_why() -> None:
    """The reason is the only thing that is known; a number would be a lie."""
    sick = replace(group(None, why=Why.GROUP_UNREADABLE), detail="GROUP_AUTHORIZATION_FAILED")
    said = told(KAFKA_LAG_UNKNOWN, sick, 0.0)

    assert said["summary"] == "Consumer group settle on local cannot be read"
    assert said["description"].endswith(
        "The reason: GROUP_AUTHORIZATION_FAILED. Until it can be read, nobody watches its lag."
    )
    assert not {"value", "threshold"} & set(said)
    assert told(KAFKA_LAG_UNKNOWN, group(5), over=True)["summary"].endswith("can be read again")


def partly(*parts: PartitionLag) -> GroupLag:
    """Build a group of which some *parts* cannot be read."""
    known = [one.lag for one in parts if one.lag is not None]
    return replace(group(sum(known) if known else None, GROUP, *parts), unknown=1)


NO_LEADER, NO_RIGHT = "LEADER_NOT_AVAILABLE: no leader", "TOPIC_AUTHORIZATION_FAILED: not allowed"


def lacks(number: int, detail: str = NO_LEADER, topic: str = "plays") -> PartitionLag:
    """Build a partition that cannot be read because of *detail*."""
    return replace(part(number, None, topic=topic, why=Why.NO_END_OFFSET), detail=detail)


def test_a_group_that_can_be_read_in_part_says_in_which() -> None:
    """That all of it cannot be read would be a lie, and which partition it is the first question.

    A topic that is deleted has no partitions to count; one that was never committed has.
    """
    sick = partly(part(0, 40), lacks(1), part(2, None, why=Why.NEVER_COMMITTED), GONE_ROW)
    said = told(KAFKA_LAG_UNKNOWN, sick, 0.0)

    assert said["summary"] == "Consumer group settle on local: 1 of 3 partitions cannot be read"
    assert said["description"].startswith(
        "Consumer group settle on local: 1 of 3 partitions cannot be read. "
        "So since 16:00:00 UTC, for 2m. The reason: plays[1]: LEADER_NOT_AVAILABLE: no leader. "
        "Until it can be read, nobody watches its lag. What can be read is 40 messages behind."
    )


def test_reasons_that_partitions_share_are_said_once() -> None:
    """A dead broker takes many partitions: whoever is woken reads of one, and how many more."""
    told_of = [lacks(n, f"_TRANSPORT: broker {n}") for n in (5, 6, 7)]
    sick = partly(part(0, 4), lacks(1), lacks(2), lacks(3, NO_RIGHT, "bets"), lacks(4), *told_of)
    said = told(KAFKA_LAG_UNKNOWN, sick, 0.0)

    assert said["summary"].endswith(": 7 of 8 partitions cannot be read")
    assert (
        "The reason: plays[1] and 2 more: LEADER_NOT_AVAILABLE: no leader; "
        "bets[3]: TOPIC_AUTHORIZATION_FAILED: not allowed; plays[5]: _TRANSPORT: broker 5; "
        "and 2 other reasons. Until they can be read, nobody watches their lag."
    ) in said["description"]


def test_a_group_of_which_nothing_can_be_read_is_not_counted() -> None:
    """Where it is all of them the number says nothing; nor where no lag of it is known."""
    whole = told(KAFKA_LAG_UNKNOWN, partly(lacks(0), lacks(1)), 0.0)
    rest_never_committed = partly(lacks(0), part(1, None, why=Why.NEVER_COMMITTED))
    half = told(KAFKA_LAG_UNKNOWN, rest_never_committed, 0.0)

    assert whole["summary"].endswith("settle on local cannot be read")
    assert half["summary"].endswith(": 1 of 2 partitions cannot be read")
    assert "What can be read" not in half["description"]


def test_a_blind_cluster_is_named_with_what_it_said() -> None:
    """There is no group to speak of."""
    key = IncidentKey("KafkaClusterBlind", CLUSTER)
    said = told(KAFKA_CLUSTER_BLIND, None, 1.0, key=key, detail="no broker answers")
    over = told(KAFKA_CLUSTER_BLIND, None, 0.0, key=key, over=True)

    assert said["summary"] == "The consumer groups of local cannot be seen"
    assert said["description"] == (
        "The consumer groups of local cannot be seen. So since 16:00:00 UTC, for 2m. "
        "The reason: no broker answers. "
        "Until they can be seen, nobody watches them."
    )
    assert over["summary"] == "The consumer groups of local can be seen again"


def test_a_list_that_is_not_whole_names_the_missing_right_and_ends_with_its_command() -> None:
    """Groups may be hidden while others are watched; what grants the right can be copied as it is.

    However long the names in it are: a command that is cut off grants something else.
    """
    servers = f"{'kafka-1.' * 9}example:9093"
    right = (
        "lagmon may not DESCRIBE the cluster: groups may be hidden; "
        f"kafka-acls --bootstrap-server {servers} --add --allow-principal "
        f"User:{'lagmon-' * 9}1 --operation Describe --cluster"
    )
    said = told(
        KAFKA_CLUSTER_BLIND,
        None,
        1.0,
        key=IncidentKey("KafkaClusterBlind", CLUSTER),
        detail=right,
        answered=True,
    )

    assert said["summary"] == "Not all consumer groups of local can be seen"
    assert said["description"] == (
        "Not all consumer groups of local can be seen. So since 16:00:00 UTC, for 2m. "
        "Those that are listed are watched; no page says of one that it cannot be read. "
        f"The reason: {right}"
    )


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (IncidentKey("R", CLUSTER), "Cluster local is 1,203 messages behind (limit 1,000)"),
        (IncidentKey("R", CLUSTER, GROUP, "plays"),
         "Consumer group settle on local, plays, is 1,203 messages behind (limit 1,000)"),
        (IncidentKey("R", CLUSTER, GROUP, "plays", 3),
         "Consumer group settle on local, plays[3], is 1,203 messages behind (limit 1,000)"),
    ],
)  # fmt: skip
def test_what_it_is_about_is_named(key: IncidentKey, line: str) -> None:
    """A cluster, a topic or a partition of a group."""
    assert told(KAFKA_CONSUMER_LAG, judged(State.STEADY), key=key)["summary"] == line


@pytest.mark.parametrize(
    ("rate", "said"),
    [(-10.0, "2m"), (-1.0, "20m 3s"), (0.0, "never at this rate"), (3.5, "never at this rate")],
)
def test_the_time_to_drain_is_the_lag_by_the_rate_of_late(rate: float, said: str) -> None:
    """1,203 messages at ten a second are two minutes; a lag that grows never ends."""
    behind = replace(judged(State.CATCHING_UP), rate=rate)

    told_of_lag = told(KAFKA_CONSUMER_LAG, behind)

    assert told_of_lag["time_to_drain"] == said
    assert f"Time until it is read: {said}." in told_of_lag["description"]


@pytest.mark.parametrize(
    "behind",
    [judged(State.OK), replace(judged(State.OK), rate=-1.0, unknown=1), None],
    ids=["no rate yet", "parts unknown", "unreadable"],
)
def test_a_time_to_drain_that_is_not_known_is_not_said(behind: GroupLag | None) -> None:
    """It would be a guess."""
    assert "time_to_drain" not in told(KAFKA_CONSUMER_LAG, behind)


@pytest.mark.parametrize("state", [State.STOPPED, State.LOST, State.BLOCKED])
def test_what_stands_is_not_said_to_drain(state: State) -> None:
    """Its lag shrank before it stood, or because records were deleted."""
    assert "time_to_drain" not in told(KAFKA_CONSUMER_STUCK, replace(judged(state), rate=-1.0))


def test_a_record_of_another_partition_is_not_told() -> None:
    """An incident of one partition names that one, its owner, and no record from elsewhere."""
    key = IncidentKey("R", CLUSTER, GROUP, "plays", 3)
    incident = Incident(key, NOON, NOON, 1203, NOON)
    change = IncidentChange(Change.OPENED, incident)
    elsewhere = Notice(change, KAFKA_CONSUMER_LAG, NOON, judged(State.BLOCKED), record(0))
    there = replace(elsewhere, record=record(3))

    said = [alert(one, Links(), 240)["annotations"] for one in (elsewhere, there)]

    assert [one.get("offset") for one in said] == [None, "5000"]
    assert [one["partition"] for one in said] == ["3", "3"]
    assert [one["owner"] for one in said] == ["worker-1 at 10.0.0.7"] * 2


@pytest.mark.parametrize(("topic", "offset"), [("plays", "5000"), ("bets", None)])
def test_a_record_of_another_topic_is_not_told(topic: str, offset: str | None) -> None:
    """The same for an incident of a whole topic."""
    incident = Incident(IncidentKey("R", CLUSTER, GROUP, topic), NOON, NOON, 1203, NOON)
    change = IncidentChange(Change.OPENED, incident)

    built = alert(
        Notice(change, KAFKA_CONSUMER_LAG, NOON, judged(State.BLOCKED), record(3)), Links(), 240
    )

    assert built["annotations"].get("offset") == offset


def test_a_rule_brings_its_owner_runbook_labels_and_annotations() -> None:
    """None of them takes the place of a fact."""
    rule = replace(
        KAFKA_CONSUMER_LAG,
        owner="payments",
        runbook="https://wiki.example/settle",
        labels=(("team", "a"), ("group", "another")),
        annotations=(("dashboard", "d"), ("value", "none")),
    )
    incident = Incident(IncidentKey(rule.name, CLUSTER, GROUP), NOON, NOON, 5.0, NOON)
    notice = Notice(IncidentChange(Change.OPENED, incident), rule, NOON, group(5))

    built = alert(notice, Links(runbook="https://wiki.example/all"), 240)

    assert built["labels"] | {"owner": "payments", "team": "a", "group": GROUP} == built["labels"]
    said = built["annotations"]
    assert (said["dashboard"], said["value"]) == ("d", "5")
    assert said["runbook_url"] == "https://wiki.example/settle"


GONE_ROW = replace(part(0, None, why=Why.TOPIC_DELETED), judged=None)


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (group(None, GROUP, GONE_ROW, why=Why.TOPIC_DELETED), "its topic is deleted"),
        (
            group(
                None,
                GROUP,
                GONE_ROW,
                part(0, None, topic="other", why=Why.TOPIC_DELETED),
                part(1, None, why=Why.NEVER_COMMITTED),
                why=Why.NEVER_COMMITTED,
            ),
            "its topics are deleted",
        ),
        (group(None, why=Why.NEVER_COMMITTED), "it has no commits any more"),
    ],
)
@pytest.mark.parametrize(
    ("rule", "was"),
    [
        (KAFKA_CONSUMER_LAG, "; it was 4,900 messages behind"),
        (KAFKA_CONSUMER_STUCK, ""),
        (KAFKA_LAG_UNKNOWN, ""),
    ],
)
def test_an_incident_that_nothing_is_left_of_does_not_end_well(
    rule: Rule, was: str, behind: GroupLag, reason: str
) -> None:
    """Nobody is told that a group gets on again whose topic somebody deleted."""
    summary = told(rule, behind, 4900, over=True)["summary"]

    assert summary == (
        f"Consumer group {GROUP} on {CLUSTER} has nothing left to read: {reason}{was}"
    )


def test_a_partition_that_is_gone_ends_its_own_incident() -> None:
    """What is left of the group is read on; it is the partition that nothing is left of."""
    left = group(5, GROUP, GONE_ROW, part(0, 5, topic="other"))
    key = IncidentKey(KAFKA_CONSUMER_LAG.name, CLUSTER, GROUP, at().topic, 0)

    assert (
        "has nothing left to read: its topic is deleted"
        in (told(KAFKA_CONSUMER_LAG, left, key=key, over=True)["summary"])
    )
    assert "is back within its limit" in told(KAFKA_CONSUMER_LAG, left, 5, over=True)["summary"]


def test_a_group_that_is_read_again_by_another_rule_is_back() -> None:
    """What could not be read and is read is no topic that is gone."""
    unreadable = group(None, why=Why.GROUP_UNREADABLE)

    assert "can be read again" in told(KAFKA_LAG_UNKNOWN, unreadable, over=True)["summary"]
