"""``consumers dlq`` as it is typed, on a real broker: what it lists, shows and sends back."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition

from consumers.commands.dlq_options import LIMIT
from consumers.configuration.settings import DeadLetterSettings
from consumers.deadletters.envelope import envelope
from consumers.deadletters.queue import PROPERTIES, DeadLetterQueue
from consumers.deadletters.reading import DeadLetterTopic
from consumers.deadletters.replay import Replayer, make_producer, transactional_id
from consumers.errors import Fatal, Poison
from propagation import Producer, processing
from tests.builders import record
from tests.consumers.deadletters.builders import TRACE_ID, TRACED
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.product import Product, command
from tests.infra.wait import until
from tests.integration.workers import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.infra.kafka import KafkaBroker
    from tests.infra.proxy import TcpProxy

PARTITIONS = 2


class Game:
    """A topic with its dead letters, and the command on them."""

    def __init__(self, kafka: KafkaBroker, topic: str, product: Product) -> None:
        self.kafka, self.topic, self.dlq = kafka, topic, f"{topic}.dlq"
        self._product = product
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, **PROPERTIES})
        self._queue = DeadLetterQueue(
            self._producer, topic=self.dlq, group="game", timeout_seconds=60
        )

    def gives_up(self, offset: int, error: BaseException | None = None, **more: Any) -> None:
        """Write the dead letter of the record at *offset*; *more* is what the record was."""
        one = record(offset, **{"topic": self.topic, "headers": [*TRACED], **more})
        with processing(one.message):  # as the worker does
            self._queue.send(one, error or Poison("no such game"), attempts=1)

    def dlq_command(self, *arguments: str) -> CompletedProcess[str]:
        """Run ``consumers dlq`` with *arguments*."""
        return self._product.run("consumers", "dlq", *arguments)

    def command(self, *arguments: str, servers: str = "") -> tuple[list[str], dict[str, str]]:
        """Give the line and the environment of ``consumers dlq`` with *arguments*."""
        settings = {
            "CONSUMERS_BOOTSTRAP_SERVERS": servers or self.kafka.bootstrap_servers,
            "CONSUMERS_TOPIC": self.topic,
        }
        return [command("consumers"), "dlq", *arguments], os.environ | settings

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """Give what ``consumers dlq list`` finds with *arguments*."""
        done = self.dlq_command("list", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def offsets(self, *arguments: str) -> list[int]:
        """Give the offsets at which the letters that are listed were given up."""
        return [one["origin"]["offset"] for one in self.listed(*arguments)]

    def replayed(self, *arguments: str) -> str:
        """Replay by *arguments*, and give what was said."""
        done = self.dlq_command("replay", "--yes", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def records(self, topic: str = "") -> list[confluent_kafka.Message]:
        """Read all that stands in *topic*, by default the original one."""
        topic = topic or self.topic
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "group.id": "reader",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic, one, 0) for one in range(PARTITIONS)])
        found, ends = [], 0
        while ends < PARTITIONS:
            message = consumer.poll(60)
            assert message is not None, f"{topic} has not come to its end"
            if message.error() is None:
                found.append(message)
            else:
                ends += 1
        consumer.close()
        return found


@pytest.fixture
def game(kafka: KafkaBroker, topic: str) -> Iterator[Game]:
    """Give a topic of two partitions, with dead letters of its own."""
    name = f"{topic}-game"
    for one in (name, f"{name}.dlq"):
        kafka.create_topic(one, PARTITIONS)
    with Product(kafka=kafka.bootstrap_servers) as product:
        product.environment |= {"CONSUMERS_TOPIC": name}
        del product.environment["CONSUMERS_DATABASE_URL"]  # it needs none
        yield Game(kafka, name, product)
    for one in (name, f"{name}.dlq"):
        kafka.delete_topic(one)


def test_letters_are_listed_with_what_matters(game: Game) -> None:
    """A line each: where it is, when, origin, tries, error, trace; then how many there are."""
    game.gives_up(5)

    lines = game.dlq_command("list").stdout.splitlines()

    assert lines[0].split() == [
        "LETTER", "TIME", "ORIGIN", "ATTEMPTS", "REPLAYS", "ERROR", "TRACE"
    ]  # fmt: skip
    assert f"{game.topic}[0]@5" in lines[1]
    assert "Poison: no such game" in lines[1]
    assert lines[1].endswith(TRACE_ID)
    assert lines[-1] == f"1 dead letter in {game.dlq}."


def test_letters_are_found_by_what_is_known_of_them(game: Game) -> None:
    """Each filter leaves the others out, by the time of the death too, and two must both fit."""
    game.gives_up(1, ValueError("no number"), key=b"ada")
    game.gives_up(2, key=b"ada", headers=[])
    game.gives_up(3, partition=1, key=b"grace")

    assert game.offsets() == [1, 2, 3]
    assert game.offsets("--error", "ValueError") == [1]
    assert game.offsets("--key", "ada") == [1, 2]
    assert game.offsets("--key", "ada", "--error", "Poison") == [2]
    assert game.offsets("--trace", TRACE_ID) == [1, 3]
    assert game.offsets("--topic-partition", f"{game.topic}:1") == [3]
    assert game.offsets("--group", "audit") == []
    assert game.offsets("--since", "1h") == [1, 2, 3]
    assert game.offsets("--until", "1h") == []
    second = game.listed()[1]
    assert game.offsets("--limit", "1") == [3]
    assert second["origin"]["offset"] == 2


def test_a_letter_is_shown_without_its_payload_unless_it_is_asked_for(game: Game) -> None:
    """Facts and headers are for everybody, what the record says is not."""
    game.gives_up(5, value=b'{"card": 42}', headers=[("kind", b"play"), *TRACED])
    (found,) = game.listed()

    shown = game.dlq_command("show", found["letter"])
    whole = game.dlq_command("show", found["letter"], "--payload")

    assert shown.returncode == whole.returncode == 0
    assert 'kind: "play"' in shown.stdout
    assert "12 bytes" in shown.stdout
    assert "card" not in shown.stdout
    assert whole.stdout.endswith('\n\n{"card": 42}\n')


def test_a_replay_is_a_dry_run_unless_it_is_meant(game: Game) -> None:
    """Without --yes it says what it would do and how to do it, and writes nothing anywhere."""
    game.gives_up(5)
    before = len(game.records(game.dlq))

    said = game.dlq_command("replay").stdout

    assert f"Would replay 1 dead letter to {game.topic}." in said
    assert said.splitlines()[-1] == "Nothing was written. To do it, run this again with --yes."
    assert game.records() == []
    assert len(game.records(game.dlq)) == before


def test_a_record_comes_back_as_it_was(game: Game) -> None:
    """Key, value, headers, partition and trace are the original's; one header counts the replay."""
    headers = [("b", b"\xff"), ("a", None), ("b", b"")]
    game.gives_up(5, partition=1, key=b"ada", value=b"\x00play", headers=[*headers, *TRACED])

    assert "1 dead letter replayed." in game.replayed()

    (back,) = game.records()
    found = back.headers()
    assert isinstance(found, list)
    assert (back.partition(), back.key(), back.value()) == (1, b"ada", b"\x00play")
    assert found[:3] == headers
    assert dict(found)["dlq.replays"] == b"1"
    assert [name for name, _ in found if name.startswith("dlq.")] == ["dlq.replays"]
    traces = [value for name, value in found if name == "traceparent"]
    assert [str(value).split("-")[1] for value in traces] == [TRACE_ID]


