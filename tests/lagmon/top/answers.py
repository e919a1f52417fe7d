"""Answers of the API for tests, as the API really gives them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from lagmon.alerts.rules import SHIPPED
from lagmon.top.page import Seen
from lagmon.top.reading import Clusters, Groups, Incidents, Reading, Whole, parsed
from lagmon.web.answers import ROOT
from lagmon.web.app import create_app
from tests.lagmon.builders import NOON
from tests.lagmon.web.stories import LINKS

if TYPE_CHECKING:
    from lagmon.board import Board

WHERE = "http://lagmon:10308"


def asked(board: Board, path: str) -> bytes:
    """Give what the API answers to *path*."""

    async def story() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(board, SHIPPED, LINKS, lambda: NOON))
        async with httpx.AsyncClient(transport=transport, base_url=WHERE) as client:
            return await client.get(ROOT + path)

    return asyncio.run(story()).content


def reading(board: Board) -> Reading:
    """Read all that there is of *board*."""
    clusters = parsed(Clusters, asked(board, "/clusters"))
    groups = parsed(Groups, asked(board, "/groups")).groups
    incidents = parsed(Incidents, asked(board, "/incidents")).incidents
    return Reading(clusters.version, clusters.at, clusters.clusters, groups, incidents)


def seen(board: Board, group: str = "", trouble: str = "") -> Seen:
    """Give what was seen of *board*, and of one *group* of it."""
    whole = parsed(Whole, asked(board, f"/groups/{group}")) if group else None
    return Seen(WHERE, reading(board), whole, trouble=trouble)
