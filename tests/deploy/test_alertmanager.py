"""Alertmanager: who is paged by what, and that one incident pages once."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lagmon.alerts.incidents import REMIND_SECONDS
from lagmon.alerts.rulefile import entries, labels_of
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, Scope
from lagmon.model import Change, Incident, IncidentChange, IncidentKey
from lagmon.notify.alertmanager import alert, holding_seconds
from lagmon.readings import TopicPartition
from lagmon.report import Links, Notice, OldestRecord, Reach
from tests.deploy.files import ALERTMANAGER, alerting_rules
from tests.deploy.paging import KEY, Paging
from tests.infra.alertmanager import INSTALL
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
RUNBOOK = "https://lagmon.example/runbooks/KafkaConsumerLag"
LINKS = Links(
    jaeger="http://localhost:16686",
    runbook=RUNBOOK,
    lagmon="http://localhost:10308",
    reaches=(Reach("local", "kafka:19092"),),
)


@pytest.fixture
def paging(tmp_path: Path) -> Iterator[Paging]:
    """Run Alertmanager as shipped, with a stand-in for PagerDuty."""
    with Paging(tmp_path) as running:
        yield running


def page(*, group: str = "game-consumer", resolved: bool = False) -> dict[str, Any]:
    """Build the alert that lagmon sends about *group*."""
    now = time.time()
    key = IncidentKey(rule=KAFKA_CONSUMER_LAG.name, cluster="local", group=group)
    incident = Incident(key, since=now - 15, opened_at=now, value=1001, sent_at=now)
    change = IncidentChange(Change.OPENED, incident)
    if resolved:
        change = IncidentChange(Change.RESOLVED, replace(incident, resolved_at=now))
    at = TopicPartition("game.slots.plays", 3)
    oldest = OldestRecord(at, offset=77, timestamp=now - 30, key_hash="ab", trace_id=TRACE)
    notice = Notice(change, KAFKA_CONSUMER_LAG, now, record=oldest)
    return alert(notice, LINKS, holding_seconds(REMIND_SECONDS))


def copy(*, group: str = "game-consumer") -> dict[str, Any]:
    """Build the alert that Prometheus makes of its rule for *group*."""
    (rule,) = [each for each in alerting_rules() if each["alert"] == KAFKA_CONSUMER_LAG.name]
    series = {"alertname": rule["alert"], "kafka_cluster": "local", "group": group}
    return {"labels": series | rule["labels"], "annotations": {"summary": "the copy"}}


def summaries(events: list[dict[str, Any]]) -> list[str]:
    """Give the line of each event that PagerDuty shows first."""
    return [event["payload"]["summary"] for event in events]


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run amtool to its end."""
    program = need("amtool", INSTALL)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_the_configuration_is_one_that_alertmanager_takes() -> None:
    """Amtool finds nothing wrong with the configuration."""
    done = amtool("check-config", ALERTMANAGER)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", [["source=lagmon"], []])
def test_a_p1_goes_to_the_pager_whoever_sent_it(source: list[str]) -> None:
    """Amtool routes a P1 of lagmon, and Prometheus's copy of it, to PagerDuty."""
    where = ["config", "routes", "test", f"--config.file={ALERTMANAGER}"]
    labels = ["alertname=KafkaConsumerLag", "priority=P1", *source]

    done = amtool(*where, "--verify.receivers=pagerduty", *labels)

    assert done.returncode == 0, done.stdout


def test_a_page_says_what_is_needed_at_once(paging: Paging) -> None:
    """PagerDuty gets the trace id, its link, the record, the runbook, and none waits for more."""
    began = time.monotonic()
    paging.post(page())

    (event,) = paging.paged(1)

    assert time.monotonic() - began < 25  # half a minute is what Alertmanager waits by default
    assert (event["routing_key"], event["event_action"]) == (KEY, "trigger")
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["class"] == "KAFKA_CONSUMER_LAG"
    assert event["payload"]["custom_details"]["trace_id"] == TRACE
    assert event["payload"]["custom_details"]["oldest_uncommitted"] == "game.slots.plays[3]@77"
    details = event["payload"]["custom_details"]
    assert details["describe"].endswith("--describe --group=game-consumer")
    assert "--partition=3 --offset=77 " in details["look"]
    assert [link["href"] for link in event["links"]] == [
        f"http://localhost:16686/trace/{TRACE}",
        RUNBOOK,
    ]


def test_the_copy_waits_while_lagmon_pages(paging: Paging) -> None:
    """Lagmon's alert holds Prometheus's copy back and is not held back itself: one page."""
    paging.post(page())
    paging.paged(1)

    paging.post(copy())

    until(lambda: len(paging.states()) == 2, what="both alerts")
    paging.wait_for_rounds(2)
    assert paging.states() == {"lagmon": "active", "": "suppressed"}
    assert len(paging.pagerduty.taken) == 1


