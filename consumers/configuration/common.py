"""What several services may be told, in parts: each service takes those that it needs.

Frozen. ``CONSUMERS_<NAME>`` in the environment wins over what is handed in, which is how
`consumers.configuration.loading` hands in the file. Secrets are never printed: not by ``repr``, not
in a problem, not in a log.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.configuration.fields import (
    BROKERS,
    TOPIC,
    Client,
    DatabaseUrl,
    Duration,
    Group,
    Host,
    Instance,
    Port,
    Servers,
    StopDuration,
    Topic,
)
from consumers.configuration.numbers import part, whole

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "CONSUMERS_"

# Settings that are properties of librdkafka too.
PROPERTIES = {
    "group_protocol": "group.protocol",
    "instance_id": "group.instance.id",
}


class Settings(BaseSettings):
    """What every service may be told: where it listens, how it logs, how long it may take to stop.

    An HTTP request that takes longer than *slow_request* is warned of in the log. With
    *metrics_token_file* or *metrics_users_file* the metrics and the status are shown to those alone
    who have a token or a password in there.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=False,
    )

    host: Host = "127.0.0.1"
    port: Port = 0
    environment: str = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    shutdown_timeout: StopDuration = timedelta(seconds=8)
    slow_request: Duration = timedelta(seconds=1)
    metrics_token_file: Path | None = None
    metrics_users_file: Path | None = None

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


class KafkaSettings(Settings):
    """Which topics of which cluster, and how it is reached.

    *client* holds librdkafka properties as they are written in its documentation; they reach both
    the producer and the consumer, each takes its own. Records that are given up go to *dlq_topic*.
    A broker has *produce_timeout* to acknowledge a record.
    """

    bootstrap_servers: Servers
    topic: Topic
    dlq_topic: Topic = ""
    client: Client = Field(default={}, repr=False)
    produce_timeout: Duration = timedelta(seconds=5)

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


class ConsumerSettings(KafkaSettings):
    """How a consumer group reads the topic, and what becomes of a record that fails.

    The group is read by the *group_protocol*. A worker with an *instance_id* keeps its partitions
    over a restart. Where the group has no offset, or one that was deleted, it begins by
    *offset_reset*; with ``error`` the worker stops and says so.

    After a failure a record is tried again *retries* times, *backoff_initial*, twice that, four
    times that ... later, never more than *backoff_max*; chance takes away up to *backoff_jitter* of
    each wait. A handler that takes longer than *slow_handler* is warned of in the log.

    *dlq_create* lets the worker make the dead-letter topic. More dead letters than
    *dlq_limit_consecutive* in a row, or than *dlq_limit_ratio* of the last thousand, stop it.

    Up to *lanes* records are worked on at once; a batch handler gets up to *batch_records* that
    came within *batch_wait*. What was fetched and is unfinished is kept to *max_queued_records* and
    *max_queued_bytes*.
    """

    group: Group
    offset_reset: Literal["earliest", "latest", "error"] = "error"
    group_protocol: Literal["classic", "consumer"] = "classic"
    instance_id: Instance | None = None
    dlq_create: bool = False
    dlq_limit_consecutive: Annotated[int, whole(1)] = 100
    dlq_limit_ratio: Annotated[float, part(above=True)] = 0.5
    retries: Annotated[int, whole(0, 100)] = 3
    backoff_initial: Duration = timedelta(seconds=1)
    backoff_max: Annotated[Duration, Field(validate_default=True)] = timedelta(seconds=30)
    backoff_jitter: Annotated[float, part(above=False)] = 0.2
    lanes: Annotated[int, whole(1, 256)] = 1
    batch_records: Annotated[int, whole(1, 10_000)] = 100
    batch_wait: Duration = timedelta(milliseconds=100)
    max_queued_records: Annotated[int, whole(1)] = 10_000
    max_queued_bytes: Annotated[int, whole(1)] = 64 * 1024 * 1024
    slow_handler: Duration = timedelta(seconds=10)

    @field_validator("backoff_max")
    @classmethod
    def _no_shorter_than_the_first(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value < info.data.get("backoff_initial", value):
            raise ValueError("must not be shorter than backoff_initial, which is the first wait")
        return value

    @field_validator(*PROPERTIES)
    @classmethod
    def _said_once(cls, value: str, info: ValidationInfo) -> str:
        """Refuse a setting whose property is under client as well. Defaults are not asked."""
        client = info.data.get("client") or {}
        name = PROPERTIES[str(info.field_name)]
        if name in client:
            raise ValueError(f"client sets {name} too: take it out there")
        if value == "consumer" and (taken := sorted(BROKERS & client.keys())):
            raise ValueError(
                f"the broker then decides on {', '.join(taken)}: take it out of client"
            )
        return value


class DatabaseSettings(Settings):
    """Where Postgres is, and when a dependency that does not answer is left alone.

    The database is named by *database_url*, or by *database_url_file* whose content is the URL.
    After *breaker_failures* calls in a row that a dependency could not answer, or the part
    *breaker_ratio* of the last *breaker_window* calls, it is left alone for *breaker_open*, then
    asked by one call alone.
    """

    database_url: DatabaseUrl
    database_url_file: Path | None = None
    breaker_failures: Annotated[int, whole(1, 1000)] = 5
    breaker_ratio: Annotated[float, part(above=True)] = 0.5
    breaker_window: Annotated[int, whole(1, 10_000)] = 20
    breaker_open: Duration = timedelta(seconds=5)
