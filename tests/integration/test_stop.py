"""SIGTERM: each service ends by itself in time, with its work written down."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.infra.product import Product, address
from tests.infra.reading import committed, samples
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker
    from tests.infra.otlp import OtlpReceiver
    from tests.integration.conftest import Game

STOP_SECONDS = 30  # the grace that Kubernetes gives
LATE_EXPORT = {"OTEL_BSP_SCHEDULE_DELAY": "60000"}  # only the flush on stop can export in time


def test_the_worker_commits_and_flushes(game: Game, kafka: KafkaBroker, otlp: OtlpReceiver) -> None:
    """A worker told to stop exits 0; what it settled is committed and its spans are exported."""
    game.start_api()
    worker = game.start_worker(**LATE_EXPORT)
    plays = [game.play() for _ in range(5)]
    for play in plays:
        worker.wait_for_log("play_settled", play_id=play["play_id"])

    code = worker.stop(STOP_SECONDS)

    assert code == 0
    assert committed(kafka.bootstrap_servers, game.group, game.topic) == 5
    processed = [span for span in otlp.spans() if span.name == f"process {game.topic}"]
    assert {span.trace_id for span in processed} == {play["trace_id"] for play in plays}


def test_the_api_flushes(game: Game, otlp: OtlpReceiver) -> None:
    """An API told to stop exits 0 and its spans are exported."""
    api = game.start_api(**LATE_EXPORT)
    play = game.play()

    code = api.stop(STOP_SECONDS)

    assert code == 0
    names = {span.name for span in otlp.spans() if span.trace_id == play["trace_id"]}
    assert {"POST /game/slots/play", f"send {game.topic}"} <= names


def test_lagmon_takes_its_collector_along(kafka: KafkaBroker) -> None:
    """On SIGTERM lagmon exits 0 and no child of it is left."""
    with Product(kafka=kafka.bootstrap_servers) as product:
        lagmon = product.lagmon(poll_interval="1s")
        url = address(lagmon)
        child = lagmon.wait_for_log("collector_started", timeout=60)["pid"]
        until(lambda: samples(url, "lagmon_up") == [1], what="the first snapshot")

        code = lagmon.stop(STOP_SECONDS)

        assert code == 0
        assert not alive(child)


def alive(pid: int) -> bool:
    """Tell whether a process *pid* exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
