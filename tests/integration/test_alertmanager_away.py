"""Alertmanager is away while an incident opens: nothing waits for it, and it is told once."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.alertmanager import Alertmanager
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.product import Product, address
from tests.infra.reading import commit, samples
from tests.infra.records import produce
from tests.infra.require import required
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.alertmanager import WebhookReceiver
    from tests.infra.kafka import KafkaBroker
    from tests.infra.process import Service

pytestmark = pytest.mark.timeout(240)

WAIT_SECONDS = 90  # a notice is tried again after 1, 2, 4, 8 and 16 s
ROUNDED = 0.01  # seconds; an alert has milliseconds
CYCLES = 5  # a quarter of those that fit into the time for which an answer is waited for


@pytest.fixture
def product(kafka: KafkaBroker) -> Iterator[Product]:
    """Give the services on the shared broker; what they leave running ends."""
    with Product(kafka=kafka.bootstrap_servers) as product:
        yield product


def behind(
    product: Product, topic: str, *alertmanagers: Alertmanager, **settings: Any
) -> tuple[Service, str]:
    """Have a group fall behind so far that lagmon opens an incident; give lagmon and the group."""
    group = f"group-of-{topic}"
    commit(product.kafka, group, topic, offset=0)
    produce(product.kafka, topic, *[b"play"] * 10)
    lagmon = product.lagmon(
        cluster={"groups": {"include": [group]}},
        poll_interval="500ms",
        alertmanagers=[{"url": each.url} for each in alertmanagers],
        rules={"KafkaConsumerLag": {"threshold": 5, "for": "1s"}},
        **settings,
    )
    return lagmon, group


def alerts(webhook: WebhookReceiver) -> list[dict[str, Any]]:
    """Give the alerts that somebody was told, in order."""
    return [each for note in webhook.notifications() for each in note["alerts"]]


def cycles(url: str) -> float:
    """Count the cycles of lagmon so far."""
    return sum(samples(url, "lagmon_cycles_total"))


def failures(lagmon: Service) -> int:
    """Count the tries that failed."""
    return [line["event"] for line in lagmon.logs()].count("notifier_failed")


def told_once(lagmon: Service, webhook: WebhookReceiver, group: str) -> None:
    """Wait for the page; there is one, and it says since when it should have been there."""
    opened = lagmon.wait_for_log("incident_opened", group=group)

    until(lambda: alerts(webhook), timeout=WAIT_SECONDS, what="the page")

    (page,) = alerts(webhook)
    assert (page["status"], page["labels"]["group"]) == ("firing", group)
    late = datetime.fromisoformat(page["startsAt"]) - datetime.fromisoformat(opened["timestamp"])
    assert late < timedelta(seconds=ROUNDED), "it began when it was found, not when it was told"
    assert [line["event"] for line in lagmon.logs()].count("incident_opened") == 1


@contextmanager
def frozen(alertmanager: Alertmanager) -> Iterator[None]:
    """Have *alertmanager* stand still: it takes connections, and answers nobody."""
    os.kill(alertmanager.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(alertmanager.pid, signal.SIGCONT)


def test_an_alertmanager_that_comes_later_is_told(
    product: Product, topic: str, alertmanager: Alertmanager, webhook: WebhookReceiver
) -> None:
    """Stopped while the incident opens, started after two tries failed: one page, then its end."""
    alertmanager.stop()
    lagmon, group = behind(product, topic, alertmanager)
    url = address(lagmon)
    lagmon.wait_for_log("incident_opened", timeout=WAIT_SECONDS, group=group)
    before = cycles(url)
    until(lambda: failures(lagmon) >= 2, timeout=WAIT_SECONDS, what="two tries that failed")
    until(lambda: cycles(url) > before + CYCLES, timeout=WAIT_SECONDS, what="further cycles")
    assert alerts(webhook) == []

    alertmanager.start()
    told_once(lagmon, webhook, group)

    commit(product.kafka, group, topic, offset=10)
    until(lambda: len(alerts(webhook)) > 1, timeout=WAIT_SECONDS, what="the resolve")
    assert [each["status"] for each in alerts(webhook)] == ["firing", "resolved"]


def test_an_alertmanager_that_stands_still_delays_nothing(
    product: Product, topic: str, alertmanager: Alertmanager, webhook: WebhookReceiver
) -> None:
    """While it is waited for, cycle follows cycle and the page is served; then it is told once."""
    with frozen(alertmanager):
        lagmon, group = behind(product, topic, alertmanager)
        url = address(lagmon)
        lagmon.wait_for_log("incident_opened", timeout=WAIT_SECONDS, group=group)
        before = cycles(url)

        failed = lagmon.wait_for_log("notifier_failed", timeout=WAIT_SECONDS, outcome="timeout")
        meanwhile = cycles(url) - before

    assert failed["notifier"].startswith("alertmanager:")
    assert meanwhile >= CYCLES
    told_once(lagmon, webhook, group)


def test_a_receiver_that_stands_still_delays_no_other(
    product: Product,
    topic: str,
    tmp_path: Path,
    alertmanager: Alertmanager,
    webhook: WebhookReceiver,
) -> None:
    """While one Alertmanager hangs, another one and a webhook are told; each has its own count."""
    taken: list[Request] = []

    def take(request: Request) -> Response:
        taken.append(request)
        return Response()

    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    with ExitStack() as stack:
        with required():
            hanging = stack.enter_context(Alertmanager())
        hook = stack.enter_context(Endpoint(take))
        stack.enter_context(frozen(hanging))
        lagmon, group = behind(
            product,
            topic,
            hanging,
            alertmanager,
            webhooks=[{"url": hook.address, "secret_file": str(secret)}],
        )
        url = address(lagmon)

        told_once(lagmon, webhook, group)
        until(lambda: taken, timeout=WAIT_SECONDS, what="the webhook to be told")
        failed = lagmon.wait_for_log("notifier_failed", timeout=WAIT_SECONDS, outcome="timeout")
        until(
            lambda: outcomes(url, hanging.url) == {"timeout"}, timeout=WAIT_SECONDS, what="counts"
        )

        assert failed["notifier"] == f"alertmanager:{hanging.url.partition('://')[2]}"
        until(
            lambda: outcomes(url, alertmanager.url) == outcomes(url, hook.address) == {"sent"},
            timeout=WAIT_SECONDS,
            what="the others' counts",
        )
        (alert,) = json.loads(taken[0].body)["alerts"]
        assert (alert["status"], alert["labels"]["group"]) == ("firing", group)


def outcomes(url: str, receiver: str) -> set[str]:
    """Give what became of all that lagmon at *url* had for *receiver*."""
    where = receiver.partition("://")[2]
    return {
        outcome
        for outcome in ("sent", "rejected", "failed", "timeout", "dropped")
        for kind in ("alertmanager", "webhook")
        if samples(
            url,
            "lagmon_notifications_total",
            {"notifier": f"{kind}:{where}", "outcome": outcome},
        )
    }
