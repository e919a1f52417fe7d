"""A real Prometheus reads the page of a real lagmon on a real broker."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from lagmon import metrics, upkeep
from tests.infra import plain_http
from tests.infra.product import Product, address
from tests.infra.prometheus import Prometheus
from tests.infra.reading import commit
from tests.infra.records import produce
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker

HOSTILE = 'a"b\\c\nd'


def test_prometheus_reads_every_series_with_its_kind(kafka: KafkaBroker, topic: str) -> None:
    """As OpenMetrics, hostile names and kafka_exporter's too; promtool accepts the same page."""
    produce(kafka.bootstrap_servers, topic, *[b"play"] * 10)
    group, hostile = f"{topic}-settle", f"{topic}-{HOSTILE}"
    for name, offset in ((group, 3), (hostile, 10)):
        commit(kafka.bootstrap_servers, name, topic, offset=offset)

    with Product(kafka=kafka.bootstrap_servers) as product:
        lagmon = product.lagmon(poll_interval="1s", metrics={"compatibility": "kafka_exporter"})
        url = address(lagmon)
        with Prometheus(url.removeprefix("http://")) as prometheus:

            def lag_of(name: str, label: str) -> list[str]:
                found = prometheus.query(name)
                return [one["value"][1] for one in found if one["metric"].get(label) == group]

            def hostile_is_shown() -> bool:
                shown = prometheus.query("lagmon_group_lag_messages")
                begins = f'{topic}-a"b\\c\N{REPLACEMENT CHARACTER}d'
                return any(one["metric"]["group"].startswith(begins) for one in shown)

            def is_up() -> bool:
                return [one["value"][1] for one in prometheus.query('up{job="lagmon"}')] == ["1"]

            # A scrape may be late on a busy machine: what was read is forgotten then.
            for what in (
                lambda: lag_of("lagmon_partition_lag_messages", "group") == ["7"],
                lambda: lag_of("kafka_consumergroup_lag", "consumergroup") == ["7"],
                hostile_is_shown,
                is_up,
            ):
                until(what, what="the page in Prometheus")
            kinds = {name: told[0]["type"] for name, told in prometheus.metadata().items()}
            assert_kinds(kinds)

        promtool(plain_http.get(f"{url}/metrics", timeout=60).content)


def assert_kinds(kinds: dict[str, Any]) -> None:
    """Prometheus keeps the kind of a counter under the name without its end, as it was told."""
    register = (*metrics.REGISTER, *upkeep.REGISTER)
    known = {metric.name.removesuffix("_total"): metric.kind.value for metric in register}
    found = {name: kind for name, kind in kinds.items() if name.startswith("lagmon_")}

    assert found
    assert found.items() <= known.items()


def promtool(page: bytes) -> None:
    """Accept lagmon's own part of *page* without a remark."""
    need("promtool", "apt-get install prometheus")
    own = b"".join(line for line in page.splitlines(keepends=True) if b"kafka_con" not in line[:20])
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=own, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
