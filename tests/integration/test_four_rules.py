"""The four shipped rules on a real broker: each pages at a real Alertmanager, and each resolves.

One story, told once: a group falls behind, one stands still with a member, one may not be read any
more; then nobody may list the groups; then all is well again. The tests look at what was seen.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Offset
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    ResourceType,
)

from lagmon.alerts.rules import SHIPPED
from tests.infra.alertmanager import Alertmanager, WebhookReceiver
from tests.infra.kafka import KafkaBroker
from tests.infra.product import Product, address
from tests.infra.require import required
from tests.infra.wait import until
from tests.integration.collecting import commit, member
from tests.integration.rights import CLUSTER, RULES, hidden

if TYPE_CHECKING:
    from lagmon.alerts.rules import Rule

pytestmark = pytest.mark.timeout(300)

WAIT_SECONDS = 90
TOPIC = "plays"
RECORDS = 300
TRACE = "f8a711d2ab4bdd4ace0041a20c33d255"
JAEGER, RUNBOOKS = "http://jaeger.test:16686", "http://runbooks.test"
BEHIND, STUCK, UNREADABLE = "behind", "stuck", "unreadable"
LAG, STALL, UNKNOWN, BLIND = (rule.name for rule in SHIPPED)
ABOUT = {LAG: BEHIND, STALL: STUCK, UNKNOWN: UNREADABLE, BLIND: None}
SETTINGS: dict[str, Any] = {
    "poll_interval": "500ms",
    # What a machine that stands still leaves unanswered would be unknown, and page.
    "request_timeout": "30s",
    "cycle_deadline": "60s",
    "stall_after": "3s",
    "stall_after_unseen": "3s",
    "links": {"jaeger": JAEGER, "runbook": f"{RUNBOOKS}/{{rule}}"},
    "rules": {
        LAG: {"threshold": 250, "for": "1s"},
        STALL: {"for": "1s"},
        UNKNOWN: {"for": "1s"},
        BLIND: {"for": "1s"},
    },
}


@dataclass(frozen=True)
class Seen:
    """What the story left: each *alert* by rule as it fired, and what whoever is on call got.

    *servers* are those of the broker.
    """

    servers: str
    alerts: dict[str, dict[str, Any]]
    told: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Tell the story; every rule has fired and resolved when it is over."""
    with ExitStack() as stack:
        with required():
            broker = stack.enter_context(KafkaBroker(own=True, settings=RULES))
            webhook = stack.enter_context(WebhookReceiver())
            alertmanager = stack.enter_context(Alertmanager(webhook.url))
        product = stack.enter_context(Product(kafka=broker.bootstrap_servers))
        return Story(broker, alertmanager, webhook).told(product)


class Story:
    """Lets all four rules open and end again, on one broker and one lagmon."""

    def __init__(
        self, broker: KafkaBroker, alertmanager: Alertmanager, webhook: WebhookReceiver
    ) -> None:
        self._broker, self._alertmanager, self._webhook = broker, alertmanager, webhook
        self._alerts: dict[str, dict[str, Any]] = {}

    def told(self, product: Product) -> Seen:
        """Give what was seen of it."""
        servers = self._broker.bootstrap_servers
        self._broker.create_topic(TOPIC)
        fill(servers)
        commit(servers, BEHIND, TOPIC, 5)
        commit(servers, UNREADABLE, TOPIC, RECORDS)
        with member(servers, STUCK, TOPIC) as consumer:
            consumer.commit(offsets=[Offset(TOPIC, 0, 200)], asynchronous=False)
            address(product.lagmon(alertmanagers=[{"url": self._alertmanager.url}], **SETTINGS))
            self._fires(LAG, has="trace_id")
            self._fires(STALL, has="trace_id")
            with hidden(self._broker, ResourceType.GROUP, UNREADABLE):
                self._fires(UNKNOWN)
            self._ends(UNKNOWN)
            with hidden(self._broker, ResourceType.BROKER, CLUSTER):
                self._fires(BLIND)
            self._ends(BLIND)
            consumer.commit(offsets=[Offset(TOPIC, 0, RECORDS)], asynchronous=False)
            commit(servers, BEHIND, TOPIC, RECORDS)
            self._ends(LAG)
            self._ends(STALL)
        return Seen(servers, self._alerts, self._webhook.notifications())

    def _fires(self, rule: str, has: str = "summary") -> None:
        """Wait until Alertmanager has the alert of *rule*, and in it the annotation *has*."""

        def found() -> dict[str, Any] | None:
            for alert in self._alertmanager.alerts():
                if alert["labels"]["alertname"] == rule and has in alert["annotations"]:
                    return alert
            return None

        self._alerts[rule] = until(found, timeout=WAIT_SECONDS, what=f"{rule} with {has}")

    def _ends(self, rule: str) -> None:
        """Wait until whoever is on call was told that *rule* is over."""
        until(
            lambda: "resolved" in statuses(self._webhook.notifications(), rule),
            timeout=WAIT_SECONDS,
            what=f"the end of {rule}",
        )


