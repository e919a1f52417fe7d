"""What a deployment may decide, read once at the start from a YAML file and the environment.

A class for each service, put together from `consumers.configuration.common`, frozen;
`consumers.configuration.loading` makes them. One file serves every service of the package: a key of
another service is no problem, one that nobody knows is.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path  # noqa: TC003 - pydantic reads annotations when it runs
from typing import Annotated, Literal

from consumers.configuration.common import (
    ConsumerSettings,
    DatabaseSettings,
    KafkaSettings,
    Settings,
)
from consumers.configuration.fields import (  # noqa: TC001 - pydantic reads annotations
    ClassNames,
    Duration,
    Group,
    Port,
    Rate,
    Topic,
    WebAddress,
)
from consumers.configuration.numbers import whole

PLAYS = "game.slots.plays"  # the topic of the game


class ApiSettings(DatabaseSettings, KafkaSettings):
    """What the API can be told.

    It works on *max_requests* at once, each for *request_timeout* at most, and takes plays of one
    player at *rate_limit*.
    """

    port: Port = 8080
    topic: Topic = PLAYS
    request_timeout: Duration = timedelta(seconds=10)
    max_requests: Annotated[int, whole(1, 100_000)] = 1000
    rate_limit: Rate = "20/second"


class RunSettings(ConsumerSettings):
    """What the worker of a handler of one's own can be told: it needs no database.

    What its handler raises of the classes *unavailable* is waited for.
    """

    port: Port = 8081
    unavailable: ClassNames = ()


class WorkerSettings(DatabaseSettings, ConsumerSettings):
    """What the game's worker can be told.

    It begins at the oldest play: none may be left out. It settles each with the partner at
    *fintech_url* first, if it is set, and waits *fintech_timeout* for it.
    """

    port: Port = 8081
    topic: Topic = PLAYS
    group: Group = "game-consumer"
    offset_reset: Literal["earliest", "latest", "error"] = "earliest"
    fintech_url: WebAddress | None = None
    fintech_timeout: Duration = timedelta(seconds=5)


class MigrateSettings(DatabaseSettings):
    """What the migration can be told: it needs no Kafka."""


class FintechSettings(Settings):
    """What the partner's stand-in can be told: it needs neither Kafka nor the database.

    *fintech_ledger* is the file in which it keeps its book; without it the book ends with the
    process.
    """

    port: Port = 8082
    fintech_ledger: Path | None = None


class LoadSettings(Settings):
    """What the load on the API can be told: it needs neither Kafka nor the database."""

    port: Port = 8083


class DeadLetterSettings(KafkaSettings):
    """What the commands about dead letters can be told: they need no database."""

    topic: Topic = PLAYS


# By the command that takes them.
SERVICES: dict[str, type[Settings]] = {
    "api": ApiSettings,
    "worker": WorkerSettings,
    "run": RunSettings,
    "migrate": MigrateSettings,
    "fintech": FintechSettings,
    "load": LoadSettings,
    "dlq": DeadLetterSettings,
}
