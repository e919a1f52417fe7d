"""The commands of an alert: which there are for what, and that a shell reads them as they are."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lagmon.alerts.rules import KAFKA_CLUSTER_BLIND, KAFKA_CONSUMER_LAG, KAFKA_CONSUMER_STUCK
from lagmon.model import Change, Incident, IncidentChange, IncidentKey, State, Why
from lagmon.notify.annotations import annotate
from lagmon.notify.commands import LONGEST, commands, quoted
from lagmon.report import Links, Notice, Reach
from tests.infra.require import need
from tests.lagmon.builders import CLUSTER, GROUP, NOON, at, group, incident, notice, part, record

if TYPE_CHECKING:
    from lagmon.alerts.rules import Rule
    from lagmon.model import PartitionLag
    from lagmon.report import OldestRecord

REACH = Reach(CLUSTER, "kafka-1:9092,kafka-2:9092")
SECURED = replace(REACH, secured=True)
SERVERS = "--bootstrap-server=kafka-1:9092,kafka-2:9092"
DESCRIBE = f"kafka-consumer-groups.sh {SERVERS} --describe --group=settle"
RESET = f"kafka-consumer-groups.sh {SERVERS} --group=settle --topic=plays:0 --reset-offsets"
SHOWN = " ".join(
    f"--property=print.{one}=true" for one in ("offset", "timestamp", "key", "headers")
)
RECORD = (
    f"kafka-console-consumer.sh {SERVERS} --topic=plays --partition=0 --offset=5007"
    f" --max-messages=1 {SHOWN}"
)
TRANSACTIONS = f"kafka-transactions.sh {SERVERS} describe-producers --topic=plays --partition=0"


def about(
    row: PartitionLag, oldest: OldestRecord | None = None, rule: Rule = KAFKA_CONSUMER_STUCK
) -> Notice:
    """Build the notice of *rule* on a group that has *row* alone."""
    opened = Incident(IncidentKey(rule.name, CLUSTER, GROUP), NOON, NOON, 5.0, NOON)
    behind = replace(group(row.lag, GROUP, row), judged=row.judged)
    return Notice(IncidentChange(Change.OPENED, opened), rule, NOON, behind, oldest)


def stands(state: State, **changes: Any) -> PartitionLag:
    """Build a row in *state*, committed at 5000 of 6200."""
    return replace(part(0, 1200), judged=state, start=10, **changes)


HELD = record(offset=5007)  # what lay before it was compacted away


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        pytest.param(
            about(stands(State.BLOCKED), HELD),
            {"record": RECORD, "skip": f"{RESET} --to-offset=5008 --dry-run"},
            id="blocked: past the record that was found, which is not the commit",
        ),
        pytest.param(
            about(stands(State.STALLED)),
            {"skip": f"{RESET} --to-offset=5001 --dry-run"},
            id="stalled, the record was not seen: past the commit",
        ),
        pytest.param(
            about(stands(State.STOPPED), HELD),
            {"record": RECORD},
            id="stopped: nobody reads, a record is not to blame",
        ),
        pytest.param(
            about(stands(State.FALLING_BEHIND), HELD, KAFKA_CONSUMER_LAG),
            {"record": RECORD},
            id="falling behind: it moves, and skipping would lose what it is about to read",
        ),
        pytest.param(
            about(stands(State.LOST, committed=3)),
            {"reset": f"{RESET} --to-offset=10 --dry-run"},
            id="lost: to the oldest record that is left",
        ),
        pytest.param(
            about(stands(State.BEYOND_END, end=4000)),
            {"reset": f"{RESET} --to-offset=4000 --dry-run"},
            id="past the end: back to it",
        ),
        pytest.param(
            about(stands(State.HANGING_TRANSACTION)),
            {"transactions": TRANSACTIONS},
            id="hanging transaction: whose it is",
        ),
        pytest.param(
            about(replace(part(0, None, why=Why.NO_COMMITTED_OFFSET), judged=State.UNKNOWN)),
            {},
            id="unknown: there is no offset to name",
        ),
    ],
)
def test_each_state_has_its_commands(told: Notice, wanted: dict[str, str]) -> None:
    """The group is described in any; offsets are those that are known, nothing is guessed."""
    wanted = {f"command_{name}": line for name, line in {"describe": DESCRIBE, **wanted}.items()}

    assert commands(told, REACH) == wanted


def test_a_group_that_is_out_of_sight_still_has_its_record() -> None:
    """While nothing can be read of it, what is known of its record stands."""
    told = replace(about(stands(State.BLOCKED), HELD), group=None)

    assert commands(told, REACH) == {"command_describe": DESCRIBE, "command_record": RECORD}


def test_what_changes_something_only_says_what_it_would_do() -> None:
    """A line that is pasted at night commits nothing: no command executes."""
    for state in State:
        for line in commands(about(stands(state), HELD), REACH).values():
            assert "--execute" not in line
            assert ("--reset-offsets" in line) == line.endswith(" --dry-run")


def test_a_blind_cluster_is_asked_who_answers() -> None:
    """There is no group to name."""
    key = IncidentKey(KAFKA_CLUSTER_BLIND.name, CLUSTER)
    opened = IncidentChange(Change.OPENED, Incident(key, NOON, NOON, 0.0, NOON))

    assert commands(Notice(opened, KAFKA_CLUSTER_BLIND, NOON), REACH) == {
        "command_brokers": f"kafka-broker-api-versions.sh {SERVERS}",
        "command_groups": f"kafka-consumer-groups.sh {SERVERS} --list",
    }


def test_a_secured_cluster_needs_the_properties_of_who_types() -> None:
    """The file is named by its place alone; nothing of lagmon's own properties is told."""
    told = commands(about(stands(State.BLOCKED), HELD), SECURED)

    assert "--consumer.config=client.properties" in told.pop("command_record")
    assert all("--command-config=client.properties" in line for line in told.values())


