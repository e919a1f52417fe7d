"""First part of the story: one play, and the same trace id wherever it left a mark.

Each source is read as it is (a header, a log line, a row, a span); the id is parsed out of it and
compared with the one in the response. Nothing is found by searching for the id itself.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from demo.stage import TOPIC, get
from demo.tree import drawn
from tests.infra.reading import header, record_at
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.console import Console
    from demo.stage import Stage
    from tests.infra.otlp import ReceivedSpan
    from tests.infra.process import Service

PLAYER = "ada"
BET = 250  # cents
SETTLEMENTS = "POST /v1/settlements"  # the request to the partner, as both ends name its span
RUNNING = """
    SELECT application_name FROM pg_stat_activity
    WHERE application_name LIKE 'game-consumer/%' AND wait_event_type = 'Lock'
"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the API answered to one play."""

    play_id: str
    trace_id: str
    header: str


def asking() -> httpx.Client:
    """Give a client that keeps no connection: the API ends those that are idle, one in use too."""
    return httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


def play(client: httpx.Client, api: str, player: str = PLAYER) -> Accepted:
    """Ask the API at *api* for one play; raise if it was not accepted."""
    body = {"player_id": player, "game": "sevens", "bet": BET}
    response = client.post(f"{api}/game/slots/play", json=body).raise_for_status()
    answer = response.json()
    return Accepted(answer["play_id"], answer["trace_id"], response.headers["x-trace-id"])


def tell(
    console: Console, stage: Stage, services: Mapping[str, Service], places: Mapping[str, str]
) -> None:
    """Play twice, the second time with the row locked, and follow the second play everywhere."""
    console.step("One play, one trace id")
    url, worker = places["game API"], services["worker"]
    with asking() as client:
        first = play(client, url)
        worker.wait_for_log("play_settled", play_id=first.play_id)
        with row_locked(stage.database, PLAYER):
            accepted = play(client, url)
            name = waiting_transaction(stage.database)
    settled = worker.wait_for_log("play_settled", play_id=accepted.play_id)
    served, paid = second_request(services["game API"]), second_request(services["fintech"])
    header = header_of_record(stage, settled)
    entry = json.loads(get(f"{places['fintech']}/v1/ledger/{accepted.play_id}").text)
    row = row_of(stage.database, accepted.play_id)

    console.show("response header", f"x-trace-id: {accepted.header}")
    console.show("API log line", json.dumps(served))
    console.show(
        "Kafka header", f"{settled['topic']}[{settled['partition']}]@{settled['offset']}: {header}"
    )
    console.show("worker log line", json.dumps(settled))
    console.show("fintech log line", json.dumps(paid))
    console.show("fintech's book", json.dumps(entry))
    console.show("pg_stat_activity", f"application_name = {name}")
    console.show("row in plays", "  ".join(f"{key}={value}" for key, value in row.items()))
    console.show("GET the play", get(f"{url}/game/plays/{accepted.play_id}").text)
    ids = {
        "response header": accepted.header,
        "response body": accepted.trace_id,
        "API log line": served["trace_id"],
        "Kafka header": header.split("-")[1],
        "worker log line": settled["trace_id"],
        "fintech log line": paid["trace_id"],
        "fintech's book": entry["trace_id"],
        "pg_stat_activity": name.partition("/")[2],
        "row in plays": row["trace_id"],
    }
    console.check(f"{len(ids)} sources carry one id", holds=len(set(ids.values())) == 1, found=ids)
    console.check(
        "the row names the settlement in fintech's book",
        holds=row["settlement_id"] == entry["settlement_id"],
        found=(row, entry),
    )
    tell_spans(console, stage, settled, accepted.header)


