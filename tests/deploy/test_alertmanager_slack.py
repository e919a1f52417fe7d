"""What Slack shows, what PagerDuty gets of each priority, and what a missing secret means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.files import ALERTMANAGER, read
from tests.deploy.paging import ALWAYS, NEVER, Paging
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEVERITY = {"P0": "critical", "P1": "critical", "P2": "warning", "P3": "info"}


@pytest.fixture
def paging(tmp_path: Path) -> Iterator[Paging]:
    """Run Alertmanager as shipped, with stand-ins for PagerDuty and Slack."""
    with Paging(tmp_path) as running:
        yield running


def fired(name: str, priority: str | None, **more: str) -> dict[str, Any]:
    """Build an alert as Prometheus sends it; *more* are labels."""
    sorted_as = {"priority": priority, "severity": SEVERITY[priority]} if priority else {}
    return {
        "labels": {"alertname": name, "code": name.upper(), **sorted_as, **more},
        "annotations": {
            "summary": f"{name} says so{more.get('instance', '')}",
            "description": f"What {name} means.",
            "runbook_url": f"https://lagmon.example/runbooks/{name}",
            "dashboard": "lagmon-api",
        },
    }


def ended(alert: dict[str, Any]) -> dict[str, Any]:
    """Give *alert* as it is resolved."""
    return alert | {"endsAt": datetime.now(UTC).isoformat()}


def test_slack_says_what_it_is_and_what_to_open(paging: Paging) -> None:
    """A message has priority, sentence, meaning, code, and links to runbook and dashboard."""
    paging.post(fired("DeadLetters", "P2"))

    (said,) = paging.told(1)

    assert said["title"] == "P2 DeadLetters says so"
    assert said["fallback"] == said["title"]
    assert said["title_link"] == "https://lagmon.example/runbooks/DeadLetters"
    assert said["color"] == "warning"
    assert said["footer"] == "DEADLETTERS"
    meaning, links = said["text"].splitlines()
    assert meaning == "What DeadLetters means."
    assert links.startswith(
        "<https://lagmon.example/runbooks/DeadLetters|Runbook>  "
        "<http://localhost:3000/d/lagmon-api|Dashboard>  <http"
    )
    assert links.endswith("|Alertmanager>")


def test_slack_is_told_that_it_is_over(paging: Paging) -> None:
    """A resolved alert is a second message, green and called so."""
    alert = fired("DeadLetters", "P2")
    paging.post(alert)
    paging.told(1)

    paging.post(ended(alert))

    over = paging.told(2)[1]
    assert (over["title"], over["color"]) == ("Resolved: P2 DeadLetters says so", "good")


def test_one_message_says_of_each_machine(paging: Paging) -> None:
    """Alerts of one name are one message: five are said of, and how many there are."""
    machines = [fired("NodeCpuHigh", "P3", instance=f" of node-{n}") for n in range(7)]

    paging.post(*machines)
    said = until(
        lambda: [a for a in paging.told(1) if "7 alerts" in a["title"]], what="one on all"
    )[0]

    assert said["title"] == "P3 NodeCpuHigh: 7 alerts"
    assert said["text"].count("says so") == 5
    assert "\nFive of 7 alerts.\n" in said["text"]


def test_a_name_calls_nobody_in_slack(paging: Paging) -> None:
    """What a label or sentence brings along is text: it makes no link and calls no channel."""
    alert = fired("DeadLetters", "P2")
    alert["annotations"] |= {"summary": "<!channel> & <b>", "description": "<https://a|b>"}

    paging.post(alert)

    (said,) = paging.told(1)
    assert said["title"] == "P2 &lt;!channel&gt; &amp; &lt;b&gt;"
    assert said["text"].splitlines()[0] == "&lt;https://a|b&gt;"


@pytest.mark.parametrize("priority", ["P0", "P2", None])
def test_both_channels_are_told(paging: Paging, priority: str | None) -> None:
    """PagerDuty gets a P0, a P2 and what nobody sorted, with the severity it is to ring by."""
    paging.post(fired("Any", priority))

    (event,) = paging.paged(1)
    (said,) = paging.told(1)

    title = f"{priority} Any says so" if priority else "Any says so"
    assert (event["payload"]["summary"], said["title"]) == (title, title)
    assert event["payload"]["severity"] == SEVERITY.get(priority or "", "critical")
    assert (event["payload"]["custom_details"]["priority"] or "") == (priority or "")
    assert [link["href"] for link in event["links"]] == [
        "https://lagmon.example/runbooks/Any",
        "http://localhost:3000/d/lagmon-api",
    ]


def test_outside_working_hours_a_p3_waits(tmp_path: Path) -> None:
    """At night a P3 is held and told to nobody, while a P2 beside it is."""
    with Paging(tmp_path, working_hours=NEVER) as paging:
        paging.post(fired("NodeCpuHigh", "P3"), fired("DeadLetters", "P2"))

        paging.told(1)
        paging.wait_for_rounds(4)

        assert [each["title"] for each in paging.told(1)] == ["P2 DeadLetters says so"]
        assert len(paging.alerts()) == 2


def test_in_maintenance_a_p2_waits_and_a_p1_rings(tmp_path: Path) -> None:
    """Hours of maintenance hold P2 and P3 back, and never what is urgent."""
    config = read(ALERTMANAGER)
    (window,) = [each for each in config["time_intervals"] if each["name"] == "maintenance"]
    window["time_intervals"] = ALWAYS

    with Paging(tmp_path, config=config) as paging:
        waiting = [fired("DeadLetters", "P2"), fired("NodeCpuHigh", "P3")]
        paging.post(*waiting, fired("PostgresDown", "P1"))

        paging.paged(1)
        paging.wait_for_rounds(2)

        assert {each["payload"]["class"] for each in paging.pagerduty.taken} == {"POSTGRESDOWN"}
        assert paging.slack.taken == []
        assert len(paging.alerts()) == 3


def test_a_missing_address_of_slack_keeps_no_page_back(tmp_path: Path) -> None:
    """Before Slack's address is there PagerDuty gets its part, and the log names the file."""
    with Paging(tmp_path, webhook=False) as paging:
        paging.post(fired("ApiAbsent", "P0"))

        (event,) = paging.paged(1)
        until(
            lambda: any(str(paging.webhook_file) in line for line in paging.service.errors()),
            what="the missing file in the log",
        )

        assert event["payload"]["summary"] == "P0 ApiAbsent says so"
        assert paging.slack.taken == []


def test_a_missing_key_of_pagerduty_keeps_no_message_back(tmp_path: Path) -> None:
    """Before PagerDuty's key is there Slack gets its part; the key counts as soon as it is."""
    with Paging(tmp_path, key=False) as paging:
        paging.post(fired("ApiAbsent", "P0"))
        paging.told(1)

        whole = tmp_path / "key"
        whole.write_text("0" * 32)
        whole.rename(paging.key_file)  # at once: Alertmanager may be reading, and half is a key too
        (event, *_) = paging.paged(1)

        assert event["routing_key"] == "0" * 32
        assert paging.pagerduty.taken[0]["payload"]["class"] == "APIABSENT"
