"""The reference of lagmon's API shows what it really answers, and every key that it can answer."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from lagmon.board import Board, Cycle
from lagmon.commands.wiring import policy
from lagmon.configuration.sources import load
from lagmon.judge.judging import Memory, judge
from lagmon.recording.lines import snapshot_from_json
from lagmon.report import Links
from lagmon.web.api import document
from lagmon.web.app import create_app
from tests.docs.pages import blocks, table
from tests.lagmon.recordings.make import CONFIG, FOLDER, NOBODY

if TYPE_CHECKING:
    from starlette.applications import Starlette

PAGE = "reference/lagmon-api.md"
LAGMON = "localhost:10308"
# The schemas of which the page has a table, each under the heading of that name.
TABLES = ("Cluster", "Group", "Partition", "Incident", "Record")


@cache
def watching() -> Starlette:
    """Give lagmon's pages as they were two seconds after the page of the recorded poison record."""
    rules = policy(load(CONFIG, unnamed=NOBODY))
    board, memory, now = Board("0.1.0", ["local"]), Memory.of(rules), 0.0
    for line in (FOLDER / "poison.jsonl").read_text().splitlines():
        snapshot = snapshot_from_json(line)
        judged = judge(memory, snapshot, rules)
        memory, now = judged.memory, snapshot.at
        shown = Cycle(snapshot, judged.lag, incidents=memory.state.opened, answers=memory.answers)
        board.put(replace(shown, records=tuple(memory.records.items())))
        if memory.state.opened:
            break
    return create_app(board, rules.rules, Links("http://localhost:16686"), lambda: now + 2)


def asked(address: str) -> Any:
    """Give what lagmon answers at *address*."""

    async def story() -> httpx.Response:
        transport = httpx.ASGITransport(watching())
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get(f"http://{address}")

    return asyncio.run(story()).json()


SHOWN = [
    (shown.text.strip().removeprefix("$ curl -s ").strip("'"), after.text)
    for shown, after in zip(blocks(PAGE), blocks(PAGE)[1:], strict=False)
    if shown.language == "console"
]


@pytest.mark.parametrize(("address", "printed"), SHOWN)
def test_an_answer_is_the_one_on_the_page(address: str, printed: str) -> None:
    """Each example is what the recorded incident gives, to the last digit."""
    assert address.startswith(f"{LAGMON}/")

    assert asked(address) == json.loads(printed)


def test_every_route_is_on_the_page() -> None:
    """The table of routes is that of the OpenAPI document."""
    routes = {row[0].strip("`") for row in table(PAGE, "Routes")[1:]}

    assert routes == {f"/api/v1{path}" for path in document()["paths"]}


def test_every_route_has_an_example() -> None:
    """What each answers can be seen, but for the document itself."""
    routes = {re.sub(r"{\w+}", r"[^/]+", path) for path in document()["paths"]} - {"/openapi.json"}
    tried = [address.partition("/api/v1")[2].partition("?")[0] for address, _ in SHOWN]

    assert [path for path in routes if not any(re.fullmatch(path, each) for each in tried)] == []


@pytest.mark.parametrize("schema", TABLES)
def test_every_key_is_on_the_page(schema: str) -> None:
    """The tables have the keys of the document in its order."""
    keys = [name.strip("` ") for row in table(PAGE, schema)[1:] for name in row[0].split(",")]

    assert keys == list(document()["components"]["schemas"][schema]["properties"])


def test_every_refusal_is_on_the_page() -> None:
    """Status and code of each, as an answer bears them."""
    codes = {row[1].strip("`") for row in table(PAGE, "Refusals")[1:]}

    assert codes >= {
        asked(f"{LAGMON}/api/v1/{path}")["error"]["code"]
        for path in ("groups/x", "groups?cluster=x", "record/x/0", "nothing")
    }
    assert codes >= {"cluster_needed", "no_values", "method_not_allowed"}
