"""The only Alertmanager is away: PagerDuty is told once, over a restart, and of the end as well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.pagerduty import ROUTING_KEY, PagerDuty
from tests.infra.product import Product, address
from tests.infra.reading import commit, samples
from tests.infra.records import produce
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.alertmanager import Alertmanager, WebhookReceiver
    from tests.infra.kafka import KafkaBroker
    from tests.infra.process import Service

pytestmark = pytest.mark.timeout(300)

WAIT_SECONDS = 90  # a notice is tried again after 1, 2, 4, 8 and 16 s
CYCLES = 10  # in which a second page would have gone out


@pytest.fixture
def product(kafka: KafkaBroker) -> Iterator[Product]:
    """Give the services on the shared broker; what they leave running ends."""
    with Product(kafka=kafka.bootstrap_servers) as product:
        yield product


def settings(folder: Path, group: str, alertmanager: str, pagerduty: str) -> dict[str, Any]:
    """Give settings that page soon, and fall back soon."""
    key = folder / "routing-key"
    key.write_text(ROUTING_KEY)
    fallback = {"routing_key_file": str(key), "fallback_after": "2s", "url": pagerduty}
    return {
        "cluster": {"groups": {"include": [group]}},
        "poll_interval": "500ms",
        "rules": {"KafkaConsumerLag": {"threshold": 5, "for": "1s"}},
        "alertmanagers": [{"url": alertmanager}],
        "pagerduty": fallback,
        "state": {"path": str(folder / "state.json")},
    }


def cycles(lagmon: Service) -> float:
    """Count the cycles of *lagmon* so far."""
    return sum(samples(address(lagmon), "lagmon_cycles_total"))


def told(path: Path) -> list[str]:
    """Give what PagerDuty knows of each page, as the state file has it."""
    paged = json.loads(path.read_text())["paged"] if path.exists() else None
    return [page["told"] for page in paged or []]


def test_a_page_reaches_pagerduty_once_and_ends_there(
    product: Product,
    topic: str,
    tmp_path: Path,
    alertmanager: Alertmanager,
    webhook: WebhookReceiver,
) -> None:
    """Killed, started again, the Alertmanager back: still one page, and its end."""
    group, state = f"group-of-{topic}", tmp_path / "state.json"
    commit(product.kafka, group, topic, offset=0)
    produce(product.kafka, topic, *[b"play"] * 10)
    alertmanager.stop()
    with PagerDuty() as pagerduty:
        given = settings(tmp_path, group, alertmanager.url, pagerduty.url)
        first = product.lagmon(**given)
        until(pagerduty.events, timeout=WAIT_SECONDS, what="the page at PagerDuty")
        until(lambda: told(state) == ["yes"], timeout=WAIT_SECONDS, what="the page to be kept")
        first.kill()

        second = product.lagmon(**given)
        failed = second.wait_for_log("notifier_failed", timeout=WAIT_SECONDS)
        before = cycles(second)
        until(lambda: cycles(second) > before + CYCLES, timeout=WAIT_SECONDS, what="cycles")
        assert pagerduty.actions() == ["trigger"]
        alertmanager.start()
        until(webhook.notifications, timeout=WAIT_SECONDS, what="the page by Alertmanager")

        commit(product.kafka, group, topic, offset=10)
        until(lambda: pagerduty.actions()[1:], timeout=WAIT_SECONDS, what="the end of the page")
        until(lambda: told(state) == [], timeout=WAIT_SECONDS, what="the page to be forgotten")
        where = pagerduty.url.partition("://")[2]
        counted = {"notifier": f"pagerduty:{where}", "outcome": "sent"}
        name = "lagmon_notifications_total"
        until(
            lambda: samples(address(second), name, counted), timeout=WAIT_SECONDS, what="the count"
        )

        assert failed["notifier"].startswith("alertmanager:")
        assert pagerduty.actions() == ["trigger", "resolve"]
        assert pagerduty.open() == set()
        payload = pagerduty.events()[0]["payload"]
        assert payload["component"] == group
        assert f"--group={group}" in payload["custom_details"]["command_describe"]
        output = "\n".join(first.lines() + second.lines()) + state.read_text()
        assert ROUTING_KEY not in output