def fill(servers: str) -> None:
    """Write the records, all of one trace."""
    producer = Producer({"bootstrap.servers": servers})
    for number in range(RECORDS):
        header = f"00-{TRACE}-{number + 1:016x}-01".encode()
        producer.produce(TOPIC, b"play", partition=0, headers=[("traceparent", header)])
    assert producer.flush(60) == 0


def statuses(told: list[dict[str, Any]], rule: str) -> list[str]:
    """Give what was *told* of *rule*, in order."""
    alerts = [alert for note in told for alert in note["alerts"]]
    return [alert["status"] for alert in alerts if alert["labels"]["alertname"] == rule]


@pytest.mark.parametrize("rule", SHIPPED, ids=lambda rule: rule.name)
def test_each_rule_is_seen_with_its_labels(seen: Seen, rule: Rule) -> None:
    """What routes and what inhibits: name, code, severity, priority, cluster, group and source."""
    about = ABOUT[rule.name]
    group = {} if about is None else {"group": about}

    assert seen.alerts[rule.name]["labels"] == group | {
        "alertname": rule.name,
        "code": rule.code,
        "severity": "critical",
        "priority": "P1",
        "kafka_cluster": "test",
        "source": "lagmon",
    }


@pytest.mark.parametrize("rule", ABOUT)
def test_each_rule_is_told_once_and_ends_once(seen: Seen, rule: str) -> None:
    """One page and one resolve reach whoever is on call, whatever is sent again."""
    assert statuses(seen.told, rule) == ["firing", "resolved"]


def told_by(seen: Seen, rule: str) -> dict[str, str]:
    """Give the annotations with which *rule* was seen."""
    annotations: dict[str, str] = seen.alerts[rule]["annotations"]
    return annotations


@pytest.mark.parametrize("rule", ABOUT)
def test_each_rule_leads_to_its_own_runbook(seen: Seen, rule: str) -> None:
    """Whoever is woken opens the page on this alert."""
    assert told_by(seen, rule)["runbook_url"] == f"{RUNBOOKS}/{rule}"


@pytest.mark.parametrize(("rule", "group"), ABOUT.items())
def test_each_rule_says_how_to_go_on(seen: Seen, rule: str, group: str | None) -> None:
    """The group is described by its name, a blind cluster asked for its brokers."""
    name, line = (
        ("command_brokers", "kafka-broker-api-versions.sh --bootstrap-server=")
        if group is None
        else ("command_describe", "kafka-consumer-groups.sh --bootstrap-server=")
    )

    said = told_by(seen, rule)[name]

    assert said.startswith(f"{line}{seen.servers}")
    assert said.endswith("" if group is None else f" --describe --group={group}")


def test_the_page_about_a_group_that_stands_says_how_to_skip_the_record(seen: Seen) -> None:
    """Behind the record at which it stands, and only as a try."""
    said = told_by(seen, STALL)["command_skip"]

    assert said.endswith("--topic=plays:0 --reset-offsets --to-offset=201 --dry-run")
    assert "command_skip" not in told_by(seen, LAG), "nobody reads: no record is to blame"


def test_the_page_about_lag_names_the_record_and_its_trace(seen: Seen) -> None:
    """Value, limit, place, record and trace stand alone under their names."""
    told = told_by(seen, LAG)

    assert told["summary"] == "Consumer group behind on test is 295 messages behind (limit 250)"
    known = {name: told[name] for name in ("value", "threshold", "topic", "partition", "offset")}
    assert known == {
        "value": "295",
        "threshold": "250",
        "topic": TOPIC,
        "partition": "0",
        "offset": "5",
    }
    assert told["members"] == "0"
    assert (told["trace_id"], told["trace_url"]) == (TRACE, f"{JAEGER}/trace/{TRACE}")


def test_the_page_about_a_group_that_stands_names_verdict_owner_and_record(seen: Seen) -> None:
    """Who has the partition, in what state, at which record."""
    told = told_by(seen, STALL)

    assert (told["verdict"], told["value"], told["members"]) == ("stalled", "100", "1")
    assert told["summary"] == "Consumer group stuck on test does not get on"
    assert re.fullmatch(r"reader-1 at \S+", told["owner"])
    assert (told["topic"], told["partition"], told["offset"]) == (TOPIC, "0", "200")
    assert told["trace_id"] == TRACE


def test_the_page_about_a_group_that_cannot_be_read_has_the_brokers_words(seen: Seen) -> None:
    """The missing right is named, and no number is."""
    told = told_by(seen, UNKNOWN)

    assert told["summary"] == "Consumer group unreadable on test cannot be read"
    assert "GROUP_AUTHORIZATION_FAILED" in told["description"]
    assert "value" not in told


def test_the_page_about_a_list_that_is_not_whole_says_what_is_watched(seen: Seen) -> None:
    """It is about the cluster, with the reason: the right to list all groups was withdrawn."""
    told = told_by(seen, BLIND)

    assert told["summary"] == "Not all consumer groups of test can be seen"
    assert "Those that are listed are watched" in told["description"]
    assert "The reason: " in told["description"]
