"""Of librdkafka's lines that say the same, one a minute is written."""

from __future__ import annotations

import logging

from lagmon.collector import quiet
from lagmon.collector.client import Client, kafka_log
from lagmon.collector.quiet import QUIET_SECONDS, Thinned
from lagmon.configuration.settings import Cluster
from tests.infra.wait import until

REFUSED = "[thrd:kafka:1/1]: kafka:1/1: Connect to ipv4#10.0.0.7:1 failed: Connection refused "


class Log:
    """What a filter with a clock of its own lets through."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self._filter = Thinned(lambda: self.now)

    def write(self, text: str, client: int = 1) -> None:
        """Write *text* as librdkafka does."""
        args = ("FAIL", f"lagmon#producer-{client}", text)
        record = logging.LogRecord("kafka", logging.ERROR, "", 0, "%s [%s] %s", args, None)
        if self._filter.filter(record):
            self.lines.append(record.getMessage())


def test_the_same_text_is_written_once_a_minute() -> None:
    """The next one says how many were left out; a clock, not the number of cycles, decides."""
    log = Log()
    for second in range(0, 61, 10):
        log.now = float(second)
        log.write("down")

    assert log.lines == [
        "FAIL [lagmon#producer-1] down",
        "FAIL [lagmon#producer-1] down; 5 more like it were left out",
    ]


def test_what_changes_while_nothing_does_is_no_other_text() -> None:
    """Times, counts and the number of a new client do not make a line news."""
    log = Log()

    log.write(f"{REFUSED}(after 0ms in state CONNECT)")
    log.write(f"{REFUSED}(after 12ms in state CONNECT, 3 identical error(s) suppressed)", 2)
    log.write("2/3 brokers are down", 2)
    log.write("3/3 brokers are down", 3)

    assert len(log.lines) == 2


def test_another_broker_is_another_text() -> None:
    """Ports and addresses tell brokers apart."""
    log = Log()

    log.write(REFUSED)
    log.write(REFUSED.replace(":1", ":2"))

    assert len(log.lines) == 2


def test_the_memory_is_bounded() -> None:
    """Texts that never come again are not kept for ever."""
    log = Log()

    for number in range(quiet.TEXTS_KEPT + 1):
        log.write(f"text {number}")
    log.write("text 0")

    assert len(log.lines) == quiet.TEXTS_KEPT + 2


def test_every_client_of_a_cluster_is_thinned_together() -> None:
    """Two clients that find the same broker down write it once, within a minute."""
    cluster = Cluster(name="thinned", bootstrap_servers="127.0.0.1:1")
    lines: list[str] = []
    keep = logging.Handler()
    keep.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign] # a handler in one line
    kafka_log(cluster).addHandler(keep)

    for _ in range(2):
        client = Client(cluster)
        assert client.admin is not None
        until(client.take_last_words, what="librdkafka's words for a refused connection")

    assert QUIET_SECONDS == 60
    assert len([line for line in lines if "Connection refused" in line]) == 1