def test_the_copy_pages_when_lagmon_cannot(paging: Paging) -> None:
    """Without lagmon's alert Prometheus's copy reaches PagerDuty."""
    paging.post(copy())

    assert summaries(paging.paged(1)) == ["P1 the copy"]


def test_a_group_does_not_speak_for_another(paging: Paging) -> None:
    """Lagmon's alert about one group does not hold back the copy about another."""
    paging.post(page(group="one"))
    paging.paged(1)

    paging.post(copy(group="two"))

    assert summaries(paging.paged(2))[1] == "P1 the copy"
    assert paging.states() == {"lagmon": "active", "": "active"}


def test_only_the_copy_waits(paging: Paging) -> None:
    """An alert of the same name that says where it comes from is not held back."""
    paging.post(page())
    paging.paged(1)
    foreign = copy()
    foreign["labels"]["source"] = "another-monitor"

    paging.post(foreign)

    until(lambda: len(paging.states()) == 2, what="both alerts")
    assert paging.states() == {"lagmon": "active", "another-monitor": "active"}


OWN = replace(KAFKA_CONSUMER_LAG, name="Mine", code="MINE", scope=Scope.PARTITION)


def own_page(partition: int) -> dict[str, Any]:
    """Build the alert that lagmon sends by a rule of one's own about one partition."""
    now = time.time()
    key = IncidentKey(OWN.name, "local", "game-consumer", "game.slots.plays", partition)
    incident = Incident(key, since=now - 15, opened_at=now, value=1001, sent_at=now)
    notice = Notice(IncidentChange(Change.OPENED, incident), OWN, now)
    return alert(notice, LINKS, holding_seconds(REMIND_SECONDS))


def own_copy(partition: int) -> dict[str, Any]:
    """Build the alert that Prometheus makes of that rule as `lagmon rules` writes it."""
    (entry,) = entries([OWN])
    series = {"kafka_cluster": "local", "group": "game-consumer", "topic": "game.slots.plays"}
    labels = series | {"alertname": OWN.name, "partition": str(partition)} | labels_of(entry)
    return {"labels": labels, "annotations": {"summary": f"the copy for {partition}"}}


def test_the_copy_of_a_rule_of_ones_own_waits_too(paging: Paging) -> None:
    """Whatever a rule is called, it pages once."""
    paging.post(own_page(0))
    paging.paged(1)

    paging.post(own_copy(0))

    until(lambda: len(paging.states()) == 2, what="both alerts")
    paging.wait_for_rounds(2)
    assert paging.states() == {"lagmon": "active", "": "suppressed"}
    assert len(paging.pagerduty.taken) == 1


def test_a_partition_does_not_speak_for_another(paging: Paging) -> None:
    """Lagmon's alert about one partition does not hold back the copy about the next."""
    paging.post(own_page(0))
    paging.paged(1)

    paging.post(own_copy(1))

    until(lambda: len(paging.states()) == 2, what="both alerts")
    paging.paged(2)
    assert paging.states() == {"lagmon": "active", "": "active"}


def test_partitions_of_a_group_are_one_page_that_says_of_each(paging: Paging) -> None:
    """They have no sentence in common; the page has one all the same, and what each says."""
    paging.post(own_page(0), own_page(1))

    def of_both() -> list[dict[str, Any]]:
        known = [each["payload"] for each in paging.pagerduty.taken]
        return [each for each in known if "2 alerts in all" in each["summary"]]

    told = until(of_both, what="a page on both")[0]

    assert told["summary"].startswith("P1 Consumer group game-consumer on local, ")
    for partition in (0, 1):
        assert f"game.slots.plays[{partition}]" in told["custom_details"]["description"]


def test_whichever_comes_first_it_is_one_incident(paging: Paging) -> None:
    """A copy that came before lagmon's alert and that alert are one incident at PagerDuty."""
    paging.post(copy())
    paging.paged(1)

    paging.post(page())
    first, second = paging.paged(2)[:2]

    assert second["payload"]["custom_details"]["trace_id"] == TRACE
    assert first["dedup_key"] == second["dedup_key"]


def test_a_resolve_ends_the_incident(paging: Paging) -> None:
    """When lagmon resolves, PagerDuty is told so under the key of the page."""
    paging.post(page())
    paging.paged(1)

    paging.post(page(resolved=True))
    opened, ended = paging.paged(2)[:2]

    assert ended["event_action"] == "resolve"
    assert ended["dedup_key"] == opened["dedup_key"]


def test_without_a_key_nothing_leaves_the_machine(tmp_path: Path) -> None:
    """Before PagerDuty's key is there Alertmanager sends nothing, and its log names the file."""
    with Paging(tmp_path, key=False) as paging:
        paging.post(page())

        until(
            lambda: any(str(paging.key_file) in line for line in paging.service.errors()),
            what="the missing file in the log",
        )

        assert paging.pagerduty.taken == []
        assert paging.states() == {"lagmon": "active"}
