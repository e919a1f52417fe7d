"""What a deployment may decide, read once at the start from a YAML file and the environment.

A class for each service, frozen; `consumers.configuration.loading` makes them. One file serves
every service of the package: a key of another service is no problem, one that nobody knows is.
``CONSUMERS_<NAME>`` in the environment wins over the key ``<name>`` of the file.

Secrets are never printed: not by ``repr``, not in a problem, not in a log.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.configuration.fields import (
    TOPIC,
    Client,
    DatabaseUrl,
    Duration,
    Group,
    Host,
    Port,
    Servers,
    Topic,
    WebAddress,
)

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "CONSUMERS_"


class Settings(BaseSettings):
    """Everything that a service of this package can be told.

    The database is named by *database_url*, or by *database_url_file* whose content is the URL.
    *client* holds librdkafka properties as they are written in its documentation; they reach both
    the producer and the consumer, each takes its own. After a failure a record is tried again
    *retries* times, *backoff_initial*, twice that, four times that ... later, never more than
    *backoff_max*. An HTTP request that takes longer than *slow_request* is warned of in the log, a
    handler that takes longer than *slow_handler* too.

    After *breaker_failures* calls in a row that a dependency could not answer it is left alone for
    *breaker_open*, then asked by one call alone.

    Records that are given up go to *dlq_topic*, which *dlq_create* lets the worker make. More than
    *dlq_limit_consecutive* in a row, or than *dlq_limit_ratio* of the last thousand, stop it.

    Up to *lanes* records are worked on at once; a batch handler gets up to *batch_records* that
    came within *batch_wait*. What was fetched and is unfinished is kept to *max_queued_records* and
    *max_queued_bytes*.

    The worker settles each play with the partner at *fintech_url* first, if it is set, and waits
    *fintech_timeout* for it. *fintech_ledger* is the file in which the partner's stand-in keeps its
    book; without it the book ends with the process.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    bootstrap_servers: Servers
    database_url: DatabaseUrl
    database_url_file: Path | None = None
    host: Host = "127.0.0.1"
    port: Port = 0
    environment: str = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    topic: Topic = "game.slots.plays"
    dlq_topic: Topic = ""
    dlq_create: bool = False
    dlq_limit_consecutive: Annotated[int, Field(ge=1)] = 100
    dlq_limit_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    group: Group = "game-consumer"
    client: Client = Field(default={}, repr=False)
    produce_timeout: Duration = timedelta(seconds=5)
    shutdown_timeout: Duration = timedelta(seconds=8)
    slow_request: Duration = timedelta(seconds=1)
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    backoff_initial: Duration = timedelta(seconds=1)
    backoff_max: Duration = timedelta(seconds=30)
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    breaker_open: Duration = timedelta(seconds=5)
    lanes: Annotated[int, Field(ge=1, le=256)] = 1
    batch_records: Annotated[int, Field(ge=1, le=10_000)] = 100
    batch_wait: Duration = timedelta(milliseconds=100)
    max_queued_records: Annotated[int, Field(ge=1)] = 10_000
    max_queued_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    slow_handler: Duration = timedelta(seconds=10)
    fintech_url: WebAddress | None = None
    fintech_timeout: Duration = timedelta(seconds=5)
    fintech_ledger: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_the_dead_letters(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Derive the dead-letter topic from the topic, unless it is named."""
        topic = values.get("topic", cls.model_fields["topic"].default)
        # A bad topic is told once, as itself.
        fit = isinstance(topic, str) and TOPIC.fullmatch(topic)
        return {"dlq_topic": f"{topic if fit else 'topic'}.dlq"} | values

    @field_validator("dlq_topic")
    @classmethod
    def _kept_apart(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("topic"):
            raise ValueError("must differ from topic, or dead letters would be handled again")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what was read from the file."""
        return env_settings, init_settings


class ApiSettings(Settings):
    """What the API can be told."""

    port: Port = 8080


class WorkerSettings(Settings):
    """What the worker can be told."""

    port: Port = 8081


class MigrateSettings(Settings):
    """What the migration can be told: it needs no Kafka."""

    bootstrap_servers: str = ""


class FintechSettings(Settings):
    """What the partner's stand-in can be told: it needs neither Kafka nor the database."""

    bootstrap_servers: str = ""
    database_url: SecretStr = SecretStr("")
    port: Port = 8082


class DeadLetterSettings(Settings):
    """What the commands about dead letters can be told: they need no database."""

    database_url: SecretStr = SecretStr("")


SERVICES: tuple[type[Settings], ...] = (
    ApiSettings,
    WorkerSettings,
    MigrateSettings,
    FintechSettings,
    DeadLetterSettings,
)
