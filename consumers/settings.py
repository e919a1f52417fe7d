"""What a deployment may decide, read once at the start from a YAML file and the environment.

``load(ApiSettings, path)`` gives one frozen object or raises one `SettingsError` that lists every
problem: what is set, where, and what would be right. ``CONSUMERS_<NAME>`` in the environment wins
over the key ``<name>`` of the file. A key or variable that nobody knows is a problem, so that a
typo cannot silently leave a default in place. One file serves every service of the package.

Secrets are never printed: not by ``repr``, not in a problem, not in a log.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from consumers.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "CONSUMERS_"
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
SERVER = re.compile(r"(?:[^\s,:/]+|\[[0-9a-fA-F:]+\]):\d{1,5}")

# librdkafka properties that the runtime's promises hang on: nothing is committed before it is done.
OURS = frozenset(
    {
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.id",
        "metadata.broker.list",
    }
)
# Properties that librdkafka refuses with the new group protocol (KIP-848).
BROKERS = frozenset(
    {
        "group.protocol.type",
        "heartbeat.interval.ms",
        "partition.assignment.strategy",
        "session.timeout.ms",
    }
)

ClientProperties = dict[str, str | int | float | bool]
AnySettings = TypeVar("AnySettings", bound="Settings")


def parse_duration(value: object) -> object:
    """Read ``15s``, ``500ms``, ``2m`` or ``1h`` as a `timedelta`; a bare number has no unit."""
    if isinstance(value, timedelta):
        return value
    match = DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a duration with its unit, such as 15s, 500ms or 2m")
    return timedelta(**{UNITS[match[2]]: float(match[1])})


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("a duration must be longer than nothing, such as 5s")
    return value


def _topic(value: str) -> str:
    if value in {".", ".."} or TOPIC.fullmatch(value) is None:
        raise ValueError("a topic is 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return value


def _servers(value: str) -> str:
    if not all(SERVER.fullmatch(part.strip()) for part in value.split(",")):
        raise ValueError("write HOST:PORT, several with commas between, such as kafka-1:9092")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value


def _client(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise ValueError('write librdkafka properties as an object: {"security.protocol": "ssl"}')  # noqa: TRY004 - pydantic collects ValueError alone
    if taken := sorted(OURS & value.keys()):
        raise ValueError(f"the runtime sets {', '.join(taken)} itself: take it out")
    if value.get("group.protocol") == "consumer" and (taken := sorted(BROKERS & value.keys())):
        raise ValueError(f"with group.protocol=consumer the broker decides on {', '.join(taken)}")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_positive)]
Topic = Annotated[str, AfterValidator(_topic)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """Everything that a service of this package can be told. Made by `load`.

    The database is named by *database_url*, or by *database_url_file* whose content is the URL.
    *client* holds librdkafka properties as they are written in its documentation; they reach both
    the producer and the consumer, each takes its own. After a failure a record is tried again
    *retries* times, *backoff_initial*, twice that, four times that ... later, never more than
    *backoff_max*.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    bootstrap_servers: Annotated[str, AfterValidator(_servers)]
    database_url: Annotated[SecretStr, AfterValidator(_database_url)]
    database_url_file: Path | None = None
    host: str = "127.0.0.1"
    port: Port = 0
    environment: str = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    topic: Topic = "game.slots.plays"
    dlq_topic: Topic = ""
    group: Annotated[str, Field(min_length=1)] = "game-consumer"
    client: Annotated[
        ClientProperties, NoDecode, BeforeValidator(_client), Field(default={}, repr=False)
    ]
    produce_timeout: Duration = timedelta(seconds=5)
    shutdown_timeout: Duration = timedelta(seconds=8)
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    backoff_initial: Duration = timedelta(seconds=1)
    backoff_max: Duration = timedelta(seconds=30)

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
        """Let the environment win over what `load` read from the file."""
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


def load(kind: type[AnySettings], path: Path | None = None) -> AnySettings:
    """Read settings of *kind* from the YAML file at *path*, if any, and the environment.

    Raises `SettingsError` with every problem found in both.
    """
    values, problems = _read(path)
    problems += _unknown(kind, values, os.environ)
    problems += _read_secret("database_url", values, os.environ)
    known = {key: value for key, value in values.items() if key in kind.model_fields}
    try:
        settings = kind(**known)
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors(include_input=False)]
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def _read(path: Path | None) -> tuple[dict[str, Any], list[str]]:
    if path is None:
        return {}, []
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return {}, [f"{path}: cannot be read: {error}"]
    except yaml.YAMLError as error:
        return {}, [f"{path}: is not YAML: {' '.join(str(error).split())}"]
    if values is None:
        return {}, []
    if not isinstance(values, dict):
        return {}, [f"{path}: must hold keys and values, such as topic: game.slots.plays"]
    return {str(key): value for key, value in values.items()}, []


def _read_secret(name: str, values: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the content of the file that ``<name>_file`` names into *values* as *name*."""
    variable = f"{PREFIX}{name.upper()}"
    path = environ.get(f"{variable}_FILE") or values.get(f"{name}_file")
    if path is None:
        return []
    if variable in environ or name in values:
        return [f"{name}_file: give this or {name}, not both"]
    try:
        values[name] = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        # A stand-in that passes, or else the same fault would be told twice.
        values[name] = "postgresql://"
        return [f"{name}_file: cannot be read: {error}"]
    return []


def _unknown(
    kind: type[Settings], values: Mapping[str, Any], environ: Mapping[str, str]
) -> list[str]:
    fields = sorted(kind.model_fields)
    variables = [f"{PREFIX}{field.upper()}" for field in fields]
    return [
        f"{name}: is not a setting{_meant(name, known)}"
        for names, known in (
            (values, fields),
            ([name for name in environ if name.upper().startswith(PREFIX)], variables),
        )
        for name in sorted(names)
        if name not in known
    ]


def _meant(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _sentence(detail: ErrorDetails) -> str:
    """Say one problem that pydantic found: which setting, and what would be right."""
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{path}: is required; set {PREFIX}{path.upper()} or the key {path}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message
