"""A scrape over a real socket, in every form, and what becomes of it while pages change."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from lagmon.alerts.rules import SHIPPED
from lagmon.board import Board
from lagmon.exposition.publish import Publisher
from lagmon.exposition.text import Form, Format
from lagmon.report import Links
from lagmon.web.app import create_app
from tests.lagmon.builders import CLUSTER, NOON, cycle, group, lags

if TYPE_CHECKING:
    from collections.abc import Mapping

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def scrape(
    headers: Mapping[str, str] | list[tuple[str, str]], board: Board | None = None
) -> httpx.Response:
    """Ask for the metrics of *board* with *headers* and no others."""
    if board is None:
        board = Board("1.0", [CLUSTER])
        board.put(cycle(lags(group(7))))
        Publisher(board).write()
    app = create_app(board, SHIPPED, Links(), lambda: NOON)

    async def story() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lagmon") as client:
            del client.headers["accept"], client.headers["accept-encoding"]
            return await client.get("/metrics", headers=headers)

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("headers", "kind", "encoding"),
    [
        ({}, Format.TEXT, None),
        ({"Accept": OPENMETRICS}, Format.OPENMETRICS, None),
        ({"Accept-Encoding": "gzip"}, Format.TEXT, "gzip"),
        ({"Accept": OPENMETRICS, "Accept-Encoding": "gzip"}, Format.OPENMETRICS, "gzip"),
        ({"Accept": "image/png", "Accept-Encoding": "br"}, Format.TEXT, None),
        ([("Accept", "text/plain;q=0.1"), ("Accept", OPENMETRICS)], Format.OPENMETRICS, None),
    ],
)
def test_a_scrape_is_given_the_form_that_it_wants(
    headers: Mapping[str, str] | list[tuple[str, str]], kind: Format, encoding: str | None
) -> None:
    """And is told which it is; caches are told what it hangs on."""
    answer = scrape(headers)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded
    read = openmetrics if kind is Format.OPENMETRICS else text
    lags_read = [
        sample.value
        for family in read(answer.text)
        for sample in family.samples
        if sample.name == "lagmon_group_lag_messages"
    ]
    assert lags_read == [7.0]


def test_a_scrape_gets_the_bytes_that_are_there() -> None:
    """Nothing is rendered or compressed for the second one."""
    board = Board("1.0", [CLUSTER])
    Publisher(board).write()

    scrape({"Accept-Encoding": "gzip"}, board)
    kept = board.page.made(Form(gzip=True))
    answer = scrape({"Accept-Encoding": "gzip"}, board)

    assert kept is not None
    assert board.page.made(Form(gzip=True)) is kept
    assert answer.content == gzip.decompress(kept)
