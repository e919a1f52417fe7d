"""What outlives lagmon: it is killed, and whoever starts next goes on where it was."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import ResourceType  # type: ignore[attr-defined] # documented there

from lagmon.model import State
from tests.conftest import running
from tests.infra import plain_http
from tests.infra.kafka import KafkaBroker
from tests.infra.product import START_SECONDS, Product, address
from tests.infra.reading import commit, samples, values
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.meaning import ANSWER_SECONDS, new_name
from tests.integration.rights import CLUSTER, RULES, hidden

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from tests.infra.alertmanager import Alertmanager, WebhookReceiver
    from tests.infra.process import Service

pytestmark = pytest.mark.timeout(240)

WAIT_SECONDS = 60
SOON = {"poll_interval": "500ms", "rules": {"KafkaConsumerLag": {"threshold": 5, "for": "1s"}}}
CYCLES = 10  # more than it takes until a value that misses is called unknown
UNKNOWN_SOON = {
    "poll_interval": "500ms",
    "rules": {"KafkaLagUnknown": {"for": "1s"}, "KafkaClusterBlind": {"for": "1s"}},
}
# Who may not see a group cannot know which others there are: that page holds back the group's own.
PAGED = {"only topic": "KafkaLagUnknown", "group": "KafkaClusterBlind"}


@pytest.fixture(scope="module")
def strict() -> Iterator[KafkaBroker]:
    """Give a broker that knows rights, shared by the tests of this file."""
    yield from running(KafkaBroker(own=True, settings=RULES))


@pytest.fixture
def plays(strict: KafkaBroker) -> str:
    """Give a new topic with ten records."""
    name = new_name("plays")
    strict.create_topic(name)
    produce(strict.bootstrap_servers, name, *[b"play"] * 10)
    return name


@pytest.fixture
def product(strict: KafkaBroker) -> Iterator[Product]:
    """Give the services on the broker; what they leave running ends."""
    with Product(kafka=strict.bootstrap_servers) as product:
        yield product


def told(webhook: WebhookReceiver) -> list[str]:
    """Give the states of the alerts that somebody was told, in order."""
    return [each["status"] for note in webhook.notifications() for each in note["alerts"]]


def events(service: Service, event: str) -> list[dict[str, Any]]:
    """Give the log lines of *service* with this *event*."""
    return [line for line in service.logs() if line["event"] == event]


def kept(path: Path, kind: str = "opened") -> list[dict[str, Any]]:
    """Give the incidents of the *kind* in the state file."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text())["clusters"]["test"][kind]
    return found


def lag(url: str, group: str) -> list[float]:
    """Give the lag of *group* on the page, if there is one."""
    return samples(url, "lagmon_group_lag_messages", {"group": group})


@dataclass(frozen=True, slots=True)
class Page:
    """What the page of metrics says of one group at one time."""

    cycles: float
    is_up: bool
    groups: list[float]
    lag: list[float]
    ok: list[float]
    unknown: list[float]

    @classmethod
    def read(cls, url: str, group: str) -> Self:
        """Read the page once."""
        page = plain_http.get(f"{url}/metrics", timeout=ANSWER_SECONDS).raise_for_status().text
        of_group = {"group": group}
        return cls(
            sum(values(page, "lagmon_cycles_total")),
            1 in values(page, "lagmon_up"),
            values(page, "lagmon_groups"),
            values(page, "lagmon_group_lag_messages", of_group),
            values(page, "lagmon_group_state", of_group | {"state": State.OK.value}),
            values(page, "lagmon_group_unknown_partitions", of_group),
        )


