"""The pages on dead letters: the how-to prints what it shows, the reference is the code's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from consumers.cli import parser
from consumers.commands.dlq_options import LIMIT
from consumers.deadletters.limit import OF_LAST
from consumers.deadletters.planning import MAX_REPLAYS
from consumers.deadletters.queue import PROPERTIES, SHORTER, DeadLetterQueue
from consumers.deadletters.replay import transactional_id
from consumers.deadletters.topic import ROOM_BYTES
from consumers.errors import Poison
from propagation import Producer, processing
from tests.builders import record
from tests.docs.pages import HERE, blocks, text
from tests.infra.product import Product, command

if TYPE_CHECKING:
    import argparse

    from consumers.types import Headers
    from tests.infra.kafka import KafkaBroker

HOW_TO, REFERENCE = "how-to/replay-dead-letters.md", "reference/consumers-dead-letters.md"
TOPIC = "game.slots.plays"
# A row of a table of options: its name, what else is asked for, and a text.
ROW = r"^\| `(--[a-z-]+)[^`]*` \|{} [^|]*\|$"
WRITTEN_MS = 1_795_259_985_000
# What died before the page begins: key, offset, trace, tries and reason.
DEAD = (
    ("grace", 4, "4bf92f3577b34da6a3ce929d0e0e4736", 1, Poison("bet must be 1 to 100000 cents")),
    ("ada", 7, "0af7651916cd43dd8448eb211c80319c", 4, KeyError("sevens")),
    ("ada", 9, "80e1afed08e019fc1110464cfa66635c", 4, KeyError("diamonds")),
)  # fmt: skip


def die(servers: str, topic: str) -> None:
    """Give up the records that the page speaks of."""
    producer = Producer({"bootstrap.servers": servers, **PROPERTIES})
    queue = DeadLetterQueue(
        producer, topic=f"{topic}.dlq", group="game-consumer", timeout_seconds=20
    )
    for key, offset, trace_id, attempts, error in DEAD:
        traced: Headers = [("traceparent", f"00-{trace_id}-b7ad6b7169203331-01".encode())]
        one = record(
            offset,
            topic=topic,
            key=key.encode(),
            value=b'{"play_id": "one"}',
            headers=traced,
            timestamp=WRITTEN_MS,
        )
        with processing(one.message):  # as the worker does
            queue.send(one, error, attempts=attempts)


def shown(output: str, topic: str) -> str:
    """Give *output* as the page has it: its topic, times and spans alike, columns a space apart."""
    output = re.sub(r"(00-[0-9a-f]{32}-)[0-9a-f]{16}", r"\1<span>", output)
    output = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", output.replace(topic, TOPIC))
    return re.sub(r" +", " ", output)


def test_the_how_to_prints_what_it_shows(kafka: KafkaBroker, topic: str) -> None:
    """Every command of the page in its order, in one shell's environment; none fails."""
    name = f"{topic}-plays"
    for one in (name, f"{name}.dlq"):
        kafka.create_topic(one)
    die(kafka.bootstrap_servers, name)

    with Product(kafka=kafka.bootstrap_servers) as product:
        told = ""
        for block in blocks(HOW_TO):
            if block.language == "sh":
                assert told == "", f"the page does not show {told}"
                told = typed(product, block.text, kafka.bootstrap_servers, name)
            else:
                assert shown(told, name) == shown(block.text, name)
                told = ""
    for one in (name, f"{name}.dlq"):
        kafka.delete_topic(one)


def typed(product: Product, line: str, servers: str, topic: str) -> str:
    """Type a *line* of the page; give what it prints."""
    line = line.replace(HERE, servers).replace(TOPIC, topic)
    if line.startswith("export "):
        exported = [one.removeprefix("export ").split("=") for one in line.splitlines()]
        product.environment |= dict(exported)
        return ""
    name, *arguments = line.split()
    assert command(name)
    done = product.run(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def actions() -> dict[str, argparse.ArgumentParser]:
    """Give the parsers of ``consumers dlq``, by name."""
    return dict(_choices(_choices(parser())["dlq"]))


def _choices(one: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in one._actions:
        if isinstance(action.choices, dict):
            return action.choices
    raise AssertionError(f"{one.prog} has no commands of its own")


def options(one: argparse.ArgumentParser) -> set[str]:
    """Give the long options of a parser."""
    names = {name for action in one._actions for name in action.option_strings}
    return {name for name in names if name.startswith("--")} - {"--help"}


def test_every_option_stands_in_the_reference() -> None:
    """The tables have the options of each command, and no other."""
    page = text(REFERENCE)
    filters = set(re.findall(ROW.format(""), page, re.MULTILINE))
    others = dict(re.findall(ROW.format(r" (`?\w+`?) \|"), page, re.MULTILINE))
    commands = re.findall(r"^\| `consumers dlq (\w+)", page, re.MULTILINE)

    assert commands == list(actions())
    for name, one in actions().items():
        mine = {option for option, of in others.items() if of in {"all", f"`{name}`"}}
        assert options(one) == mine | (filters if name != "show" else set()), name


@pytest.mark.parametrize(
    "sentence",
    [
        f"plus {ROOM_BYTES} ",
        f"cut to {SHORTER[0]} characters, to {SHORTER[1]}, and left out",
        f"of the last {OF_LAST} records",
        f"{LIMIT} unless given",
        f"{MAX_REPLAYS} unless given",
        f"`{transactional_id('')}`",
    ],
)
def test_a_bound_is_the_real_one(sentence: str) -> None:
    """Numbers and names on the page are those of the code."""
    assert sentence in text(REFERENCE)
