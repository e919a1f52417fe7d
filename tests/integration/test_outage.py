"""lagmon while things break: Kafka gone and back, its own collector killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.infra import plain_http
from tests.infra.product import Product, address
from tests.infra.reading import commit, samples
from tests.infra.records import produce
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker

TOPIC, GROUP = "plays", "settlement"
LAG = "lagmon_group_lag_messages"


def with_a_lag_of_seven(kafka: KafkaBroker) -> None:
    """Leave a group with a commit at 3 on ten records."""
    kafka.create_topic(TOPIC, partitions=1)
    produce(kafka.bootstrap_servers, TOPIC, *[b"play"] * 10)
    commit(kafka.bootstrap_servers, GROUP, TOPIC, offset=3)


def test_an_outage_of_kafka_is_never_a_lag_of_nothing(own_kafka: KafkaBroker) -> None:
    """Kafka killed: the page answers, lagmon_up is 0, no lag turns 0; Kafka back: values return."""
    with_a_lag_of_seven(own_kafka)
    with Product(kafka=own_kafka.bootstrap_servers) as product:
        url = address(product.lagmon(poll_interval="1s", request_timeout="2s", cycle_deadline="6s"))
        until(lambda: samples(url, LAG) == [7], what="a lag of 7")

        seen: list[float] = []

        def lags() -> list[float]:
            found = samples(url, LAG)
            seen.extend(found)
            return found

        own_kafka.kill()
        until(lambda: (lags(), samples(url, "lagmon_up"))[1] == [0], what="lagmon_up 0")
        until(lambda: not lags(), timeout=60, what="the values to expire")
        own_kafka.start()
        until(lambda: samples(url, LAG) == [7], timeout=90, what="the values to return")

        assert set(seen) == {7}
        assert samples(url, "lagmon_up") == [1]


def test_a_killed_collector_is_replaced_and_counted(kafka: KafkaBroker) -> None:
    """The collector killed with SIGKILL: the page stays, a new one works, the counter says 1."""
    with Product(kafka=kafka.bootstrap_servers) as product:
        lagmon = product.lagmon(poll_interval="1s")
        url = address(lagmon)
        first = lagmon.wait_for_log("collector_started", timeout=60)["pid"]
        until(lambda: samples(url, "lagmon_up") == [1], what="the first snapshot")

        os.kill(first, signal.SIGKILL)
        lagmon.wait_for_log("collector_lost")
        page = plain_http.get(f"{url}/metrics", timeout=30)
        until(
            lambda: (
                samples(url, "lagmon_collector_restarts_total") == [1]
                and samples(url, "lagmon_up") == [1]
            ),
            what="a new collector's snapshot",
        )

        assert page.status_code == 200
        started = [line["pid"] for line in lagmon.logs() if line["event"] == "collector_started"]
        assert len(set(started)) == 2