def test_a_kill_opens_nothing_twice(
    product: Product,
    plays: str,
    tmp_path: Path,
    alertmanager: Alertmanager,
    webhook: WebhookReceiver,
) -> None:
    """Killed by SIGKILL with an incident open: the next lagmon goes on with it, and resolves it."""
    path, group = tmp_path / "state.json", new_name()
    commit(product.kafka, group, plays, offset=0)
    settings: dict[str, Any] = {
        **SOON,
        "cluster": {"groups": {"include": [group]}},
        "alertmanagers": [{"url": alertmanager.url}],
        "state": {"path": str(path)},
    }

    first = product.lagmon(**settings)
    first.wait_for_log("incident_opened", timeout=WAIT_SECONDS, group=group)
    until(lambda: told(webhook), timeout=WAIT_SECONDS, what="the page")
    (before,) = until(lambda: kept(path), timeout=WAIT_SECONDS, what="the incident on disk")
    (alert,) = alertmanager.alerts()
    assert first.kill() < 0

    second = product.lagmon(**settings)
    url = address(second)
    until(lambda: lag(url, group), timeout=WAIT_SECONDS, what="the first cycle")
    second.wait_for_log("state_restored", clusters=["test"])
    assert samples(url, "lagmon_incident_open", {"group": group}) == [1]
    assert [each["since"] for each in kept(path)] == [before["since"]]

    commit(product.kafka, group, plays, offset=10)
    second.wait_for_log("incident_resolved", timeout=WAIT_SECONDS, group=group)
    until(lambda: len(told(webhook)) > 1, timeout=WAIT_SECONDS, what="the resolve")

    assert events(second, "incident_opened") == []
    assert told(webhook) == ["firing", "resolved"]
    (over,) = webhook.notifications()[-1]["alerts"]
    # Alertmanager writes 29.200Z here and 29.2Z there.
    assert datetime.fromisoformat(over["startsAt"]) == datetime.fromisoformat(alert["startsAt"])
    assert over["annotations"]["since"] == alert["annotations"]["since"]
    until(lambda: kept(path, "resolved"), timeout=WAIT_SECONDS, what="the resolve on disk")
    assert second.stop() == 0
    assert [each["since"] for each in kept(path, "resolved")] == [before["since"]]


