"""The reference of rules and incidents says what the code does: conditions, times, windows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lagmon.alerts.conditions import NEVER_PAGED, Measure, parse
from lagmon.alerts.incidents import AWAY_SECONDS, REMIND_SECONDS, REPEAT_RESOLVE_SECONDS
from lagmon.alerts.maintenance import AHEAD_SECONDS
from lagmon.alerts.rules import SHIPPED
from lagmon.configuration.sources import load
from lagmon.model import State
from lagmon.notify.alertmanager import SENDINGS
from lagmon.notify.mailbox import PAUSES
from lagmon.state.keeper import KEEP_SECONDS
from tests.docs.pages import blocks, table, text

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "reference/lagmon-rules.md"
COUNTS = ("none", "one", "two", "three", "four", "five", "six")
CLUSTER = "clusters: [{name: production, bootstrap_servers: kafka:9092}]\n"


def test_each_condition_of_the_table_is_one() -> None:
    """What is shown can be written so, or is a shipped rule's own; and no measure is left out."""
    shown = [row[0].strip("`") for row in table(PAGE, "Conditions")[1:]]
    own = {str(rule.condition) for rule in SHIPPED if rule.condition.measure in ("value", "list")}

    written = [one for one in shown if one not in own]

    assert [str(parse(one)) for one in written] == written
    assert [one.partition(" ")[0] for one in shown] == [*Measure]


def test_the_shipped_rules_are_counted() -> None:
    """The page says how many there are, and names whose condition is nobody else's."""
    page = text(PAGE)

    assert f"{COUNTS[len(SHIPPED)].capitalize()} are shipped" in page
    for rule in SHIPPED:
        if rule.condition.measure in (Measure.VALUE, Measure.LIST):
            assert f"| `{rule.condition}` | `{rule.name}` alone" in page


def test_states_that_wake_nobody_are_named() -> None:
    """They are those that a rule is refused for."""
    [told] = re.findall(r"states? is one of these\. (.+?) are no reason", text(PAGE))

    assert {State(name) for name in re.findall(r"`(\w+)`", told)} == NEVER_PAGED


def test_times_are_those_of_the_code() -> None:
    """Reminders, the end that lies ahead, repeats, tries, windows and the file of the memory."""
    page = text(PAGE)
    tries = [f"{pause:g}" for pause in PAUSES]

    assert REMIND_SECONDS == 60
    assert AHEAD_SECONDS == 60
    assert (
        f"sent every minute, and with what was sent last its end lies {COUNTS[SENDINGS]} minutes"
        in page
    )
    assert f"A resolve is repeated for {REPEAT_RESOLVE_SECONDS / 60:g} minutes." in page
    assert f"tried again after {', '.join(tries[:-1])} and {tries[-1]} seconds." in page
    assert f"{AWAY_SECONDS / 60:g} minutes or more without a cycle" in page
    assert "The series begins a minute before the window" in page
    assert f"otherwise every {KEEP_SECONDS:g} seconds" in page


def test_the_windows_of_the_page_are_taken(tmp_path: Path) -> None:
    """What is shown of maintenance is read as settings."""
    [shown] = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    path = tmp_path / "lagmon.yml"
    path.write_text(CLUSTER + shown)

    settings = load(path)

    assert [window.name for window in settings.maintenance] == ["nightly batch", "broker upgrade"]
