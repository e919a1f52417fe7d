"""A lagmon that has just started, and lacks a right: nothing it shows passes for all there is.

It has seen nothing before that it could miss. The broker allows everything that no rule is about.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import ResourceType  # type: ignore[attr-defined] # documented there

from lagmon.collector.grants import UNTOLD
from lagmon.model import Why
from lagmon.readings import MissingRight, Resource
from tests.conftest import running
from tests.infra.kafka import KafkaBroker
from tests.infra.records import produce
from tests.integration.meaning import Watched, commit, new_name
from tests.integration.rights import CLUSTER, RULES, hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)

THE_CLUSTER = (ResourceType.BROKER, CLUSTER)
NO_CLUSTER = (MissingRight(Resource.CLUSTER), UNTOLD)
RECORDS = 10


@pytest.fixture(scope="module")
def strict() -> Iterator[KafkaBroker]:
    """Give a broker that knows rights, on which two groups are behind on one topic.

    The second is at the end of another one as well.
    """
    for broker in running(KafkaBroker(own=True, settings=RULES)):
        servers = broker.bootstrap_servers
        for topic in ("plays", "other"):
            broker.create_topic(topic)
            produce(servers, topic, *[b"play"] * RECORDS)
        commit(servers, "settle", "plays", 4)
        commit(servers, "report", "plays", 4)
        commit(servers, "report", "other", RECORDS)
        yield broker


def once(broker: KafkaBroker) -> subprocess.CompletedProcess[str]:
    """Have a new lagmon look once."""
    command = [sys.executable, "-m", "lagmon", "once"]
    command += ["--bootstrap-servers", broker.bootstrap_servers]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_with_all_rights_all_is_known(strict: KafkaBroker) -> None:
    """Nothing is missing, and nothing is said to be."""
    seen = Watched(strict.bootstrap_servers).until(lambda s: s.has("report"), "the groups")

    assert seen.lag.complete
    assert seen.snapshot.missing_rights == ()
    assert once(strict).returncode == 0


@pytest.mark.parametrize(
    ("things", "missing", "command"),
    [
        ([THE_CLUSTER], NO_CLUSTER, "--cluster"),
        ([(ResourceType.GROUP, "*"), THE_CLUSTER], NO_CLUSTER, "--cluster"),
        (
            [(ResourceType.TOPIC, "plays")],
            (MissingRight(Resource.TOPIC, "plays"),),
            "--topic plays",
        ),
        ([(ResourceType.TOPIC, "*")], (MissingRight(Resource.TOPIC, "*"),), "--topic '*'"),
    ],
)
def test_a_new_lagmon_names_the_right_that_it_lacks(
    strict: KafkaBroker,
    things: list[tuple[ResourceType, str]],
    missing: tuple[MissingRight, ...],
    command: str,
) -> None:
    """`lagmon once` exits with 1 and says what would help; a topic's right hides no group."""
    with ExitStack() as stack:
        for kind, name in things:
            stack.enter_context(hidden(strict, kind, name))
        watched = Watched(strict.bootstrap_servers)
        seen = watched.until(lambda s: s.snapshot.missing_rights, "the missing right")
        looked = once(strict)

    assert seen.snapshot.missing_rights == missing
    assert seen.lag.complete is (missing[0].resource is Resource.TOPIC)
    assert seen.snapshot.list_errors[0].startswith("lagmon may not DESCRIBE ")
    assert len(seen.snapshot.list_errors) == len(missing)
    for said in seen.snapshot.list_errors:
        assert said.endswith(f"--operation Describe {command}")
        assert said in looked.stdout
    assert looked.returncode == 1
    assert "nothing pages" not in looked.stdout


def test_a_group_without_members_is_not_ok_while_topics_may_be_hidden(strict: KafkaBroker) -> None:
    """One with commits elsewhere is unknown; of one without nobody says that it never committed."""
    with hidden(strict, ResourceType.TOPIC, "plays"):
        watched = Watched(strict.bootstrap_servers)
        seen = watched.until(lambda s: s.snapshot.missing_rights, "the missing right")
        rows = {line.split()[1]: line for line in once(strict).stdout.splitlines()[1:3]}

    assert (seen.group("report").lag, seen.group("report").hidden) == (0, True)
    assert (seen.group("settle").lag, seen.group("settle").why) == (None, Why.GROUP_UNREADABLE)
    assert rows["report"].split()[2] == "unknown"
    assert "never committed" not in rows["settle"]


def test_who_says_what_to_watch_need_not_see_more(strict: KafkaBroker) -> None:
    """Rights on what the patterns take are enough, and what is excluded is nobody's business."""
    servers, secret = strict.bootstrap_servers, new_name("secret")
    some = {"groups": {"include": ["rep.*"]}, "topics": {"include": ["other"]}}

    with hidden(strict, ResourceType.TOPIC, "plays"), hidden(strict, *THE_CLUSTER):
        patterns = Watched(servers, **some).until(lambda s: s.has("report"), "the group")
    with hidden(strict, ResourceType.TOPIC, secret):
        excluded = Watched(servers, topics={"exclude": ["secret-.*"]}).look()
        named = Watched(servers, groups={"static": {"settle": ["plays"]}}).look()

    for seen in (patterns, excluded, named):
        assert seen.lag.complete
        assert seen.snapshot.missing_rights == ()


def test_without_the_rules_no_group_is_taken_for_ok_on_topics_that_nobody_named(
    strict: KafkaBroker,
) -> None:
    """Rights on the groups say nothing of their topics: one of them is denied, without a word."""
    groups = {"include": ["rep.*"]}
    with hidden(strict, ResourceType.TOPIC, "plays"), hidden(strict, *THE_CLUSTER):
        watched = Watched(strict.bootstrap_servers, groups=groups)
        seen = watched.until(lambda s: s.snapshot.missing_rights, "the doubt")

    assert seen.snapshot.missing_rights == (UNTOLD,)
    assert seen.lag.complete
    assert (seen.group("report").lag, seen.group("report").hidden) == (0, True)


def test_a_right_that_is_given_is_noticed(
    strict: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked about once in a while."""
    monkeypatch.setattr("lagmon.collector.rights.REFRESH_SECONDS", 1.0)
    watched = Watched(strict.bootstrap_servers)

    with hidden(strict, *THE_CLUSTER):
        watched.until(lambda s: not s.lag.complete, "the missing right")

    after = watched.until(lambda s: s.lag.complete, "the right to be noticed")

    assert after.snapshot.missing_rights == ()
