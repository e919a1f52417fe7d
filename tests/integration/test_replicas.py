"""Three replicas share a cluster: one dies, one stands still, of one the parent alone hangs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclOperation,
    ResourceType,
)

from lagmon.configuration.settings import Cluster, CollectorSettings
from lagmon.configuration.sharing import Replica as Settings
from lagmon.sharding.ownership import OFFSETS_TOPIC, home
from tests.conftest import running
from tests.infra.kafka import KafkaBroker
from tests.infra.ports import free_port
from tests.infra.product import Product, address
from tests.infra.reading import commit, values
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.collecting import collect_until
from tests.integration.collecting import running as collecting
from tests.integration.rights import RULES, denied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lagmon.readings import Snapshot
    from tests.infra.alertmanager import Alertmanager, WebhookReceiver
    from tests.infra.process import Service

pytestmark = pytest.mark.timeout(240)

WAIT_SECONDS = 90  # ten times what it takes
HOMES = 6  # partitions of __consumer_offsets: enough for three
# One in each, so that whoever has a partition has a group with an incident.
LAGGING = sorted({home(name, HOMES): name for name in map("lagging-{}".format, range(50))}.values())
WELL = [f"well-{number}" for number in range(3)]
TOPIC, RECORDS = "plays", 10
SETTINGS: dict[str, Any] = {
    "poll_interval": "500ms",
    "sharding": "kafka",
    "sharding_session": "6s",
    "rules": {"KafkaConsumerLag": {"threshold": 5, "for": "1s"}},
}


class Replica:
    """One lagmon among others, and what its page shows."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.url = address(service)

    def groups(self) -> set[str]:
        """Give the groups of the test that it shows."""
        with self.asked() as answer:
            return shown(answer())

    @contextmanager
    def asked(self) -> Iterator[Callable[[], str]]:
        """Ask for its page of metrics; what is given waits for the answer."""
        host, port = self.url.removeprefix("http://").split(":")
        with closing(HTTPConnection(host, int(port), timeout=WAIT_SECONDS)) as connection:
            connection.request("GET", "/metrics")
            yield lambda: connection.getresponse().read().decode()

    def taken_over(self) -> int:
        """Count the incidents that it has taken over so far."""
        lines = [one for one in self.service.logs() if one["event"] == "incidents_taken_over"]
        return sum(line["count"] for line in lines)


def shown(page: str) -> set[str]:
    """Give the groups of the test on a *page* of metrics."""
    name = "lagmon_group_lag_messages"
    return {group for group in (*LAGGING, *WELL) if values(page, name, {"group": group})}


class Pages:
    """What somebody was woken by, by group."""

    def __init__(self, webhook: WebhookReceiver) -> None:
        self._webhook = webhook

    def of(self, group: str) -> list[str]:
        """Give the states that were told of *group*, in order."""
        return [
            alert["status"]
            for note in self._webhook.notifications()
            for alert in note["alerts"]
            if alert["labels"].get("group") == group
        ]

    def all_are(self, *states: str) -> bool:
        """Tell whether of each group that lags just these *states* were told."""
        return all(self.of(group) == list(states) for group in LAGGING)

    def alerts(self) -> set[str]:
        """Name the alerts that were ever told of."""
        notes = self._webhook.notifications()
        return {alert["labels"]["alertname"] for note in notes for alert in note["alerts"]}


@pytest.fixture(scope="module")
def shared() -> Iterator[KafkaBroker]:
    """Give a broker that knows rights, on which the groups' commits are in several partitions."""
    settings = {**RULES, "offsets.topic.num.partitions": str(HOMES)}
    yield from running(KafkaBroker(own=True, advertised_port=free_port(), settings=settings))


@pytest.fixture
def replicas(shared: KafkaBroker, alertmanager: Alertmanager) -> Iterator[list[Replica]]:
    """Start three replicas where six groups lag and three do not."""
    shared.create_topic(TOPIC)
    produce(shared.bootstrap_servers, TOPIC, *[b"play"] * RECORDS)
    for group in LAGGING:
        commit(shared.bootstrap_servers, group, TOPIC, offset=0)
    for group in WELL:
        commit(shared.bootstrap_servers, group, TOPIC, offset=RECORDS)
    receivers = [{"url": alertmanager.url}]
    with Product(kafka=shared.bootstrap_servers) as product:
        started = [product.lagmon(**SETTINGS, alertmanagers=receivers) for _ in range(3)]
        yield [Replica(service) for service in started]


