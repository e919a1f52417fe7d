"""Meaning, cases 16 to 23: what lagmon may not see is unknown, and never gone, 0 or ok.

The broker allows everything that no rule is about; a case takes one right from lagmon, as an
administrator would, and gives it back. ``docs/reference/lagmon-values.md`` lists the cases under
the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import ResourceType  # type: ignore[attr-defined] # documented there

from lagmon.model import State, Why
from tests.conftest import running
from tests.infra.kafka import KafkaBroker
from tests.infra.records import produce
from tests.integration.meaning import ANSWER_SECONDS, Watched, commit, member, new_name
from tests.integration.rights import CLUSTER, RULES, hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def strict() -> Iterator[KafkaBroker]:
    """Give a broker that knows rights, shared by the cases of this file."""
    yield from running(KafkaBroker(own=True, settings=RULES))


@pytest.fixture
def plays(strict: KafkaBroker) -> str:
    """Give a new topic with ten records."""
    name = new_name("plays")
    strict.create_topic(name)
    produce(strict.bootstrap_servers, name, *[b"play"] * 10)
    return name


def test_a_topic_hidden(strict: KafkaBroker, plays: str) -> None:
    """16. TOPIC DESCRIBE withdrawn: Kafka leaves topic and commits out without a word: unknown.

    Asked by name the coordinator refuses, which it does not do for a deleted topic. It stays so
    cycle after cycle, and the group's other topics keep their lag.
    """
    group, servers, other = new_name(), strict.bootstrap_servers, new_name("other")
    strict.create_topic(other)
    commit(servers, group, plays, 4)
    commit(servers, group, other, 0)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group) and s.group(group).lag == 6, "a lag of 6")

    with hidden(strict, ResourceType.TOPIC, plays):
        first = watched.until(lambda s: s.group(group).unknown, "an unknown partition")
        second, third = watched.look(), watched.look()
    back = watched.until(lambda s: s.group(group).lag == 6, "the lag to come back")

    for seen in (first, second):
        row = seen.row(group, plays)
        assert (row.lag, row.why) == (None, Why.NO_COMMITTED_OFFSET)
        assert row.detail
        assert row.detail.startswith("TOPIC_AUTHORIZATION_FAILED")
        assert (seen.group(group).lag, seen.group(group).unknown) == (0, 1)
        assert seen.states(group) == [State.PENDING]
    assert third.states(group) == third.in_an_hour().states(group) == [State.UNKNOWN]
    assert back.group(group).unknown == 0


def test_the_only_topic_hidden(strict: KafkaBroker, plays: str) -> None:
    """17. The only topic of a group hidden: no lag, and the refusal as the reason; no "empty"."""
    group, servers = new_name(), strict.bootstrap_servers
    commit(servers, group, plays, 4)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    with hidden(strict, ResourceType.TOPIC, plays):
        seen = watched.until(lambda s: s.group(group).lag is None, "the refusal")

    found = seen.group(group)
    assert (found.why, found.unknown, found.uncommitted) == (Why.NO_COMMITTED_OFFSET, 1, 0)
    assert found.members == 0
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.UNKNOWN)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_member_s_topic_hidden(strict: KafkaBroker, plays: str, protocol: str) -> None:
    """18. A member's topic hidden: unknown, also to a lagmon that never saw it before.

    Of a classic group Kafka describes what the member owns; a KIP-848 group it refuses whole.
    """
    group, servers = new_name(), strict.bootstrap_servers

    with member(servers, group, plays, **{"group.protocol": protocol}) as consumer:
        assert consumer.consume(1, ANSWER_SECONDS)
        consumer.commit(asynchronous=False)
        old = Watched(servers, group)
        old.until(lambda s: s.has(group) and s.group(group).lag == 9, "a lag of 9")
        with hidden(strict, ResourceType.TOPIC, plays):
            known = old.until(lambda s: s.group(group).lag is None, "the refusal")
            new = Watched(servers, group).until(lambda s: s.has(group), "the group")

    for seen in (known, new):
        assert seen.group(group).lag is None
        assert seen.group(group).why in {Why.NO_COMMITTED_OFFSET, Why.GROUP_UNREADABLE}
        assert "AUTHORIZATION_FAILED" in str(seen.group(group).detail)
        assert seen.states(group) == [State.PENDING]
        assert seen.in_an_hour().states(group) == [State.UNKNOWN]


def test_a_named_group_s_topic_hidden(strict: KafkaBroker, plays: str) -> None:
    """19. A topic named in the configuration but hidden: refused, which is not "does not exist"."""
    group, servers = new_name(), strict.bootstrap_servers
    commit(servers, group, plays, 4)

    with hidden(strict, ResourceType.TOPIC, plays):
        named = Watched(servers, groups={"static": {group: [plays]}})
        seen = named.until(lambda s: s.group(group).lag is None, "the refusal")

    row = seen.row(group, plays)
    assert (row.why, seen.group(group).unknown) == (Why.NO_COMMITTED_OFFSET, 1)
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.UNKNOWN)


def test_a_group_hidden(strict: KafkaBroker, plays: str) -> None:
    """20. GROUP DESCRIBE withdrawn: the group is still listed, unreadable, with the reason."""
    group, servers = new_name(), strict.bootstrap_servers
    commit(servers, group, plays, 4)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    with hidden(strict, ResourceType.GROUP, group):
        first = watched.until(lambda s: s.group(group).lag is None, "the refusal")
        second = watched.look()
    back = watched.until(lambda s: s.group(group).lag == 6, "the lag to come back")

    for seen in (first, second):
        found = seen.group(group)
        assert (found.lag, found.why) == (None, Why.GROUP_UNREADABLE)
        assert found.detail
        assert "GROUP_AUTHORIZATION_FAILED" in found.detail
        assert found.members is None
        assert seen.states(group) == [State.PENDING]
        assert seen.in_an_hour().states(group) == [State.UNKNOWN]
    assert back.group(group).why is None


def test_a_group_vanished(strict: KafkaBroker, plays: str) -> None:
    """21. CLUSTER and GROUP DESCRIBE withdrawn: gone from the list without an error, yet not gone.

    Described by name it is refused; a deleted group would be described as dead.
    """
    group, other, servers = new_name(), new_name(), strict.bootstrap_servers
    commit(servers, group, plays, 4)
    commit(servers, other, plays, 10)
    watched = Watched(servers, group, other, topics={"include": [plays]})
    watched.until(lambda s: s.has(group) and s.has(other), "both groups")

    with (
        hidden(strict, ResourceType.GROUP, group),
        hidden(strict, ResourceType.BROKER, CLUSTER),
    ):
        first = watched.until(lambda s: s.group(group).lag is None, "the refusal")
        second = watched.look()
    back = watched.until(lambda s: s.group(group).lag == 6, "the lag to come back")

    for seen in (first, second):
        assert seen.lag.complete  # the list itself does not say that it keeps something back
        assert seen.group(group).why is Why.GROUP_UNREADABLE
        assert seen.group(other).lag == 0
        assert seen.states(group, other) == [State.PENDING, State.OK]
        assert seen.in_an_hour().states(group, other) == [State.UNKNOWN, State.OK]
    assert back.group(group).why is None


def test_a_hidden_group_deleted(strict: KafkaBroker, plays: str) -> None:
    """22. A group deleted and hidden at once: unknown until it may be asked about, then gone."""
    group, servers = new_name(), strict.bootstrap_servers
    commit(servers, group, plays, 4)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    admin = strict.admin()
    admin.delete_consumer_groups([group])[group].result(ANSWER_SECONDS)
    with (
        hidden(strict, ResourceType.GROUP, group),
        hidden(strict, ResourceType.BROKER, CLUSTER),
    ):
        new = Watched(servers)
        new.until(lambda s: s.snapshot.missing_rights, "the broker to have heard of it")
        during = watched.look()
    after = watched.until(lambda s: not s.has(group), "the group to go")

    assert (during.group(group).lag, during.group(group).why) == (None, Why.GROUP_UNREADABLE)
    assert after.lag.complete
    assert during.states(group) == [State.PENDING]
    assert during.in_an_hour().states(group) == [State.UNKNOWN]


def test_nothing_may_be_seen(strict: KafkaBroker, plays: str) -> None:
    """23. No topic at all to be seen: every known partition is unknown, none is 0 or deleted."""
    group, servers = new_name(), strict.bootstrap_servers
    commit(servers, group, plays, 4)
    watched = Watched(servers, group)
    watched.until(lambda s: s.has(group), "the group")

    with hidden(strict, ResourceType.TOPIC, "*"):
        seen = watched.until(lambda s: s.group(group).lag is None, "the refusal")
    back = watched.until(lambda s: s.group(group).lag == 6, "the lag to come back")

    assert seen.snapshot.error is None
    assert (seen.group(group).why, seen.group(group).unknown) == (Why.NO_COMMITTED_OFFSET, 1)
    assert (*seen.states(group), *seen.in_an_hour().states(group)) == (State.PENDING, State.UNKNOWN)
    assert back.group(group).unknown == 0
