"""The shipped configuration of Prometheus with other addresses. Everything else stays as it is.

But for one thing: what is scraped or evaluated less often than the rest, because it changes in
days, is here as often as the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.deploy.files import DEPLOY, RULES, read, services

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROMETHEUS = DEPLOY / "prometheus/prometheus.yml"
SELDOM = re.compile(r"\d+m|30s")  # an interval that is longer than that of the rest
# Services that cannot run here, and why. Of a job of the same name nothing is left.
ELSEWHERE: dict[str, str] = {
    "grafana": "no package of this system has it",
    "loki": "no package of this system has it",
    "alloy": "it collects the logs of containers, and no package of this system has it",
    "jaeger": "no package of this system has it; tests/deploy/test_jaeger.py runs it where it is",
    "load": "the tests play themselves",
}


def written(folder: Path, places: Mapping[str, str], encrypted: str) -> Path:
    """Write the configuration and the rules into *folder*; give the configuration's path.

    *places* says for each HOST:PORT of the stack where it is here. *encrypted* shows a certificate.
    """
    for name in ("rules", "targets"):
        (folder / name).mkdir(parents=True)
    for path in RULES.glob("*.yml"):
        (folder / "rules" / path.name).write_text(yaml.safe_dump(_often(read(path))))
    (folder / "targets/tls.yml").write_text(yaml.safe_dump([{"targets": [encrypted]}]))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration(read(PROMETHEUS), places)))
    return path


def configuration(shipped: dict[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Give *shipped* with each address as *places* has it, without what is `ELSEWHERE`."""
    jobs = [_here(job) for job in shipped["scrape_configs"] if job["job_name"] not in ELSEWHERE]
    found: dict[str, Any] = _moved(shipped | {"scrape_configs": jobs}, places)
    return found


def features() -> list[str]:
    """Give the options by which the compose file enables what Prometheus does not do by itself."""
    command = services()["prometheus"]["command"]
    return [option for option in command if option.startswith("--enable-feature")]


def _often(rules: dict[str, Any]) -> dict[str, Any]:
    """Give *rules* without the intervals that are longer than that of the rest."""
    return {"groups": [_hurried(group, "interval") for group in rules["groups"]]}


def _hurried(part: dict[str, Any], interval: str) -> dict[str, Any]:
    seldom = SELDOM.fullmatch(part.get(interval, ""))
    return {name: each for name, each in part.items() if name != interval or not seldom}


def _here(job: dict[str, Any]) -> dict[str, Any]:
    """Give *job* with fixed targets for names that are looked up in the DNS, and those of here."""
    fixed = job.get("static_configs", []) + [
        {"targets": [f"{name}:{each['port']}" for name in each["names"]]}
        for each in job.get("dns_sd_configs", [])
    ]
    kept = [
        {"targets": [target for target in each["targets"] if not _elsewhere(target)]}
        for each in fixed
    ]
    rest = {name: each for name, each in job.items() if name != "dns_sd_configs"}
    rest = _hurried(rest, "scrape_interval")
    return rest | ({"static_configs": kept} if kept else {})


def _elsewhere(target: str) -> bool:
    return target.removeprefix("http://").partition(":")[0] in ELSEWHERE


def _moved(value: Any, places: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {name: _moved(each, places) for name, each in value.items()}
        case list():
            return [_moved(each, places) for each in value]
        case str():
            return re.sub(r"[a-z-]+:\d+", lambda found: places.get(found[0], found[0]), value)
        case _:
            return value
