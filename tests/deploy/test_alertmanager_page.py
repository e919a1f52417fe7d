"""The page on paging: its table is the configuration's, and its silences silence."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.files import ALERTMANAGER, ROOT, read
from tests.deploy.paging import Paging
from tests.infra.alertmanager import INSTALL, WebhookReceiver
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs/reference/paging.md"
AMTOOL = "docker compose exec alertmanager amtool --alertmanager.url=http://127.0.0.1:9093 "
ALERT = {"labels": {"alertname": "PostgresDown", "priority": "P1", "severity": "critical"}}
NAMES = {"pagerduty": "PagerDuty", "slack": "Slack"}


def row(priority: str) -> list[str]:
    """Give the cells of the page's row on *priority*."""
    (line,) = re.findall(rf"^\| {priority} \|.*\|$", PAGE.read_text(), re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


def receiver(name: str) -> dict[str, Any]:
    """Give the receiver *name*."""
    receivers: list[dict[str, Any]] = read(ALERTMANAGER)["receivers"]
    (found,) = [each for each in receivers if each["name"] == name]
    return found


@pytest.mark.parametrize(
    "route", read(ALERTMANAGER)["route"]["routes"], ids=lambda r: r["matchers"][0]
)
def test_the_page_says_who_is_told_and_how_often(route: dict[str, Any]) -> None:
    """The row of a priority names the channels of its route, and after how long they hear again."""
    root = read(ALERTMANAGER)["route"]
    (priority,) = re.findall(r'"(P\d)"', route["matchers"][0])

    *_, told, first, again, _ = row(priority)

    channels = {key.removesuffix("_configs") for key in receiver(route["receiver"])} - {"name"}
    assert {key for key, name in NAMES.items() if name in told} == channels
    assert again.replace(" ", "") == route.get("repeat_interval", root["repeat_interval"])
    wait = route.get("group_wait", root["group_wait"])
    assert first.replace(" ", "").startswith("atonce" if wait == "0s" else wait)


def test_the_page_names_the_working_hours() -> None:
    """The hours in which a P3 is told are those of the configuration."""
    (hours,) = [
        interval
        for each in read(ALERTMANAGER)["time_intervals"]
        if each["name"] == "working-hours"
        for interval in each["time_intervals"]
    ]
    (times,) = hours["times"]

    assert hours["weekdays"] == ["monday:friday"]
    said = f"Monday to Friday {times['start_time']} to {times['end_time']} {hours['location']}"
    assert said in row("P3")[3]


def test_the_silences_of_the_page_silence(tmp_path: Path) -> None:
    """Its commands silence a P1 of Postgres, list that, let it last longer and end it."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith(AMTOOL)]
    add, query, update, expire = (shlex.split(line.removeprefix(AMTOOL)) for line in lines)
    program = need("amtool", INSTALL)

    with Paging(tmp_path) as paging:

        def amtool(arguments: list[str]) -> str:
            line = [program, f"--alertmanager.url={paging.url}", *arguments]
            done = subprocess.run(line, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        def state() -> str:
            return "".join(each["status"]["state"] for each in paging.alerts())

        paging.post(ALERT)
        silence = amtool(add)
        until(lambda: state() == "suppressed", what="the silence")

        assert silence in amtool(query)
        longer = amtool([*update[:-1], silence]).split()
        amtool([*expire[:-1], next((word for word in longer if len(word) == 36), silence)])
        until(lambda: state() == "active", what="the end of the silence")


def test_the_heartbeat_of_the_page_beats(tmp_path: Path) -> None:
    """Put into the shipped file it says a word again and again, to the one who expects it."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rules, added = (yaml.safe_load(block) for block in blocks[-2:])
    (rule,) = rules["groups"][0]["rules"]
    with WebhookReceiver() as outside:
        config = read(ALERTMANAGER)
        # The Alertmanager of the tests is too old to read this address from a file.
        hook = added["receivers"][0]["webhook_configs"][0] | {"url": outside.url}
        del hook["url_file"]
        config["receivers"].append(added["receivers"][0] | {"webhook_configs": [hook]})
        beat = added["routes"][0] | {"repeat_interval": "1s"}
        config["route"]["routes"].insert(0, beat)

        with Paging(tmp_path, config=config) as paging:
            paging.post({"labels": rule["labels"] | {"alertname": rule["alert"]}})

            until(lambda: len(outside.notifications()) >= 2, what="two beats")
            assert paging.slack.taken == []
            assert paging.pagerduty.taken == []

    assert rule["expr"] == "vector(1)"
