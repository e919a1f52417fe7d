"""The scenery of the demo: embedded Kafka and Postgres, a trace receiver, a pager, our services.

Everything started here ends with the `Stage`, or with the process that holds it.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx

from demo.pages import Pager
from tests.infra.mock_kafka import MockKafka
from tests.infra.otlp import OtlpReceiver
from tests.infra.postgres import Postgres
from tests.infra.product import Product, address

if TYPE_CHECKING:
    from typing import Self

    from tests.infra.process import Service

TOPIC = "game.slots.plays"
GROUP = "game-consumer"
# librdkafka's mock cluster lets the older protocol wait 44 s for the session of a member that left,
# and answers a waiting fetch only when its time is over, not when a record comes.
FOR_THE_MOCK = {"group.protocol": "consumer", "fetch.wait.max.ms": "20"}


class Stage:
    """Kafka, Postgres, a trace receiver, a pager and the product's services. A context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.kafka = MockKafka(TOPIC, f"{TOPIC}.dlq")
        self.postgres = Postgres(embedded=True)
        self.traces = OtlpReceiver()
        self.pager = Pager()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for component in (self.kafka, self.postgres, self.traces, self.pager):
                stack.enter_context(component)
            self.database = self.postgres.create_database()
            self.product = stack.enter_context(
                Product(
                    kafka=self.kafka.bootstrap_servers,
                    database=self.database,
                    otlp=self.traces.endpoint,
                    client=FOR_THE_MOCK,
                )
            )
            # What has piled up is settled with the partner, a request each: not one at a time.
            self.product.environment["CONSUMERS_LANES"] = "8"
            # A few players play more than players can.
            self.product.environment["CONSUMERS_RATE_LIMIT"] = "1000/second"
            # The first play is made before the worker has joined its group.
            self.product.environment["CONSUMERS_OFFSET_RESET"] = "earliest"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def partner(self) -> Service:
        """Start the fintech partner's stand-in; every worker from now on settles through it."""
        partner = self.product.fintech()
        self.product.environment["CONSUMERS_FINTECH_URL"] = address(partner)
        return partner

    def lagmon(self) -> Service:
        """Start the monitor; the mock cluster cannot list its groups, so they are named."""
        return self.product.lagmon(
            cluster={"name": "demo", "groups": {"static": {GROUP: [TOPIC]}}},
            poll_interval="1s",
            alertmanagers=[{"url": self.pager.url}],
            links={"jaeger": "http://localhost:16686"},
        )


def get(url: str) -> httpx.Response:
    """Fetch *url*; a minute at most."""
    return httpx.get(url, timeout=60)
