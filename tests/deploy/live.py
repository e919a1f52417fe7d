"""The whole stack on this host: our services, real Kafka and Postgres, and all that scrapes them.

Prometheus and Alertmanager run by the shipped files, in which only addresses are others: what the
compose file calls by name answers here on 127.0.0.1. It ends with this process.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx

from tests.deploy import moved
from tests.deploy.files import DEPLOY, read
from tests.deploy.paging import Paging
from tests.infra import kafka_jmx
from tests.infra.certificates import Authority
from tests.infra.kafka import KafkaBroker
from tests.infra.otlp import OtlpReceiver
from tests.infra.ports import free_port
from tests.infra.postgres import Postgres
from tests.infra.process import Service
from tests.infra.product import Product, address
from tests.infra.prometheus import Prometheus
from tests.infra.records import produce
from tests.infra.require import program
from tests.infra.wait import until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

LAGMON = DEPLOY / "lagmon/lagmon.yml"
BLACKBOX = DEPLOY / "blackbox/blackbox.yml"
TOPIC, PARTITIONS = "game.slots.plays", 4  # as the compose file creates them
PLAY = {"player_id": "p-1", "game": "lucky-sevens", "bet": 100}
ACCEPTED = 202
TOO_MANY = 1001  # unread messages, of which the shipped rule allows 1000
COMMITTED = f'lagmon_partition_committed_offset{{topic="{TOPIC}", partition="0"}}'
UP_SECONDS = 180  # a scrape_interval and the start of everything, on a machine that does much else


class Live:
    """Everything, started and scraped. A context manager; its files are kept in *folder*.

    Without *telling* lagmon tells nobody of its incidents, so that Prometheus's copy pages alone.
    """

    def __init__(self, folder: Path, *, telling: bool = True) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self._telling = telling
        self._places: dict[str, str] = {}
        self.kafka: KafkaBroker
        self.spans = OtlpReceiver()
        self.paging: Paging
        self.prometheus: Prometheus
        self.worker: Service
        self.api = self.lagmon = ""

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self._start(started)
            self._stack = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self, **changed: Any) -> httpx.Response:
        """Ask the API for a play, *changed* from a good one."""
        return httpx.post(f"{self.api}/game/slots/play", json=PLAY | changed, timeout=30)

    def settled_later(self) -> str:
        """Have a play accepted, however long the start takes; give its trace id."""

        def accepted() -> str | None:
            answer = self.play()
            return str(answer.json()["trace_id"]) if answer.status_code == ACCEPTED else None

        return until(accepted, timeout=UP_SECONDS, every=1, what="a play to be accepted")

    def send(self, *values: bytes, partition: int = 0) -> None:
        """Write *values* to the topic of plays past the API."""
        produce(self.kafka.bootstrap_servers, TOPIC, *values, partition=partition)

    def fall_behind(self) -> None:
        """Stop the worker and leave more unread than the shipped rule allows.

        Partition 0 is committed before: without a commit nobody can say what is unread.
        """
        self.send(b"no play")
        until(lambda: self.prometheus.query(COMMITTED), timeout=UP_SECONDS, what="a commit")
        self.worker.stop()
        self.send(*[b"{}"] * TOO_MANY)

    def up(self) -> dict[str, str]:
        """Give of each target of Prometheus, as JOB INSTANCE, why it is not up; empty if it is."""
        return {
            f"{each['labels']['job']} {each['labels']['instance']}": each["lastError"]
            or ("" if each["health"] == "up" else each["health"])
            for each in self.prometheus.data("targets", state="active")["activeTargets"]
        }

    def wait_until_up(self) -> dict[str, str]:
        """Wait until Prometheus has scraped every target; give what `up` says then."""

        def all_up() -> dict[str, str] | None:
            found = self.up()
            return None if any(found.values()) else found

        return until(all_up, timeout=UP_SECONDS, every=0.5, what="every target to be up")

    def _start(self, started: ExitStack) -> None:
        database = started.enter_context(Postgres())
        url = database.create_database()
        self._exporters(started, url)
        self.paging = started.enter_context(Paging(self._folder))
        jmx = free_port()
        self._places["kafka:9404"] = f"127.0.0.1:{jmx}"
        self.kafka = KafkaBroker(own=True, java_options=kafka_jmx.options(jmx))
        started.enter_context(self.kafka)
        self.kafka.create_topic(TOPIC, PARTITIONS)
        self.kafka.create_topic(f"{TOPIC}.dlq")
        started.enter_context(self.spans)
        self._services(started, url)
        own = f"127.0.0.1:{free_port()}"
        self._places |= {"localhost:9090": own, "alertmanager:9093": bare(self.paging.url)}
        config = moved.written(self._folder / "prometheus", self._places, self._encrypted(started))
        options = moved.features()
        self.prometheus = Prometheus(config=config, options=options, address=own)
        started.enter_context(self.prometheus)

    def _exporters(self, started: ExitStack, database: str) -> None:
        settings = {"DATA_SOURCE_NAME": f"{database}?sslmode=disable"}
        self._exporter(started, "node-exporter:9100", "prometheus-node-exporter")
        self._exporter(started, "postgres-exporter:9187", "prometheus-postgres-exporter", settings)
        self._exporter(
            started,
            "blackbox-exporter:9115",
            "prometheus-blackbox-exporter",
            {},
            f"--config.file={BLACKBOX}",
        )

    def _exporter(
        self,
        started: ExitStack,
        place: str,
        name: str,
        settings: dict[str, str] | None = None,
        *options: str,
    ) -> None:
        binary = program(name, f"install the Debian package {name}")
        self._places[place] = listens = f"127.0.0.1:{free_port()}"
        command = [binary, f"--web.listen-address={listens}", *options]
        started.enter_context(Service(command, name=name, env={**os.environ, **(settings or {})}))

    def _encrypted(self, started: ExitStack) -> str:
        """Start something that shows a certificate; give its HOST:PORT."""
        key, certificate = Authority(self._folder).sign("here")
        serving = self._folder / "web.yml"
        serving.write_text(f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}")
        place, option = "encrypted:443", f"--web.config.file={serving}"
        self._exporter(started, place, "prometheus-node-exporter", {}, option)
        return self._places[place]

    def _services(self, started: ExitStack, database: str) -> None:
        product = started.enter_context(
            Product(kafka=self.kafka.bootstrap_servers, database=database, otlp=self.spans.endpoint)
        )
        product.migrate()
        api, fintech = product.api(), product.fintech()
        lagmon = product.lagmon(**self._lagmon_settings())
        partner = address(fintech)
        self.worker = product.worker(
            CONSUMERS_FINTECH_URL=partner, CONSUMERS_OFFSET_RESET="earliest"
        )
        self.api, self.lagmon = address(api), address(lagmon)
        self._places |= {
            "api:8080": bare(self.api),
            "worker:8081": bare(address(self.worker)),
            "fintech:8082": bare(partner),
            "lagmon:10308": bare(self.lagmon),
        }

    def _lagmon_settings(self) -> dict[str, Any]:
        shipped = read(LAGMON)
        (cluster,) = shipped["clusters"]
        here = {
            "cluster": cluster | {"bootstrap_servers": self.kafka.bootstrap_servers},
            "alertmanagers": [{"url": self.paging.url}] if self._telling else [],
        }
        elsewhere = {"clusters", "web", "state"}  # the ports and the folders of a container
        return {name: each for name, each in shipped.items() if name not in elsewhere} | here


def bare(url: str) -> str:
    """Give HOST:PORT of *url*."""
    return url.removeprefix("http://")