def test_what_was_replayed_is_not_replayed_again(game: Game) -> None:
    """The second run finds the notes of the first, whatever its filters, and so does the list."""
    for offset in (1, 2, 3):
        game.gives_up(offset, ValueError("no") if offset == 2 else None)
    game.replayed("--error", "Poison")

    said = game.replayed()

    assert "1 dead letter replayed." in said
    assert "replayed already" in said
    assert len(game.records()) == 3
    assert game.offsets() == []
    assert [one["replayed"] for one in game.listed("--all")] == [True] * 3
    assert "0 dead letters replayed." in game.replayed("--since", "1h")


def test_a_death_that_was_written_twice_goes_back_once(game: Game) -> None:
    """A worker that died between the dead letter and its commit has written it again."""
    game.gives_up(5)
    game.gives_up(5)

    game.replayed()

    assert len(game.records()) == 1
    assert game.offsets() == []


def test_one_letter_can_be_meant(game: Game) -> None:
    """A letter is named as it is listed, and goes back alone."""
    game.gives_up(1, key=b"ada")
    game.gives_up(2, key=b"ada")
    (_, second) = game.listed()

    game.replayed(second["letter"])

    assert game.offsets() == [1]


def test_what_dies_again_and_again_stays(game: Game) -> None:
    """After three replays a record is left where it is; --max-replays moves the limit."""
    game.gives_up(5, headers=[("dlq.replays", b"3")])

    said = game.replayed()
    game.replayed("--max-replays", "4")

    assert "0 dead letters replayed." in said
    assert "died after 3 replays" in said
    (back,) = game.records()
    assert dict(back.headers() or [])["dlq.replays"] == b"4"


