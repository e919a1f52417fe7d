"""Read the pages of docs/, and run what they show against a cluster of the test's own."""

from __future__ import annotations

import argparse
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

DOCS = Path(__file__).parent.parent.parent / "docs"
HERE = "localhost:9092"  # where the pages suppose Kafka


class Block(NamedTuple):
    """One fenced block of a page, and the heading it stands under."""

    language: str
    text: str
    heading: str


def blocks(page: str) -> list[Block]:
    """Give the fenced blocks of a page in their order."""
    found: list[Block] = []
    heading = ""
    pieces = re.finditer(
        r"^(?:#+ (?P<heading>[^\n]*)|```(?P<language>\w+)\n(?P<text>.*?)^```)$",
        text(page),
        flags=re.MULTILINE | re.DOTALL,
    )
    for piece in pieces:
        if piece["language"]:
            found.append(Block(piece["language"], piece["text"], heading))
        else:
            heading = piece["heading"]
    return found


def text(page: str) -> str:
    """Give all of a page."""
    return (DOCS / page).read_text()


def table(page: str, heading: str) -> list[list[str]]:
    """Give the cells of the table below the second-level *heading* of a page, its head first."""
    section = text(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line
    ]


@contextmanager
def mock_cluster(*topics: str) -> Iterator[str]:
    """Give the address of a Kafka that lives as long as the block, with *topics*.

    Others appear when they are first written to, but nobody who subscribed before gets to know.
    """
    host = confluent_kafka.Producer(
        {"bootstrap.servers": "mock:1", "test.mock.num.brokers": "1", "log_level": 0}
    )
    for topic in topics:
        host.list_topics(topic, timeout=60)
    [broker] = host.list_topics(timeout=60).brokers.values()
    yield f"{broker.host}:{broker.port}"
    host.close()


def run(code: str, page: str, servers: str, names: dict[str, Any]) -> None:
    """Execute *code*, a block of *page*, in *names*, with Kafka at *servers*."""
    # On the mock cluster only the newer protocol assigns at once.
    code = code.replace(HERE, servers).replace(
        '"group.id":', '"group.protocol": "consumer", "group.id":'
    )
    exec(compile(code, page, "exec"), names)  # noqa: S102  # our own page


def options(command: ModuleType) -> set[str]:
    """Name the long and short options of lagmon's *command*, but for its help."""
    commands = argparse.ArgumentParser(add_help=False).add_subparsers()
    command.add(commands)
    [parser] = commands.choices.values()
    return {
        name
        for action in parser._actions
        for name in action.option_strings
        if name not in {"-h", "--help"}
    }
