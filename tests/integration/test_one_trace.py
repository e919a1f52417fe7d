"""One request, one trace id: response, logs, record, spans and Postgres' own log agree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.reading import header, records
from tests.infra.wait import until

if TYPE_CHECKING:
    from httpx import Response

    from tests.infra.kafka import KafkaBroker
    from tests.infra.otlp import OtlpReceiver, ReceivedSpan
    from tests.infra.postgres import Postgres
    from tests.integration.conftest import Game

INCOMING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LOGGED = re.compile(r"game-consumer/(?P<trace>[0-9a-f]{32})@(?P<database>\S+).*INSERT INTO plays")


@dataclass(frozen=True)
class Evidence:
    """What one play left behind, each source as it was read."""

    response: Response
    request_log: dict[str, Any]
    settled_log: dict[str, Any]
    traceparent: str
    spans: list[ReceivedSpan]
    statements: list[str]

    def span(self, name: str) -> ReceivedSpan:
        """Give the only span of that *name*."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


def gather(
    game: Game,
    kafka: KafkaBroker,
    otlp: OtlpReceiver,
    postgres: Postgres,
    headers: dict[str, str] | None = None,
) -> Evidence:
    """Play once and read every source; none is searched for the trace id."""
    api, worker = game.start_api(), game.start_worker()
    response = game.post(headers=headers)
    settled = worker.wait_for_log("play_settled", play_id=response.json()["play_id"])
    request = api.wait_for_log("request_served", status=202)
    (record,) = records(kafka.bootstrap_servers, game.topic, 1)
    spans = until(lambda: complete(otlp.spans(), game.topic), what="the three spans of the play")
    database = game.product.environment["CONSUMERS_DATABASE_URL"].rpartition("/")[2].split("?")[0]
    statements = [
        found["trace"]
        for line in postgres.log_text().splitlines()
        if (found := LOGGED.search(line)) and found["database"] == database
    ]
    return Evidence(
        response, request, settled, header(record, "traceparent") or "", spans, statements
    )


def complete(spans: list[ReceivedSpan], topic: str) -> list[ReceivedSpan] | None:
    """Give *spans* once request, send and process have all arrived."""
    wanted = {"POST /game/slots/play", f"send {topic}", f"process {topic}"}
    return spans if wanted <= {span.name for span in spans} else None


def test_every_source_carries_the_trace_id_of_the_response(
    game: Game, kafka: KafkaBroker, otlp: OtlpReceiver, postgres: Postgres
) -> None:
    """Response, both logs, header, spans and the database's own log name one trace."""
    found = gather(game, kafka, otlp, postgres)

    trace_id = found.response.headers["x-trace-id"]
    assert re.fullmatch(r"(?!0{32})[0-9a-f]{32}", trace_id)
    assert found.response.json()["trace_id"] == trace_id
    assert found.request_log["trace_id"] == trace_id
    assert found.settled_log["trace_id"] == trace_id
    assert found.traceparent.split("-")[1] == trace_id
    assert {span.trace_id for span in found.spans} == {trace_id}
    assert set(found.statements) == {trace_id}


def test_the_spans_are_one_chain(
    game: Game, kafka: KafkaBroker, otlp: OtlpReceiver, postgres: Postgres
) -> None:
    """Request → send → process → write: each span's parent is the one before it."""
    found = gather(game, kafka, otlp, postgres)

    request = found.span("POST /game/slots/play")
    send = found.span(f"send {game.topic}")
    process = found.span(f"process {game.topic}")
    writes = [span for span in found.spans if "INSERT" in span.name]
    assert not request.parent_span_id
    assert send.parent_span_id == request.span_id
    assert process.parent_span_id == send.span_id
    assert found.traceparent.split("-")[2] == send.span_id
    assert (request.service, send.service) == ("game-api", "game-api")
    assert process.service == "game-consumer"
    assert writes
    assert {write.parent_span_id for write in writes} == {process.span_id}


def test_a_clients_own_trace_goes_on(
    game: Game, kafka: KafkaBroker, otlp: OtlpReceiver, postgres: Postgres
) -> None:
    """A request that brings a valid traceparent continues that trace to the write."""
    found = gather(game, kafka, otlp, postgres, headers={"traceparent": INCOMING})

    trace_id = INCOMING.split("-")[1]
    assert found.response.headers["x-trace-id"] == trace_id
    assert found.settled_log["trace_id"] == trace_id
    assert found.span("POST /game/slots/play").parent_span_id == INCOMING.split("-")[2]


@pytest.mark.parametrize(
    "malformed",
    [
        "not a trace",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_traceparent_starts_a_new_trace(game: Game, malformed: str) -> None:
    """A request with a malformed traceparent is served under a new trace id."""
    game.start_api()

    response = game.post(headers={"traceparent": malformed})

    assert response.status_code == 202
    assert re.fullmatch(r"(?!0{32})[0-9a-f]{32}", response.headers["x-trace-id"])
    assert response.headers["x-trace-id"] not in malformed.lower()
