"""The how-to for Postgres runs as it stands, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from propagation.integrations.postgres import transaction
from propagation.testing import captured_spans
from tests.docs.pages import blocks, run
from tests.docs.test_how_to import without_ids

if TYPE_CHECKING:
    import pytest

PAGE = "how-to/postgres.md"
THERE = "postgresql://localhost/game"  # where the page supposes the database


def test_the_how_to_prints_what_it_says(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All code of the page runs in its order and prints its texts; the one statement has a span."""
    names: dict[str, Any] = {"__name__": "how_to"}
    with captured_spans() as spans:
        for block in blocks(PAGE):
            if block.language == "python":
                run(block.text.replace(THERE, database), PAGE, "", names)
            elif block.language == "text":
                assert without_ids(capsys.readouterr().out) == block.text

    assert capsys.readouterr().out == ""
    assert [span.name for span in spans if span.name != "settle"] == ["SELECT"]


def test_the_question_to_the_server_finds_a_named_transaction(database: str) -> None:
    """The SQL of the page shows a session at work, its name and its statement."""
    [block] = [block for block in blocks(PAGE) if block.language == "sql"]

    with (
        psycopg.connect(database) as one,
        psycopg.connect(database, application_name="a/b") as other,
        transaction(one, "game/consumer"),
    ):
        one.execute("SELECT 4711")
        pid = one.info.backend_pid
        found = other.execute(block.text.encode()).fetchall()

    [mine] = [row for row in found if row[1] == "game/consumer"]
    assert mine[0] == pid
    assert mine[3] == "SELECT 4711"
