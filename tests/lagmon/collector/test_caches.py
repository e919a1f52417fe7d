"""What is asked again only once in a while, and what is known meanwhile."""

from __future__ import annotations

from dataclasses import replace

from lagmon.collector.answers import BUSY, Failure
from lagmon.collector.caches import (
    GROUPS_AT_LEAST,
    PARTITIONS_AT_LEAST,
    REFRESH_SECONDS,
    Descriptions,
    Sizes,
    Starts,
    TopicIds,
)
from lagmon.readings import GroupReading, Member, TopicId, TopicPartition

NOON = 1_764_000_000.0
P0, P1 = TopicPartition("plays", 0), TopicPartition("plays", 1)
REFUSED = Failure("GROUP_AUTHORIZATION_FAILED: …", sound=True)
OWED = Failure(BUSY, sound=True)
MANY = [f"group-{number:04}" for number in range(1000)]


def listed(name: str = "g", state: str = "stable") -> GroupReading:
    """Build an entry of the list of groups."""
    return GroupReading(name, state, "classic")


def described(name: str = "g", state: str = "stable") -> GroupReading:
    """Build a description."""
    return GroupReading(name, state, "classic", 1, assignments=(Member("m", "c", "h", (P0,)),))


def large() -> tuple[Descriptions, dict[str, GroupReading]]:
    """Build descriptions of a cluster so large that not all are asked for in a cycle."""
    made, given = Descriptions(), {name: listed(name) for name in MANY}
    made.due(given, given, NOON)
    made.learn({name: described(name) for name in MANY}, given, given, NOON)
    return made, given


def test_a_small_cluster_is_described_in_every_cycle() -> None:
    """As long as it costs little, members and owners are always fresh."""
    made, given = Descriptions(), {"g": listed()}
    made.learn({"g": described()}, given, given, NOON)

    assert made.due(given, given, NOON + 5) == ["g"]


def test_a_large_cluster_is_described_in_turns() -> None:
    """A cycle asks for a part, and shows of the others what was known."""
    made, given = large()

    asked = made.due(given, given, NOON + 5)
    found = made.learn({name: described(name) for name in asked}, given, given, NOON + 5)

    assert GROUPS_AT_LEAST <= len(asked) <= 400
    assert found == {name: described(name) for name in MANY}


def test_an_empty_group_is_not_described() -> None:
    """That it has no members the list says already."""
    made, given = Descriptions(), {"g": listed(state="empty")}

    assert made.due(given, given, NOON) == []
    assert made.learn({}, given, given, NOON) == {"g": replace(given["g"], members=0)}


def test_another_state_in_the_list_is_news() -> None:
    """A group that is rebalancing, or has its members back, is described at once."""
    made, given = large()
    given |= {MANY[-1]: listed(MANY[-1], "preparing_rebalancing")}

    assert MANY[-1] in made.due(given, given, NOON + 1)


def test_members_that_come_back_are_asked_for() -> None:
    """What was known before the group was empty is not shown again."""
    made, given = large()
    name = MANY[-1]
    empty = given | {name: listed(name, "empty")}
    made.learn({}, empty, empty, NOON + 1)

    assert name in made.due(given, given, NOON + 2)


def test_a_group_that_left_the_list_is_described() -> None:
    """It is gone only if its coordinator says so."""
    made, given = large()
    names = list(given)
    del given[MANY[-1]]

    assert MANY[-1] in made.due(names, given, NOON + 1)


def test_without_a_list_named_groups_are_described() -> None:
    """Configured groups are described although nothing lists them."""
    made = Descriptions()

    assert made.due(["g"], None, NOON) == ["g"]
    assert made.learn({"g": REFUSED}, ["g"], {}, NOON) == {"g": REFUSED}


def test_an_answer_that_is_owed_leaves_what_was_known() -> None:
    """A coordinator that hangs has said nothing new; one that refuses has."""
    made, given = Descriptions(), {"g": listed()}
    made.learn({"g": described()}, given, given, NOON)

    assert made.learn({"g": OWED}, given, given, NOON) == {"g": described()}
    assert made.learn({"g": REFUSED}, given, given, NOON) == {"g": REFUSED}


def test_starts_are_asked_for_in_turns() -> None:
    """Of many partitions a cycle asks for a part, and knows the starts of all."""
    made = Starts()
    ends = {TopicPartition("t", number): 9 for number in range(3000)}
    made.due(ends, (), NOON)
    made.learn(dict.fromkeys(ends, 3), ends, NOON)

    asked = made.due(ends, (), NOON + 1)
    found = made.learn(dict.fromkeys(asked, 4), ends, NOON + 1)

    assert PARTITIONS_AT_LEAST <= len(asked) < 3000
    assert all(found[at] == (4 if at in asked else 3) for at in ends)


def many_starts() -> tuple[Starts, dict[TopicPartition, int | Failure], TopicPartition]:
    """Build the starts of many partitions, their ends, and one that is not to be asked for now."""
    made = Starts()
    ends: dict[TopicPartition, int | Failure] = {
        TopicPartition(f"topic-{number}", 0): 9 for number in range(3000)
    }
    made.learn(dict.fromkeys(ends, 5), ends, NOON)
    asked = made.due(ends, (), NOON)
    return made, ends, next(at for at in ends if at not in asked)


def test_a_start_past_the_end_is_asked_for_anew() -> None:
    """The end went back: the topic was made anew, or its log was cut."""
    made, ends, at = many_starts()

    assert at in made.due(ends | {at: 2}, (), NOON)


def test_the_starts_of_a_topic_made_anew_are_asked_for() -> None:
    """Another id, another log."""
    made, ends, at = many_starts()

    assert at in made.due(ends, (at.topic,), NOON)


def test_a_start_that_is_refused_is_not_known() -> None:
    """A failure takes the place of what was known; where no end came nothing is asked or said."""
    made = Starts()
    made.learn({P0: 5, P1: 5}, {P0: 9, P1: 9}, NOON)

    assert made.due({P0: 9, P1: REFUSED}, (), NOON) == [P0]
    assert made.learn({P0: REFUSED}, {P0: 9}, NOON) == {P0: REFUSED}


def test_an_id_that_is_another_is_told() -> None:
    """The topic was deleted and made again."""
    made = TopicIds()
    first = made.learn({"plays": "one", "other": "two"}, NOON)

    changed = made.learn({"plays": "three"}, NOON + 5)

    assert (first, changed) == (set(), {"plays"})
    assert made.all() == (TopicId("other", "two"), TopicId("plays", "three"))


def test_ids_of_topics_that_went_are_forgotten() -> None:
    """What is not watched any more is not kept."""
    made = TopicIds()
    made.learn({"plays": "one", "other": "two"}, NOON)

    assert made.due(["plays"], NOON + REFRESH_SECONDS) == ["plays"]
    assert made.all() == (TopicId("plays", "one"),)


def test_topics_that_appear_go_or_grow_have_changed() -> None:
    """Each is told once."""
    made = Sizes()
    first = made.learn({"a": (P0,), "b": (P0,)})

    second = made.learn({"a": (P0, P1), "c": (P0,)})

    assert (first, second) == ({"a", "b"}, {"a", "b", "c"})
    assert made.learn({"a": (P0, P1), "c": (P0,)}) == set()