def test_half_a_state_file_is_set_aside(product: Product, plays: str, tmp_path: Path) -> None:
    """Cut in half by a full disk or a hand: lagmon starts without it, keeps it, and says so."""
    path, group = tmp_path / "state.json", new_name()
    commit(product.kafka, group, plays, offset=0)
    settings: dict[str, Any] = {
        **SOON,
        "cluster": {"groups": {"include": [group]}},
        "state": {"path": str(path)},
    }
    first = product.lagmon(**settings)
    first.wait_for_log("incident_opened", timeout=WAIT_SECONDS, group=group)
    assert first.stop() == 0
    whole = path.read_bytes()
    half = whole[: len(whole) // 2]
    path.write_bytes(half)

    second = product.lagmon(**settings)
    said = second.wait_for_log("state_set_aside", timeout=START_SECONDS, path=str(path))
    second.wait_for_log("incident_opened", timeout=WAIT_SECONDS, group=group)

    aside = tmp_path / "state.json.unreadable"
    assert (said["level"].upper(), said["moved_to"]) == ("WARNING", str(aside))
    assert said["why"].startswith("the file is no JSON")
    assert aside.read_bytes() == half
    assert second.stop() == 0
    assert [each["group"] for each in kept(path)] == [group]


def test_an_age_is_there_at_once(product: Product, plays: str, tmp_path: Path) -> None:
    """What took cycles of questions is in the first cycle after a kill, and no younger for it."""
    path, group = tmp_path / "state.json", new_name()
    commit(product.kafka, group, plays, offset=4)
    settings: dict[str, Any] = {
        **SOON,
        "cluster": {"groups": {"include": [group]}},
        "state": {"path": str(path)},
    }
    of_group = {"group": group, "topic": plays}
    first = product.lagmon(**settings)
    url = address(first)
    (before,) = until(
        lambda: samples(url, "lagmon_partition_lag_seconds", of_group),
        timeout=WAIT_SECONDS,
        what="the age",
    )
    assert first.stop() == 0

    # Nothing can be asked, and no record looked at: what is shown was known.
    second = product.lagmon(**settings, probes_per_cycle=0, peeks_per_cycle=0)
    url = address(second)
    until(lambda: lag(url, group), timeout=WAIT_SECONDS, what="the first cycle")
    (after,) = samples(url, "lagmon_partition_lag_seconds", of_group)

    assert after > before


@contextmanager
def forbidden(broker: KafkaBroker, kind: str, group: str, topic: str) -> Iterator[None]:
    """Take the rights to *group*, so that it leaves the list, or those to *topic*."""
    with ExitStack() as rules:
        if kind == "group":
            rules.enter_context(hidden(broker, ResourceType.GROUP, group))
            rules.enter_context(hidden(broker, ResourceType.BROKER, CLUSTER))
        else:
            rules.enter_context(hidden(broker, ResourceType.TOPIC, topic))
        yield


@pytest.mark.parametrize("kind", ["topic", "only topic", "group"])
def test_a_right_withdrawn_while_lagmon_is_down(
    strict: KafkaBroker, product: Product, plays: str, tmp_path: Path, kind: str
) -> None:
    """Kafka leaves out what may not be seen; who knew of it asks by name.

    The group has no members, so that nothing but the memory tells that there is more. What has no
    lag any more is paged for.
    """
    path, group, read = tmp_path / "state.json", new_name(), new_name("read")
    commit(product.kafka, group, plays, offset=4)
    if kind == "topic":
        strict.create_topic(read)
        commit(product.kafka, group, read, offset=0)
    settings: dict[str, Any] = {
        **UNKNOWN_SOON,
        "cluster": {"groups": {"include": [group]}},
        "state": {"path": str(path)},
    }
    first = product.lagmon(**settings)
    url = address(first)
    until(lambda: lag(url, group) == [6], timeout=WAIT_SECONDS, what="a lag of 6")
    assert first.stop() == 0
    pages: list[Page] = []

    with forbidden(strict, kind, group, plays):
        second = product.lagmon(**settings)
        url = address(second)

        def watched() -> bool:
            pages.append(Page.read(url, group))
            return pages[-1].cycles > CYCLES

        until(watched, timeout=WAIT_SECONDS, what=f"{CYCLES} cycles")
        if rule := PAGED.get(kind):
            second.wait_for_log("incident_opened", timeout=WAIT_SECONDS, rule=rule)
    until(lambda: lag(url, group) == [6], timeout=WAIT_SECONDS, what="the lag to come back")

    told = [page for page in pages if page.is_up]
    # How many groups there are is not known where some may be hidden.
    counted = () if kind == "group" else (1,)
    assert {tuple(page.groups) for page in told} == {counted}, "none is gone on any page"
    assert {tuple(page.ok) for page in told} <= {(), (0,)}, "what may not be seen is not well"
    if kind == "topic":  # what is left of it adds up to 0, and says that it is not all
        assert {(tuple(page.lag), tuple(page.unknown)) for page in told} == {((0,), (1,))}
    else:
        assert {tuple(page.lag) for page in told} == {()}


def test_a_collector_that_is_replaced_is_told_what_the_old_one_knew(
    strict: KafkaBroker, product: Product, plays: str
) -> None:
    """A right is withdrawn and the collector killed: the next one asks by name all the same."""
    group, read = new_name(), new_name("read")
    commit(product.kafka, group, plays, offset=4)
    strict.create_topic(read)
    commit(product.kafka, group, read, offset=0)
    lagmon = product.lagmon(**UNKNOWN_SOON, cluster={"groups": {"include": [group]}})
    url = address(lagmon)
    until(lambda: lag(url, group) == [6], timeout=WAIT_SECONDS, what="a lag of 6")

    with forbidden(strict, "topic", group, plays):
        os.kill(lagmon.wait_for_log("collector_started")["pid"], signal.SIGKILL)
        until(
            lambda: len(events(lagmon, "collector_started")) > 1,
            timeout=WAIT_SECONDS,
            what="another collector",
        )
        begun = Page.read(url, group).cycles
        until(
            lambda: Page.read(url, group).cycles > begun + CYCLES,
            timeout=WAIT_SECONDS,
            what=f"{CYCLES} cycles",
        )
        page = Page.read(url, group)

    assert (page.is_up, page.lag, page.unknown) == (True, [0], [1])
    assert page.ok in ([], [0])
