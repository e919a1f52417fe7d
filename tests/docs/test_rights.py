"""The rights of the page are enough, and each is needed: on a broker that asks, and on Postgres."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer

import consumers.cli
from consumers.deadletters.queue import PROPERTIES, DeadLetterQueue
from consumers.errors import ConsumersError, Poison
from consumers.game.events import Play
from consumers.game.migrate import migrate
from consumers.game.service import spin
from consumers.game.store import Settlement, Store
from tests.builders import record
from tests.conftest import running
from tests.docs.commands import typed
from tests.docs.granting import Right, give, granted, known, take
from tests.docs.pages import blocks
from tests.docs.programs import KAFKA
from tests.infra import kafka_jvm
from tests.infra.kafka_secured import MTLS, SecuredKafka
from tests.infra.require import required
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = "how-to/least-privilege.md"
TOPIC, DLQ, GROUP = "game.slots.plays", "game.slots.plays.dlq", "game-consumer"
WAIT_SECONDS = 60
PATIENT = {"delivery.timeout.ms": 1000 * WAIT_SECONDS}
DONE = "done"
RIGHTS = granted(PAGE)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    """Give a broker on which nobody has rights, with the topics of the game."""
    with required():
        made = SecuredKafka()
    for broker in running(made):
        for topic in (TOPIC, DLQ):
            broker.create_topic(topic)
        yield broker


def client(secured: SecuredKafka, who: str) -> dict[str, Any]:
    """Give the properties of a client that comes as *who*, by a certificate."""
    key, certificate = secured.authority.sign(who)
    return {
        "bootstrap.servers": secured.servers(MTLS),
        "security.protocol": "SSL",
        "ssl.ca.location": str(secured.authority.certificate),
        "ssl.key.location": str(key),
        "ssl.certificate.location": str(certificate),
        "log_level": 0,
    }


def written(properties: dict[str, Any], topic: str, value: bytes) -> str:
    """Write one record, as a producer that is idempotent; say how it ended."""
    producer = Producer({**properties, "enable.idempotence": True, **PATIENT})
    ends: list[str] = []
    producer.produce(
        topic, value, on_delivery=lambda error, _: ends.append(error.name() if error else DONE)
    )
    producer.flush(WAIT_SECONDS * 2)
    return ends[0]


def consumed(properties: dict[str, Any]) -> str:
    """Read a record in the group, commit it, and give it up; say how that ended."""
    consumer = Consumer({**properties, "group.id": GROUP, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([TOPIC])
        message = until(
            lambda: consumer.poll(0.2), timeout=WAIT_SECONDS, what="a record, or why not"
        )
        if error := message.error():
            return error.name()
        consumer.commit(message=message, asynchronous=False)
    except KafkaException as refused:
        return str(refused.args[0].name())
    finally:
        consumer.close()
    producer = Producer({**properties, **PROPERTIES, **PATIENT})
    queue = DeadLetterQueue(producer, topic=DLQ, group=GROUP, timeout_seconds=WAIT_SECONDS * 2)
    try:
        queue.send(record(topic=TOPIC), Poison("no"), attempts=1)
    except ConsumersError as failed:
        return str(failed)
    return DONE


class OnCall:
    """Somebody who replays what has died; *broker* lets the test put a letter there each time."""

    def __init__(
        self, broker: SecuredKafka, properties: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._broker, self._capsys = broker, capsys
        self._servers = properties.pop("bootstrap.servers")
        self._client = properties
        self._dead = 0

    def replays(self) -> str:
        """Have one letter more, and replay all; say how that ended."""
        producer = Producer({"bootstrap.servers": self._broker.bootstrap_servers})
        queue = DeadLetterQueue(producer, topic=DLQ, group=GROUP, timeout_seconds=WAIT_SECONDS)
        self._dead += 1  # another record each time: what was replayed is left out
        queue.send(record(self._dead, topic=TOPIC), Poison("no"), attempts=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONSUMERS_BOOTSTRAP_SERVERS", self._servers)
            patch.setenv("CONSUMERS_TOPIC", TOPIC)
            patch.setenv("CONSUMERS_CLIENT", json.dumps(self._client))
            code = consumers.cli.main(["dlq", "replay", "--yes"])
        printed = self._capsys.readouterr()
        done = code == 0 and re.match(r"[1-9]", printed.out)
        return DONE if done else printed.out + printed.err


def each_is_needed(secured: SecuredKafka, who: str, work: Callable[[], str]) -> dict[str, str]:
    """See *work* done with all rights of *who*; say how it ends without each."""
    admin = secured.admin()
    mine = [one for one in RIGHTS if one[0] == who]
    for one in mine:
        give(admin, one)
    assert work() == DONE
    ended: dict[str, str] = {}
    for one in mine:
        take(admin, one)
        ended[named(one)] = work()
        give(admin, one)
    return ended


def named(one: Right) -> str:
    """Name a right without who has it."""
    return " ".join(one[1:])


def test_the_api_needs_to_write(secured: SecuredKafka) -> None:
    """With the page's one right an idempotent producer writes; without it Kafka refuses."""
    properties = client(secured, "game-api")

    ended = each_is_needed(secured, "game-api", lambda: written(properties, TOPIC, b"{}"))

    assert ended == {f"WRITE TOPIC {TOPIC}": "TOPIC_AUTHORIZATION_FAILED"}