def watched_once(*replicas: Replica) -> bool:
    """Tell whether every group is on the page of one of *replicas*, and on no other."""
    seen = Counter(group for replica in replicas for group in replica.groups())
    return seen == Counter([*LAGGING, *WELL])


def shared_out(*replicas: Replica) -> bool:
    """Tell whether each of *replicas* watches something, and together they watch all."""
    return watched_once(*replicas) and all(replica.groups() for replica in replicas)


def the_parent_alone(replica: Replica, number: signal.Signals) -> None:
    """Signal the process that judges, and not the one that has the Kafka client."""
    os.kill(replica.service.pid, number)


def all_of_it(replica: Replica, number: signal.Signals) -> None:
    """Signal both processes, as if the machine did it."""
    os.killpg(replica.service.pid, number)


def stands_still_and_goes_on(
    replica: Replica, others: list[Replica], signalled: Callable[[Replica, signal.Signals], None]
) -> None:
    """Have *replica* stand still until *others* watch everything, and look at what it says then."""
    before = sum(each.taken_over() for each in others)
    lagging = replica.groups() & set(LAGGING)
    signalled(replica, signal.SIGSTOP)
    try:
        until(lambda: watched_once(*others), timeout=WAIT_SECONDS, what="the others to take over")
        until(
            lambda: sum(each.taken_over() for each in others) >= before + len(lagging),
            timeout=WAIT_SECONDS,
            what="its incidents to be taken over",
        )
        with replica.asked() as answer:
            signalled(replica, signal.SIGCONT)
            assert shown(answer()) == set()  # the first that it says
    finally:
        signalled(replica, signal.SIGCONT)
    until(lambda: shared_out(replica, *others), timeout=WAIT_SECONDS, what="its new share")


def test_each_group_is_watched_by_one_and_pages_once(
    replicas: list[Replica], shared: KafkaBroker, webhook: WebhookReceiver
) -> None:
    """Whatever becomes of a replica: others take its groups and incidents over, without a word."""
    pages = Pages(webhook)
    hangs, freezes, dies = replicas
    until(lambda: shared_out(*replicas), timeout=WAIT_SECONDS, what="three shares")
    until(lambda: pages.all_are("firing"), timeout=WAIT_SECONDS, what="a page of each")

    stands_still_and_goes_on(hangs, [freezes, dies], the_parent_alone)
    stands_still_and_goes_on(freezes, [hangs, dies], all_of_it)
    all_of_it(dies, signal.SIGKILL)
    until(lambda: watched_once(hangs, freezes), timeout=WAIT_SECONDS, what="two to watch all")
    dies.service.close()

    assert pages.all_are("firing")
    for group in LAGGING:
        commit(shared.bootstrap_servers, group, TOPIC, offset=RECORDS)
    until(lambda: pages.all_are("firing", "resolved"), timeout=WAIT_SECONDS, what="the ends")
    assert pages.alerts() == {"KafkaConsumerLag"}
    assert watched_once(hangs, freezes)


def test_a_right_that_a_member_lacks_is_named_with_the_command_that_grants_it(
    shared: KafkaBroker,
) -> None:
    """Without READ on the group it has no share; nothing of the topic has to be READ."""
    cluster = Cluster(name="test", bootstrap_servers=shared.bootstrap_servers)
    made = CollectorSettings(cluster=cluster, replica=Settings(group="watchers", session=6.0))

    async def story() -> tuple[Snapshot, Snapshot]:
        async with collecting(made) as collector:
            with denied(shared, ResourceType.GROUP, "watchers", AclOperation.READ):
                refused = await collect_until(collector, lambda seen: "--add" in why(seen))
            return refused, await collect_until(collector, lambda seen: not why(seen))

    with denied(shared, ResourceType.TOPIC, OFFSETS_TOPIC, AclOperation.READ):
        refused, granted = asyncio.run(story())

    assert why(refused).endswith("--operation Read --group watchers")
    assert refused.owned is not None
    assert refused.owned.owned == ()
    assert granted.owned is not None
    assert granted.owned.owned == tuple(range(HOMES))


def why(snapshot: Snapshot) -> str:
    """Say why the replica of *snapshot* has no share."""
    assert snapshot.owned is not None
    return snapshot.owned.why or ""
