"""lagmon and other exporters at work on one real cluster: 2,000 groups with a member each.

The cluster is that of the benchmark of collecting, and so are the partners: what they answer has to
have the lag of each of the 20,000 group partitions.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from lagmon_collect_live import OFFSETS_PARTITIONS, Partner, partner, populated, said

from tests.infra.kafka import KafkaBroker
from tests.infra.product import Product, address

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTNERS: Final = {"kafka_exporter": "KAFKA_EXPORTER_BIN", "kminion": "KMINION_BIN"}
SCRAPES: Final = 3  # of a partner, one after the other: one takes up to several seconds


@contextmanager
def watched() -> Iterator[tuple[str, dict[str, Partner | str]]]:
    """Give the address of a lagmon with its defaults, and the partners by name, or why none."""
    with ExitStack() as stack:
        broker = stack.enter_context(KafkaBroker(own=True, settings=OFFSETS_PARTITIONS))
        populated(broker.bootstrap_servers)
        product = stack.enter_context(Product(kafka=broker.bootstrap_servers))
        where = address(product.lagmon(cluster={"name": "bench"}))
        partners = {
            name: partner(stack, variable, broker.bootstrap_servers)
            for name, variable in PARTNERS.items()
        }
        yield where, partners


def median_seconds(name: str, one: Partner) -> float:
    """Scrape *one*, which is called *name*; give the median, and print the range."""
    took = [one.scrape() for _ in range(SCRAPES)]
    print(f"one scrape of {name}: {said(took)}", flush=True)
    return statistics.median(took)
