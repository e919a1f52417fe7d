"""What somebody who is woken reads, of recorded incidents: enough to act on without looking.

Each recording is judged as `lagmon serve` does, and what opens is written as it goes to an
Alertmanager.
"""

from __future__ import annotations

from typing import Any

import pytest

from lagmon.commands.wiring import policy
from lagmon.configuration.sources import load
from lagmon.judge.judging import Memory, judge
from lagmon.model import Change
from lagmon.notify.alertmanager import alert
from lagmon.recording.lines import snapshot_from_json
from lagmon.report import Links
from tests.lagmon.recordings.make import CONFIG, FOLDER, NOBODY, SCENARIOS

LINKS = Links("http://jaeger:16686", "https://runbooks.example/lag", "http://lagmon:10308")
HOLDS_SECONDS = 240
WAKES = ("poison", "transaction", "retention", "stopped", "stalled", "outage")


def pages(name: str, change: Change = Change.OPENED) -> list[dict[str, Any]]:
    """Give what recording *name* would have sent of *change*."""
    rules = policy(load(CONFIG, unnamed=NOBODY))
    memory, found = Memory.of(rules), []
    for line in (FOLDER / f"{name}.jsonl").read_text().splitlines():
        judged = judge(memory, snapshot_from_json(line), rules)
        memory = judged.memory
        found += [each for each in judged.notices if each.change.change is change]
    return [alert(each, LINKS, HOLDS_SECONDS) for each in found]


@pytest.mark.parametrize("name", SCENARIOS)
def test_only_what_has_to_wake_somebody_does(name: str) -> None:
    """One page for one trouble, and none for a deploy, a burst, a new topic or a restart."""
    assert len(pages(name)) == (1 if name in WAKES else 0)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        pytest.param(
            "poison",
            {
                "summary": "Consumer group poison on local is blocked on poison[1] while the "
                "others move",
                "verdict": "blocked",
                "owner": "reader-1 at 127.0.0.1",
                "partition": "1",
                "offset": "78",
                "waited": "12s ± 1s, by history",
                "time_to_drain": "never at this rate",
                "trace_url": f"http://jaeger:16686/trace/{0x9E:032x}",
            },
            id="poison",
        ),
        pytest.param(
            "transaction",
            {
                "summary": "Consumer group transaction on local is held up by a transaction that "
                "does not end",
                "verdict": "hanging_transaction",
                "partition": "0",
                "offset": "5",
                "trace_id": f"{7:032x}",
            },
            id="transaction",
        ),
        pytest.param(
            "retention",
            {
                "summary": "Consumer group retention on local lost 6 records before it read them",
                "verdict": "lost",
                "members": "0",
                "offset": "12",
                "waited": "15s ± 1s, by timestamps",
                "trace_id": f"{0xD:032x}",
            },
            id="retention",
        ),
        pytest.param(
            "stopped",
            {
                "summary": "Consumer group stopped on local has stopped: it has no members",
                "verdict": "stopped",
                "members": "0",
                "value": "116",
                "offset": "152",
                "waited": "12s ± 1s, by history",
                "trace_id": f"{0x99:032x}",
            },
            id="stopped",
        ),
        pytest.param(
            "stalled",
            {
                "summary": "Consumer group stalled on local does not get on",
                "verdict": "stalled",
                "members": "1",
                "owner": "reader-1 at 127.0.0.1",
                "value": "118",
                "offset": "119",
                "waited": "12s ± 1s, by history",
                "trace_id": f"{0x78:032x}",
            },
            id="stalled",
        ),
        pytest.param(
            "outage",
            {"summary": "The consumer groups of local cannot be seen"},
            id="outage",
        ),
    ],
)
def test_a_page_has_what_is_needed(name: str, facts: dict[str, str]) -> None:
    """Who, what, since when, where, whose, which trace, and what to do, each under its name."""
    (page,) = pages(name)

    said = page["annotations"]
    assert {key: said.get(key) for key in facts} == facts
    assert said["since"]
    assert said["runbook_url"] == LINKS.runbook
    assert page["labels"]["priority"] == "P1"
    assert page["labels"].get("group") == (None if name == "outage" else name)


def test_a_page_reads_as_sentences() -> None:
    """The description has all of it in the order in which it is asked for."""
    (page,) = pages("poison")

    assert page["annotations"]["description"] == (
        "Consumer group poison on local is blocked on poison[1] while the others move. "
        "So since 08:23:18 UTC, for 3s. "
        "It is judged blocked: poison[1]: reader-1 at 127.0.0.1 moves on with other partitions of "
        "poison, not with this one; last commit at 2026-11-21T08:23:10.019Z. "
        "It is 120 messages behind. The oldest unread record has waited 12s ± 1s, by history. "
        "It has 1 member. "
        "The oldest uncommitted record is poison[1] at offset 78, 12s old by its own time. "
        f"Its trace is {0x9E:032x}. "
        "The owner of poison[1] is reader-1 at 127.0.0.1."
    )


def test_a_page_on_a_cluster_says_why_and_what_of_it() -> None:
    """The broker's last words, and that its groups are not watched; no record and no member."""
    (page,) = pages("outage")

    said = page["annotations"]
    assert "Connection refused" in said["description"]
    assert said["description"].endswith("Until they can be seen, nobody watches them.")
    assert not {"topic", "offset", "trace_id", "members", "owner", "waited"} & set(said)


@pytest.mark.parametrize("name", WAKES)
def test_the_end_of_a_page_lets_sleep(name: str) -> None:
    """It says that it is over and how long it took, and of no record that waits."""
    (over,) = pages(name, Change.RESOLVED)

    said = over["annotations"]
    assert "again" in said["summary"]
    assert "The incident lasted from " in said["description"]
    assert not {"offset", "trace_id", "waited", "time_to_drain"} & set(said)