def test_many_letters_go_back_once_each_and_in_order(game: Game) -> None:
    """More than one transaction takes, keys in the order of their deaths."""
    for offset in range(230):
        game.gives_up(offset, partition=offset % PARTITIONS, value=str(offset).encode(), headers=[])

    assert "230 dead letters replayed." in game.replayed()

    back = game.records()
    assert sorted(int(one.value() or b"") for one in back) == list(range(230))
    for partition in range(PARTITIONS):
        values = [int(one.value() or b"") for one in back if one.partition() == partition]
        assert values == sorted(values)
    assert game.offsets() == []
    assert len(game.listed("--all")) == 230
    last = game.dlq_command("list", "--all").stdout.splitlines()
    assert len(last) == 1 + LIMIT + 2
    assert f"the last {LIMIT} are shown" in last[-1]


def test_a_letter_that_no_longer_fits_does_not_stop_the_others(game: Game) -> None:
    """What its topic refuses is told, keeps its place, and the rest goes back; the code is 1."""
    big = f"{game.topic}-small"
    game.kafka.create_topic(big, max_message_bytes=500)
    game.gives_up(1)
    write_letter(game, big, b"v" * 600)
    game.gives_up(2)

    done = game.dlq_command("replay", "--yes")
    game.kafka.delete_topic(big)

    assert done.returncode == 1
    assert "2 dead letters replayed." in done.stdout
    assert "MSG_SIZE_TOO_LARGE" in done.stdout
    assert len(game.records()) == 2
    assert game.offsets() == [7]


def test_a_program_learns_what_became_of_every_letter(game: Game) -> None:
    """With --json each has a line: first what would be left and why, then what was done."""
    gone = f"{game.topic}-gone"
    for offset, topic in ((1, game.topic), (2, game.topic), (3, gone)):
        game.gives_up(offset, topic=topic)
    game.replayed("--json", next(one["letter"] for one in game.listed() if of(one) == 1))

    first, then = (game.dlq_command("replay", "--json", *more).stdout for more in ([], ["--yes"]))

    left = {
        1: (True, "replayed already"),
        3: (False, f"from {gone}, which is gone, or not to be seen by this user"),
    }
    assert outcomes(first) == {2: (False, None), **left}
    assert outcomes(then) == {2: (True, None), **left}


def of(told: dict[str, Any]) -> int:
    """Give the offset at which the letter that is *told* was given up."""
    offset: int = told["origin"]["offset"]
    return offset


