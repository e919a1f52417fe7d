"""The pages for people: ``/``, ``/group``, and ``/events``, which keeps them fresh.

In: a board, which others fill. Out: HTML of what the board holds at that moment, so that no page
waits for Kafka or for a cycle. Names in a request choose what is shown and nothing else. Handlers
are plain functions, which run in threads, so that no large page delays a cycle.

A page is whole without scripts. The one that there is asks for the page anew when `Streams` says
so; without it a reader may ask to be sent there again every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from lagmon.labels import safe
from lagmon.web import lookup
from lagmon.web.choice import SHOWN, SORTED, Choice
from lagmon.web.detail import detail
from lagmon.web.lookup import NotShown
from lagmon.web.status import status
from lagmon.wording import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from lagmon.alerts.rules import Rule
    from lagmon.board import Board
    from lagmon.report import Links
    from lagmon.web.events import Streams

REFRESH_SECONDS = 5

# One for all boards: to compile the template of the status page takes some 30 ms.
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)
_TEMPLATES.filters["published"] = safe


@dataclass(frozen=True, slots=True)
class _Missing:
    """A page that cannot be shown, and *why*."""

    version: str
    at: str
    why: str


def routes(
    board: Board, rules: Sequence[Rule], links: Links, now: Callable[[], float], *, streams: Streams
) -> list[Route]:
    """Give the routes of the pages that show *board*; *now* gives the time for their ages."""
    pages = _Pages(board, rules, links, now)
    return [
        Route("/", pages.home),
        Route("/group", pages.group),
        Route("/events", streams, methods=["GET"]),
    ]


class _Pages:
    """The handlers. Each takes the board's report once: it sees one moment."""

    def __init__(
        self, board: Board, rules: Sequence[Rule], links: Links, now: Callable[[], float]
    ) -> None:
        self._board, self._rules, self._links, self._now = board, rules, links, now

    def home(self, request: Request) -> Response:
        board, choice = self._board, Choice.of(request.query_params)
        page = status(
            *(board.report, self._rules, self._links, self._now()), past=board.past, choice=choice
        )
        values = {"page": page, "choice": choice, "shown": SHOWN, "sorted": SORTED}
        return self._answer(request, "status.html", values)

    def group(self, request: Request) -> Response:
        report, query = self._board.report, request.query_params
        try:
            clusters = lookup.clusters(report, query.get("cluster"))
            cluster, found = lookup.group(clusters, query.get("name", ""))
        except NotShown as error:
            missing = _Missing(report.version, clock(self._now()), str(error))
            return self._answer(request, "missing.html", {"page": missing}, error.status)
        page = detail(
            *(found, cluster, self._rules, self._links),
            past=self._board.past[cluster.cluster],
            now=self._now(),
            version=report.version,
        )
        return self._answer(request, "group.html", {"page": page})

    def _answer(
        self, request: Request, name: str, values: Mapping[str, object], code: int = 200
    ) -> Response:
        refreshing = request.query_params.get("refresh") == "on"
        text = _TEMPLATES.get_template(name).render(values, refreshing=refreshing)
        headers = {"Refresh": str(REFRESH_SECONDS)} if refreshing else None
        return HTMLResponse(text, code, headers)