def test_what_is_over_needs_no_command() -> None:
    """A resolve has none, and where the cluster's address is not known there is none either."""
    over = notice(Change.RESOLVED, incident(resolved_at=NOON + 60), behind=group(3))

    assert commands(over, REACH) == {}
    assert commands(about(stands(State.BLOCKED)), None) == {}


def test_the_alert_has_them_as_annotations() -> None:
    """One command each, under its name, for the cluster that the alert is about."""
    links = Links(reaches=(Reach("other", "elsewhere:9092"), REACH))

    assert annotate(about(stands(State.BLOCKED)), links)["command_describe"] == DESCRIBE


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--group=settle", "--group=settle"),
        ("--group=a b", "'--group=a b'"),
        ("--group=$(reboot)`x`;&|>#!*?~", "'--group=$(reboot)`x`;&|>#!*?~'"),
        ("--group='!x", "$'--group=\\047\\041x'"),
        ("--group=a\nreboot", "$'--group=a\\012reboot'"),
        ("--group=\x1b[2J\\", "$'--group=\\033\\1332J\\134'"),
        ("--group=\u202eevil", "$'--group=\\342\\200\\256evil'"),
        ("--group=größe", "'--group=größe'"),
        ("", "''"),
        ("--group=a\0b", None),
        ("--group=\ud800", None),
    ],
)
def test_a_word_is_written_for_a_shell(word: str, written: str | None) -> None:
    """What is special stands in quotes, what cannot be seen by its bytes; some cannot be typed."""
    assert quoted(word) == written


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.lists(NAMES, min_size=1, max_size=50))
@settings(max_examples=30)
def test_a_shell_reads_the_group_as_kafka_has_it(names: list[str]) -> None:
    """Whatever the groups are called, bash makes one argument of each, byte by byte."""
    bash = need("bash", "install the Debian package bash")
    lines = []
    for name in names:
        told = about(stands(State.BLOCKED))
        key = replace(told.change.incident.key, group=name)
        change = replace(told.change, incident=replace(told.change.incident, key=key))
        line = commands(replace(told, change=change), REACH)["command_describe"]
        assert line.isprintable()
        assert "\n" not in line
        lines.append(line.replace("kafka-consumer-groups.sh", "printf '%s\\0'", 1))

    ran = subprocess.run([bash, "-c", "\n".join(lines)], capture_output=True, check=True)

    expected = [part for name in names for part in (SERVERS, "--describe", f"--group={name}")]
    assert ran.stdout == "".join(f"{word}\0" for word in expected).encode()


@pytest.mark.parametrize("name", ["x" * LONGEST, "a\0b", "\udc80"])
def test_a_name_that_no_line_holds_has_no_command(name: str) -> None:
    """What cannot be typed is not written wrongly; what needs no such name is still there."""
    told = about(stands(State.BLOCKED), HELD)
    key = replace(told.change.incident.key, group=name)
    change = replace(told.change, incident=replace(told.change.incident, key=key))

    assert set(commands(replace(told, change=change), REACH)) == {"command_record"}


def test_a_hostile_topic_is_one_argument() -> None:
    """Kafka has no such topic; should somebody make lagmon believe in one, nothing else runs."""
    topic = "plays; reboot"
    row = replace(stands(State.BLOCKED), at=at(0, topic))

    words = shlex.split(commands(about(row), REACH)["command_skip"])

    assert f"--topic={topic}:0" in words
    assert "reboot" not in words
