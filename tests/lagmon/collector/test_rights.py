"""What is said to be missing when questions are answered, refused or fail."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined] # documented there

from lagmon.collector import authority
from lagmon.collector.answers import POSTPONED, Failure
from lagmon.collector.grants import THE_CLUSTER, UNTOLD
from lagmon.collector.rights import REFRESH_SECONDS, Rights
from lagmon.configuration.settings import Cluster, Selection
from lagmon.readings import MissingRight, Resource

if TYPE_CHECKING:
    from collections.abc import Collection

    from lagmon.collector.calls import Calls, Deadline
    from lagmon.collector.questions import Questions

SOON = cast("Deadline", None)  # nobody here looks at it
PLAYS = MissingRight(Resource.TOPIC, "plays")
DENIED = Failure("TOPIC_AUTHORIZATION_FAILED: Topic authorization failed.", sound=True)
ABSENT = Failure("UNKNOWN_TOPIC_OR_PART: Unknown topic or partition", sound=True)
TEAM = MissingRight(Resource.GROUP, "team-", prefixed=True)
NOT_THE_GROUP = Failure("GROUP_AUTHORIZATION_FAILED: Group authorization failed.", sound=True)
LOST = Failure("_TIMED_OUT: Local: Timed out")
UNTELLING = Failure("CLUSTER_AUTHORIZATION_FAILED: Cluster authorization failed.", sound=True)
NO_AUTHORIZER = Failure("SECURITY_DISABLED: Security features are disabled", sound=True)


class Kafka:
    """A cluster with a rule that denies topic "plays"; what it says can be changed."""

    def __init__(self, *, describable: bool = True) -> None:
        operation = AclOperation.DESCRIBE if describable else AclOperation.ALTER
        self.cluster: object = SimpleNamespace(authorized_operations=[operation])
        self.rules: object = [SimpleNamespace(name="plays")] if describable else []
        self.plays: object = DENIED
        self.groups: object = object()
        self.asked = 0

    def each(self, asks: Collection[tuple[str, str]], *_: object, **__: object) -> dict[Any, Any]:
        """Answer about rights."""
        self.asked += 1
        answers = {authority.CLUSTER: self.cluster, authority.RULES: self.rules}
        return {one: answers.get(one, LOST) for one in asks}

    def refusals(self, topics: Collection[str], _: Deadline) -> dict[str, object]:
        """Answer about topics by name."""
        return {name: self.plays if name == "plays" else ABSENT for name in topics}

    def descriptions(self, groups: Collection[str], _: Deadline) -> dict[str, object]:
        """Answer about groups."""
        return dict.fromkeys(groups, self.groups)


def asking(kafka: Kafka, *, groups: str = "", topics: tuple[str, ...] = ()) -> Rights:
    """Watch *kafka* as one who includes these."""
    include = (re.compile(groups),) if groups else ()
    cluster = Cluster(
        name="local",
        bootstrap_servers="kafka:9092",
        groups=Cluster(name="local", bootstrap_servers="kafka:9092").groups.model_copy(
            update={"include": include}
        ),
        topics=Selection(include=tuple(map(re.compile, topics))),
    )
    return Rights(cluster, cast("Calls", kafka), cast("Questions", kafka))


@pytest.mark.parametrize("fails", ["cluster", "rules", "plays"])
@pytest.mark.parametrize("describable", [True, False])
def test_a_question_that_fails_leaves_the_last_answer(fails: str, *, describable: bool) -> None:
    """What was missing is missing until somebody says otherwise."""
    kafka = Kafka(describable=describable)
    rights = asking(kafka, topics=("plays", "other"))
    before = rights.missing(["other"], SOON, 0)
    setattr(kafka, fails, LOST)

    after = rights.missing(["other"], SOON, REFRESH_SECONDS)

    assert after == before == ((PLAYS,) if describable else (THE_CLUSTER, PLAYS))


@pytest.mark.parametrize("words", sorted(POSTPONED))
@pytest.mark.parametrize("late", ["cluster", "rules", "plays", "groups"])
def test_an_answer_that_is_still_to_come_says_nothing(late: str, words: str) -> None:
    """What was missing stays so, and the question is put again in the next cycle."""
    kafka = Kafka(describable=False)
    kafka.groups = NOT_THE_GROUP
    rights = asking(kafka, groups="team-.*", topics=("plays", "other"))
    before = rights.missing(["other"], SOON, 0)
    answer = getattr(kafka, late)
    setattr(kafka, late, Failure(words))

    meanwhile = rights.missing(["other"], SOON, 10)
    setattr(kafka, late, answer)
    kafka.plays, kafka.groups = ABSENT, object()

    assert meanwhile == before == (TEAM, PLAYS)
    assert rights.missing(["other"], SOON, 11) == ()


@pytest.mark.parametrize("late", ["cluster", "rules", "plays"])
def test_a_first_answer_that_is_to_come_is_not_taken_for_a_grant(late: str) -> None:
    """Nothing was ever told: as soon as it is, in the next cycle, the right is missing."""
    kafka = Kafka()
    rights = asking(kafka)
    answer = getattr(kafka, late)
    setattr(kafka, late, Failure(min(POSTPONED)))
    assert rights.missing(["other"], SOON, 0) == ()

    setattr(kafka, late, answer)

    assert rights.missing(["other"], SOON, 1) == (PLAYS,)


def test_rights_are_asked_for_every_ten_seconds() -> None:
    """A right that is withdrawn is missed as soon as that, at little cost in between.

    A clock that was set back makes nobody wait for it.
    """
    kafka = Kafka()
    rights = asking(kafka)

    asked = []
    for now in (100, 105, 109.9, 110, 115, 50, 55, 60):
        rights.missing(["other"], SOON, now)
        asked.append(kafka.asked)

    assert asked == [1, 1, 1, 2, 2, 3, 3, 4]


def test_rules_that_were_told_once_are_not_forgotten() -> None:
    """Without them nobody would ask for the topic by its name."""
    kafka = Kafka()
    rights = asking(kafka)
    assert rights.missing(["other"], SOON, 0) == (PLAYS,)
    kafka.rules = LOST
    assert rights.missing(["other"], SOON, REFRESH_SECONDS) == (PLAYS,)

    kafka.plays = ABSENT

    assert rights.missing(["other"], SOON, 2 * REFRESH_SECONDS) == ()


@pytest.mark.parametrize(
    ("groups", "topics", "missing"),
    [
        ("g.*", (), (UNTOLD,)),
        ("g.*", ("pl.*",), (UNTOLD,)),
        ("g.*", ("other", "pl.*"), (UNTOLD,)),
        ("g.*", ("other",), ()),
        ("g.*", ("plays", "other"), (PLAYS,)),
        ("", (), (THE_CLUSTER, UNTOLD)),
    ],
)
def test_who_is_not_told_the_rules_names_the_topics_or_does_not_know(
    groups: str, topics: tuple[str, ...], missing: tuple[MissingRight, ...]
) -> None:
    """A pattern may take a topic that a rule denies, and nobody would tell its name."""
    rights = asking(Kafka(describable=False), groups=groups, topics=topics)

    assert rights.missing(["other"], SOON, 0) == missing


@pytest.mark.parametrize("rules", [LOST, NO_AUTHORIZER, []])
def test_where_nobody_ever_refused_nothing_is_missing(rules: object) -> None:
    """A cluster without controller or authorizer is read all the same."""
    kafka = Kafka()
    kafka.rules = rules

    assert asking(kafka).missing(["other"], SOON, 0) == ()


def test_what_is_told_again_is_known_again() -> None:
    """A right that was given ends the doubt."""
    kafka = Kafka(describable=False)
    rights = asking(kafka, groups="g.*")
    assert rights.missing(["other"], SOON, 0) == (UNTOLD,)

    kafka.cluster = Kafka().cluster

    assert rights.missing(["other"], SOON, REFRESH_SECONDS) == ()


def test_a_refusal_of_the_rules_is_no_empty_list() -> None:
    """Where the client passes it on it counts, whatever is known of the cluster."""
    kafka = Kafka()
    kafka.rules = UNTELLING

    assert asking(kafka).missing(["other"], SOON, 0) == (UNTOLD,)
