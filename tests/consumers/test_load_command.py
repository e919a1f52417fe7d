"""``consumers load`` as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.infra.ports import free_port
from tests.infra.product import Product, address, new_game
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.mock_kafka import MockKafka


def test_it_plays_counts_and_ends_in_order(mock_kafka: MockKafka, database: str) -> None:
    """The API takes its plays, `/metrics` counts them, and SIGTERM ends it by 0 with the counts."""
    with new_game(mock_kafka, database) as product:
        product.migrate()
        api = address(product.api())
        load = product.load(api, "--rate", "20")
        page = f"{address(load)}/metrics"
        until(lambda: taken(page) >= 3, timeout=60, what="three plays that are accepted")
        code = load.stop()
        (ended,) = [line for line in load.logs() if line["event"] == "load_ended"]

    assert code == 0
    assert ended["accepted"] >= 3
    assert ended["failed"] == ended["in_flight"] == 0


def taken(page: str) -> float:
    """Give how many plays were accepted, by what the load itself shows."""
    lines = httpx.get(page, timeout=10).text.splitlines()
    name = 'consumers_load_plays_total{result="accepted"} '
    return float(next(line for line in lines if line.startswith(name)).removeprefix(name))


def test_an_api_that_is_away_does_not_end_it() -> None:
    """Without anybody at the address it goes on for its duration, counts failures, ends by 0."""
    url = f"http://127.0.0.1:{free_port()}"
    options = ["--url", url, "--rate", "20", "--duration", "300ms"]
    with Product(kafka="") as product:
        done = product.run("consumers", "load", *options)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (ended,) = [line for line in lines if line["event"] == "load_ended"]
    assert done.returncode == 0, done.stderr
    assert ended["failed"] > 0
    assert ended["accepted"] == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--url", "api:8080"],
        ["--url", "http://api:8080", "--rate", "0"],
        ["--url", "http://api:8080", "--duration", "soon"],
        ["--url", "http://api:8080", "--players", "0"],
        [],
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: list[str]) -> None:
    """The command line is wrong: 2, before anything is sent."""
    with Product(kafka="") as product:
        done = product.run("consumers", "load", *options)

    assert done.returncode == 2
    assert "usage: consumers load" in done.stderr
