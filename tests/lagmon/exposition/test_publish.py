"""A page is put up in each form that was asked for, and what it lacks is logged."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from lagmon.board import Board
from lagmon.exposition.bounds import Exported
from lagmon.exposition.publish import Publisher
from lagmon.exposition.text import Form, Format
from tests.lagmon.builders import CLUSTER, cycle, group, lags, offsets

PACKED = Form(Format.OPENMETRICS, gzip=True)


def test_the_next_page_comes_in_the_forms_that_were_asked_for() -> None:
    """A scrape makes a form once; from then on it is there before the scrape."""
    board = Board("1", [CLUSTER])
    publisher = Publisher(board)
    publisher.write()
    before = board.page.forms
    board.page.make(PACKED)

    board.put(cycle(lags(group(7))))
    asyncio.run(publisher.publish())

    assert (before, board.page.forms) == ((), (PACKED,))
    assert b"lagmon_group_lag_messages" in board.page.make(Form())


def test_a_page_once_taken_does_not_change() -> None:
    """Whoever is being answered gets one moment, whatever comes meanwhile."""
    board = Board("1", [CLUSTER])
    publisher = Publisher(board)
    publisher.write()
    taken, bytes_then = board.page, board.page.make(Form())

    board.put(cycle(lags(group(7))))
    publisher.write()

    assert taken.make(Form()) is bytes_then
    assert board.page is not taken


def test_a_cluster_that_did_not_change_is_not_written_again() -> None:
    """With many clusters a cycle of one costs what that one costs, and the page has all."""
    board = Board("1", [CLUSTER, "other"])
    publisher = Publisher(board)
    board.put(cycle(lags(group(7))))
    publisher.write()
    board.report.clusters[0].lag.groups[0].lag = 8  # type: ignore[union-attr]

    publisher.write()

    assert b'settle",kafka_cluster="local"} 7.0' in board.page.make(Form())


def test_what_is_left_out_is_logged_when_it_begins_and_when_it_ends() -> None:
    """A line each, with how many series, and not one a cycle."""
    board = Board("1", [CLUSTER])
    publisher = Publisher(board, Exported(max_series=60))
    many = tuple(offsets(number) for number in range(30))

    with capture_logs() as lines:
        for topics in ((), many, many, ()):
            board.put(cycle(lags(group(7)), topics=topics))
            publisher.write()

    told = [(line["event"], line["log_level"], line.get("dropped")) for line in lines]
    assert told == [("series_dropped", "warning", 90), ("series_complete", "info", None)]
    assert lines[0]["exported"] <= 60
