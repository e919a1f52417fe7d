"""lagmon on three brokers behind proxies, and somebody who never stops reading its page.

What the groups are behind by never changes, so that each page can be held against the truth: a
value that differs from it without saying that something is missing is a lie, and so is no answer.
So are alerts: what is true all the time is never resolved, what is not never opens, and nobody is
told that something cannot be seen beside all of its values.
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from confluent_kafka import Consumer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from prometheus_client.parser import text_string_to_metric_families

from tests.infra.kafka_nodes import KafkaNodes
from tests.infra.product import Product, address
from tests.infra.proxy import TcpProxy
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.meaning import ANSWER_SECONDS, commit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Self

TOPIC, GROUPS = "plays", tuple(f"group-{number}" for number in range(12))
NODES = (1, 2, 3)  # the first is the controller, each leads one partition of the topic
RECORDS, COMMITTED = 10, 3
EACH = RECORDS - COMMITTED
TRUTH = EACH * len(NODES)
USER, PASSWORD, WRONG = "lagmon", "right", "wrong"
READ_SECONDS = 0.25
PATIENCE_SECONDS = 30  # for a page; it is served from memory, by a machine that may stand still
RECOVERY_SECONDS = 120  # what is promised
RIGHTS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # whoever comes through the door without a password
}
SPREAD = {  # every broker coordinates a part of the groups
    "offsets.topic.num.partitions": "9",
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "500",
}
# What lagmon needs, and no more: reading records is not among it.
RIGHTS_OF_LAGMON = (
    (ResourceType.BROKER, "kafka-cluster"),
    (ResourceType.GROUP, "*"),
    (ResourceType.TOPIC, "*"),
)
# No group counts as idle meanwhile, so that its last commit would be shown again.
PACE = {
    "idle_refresh": "10m",
    "poll_interval": "1s",
    "request_timeout": "2s",
    "cycle_deadline": "5s",
}
LIMIT, FARTHER = "KafkaConsumerLag", "KafkaConsumerFar"
BLIND, UNKNOWN = "KafkaClusterBlind", "KafkaLagUnknown"
RULES = {
    LIMIT: {"threshold": TRUTH - 1, "for": "1s"},  # every group, from the beginning to the end
    FARTHER: {"condition": f"lag > {TRUTH}"},
    BLIND: {"for": "2s"},
    UNKNOWN: {"for": "2s"},
}
# Of these groups one has a member of each kind, which reads everything and commits nothing.
MEMBERS = {GROUPS[0]: "classic", GROUPS[1]: "consumer"}


@dataclass(frozen=True, slots=True)
class Page:
    """What one reading of the page said."""

    at: float
    up: bool
    lags: dict[str, float]
    unknown: dict[str, float]
    groups: float | None  # how many there are
    partitions: frozenset[float]  # all lags of partitions
    called_ok: frozenset[str]  # groups
    ages: dict[str, float]  # of groups, in seconds
    open: frozenset[tuple[str, str]]  # rule and group, which of a cluster's is empty
    hides: bool  # a right is missing, as far as it was asked: so more commits may be hidden

    @property
    def whole(self) -> bool:
        """Whether every value is there."""
        return self.up and self.groups is not None and all(self._wholly(name) for name in GROUPS)

    def _seen(self, name: str) -> bool:
        return self._wholly(name) and not self.hides

    def _wholly(self, name: str) -> bool:
        return self.lags.get(name) == TRUTH and self.unknown.get(name) == 0

    @property
    def hurt(self) -> bool:
        """Whether it says that something is missing."""
        return not self.whole

    def lies(self) -> list[str]:
        """List what it says that is neither true nor marked as incomplete."""
        found = [f"{name} is called ok" for name in sorted(self.called_ok)]
        if self.groups not in {None, len(GROUPS)}:
            found.append(f"{self.groups} groups: none was deleted")
        if self.partitions - {EACH}:
            found.append(f"lags of partitions: {sorted(self.partitions)}")
        for name, lag in self.lags.items():
            missing = self.unknown.get(name, 0) * EACH
            if lag <= 0 or lag + missing != TRUTH:
                found.append(f"{name}: {lag}, unknown: {self.unknown.get(name)}")
        found += [f"{name} waits {age} s" for name, age in self.ages.items() if age <= 0]
        return [*found, *self._false_alerts()]

    def _false_alerts(self) -> Iterator[str]:
        for rule, name in sorted(self.open):
            seen = self.whole if rule == BLIND else rule == UNKNOWN and self._seen(name)
            if seen or rule == FARTHER:
                yield f"{rule} {name} is open, with {self.lags.get(name)}"


class Reader(threading.Thread):
    """Reads the page at *url* until stopped, and keeps what was wrong with it."""

    def __init__(self, url: str) -> None:
        super().__init__(name="reader", daemon=True)
        self._url = url
        self._over = threading.Event()
        self.pages: list[Page] = []
        self.wrong: list[str] = []
        self._paged: set[str] = set()  # groups

    def run(self) -> None:
        """Read."""
        # A connection that is kept may be closed for idleness just as it is used again.
        each_anew = {"connection": "close"}
        with httpx.Client(timeout=PATIENCE_SECONDS, headers=each_anew) as client:
            while not self._over.wait(READ_SECONDS):
                try:
                    at = time.monotonic()
                    page = read(at, client.get(f"{self._url}/metrics").raise_for_status().text)
                    client.get(self._url).raise_for_status()
                except httpx.HTTPError as error:
                    self.wrong.append(f"the page did not answer: {error!r}")
                else:
                    self.wrong += [*page.lies(), *self._resolved(page)]
                    self.pages.append(page)

    def _resolved(self, page: Page) -> list[str]:
        """List the groups that are behind as ever and whose alert is over."""
        now = {name for rule, name in page.open if rule == LIMIT}
        lost = sorted(self._paged - now)
        self._paged |= now
        return [f"{LIMIT} of {name} is resolved" for name in lost]

    @property
    def paged(self) -> int:
        """How many groups are over the limit, as was said at any time."""
        return len(self._paged)

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join(2 * PATIENCE_SECONDS)


def read(at: float, text: str) -> Page:
    """Take a page of metrics apart."""
    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]

    def by_group(name: str) -> dict[str, float]:
        return {one.labels["group"]: one.value for one in samples if one.name == name}

    return Page(
        at,
        up=any(one.name == "lagmon_up" and one.value == 1 for one in samples),
        lags=by_group("lagmon_group_lag_messages"),
        unknown=by_group("lagmon_group_unknown_partitions"),
        groups=next((one.value for one in samples if one.name == "lagmon_groups"), None),
        partitions=frozenset(
            one.value for one in samples if one.name == "lagmon_partition_lag_messages"
        ),
        called_ok=frozenset(
            one.labels["group"]
            for one in samples
            if one.name == "lagmon_group_state" and one.labels["state"] == "ok" and one.value
        ),
        ages=by_group("lagmon_group_lag_seconds"),
        open=frozenset(
            (one.labels["rule"], one.labels["group"])
            for one in samples
            if one.name == "lagmon_incident_open"
        ),
        hides=any(one.name == "lagmon_missing_rights" and one.value > 0 for one in samples),
    )


class Members(threading.Thread):
    """A member in each group of `MEMBERS`, which reads until stopped and never commits."""

    def __init__(self, servers: str) -> None:
        super().__init__(name="members", daemon=True)
        self._over = threading.Event()
        self._consumers = [
            Consumer(
                {
                    "bootstrap.servers": servers,
                    "group.id": group,
                    "group.protocol": protocol,
                    "enable.auto.commit": False,
                    "log_level": 0,  # what it sees is the drill's doing
                }
            )
            for group, protocol in MEMBERS.items()
        ]

    @property
    def assigned(self) -> bool:
        """Whether each has got its partitions."""
        return all(len(one.assignment()) == len(NODES) for one in self._consumers)

    def run(self) -> None:
        """Read."""
        for one in self._consumers:
            one.subscribe([TOPIC])
        while not self._over.is_set():
            for one in self._consumers:
                one.poll(READ_SECONDS)
        for one in self._consumers:
            one.close()

    def stop(self) -> None:
        """Leave the groups."""
        self._over.set()
        self.join(PATIENCE_SECONDS)


class Drill:
    """Three brokers, a proxy before each, and lagmon behind them. A context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.nodes = KafkaNodes(len(NODES), RIGHTS | SPREAD, users={USER: PASSWORD})
        self.proxies: list[TcpProxy] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._stack.enter_context(self.nodes)
        for node in NODES:
            proxy = TcpProxy(
                "127.0.0.1", self.nodes.inner_port(node), self.nodes.proxied_port(node)
            )
            self.proxies.append(self._stack.enter_context(proxy))
        self._fill()
        for kind, name in RIGHTS_OF_LAGMON:
            self.allow(kind, name)
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._password = folder / "password"
        self.password(PASSWORD)
        product = self._stack.enter_context(Product(kafka=self.nodes.proxied_servers))
        client = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password_file": str(self._password),
        }
        members = Members(self.nodes.bootstrap_servers)
        members.start()
        self._stack.callback(members.stop)
        until(lambda: members.assigned, timeout=RECOVERY_SECONDS, what="the members' partitions")
        self.lagmon = product.lagmon(cluster={"client": client}, rules=RULES, **PACE)
        self.reader = Reader(address(self.lagmon))
        self.reader.start()
        self._stack.callback(self.reader.stop)
        self.recovered()
        until(
            lambda: self.reader.paged == len(GROUPS),
            timeout=RECOVERY_SECONDS,
            what="every group to be over the limit",
        )

    def _fill(self) -> None:
        """Leave every group the same way behind on a partition of each broker."""
        admin = self.nodes.admin()
        spread = [[node] for node in NODES]
        wanted = NewTopic(TOPIC, num_partitions=len(spread), replica_assignment=spread)
        admin.create_topics([wanted])[TOPIC].result(ANSWER_SECONDS)
        servers = self.nodes.bootstrap_servers
        for partition, _ in enumerate(NODES):
            produce(servers, TOPIC, *[b"play"] * RECORDS, partition=partition)
        for name in GROUPS:
            commit(servers, name, TOPIC, *[COMMITTED] * len(NODES))

    def password(self, value: str) -> None:
        """Write the password that lagmon is to use."""
        self._password.write_text(value)

    def coordinated_by(self, node: int) -> list[str]:
        """List the groups that *node* coordinates."""
        admin = self.nodes.admin()
        found = admin.describe_consumer_groups(list(GROUPS))
        return [
            name
            for name, one in found.items()
            if (coordinator := one.result(ANSWER_SECONDS).coordinator) and coordinator.id == node
        ]

    def allow(self, kind: ResourceType, name: str) -> None:
        """Let lagmon DESCRIBE the thing of this *kind* and *name*."""
        admin = self.nodes.admin()
        for done in admin.create_acls([_right(kind, name)]).values():
            done.result(ANSWER_SECONDS)

    def withdraw(self, kind: ResourceType, name: str) -> None:
        """Take back what `allow` gave."""
        admin, one = self.nodes.admin(), _right(kind, name)
        exactly = AclBindingFilter(
            one.restype,
            one.name,
            one.resource_pattern_type,
            one.principal,
            one.host,
            one.operation,
            one.permission_type,
        )
        for gone in admin.delete_acls([exactly]).values():
            gone.result(ANSWER_SECONDS)

    def noticed(self, what: str) -> Page:
        """Wait until a page that is read from now on says that something is missing."""
        return self._page(lambda page: page.hurt, f"{what} to be noticed")

    def refused(self, what: str) -> Page:
        """Wait until a page that is read from now on misses something of a cluster that is up."""
        return self._page(lambda page: page.up and page.hurt, f"{what} to be noticed")

    def blind(self, what: str) -> Page:
        """Wait until a page that is read from now on says that the cluster does not answer."""
        return self._page(lambda page: not page.up, f"lagmon_up 0 because of {what}")

    def partly(self, what: str, *, without: Collection[str] = ()) -> Page:
        """Wait until a page that is read from now on has some values and says that some miss.

        Those of the groups *without* miss: what was kept of them is gone.
        """
        return self._page(
            lambda page: (
                page.up and bool(page.lags) and page.hurt and page.lags.keys().isdisjoint(without)
            ),
            f"values in spite of {what}",
        )

    def lasts(self, seconds: float) -> None:
        """Let the fault last for *seconds* of pages."""
        end = time.monotonic() + seconds
        until(
            lambda: self.reader.pages[-1].at >= end,
            timeout=RECOVERY_SECONDS,
            what=f"pages of {seconds:g} s",
        )

    def recovered(self) -> Page:
        """Wait until a page that is read from now on has every value, within what is promised."""
        return self._page(lambda page: page.whole, "everything to be back")

    def honest(self) -> bool:
        """Tell whether every page so far answered and told no lie; fails with what they said."""
        assert not self.reader.wrong, self.reader.wrong[:5]
        return True

    def _page(self, check: Callable[[Page], bool], what: str) -> Page:
        since = time.monotonic()

        def found() -> Page | None:
            latest = self.reader.pages[-1] if self.reader.pages else None
            return latest if latest and latest.at >= since and check(latest) else None

        return until(found, timeout=RECOVERY_SECONDS, what=what)


def _right(kind: ResourceType, name: str) -> AclBinding:
    return AclBinding(
        kind,
        name,
        ResourcePatternType.LITERAL,
        f"User:{USER}",
        "*",
        AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )
