"""Each limit is tried at the limit: were it reached where it may not be passed, a case would fail.

The rules are taken with every ``>`` made a ``>=`` and every ``<`` a ``<=``, and of the cases those
that stay silent throughout. Promtool must find each file of them wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.files import RULE_TESTS, RULES, alerting_rules, read
from tests.deploy.unittested import tried_by_file

if TYPE_CHECKING:
    from pathlib import Path

# A comparison with a number, or with what an objective allows; not `== 0`, which has no limit.
LIMIT = re.compile(r"(?<![<>=!~])([<>])(?= [\d(]| 1 -)")
limited = sorted(rule["alert"] for rule in alerting_rules() if LIMIT.search(rule["expr"]))


def loosened(path: Path) -> dict[str, Any]:
    """Give the rules of a file, each alert with limits that fire when they are reached."""
    content = read(path)
    for group in content["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                rule["expr"] = LIMIT.sub(r"\1=", rule["expr"])
    return content


def silent(path: Path) -> dict[str, Any]:
    """Give the cases of a file in which nothing ever fires; values are texts, as promtool wants."""
    content: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - a loader of texts alone, safer than the safe one
    cases = [
        {key: value for key, value in case.items() if key != "promql_expr_test"}
        for case in content["tests"]
        if not any(each["exp_alerts"] for each in case.get("alert_rule_test", []))
    ]
    return content | {"tests": cases}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give what promtool says of the silent cases, all at once, with the loosened rules."""
    folder: Path = tmp_path_factory.mktemp("limits")
    for name in ("rules", "tests"):
        (folder / name).mkdir()
    for path in RULES.glob("*.yml"):
        (folder / "rules" / path.name).write_text(yaml.safe_dump(loosened(path)))
    for name in limited:
        cases = yaml.safe_dump(silent(RULE_TESTS / f"{name}.yml"))
        (folder / "tests" / f"{name}.yml").write_text(cases)

    return tried_by_file(sorted((folder / "tests").iterdir()))


@pytest.mark.parametrize("name", limited)
def test_a_case_stays_silent_exactly_at_the_limit(name: str, said: dict[str, str]) -> None:
    """With a limit that fires when it is reached, a case that is silent fires."""
    assert said[name].startswith("FAILED")
    assert f"alertname: {name}," in said[name]


def test_most_alerts_have_a_limit() -> None:
    """None is left out by an oversight: the others ask whether something is there, or is so."""
    without = {rule["alert"] for rule in alerting_rules()} - set(limited)

    assert without == {
        "ApiAbsent",
        "CircuitBreakerOpen",
        "KafkaBrokerAbsent",
        "KafkaClusterBlind",
        "KafkaConsumerFallingBehind",
        "KafkaConsumerStuck",
        "LagmonAbsent",
        "NoPlays",
        "PostgresDown",
        "WorkerAbsent",
    }
