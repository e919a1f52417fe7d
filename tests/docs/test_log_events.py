"""The page on log events has every one that the packages log, under its level."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import DOCS, table

PAGE = "reference/log-events.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
# Handed to the logger by another function, or with a level that is decided there.
HANDED = {
    "lagmon": {"groups_list_incomplete": "warning", "topics_hidden": "warning"},
    "consumers": {
        "kafka_client": "as librdkafka says",
        "partitions_assigned": "info",
        "partitions_lost": "info",
        "partitions_revoked": "info",
    },
    "propagation": {"request_served": "info"},
}
EVENT = re.compile(r"([a-z]+(?:_[a-z]+)+)(?::.*)?$", re.DOTALL)


def logged(package: str) -> dict[str, str]:
    """Give the events that the modules of *package* log with their levels, in words of the page."""
    found: dict[str, set[str]] = {}
    for file in (DOCS.parent / package).rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and call.args and (level := level_of(call)):
                for event in events_of(call.args[0]):
                    found.setdefault(event, set()).add(level)
    return {event: " or ".join(sorted(levels)) for event, levels in found.items()} | HANDED[package]


def level_of(call: ast.Call) -> str:
    """Give the level of *call* of a logger, or nothing if it is no such call."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in LEVELS:
        return ""
    return "error" if call.func.attr == "exception" else call.func.attr


def events_of(argument: ast.expr) -> set[str]:
    """Give the names of events that *argument*, the first of a call, may be."""
    words = [node.value for node in ast.walk(argument) if isinstance(node, ast.Constant)]
    matches = [EVENT.match(word) for word in words if isinstance(word, str)]
    return {match[1] for match in matches if match}


@pytest.mark.parametrize("package", HANDED)
def test_every_event_is_on_the_page_under_its_level(package: str) -> None:
    """Each event of a package has its row, by name, with its level; and no other is there."""
    rows = [(row[0].strip("`"), row[1]) for row in table(PAGE, package)[1:]]

    assert rows == sorted(logged(package).items())


@pytest.mark.parametrize("package", HANDED)
def test_every_event_says_when_it_is_logged(package: str) -> None:
    """No row is without a few words on what happened."""
    assert [row[0] for row in table(PAGE, package)[1:] if len(row[2].split()) < 2] == []
