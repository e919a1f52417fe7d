"""Reads the shipped configuration as values. Knows where it lies, not what it must say."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
RULES = DEPLOY / "prometheus/rules"
RULE_TESTS = DEPLOY / "prometheus/tests"
ALERTMANAGER = DEPLOY / "alertmanager/alertmanager.yml"
RUNBOOKS = ROOT / "docs/runbooks"


def read(path: Path) -> dict[str, Any]:
    """Read one YAML file that holds a mapping; what is given belongs to the caller."""
    return deepcopy(_parsed(path.read_text()))


@cache
def _parsed(text: str) -> dict[str, Any]:
    """Parse *text* once: hundreds of tests look into the same few files."""
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def services() -> dict[str, dict[str, Any]]:
    """Give the services of docker-compose.yml by name, anchors and merges resolved."""
    found: dict[str, dict[str, Any]] = read(COMPOSE)["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Give the services that run the image of our commands."""
    return {
        name: service for name, service in services().items() if service["image"] == "lagmon:local"
    }


def published(service: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Give (address on the host, port on the host, port in the container) of *service*."""
    parts = [str(entry).rsplit(":", 2) for entry in service.get("ports", [])]
    return [(host, int(outside), int(inside)) for host, outside, inside in parts]


def listening(service: dict[str, Any]) -> list[int]:
    """Give the ports on which the container of *service* can be reached by the others."""
    return [inside for *_, inside in published(service)] + [
        int(port) for port in service.get("expose", [])
    ]


def every_rule() -> list[dict[str, Any]]:
    """Give every rule that Prometheus is shipped with, recording ones too."""
    return [
        rule
        for path in sorted(RULES.glob("*.yml"))
        for group in read(path)["groups"]
        for rule in group["rules"]
    ]


def alerting_rules() -> list[dict[str, Any]]:
    """Give every alerting rule that Prometheus is shipped with."""
    return [rule for rule in every_rule() if "alert" in rule]