def test_the_worker_needs_each_of_its_rights(secured: SecuredKafka) -> None:
    """It reads, commits and keeps a dead letter with three rights, and with no two of them."""
    properties = client(secured, GROUP)
    written({"bootstrap.servers": secured.bootstrap_servers}, TOPIC, b"{}")

    def work() -> str:
        written({"bootstrap.servers": secured.bootstrap_servers}, TOPIC, b"{}")
        return consumed(properties)

    ended = each_is_needed(secured, GROUP, work)

    assert ended == {
        f"READ TOPIC {TOPIC}": "TOPIC_AUTHORIZATION_FAILED",
        f"READ GROUP {GROUP}": "GROUP_AUTHORIZATION_FAILED",
        f"WRITE TOPIC {DLQ}": f"{DLQ} did not take it: TOPIC_AUTHORIZATION_FAILED",
    }


def test_a_replay_needs_each_of_its_rights(
    secured: SecuredKafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """`consumers dlq replay` replays with five rights, and with no four of them."""
    on_call = OnCall(secured, client(secured, "on-call"), capsys)

    ended = each_is_needed(secured, "on-call", on_call.replays)

    assert set(ended) == {named(one) for one in RIGHTS if one[0] == "on-call"}
    assert len(ended) == 5
    assert (
        f"from {TOPIC}, which is gone, or not to be seen by this user"
        in ended[f"WRITE TOPIC {TOPIC}"]
    )
    assert all("GROUP" in end for name, end in ended.items() if " GROUP " in name)


def test_lagmon_is_granted_what_its_own_tests_grant(secured: SecuredKafka) -> None:
    """The page's three rights are those with which the doctor says: go live."""
    secured.grant("User:CN=watcher")

    mine = [named(one) for one in RIGHTS if one[0] == "lagmon"]

    def granted_there() -> list[str]:
        return sorted(named(one) for one in known(secured.admin(), "watcher"))

    until(lambda: len(granted_there()) == len(mine), timeout=WAIT_SECONDS, what="so many rights")

    assert granted_there() == sorted(mine)


def test_the_tool_grants_what_the_line_says(secured: SecuredKafka) -> None:
    """Kafka's own program makes of a line of the page the right that the tests here read in it."""
    [line] = [one.words for one in typed(PAGE) if one.words[-1] == f"consumers-dlq-replay.{DLQ}"]
    words = " ".join(line[1:]).replace("--command-config admin.properties ", "")
    words = words.replace("kafka:9092", secured.bootstrap_servers)
    words = words.replace("User:on-call", "User:CN=typed")

    done = subprocess.run(
        [*kafka_jvm.command(), KAFKA[line[0]], *words.split()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    wanted = ("typed", "WRITE", "TRANSACTIONAL_ID", f"consumers-dlq-replay.{DLQ}")
    until(
        lambda: known(secured.admin(), "typed") == [wanted],
        timeout=WAIT_SECONDS,
        what="what the tool granted",
    )


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """Give the name of a role that may log in to *database*, where the game's tables are."""
    name = f"game_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database, autocommit=True) as owner:
        migrate(owner)
        owner.execute(f"create role {name} login".encode())
        yield name
        owner.execute(f"drop owned by {name}".encode())
        owner.execute(f"drop role {name}".encode())


def test_the_game_needs_each_of_its_grants(database: str, role: str) -> None:
    """API and worker do with a role that owns nothing; without one grant something fails."""
    [sql] = [block.text for block in blocks(PAGE) if block.language == "sql"]
    grants = [re.sub(r"\bto game;", f"to {role};", line) for line in sql.splitlines()]
    theirs = re.sub(r"//[^@/]*@", f"//{role}@", database)
    plays = itertools.count()
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(b"revoke all on schema public from public")
        for grant in grants:
            owner.execute(grant.encode())
        # A service gives a database that stands still up for a while, and asks again.
        until(lambda: works(theirs, next(plays)), what="a play to be settled with all grants")
        for grant in grants:
            owner.execute(grant.replace("grant ", "revoke ").replace(" to ", " from ").encode())

            assert not works(theirs, next(plays)), grant

            owner.execute(grant.encode())


def works(url: str, number: int) -> bool:
    """Settle the play *number*, read it and be ready, as the services do."""
    store = Store(url, "game-consumer", connections=1)
    store.open()
    play = Play(f"play-{number}", "ada", "sevens", 100, "0" * 32, 1_700_000_000_000)
    try:
        settled = store.settle(play, spin(play.play_id, play.seed, play.bet), None)
        return (
            settled is Settlement.WRITTEN and bool(store.find(play.play_id)) and not store.ready()
        )
    except (psycopg.Error, ConsumersError):
        return False
    finally:
        store.close(10)