def outcomes(lines: str) -> dict[int, tuple[bool, str | None]]:
    """Read what a replay said of each letter, by `of`."""
    letters = [json.loads(line) for line in lines.splitlines()]
    return {of(one): (one["replayed"], one["left_out"]) for one in letters}


def write_letter(game: Game, topic: str, value: bytes) -> None:
    """Write the dead letter of a record with *value* that was at offset 7 of *topic*."""
    one = record(7, topic=topic, value=value)
    headers = envelope(one, Poison("no"), group="game", attempts=1)
    write(game.kafka, game.dlq, value, headers=headers)


def test_a_letter_that_names_a_topic_of_kafkas_own_stops_nobody(game: Game) -> None:
    """Whoever writes a letter names its origin: such a one is told and left, the others go back."""
    game.gives_up(1)
    write_letter(game, "__consumer_offsets", b"v")
    game.records()  # by a member of a group, so that the topic is there
    game.gives_up(2)

    said = game.replayed()

    assert "2 dead letters replayed." in said
    assert "from __consumer_offsets, which is" in said
    assert len(game.records()) == 2


def test_a_topic_that_takes_nothing_is_named(game: Game) -> None:
    """The broker's refusal ends the replay; which topics it was to go to is told."""
    write_letter(game, "__consumer_offsets", b"v")
    settings = DeadLetterSettings(bootstrap_servers=game.kafka.bootstrap_servers, topic=game.topic)
    with DeadLetterTopic(settings) as topic:
        partitions = {"__consumer_offsets": 1, **topic.partitions()}
        replayer = Replayer(make_producer(settings), game.dlq, partitions)

        with pytest.raises(Fatal, match=r"to __consumer_offsets cannot go on: TOPIC_AUTHOR"):
            list(replayer.replay(topic.messages()))


def test_a_replay_ends_another_that_is_under_way(game: Game) -> None:
    """Two people cannot replay the same letter: what the first had not committed is undone."""
    game.gives_up(5)
    first = confluent_kafka.Producer(
        {
            "bootstrap.servers": game.kafka.bootstrap_servers,
            "transactional.id": transactional_id(game.dlq),
        }
    )
    first.init_transactions(60)
    first.begin_transaction()
    first.produce(game.topic, b"half done")
    first.flush(60)

    game.replayed()

    with pytest.raises(confluent_kafka.KafkaException):
        first.commit_transaction(60)
    assert [one.value() for one in game.records()] == [b"{}"]


def test_a_replay_that_was_ended_says_so(game: Game) -> None:
    """Who was first and is still at it writes nothing more, and stops with the reason."""
    game.gives_up(5)
    settings = DeadLetterSettings(bootstrap_servers=game.kafka.bootstrap_servers, topic=game.topic)
    with DeadLetterTopic(settings) as topic:
        first = Replayer(make_producer(settings), game.dlq, topic.partitions())
        make_producer(settings)

        with pytest.raises(Fatal, match=r"another replay of .* has begun"):
            list(first.replay(topic.messages()))

    assert first.done == set()
    assert game.records() == []


def test_a_strangers_record_is_listed_and_left_alone(game: Game) -> None:
    """What is no dead letter of ours has a line, and is never sent anywhere."""
    write(game.kafka, game.dlq, "what is this", headers=[("dlq.origin.offset", b"-1")])

    (found,) = game.listed()
    said = game.replayed()

    assert found["origin"] is None
    assert "does not say where it came from" in said
    assert game.records() == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "0:99"], 1, "there is no dead letter 0:99"),
        (["show", "9:0"], 1, "there is no dead letter 9:0"),
        (["show", "17"], 2, "such as 0:17"),
        (["list", "--dlq-topic", "nowhere"], 1, "there is no topic nowhere"),
        (["list", "--since", "yesterday"], 2, "how long ago"),
        (["list", "--limit", "0"], 2, "from 1 on"),
        ([], 2, "ACTION"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    game: Game, arguments: list[str], code: int, words: str
) -> None:
    """1 when there is nothing there, 2 when the command is wrong; the last line says why."""
    done = game.dlq_command(*arguments)

    assert done.returncode == code
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_broker_that_is_away_is_one_line() -> None:
    """The line says which topic at which address, and what the client met there."""
    with Product(kafka=f"127.0.0.1:{free_port()}") as product:
        done = product.run("consumers", "dlq", "list")

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "game.slots.plays.dlq" in line
    assert "Connection refused" in line


