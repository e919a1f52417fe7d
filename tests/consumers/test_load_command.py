"""``consumers load`` as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from consumers.cli import main
from tests.infra.ports import free_port
from tests.infra.product import Product, address, new_game
from tests.infra.wait import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from tests.infra.mock_kafka import MockKafka

TAKEN = 'consumers_load_plays_total{result="accepted"}'


def test_it_plays_counts_and_ends_in_order(mock_kafka: MockKafka, database: str) -> None:
    """The API takes its plays, `/metrics` counts them, and SIGTERM ends it by 0 with the counts."""
    with new_game(mock_kafka, database) as product:
        api = address(product.api(CONSUMERS_PRODUCE_TIMEOUT="60s", CONSUMERS_REQUEST_TIMEOUT="60s"))
        load = product.load(api, "--rate", "20")
        url = address(load)
        until(lambda: count(url, TAKEN) >= 3, what="three plays that are accepted")
        code = load.stop()
        taken = count(api, "consumers_plays_accepted_total")
        (ended,) = [line for line in load.logs() if line["event"] == "load_ended"]

    assert code == 0
    assert ended["accepted"] >= 3
    assert ended["refused"] == ended["in_flight"] == 0
    # What a slow API takes after five seconds has failed, as far as the load knows.
    assert ended["accepted"] <= taken <= ended["accepted"] + ended["failed"]


def count(url: str, name: str) -> float:
    """Read the counter *name*, as it stands on the page of metrics at *url*."""
    lines = httpx.get(f"{url}/metrics", timeout=PATIENCE_SECONDS).text.splitlines()
    name = f"{name} "
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
def test_an_option_that_makes_no_sense_is_refused(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line is wrong: 2, before anything is sent."""
    with pytest.raises(SystemExit) as ended:
        main(["load", *options])

    assert ended.value.code == 2
    assert "usage: consumers load" in capsys.readouterr().err
