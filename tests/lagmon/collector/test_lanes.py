"""Which broker is in charge, and whose turn it is to be asked."""

from __future__ import annotations

import pytest

from lagmon.collector.lanes import NO_LANE, OFFSETS_TOPIC, Lanes, Queues, java_hash
from lagmon.readings import TopicPartition

P0, P1 = TopicPartition("plays", 0), TopicPartition("plays", 1)


def offsets_topic(*leaders: int) -> dict[TopicPartition, int]:
    """Give the leaders of the topic in which groups live."""
    return {TopicPartition(OFFSETS_TOPIC, number): one for number, one in enumerate(leaders)}


def queues(keys: str, lanes: dict[str, int], **more: object) -> Queues[str]:
    """Build queues of one-letter questions with room for four."""
    given = {"room": 4, "suspects": (), **more}
    return Queues(keys, lanes, **given)  # type: ignore[arg-type] # as the test says


def taken(made: Queues[str]) -> str:
    """Take questions while there is room."""
    found = ""
    while (key := made.take()) is not None:
        found += key
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("a", 97),
        ("game-consumer", 2_509_310_833),
        ("Größe", 69_209_585),
        ("😀", 1_772_899),
    ],
)
def test_names_hash_as_in_java(text: str, value: int) -> None:
    """The hash is that of String.hashCode, over UTF-16 units."""
    assert java_hash(text) == value


def test_a_group_stands_in_the_lane_of_its_coordinator() -> None:
    """The leader of the partition that the name hashes to coordinates the group."""
    lanes = Lanes(offsets_topic(*range(10, 60)))

    assert lanes.of_group("a") == 10 + 97 % 50


def test_where_the_cluster_does_not_show_it_there_is_one_lane() -> None:
    """Without a view of the offsets topic every group stands in the same lane."""
    assert Lanes({P0: 3}).of_group("a") == NO_LANE


def test_things_are_sorted_by_lane() -> None:
    """Groups and partitions come sorted by broker, in their order."""
    lanes = Lanes({**offsets_topic(7), P0: 1, P1: 2})

    assert lanes.by_group(["b", "a"]) == {7: ["b", "a"]}
    assert lanes.by_partition([P1, P0]) == {2: [P1], 1: [P0]}


def test_no_more_are_open_than_there_is_room() -> None:
    """Four questions are open at once; each end makes room for one."""
    made = queues("abcdef", {})

    first = taken(made)
    made.ended("a", answered=True)

    assert (first, taken(made)) == ("abcd", "e")


def test_lanes_share_the_room() -> None:
    """A lane that hangs holds its share and leaves the others theirs."""
    made = queues("abcdwxyz", dict.fromkeys("abcd", 1) | dict.fromkeys("wxyz", 2))

    assert taken(made) == "abwx"
    for key in "wx":
        made.ended(key, answered=True)
    assert taken(made) == "yz"


def test_a_lane_that_has_ended_leaves_its_share() -> None:
    """When one lane is through the others have all the room."""
    made = queues("abcdw", dict.fromkeys("abcd", 1) | {"w": 2})
    first = taken(made)

    made.ended("w", answered=True)

    assert (sorted(first), taken(made)) == (["a", "b", "w"], "cd")


def test_a_suspect_gets_one_question_until_it_answers() -> None:
    """A broker that hung is tried with one question; an answer opens its lane again."""
    made = queues("abcd", {}, suspects={NO_LANE})

    first = taken(made)
    made.ended("a", answered=True)

    assert (first, taken(made)) == ("a", "bcd")
    assert made.answered == {NO_LANE}


def test_a_failure_is_no_answer() -> None:
    """A suspect that fails stays suspect."""
    made = queues("abcd", {}, suspects={NO_LANE})
    taken(made)

    made.ended("a", answered=False)

    assert taken(made) == "b"
    assert made.answered == set()


def test_the_rest_can_be_taken_out() -> None:
    """What was not asked is handed back, and nothing is left."""
    made = queues("abcdef", {})
    taken(made)

    assert (made.rest(), bool(made)) == (["e", "f"], False)
