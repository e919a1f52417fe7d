"""The page: 1001 records behind a stopped worker raise the P1, its return resolves it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from propagation import Producer
from propagation.testing import captured_spans
from tests.infra.product import Product, address
from tests.infra.reading import commit, header, record_at, samples
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.alertmanager import Alertmanager, WebhookReceiver
    from tests.infra.kafka import KafkaBroker
    from tests.integration.conftest import Game

JAEGER = "http://jaeger.test:16686"
HELD_SECONDS = 6  # three times the rule's `for` in the test of the boundary


def alert_of(alertmanager: Alertmanager, group: str) -> dict[str, Any] | None:
    """Give the firing P1 of *group* as Alertmanager has it, once its record was peeked at."""
    for alert in alertmanager.alerts():
        labels = alert["labels"]
        about = labels["alertname"], labels["group"]
        if about == ("KafkaConsumerLag", group) and "trace_id" in alert["annotations"]:
            return alert
    return None


def play_many(game: Game, count: int) -> set[str]:
    """Have *count* plays accepted, four at a time; give their trace ids."""
    with ThreadPoolExecutor(4) as pool:
        return {answer["trace_id"] for answer in pool.map(lambda _: game.play(), range(count))}


def test_a_stopped_worker_pages_once_and_resolves(
    game: Game, kafka: KafkaBroker, alertmanager: Alertmanager, webhook: WebhookReceiver
) -> None:
    """1001 unread plays raise one P1 that names the oldest one's trace; the worker ends it."""
    game.start_api()
    worker = game.start_worker()
    first = game.play()
    worker.wait_for_log("play_settled", play_id=first["play_id"])
    assert worker.stop() == 0
    lagmon = game.product.lagmon(
        poll_interval="1s", alertmanagers=[{"url": alertmanager.url}], links={"jaeger": JAEGER}
    )
    url = address(lagmon)

    unread = play_many(game, 1001)
    alert = until(lambda: alert_of(alertmanager, game.group), timeout=90, what="the P1")

    assert samples(url, "lagmon_group_lag_messages", {"group": game.group}) == [1001]
    assert alert["labels"]["priority"] == "P1"
    assert alert["labels"]["code"] == "KAFKA_CONSUMER_LAG"
    told = alert["annotations"]
    oldest = oldest_unread(kafka, game.topic, told)
    assert told["trace_id"] == oldest
    assert oldest in unread
    assert told["trace_url"] == f"{JAEGER}/trace/{oldest}"
    assert told["members"] == "0"

    game.start_worker()
    until(lambda: resolved(webhook), timeout=90, what="the resolve")

    states = [each["status"] for note in webhook.notifications() for each in note["alerts"]]
    assert states == ["firing", "resolved"]


def oldest_unread(kafka: KafkaBroker, topic: str, told: dict[str, str]) -> str:
    """Read the trace id out of the record that the alert names."""
    place = int(told["partition"]), int(told["offset"])
    record = record_at(kafka.bootstrap_servers, topic, *place)
    return (header(record, "traceparent") or "").split("-")[1]


def resolved(webhook: WebhookReceiver) -> bool:
    """Tell whether a resolve has come."""
    return any(note["status"] == "resolved" for note in webhook.notifications())


def test_a_lag_of_exactly_the_threshold_does_not_page(
    kafka: KafkaBroker, topic: str, alertmanager: Alertmanager
) -> None:
    """1000 held well beyond the rule's time raises nothing; one record more raises it."""
    group = f"group-of-{topic}"
    commit(kafka.bootstrap_servers, group, topic, offset=0)
    produce(kafka, topic, 1000)
    with Product(kafka=kafka.bootstrap_servers) as product:
        lagmon = product.lagmon(
            cluster={"groups": {"include": [group]}},
            poll_interval="500ms",
            alertmanagers=[{"url": alertmanager.url}],
            rules={"KafkaConsumerLag": {"for": "2s"}},
        )
        url = address(lagmon)
        of_group = {"group": group}
        until(lambda: lag(url, group) == 1000, what="a lag of 1000")
        first = samples(url, "lagmon_last_success_timestamp_seconds")[0]
        until(
            lambda: samples(url, "lagmon_last_success_timestamp_seconds")[0] > first + HELD_SECONDS,
            what=f"{HELD_SECONDS} s more of it",
        )
        assert samples(url, "lagmon_group_lag_messages", of_group) == [1000]
        assert alert_of(alertmanager, group) is None

        produce(kafka, topic, 1)

        until(lambda: alert_of(alertmanager, group), what="the P1 at 1001")
        assert samples(url, "lagmon_incident_open", of_group) == [1]


def lag(url: str, group: str) -> float | None:
    """Read the lag of *group*; ``None`` while there is none."""
    found = samples(url, "lagmon_group_lag_messages", {"group": group})
    return found[0] if found else None


def produce(kafka: KafkaBroker, topic: str, count: int) -> None:
    """Write *count* records to partition 0, each in a trace of its own."""
    with captured_spans(), Producer({"bootstrap.servers": kafka.bootstrap_servers}) as producer:
        for number in range(count):
            producer.produce(topic, value=b"play", key=str(number), partition=0)
        assert producer.flush(60) == 0