def tell_spans(console: Console, stage: Stage, settled: dict[str, Any], header: str) -> None:
    """Show the exported spans of the record that *settled* names, as one tree."""
    console.step("The spans of that play, as they were exported")
    process = until(lambda: process_span(stage, settled), what="the process span")
    trace = until(lambda: whole_trace(stage, process), what="the whole trace")
    for line in drawn(trace):
        console.say(line)

    by_id = {span.span_id: span for span in trace}
    send = by_id[process.parent_span_id]
    server = by_id.get(send.parent_span_id)
    console.check("their trace id is the response's", holds=process.trace_id == header)
    console.check("the process span's parent is the send span", holds=send.name == f"send {TOPIC}")
    console.check(
        "the send span's parent is the request's",
        holds=server is not None and server.name == "POST /game/slots/play",
        found=server,
    )
    paying = {s.span_id: s for s in trace if s.name == SETTLEMENTS and s.service != "fintech"}
    console.check(
        "fintech's request is below the worker's call, and that below the process span",
        holds=any(
            s.service == "fintech"
            and s.parent_span_id in paying
            and paying[s.parent_span_id].parent_span_id == process.span_id
            for s in trace
        ),
        found=[span.name for span in trace],
    )
    console.check(
        "the write is a child of the process span",
        holds=any("INSERT" in s.name and s.parent_span_id == process.span_id for s in trace),
        found=[span.name for span in trace],
    )


def second_request(service: Service) -> dict[str, Any]:
    """Give the log line of the request to *service* that came of the second play.

    It may be written after what came of its answer.
    """

    def of_both() -> list[dict[str, Any]] | None:
        lines = [line for line in service.logs() if line["event"] == "request_served"]
        return lines if len({line["trace_id"] for line in lines}) > 1 else None

    return until(of_both, what=f"the second request in the log of {service.name}")[-1]


@contextmanager
def row_locked(database: str, player: str) -> Iterator[None]:
    """Hold the lock on *player*'s running total, so that the next write to it has to wait."""
    with psycopg.connect(database) as connection:
        connection.execute("SELECT 1 FROM player_totals WHERE player_id = %s FOR UPDATE", [player])
        yield


def waiting_transaction(database: str) -> str:
    """Give the application name of the worker's transaction that waits for a lock."""
    # Inside one transaction pg_stat_activity always shows the moment of the first look.
    with psycopg.connect(database, autocommit=True) as connection:
        row = until(lambda: connection.execute(RUNNING).fetchone(), what="the waiting transaction")
    return str(row[0])


def row_of(database: str, play_id: str) -> dict[str, Any]:
    """Read the row of *play_id*."""
    with psycopg.connect(database, row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute(
            "SELECT play_id, bet, payout, settlement_id, trace_id FROM plays WHERE play_id = %s",
            [play_id],
        ).fetchone()
    return found or {"settlement_id": None, "trace_id": None}


def header_of_record(stage: Stage, place: dict[str, Any]) -> str:
    """Read the ``traceparent`` header of the record at *place* with a plain client."""
    kafka, partition, offset = stage.kafka, int(place["partition"]), int(place["offset"])
    record = record_at(kafka.bootstrap_servers, place["topic"], partition, offset)
    return header(record, "traceparent") or "none"


def process_span(stage: Stage, settled: dict[str, Any]) -> ReceivedSpan | None:
    """Find the process span of the record that *settled* names, by partition and offset."""
    place = (str(settled["partition"]), settled["offset"])
    for span in stage.traces.spans():
        attributes = span.attributes
        found = (
            attributes.get("messaging.destination.partition.id"),
            attributes.get("messaging.kafka.offset"),
        )
        if span.name.startswith("process ") and found == place:
            return span
    return None


def whole_trace(stage: Stage, process: ReceivedSpan) -> list[ReceivedSpan] | None:
    """Give every span of *process*'s trace once its causes and the partner's have arrived too."""
    trace = [span for span in stage.traces.spans() if span.trace_id == process.trace_id]
    known = {span.span_id for span in trace}
    complete = all(not span.parent_span_id or span.parent_span_id in known for span in trace)
    paid = any(span.service == "fintech" for span in trace)
    return trace if complete and paid and len(trace) > 1 else None
