"""The API: the board's last report as JSON, below ``/api/v1``, read only.

In: a board, which others fill. Out: what `answers` makes of what `lookup` finds, as ASCII, so that
no name can do harm on its way. What cannot be shown, and what does not exist, is answered with
``{"error": {"code", "message"}}``. The routes are those of ``openapi.yml``, which is served too.
"""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route

from lagmon.web import answers, lookup
from lagmon.web.lookup import NotShown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request

    from lagmon.alerts.rules import Rule
    from lagmon.board import Board
    from lagmon.report import ClusterReport, Links

R = TypeVar("R", Route, Mount)

_DOCUMENT = Path(__file__).parent / "openapi.yml"


def create_api(
    board: Board, rules: Sequence[Rule], links: Links, now: Callable[[], float]
) -> Starlette:
    """Build the application to mount at `answers.ROOT`; *now* gives the time for ages."""
    api = _Api(board, rules, links, now)
    routes = [
        Route("/openapi.json", api.openapi),
        Route("/clusters", api.clusters),
        Route("/groups", api.groups),
        Route("/groups/{group:path}", api.group),
        Route("/incidents", api.incidents),
        Route("/record/{topic:path}/{partition}", api.record),
    ]
    made = Starlette(
        routes=[across_lines(each) for each in routes],
        exception_handlers={NotShown: _not_shown, HTTPException: _refused},
    )
    made.router.redirect_slashes = False  # it would lead to whatever host the request names
    return made


def across_lines(route: R) -> R:
    """Have *route* match paths with line breaks too, which names may have; give it back.

    Else such a path would be nobody's, or its name would lose the line break at its end.
    """
    route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
    return route


class _Api:
    """The handlers: plain functions, which run in threads, so that no large answer delays a cycle.

    Each takes the board's report once: it sees one moment.
    """

    def __init__(
        self, board: Board, rules: Sequence[Rule], links: Links, now: Callable[[], float]
    ) -> None:
        self._board, self._links, self._now = board, links, now
        self._rules = {rule.name: rule for rule in rules}

    def openapi(self, _: Request) -> Response:
        return _json(document())

    def clusters(self, _: Request) -> Response:
        return _json(answers.clusters(self._board.report, self._now()))

    def groups(self, request: Request) -> Response:
        return _json(answers.groups(self._chosen(request)))

    def group(self, request: Request) -> Response:
        cluster, found = lookup.group(self._chosen(request), request.path_params["group"])
        return _json(answers.group(found, cluster, self._rules, self._links, self._now()))

    def incidents(self, request: Request) -> Response:
        return _json(
            answers.incidents(self._chosen(request), self._rules, self._links, self._now())
        )

    def record(self, request: Request) -> Response:
        topic, partition = (request.path_params[name] for name in ("topic", "partition"))
        cluster, at, rows = lookup.partition(self._chosen(request), topic, partition)
        return _json(answers.record(cluster, at, rows, self._links, self._now()))

    def _chosen(self, request: Request) -> tuple[ClusterReport, ...]:
        return lookup.clusters(self._board.report, request.query_params.get("cluster"))


@cache
def document() -> dict[str, Any]:
    """Give the OpenAPI document; it is read when somebody first asks for it."""
    read: dict[str, Any] = yaml.safe_load(_DOCUMENT.read_text(encoding="utf-8"))
    return read


def _not_shown(_: Request, error: Exception) -> Response:
    assert isinstance(error, NotShown)
    return _json(_error(error.code, str(error)), error.status)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    message = f"{status.phrase}: what there is stands in {answers.ROOT}/openapi.json"
    return _json(_error(code, message), status, error.headers)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _json(
    value: dict[str, Any], status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    content = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Response(content, status, headers, media_type="application/json")