@pytest.mark.parametrize("action", ["list", "list --json", "show", "replay", "replay --yes"])
def test_a_reader_who_goes_away_changes_nothing(game: Game, action: str) -> None:
    """Behind ``| head`` the command ends by 0 without a word, and a replay is made all the same."""
    game.gives_up(5)
    (found,) = game.listed()
    letters = [found["letter"]] if action == "show" else []
    line, environment = game.command(*action.split(), *letters)
    reading, writing = os.pipe()
    os.close(reading)  # before the first byte

    done = subprocess.run(
        line, env=environment, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(game.records()) == (1 if "--yes" in action else 0)


def test_a_code_says_what_was_done_whoever_reads(game: Game) -> None:
    """A letter that could not be replayed is still a 1 when nobody hears of it."""
    small = f"{game.topic}-small"
    game.kafka.create_topic(small, max_message_bytes=500)
    write_letter(game, small, b"v" * 600)
    line, environment = game.command("replay", "--yes")
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        line, env=environment, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)
    game.kafka.delete_topic(small)

    assert (done.returncode, done.stderr) == (1, b"")


def test_an_output_that_is_full_is_one_line(game: Game) -> None:
    """The code is 1, and the line says why."""
    game.gives_up(5)
    line, environment = game.command("list")

    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            line, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )

    assert done.returncode == 1
    assert done.stderr == b"consumers dlq: the output cannot be written: No space left on device\n"


def test_a_closed_output_is_none(game: Game) -> None:
    """With its output closed the command does what it does: the letter goes back."""
    game.gives_up(5)
    line, environment = game.command("replay", "--yes")

    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *line],
        env=environment,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(game.records()) == 1


@pytest.mark.parametrize("action", ["list", "replay --yes"])
def test_ctrl_c_while_a_broker_is_silent_ends_it(game: Game, action: str) -> None:
    """130 as of any command, and no traceback, also where the client waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        line, environment = game.command(
            *action.split(), servers=f"127.0.0.1:{silent.getsockname()[1]}"
        )
        with Service(line, env=environment, name="consumers dlq") as service:
            there, _ = silent.accept()
            code = service.stop(60, by=signal.SIGINT)
            there.close()

    assert code == 130
    assert service.errors() == []


def test_ctrl_c_leaves_no_letter_half_replayed(game: Game, kafka_proxy: TcpProxy) -> None:
    """What it says was replayed went back and is noted, the rest did neither; going on does all."""
    letters = 600
    for offset in range(letters):
        game.gives_up(offset, value=str(offset).encode(), headers=[])
    line, environment = game.command("replay", "--yes", servers=game.kafka.proxied_servers)
    kafka_proxy.delay(0.05)  # a transaction then takes some seconds

    with Service(line, env=environment, name="consumers dlq") as service:
        until(game.records, timeout=60, what="the first of them to be replayed")
        code = service.stop(60, by=signal.SIGINT)
    back = len(game.records())

    assert code == 130
    assert service.errors() == []
    assert service.lines() == [f"{back} dead letters replayed."]
    assert 0 < back < letters
    assert len(game.listed("--all")) - len(game.listed()) == back
    rest = re.findall(r"\A(\d+) dead letters replayed", game.replayed())
    assert [int(one) for one in rest] == [letters - back]
    assert sorted(int(one.value() or b"") for one in game.records()) == list(range(letters))
