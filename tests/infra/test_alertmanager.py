"""Alertmanager and the webhook behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.infra import plain_http
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.alertmanager import Alertmanager, WebhookReceiver

LABELS = {"alertname": "KafkaConsumerLag", "group": "game-consumer"}
LONG_AGO = "2020-01-01T00:00:00Z"


def send(alertmanager: Alertmanager, **alert: Any) -> None:
    """Post one alert with our labels by API v2."""
    alerts = [{"labels": LABELS, **alert}]
    plain_http.post(f"{alertmanager.url}/api/v2/alerts", json=alerts, timeout=60).raise_for_status()


def test_an_alert_is_taken(alertmanager: Alertmanager) -> None:
    """An alert that was posted is listed with its labels and annotations."""
    send(alertmanager, annotations={"value": "1200"})

    (held,) = until(alertmanager.alerts, what="the alert")

    assert (held["labels"], held["annotations"]) == (LABELS, {"value": "1200"})


def test_the_webhook_gets_it(alertmanager: Alertmanager, webhook: WebhookReceiver) -> None:
    """An alert reaches the webhook in a notification of its own."""
    send(alertmanager, annotations={"value": "1200"})

    (notification,) = until(webhook.notifications, what="the notification")

    (alert,) = notification["alerts"]
    assert (alert["status"], alert["labels"]) == ("firing", LABELS)
    assert alert["annotations"] == {"value": "1200"}


def test_the_webhook_gets_the_resolve(alertmanager: Alertmanager, webhook: WebhookReceiver) -> None:
    """An alert that ends is told to the webhook as resolved."""
    send(alertmanager)
    until(webhook.notifications, what="the firing notification")

    send(alertmanager, startsAt=LONG_AGO, endsAt=LONG_AGO)

    told = until(lambda: webhook.notifications()[1:], what="the resolve")
    assert [alert["status"] for alert in told[0]["alerts"]] == ["resolved"]


def test_notifications_are_forgotten_on_demand(
    alertmanager: Alertmanager, webhook: WebhookReceiver
) -> None:
    """After clear() nothing is listed until the next notification."""
    send(alertmanager)
    until(webhook.notifications, what="the notification")

    webhook.clear()

    assert webhook.notifications() == []
